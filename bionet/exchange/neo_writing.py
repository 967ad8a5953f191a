"""A recording as a Neo Block: a segment an image, spike trains and analog signals with units.

Neo is what Elephant's analyses (CV, Fano factor, correlation) and many others read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bionet.exchange.optional import required
from bionet.exchange.units_table import (
    images_of,
    spikes_by_unit,
    spiking_populations,
    unit_of,
    unit_places,
    units_of,
    variable_of,
)
from bionet.results.recording import Recording

__all__ = ["to_neo"]


def to_neo(
    run: Recording,
    populations: Sequence[str] | None = None,
    images: Sequence[int] | None = None,
) -> Any:
    """A recording as a :class:`neo.Block`.

    Parameters
    ----------
    run : Recording
    populations : sequence of str, optional
        Whose spike trains; all with recorded spikes by default.
    images : sequence of int, optional
        All that were recorded by default.

    Returns
    -------
    neo.Block
        A segment an image, from its onset at 0 ms. Every unit has a spike train, also a silent
        one, annotated with population, unit, and channel, row and column; the sizes of graded
        spikes are its array annotation ``amplitude``. The potentials of a population are one
        analog signal (n_steps, n_units), its first sample at the end of the first step.

    Raises
    ------
    InputError
        If neo is not installed, or a population or an image was not recorded.
    """
    neo, pq = required("neo", "neo"), required("quantities", "neo")
    names = spiking_populations(run, populations)
    dt = float(run.parameters["dt_ms"])
    block = neo.Block(
        name="BioNet recording",
        description=f"one segment for each image, steps of {dt:g} ms",
        **{k: v for k, v in run.parameters.items() if isinstance(v, str | int | float)},
    )
    predictions = run.predictions()
    for image in images_of(run, images):
        segment = neo.Segment(
            name=f"image {image}",
            index=int(image),
            image=int(image),
            prediction=int(predictions[image]),
        )
        for name in names:
            segment.spiketrains.extend(_trains(neo, pq, run, name, int(image), dt))
        for name in run.recorded_potentials:
            segment.analogsignals.append(_signal(neo, pq, run, name, int(image), dt))
        block.segments.append(segment)
    block.check_relationships()
    return block


def _trains(neo: Any, pq: Any, run: Recording, name: str, image: int, dt: float) -> list[Any]:
    places = unit_places(run.shapes[name])
    sizes = _sizes_by_unit(run, name, image)
    trains = []
    for unit, steps in enumerate(spikes_by_unit(run, name, image)):
        annotations = {k: int(v[unit]) for k, v in places.items()}
        arrays = {} if sizes is None else {"amplitude": sizes[unit]}
        trains.append(
            neo.SpikeTrain(
                steps * dt,
                units=pq.ms,
                t_start=0 * pq.ms,
                t_stop=run.n_steps * dt * pq.ms,
                sampling_rate=1 / (dt * pq.ms),
                name=f"{name} {unit}",
                array_annotations=arrays,
                population=name,
                **annotations,
            )
        )
    return trains


def _sizes_by_unit(run: Recording, name: str, image: int) -> list[np.ndarray] | None:
    """Signed size of the spikes of every unit, or None where all are alike."""
    sizes = run.recorded_amplitudes.get(name)
    if sizes is None:
        return None
    table = run.recorded_spikes[name]
    first, last = np.searchsorted(table[:, 0], [image, image + 1])
    units = table[first:last, 2]
    order = np.argsort(units, kind="stable")
    ends = np.searchsorted(units[order], np.arange(1, int(np.prod(run.shapes[name]))))
    return np.split(np.asarray(sizes)[first:last][order], ends)


def _signal(neo: Any, pq: Any, run: Recording, name: str, image: int, dt: float) -> Any:
    """A recorded variable of one image, in its SI unit; dimensionless where it has none."""
    population, variable = variable_of(run, name)
    return neo.AnalogSignal(
        np.asarray(run.variable(population, variable, image)),
        units=unit_of(run, name) or pq.dimensionless,
        sampling_period=dt * pq.ms,
        t_start=dt * pq.ms,
        name=f"{population} {variable}",
        population=population,
        array_annotations={"unit": units_of(run, name)},
    )
