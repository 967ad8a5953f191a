r"""Spikes that are lost or added on their way to one target: deletion and insertion at synapses.

==================  ========================================================  ==========
perturbation        what happens                                              level
==================  ========================================================  ==========
spike deletion      a target population misses a spike with probability p     p
spike insertion     a target population receives a spike that its source      rate, Hz
                    never sent, at this rate from each source unit
lossy events        while the link of a population is down, all its spikes    p
                    are lost; it is down for a share p of the time
==================  ========================================================  ==========

Deletion and insertion act on every pathway by itself, through a relay of its own between source
and target: what one target misses, another one may receive, and the source counts its spikes as
ever. (A :class:`~bionet.perturbations.SynapticFailure` is one of the whole spike.) Output and
readout, which integrate the same input, miss and receive the same spikes. All synapses of a source
unit onto one target population fail together.

A link, as a bus of address events or a cable, serves a whole population. Every ``burst`` on
average it is drawn anew whether the link is down:

.. math:: P(\text{drawn anew}) = \min(1, dt / \text{burst}), \qquad P(\text{down}) = p

so that losses come in bursts, with the correlation time ``burst``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from brian2 import Hz, Quantity, ms, second

from bionet.equations import NeuronModel
from bionet.equations.units import same_unit
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, Projection, SpikingNetwork
from bionet.network.kernels import OneToOne
from bionet.network.relays import passing_relays
from bionet.perturbations.base import NetworkPerturbation, extended, joined
from bionet.perturbations.transmission import (
    check_pathways,
    relay,
    senders,
    sources_of_spikes,
    with_input_relay,
)

__all__ = ["LossyEvents", "SpikeDeletion", "SpikeInsertion"]


@dataclass(frozen=True)
class _PathwayPerturbation(NetworkPerturbation):
    """Puts a relay of its own into every pathway; ``populations`` are the targets."""

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        check_pathways(snn, self)
        passing = passing_relays(snn)
        spiking = {*sources_of_spikes(snn), *passing}
        concerned = [
            q
            for q in snn.projections
            if q.source in spiking
            and q.event == "spike"
            and q.target not in passing
            and self.concerns(q.target, snn)
        ]
        targets = {q.target for q in concerned}
        missing = [n for n in self.populations or () if n not in targets]
        if missing or not concerned:
            raise InputError(
                f"{self.name}: population {(missing or ['any'])[0]!r} receives no spikes"
                f" with the coding {snn.coding!r}"
            )
        for source, end in dict.fromkeys((q.source, self._end(snn, q)) for q in concerned):
            snn = self._insert(snn, source, end)
        return snn

    @staticmethod
    def _end(snn: SpikingNetwork, projection: Projection) -> str:
        """The target; the readout's potential integrates what the output receives."""
        to_readout = projection.target == snn.readout.potential
        return snn.readout.spikes if to_readout else projection.target

    def _insert(self, snn: SpikingNetwork, source: str, end: str) -> SpikingNetwork:
        """A relay between a source and one target."""
        name = f"{source}_to_{end}_{self.name}"
        model, values = self.relay()
        populations = list(snn.populations)
        behind = snn.names.index(source)  # the input counts, so this is behind the source
        populations.insert(behind, Population(name, snn.shape(source), model, values))
        projections = [
            replace(q, source=name)
            if q.source == source and q.event == "spike" and self._end(snn, q) == end
            else q
            for q in snn.projections
        ]
        return replace(
            snn,
            populations=tuple(populations),
            projections=(Projection(source, name, OneToOne()), *projections),
            relays={**snn.relays, name: passing_relays(snn).get(source, source)},
        )

    def relay(self) -> tuple[NeuronModel, dict[str, Any]]:
        """The relay's model and parameters."""
        raise NotImplementedError


@typed
@dataclass(frozen=True)
class SpikeDeletion(_PathwayPerturbation):
    """Spikes that a target population misses, each with probability ``level``.

    References
    ----------
    Allen, Stevens 1994.
    """

    name: ClassVar[str] = "spike_deletion"
    measure: ClassVar[str] = "share of arrivals"
    most: ClassVar[float] = 1.0
    source: ClassVar[str] = "Allen, Stevens 1994"

    def relay(self) -> tuple[NeuronModel, dict[str, Any]]:
        """See :class:`_PathwayPerturbation`."""
        model = extended(
            relay(),
            "p_deleted : 1 (constant)",
            name="relay that deletes spikes",
            threshold="o != 0 and rand() >= p_deleted",
            update="o = arriving\narriving = 0",
            reset="",
            parameters={"p_deleted": 0.0},
        )
        return model, {"p_deleted": self.number}


@typed
@dataclass(frozen=True)
class SpikeInsertion(_PathwayPerturbation):
    """Spikes that a target population receives though no unit has sent them.

    Parameters
    ----------
    level : Quantity
        Rate in Hz, of each source unit and target population.
    populations : tuple of str, optional
        The targets.
    amplitude : float
        Size of an inserted spike.

    References
    ----------
    Gerstner et al. 2014, Section 7.3 (Poisson model of background activity).
    """

    amplitude: float = 1.0
    name: ClassVar[str] = "spike_insertion"
    unit: ClassVar[str] = "Hz"
    source: ClassVar[str] = "Gerstner et al. 2014, Section 7.3"

    def relay(self) -> tuple[NeuronModel, dict[str, Any]]:
        """See :class:`_PathwayPerturbation`."""
        model = extended(
            relay(),
            "rate_inserted : Hz (constant)\no_inserted : 1 (constant)",
            name="relay that inserts spikes",
            threshold="o != 0",
            update="o = arriving + o_inserted*int(rand() < rate_inserted*dt)\narriving = 0",
            reset="",
            parameters={"rate_inserted": 0 * Hz, "o_inserted": 1.0},
        )
        return model, {"rate_inserted": self.level, "o_inserted": float(self.amplitude)}


@typed
@dataclass(frozen=True)
class LossyEvents(NetworkPerturbation):
    """A link that is down for a share ``level`` of the time, and loses all spikes meanwhile.

    They still count as spikes of their units.

    Parameters
    ----------
    level : float
        Share of the time, and so of the spikes, from 0 to 1.
    populations : tuple of str, optional
        Whose spikes travel over such a link, each population over one of its own.
    burst : Quantity
        Mean time after which it is drawn anew whether the link is down.

    Raises
    ------
    InputError
        For a burst that is no time, or a population that sends no spikes.

    References
    ----------
    E. N. Gilbert: Capacity of a burst-noise channel. Bell System Technical Journal 39 (1960)
    1253-1265. K. A. Boahen: Point-to-point connectivity between neuromorphic chips using address
    events. IEEE Transactions on Circuits and Systems II 47 (2000) 416-434.
    """

    burst: Quantity = field(default_factory=lambda: 5 * ms)
    name: ClassVar[str] = "lossy_events"
    measure: ClassVar[str] = "share of the time"
    most: ClassVar[float] = 1.0
    source: ClassVar[str] = "Gilbert 1960; Boahen 2000"
    option_units: ClassVar[Mapping[str, str]] = {"burst": "ms"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not same_unit(self.burst, 1 * second) or not float(self.burst) > 0:
            raise InputError(f"{self.name}: burst must be a time above 0, but is {self.burst!r}")

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        snn = with_input_relay(snn, self)
        values = {"p_down": self.number, "burst": self.burst}
        for name in senders(snn, self):
            model = _linked(snn.population(name).model)
            snn = snn.with_population(name, model=model, parameters=values)
        return snn


def _linked(model: NeuronModel) -> NeuronModel:
    if "link_down" in model.dimensions:
        raise InputError(f"lossy_events: model {model.name!r} has it already; give it once")
    o = model.amplitude or "o"
    lines = ["link_down : 1", "u_link : 1", "share_drawn : 1"]
    lines += ["p_down : 1 (constant)", "burst : second (constant)"]
    lines += [] if model.amplitude else ["o : 1"]
    # In the first step of a presentation it is drawn in any case. One number tells both whether
    # it is drawn anew, and what comes out.
    update = (
        "share_drawn = 1 - int(step > 0)*(1 - clip(dt/burst, 0, 1))\n"
        "u_link = rand_shared()\n"
        "link_down = int(u_link < share_drawn*p_down) + int(u_link >= share_drawn)*link_down"
    )
    up = "int(link_down < 0.5)"
    return extended(
        model,
        *lines,
        name=f"{model.name}, lossy link",
        update=joined(update, model.update),
        reset=joined(model.reset, f"{o} *= {up}" if model.amplitude else f"{o} = {up}"),
        amplitude=o,
        parameters={**model.parameters, "p_down": 0.0, "burst": 5 * ms},
    )
