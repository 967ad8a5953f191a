"""A signal on its way to the input group: by batches of lanes, channel-last, from memory or files.

==================  =====================  ====================================================
file of a program   type, order            content
==================  =====================  ====================================================
``images.bin``      float; batch, frame,   every unit's value in every frame
                    lane, unit
``n_events.bin``    int32; batch, step     events of a step, in all lanes together
``events_at.bin``   int32                  where they are: lane times units, plus unit
``events_x.bin``    float                  the values of these units
==================  =====================  ====================================================

A compiled program reads these files as it goes on, so other data need no other program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from bionet.brian.channel_last import to_channel_last, torch_index
from bionet.brian.plan import Plan
from bionet.network.signal import EventSignal, Signal

__all__ = ["EventFeed", "Feed", "FrameFeed", "make_feed"]


@dataclass(eq=False)
class FrameFeed:
    """Frames of all units.

    Parameters
    ----------
    frames : array (n_images, n_frames, n_units)
        Channel-last, as the units get them.
    """

    frames: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    def fill(self, x: np.ndarray, first: int, step: int, frame_steps: int) -> None:
        """The frame that begins with ``step``, of the images from ``first`` on, into every lane.

        Parameters
        ----------
        x : array (lanes, n_units)
            Filled in place; lanes without an image get 0.
        first, step, frame_steps : int
        """
        shown = self.frames[first : first + len(x), step // frame_steps]
        x[: len(shown)] = shown
        x[len(shown) :] = 0

    def write(self, folder: Path, lanes: int) -> None:
        """Write the files that a compiled program reads."""
        n_images, n_frames, n_units = self.frames.shape
        with (folder / "images.bin").open("wb") as file:
            if n_frames == 1:
                self.frames.tofile(file)
                return
            for first in range(0, n_images, lanes):
                batch = np.zeros((n_frames, lanes, n_units), dtype=self.frames.dtype)
                shown = self.frames[first : first + lanes]
                batch[:, : len(shown)] = shown.swapaxes(0, 1)
                batch.tofile(file)


@dataclass(eq=False)
class EventFeed:
    """Events of single units, one frame a step.

    Parameters
    ----------
    n_images, n_units, steps : int
    image, step, unit : int array (n_events,)
        Units channel-last; sorted by image.
    x : array (n_events,)
        As the units get them.
    """

    n_images: int
    n_units: int
    steps: int
    image: np.ndarray
    step: np.ndarray
    unit: np.ndarray
    x: np.ndarray
    _batch: tuple[int, np.ndarray, np.ndarray, np.ndarray] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.n_images

    def by_step(self, first: int, lanes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Events of a batch of lanes in the order of their steps.

        Returns
        -------
        ends : int array (steps + 1,)
            The events of step k are those from ``ends[k]`` to ``ends[k + 1]``.
        places : int array (n_events,)
            Lane times units, plus unit.
        x : array (n_events,)
        """
        part = slice(*np.searchsorted(self.image, [first, first + lanes]))
        order = np.argsort(self.step[part], kind="stable")
        ends = np.searchsorted(self.step[part][order], np.arange(self.steps + 1))
        places = (self.image[part] - first) * self.n_units + self.unit[part]
        return ends, places[order], self.x[part][order]

    def fill(self, x: np.ndarray, first: int, step: int, frame_steps: int) -> None:
        """The events of ``step``, of the images from ``first`` on, into every lane."""
        del frame_steps
        if self._batch is None or self._batch[0] != first:
            self._batch = (first, *self.by_step(first, len(x)))
        _, ends, places, values = self._batch
        now = slice(ends[step], ends[step + 1])
        x[:] = 0
        x.reshape(-1)[places[now]] = values[now]

    def write(self, folder: Path, lanes: int) -> None:
        """Write the files that a compiled program reads."""
        files = [
            (folder / f"{name}.bin").open("wb") for name in ("n_events", "events_at", "events_x")
        ]
        try:
            for first in range(0, self.n_images, lanes):
                ends, places, values = self.by_step(first, lanes)
                columns = np.diff(ends).astype(np.int32), places.astype(np.int32), values
                for file, column in zip(files, columns, strict=True):
                    column.tofile(file)
        finally:
            for file in files:
                file.close()


Feed: TypeAlias = FrameFeed | EventFeed


def make_feed(plan: Plan, signal: Signal) -> Feed:
    """A signal as the input group of a plan gets it."""
    shape = plan.input.shape
    if isinstance(signal, EventSignal):
        place = np.argsort(torch_index(shape))
        return EventFeed(
            len(signal), place.size, plan.steps, signal.image, signal.step, place[signal.unit],
            plan.presented(signal.size),
        )  # fmt: skip
    return FrameFeed(plan.presented(to_channel_last(signal.frames, shape)))
