"""Presentations in a user's own C++ standalone program: images are arrays of the program.

BioNet's own programs read images from files and write results to files
(:mod:`bionet.brian.presentation`). A program that a user builds holds its images, and records with
the monitors that are in its network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bionet.brian.feed import Feed
from bionet.brian.plan import Plan
from bionet.brian.presentation import Presentation, PresentationEnd

__all__ = ["DeviceEnd", "DevicePresentation", "Shown"]


@dataclass(eq=False)
class Shown:
    """What a program shows, all images side by side.

    Parameters
    ----------
    frames : array (n_frames, lanes, n_units)
        Values of the input's units, channel-last, in the type of the simulation.
    numbers : int array (lanes,)
        Numbers of the images, which with the seed select their random numbers.
    """

    frames: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, feed: Feed, plan: Plan, numbers: np.ndarray) -> Shown:
        """Every frame of a feed; of events one for each step."""
        frame_steps = plan.frame_steps or plan.steps
        size = (-(-plan.steps // frame_steps), plan.lanes, plan.input.size)
        frames = np.zeros(size, dtype=plan.dtype)
        for number, frame in enumerate(frames):
            feed.fill(frame, 0, number * frame_steps, frame_steps)
        return cls(frames, numbers)


class DevicePresentation(Presentation):
    """As :class:`Presentation`, with the images among the program's arrays.

    Parameters
    ----------
    shown : Shown
    arguments
        As for :class:`Presentation`.
    """

    template_name = "device_start"

    def __init__(self, shown: Shown, *arguments: Any, **keywords: Any) -> None:
        self._shown = shown
        super().__init__(*arguments, **keywords)

    def _add_references(self) -> dict[str, Any]:
        keywords = super()._add_references()
        frames = self._shown.frames.astype(self.variables["_x"].dtype).reshape(-1)
        numbers = self._shown.numbers.astype(np.int32)
        for name, values in (("_frames", frames), ("_numbers", numbers)):
            self.variables.add_array(name, size=values.size, dtype=values.dtype)
            self.variables[name].set_value(values)
        return keywords


class DeviceEnd(PresentationEnd):
    """As :class:`PresentationEnd`, but it only counts steps and images."""

    template_name = "device_end"
