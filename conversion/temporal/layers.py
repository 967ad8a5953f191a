"""The populations and projections of a ``tdsnn`` network, layer by layer.

See :mod:`bionet.conversion.tdsnn` for what a layer is made of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from brian2 import Quantity, ms

from bionet.conversion.temporal.closed_form import (
    Mode,
    Rounding,
    bias_contribution,
    bias_value,
    effective_tolerance,
    linear,
)
from bionet.conversion.tracing.records import AveragePool, MaxPool, Record, Records
from bionet.equations import (
    bias_neuron,
    last_spike_neuron,
    leaky_integrator,
    temporal_neuron,
    ticking_neuron,
)
from bionet.errors import InputError
from bionet.network import (
    CodedLayer,
    Origin,
    Population,
    Projection,
    Readout,
    Simulation,
    SpikingNetwork,
    TemporalCode,
)
from bionet.network.kernels import AveragePool2d, Dense, Kernel

__all__ = ["TOLERANCE", "Builder"]

READOUT, ONSET = "readout", "onset"
# Of A + 1: more than the rounding of its sum, far less than what one step stands for.
TOLERANCE = {"float64": 1e-9, "float32": 1e-5}


class Builder:
    """Populations and projections of a network, collected layer by layer."""

    def __init__(
        self,
        records: Records,
        input_shape: tuple[int, ...],
        leak: Quantity,
        steps: float,
        mode: Mode,
        window: str,
        dtype: str,
        rounding: Rounding,
        input_gain: float = 1.0,
        input_range: tuple[float, float] = (0.0, 1.0),
        notes: Sequence[str] = (),
    ) -> None:
        self.records, self.input_shape, self.mode = records, input_shape, mode
        self.leak, self.steps, self.dynamic = leak, steps, window == "dynamic"
        self.dtype, self.rounding, self.input_gain = dtype, rounding, input_gain
        self.input_range, self.notes = input_range, tuple(notes)
        self.tolerance = effective_tolerance(steps, rounding, TOLERANCE[dtype])
        self.populations = [Population(ONSET, (1,), bias_neuron(onset=True))]
        self.projections: list[Projection] = []
        self.clocks = {"input": ONSET}
        self.layers: list[CodedLayer] = []
        self.shapes = {"input": tuple(input_shape)}

    def add(self, record: Record, largest: dict[str, float], margin: float) -> None:
        """A population and what belongs to it."""
        self.shapes[record.name] = record.shape
        if isinstance(record, MaxPool):
            self._add_pooling(record)
            return
        value = bias_value(self.mode)
        longest = max(margin * largest[record.source], value)
        if self.clocks[record.source] == ONSET:
            longest = max(self.input_gain, value)  # a pixel is its share of the range
        length = math.ceil(self.steps * math.log1p(longest))
        self._add_layer(record, length)

    def _add_pooling(self, record: MaxPool) -> None:
        kernel = AveragePool2d(
            record.pool, record.stride, record.padding, record.ceil_mode, divisor_override=1
        )
        # Inputs that a pool really has: padding has no neurons.
        ones = np.ones((1, *self.shapes[record.source]))
        padded = AveragePool(
            name="", inputs=(), shape=(), node="", place=record.place, pool=record.pool,
            stride=record.stride, padding=record.padding, ceil_mode=record.ceil_mode,
            divisor_override=1,
        )  # fmt: skip
        theta = linear(padded, torch.from_numpy(ones))[0].numpy()
        self.populations.append(
            Population(record.name, record.shape, last_spike_neuron(), {"theta": theta})
        )
        self.projections.append(Projection(record.source, record.name, kernel))
        self.clocks[record.name] = self.clocks[record.source]

    def _add_layer(self, record: Record, length: int) -> None:
        name, source = record.name, record.source
        bias, tick, before = f"{name}_bias", f"{name}_tick", self.clocks[record.source]
        size, n_source = int(np.prod(record.shape)), int(np.prod(self.shapes[source]))
        # The tolerance is one of A + 1, and v is smaller than A at the end of the window: by a
        # factor that a dynamic window knows only when it ends. There eta = tolerance goes into A
        # and the ticks, as (A + 1)/(1 + eta) <= e^(k/L) is A - eta <= (1 + eta) (e^(k/L) - 1).
        theta = 0.0 if self.dynamic else -self.tolerance * math.exp(-length / self.steps)
        eta = self.tolerance if self.dynamic else 0.0
        bias_weights = eta / math.exp(self._bias_step() / self.steps) - self._constant(record)
        limit = {"n_inputs": n_source + 1} if self.dynamic else {"window": length, "ticks": 0}
        self.populations += [
            Population(bias, (1,), bias_neuron()),
            Population(tick, (1,), ticking_neuron(self.leak, self.dynamic), limit),
            Population(name, record.shape, temporal_neuron(self.leak), {"theta": theta}),
        ]
        one, ones = Dense(np.ones((1, 1))), np.ones((size, 1))
        link = self.projections.append
        event = "spike" if before == ONSET else "release"
        link(Projection(before, bias, one, self._bias_step(), event=event))
        link(Projection(before, tick, one, variable="started", event=event))
        if self.dynamic:
            link(Projection(source, tick, Dense(np.ones((1, n_source)))))
            link(Projection(bias, tick, one))
            if before != ONSET:  # the ticks of a layer are over when the next one is released
                link(Projection(tick, before, one, 1, variable="stopped", event="release"))
        link(Projection(tick, name, Dense(-ones), variable="inhibition", event="release"))
        link(Projection(tick, name, Dense((1.0 + eta) * ones)))
        link(Projection(source, name, negated(record)))
        link(Projection(bias, name, Dense(bias_weights)))
        self.clocks[name] = tick
        self.layers.append(CodedLayer(name, tick, source, length))

    def _bias_step(self) -> int:
        """T of the value that the bias neurons code."""
        return math.ceil(self.steps * math.log1p(bias_value(self.mode)))

    def _constant(self, record: Record) -> np.ndarray:
        """Weight of the bias neuron into every unit, array (n_units, 1)."""
        shape = self.shapes[record.source]
        total = bias_contribution(record, shape, self.steps, self.mode).reshape(-1, 1)
        return total / math.exp(self._bias_step() / self.steps)

    def _set_ticks(self, ticks: list[int]) -> None:
        """A clock of a static window ticks as long as the next layer's window lasts."""
        if self.dynamic:
            return
        for layer, number in zip(self.layers, ticks, strict=True):
            clock = next(p for p in self.populations if p.name == layer.clock)
            position = self.populations.index(clock)
            parameters = {"window": layer.window, "ticks": number}
            self.populations[position] = Population(clock.name, (1,), clock.model, parameters)

    def network(
        self,
        dt: Quantity,
        readout: str,
        largest: dict[str, float],
        margin: float,
        pipelined: bool = False,
        shifts: Mapping[str, np.ndarray] | None = None,
    ) -> SpikingNetwork:
        """The whole network."""
        last = self.records[-1]
        more = math.ceil(self.steps * math.log1p(margin * max(largest[last.name], 0.0)))
        self._set_ticks([layer.window for layer in self.layers[1:]] + [more])
        self.populations.append(Population(READOUT, last.shape, leaky_integrator(self.leak)))
        self.projections += [
            Projection(last.source, READOUT, last.kernel),
            Projection(f"{last.name}_bias", READOUT, Dense(self._constant(last))),
        ]
        least = sum(layer.window for layer in self.layers) + 1
        metadata = {
            "options": {
                "leak_ms": float(self.leak / ms),
                "mode": self.mode,
                "window": "dynamic" if self.dynamic else "static",
                "margin": margin,
                "rounding": self.rounding,
                "input_gain": self.input_gain,
            },
        }
        simulation = Simulation(
            duration=float(dt) * (least + (more if readout == "LS" else 0)),
            dt=float(dt),
            dtype=self.dtype,
            gain=1.0 + self.tolerance if self.rounding == "nearest" else 1.0,
            pipelined=pipelined,
        )
        code = TemporalCode(
            leak=self.steps,
            tau=float(self.leak),
            layers=tuple(self.layers),
            clocks={name: clock for name, clock in self.clocks.items() if clock != ONSET},
            tolerance=self.tolerance,
            least_steps=1 if self.dynamic else least,
            input_gain=self.input_gain,
            low=self.input_range[0],
            high=self.input_range[1],
            mode=self.mode,
            window="dynamic" if self.dynamic else "static",
            rounding=self.rounding,
            margin=margin,
            largest=largest,
            shifts={name: shift.tolist() for name, shift in (shifts or {}).items()},
        )
        return SpikingNetwork(
            tuple(self.populations),
            tuple(self.projections),
            self.input_shape,
            Readout(last.name, READOUT, readout),
            "tdsnn",
            "reverse",
            metadata,
            simulation,
            code,
            Origin(
                {record.name: record.node for record in self.records} | {READOUT: last.node},
                notes=self.notes,
            ),
        )


def negated(record: Record) -> Kernel:
    """The kernel of a record with its weights negated."""
    kernel = record.kernel
    if kernel.linear and not kernel.pointwise:
        return kernel.with_weights(np.negative)
    raise InputError(f"{record.place} ({record.kind}) has no form in a temporal code")
