"""What the input's units get in the course of each presentation, in PyTorch's order.

A presentation is divided into frames of ``frame_steps`` simulation steps each. During a frame the
value x of every unit stays the same. A static image is one frame; a movie has several; spikes and
events are frames of one step, kept as a list of the units whose x is not 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

__all__ = ["EventSignal", "FrameSignal", "Signal"]


@dataclass(frozen=True, eq=False)
class FrameSignal:
    """Frames of all units.

    Parameters
    ----------
    frames : float array (n_images, n_frames, *shape)
    frame_steps : int
        Simulation steps of a frame.
    """

    frames: np.ndarray
    frame_steps: int

    def __len__(self) -> int:
        return len(self.frames)

    def part(self, images: np.ndarray, steps: int) -> FrameSignal:
        """Some images, as far as a presentation of ``steps`` shows them."""
        frame_steps = min(self.frame_steps, steps)
        follow = len(images) and (np.diff(images) == 1).all()  # then a view, no copy
        rows = slice(images[0], images[-1] + 1) if follow else images
        return FrameSignal(self.frames[rows, : -(-steps // frame_steps)], frame_steps)

    def bounds(self) -> tuple[float, float]:
        """Least and largest value."""
        return float(self.frames.min()), float(self.frames.max())

    def first_outside(self, least: float, most: float = np.inf) -> int:
        """The first image with a smaller or larger value; there must be one."""
        values = self.frames.reshape(len(self), -1)
        return int(((values < least) | (values > most)).any(axis=1).argmax())


@dataclass(frozen=True, eq=False)
class EventSignal:
    """Spikes and events: in a step every unit has the value 0 but those named here.

    Parameters
    ----------
    n_images : int
    image, step, unit : int array (n_events,)
        Sorted by image, step and unit; none occurs twice.
    size : float64 array (n_events,)
        Value of the unit in this step.
    """

    n_images: int
    image: np.ndarray
    step: np.ndarray
    unit: np.ndarray
    size: np.ndarray

    frame_steps = 1

    def __len__(self) -> int:
        return self.n_images

    def part(self, images: np.ndarray, steps: int) -> EventSignal:
        """Some images; all of their events lie within their own presentations."""
        del steps
        images = np.asarray(images)
        first, last = (np.searchsorted(self.image, images, side) for side in ("left", "right"))
        numbers = last - first
        skipped = np.repeat(first - np.cumsum(numbers) + numbers, numbers)
        rows = np.arange(numbers.sum()) + skipped
        image = np.repeat(np.arange(len(images)), numbers)
        return EventSignal(len(images), image, self.step[rows], self.unit[rows], self.size[rows])

    def bounds(self) -> tuple[float, float]:
        """Least and largest value, the silence between events included."""
        return float(self.size.min(initial=0.0)), float(self.size.max(initial=0.0))

    def first_outside(self, least: float, most: float = np.inf) -> int:
        """The first image with a smaller or larger value; there must be one."""
        return int(self.image[(self.size < least) | (self.size > most)][0])


Signal: TypeAlias = FrameSignal | EventSignal
