"""Presenting images one after another, ``lanes`` at a time, within one run of Brian2.

A presentation lasts ``steps`` simulation steps. In its first step :class:`Presentation` sets
every state variable back, unless the state is to carry over (a stream), and at the start of each
frame it loads the input's values; after its last step :class:`PresentationEnd` writes out spike
counts and readout. Thousands of images thus need one process, one build and one
``Network.run``. In C++ standalone both are code objects that stream from and to files; on the
other devices they are the Python methods below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from brian2.core.names import Nameable
from brian2.core.variables import Subexpression, Variables
from brian2.devices.device import RuntimeDevice, get_device
from brian2.groups.group import CodeRunner, Group

from bionet.brian.feed import Feed, FrameFeed
from bionet.brian.finite import NotFinite, NotFiniteError, first_not_finite
from bionet.brian.kept import Kept
from bionet.equations.randomness import seed_words
from bionet.interruption import check_interrupted

__all__ = [
    "Collected",
    "Firing",
    "Presentation",
    "PresentationEnd",
    "count_dtype",
    "spike_dtype",
    "step_dtype",
    "stored",
]

# Spikes of a population that wait at most to be counted together, which is faster.
MOST_UNCOUNTED = 2**20


def count_dtype(steps: int) -> np.dtype:
    """The smallest type that holds a spike count of one presentation."""
    return np.dtype(np.uint8 if steps < 256 else np.uint16 if steps < 65536 else np.int32)


def spike_dtype(amplitude: str | None) -> np.dtype:
    """The type that holds the spikes of one step: 0 or 1, or their signed sizes."""
    return np.dtype(np.int8 if amplitude is None else np.int32)


def step_dtype(steps: int) -> np.dtype:
    """The smallest type that holds a step of a presentation, or -1."""
    return np.dtype(np.int16 if steps < 32768 else np.int32)


def stored(group: Any, variable: str) -> str:
    """The array of a variable: of a computed one, which has none, the array of its values."""
    return (
        f"{variable}_stored" if isinstance(group.variables[variable], Subexpression) else variable
    )


class Firing(NamedTuple):
    """A population that fires, and its variable with the signed size of a spike."""

    group: Any
    amplitude: str | None = None


def header() -> str:
    """C++ that start and end of a presentation share."""
    return resources.files("bionet.brian").joinpath("templates/presentation.hpp").read_text()


@dataclass(frozen=True)
class Reset:
    """One variable and the value it takes at the start of a presentation.

    ``initial`` is a number, or an array with one value for every unit of a lane. A drive is what
    an analog input adds its current to: it is set back at the start of every frame.
    """

    group: Any
    variable: str
    initial: float | np.ndarray
    is_drive: bool = False

    def apply(self, lanes: int) -> None:
        """Set the variable (NumPy and Cython devices)."""
        values = self.group.variables[self.variable].get_value()
        if isinstance(self.initial, np.ndarray):
            values.reshape(lanes, -1)[:] = self.initial
        else:
            values[:] = self.initial


@dataclass
class Collected:
    """Results of the presentations so far on the NumPy and Cython devices (channel-last)."""

    counts: dict[str, list[np.ndarray]]
    kept: dict[Kept, list[np.ndarray]]
    output_potential: list[np.ndarray]
    output_spikes: list[np.ndarray]
    events: list[np.ndarray]


class Presentation(Group, CodeRunner):
    """Loads images and sets the network back in the first step of every presentation.

    Parameters
    ----------
    images : NeuronGroup
        The input group; its variable ``x`` receives the pixels.
    streams : sequence of NeuronGroup
        Groups whose variable ``stream`` selects the image's random numbers.
    resets : sequence of Reset
    lanes, steps, check_every : int
        As in :class:`~bionet.brian.plan.Plan`.
    frame_steps : int
        Steps of a frame; those of a presentation where an image is static.
    carries_over : bool
        Whether the state is that of the end of the presentation before, but in the first one.
    when, name
        As for every Brian2 object.
    """

    codeobj_class = None
    template_name = "presentation_start"

    def __init__(
        self,
        images: Any,
        streams: Sequence[Any],
        resets: Sequence[Reset],
        lanes: int,
        steps: int,
        check_every: int = 0,
        frame_steps: int | None = None,
        carries_over: bool = False,
        when: str = "start",
        name: str = "presentation",
    ) -> None:
        Nameable.__init__(self, name)
        self.images, self.streams, self.resets, self.lanes = images, streams, resets, lanes
        self.feed: Feed = FrameFeed(np.zeros((0, 1, len(images) // lanes)))
        self.image_streams = np.zeros(0, dtype=np.int32)
        self.variables = Variables(self)
        self.variables.add_constant("N", lanes)
        for counter in ("step", "frame_step", "presented"):
            self.variables.add_array(counter, size=1, dtype=np.int32, scalar=True)
        constants = {"steps": steps, "n_images": 0, "seed_low": 0, "seed_high": 0}
        constants |= {"check_every": check_every, "frame_steps": frame_steps or steps}
        constants |= {"carries_over": int(carries_over), "sparse": 0}
        for constant, value in constants.items():
            self.variables.add_array(constant, size=1, dtype=np.int32, scalar=True)
            self.variables[constant].set_value(value)
        keywords = self._add_references()
        CodeRunner.__init__(
            self,
            self,
            self.template_name,
            name=None,
            clock=images.clock,
            when=when,
            needed_variables=[n for n in self.variables if n != "N"],
            template_kwds=keywords,
        )
        self._enable_group_attributes()

    def _add_references(self) -> dict[str, Any]:
        """Names for the variables of other groups that a presentation touches."""
        v = self.variables
        v.add_reference("_x", self.images, "x")
        stream_variables, constant_resets = [], []
        array_resets: dict[bool, list[Any]] = {False: [], True: []}  # drives apart
        for number, group in enumerate(self.streams):
            v.add_reference(f"_stream_{number}", group, "stream")
            size = v[f"_stream_{number}"].size
            stream_variables.append((v[f"_stream_{number}"], size // self.lanes))
        for number, reset in enumerate(self.resets):
            v.add_reference(f"_reset_{number}", reset.group, reset.variable)
            variable = v[f"_reset_{number}"]
            if isinstance(reset.initial, np.ndarray):
                initial = f"{reset.group.name}_{reset.variable}_initial"
                v.add_array(initial, size=reset.initial.size, dtype=variable.dtype)
                v[initial].set_value(reset.initial)
                array_resets[reset.is_drive].append((variable, v[initial]))
            else:
                constant_resets.append((variable, repr(float(reset.initial))))
        scalar = "float" if v["_x"].dtype == np.float32 else "double"
        return {
            "header": header(),
            "lanes": self.lanes,
            "n_pixels": len(self.images) // self.lanes,
            "scalar": scalar,
            "image_variable": v["_x"],
            "stream_variables": stream_variables,
            "constant_resets": constant_resets,
            "array_resets": array_resets[False],
            "drive_resets": array_resets[True],
        }

    def show(self, feed: Feed, numbers: np.ndarray, seed: int) -> None:
        """Give the images of the next run (NumPy and Cython devices).

        Parameters
        ----------
        feed : Feed
            Values of the input's units.
        numbers : int array (n_images,)
            Numbers of the images, which with the seed select their random numbers.
        seed : int
        """
        self.feed, self.image_streams = feed, numbers.astype(np.int32)
        for word, value in zip(("seed_low", "seed_high"), seed_words(seed), strict=True):
            self.variables[word].set_value(value)
        self.variables["n_images"].set_value(len(feed))
        self.variables["presented"].set_value(0)
        self.variables["step"].set_value(0)

    def before_run(self, run_namespace: Any) -> None:
        """Make code objects only where the device compiles the whole simulation."""
        if not isinstance(get_device(), RuntimeDevice):
            super().before_run(run_namespace)

    def run(self) -> None:
        """The first step of a presentation on the NumPy and Cython devices."""
        if not isinstance(get_device(), RuntimeDevice):
            super().run()
            return
        step, frame_steps, carries_over = (
            int(self.variables[name].get_value().item())
            for name in ("step", "frame_steps", "carries_over")
        )
        self.variables["frame_step"].set_value(step % frame_steps)
        presented = self.variables["presented"].get_value()
        if step == 0:
            if presented.item() >= len(self.feed):  # all were shown: begin again
                presented[:] = 0
            self._begin(int(presented.item()), carries_over=bool(carries_over))
        if step % frame_steps == 0:
            x = self.images.variables["x"].get_value().reshape(self.lanes, -1)
            self.feed.fill(x, int(presented.item()), step, frame_steps)
            for reset in self.resets:
                if reset.is_drive:
                    reset.apply(self.lanes)

    def _begin(self, first: int, carries_over: bool) -> None:
        """Random numbers of the images from ``first`` on, and the state of a presentation."""
        numbers = self.image_streams[first : first + self.lanes]
        for group in self.streams:
            stream = group.variables["stream"].get_value().reshape(self.lanes, -1)
            stream[:] = 0
            stream[: len(numbers)] = numbers[:, None]
        for reset in self.resets:
            if not reset.is_drive and not (carries_over and first):
                reset.apply(self.lanes)


class PresentationEnd(Group, CodeRunner):
    """Keeps the readout after every step, counts spikes and writes all out after the last.

    Parameters
    ----------
    presentation : Presentation
    potential, output : NeuronGroup
        Groups whose potential and whose spikes are the readout.
    firing : mapping of str to Firing
        Populations whose spikes are counted.
    kept : mapping of Kept to NeuronGroup
        State variables that are kept at the end of every presentation, and their groups.
    recordable : mapping of (str, str) to NeuronGroup
        Populations and variables that a compiled program can record in every step, or keep at
        the end, if it is told to when it starts; so recording compiles nothing anew.
    amplitude : str, optional
        The output group's variable that holds the signed size of a spike.
    watched : mapping of str to (NeuronGroup, tuple of str)
        By population: its group and the variables that must stay finite.
    potential_name : str
        The variable of the group ``potential`` that is its membrane potential.
    """

    codeobj_class = None
    template_name = "presentation_end"

    def __init__(
        self,
        presentation: Presentation,
        potential: Any,
        output: Any,
        firing: Mapping[str, Firing],
        kept: Mapping[Kept, Any],
        recordable: Mapping[tuple[str, str], Any],
        amplitude: str | None = None,
        watched: Mapping[str, tuple[Any, tuple[str, ...]]] = MappingProxyType({}),
        potential_name: str = "v",
        when: str = "end",
        name: str = "presentation_end",
    ) -> None:
        Nameable.__init__(self, name)
        self.presentation, self.lanes = presentation, presentation.lanes
        self.potential, self.output = potential, output
        self.potential_name = potential_name
        self.collected = Collected({}, {}, [], [], [])
        self.amplitude, self.kept = amplitude, dict(kept)
        self.watched = [
            (population, group, variable)
            for population, (group, variables) in watched.items()
            for variable in variables
        ]
        self._trace = self._fired = self._events = np.zeros((self.lanes, 0, 0))
        self.firing, self.recordable = dict(firing), dict(recordable)
        self._uncounted: dict[str, list[np.ndarray]] = {name: [] for name in self.firing}
        self._n_uncounted = dict.fromkeys(self.firing, 0)
        self.variables = v = Variables(self)
        v.add_constant("N", self.lanes)
        for shared in ("step", "presented", "steps", "n_images", "check_every"):
            v.add_reference(shared, presentation)
        v.add_reference("_potential", potential, potential_name)
        v.add_reference("_spikespace", output, "_spikespace")
        if amplitude is not None:
            v.add_reference("_amplitude", output, amplitude)
        CodeRunner.__init__(
            self,
            self,
            self.template_name,
            name=None,
            clock=presentation.clock,
            when=when,
            template_kwds=self._add_references(),
        )
        self.needed_variables = [n for n in v if n != "N"]
        self._enable_group_attributes()

    def _add_references(self) -> dict[str, Any]:
        v = self.variables
        spiking, kept, recordable = [], [], []
        for name, (group, amplitude) in self.firing.items():
            v.add_array(f"count_{name}", size=len(group), dtype=np.int32)
            v.add_reference(f"_fired_{name}", group, "_spikespace")
            v.add_array(f"record_{name}", size=1, dtype=np.int32, scalar=True)
            if amplitude is not None:
                v.add_reference(f"_amplitude_{name}", group, amplitude)
            spiking.append(
                {
                    "name": name,
                    "fired": v[f"_fired_{name}"],
                    "count": v[f"count_{name}"],
                    "size": len(group) // self.lanes,
                    "switch": v[f"record_{name}"],
                    "amplitude": v[f"_amplitude_{name}"] if amplitude is not None else None,
                }
            )
        for number, (key, group) in enumerate(self.kept.items()):
            v.add_reference(f"_kept_{number}", group, key.variable)
            kept.append((key, v[f"_kept_{number}"], len(group) // self.lanes, None))
        for (name, variable), group in self.recordable.items():
            size, label = len(group) // self.lanes, f"{name}_{variable}"
            v.add_reference(f"_recordable_{label}", group, stored(group, variable))
            v.add_array(f"units_{label}", size=size, dtype=np.int32)
            for switch in (f"n_units_{label}", f"keep_{label}"):
                v.add_array(switch, size=1, dtype=np.int32, scalar=True)
            recordable.append(
                {
                    "name": name,
                    "variable": variable,
                    "array": v[f"_recordable_{label}"],
                    "size": size,
                    "units": v[f"units_{label}"],
                    "n_units": v[f"n_units_{label}"],
                }
            )
            if Kept(name, variable) not in self.kept:
                key = Kept(name, variable)
                kept.append((key, v[f"_recordable_{label}"], size, v[f"keep_{label}"]))
        watched = []
        for number, (population, group, variable) in enumerate(self.watched):
            v.add_reference(f"_watched_{number}", group, variable)
            watched.append((v[f"_watched_{number}"], len(group) // self.lanes, population))
        finite = resources.files("bionet.brian") / "templates" / "finite.hpp"
        return {
            "watched": watched,
            "finite": finite.read_text(),
            "header": header(),
            "lanes": self.lanes,
            "scalar": "float" if v["_potential"].dtype == np.float32 else "double",
            "potential_variable": v["_potential"],
            "fired_variable": v["_spikespace"],
            "n_classes": len(self.potential) // self.lanes,
            "n_outputs": len(self.output) // self.lanes,
            "spiking": spiking,
            "kept": kept,
            "recordable": recordable,
            "amplitude_variable": None if self.amplitude is None else v["_amplitude"],
            "spike_type": "signed char" if self.amplitude is None else "int32_t",
        }

    def before_run(self, run_namespace: Any) -> None:
        """Make code objects only where the device compiles the whole simulation."""
        if not isinstance(get_device(), RuntimeDevice):
            super().before_run(run_namespace)
            return
        steps = int(self.variables["steps"].get_value().item())
        self._trace = np.zeros(
            (self.lanes, steps, len(self.potential) // self.lanes),
            dtype=self.potential.variables[self.potential_name].dtype,
        )
        n_outputs = len(self.output) // self.lanes
        self._fired = np.zeros((self.lanes, steps, n_outputs), dtype=spike_dtype(self.amplitude))
        self._events = np.zeros((self.lanes, steps), dtype=np.int32)
        self.collected = Collected(
            {name: [] for name in self.firing}, {key: [] for key in self.kept}, [], [], []
        )

    def after_run(self) -> None:
        """Count the spikes of a presentation that goes on in the next run."""
        if isinstance(get_device(), RuntimeDevice):
            for name in self.firing:
                self._counted(name)
        super().after_run()

    def run(self) -> None:
        """The end of a step on the NumPy and Cython devices."""
        if not isinstance(get_device(), RuntimeDevice):
            super().run()
            return
        check_interrupted()  # at once, not after hours, where a destructor has swallowed Ctrl-C
        step = self.variables["step"].get_value()
        now, steps = int(step.item()), self._trace.shape[1]
        self._trace[:, now] = (
            self.potential.variables[self.potential_name].get_value().reshape(self.lanes, -1)
        )
        lane, unit = np.divmod(self.output.spikes, len(self.output) // self.lanes)
        sizes: Any = 1
        if self.amplitude is not None:
            sizes = self.output.variables[self.amplitude].get_value()[self.output.spikes]
        self._fired[lane, now, unit] = sizes
        for name in self.firing:
            per_lane = self._count(name)
            if name != "input":
                self._events[:, now] += per_lane
        every = int(self.variables["check_every"].get_value().item())
        if now + 1 == steps or (every and (now + 1) % every == 0):
            first = int(self.variables["presented"].get_value().item())
            n_images = int(self.variables["n_images"].get_value().item())
            for number in range(len(self.watched)):
                self._check_finite(number, first, min(n_images - first, self.lanes), now)
        step[:] = (now + 1) % steps
        if now + 1 == steps:
            self._collect(steps)

    def _check_finite(self, number: int, first_image: int, valid: int, step: int) -> None:
        """End the run where a watched variable of the first ``valid`` lanes is no number."""
        population, group, variable = self.watched[number]
        values = group.variables[variable].get_value().reshape(self.lanes, -1)[:valid]
        if (where := first_not_finite(values.reshape(-1))) >= 0:
            lane, unit = divmod(where, values.shape[1])
            raise NotFiniteError(NotFinite(population, variable, first_image + lane, unit, step))

    def _collect(self, steps: int) -> None:
        presented = self.variables["presented"].get_value()
        n_images = int(self.variables["n_images"].get_value().item())
        valid = min(n_images - int(presented.item()), self.lanes)
        self.collected.output_potential.append(self._trace[:valid].copy())
        self.collected.output_spikes.append(self._fired[:valid].copy())
        self._fired[:] = 0
        self.collected.events.append(self._events[:valid].copy())
        self._events[:] = 0
        for name in self.firing:
            self._collect_count(name, valid, steps)
        for key in self.kept:
            self._keep(key, valid, steps)
        presented += valid

    def _keep(self, key: Kept, valid: int, steps: int) -> None:
        """Collect a state variable of the first ``valid`` lanes."""
        values = self.kept[key].variables[key.variable].get_value().reshape(self.lanes, -1)[:valid]
        self.collected.kept[key].append(
            values.astype(step_dtype(steps)) if key.is_step else values.copy()
        )

    def _count(self, name: str) -> np.ndarray:
        """Count the spikes of this step; their numbers by lane."""
        group = self.firing[name].group
        space = group.variables["_spikespace"].get_value()
        fired = space[: space[-1]]
        if len(fired):
            self._uncounted[name].append(fired.copy())
            self._n_uncounted[name] += len(fired)
            if self._n_uncounted[name] > MOST_UNCOUNTED:
                self._counted(name)
        # The units that fired are in ascending order, lane after lane.
        units = len(group) // self.lanes
        return np.diff(np.searchsorted(fired, units * np.arange(self.lanes + 1)))

    def _counted(self, name: str) -> np.ndarray:
        """Spikes of each unit so far: those of many steps are counted at once."""
        count = self.variables[f"count_{name}"].get_value()
        if waiting := self._uncounted[name]:
            count += np.bincount(np.concatenate(waiting), minlength=len(count))
            waiting.clear()
            self._n_uncounted[name] = 0
        return count

    def _collect_count(self, name: str, valid: int, steps: int) -> None:
        """Collect the counts of the first ``valid`` lanes, and begin anew."""
        count = self._counted(name)
        lanes = count.reshape(self.lanes, -1)[:valid]
        self.collected.counts[name].append(lanes.astype(count_dtype(steps)))
        count[:] = 0
