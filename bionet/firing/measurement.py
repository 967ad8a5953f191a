r"""Measuring the f-I curve of any neuron in Brian2, once; the result is kept on disk.

A group of unconnected neurons gets one constant current each. The rheobase :math:`I_{on}` is
bracketed on a logarithmic scale and then, by finer and finer groups, to one part in ten thousand.
The curve is measured at currents that lie densest just above it, where it bends most.

========== ==========================================================================
kind       rate of a neuron
========== ==========================================================================
adapted    (n - 1) / (t_n - t_1) of the spikes after ``settle``
onset      1 / (t_2 - t_1) of its first two spikes
presented  spikes from ``settle`` to the end, divided by that time, averaged over
           ``phases`` neurons whose potential begins between its initial value and the
           one that it rests at just below the rheobase: what a layer of units with
           different histories fires on average in a presentation
========== ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import brian2
import numpy as np
from brian2 import Hz, Quantity, amp, ms, second
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.units.fundamentalunits import get_dimensions

from bionet.equations.model import NeuronModel, unit_name
from bionet.errors import InputError
from bionet.firing.curve import FICurve
from bionet.firing.kept import kept_on_disk
from bionet.kinds import told, typed

__all__ = ["Protocol", "f_i", "run_group", "spikes_at"]

KINDS = ("adapted", "onset", "presented")
# Powers of ten that a rheobase is looked for in: of ampere, and of any other unit.
DECADES_OF_AMPERE, DECADES = (-14, -6), (-6, 3)
PER_DECADE = 4
FINER = 100  # currents in a bracket, each time that it is narrowed
PRECISION = 1e-4
REST = 2.0  # seconds
RESTING = "resting "  # before the names of state variables in a kept curve
VERSION = 1  # of what is measured; a kept curve of another version is measured again
Kind = Literal["adapted", "onset", "presented"]


@dataclass(frozen=True)
class Protocol:
    """How a curve is measured; times in seconds."""

    dt: float
    settle: float
    duration: float
    kind: str
    phases: int
    highest: float
    points: int


@typed
def f_i(
    neuron: NeuronModel,
    synapse: Any = None,
    dt: Quantity = 0.1 * ms,
    *,
    kind: Kind = "adapted",
    settle: Quantity = 500 * ms,
    duration: Quantity = 1500 * ms,
    highest: float = 8.0,
    points: int = 120,
    phases: int = 16,
    cache: bool = True,
    progress: Callable[[str], None] | None = None,
) -> FICurve:
    """Measure the firing rate of a neuron against a constant current.

    Parameters
    ----------
    neuron : NeuronModel
        Any model that fires and declares a ``current``; its constants are the model's own.
    synapse : SynapseModel, optional
        Put on the neuron first; without input spikes its current is 0.
    dt : Quantity
        Simulation step, in units of time.
    kind : {"adapted", "onset", "presented"}
        Which rate is meant; see the module's table.
    settle, duration : Quantity
        Time before spikes count, and the whole time, in units of time.
    highest : float
        Largest current, in units of the rheobase.
    points : int
        Currents of the curve.
    phases : int
        Neurons a current, for ``"presented"``.
    cache : bool
        Keep the curve on disk and take it from there; its key is a hash of model and arguments.
    progress : callable, optional
        Is told what is measured.

    Returns
    -------
    FICurve

    Raises
    ------
    InputError
        If the model has no current or threshold, fires without current, or never fires.
    """
    if synapse is not None and not hasattr(synapse, "on"):
        raise InputError(
            f"f_i: synapse must be one of bionet.synapse, such as exponential(5*ms), but is"
            f" {told(synapse)}"
        )
    model = neuron if synapse is None else synapse.on(neuron)
    protocol = _protocol(dt, settle, duration, kind, phases, highest, points)
    _check_model(model)
    unit, v = model.dimensions[str(model.current)], model.dimensions[str(model.potential)]
    key = {"version": VERSION, "model": model.to_dict(), "protocol": vars(protocol)}
    values = kept_on_disk(key, lambda: _measured(model, protocol, progress), cache)
    return FICurve(
        Quantity(values["currents"], dim=unit),
        values["rates"] * Hz,
        Quantity(float(values["rheobase"]), dim=unit),
        model.name,
        Quantity(float(values["begin"]), dim=v),
        {
            name: Quantity(float(values[f"{RESTING}{name}"]), dim=model.dimensions[name])
            for name in model.state
        },
    )


def _measured(
    model: NeuronModel, protocol: Protocol, progress: Callable[[str], None] | None
) -> dict[str, Any]:
    """Currents, rates, rheobase, first potential and state at rest, in SI units."""
    say = progress or (lambda text: None)
    say(f"rheobase of {model.name}")
    # The rheobase is that of a neuron at rest, however short a presentation is.
    calm = replace(protocol, settle=max(protocol.settle, 0.5), duration=max(protocol.duration, 1.5))
    low, high = _rheobase(model, calm)
    begin, resting = _resting(model, protocol, low)
    say(f"f-I curve of {model.name}: {protocol.points} currents")
    # Squares: the curve of most neurons bends at its foot.
    steps = np.linspace(0, 1, protocol.points - 2) ** 2
    drives = np.concatenate([[-1.0, 0.0], PRECISION + (protocol.highest - 1) * steps])
    currents = (1 + drives) * high
    rates = _rates(model, protocol, currents, begin, resting)
    state = {f"{RESTING}{name}": value for name, value in resting.items()}
    return {
        "currents": currents,
        "rates": rates,
        "rheobase": (low + high) / 2,
        "begin": begin,
        **state,
    }


def _protocol(
    dt: Quantity,
    settle: Quantity,
    duration: Quantity,
    kind: str,
    phases: int,
    highest: float,
    points: int,
) -> Protocol:
    for name, value in (("dt", dt), ("settle", settle), ("duration", duration)):
        if get_dimensions(value) is not get_dimensions(second) or not float(value) >= 0:
            raise InputError(f"{name} of an f-I curve must be a time such as 500*ms, got {value!r}")
    if kind not in KINDS:
        raise InputError(f"kind of an f-I curve is one of {', '.join(KINDS)}, but got {kind!r}")
    if not float(settle) < float(duration) or not 0 < float(dt) < float(duration):
        raise InputError(
            f"settle ({settle}) and dt ({dt}) of an f-I curve must be shorter than its"
            f" duration ({duration})"
        )
    if not highest > 1 or points < 8 or phases < 1:
        raise InputError(
            "an f-I curve needs highest > 1 (rheobases), points >= 8 and phases >= 1, but got"
            f" {highest}, {points} and {phases}"
        )
    return Protocol(
        float(dt), float(settle), float(duration), kind, int(phases), float(highest), int(points)
    )


def _check_model(model: NeuronModel) -> None:
    if model.threshold is None:
        raise InputError(
            f"model {model.name!r} has no threshold: a neuron that never fires has no f-I curve"
        )
    if not model.current:
        raise InputError(
            f"model {model.name!r} declares no current; name the parameter that takes a constant"
            " current: NeuronModel(..., current='I')"
        )


def _rheobase(model: NeuronModel, protocol: Protocol) -> tuple[float, float]:
    """The largest current found that does not make the neuron fire, and the least that does."""
    in_ampere = model.dimensions[str(model.current)] is amp.dim
    first, last = DECADES_OF_AMPERE if in_ampere else DECADES
    currents = np.concatenate([[0.0], np.logspace(first, last, PER_DECADE * (last - first) + 1)])
    low, high = _bracket(model, protocol, currents)
    while high - low > PRECISION * high:
        low, high = _bracket(model, protocol, np.linspace(low, high, FINER))
    return low, high


def _bracket(model: NeuronModel, protocol: Protocol, currents: np.ndarray) -> tuple[float, float]:
    times = spikes_at(model, protocol, currents)
    fires = np.array([(t > protocol.settle).any() for t in times])
    if fires[0] and currents[0] == 0:
        raise InputError(
            f"model {model.name!r} fires without current, so it has no rheobase; lower its"
            " background, or raise its threshold"
        )
    if not fires.any():
        unit = unit_name(model.dimensions[str(model.current)])
        raise InputError(
            f"model {model.name!r} does not fire at any current up to {currents[-1]:g} {unit}"
            f" in {protocol.duration:g} s"
        )
    above = int(fires.argmax())
    return float(currents[max(above - 1, 0)]), float(currents[above])


def _resting(model: NeuronModel, protocol: Protocol, low: float) -> tuple[float, dict[str, float]]:
    """The potential that the neuron begins with, and its state at rest just below the rheobase."""
    begin = run_group(model, replace(protocol, duration=protocol.dt), np.zeros(1))[1]
    # Slow variables, such as an adaptation, need longer than the potential.
    calm = replace(protocol, duration=max(protocol.duration, REST))
    end = run_group(model, calm, np.full(1, low))[1]
    state = {name: float(end.variables[name].get_value()[0]) for name in model.state}
    return float(begin.variables[model.potential].get_value()[0]), state


def _rates(
    model: NeuronModel,
    protocol: Protocol,
    currents: np.ndarray,
    begin: float,
    resting: Mapping[str, float],
) -> np.ndarray:
    """Rate in Hz at every current, array (n,)."""
    if protocol.kind == "presented":
        many = np.repeat(currents, protocol.phases)
        phases = np.tile((np.arange(protocol.phases) + 0.5) / protocol.phases, len(currents))
        state = {name: np.full(len(many), value) for name, value in resting.items()}
        state[str(model.potential)] = begin + phases * (resting[str(model.potential)] - begin)
        times = spikes_at(model, protocol, many, state)
        counts = np.array([(t > protocol.settle).sum() for t in times], dtype=float)
        window = protocol.duration - protocol.settle
        return counts.reshape(len(currents), -1).mean(axis=1) / window
    times = spikes_at(model, protocol, currents)
    rates = np.zeros(len(currents))
    for number, train in enumerate(times):
        train = train[:2] if protocol.kind == "onset" else train[train > protocol.settle]
        if len(train) > 1:
            rates[number] = (len(train) - 1) / (train[-1] - train[0])
    return rates


def spikes_at(
    model: NeuronModel,
    protocol: Protocol,
    currents: np.ndarray,
    begin: Mapping[str, np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Spike times in seconds of one neuron for each current.

    Parameters
    ----------
    model : NeuronModel
    protocol : Protocol
    currents : array (n,)
        In the SI unit of the model's current.
    begin : mapping of str to array (n,), optional
        State variables to begin with, in SI units; the model's initial values by default.
    """
    _, _, monitor = run_group(model, protocol, currents, begin)
    trains = monitor.spike_trains()
    return [np.asarray(trains[i]) for i in range(len(currents))]


def run_group(
    model: NeuronModel,
    protocol: Protocol,
    currents: np.ndarray,
    begin: Mapping[str, np.ndarray] | None = None,
) -> tuple[Any, Any, Any]:
    """The Brian2 network, its group of neurons and the spike monitor, after the run."""
    brian2.set_device("runtime")
    clock = brian2.Clock(dt=protocol.dt * second)
    group = brian2.NeuronGroup(
        len(currents),
        model.brian(),
        threshold=model.threshold,
        reset=model.reset or "",
        refractory=model.refractory if model.refractory is not None else False,
        method=model.method,
        events=dict(model.events),
        namespace={**getattr(model, "namespace", {})},
        codeobj_class=NumpyCodeObject,
        clock=clock,
    )
    for name, value in model.parameters.items():
        group.variables[name].set_value(np.asarray(value, dtype=float))
    group.variables[model.current].set_value(currents)
    for name, value in model.initial.items():
        setattr(group, name, value if isinstance(value, str) else model.quantity(name, value))
    for name, value in (begin or {}).items():
        group.variables[name].set_value(value)
    objects: list[Any] = [group]
    if model.update:
        objects.append(
            group.run_regularly(
                model.update, clock=clock, when="before_thresholds", codeobj_class=NumpyCodeObject
            )
        )
    monitor = brian2.SpikeMonitor(group, codeobj_class=NumpyCodeObject)
    network = brian2.Network(*objects, monitor)
    network.run(protocol.duration * second, namespace={})
    return network, group, monitor
