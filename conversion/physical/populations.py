"""From layer records to populations of neurons with units, their partners and projections.

Every layer with weights is a population. A pooling that could not be folded into the next layer
is a population of sums: what arrives at a dendrite in one step, sent on within the step with its
size. The last layer's input also goes to ``readout``, which integrates it and never fires.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import Hz, Quantity, second

from bionet.conversion.physical.cells import Cell
from bionet.conversion.steps.assemble import READOUT, drive
from bionet.conversion.tracing.records import AveragePool, Record, Records, consumers
from bionet.equations import NeuronModel
from bionet.errors import InputError
from bionet.network import Origin, Population, Projection, Readout, Simulation, SpikingNetwork
from bionet.network.kernels import Kernel, OneToOne

__all__ = ["PARTNER", "Wiring", "dendritic_sum", "physical_network", "readout_model", "relay"]

PARTNER = "_inhibitory"  # is added to a population's name to name its interneurons


@dataclass(frozen=True, eq=False)
class Wiring:
    """How populations are connected.

    Attributes
    ----------
    dale : {None, "relay", "train"}
    delay, delay_spread : Quantity
        From a neuron to its targets, in units of time.
    interneuron : NeuronModel
        Of the partners; one that fires within the step by default.
    gain : Quantity or float
        Of the spikes that a partner gets.
    """

    dale: str | None
    delay: Any
    delay_spread: Any
    interneuron: NeuronModel
    gain: Any = 1.0


def readout_model() -> NeuronModel:
    """An integrator of the output's input from ``readout_from`` on: the scores times time."""
    return NeuronModel(
        name="integrator of the output's input",
        equations="dv/dt = I : 1\nI : Hz (constant)\nreadout_from : second (constant)",
        update="v = v*int((step + 1.5)*dt > readout_from)",
        parameters={"I": 0 * Hz, "readout_from": 0 * second},
        inputs={"exc": "v", "inh": "v"},
        source="readout MP",
    )


def dendritic_sum() -> NeuronModel:
    """What arrives in a step, sent on in this step with its size: no membrane, no state."""
    return NeuronModel(
        name="sum of what arrives in a step",
        equations="received : 1\no : 1",
        threshold="received > 0",
        reset="received = 0",
        update="o = received",
        input="received",
        amplitude="o",
        spike="graded",
        source="no cell of its own: a part of the targets' dendrites",
    )


def relay() -> NeuronModel:
    """An interneuron that fires in the step in which it receives a spike."""
    return NeuronModel(
        name="relay interneuron",
        equations="received : 1",
        threshold="received >= 0.5",
        reset="received = 0",
        input="received",
        source="the spikes of its principal cell",
    )


def physical_network(
    records: Records,
    cell: Cell,
    reference: Quantity,
    input_shape: tuple[int, ...],
    wiring: Wiring,
    readout: str,
    readout_from: Quantity,
    simulation: Simulation,
    options: dict[str, Any],
) -> SpikingNetwork:
    """The network of neurons; see the module's first lines.

    Parameters
    ----------
    records : tuple of Record
        With weights of the network of rates.
    cell : Cell
        The neuron of all layers.
    reference : Quantity
        Rate that stands for an activation of 1.
    input_shape : tuple of int
    wiring : Wiring
    readout : {"MP", "MS", "FS"}
    readout_from : Quantity
        Time from which the readout integrates.
    simulation : Simulation
    options : dict
        For the network's metadata.
    """
    builder = _Builder(records, cell, wiring)
    for record in records:
        builder.add(record)
    last = records[-1]
    bias = np.asarray(drive(last)) * reference
    builder.populations.append(
        Population(READOUT, last.shape, readout_model(), {"I": bias, "readout_from": readout_from})
    )
    for source, kernel in last.projections:
        builder.connect(source, READOUT, kernel, scores=True)
    layers = {record.name: record.node for record in (*records, last)}
    return SpikingNetwork(
        tuple(builder.populations),
        tuple(builder.projections),
        input_shape,
        Readout(last.name, READOUT, readout),
        "biophysical",
        "analog",
        {"options": options},
        simulation,
        origin=Origin({**layers, READOUT: last.node}),
        relays=builder.partners,
    )


class _Builder:
    """Populations and projections in the order of the layers."""

    def __init__(self, records: Records, cell: Cell, wiring: Wiring) -> None:
        self.records, self.cell, self.wiring = records, cell, wiring
        self.populations: list[Population] = []
        self.projections: list[Projection] = []
        self.partners: dict[str, str] = {}

    def add(self, record: Record) -> None:
        """The population of a record, what leads to it, and its partners."""
        if isinstance(record, AveragePool):
            self._add_pool(record)
            return
        model = self.cell.population_model()
        values = self.cell.parameters(drive(record), record.shape)
        self.populations.append(Population(record.name, record.shape, model, values))
        for source, kernel in record.projections:
            self.connect(source, record.name, kernel)
        if self.wiring.dale == "relay" and self._inhibits(record):
            self._add_partners(record)

    def _add_partners(self, record: Record) -> None:
        name = f"{record.name}{PARTNER}"
        self.populations.append(Population(name, record.shape, self.wiring.interneuron))
        self.projections.append(Projection(record.name, name, OneToOne(1.0), gain=self.wiring.gain))
        self.partners[name] = record.name

    def _add_pool(self, pool: AveragePool) -> None:
        if pool.source == "input":
            raise InputError(
                f"{pool.place} pools the images with pools that the next layer cannot take in;"
                " pool them before they are presented"
            )
        for suffix in ("", PARTNER):
            source = f"{pool.source}{suffix}"
            if any(p.name == source for p in self.populations):
                name = f"{pool.name}{suffix}"
                self.populations.append(Population(name, pool.shape, dendritic_sum()))
                self.projections.append(Projection(source, name, pool.kernel))
                self.partners |= {name: pool.name} if suffix else {}

    def _inhibits(self, record: Record) -> bool:
        """Whether some weight that leaves a layer, perhaps through poolings, is negative."""
        for user in consumers(self.records, record.name):
            if isinstance(user, AveragePool):
                if self._inhibits(user):
                    return True
            elif any(k.part(-1) for s, k in user.projections if s == record.name):
                return True
        return False

    def connect(self, source: str, target: str, kernel: Kernel, scores: bool = False) -> None:
        """Projections of a layer's weights; ``scores``: to the readout, which has no unit."""
        if source == "input":
            self._connect_pixels(target, kernel, scores)
            return
        both = kernel.part(1) is not None and kernel.part(-1) is not None
        divided = self.wiring.dale == "relay" or (not scores and 0 not in self.cell.gains)
        if self.wiring.dale == "train" and both and (wrong := _mixed_unit(kernel)) is not None:
            raise InputError(
                f"dale='train': unit or channel {wrong} of {source!r} has weights of both signs"
                f" into {target!r}; train the network with fine_tune(..., dale=0.2), or use"
                " dale='relay'"
            )
        for sign in (1, -1) if divided else (0,):
            weights = kernel.part(sign) if sign else kernel
            if weights is None:
                continue
            partner = sign < 0 and self.wiring.dale == "relay"
            self.projections.append(
                Projection(
                    f"{source}{PARTNER}" if partner else source,
                    target,
                    weights,
                    delay=self.wiring.delay,
                    delay_spread=self.wiring.delay_spread,
                    sign=sign,
                    gain=1.0 if scores else self.cell.gains.get(sign, self.cell.gains.get(0)),
                )
            )

    def _connect_pixels(self, target: str, kernel: Kernel, scores: bool) -> None:
        if scores:
            raise InputError("a network of one layer has no hidden neurons; train one with some")
        self.projections.append(
            Projection(
                "input",
                target,
                kernel,
                gain=self.cell.curve.rheobase,
            )
        )


def _mixed_unit(kernel: Kernel) -> int | None:
    """Number of the first source unit, or channel, with weights of both signs."""
    positive, negative = kernel.signs()
    mixed = positive & negative
    return int(np.argmax(mixed)) if mixed.any() else None
