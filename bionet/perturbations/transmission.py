r"""Perturbations of what axons carry: failures, spurious spikes, jitter, delays.

====================  ========================================================  ==========
perturbation          what happens                                              level
====================  ========================================================  ==========
synaptic failure      a spike has the amplitude 0 with probability p            p
background spikes     a unit fires with probability rate dt though v < theta    rate, Hz
spike-time jitter     a spike travels for c + sigma z, rounded to steps         sigma, ms
transmission delay    all spikes of unit i travel for d + s z_i                 d, ms
====================  ========================================================  ==========

z is a standard normal number, of each spike (jitter) or of each unit (delay). A failure is one of
the whole spike: it reaches no target. A spurious spike does not reset v. Travel cannot end before
it begins, so jitter has the mean c = 2 sigma, rounded up to steps, and is cut off at 0 and 2 c;
compare it with a transmission delay of c to tell the two apart. Delays and jitter are those of the
projections (:mod:`bionet.network.delays`), so that a spike waits in the queue of its synapses.

Units that the input coding makes are perturbed too where the coding has spikes; what changes their
spikes needs a *relay*, a population that passes on what it gets within the same step, and so does a
second jitter behind a first one.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from brian2 import Hz, Quantity

from bionet.equations import NeuronModel
from bionet.equations.latex import statements
from bionet.equations.randomness import uses_rand
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import FirstSpikeCode, Population, Projection, SpikingNetwork
from bionet.network.delays import is_time
from bionet.network.input_population import input_spikes
from bionet.network.kernels import OneToOne
from bionet.network.relays import passing_relays
from bionet.perturbations.base import NetworkPerturbation, change_populations, extended, joined

__all__ = [
    "BackgroundSpikes",
    "SpikeTimeJitter",
    "SynapticFailure",
    "TransmissionDelay",
    "check_pathways",
    "guarded_statement",
    "relay",
    "relays",
    "senders",
    "sources_of_spikes",
    "with_input_relay",
]


@typed
@dataclass(frozen=True)
class SynapticFailure(NetworkPerturbation):
    """Spikes that reach no target, each with probability ``level``.

    They still count as spikes of their unit, and their synaptic events as events.

    References
    ----------
    C. Allen, C. F. Stevens: An evaluation of causes for unreliability of synaptic transmission.
    PNAS 91 (1994) 10380-10383.
    """

    name: ClassVar[str] = "synaptic_failure"
    measure: ClassVar[str] = "share of transmissions"
    most: ClassVar[float] = 1.0
    source: ClassVar[str] = "Allen, Stevens 1994"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        snn = with_input_relay(snn, self)
        failing = {"p_fail": self.number}
        return change_populations(
            snn, senders(snn, self), lambda p: {"model": _failing(p.model), "parameters": failing}
        )


def _failing(model: NeuronModel) -> NeuronModel:
    if "p_fail" in model.dimensions:
        raise InputError(f"synaptic_failure: model {model.name!r} has it already; give it once")
    o = model.amplitude or "o"
    lines = ["p_fail : 1 (constant)"] + ([] if model.amplitude else ["o : 1"])
    success = "int(rand() >= p_fail)"
    return extended(
        model,
        *lines,
        name=f"{model.name}, synaptic failure",
        reset=joined(model.reset, f"{o} *= {success}" if model.amplitude else f"{o} = {success}"),
        amplitude=o,
        parameters={**model.parameters, "p_fail": 0.0},
    )


@typed
@dataclass(frozen=True)
class BackgroundSpikes(NetworkPerturbation):
    """Spurious spikes of the rate ``level``, in every unit that has targets.

    Parameters
    ----------
    level : Quantity
        Rate in Hz.
    populations : tuple of str, optional
    amplitude : float
        Size of a spurious spike, where the spikes of a population have one.

    References
    ----------
    Gerstner et al. 2014, Section 7.3 (Poisson model of background activity).
    """

    amplitude: float = 1.0
    name: ClassVar[str] = "background_spikes"
    unit: ClassVar[str] = "Hz"
    source: ClassVar[str] = "Gerstner et al. 2014, Section 7.3"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        snn = with_input_relay(snn, self)
        for name in senders(snn, self):
            model = _spurious(snn.population(name).model)
            values = {"rate_background": self.level}
            if model.amplitude is not None:
                values["o_background"] = float(self.amplitude)
            snn = snn.with_population(name, model=model, parameters=values)
        return snn


def _spurious(model: NeuronModel) -> NeuronModel:
    if "rate_background" in model.dimensions:
        raise InputError(
            f"background_spikes: model {model.name!r} has them already; give them once"
        )
    if uses_rand(model.threshold):
        raise InputError(
            f"background_spikes: the threshold of model {model.name!r} is random itself"
        )
    lines, defaults = ["rate_background : Hz (constant)"], {"rate_background": 0 * Hz}
    guarded = [guarded_statement(s, model) for s in statements(model.reset)]
    if model.amplitude is not None:
        lines.append("o_background : 1 (constant)")
        defaults["o_background"] = 1.0
        o = model.amplitude
        guarded.append(f"{o} = own*{o} + (1 - own)*o_background")
    return extended(
        model,
        *lines,
        name=f"{model.name}, background spikes",
        threshold=f"({model.threshold}) or rand() < rate_background*dt",
        reset=joined(f"own = int({model.threshold})", *guarded) if guarded else model.reset,
        resets=None,  # of a spurious spike
        parameters={**model.parameters, **defaults},
    )


def guarded_statement(statement: str, model: NeuronModel) -> str:
    """A statement of a reset that does nothing where the spike is not the unit's own."""
    match = re.fullmatch(r"\s*(\w+)\s*([-+*/]?=)\s*(.+?)\s*", statement)
    if match is None:
        raise InputError(f"background_spikes: cannot guard {statement!r} of model {model.name!r}")
    target, operator, value = match.groups()
    if operator in ("+=", "-="):
        return f"{target} {operator} own*({value})"
    if operator in ("*=", "/="):
        return f"{target} {operator} own*({value}) + (1 - own)"
    return f"{target} = own*({value}) + (1 - own)*{target}"


@typed
@dataclass(frozen=True)
class SpikeTimeJitter(NetworkPerturbation):
    """Spikes that travel for a random time each, of standard deviation ``level``.

    Parameters
    ----------
    level : Quantity
        In units of time.
    populations : tuple of str, optional

    References
    ----------
    Z. F. Mainen, T. J. Sejnowski: Reliability of spike timing in neocortical neurons. Science 268
    (1995) 1503-1506.
    """

    name: ClassVar[str] = "spike_time_jitter"
    unit: ClassVar[str] = "ms"
    source: ClassVar[str] = "Mainen, Sejnowski 1995"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        dt = snn.times()[1]
        # A little less than the quotient, so that 1.0000001 steps are one.
        centre = max(0, math.ceil(2 * float(self.level / dt) - 1e-6))
        return _travelling(snn, self, centre * dt, jitter=self.level)


@typed
@dataclass(frozen=True)
class TransmissionDelay(NetworkPerturbation):
    """Spikes that travel for ``level``, or for a time of each unit's own about it.

    Parameters
    ----------
    level : Quantity
        Mean delay, in units of time; rounded to steps.
    populations : tuple of str, optional
    spread : float
        Standard deviation of the units' delays, as a share of the mean; what would be below 0 is
        drawn anew.

    References
    ----------
    H. A. Swadlow, S. G. Waxman: Axonal conduction delays. Scholarpedia 7(6):1451 (2012).
    """

    spread: float = 0.0
    name: ClassVar[str] = "transmission_delay"
    unit: ClassVar[str] = "ms"
    source: ClassVar[str] = "Swadlow, Waxman 2012"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        if not 0 <= self.spread <= 1:
            raise InputError(f"{self.name}: spread must lie in [0, 1], but is {self.spread}")
        dt = snn.times()[1]
        if not self.spread:
            return _travelling(snn, self, math.floor(float(self.level / dt) + 0.5 + 1e-4) * dt)
        spread = self.spread * self.level
        return _travelling(snn, self, self.level, delay_spread=spread, delay_seed=seed)


def relay() -> NeuronModel:
    """Passes on every spike in the step in which it arrives, with its amplitude."""
    return NeuronModel(
        name="relay",
        equations="arriving : 1\no : 1",
        threshold="arriving != 0",
        reset="o = arriving\narriving = 0",
        input="arriving",
        amplitude="o",
    )


@typed
def relays(snn: SpikingNetwork) -> dict[str, str]:
    """Relay -> the population, or ``input``, whose spikes it passes on.

    Interneurons that repeat spikes (Dale's principle) are cells, and not among them.
    """
    return passing_relays(snn)


def _trunk(snn: SpikingNetwork) -> dict[str, str]:
    """The relays that all spikes of their origin go through, before they reach their targets."""
    trunk = {}
    for name, origin in relays(snn).items():
        before = next(q.source for q in snn.projections if q.target == name)
        spikes = [q for q in snn.projections if q.source == before and q.event == "spike"]
        if all(q.target == name for q in spikes):
            trunk[name] = origin
    return trunk


def sources_of_spikes(snn: SpikingNetwork) -> list[str]:
    """Populations with targets whose spikes are their own, the input of a spiking coding first."""
    passing, sources = relays(snn), {q.source for q in snn.projections}
    names = ["input"] if input_spikes(snn) else []
    names += [
        p.name for p in snn.populations if p.model.threshold is not None and p.name not in passing
    ]
    return [name for name in names if name in sources]


def senders(snn: SpikingNetwork, perturbation: NetworkPerturbation) -> list[str]:
    """The populations whose models are to be changed; for the input its first relay."""
    first: dict[str, str] = {}
    for name, origin in _trunk(snn).items():
        first.setdefault(origin, name)
    names = _concerned(snn, perturbation)
    return [first["input"] if name == "input" else name for name in names]


def _concerned(snn: SpikingNetwork, perturbation: NetworkPerturbation) -> list[str]:
    """The populations, ``input`` among them, whose spikes a perturbation concerns."""
    names = [name for name in sources_of_spikes(snn) if perturbation.concerns(name, snn)]
    if missing := [n for n in perturbation.populations or () if n not in names]:
        raise InputError(
            f"{perturbation.name}: {missing[0]!r} sends no spikes to any population"
            + (f" with the coding {snn.coding!r}" if missing[0] == "input" else "")
        )
    return names


def check_pathways(snn: SpikingNetwork, perturbation: NetworkPerturbation) -> None:
    """Refuse spikes that reach a target by two pathways: what befalls one must befall the other."""
    events = {(q.source, q.target) for q in snn.projections if q.event != "spike"}
    spikes = {(q.source, q.target) for q in snn.projections if q.event == "spike"}
    carried = snn.code is not None and snn.code.amplitudes
    # A falling synapse delivers its whole value with the spike, so that both are lost together;
    # but one that comes later would deliver what it stood for in its own time.
    falling = isinstance(snn.code, FirstSpikeCode) and snn.code.falling
    carried = carried and not (falling and isinstance(perturbation, SynapticFailure))
    for source, target in spikes if carried else events & spikes:
        if perturbation.concerns(source, snn):
            raise InputError(
                f"{perturbation.name}: spikes of {source!r} carry their exact times to {target!r},"
                " which it would part from the spikes; convert the network for spikes that"
                " are all alike (method ttfs: convert it with interpolate=False)"
            )


def with_input_relay(snn: SpikingNetwork, perturbation: NetworkPerturbation) -> SpikingNetwork:
    """The network with a relay behind a spiking input that a perturbation concerns."""
    check_pathways(snn, perturbation)
    wanted = "input" in sources_of_spikes(snn) and perturbation.concerns("input", snn)
    if not wanted or "input" in _trunk(snn).values():
        return snn
    return _insert(snn, "input", relay(), {})


def _travelling(
    snn: SpikingNetwork, perturbation: NetworkPerturbation, delay: Quantity, **spread: Any
) -> SpikingNetwork:
    """The network whose spikes travel for ``delay`` besides, with this spread or jitter.

    What a projection has already is added to, where there is nothing to add it to: two normal
    numbers, of a unit or of a spike, need a relay between them.
    """
    check_pathways(snn, perturbation)
    dt = snn.times()[1]
    for name in _concerned(snn, perturbation):
        end = _end_of(snn, name)
        has = any(
            getattr(q, field)
            for q in snn.projections
            if q.source == end and q.event == "spike"
            for field in ("jitter", "delay_spread")
            if field in spread
        )
        through = snn.names
        if has:
            snn = _insert(snn, name, relay(), {})
        new = set(snn.names) - set(through)

        def travelling(q: Projection, end: str = end, new: set[str] = new) -> Projection:
            if q.source != end or q.event != "spike" or (new and q.target not in new):
                return q
            before = q.delay if is_time(q.delay) else int(q.delay) * dt
            return replace(q, delay=before + delay, **spread)

        snn = replace(snn, projections=tuple(travelling(q) for q in snn.projections))
    return snn


def _end_of(snn: SpikingNetwork, origin: str) -> str:
    """The last relay that all spikes of an origin go through, or the origin itself."""
    return next((r for r, o in reversed(_trunk(snn).items()) if o == origin), origin)


def _insert(
    snn: SpikingNetwork, origin: str, model: NeuronModel, values: dict[str, Any]
) -> SpikingNetwork:
    """A relay behind the last one of an origin, or behind the origin itself."""
    end = _end_of(snn, origin)
    number = sum(o == origin for o in _trunk(snn).values()) + 1
    name = f"{origin}_relay" + (str(number) if number > 1 else "")
    if name in snn.names:
        raise InputError(f"a population is called {name!r}, which is to be the relay of {origin!r}")
    new = Population(name, snn.shape(origin), model, values)
    position = snn.names.index(end)  # the input counts, so this is behind the end
    populations = list(snn.populations)
    populations.insert(position, new)
    projections = [Projection(end, name, OneToOne())]
    projections += [  # a clock's other events are no spikes, and travel as before
        replace(q, source=name) if q.source == end and q.event == "spike" else q
        for q in snn.projections
    ]
    return replace(
        snn,
        populations=tuple(populations),
        projections=tuple(projections),
        relays={**snn.relays, name: origin},
    )
