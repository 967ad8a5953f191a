"""Recorded spikes in the SONATA format, which BMTK, NEST and BlueBrain's tools read.

A SONATA file knows no presentations: image k of the recorded ones begins at k times the
presentation's length, and its onset is in the data set ``/bionet/onsets``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bionet.exchange.optional import required
from bionet.exchange.units_table import images_of, spiking_populations
from bionet.files import atomic
from bionet.results.recording import Recording

__all__ = ["to_sonata"]

MAGIC, VERSION = 0x0A7A, (0, 1)


def to_sonata(run: Recording, path: str | Path, populations: Sequence[str] | None = None) -> Path:
    """Write the recorded spikes as a SONATA spike file (HDF5).

    Parameters
    ----------
    run : Recording
    path : path
        Such as ``spikes.h5``.
    populations : sequence of str, optional
        All with recorded spikes by default.

    Returns
    -------
    Path
        The file written: ``/spikes/NAME/timestamps`` in milliseconds, sorted, and
        ``/spikes/NAME/node_ids``, units in PyTorch's order.

    Raises
    ------
    InputError
        If h5py is not installed, or the spikes of a population were not recorded.
    """
    h5py = required("h5py", "hdf5")
    names, images = spiking_populations(run, populations), images_of(run, None)
    dt = float(run.parameters["dt_ms"])
    with atomic(path) as part, h5py.File(part, "w") as file:
        file.attrs["magic"], file.attrs["version"] = np.uint32(MAGIC), np.array(VERSION, np.uint32)
        for name in names:
            image, step, unit = np.asarray(run.recorded_spikes[name]).T
            steps = np.searchsorted(images, image) * run.n_steps + step
            group = file.create_group(f"spikes/{name}")
            group.attrs["sorting"] = "by_time"
            times = group.create_dataset("timestamps", data=steps * dt, compression="gzip")
            times.attrs["units"] = "milliseconds"
            group.create_dataset("node_ids", data=unit.astype(np.uint64), compression="gzip")
        notes = file.create_group("bionet")
        notes.create_dataset("images", data=images)
        onsets = notes.create_dataset("onsets", data=np.arange(len(images)) * run.n_steps * dt)
        onsets.attrs["units"] = "milliseconds"
    return Path(path)
