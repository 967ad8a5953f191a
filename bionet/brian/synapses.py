"""Synapses that share their weights: a Brian2 object that stores a kernel once.

Brian2's own ``Synapses`` stores every synapse. :class:`SharedSynapses` walks the source's
``_spikespace`` and adds the kernel's weights to a variable of the target, with its own
code-generation templates for NumPy, Cython and C++ standalone. However many synapses share a
weight, and however many images (lanes) are simulated side by side, it is stored once.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
from brian2.codegen.runtime.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.core.names import Nameable
from brian2.core.variables import Variables
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.groups.group import CodeRunner, Group
from jinja2 import PackageLoader

from bionet.brian.channel_last import pack, to_channel_last
from bionet.brian.queue import Jittered, due_units, enter, n_planes, n_words
from bionet.brian.unit_targets import Targets
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network.delays import needed_slots
from bionet.network.kernel_base import StandIn
from bionet.network.kernels import Kernel

__all__ = ["SharedSynapses"]

TEMPLATES = {CPPStandaloneCodeObject: "cpp", CythonCodeObject: "cython", NumpyCodeObject: "numpy"}
SCALARS = {"float32": "float", "float64": "double"}


def register_templates() -> None:
    """Let Brian2's code generation find BioNet's templates (appended once per process)."""
    for code_object, folder in TEMPLATES.items():
        loaders = code_object.templater.env.loader.loaders
        if not any(getattr(loader, "package_name", None) == "bionet.brian" for loader in loaders):
            loaders.append(PackageLoader("bionet.brian", f"templates/{folder}"))


register_templates()


def header() -> str:
    """The C++ loops, one text for Cython and C++ standalone."""
    return resources.files("bionet.brian").joinpath("templates/shared_synapses.hpp").read_text()


@typed
class SharedSynapses(Group, CodeRunner):
    """Synapses between two Brian2 groups whose weights are those of a kernel, stored once.

    Parameters
    ----------
    source, target : NeuronGroup
        Groups of ``lanes`` times the kernel's number of units, lane after lane, each lane in
        channel-last order (see :mod:`bionet.brian.channel_last`).
    kernel : Dense, Conv2d, AveragePool2d, OneToOne, MaxPool2d or Largest
        Weights in PyTorch's order.
    source_shape, target_shape : tuple of int
        (channels, height, width) or (features,) of one lane.
    variable : str
        Variable of the target that the weights are added to.
    event : str
        Event of the source that is transmitted.
    amplitude : str, optional
        Variable of the source that a spike multiplies the weights with.
    sign : {0, 1, -1}
        Transmit only what raises (1) or lowers (-1) the target, ``factor`` included; 0 transmits
        everything.
    delay_steps : int or int array of ``source_shape``
        Axonal delay in simulation steps, of all units or of each, in PyTorch's order; 0 delivers
        within the step.
    jitter : Jittered, optional
        What moves single spikes about their unit's delay.
    factor : float
        What every weight is multiplied with: the gain of a projection, in SI units.
    lanes : int
        Images side by side.
    when, order, name
        As for every Brian2 object.

    Raises
    ------
    InputError
        If shapes, lanes or variables do not fit.

    Notes
    -----
    The weights of a target are added in the order of the source's index, so sums agree to the
    last bit between devices, lanes and vector widths. An amplitude of exactly 1 changes no bit.
    """

    add_to_magic_network = True
    invalidates_magic_network = False

    def __init__(
        self,
        source: Any,
        target: Any,
        kernel: Kernel,
        source_shape: tuple[int, ...],
        target_shape: tuple[int, ...] | None = None,
        *,
        variable: str = "v",
        event: str = "spike",
        amplitude: str | None = None,
        sign: int = 0,
        delay_steps: int | np.ndarray = 0,
        jitter: Jittered | None = None,
        factor: float = 1.0,
        lanes: int = 1,
        when: str = "synapses",
        order: int = 0,
        name: str = "sharedsynapses*",
    ) -> None:
        Nameable.__init__(self, name)
        target_shape = target_shape or kernel.target_shape(source_shape)
        self.kernel = kernel
        self.planes = 0
        self._check(source, target, variable, amplitude, event, lanes, source_shape, target_shape)
        self.source, self.target = source, target
        self.source_shape, self.target_shape = source_shape, target_shape
        self.sign, self.lanes = sign, lanes
        self.jitter = jitter
        self.slots = needed_slots(np.max(delay_steps) + (jitter.reach if jitter else 0))
        self.graded, self.gated = amplitude is not None, not kernel.linear
        dtype = target.variables[variable].dtype
        self.factor = float(factor)
        packed = pack(kernel, source_shape, target_shape, str(np.dtype(dtype)), self.factor)
        self.packed = packed
        self._targets: Targets | None = None
        self._add_variables(variable, event, amplitude, dtype)
        CodeRunner.__init__(
            self,
            self,
            "shared_synapses",
            name=None,
            clock=source.clock,
            when=when,
            order=order,
            needed_variables=[n for n in self.variables if n not in ("N", "dt", "t")],
            template_kwds=self._template_keywords(event, dtype),
        )
        self.variables.create_clock_variables(self._clock, prefix="_clock_")
        if self.slots:
            delays = np.broadcast_to(np.asarray(delay_steps, np.int32), source_shape)
            tiled = np.tile(to_channel_last(delays, source_shape), lanes)
            self.variables["_delays"].set_value(tiled)
            self.variables.add_reference("_timestep", self._clock, "timestep")
            self.needed_variables.append("_timestep")
        if jitter is not None:
            self.variables["_bounds"].set_value(jitter.packed(self.slots))
        self.add_dependency(source)
        self.add_dependency(target)
        self._enable_group_attributes()

    codeobj_class = None

    @property
    def _estimate(self) -> str:
        """The variable of the source that a gate compares."""
        return str(getattr(self.kernel, "estimate", ""))

    def _check(
        self,
        source: Any,
        target: Any,
        variable: str,
        amplitude: str | None,
        event: str,
        lanes: int,
        source_shape: tuple[int, ...],
        target_shape: tuple[int, ...],
    ) -> None:
        if lanes < 1:
            raise InputError(f"{self.name}: lanes must be at least 1, but is {lanes}")
        for group, shape, role in [
            (source, source_shape, "source"),
            (target, target_shape, "target"),
        ]:
            expected = lanes * int(np.prod(shape))
            if len(group) != expected:
                raise InputError(
                    f"{self.name}: the {role} {group.name!r} has {len(group)} units, but"
                    f" {lanes} lanes of shape {shape} need {expected}"
                )
        used = [(source, f"_{event}space"), (target, variable)]
        used += [(source, amplitude)] if amplitude is not None else []
        if not self.kernel.linear:
            used.append((source, self._estimate))
        for group, needed in used:
            if needed not in group.variables:
                raise InputError(f"{self.name}: group {group.name!r} has no variable {needed!r}")
        dtypes = {np.dtype(target.variables[variable].dtype).name}
        for name in (amplitude, getattr(self.kernel, "estimate", None)):
            dtypes |= {np.dtype(source.variables[name].dtype).name} if name else set()
        if len(dtypes) > 1 or not dtypes <= set(SCALARS):
            raise InputError(
                f"{self.name}: amplitude and target variable must be both float32 or both"
                f" float64, but are {', '.join(sorted(dtypes))}"
            )

    def _add_variables(self, variable: str, event: str, amplitude: str | None, dtype: Any) -> None:
        self.variables = Variables(self)
        self.variables.add_constant("N", self.kernel.n_synapses(self.source_shape))
        self.variables.add_reference(f"_{event}space", self.source)
        self.variables.add_reference("_target", self.target, variable)
        if amplitude is not None:
            self.variables.add_reference("_amplitude", self.source, amplitude)
        self.variables.add_array("weights", size=self.packed.weights.size, dtype=dtype)
        if not isinstance(self.packed.weights, StandIn):
            self.variables["weights"].set_value(self.packed.weights)
        if not self.kernel.linear:
            self.variables.add_reference("_estimate", self.source, self._estimate)
        if self.packed.table is not None:
            self.variables.add_array("table", size=self.packed.table.size, dtype=np.int32)
            self.variables["table"].set_value(self.packed.table)
        if self.slots:
            n, add = len(self.source), self.variables.add_array
            self.planes = n_planes(self.slots, counted=self.jitter is not None and not self.graded)
            add("_delays", size=n, dtype=np.int32)
            add("_due", size=n + 64 * self.slots, dtype=np.int32)
            add("_waiting", size=self.slots * self.planes * n_words(n), dtype=np.int64)
            add("_queued", size=self.slots, dtype=np.int32)
            if self.graded:
                add("_sizes", size=self.slots * n, dtype=dtype)
            if self.jitter is not None:
                add("stream", size=self.lanes, dtype=np.int32)
                add("_bounds", size=self.slots + 1, dtype=np.int32)

    def _template_keywords(self, event: str, dtype: Any) -> dict[str, Any]:
        scalar = SCALARS[np.dtype(dtype).name]
        kernel = self.packed.cpp.format(
            T=scalar, graded="true" if self.graded else "false", sign=self.sign
        )
        extra = self.variables["_estimate"] if self.gated else self.variables.get("table")
        return {
            "header": header(),
            "kernel": kernel,
            "scalar": scalar,
            "lanes": self.lanes,
            "n_source": len(self.source),
            "slots": self.slots,
            "planes": self.planes,
            "site": None if self.jitter is None else self.jitter.site,
            "graded": self.graded,
            "eventspace_variable": self.variables[f"_{event}space"],
            "target_variable": self.variables["_target"],
            "amplitude_variable": self.variables["_amplitude"] if self.graded else None,
            "extra_variable": extra,
            "extra_type": scalar if self.gated else "int32_t",
        }

    @property
    def fan_out(self) -> np.ndarray:
        """Synapses that leave each source unit, int array of the source's shape."""
        return self.kernel.fan_out(self.source_shape)

    def _make_targets(self) -> Targets:
        shapes = self.source_shape, self.target_shape
        return Targets(self.kernel, *shapes, self.packed.weights.dtype, self.factor)

    def propagate(
        self, spikes: np.ndarray, amplitude: np.ndarray | None, target: np.ndarray
    ) -> None:
        """Deliver the spikes of a step, those of one target in order: the NumPy device.

        Parameters
        ----------
        spikes : int array (n_spikes,)
            Indices of the units that fired in this step, ascending.
        amplitude : array (lanes * n_source,) or None
            Signed size of each unit's spike.
        target : array (lanes * n_target,)
            Receives the weights, in place.
        """
        if self.slots:
            spikes, amplitude = self._travelled(spikes, amplitude)
        if self._targets is None:
            self._targets = self._make_targets()
        if not self.kernel.linear or self.sign:
            self.propagate_slowly(spikes, amplitude, target)
            return
        sizes = None if amplitude is None else amplitude[spikes]
        lanes, units = np.divmod(spikes.astype(np.int64), self.packed.n_source)
        if self._targets.few:
            self._targets.add_few(lanes, units, sizes, target)
            return
        images = target.reshape(self.lanes, -1)
        for k, (lane, unit) in enumerate(zip(lanes.tolist(), units.tolist(), strict=True)):
            self._targets.add(unit, None if sizes is None else sizes[k], images[lane])

    def propagate_slowly(
        self, spikes: np.ndarray, amplitude: np.ndarray | None, target: np.ndarray
    ) -> None:
        """The obvious form of :meth:`propagate`, which gates and signs need: spike by spike."""
        if self._targets is None:
            self._targets = self._make_targets()
        lanes = target.reshape(self.lanes, -1)
        for index in spikes:
            lane, unit = divmod(int(index), self.packed.n_source)
            where, weights = self._targets[unit]
            if getattr(self.kernel, "rule", None) == "count":
                lanes[lane, where] = weights * self._largest(lane, where)
                continue
            if not self.kernel.linear:
                where, weights = self._won(lane, unit, where, weights)
            effect = weights if amplitude is None else weights * amplitude[index]
            if self.sign:
                effect = np.where(np.sign(effect) == self.sign, effect, target.dtype.type(0))
            lanes[lane, where] += effect

    def _won(
        self, lane: int, unit: int, where: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Those of a unit's pools in which its estimate is the largest, the first of equal ones."""
        assert self._targets is not None
        estimate = self.variables["_estimate"].get_value().reshape(self.lanes, -1)[lane]
        members = [self._targets.pool(int(target)) for target in where]
        wins = np.array([pool[np.argmax(estimate[pool])] == unit for pool in members], dtype=bool)
        return where[wins], weights[wins]

    def _largest(self, lane: int, where: np.ndarray) -> np.ndarray:
        """The largest estimate of each of these pools."""
        assert self._targets is not None
        estimate = self.variables["_estimate"].get_value().reshape(self.lanes, -1)[lane]
        pools = [estimate[self._targets.pool(int(target))].max() for target in where]
        return np.asarray(pools, dtype=estimate.dtype)

    def _travelled(
        self, spikes: np.ndarray, amplitude: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Let this step's spikes enter the queue, and those that are due leave it."""
        values = {v: self.variables[v].get_value() for v in ("_waiting", "_delays")}
        now = int(self._clock.variables["timestep"].get_value().item())
        travel = values["_delays"][spikes]
        if self.jitter is not None:
            low, high, step = (
                int(self.variables[word].get_value().item())
                for word in ("seed_low", "seed_high", "step")
            )
            lanes, units = np.divmod(spikes, self.packed.n_source)
            stream = self.variables["stream"].get_value()[lanes]
            travel = np.maximum(travel + self.jitter.moved(low, high, step, stream, units), 0)
        waiting = values["_waiting"].reshape(self.slots, self.planes, -1)
        sizes = None
        if amplitude is not None:
            sizes = self.variables["_sizes"].get_value().reshape(self.slots, -1)
        slots = (now + travel) % self.slots
        for slot in np.unique(slots):
            entering = spikes[slots == slot]
            if sizes is not None and amplitude is not None:
                arriving = due_units(waiting[slot], len(self.source), keep=True)
                met = np.isin(entering, arriving)
                sizes[slot, entering] = amplitude[entering] + np.where(
                    met, sizes[slot, entering], sizes.dtype.type(0)
                )
            enter(waiting[slot], entering, counted=self.planes > 1)
        slot = now % self.slots
        due = due_units(waiting[slot], len(self.source))
        return due, None if sizes is None else sizes[slot]
