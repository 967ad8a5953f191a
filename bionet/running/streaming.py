"""Recorded spikes and potentials that go to an HDF5 file, batch by batch, instead of into memory.

HDF5 rather than zarr: one file instead of a folder of thousands, and NIR, NWB and SONATA need its
library anyway. The data sets have the names and the layout of a :class:`Recording`'s fields, and
the recording that is returned reads from them:

=========================  ===============================================
``recorded_images``        (n_recorded,)
``recorded_spikes/NAME``   (n_spikes, 3): image, step, unit; sorted
``recorded_amplitudes/..`` (n_spikes,)
``recorded_potentials/..`` (n_recorded, n_steps, n_units)
``recorded_units/NAME``    (n_units,)
=========================  ===============================================
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bionet.brian.plan import Plan
from bionet.errors import InputError
from bionet.files import atomic
from bionet.network import SpikingNetwork
from bionet.running.memory import estimate
from bionet.running.run_results import Monitored

__all__ = ["batch_of_images", "batches", "streamed"]

GROWING = ("recorded_spikes", "recorded_amplitudes", "recorded_potentials")
BATCH_BYTES = 2**28


def batch_of_images(snn: SpikingNetwork, plan: Plan) -> int:
    """Images whose recording takes a quarter of a gigabyte; at least one."""
    parts = estimate(snn, plan, 0, 1)
    each = sum(n for name, n in parts.items() if name.startswith(("spikes of", "potentials of")))
    return max(1, BATCH_BYTES // max(each, 1))


def batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """The numbers of the images, ``size`` at a time."""
    for first in range(0, len(images), size):
        yield images[first : first + size]


def streamed(
    path: str | Path,
    images: np.ndarray,
    size: int,
    simulate: Callable[[np.ndarray], Monitored],
) -> Monitored:
    """Simulate batches of images and append what was recorded of each to a file.

    Parameters
    ----------
    path : path
        Of the HDF5 file; it is written anew.
    images : int array (n_recorded,)
    size : int
        Images of a batch.
    simulate : callable
        From the numbers of some images to what was recorded of them.

    Returns
    -------
    Monitored
        Its fields are data sets of the file.

    Raises
    ------
    InputError
        If h5py is not installed, or the file cannot be written.
    """
    try:
        h5py = importlib.import_module("h5py")
    except ImportError as error:
        raise InputError(
            'streaming needs the package h5py, which is not installed: pip install "bionet[hdf5]"'
        ) from error
    with atomic(path) as part, h5py.File(part, "w") as file:
        file["recorded_images"] = images
        for batch in batches(images, size):
            _append(file, simulate(batch).fields())
    return Monitored(**_fields(h5py.File(path, "r")))


def _append(file: Any, fields: dict[str, Any]) -> None:
    for group in GROWING:
        for name, values in fields[group].items():
            key = f"{group}/{name}"
            if key not in file:
                chunks = (1, *values.shape[1:]) if values.ndim == 3 else (2**14, *values.shape[1:])
                file.create_dataset(
                    key,
                    shape=(0, *values.shape[1:]),
                    maxshape=(None, *values.shape[1:]),
                    dtype=values.dtype,
                    chunks=chunks,
                    compression="lzf",
                )
            data = file[key]
            data.resize(len(data) + len(values), axis=0)
            if len(values):
                data[-len(values) :] = values
    for name, units in fields["recorded_units"].items():
        if f"recorded_units/{name}" not in file:
            file[f"recorded_units/{name}"] = units


def _fields(file: Any) -> dict[str, Any]:
    """The data sets of the large fields, and the small ones as arrays."""
    fields: dict[str, Any] = {g: dict(file[g]) if g in file else {} for g in GROWING}
    units = file["recorded_units"].items() if "recorded_units" in file else ()
    fields["recorded_units"] = {name: data[:] for name, data in units}
    return fields | {"recorded_images": file["recorded_images"][:]}
