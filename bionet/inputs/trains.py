"""Spike trains: the input's units fire at given times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.inputs.timed import Timed, in_steps, numbered_images, same_length, times, whole_numbers
from bionet.kinds import told, typed
from bionet.network.signal import EventSignal
from bionet.results.recording import Recording

__all__ = ["SpikeTrains", "replay", "spike_trains"]


@dataclass(frozen=True, eq=False)
class SpikeTrains(Timed):
    """Spike trains; see :func:`spike_trains`.

    Parameters
    ----------
    image, unit : int array (n_spikes,)
    time : float array (n_spikes,)
        In seconds.
    size : float array (n_spikes,)
    n_images : int
    """

    image: np.ndarray
    unit: np.ndarray
    time: np.ndarray
    size: np.ndarray
    n_images: int

    kind = "spike trains"

    def signal(self, shape: tuple[int, ...], dt: float, steps: np.ndarray) -> EventSignal:
        """The spikes, each in the step that its time lies in."""
        n_units = int(np.prod(shape))
        if (wrong := self.unit >= n_units).any():
            raise InputError(
                f"spike trains: there is no unit {int(self.unit[wrong][0])} in an input of the"
                f" shape {shape}; units are 0 to {n_units - 1}"
            )
        return in_steps(self, self.unit, self.size, dt, steps)


@typed
def spike_trains(
    i: Any, t: Any, *, image: Any = None, size: Any = None, n_images: int | None = None
) -> SpikeTrains:
    """Spikes of the input's units, as Brian2's monitors have them.

    Parameters
    ----------
    i : int array (n_spikes,), or list of them
        Units in PyTorch's order (channels, height, width), flattened; a list for several images.
    t : Quantity array (n_spikes,), or list of them
        Times since the onset of the presentation.
    image : int array (n_spikes,), optional
        The image that each spike belongs to, instead of lists.
    size : float array (n_spikes,), or list of them, optional
        Amplitude of each spike; 1 by default. Spikes of one unit in one step add up.
    n_images : int, optional
        With ``image``: the number of images, where the last ones have no spike.

    Raises
    ------
    InputError
        If the arrays do not fit to each other, or times have no unit or are not finite.
    """
    several = isinstance(t, (list, tuple))
    rows = list(t) if several else [t]
    time = [times(row) for row in rows]
    if not time:
        raise InputError("spike trains: there is no image; give at least one train, empty or not")
    if several and (not isinstance(i, (list, tuple)) or len(i) != len(time)):
        raise InputError(f"i must be a list of {len(time)} arrays, one for each image, as t is")
    unit = [whole_numbers(row, "i") for row in (i if several else [i])]
    sizes = (
        [np.ones(len(row)) for row in time] if size is None else list(size) if several else [size]
    )
    if any(np.asarray(row).dtype.kind not in "iuf" for row in sizes):
        raise InputError(f"size must be numbers, one for each spike, but is {told(size)}")
    sizes = [np.asarray(row, dtype=np.float64) for row in sizes]
    for units, row, at in zip(unit, sizes, time, strict=True):
        same_length({"i": units, "size": row}, len(at))
    if not all(np.isfinite(row).all() for row in sizes):
        raise InputError("size holds NaN or infinity; leave these spikes out")
    number, count = numbered_images(
        [len(row) for row in time], image, n_images, sum(map(len, time))
    )
    return SpikeTrains(
        number, np.concatenate(unit), np.concatenate(time), np.concatenate(sizes), count
    )


@typed
def replay(run: Recording, population: str = "input") -> SpikeTrains:
    """The spikes that a population emitted in an earlier simulation, with their sizes.

    Parameters
    ----------
    run : Recording
    population : str
        Its spikes must have been recorded.

    Returns
    -------
    SpikeTrains
        One presentation for each recorded image, in their order.

    Raises
    ------
    InputError
        If the spikes were not recorded.
    """
    if population not in run.recorded_spikes:
        recorded = ", ".join(run.recorded_spikes) or "none"
        raise InputError(
            f"replay: spikes of {population!r} were not recorded (recorded: {recorded}); simulate"
            f' with record={{"{population}": ["spikes"]}}'
        )
    table = np.asarray(run.recorded_spikes[population])
    image = np.searchsorted(run.recorded_images, table[:, 0])
    sizes = run.recorded_amplitudes.get(population)
    size = np.ones(len(table)) if sizes is None else np.asarray(sizes, dtype=np.float64)
    time = table[:, 1] * float(run.dt)
    return SpikeTrains(image, table[:, 2].astype(np.int64), time, size, len(run.recorded_images))
