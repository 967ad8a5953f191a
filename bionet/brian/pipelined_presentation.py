"""Presenting images one behind the other: each layer of a temporal code works on its own image.

A new batch of ``lanes`` images enters every ``period`` steps (see
:mod:`bionet.running.pipeline_schedule`). Every population has a step of its own, counted from the
onset of the image that it works on, to which its equations refer as ``step``; it is set back, and
its results are written out, when its image changes. As in :mod:`bionet.brian.presentation`, both
objects are code that streams from and to files in C++ standalone, and the Python methods below on
the other devices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from brian2.devices.device import RuntimeDevice, get_device
from brian2.groups.group import CodeRunner

from bionet.brian.feed import Feed
from bionet.brian.presentation import Presentation, PresentationEnd, Reset

__all__ = ["PipelinedEnd", "PipelinedPresentation"]


class PipelinedPresentation(Presentation):
    """Gives every population its next image, and sets it back, when it has left the last one.

    Parameters
    ----------
    images, streams, resets, lanes, steps
        As for :class:`~bionet.brian.presentation.Presentation`.
    active : mapping of str to (int, int, int)
        Every population's first and last step of an image.
    period : int
        Steps between the onsets of two images.
    check_every : int
    """

    template_name = "pipeline_start"

    def __init__(
        self,
        images: Any,
        streams: Sequence[Any],
        resets: Sequence[Reset],
        lanes: int,
        steps: int,
        active: Mapping[str, tuple[int, int, int]],
        period: int,
        check_every: int = 0,
    ) -> None:
        self.activity, self.spacing = dict(active), period
        super().__init__(images, streams, resets, lanes, steps, check_every)

    def _add_references(self) -> dict[str, Any]:
        """Step, first and last step of every population, and what belongs to which."""
        v = self.variables
        for name, value in (("now", 0), ("period", self.spacing)):
            v.add_array(name, size=1, dtype=np.int32, scalar=True)
            v[name].set_value(value)
        for name, (first, last, _) in self.activity.items():
            for key, value in (("step", first), ("first", first), ("last", last)):
                v.add_array(f"{key}_{name}", size=1, dtype=np.int32, scalar=True)
                v[f"{key}_{name}"].set_value(value)
        keywords = super()._add_references()
        self._resets: dict[str, list[Reset]] = {name: [] for name in self.activity}
        constants: dict[str, list[Any]] = {name: [] for name in self.activity}
        arrays: dict[str, list[Any]] = {name: [] for name in self.activity}
        left = {kind: list(keywords[f"{kind}_resets"]) for kind in ("constant", "array", "drive")}
        for reset in self.resets:
            name = getattr(reset.group, "target", reset.group).name  # synapses: their target's
            self._resets[name].append(reset)
            if isinstance(reset.initial, np.ndarray):
                arrays[name].append(left["drive" if reset.is_drive else "array"].pop(0))
            else:
                constants[name].append(left["constant"].pop(0))
        named = zip(self.streams, keywords["stream_variables"], strict=True)
        streams = {group.name: stream for group, stream in named}
        keywords["members"] = [
            (name, v[f"step_{name}"], v[f"first_{name}"], constants[name], arrays[name],
             streams.get(name))
            for name in self.activity
        ]  # fmt: skip
        return keywords

    def show(self, feed: Feed, numbers: np.ndarray, seed: int) -> None:
        """Give the images of the next run (NumPy and Cython devices)."""
        super().show(feed, numbers, seed)
        self.variables["now"].set_value(0)

    def phase(self, name: str) -> tuple[int, int]:
        """Batch of images that a population is at, and steps since it began with it."""
        now = int(self.variables["now"].get_value().item())
        return divmod(now - self.activity[name][0], self.spacing)

    def run(self) -> None:
        """The start of a step on the NumPy and Cython devices."""
        if not isinstance(get_device(), RuntimeDevice):
            CodeRunner.run(self)
            return
        begins = int(self.variables["now"].get_value().item()) == 0
        for name, (first, _, _) in self.activity.items():
            batch, phase = self.phase(name)
            self.variables[f"step_{name}"].set_value(first + phase)
            if begins or (batch >= 0 and phase == 0):
                for reset in self._resets[name]:
                    reset.apply(self.lanes)
            if batch >= 0 and phase == 0:
                self._load(name, batch)

    def _load(self, name: str, batch: int) -> None:
        """Pixels and random streams of a population's next images."""
        first = batch * self.lanes
        numbers = self.image_streams[first : first + self.lanes]
        for group in self.streams:
            if group.name == name:
                stream = group.variables["stream"].get_value().reshape(self.lanes, -1)
                stream[:] = 0
                stream[: len(numbers)] = numbers[:, None]
        if self.images.name == name:
            x = self.images.variables["x"].get_value().reshape(self.lanes, -1)
            self.feed.fill(x, first, 0, 1)


class PipelinedEnd(PresentationEnd):
    """Keeps the readout of every image, and writes out what a population did with its image.

    Parameters are those of :class:`~bionet.brian.presentation.PresentationEnd`.
    """

    template_name = "pipeline_end"

    def _add_references(self) -> dict[str, Any]:
        """As in a plain presentation, and the steps of every population."""
        v = self.variables
        start = self.presentation
        for name in ("now", "period"):
            v.add_reference(name, start)
        steps = {}
        for name in start.activity:
            for key in ("step", "first", "last"):
                v.add_reference(f"{key}_{name}", start)
            steps[name] = tuple(v[f"{key}_{name}"] for key in ("step", "first", "last"))
        keywords = super()._add_references()
        return keywords | {
            "steps_of": steps,
            "potential_steps": steps[self.potential.name],
            "output_steps": steps[self.output.name],
        }

    def before_run(self, run_namespace: Any) -> None:
        """Room for the images in flight."""
        super().before_run(run_namespace)
        if isinstance(get_device(), RuntimeDevice):
            steps = self._trace.shape[1]
            flight = -(-steps // self.presentation.spacing) + 1
            self._events = np.zeros((flight, self.lanes, steps), dtype=np.int32)

    def run(self) -> None:
        """The end of a step on the NumPy and Cython devices."""
        if not isinstance(get_device(), RuntimeDevice):
            CodeRunner.run(self)
            return
        start, lanes = self.presentation, self.lanes
        for name in self.firing:
            batch, step = self._place(name)
            per_lane = self._count(name)
            if name != "input" and batch >= 0:
                self._events[batch % len(self._events), :, step] += per_lane
        batch, step = self._place(self.potential.name)
        if batch >= 0:
            self._trace[:, step] = (
                self.potential.variables[self.potential_name].get_value().reshape(lanes, -1)
            )
        batch, step = self._place(self.output.name)
        if batch >= 0:
            lane, unit = np.divmod(self.output.spikes, len(self.output) // lanes)
            self._fired[lane, step, unit] = 1
        every = int(self.variables["check_every"].get_value().item())
        for number, (name, _, _) in enumerate(self.watched):
            batch, step = self._place(name)
            last = step == start.activity[name][1]
            if batch >= 0 and (last or (every and (step + 1) % every == 0)):
                self._check_finite(number, batch * lanes, self._valid(batch), step)
        for name in start.activity:
            batch, step = self._place(name)
            if batch >= 0 and step == start.activity[name][1]:
                self._write(name, self._valid(batch))
            if name in self.firing and start.phase(name)[1] == start.spacing - 1:
                self._counted(name)[:] = 0
        self._finish()
        start.variables["now"].get_value()[:] += 1

    def _place(self, name: str) -> tuple[int, int]:
        """Batch and step of a population; -1 where it has no image, or has done with it."""
        batch, phase = self.presentation.phase(name)
        first, last, _ = self.presentation.activity[name]
        return (batch, first + phase) if first + phase <= last else (-1, 0)

    def _valid(self, batch: int) -> int:
        n_images = int(self.variables["n_images"].get_value().item())
        return min(max(n_images - batch * self.lanes, 0), self.lanes)

    def _write(self, name: str, valid: int) -> None:
        """What a population has done with its images."""
        if not valid:
            return
        steps = self._trace.shape[1]
        if name in self.firing:
            self._collect_count(name, valid, steps)
        for key in self.kept:
            if key.population == name:
                self._keep(key, valid, steps)

    def _finish(self) -> None:
        """Readout and events of the images that have come out."""
        steps = self._trace.shape[1]
        batch, step = divmod(
            int(self.variables["now"].get_value().item()) - steps + 1, self.presentation.spacing
        )
        if batch < 0 or step or not (valid := self._valid(batch)):
            return
        slot = batch % len(self._events)
        self.collected.output_potential.append(self._trace[:valid].copy())
        self.collected.output_spikes.append(self._fired[:valid].copy())
        self.collected.events.append(self._events[slot, :valid].copy())
        self._fired[:] = 0
        self._events[slot] = 0
        self.variables["presented"].get_value()[:] += valid
