"""Events of an event camera: a pixel that became brighter (*on*) or darker (*off*).

================  =================================================================
input's shape     where an event (x, y, p) arrives
================  =================================================================
(2, H, W)         unit (p, y, x): a spike of size 1; channel 0 is *off*, 1 is *on*
(1, H, W)         unit (0, y, x): a spike of size 1 (*on*) or -1 (*off*); always 1 where
                  no polarity is given
================  =================================================================

References
----------
Orchard et al. 2015 (N-MNIST), Section 2: addresses, polarities and times of events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bionet.errors import InputError
from bionet.inputs.movie import Frames, frames
from bionet.inputs.stimulus import whole_steps
from bionet.inputs.timed import Timed, in_steps, numbered_images, same_length, times, whole_numbers
from bionet.kinds import typed
from bionet.network.signal import EventSignal

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["Events", "events"]

FIELDS = ("t", "x", "y", "p")


@dataclass(frozen=True, eq=False)
class Events(Timed):
    """Events of a camera; see :func:`events`.

    Parameters
    ----------
    image, x, y : int array (n_events,)
    time : float array (n_events,)
        In seconds.
    on : bool array (n_events,) or None
    n_images : int
    """

    image: np.ndarray
    x: np.ndarray
    y: np.ndarray
    on: np.ndarray | None
    time: np.ndarray
    n_images: int

    kind = "events"

    def units(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Unit (PyTorch's order) and size of every event, arrays (n_events,).

        Raises
        ------
        InputError
            If the input has another number of channels, or an event lies outside of it.
        """
        if len(shape) != 3 or shape[0] not in (1, 2):
            raise InputError(
                "events need an input of the shape (2, height, width), or (1, height, width), but"
                f" the network's is {shape}; give spike trains of its units instead"
            )
        n_channels, height, width = shape
        if n_channels == 2 and self.on is None:
            raise InputError(
                "the input has two channels, for on and off events, but the events have no"
                " polarity; give p"
            )
        for name, place, size in (("x", self.x, width), ("y", self.y, height)):
            if (wrong := place >= size).any():
                raise InputError(
                    f"events: {name} = {int(place[wrong][0])} lies outside the input's shape"
                    f" {shape}; {name} goes from 0 to {size - 1}"
                )
        unit = self.y * width + self.x
        if n_channels == 2 and self.on is not None:
            return unit + self.on * (height * width), np.ones(len(unit))
        return unit, np.ones(len(unit)) if self.on is None else np.where(self.on, 1.0, -1.0)

    def signal(self, shape: tuple[int, ...], dt: float, steps: np.ndarray) -> EventSignal:
        """The events, each in the step that its time lies in."""
        return in_steps(self, *self.units(shape), dt, steps)

    def frames(self, shape: tuple[int, ...], frame: Quantity, duration: Quantity) -> Frames:
        """Sums of the events of each frame, for a network that is trained on such sums.

        Parameters
        ----------
        shape : tuple of int
            Of the network's input.
        frame, duration : Quantity
            Length of a frame, and of a presentation, a multiple of it.

        Returns
        -------
        Frames
            Float32, (n_images, n_frames, *shape).
        """
        n_frames = whole_steps(float(duration), float(frame), "the duration")
        steps = np.full(len(self), n_frames)
        binned = in_steps(self, *self.units(shape), float(frame), steps)
        sums = np.zeros((len(self), n_frames, int(np.prod(shape))), dtype=np.float32)
        sums[binned.image, binned.step, binned.unit] = binned.size
        return frames(sums.reshape(len(self), n_frames, *shape), frame)


@typed
def events(
    t: Any,
    x: Any = None,
    y: Any = None,
    p: Any = None,
    *,
    image: Any = None,
    n_images: int | None = None,
    time_unit: Quantity | None = None,
) -> Events:
    """Events of a camera: time, column, row and polarity of each.

    Parameters
    ----------
    t : Quantity array (n_events,), structured array, or list of them
        Times since the onset of the presentation; or a structured array with the fields t, x, y
        and p, as tonic's data sets have them. A list for several images.
    x, y : int array (n_events,), or list of them
        Column and row.
    p : array (n_events,), or list of them, optional
        Polarity: 1 or True for *on*, 0, -1 or False for *off*.
    image : int array (n_events,), optional
        The image that each event belongs to, instead of lists.
    n_images : int, optional
        With ``image``: the number of images, where the last ones have no event.
    time_unit : Quantity, optional
        Unit of the times of a structured array; microseconds by default, as in tonic.

    Raises
    ------
    InputError
        If the arrays do not fit to each other, times have no unit or are not finite, or a polarity
        is neither on nor off.
    """
    several = isinstance(t, (list, tuple))
    rows = list(t) if several else [t]
    if not rows:
        raise InputError("events: there is no image; give at least one array, empty or not")
    if rows and getattr(np.asarray(rows[0]).dtype, "names", None):
        if any(column is not None for column in (x, y, p)):
            raise InputError("events: a structured array holds x, y and p; leave them out")
        columns = [_fields(row, time_unit) for row in rows]
    else:
        columns = _columns(rows, {"x": x, "y": y, "p": p}, several)
    read = [_checked(*row) for row in columns]
    lengths = [len(row[0]) for row in read]
    number, count = numbered_images(lengths, image, n_images, sum(lengths))
    time, across, down = (np.concatenate([row[k] for row in read]) for k in range(3))
    without = [row[3] is None for row in read]
    if any(without) and not all(without):
        raise InputError("events: some images have polarities and some have none")
    on = None if all(without) else np.concatenate([row[3] for row in read])
    return Events(number, across, down, on, time, count)


def _fields(row: Any, time_unit: Quantity | None) -> tuple[Any, Any, Any, Any]:
    """The fields of a structured array, times with their unit."""
    from brian2 import usecond

    row = np.asarray(row)
    if missing := [name for name in FIELDS[:3] if name not in (row.dtype.names or ())]:
        raise InputError(f"events: a structured array needs the fields t, x and y; {missing} lack")
    unit = usecond if time_unit is None else time_unit
    polarity = row["p"] if "p" in row.dtype.names else None
    return row["t"].astype(np.float64) * unit, row["x"], row["y"], polarity


def _columns(rows: list[Any], columns: dict[str, Any], several: bool) -> list[tuple[Any, ...]]:
    """Time, x, y, p of every image."""
    for name in ("x", "y"):
        if columns[name] is None:
            raise InputError(f"events: {name} is missing; give t, x, y and, if there is one, p")
    lists: list[Any] = [rows]
    for name, column in columns.items():
        if column is None:
            lists.append([None] * len(rows))
        elif not several:
            lists.append([column])
        elif isinstance(column, (list, tuple)) and len(column) == len(rows):
            lists.append(list(column))
        else:
            raise InputError(f"{name} must be a list of {len(rows)} arrays, one for each image")
    return list(zip(*lists, strict=True))


def _checked(t: Any, x: Any, y: Any, p: Any) -> tuple[Any, ...]:
    """Columns of one image, checked: seconds, whole numbers, whether it is an *on* event."""
    time, across, down = times(t), whole_numbers(x, "x"), whole_numbers(y, "y")
    same_length({"x": across, "y": down}, len(time))
    if p is None:
        return time, across, down, None
    polarity = np.asarray(p)
    same_length({"p": polarity}, len(time))
    if not np.isin(polarity, (-1, 0, 1)).all() or {-1, 0} <= set(polarity.tolist()):
        raise InputError("p must be 0 or 1, -1 or 1, or False or True: the polarity of each event")
    return time, across, down, polarity == 1
