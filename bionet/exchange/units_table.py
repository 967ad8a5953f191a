"""What every exchange needs of a recording: populations, images, and the place of a unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from brian2.units.fundamentalunits import get_or_create_dimension, get_unit

from bionet.errors import InputError
from bionet.results.recording import Recording

__all__ = [
    "images_of",
    "spikes_by_unit",
    "spiking_populations",
    "unit_of",
    "unit_places",
    "units_of",
    "variable_of",
]


def spiking_populations(run: Recording, populations: Sequence[str] | None) -> tuple[str, ...]:
    """Populations with recorded spikes; all of them where none are named.

    Raises
    ------
    InputError
        If the spikes of a named population were not recorded.
    """
    names = tuple(run.recorded_spikes) if populations is None else tuple(populations)
    for name in names:
        if name not in run.recorded_spikes:
            recorded = ", ".join(run.recorded_spikes) or "none"
            raise InputError(
                f"spikes of {name!r} were not recorded (recorded: {recorded});"
                f' simulate with record={{"{name}": ["spikes"]}}'
            )
    return names


def images_of(run: Recording, images: Sequence[int] | None) -> np.ndarray:
    """Recorded images, checked; all of them where none are named, int array."""
    recorded = np.asarray(run.recorded_images)
    wanted = recorded if images is None else np.asarray(list(images), dtype=np.int64)
    if missing := [int(i) for i in wanted if i not in recorded]:
        raise InputError(
            f"image {missing[0]} was not recorded; {len(recorded)} images were"
            " (record_images of bionet.simulate chooses them)"
        )
    if not len(wanted):
        raise InputError(
            "nothing was recorded that could be written; simulate with"
            ' record={"conv1": ["spikes", "v"]}'
        )
    return wanted


def spikes_by_unit(run: Recording, population: str, image: int) -> list[np.ndarray]:
    """Steps of the spikes of every unit for one image, in PyTorch's order."""
    table = run.recorded_spikes[population]
    # Sorted by image: two searches instead of one comparison with every spike.
    first, last = np.searchsorted(table[:, 0], [image, image + 1])
    rows = table[first:last]
    order = np.argsort(rows[:, 2], kind="stable")
    size = int(np.prod(run.shapes[population]))
    ends = np.searchsorted(rows[order, 2], np.arange(1, size))
    return np.split(rows[order, 1], ends)


def unit_places(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Place of every unit of a population: unit, and channel, row and column of an image.

    Returns
    -------
    dict of str to int array (n_units,)
    """
    size = int(np.prod(shape))
    places = {"unit": np.arange(size)}
    if len(shape) == 3:
        places |= dict(
            zip(("channel", "row", "column"), np.unravel_index(np.arange(size), shape), strict=True)
        )
    return places


def variable_of(run: Recording, key: str) -> tuple[str, str]:
    """Population and variable of a recorded trace: ``conv1`` is its potential."""
    population, _, variable = key.partition(".")
    return population, variable or "v"


def units_of(run: Recording, key: str) -> np.ndarray:
    """The recorded units of a trace, int array (n_units,)."""
    population, _ = variable_of(run, key)
    return np.asarray(run.recorded_units.get(key, run.recorded_units.get(population)))


def unit_of(run: Recording, key: str) -> str:
    """The SI unit in which a trace is kept, such as ``V``; empty for a plain number."""
    exponents = run.parameters.get("units", {}).get(key, [None, []])[1]
    if not any(exponents):
        return ""
    return str(get_unit(get_or_create_dimension(tuple(exponents))))
