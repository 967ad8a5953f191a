"""A recording as a Neurodata Without Borders file: units, trials, series of potentials.

The recorded images are trials, one after another: the k-th begins at k times the presentation's
length. A unit of the network is a row of the units table, with the times of its spikes in all of
them. Potentials are series in the processing module ``icephys``, which is the schema's name for
intracellular recordings. They are written piece by piece from where they lie, so that a recording
mapped from disk need not fit into memory.

Readers of NWB take the longest dimension of a series for time: a population of more units than
there are samples is written in parts, ``potential_fc1_part_1`` and so on.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.exchange.optional import required
from bionet.exchange.units_table import (
    images_of,
    spiking_populations,
    unit_of,
    unit_places,
    units_of,
    variable_of,
)
from bionet.files import atomic
from bionet.results.recording import Recording

__all__ = ["to_nwb"]

# NWB asks for a species; the taxonomy's entry for what has none.
UNIDENTIFIED = "http://purl.obolibrary.org/obo/NCBITaxon_32644"


def to_nwb(
    run: Recording,
    path: str | Path,
    populations: Sequence[str] | None = None,
    labels: np.ndarray | None = None,
    description: str = "Simulation of a spiking network by BioNet in Brian2",
    start: datetime | None = None,
    experimenter: str | Sequence[str] | None = None,
    institution: str | None = None,
) -> Path:
    """Write a recording as an NWB file (HDF5).

    Parameters
    ----------
    run : Recording
    path : path
        Such as ``run.nwb``.
    populations : sequence of str, optional
        Whose units; all with recorded spikes by default.
    labels : int array (n_images,), optional
        Classes of the images, for the trials.
    description : str
        Of the session.
    start : datetime, optional
        Start of the session with its time zone; now by default.
    experimenter : str or sequence of str, optional
        Who simulated, as "Last, First"; archives ask for it.
    institution : str, optional
        Where.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If pynwb is not installed, a population was not recorded, or labels do not fit.
    """
    pynwb = required("pynwb", "nwb")
    names, images = spiking_populations(run, populations), images_of(run, None)
    if labels is not None and np.shape(labels) != (run.n_images,):
        raise InputError(
            f"labels must be {run.n_images} classes, one for each image, but have the shape"
            f" {np.shape(labels)}"
        )
    network = str(run.parameters.get("network", ""))
    length = run.n_steps * run.parameters["dt_ms"] / 1000
    file = pynwb.NWBFile(
        session_description=description,
        experiment_description=f"Network {network}, method {run.parameters.get('method')}, input"
        f" coding {run.parameters.get('coding')}; every image is presented for {length:g} s",
        identifier=f"bionet-{network[:16]}-{run.parameters.get('seed', 0)}",
        session_start_time=start or datetime.now(UTC),
        keywords=["simulation", "spiking neural network", "Brian2"],
        source_script=f"bionet {run.parameters.get('versions', {}).get('bionet', '')}",
        source_script_file_name="bionet.simulate",
        experimenter=[experimenter] if isinstance(experimenter, str) else experimenter,
        institution=institution,
    )
    file.subject = pynwb.file.Subject(
        subject_id="simulated-network",
        description="A network simulated by BioNet; no animal",
        species=UNIDENTIFIED,
        sex="U",
        age="P0D",
    )
    _trials(file, run, images, labels, length)
    if names:
        _units(file, run, images, names, length)
    if run.recorded_potentials:
        module = file.create_processing_module(
            "icephys", "Simulated membrane potentials and other variables of the recorded units"
        )
        for name in run.recorded_potentials:
            for series in _series(pynwb, run, name):
                module.add(series)
    with atomic(path) as part, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The file path provided.*does not end in '.nwb'")
        with pynwb.NWBHDF5IO(str(part), "w") as io:
            io.write(file)
    return Path(path)


def _trials(file: Any, run: Recording, images: np.ndarray, labels: Any, length: float) -> None:
    file.add_trial_column("image", "Number of the image, as it was given")
    file.add_trial_column("prediction", "Class that the network answered")
    if labels is not None:
        file.add_trial_column("label", "Class of the image")
    predictions = run.predictions()
    for number, image in enumerate(images):
        label = {} if labels is None else {"label": int(labels[image])}
        file.add_trial(
            start_time=number * length,
            stop_time=(number + 1) * length,
            image=int(image),
            prediction=int(predictions[image]),
            **label,
        )


def _units(file: Any, run: Recording, images: np.ndarray, names: Any, length: float) -> None:
    file.add_unit_column("population", "Population of the network")
    for column, text in (
        ("unit_in_population", "Number of the unit in its population, in PyTorch's order"),
        ("channel", "Channel of the unit; -1 in a population without channels"),
        ("row", "Row of the unit in its channel; -1 in a population without channels"),
        ("column", "Column of the unit in its channel; -1 in a population without channels"),
    ):
        file.add_unit_column(column, text)
    dt = run.parameters["dt_ms"] / 1000
    observed = [[0.0, len(images) * length]]
    for name in names:
        image, step, unit = np.asarray(run.recorded_spikes[name]).T
        steps = np.searchsorted(images, image) * run.n_steps + step
        size = int(np.prod(run.shapes[name]))
        order = np.argsort(unit, kind="stable")
        trains = np.split(steps[order], np.searchsorted(unit[order], np.arange(1, size)))
        places = unit_places(run.shapes[name])
        for number, train in enumerate(trains):
            file.add_unit(
                spike_times=train * dt,
                obs_intervals=observed,
                population=name,
                unit_in_population=number,
                **{k: int(places[k][number]) if k in places else -1 for k in PLACES},
            )
    file.units.resolution = dt


# As NWB writes them; without unit a potential counts in thresholds.
UNITS = {"V": "volts", "A": "amperes", "S": "siemens", "": "n.a."}
PLACES = ("channel", "row", "column")


def _series(pynwb: Any, run: Recording, name: str) -> Iterator[Any]:
    """A recorded variable in all recorded images in a row, (n_images n_steps, n_units)."""
    from hdmf.backends.hdf5.h5_utils import H5DataIO
    from hdmf.data_utils import DataChunkIterator

    values, units = run.recorded_potentials[name], units_of(run, name)
    n_samples = len(values) * run.n_steps
    dt = run.parameters["dt_ms"] / 1000
    (population, variable), unit = variable_of(run, name), unit_of(run, name)
    title = f"potential_{population}" if variable == "v" else f"{variable}_{population}"
    what = "Membrane potential" if variable == "v" else f"Variable {variable}"
    for number, first in enumerate(range(0, len(units), n_samples), start=1):
        part = slice(first, min(first + n_samples, len(units)))
        width = part.stop - first
        rows = DataChunkIterator(
            _rows(values, part),
            maxshape=(None, width),
            buffer_size=run.n_steps,
            dtype=values.dtype,
        )
        yield pynwb.TimeSeries(
            name=title if len(units) <= n_samples else f"{title}_part_{number}",
            data=H5DataIO(rows, compression="gzip", chunks=(run.n_steps, min(width, 1024))),
            unit=UNITS.get(unit, unit),
            rate=1 / dt,
            starting_time=dt,
            description=f"{what} of {population} after every step, set back at every trial;"
            " a column a unit",
            comments="units " + " ".join(map(str, units[part])),
        )


def _rows(values: Any, part: slice) -> Iterator[np.ndarray]:
    for image in range(len(values)):
        yield from np.asarray(values[image][:, part])
