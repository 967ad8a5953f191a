"""From the description to Brian2: real NeuronGroups, synapses and monitors with readable names."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import brian2
import numpy as np
from brian2 import second
from brian2.devices.device import RuntimeDevice, get_device

from bionet.brian.channel_last import to_channel_last, torch_index
from bionet.brian.device_presentation import DeviceEnd, DevicePresentation, Shown
from bionet.brian.groups import inhibition_of, neuron_group, normals_of
from bionet.brian.idle_steps import guarded
from bionet.brian.inhibition import LateralInhibition
from bionet.brian.model_code import draws, uses_step
from bionet.brian.normal_numbers import NormalNumbers
from bionet.brian.pipelined_presentation import PipelinedEnd, PipelinedPresentation
from bionet.brian.plan import Plan
from bionet.brian.presentation import Firing, Presentation, PresentationEnd, Reset, stored
from bionet.brian.queue import Jittered
from bionet.brian.synapses import SharedSynapses
from bionet.equations.randomness import first_sites
from bionet.network import Population, Projection, SpikingNetwork
from bionet.network.delays import jitter_bounds, jitter_reach, unit_delays
from bionet.network.delivery import delivery
from bionet.network.initial_values import initial_values

__all__ = [
    "Built",
    "assemble",
    "monitor_name",
    "queued_steps",
    "recordable",
    "recorded",
    "recorded_variable",
]

Connect = Callable[[Projection, Any, Any, Mapping[str, Any]], Any]
JITTER_SITE = 60  # behind the calls of a model's own code
SLOTS = ("integrate", "deliver", "update", "threshold", "reset", "record")


@dataclass(frozen=True)
class Built:
    """Brian2 objects of a network.

    Attributes
    ----------
    network : brian2.Network
    groups : dict of str to Brian2 object
        ``conv1``, ``conv1_synapses``, ``conv1_spikes``, ``presentation`` and so on.
    presentation : Presentation
    end : PresentationEnd
    """

    network: brian2.Network
    groups: dict[str, Any]
    presentation: Presentation
    end: PresentationEnd


def assemble(
    snn: SpikingNetwork,
    plan: Plan,
    connect: Connect | None = None,
    monitors: bool = False,
    shown: Shown | None = None,
) -> Built:
    """All Brian2 objects of a network, on the active device.

    Layers are synchronous: within a step each population integrates, receives the spikes that
    the populations before it emit in this very step, fires and resets, before the next one's
    turn. Brian2's default schedule would delay every layer by one step.

    Parameters
    ----------
    snn : SpikingNetwork
    plan : Plan
    connect : callable, optional
        Makes the synapses of a projection from (projection, source, target, arguments of
        :class:`~bionet.brian.synapses.SharedSynapses`); by default it is that class.
    monitors : bool
        A SpikeMonitor for every population that fires. Without it there is one where the plan
        records spikes; in a compiled program none, which records by itself what it is asked for.
    shown : Shown, optional
        The images, where the network becomes a program of a user's own.
    """
    connect = connect or shared_synapses
    clock = brian2.Clock(dt=plan.dt * second, name="bionet_clock")
    populations = (plan.input, *snn.populations)
    driven = plan.driven(snn)
    groups: dict[str, Any] = {}
    sites = first_sites([p.name for p in populations])
    for population in populations:
        name = population.name
        groups[name] = neuron_group(population, plan, clock, name in driven, sites[name])
    for population in snn.populations:
        if population.model.inhibition:
            inhibition = inhibition_of(population, groups[population.name], plan)
            groups[inhibition.name] = inhibition
    for name, projection in zip(synapse_names(snn), snn.projections, strict=True):
        arguments = _synapses(projection, snn, groups, populations, plan, sites) | {"name": name}
        ends = groups[projection.source], groups[projection.target]
        synapses = connect(projection, *ends, arguments)
        groups[synapses.name] = synapses
    sources = {(q.source, q.event) for q in snn.projections if runs_back(snn, q)}
    presentation = _presentation(populations, groups, driven, plan, sources, shown)
    groups |= _refer(populations, groups, presentation, plan, sites)
    here = isinstance(get_device(), RuntimeDevice)
    if monitors or here:
        groups.update(_monitors(populations, groups, plan, monitors))
        for key, units in plan.potentials.items():
            group = groups[key.partition(".")[0]]
            groups[monitor_name(key)] = _state_monitor(key, units, snn, group, plan)
    kind = PipelinedEnd if plan.period else PresentationEnd if shown is None else DeviceEnd
    switched = {} if here or shown else {key: groups[key[0]] for key in recordable(snn, plan)}
    for (name, variable), group in switched.items():
        if (array := stored(group, variable)) != variable:
            _store(group, variable, array, plan, f"record_{name}")
    end = _end(kind, snn, plan, populations, groups, presentation, switched)
    groups |= {"presentation": presentation, "presentation_end": end}
    network = brian2.Network(*groups.values())
    network.schedule = [
        "start",
        *(f"{slot}_{p.name}" for p in populations for slot in SLOTS),
        *("groups", "thresholds", "synapses", "resets", "end"),
    ]
    return Built(network, groups, presentation, end)


def _refer(
    populations: tuple[Population, ...],
    groups: Mapping[str, Any],
    presentation: Any,
    plan: Plan,
    sites: Mapping[str, int],
) -> dict[str, Any]:
    """Let groups read step and seed of the presentation; the objects that draw normal numbers."""
    drawing: dict[str, Any] = {}
    for population in populations:
        group = groups[population.name]
        if uses_step(population.model) or population.name in guarded(plan):
            own_step = f"step_{population.name}" if plan.period else "step"
            group.variables.add_reference("step", presentation, own_step)
            if population is plan.input:
                of_frame = own_step if plan.period else "frame_step"
                group.variables.add_reference("frame_step", presentation, of_frame)
        if draws(population.model):
            for word in ("seed_low", "seed_high"):
                group.variables.add_reference(word, presentation)
        if normals := normals_of(population.model, sites[population.name]):
            name = f"{population.name}_normal_numbers"
            when = f"before_integrate_{population.name}"
            drawing[name] = NormalNumbers(group, normals, plan.lanes, when, name)
    for synapses in jittered(groups):
        words = ["seed_low", "seed_high", "step"]
        for word in words:
            synapses.variables.add_reference(word, presentation)
        synapses.needed_variables += words
    return drawing


def _end(
    kind: Any,
    snn: SpikingNetwork,
    plan: Plan,
    populations: tuple[Population, ...],
    groups: Mapping[str, Any],
    presentation: Any,
    switched: Mapping[Any, Any],
) -> Any:
    """What reads results out and resets the state when a presentation ends."""
    return kind(
        presentation,
        groups[snn.readout.potential],
        groups[snn.readout.spikes],
        {
            p.name: Firing(groups[p.name], p.model.amplitude)
            for p in populations
            if p.model.threshold is not None
        },
        {key: groups[key.population] for key in plan.kept},
        switched,
        snn.population(snn.readout.spikes).model.amplitude,
        {p.name: (groups[p.name], _floats(p, groups[p.name])) for p in populations},
        str(snn.population(snn.readout.potential).model.potential),
    )


def _store(group: Any, variable: str, array: str, plan: Plan, when: str) -> None:
    """Keep the values of a computed variable in an array that a program can record."""
    computed = group.variables[variable]
    group.variables.add_array(
        array, size=len(group), dtype=np.dtype(plan.dtype), dimensions=computed.dim
    )
    name = f"{group.name}_{array}"
    group.run_regularly(f"{array} = {variable}", clock=group.clock, when=when, name=name)


def jittered(groups: Mapping[str, Any]) -> list[SharedSynapses]:
    """The synapses that draw a travel for each spike."""
    synapses = (g for g in groups.values() if isinstance(g, SharedSynapses))
    return [s for s in synapses if s.jitter is not None]


def _floats(population: Population, group: Any) -> tuple[str, ...]:
    """State variables of a population that hold real numbers."""
    state = population.model.state
    return tuple(name for name in state if group.variables[name].dtype.kind == "f")


def _synapses(
    projection: Projection,
    snn: SpikingNetwork,
    groups: Mapping[str, Any],
    populations: tuple[Population, ...],
    plan: Plan,
    sites: Mapping[str, int],
) -> dict[str, Any]:
    """Arguments of SharedSynapses for a projection."""
    models = {p.name: p.model for p in populations}
    source = models[projection.source]
    onset = "onset" in source.events
    delivered = delivery(projection, models[projection.target], drives=onset)
    return dict(
        source_shape=snn.shape(projection.source),
        target_shape=snn.shape(projection.target),
        variable=delivered.variable,
        factor=delivered.factor,
        event="onset" if onset else projection.event,
        amplitude=source.amplitude if onset or projection.event == "spike" else None,
        sign=delivered.sign,
        # Towards an earlier population (or itself) a spike waits for the next step anyway.
        delay_steps=queued_steps(snn, projection, plan.dt),
        jitter=jitter_of(projection, plan.dt, sites[projection.source]),
        lanes=plan.lanes,
        # A drive must stand before the state update of the step in which it sets in.
        when=f"before_integrate_{projection.target}" if onset else f"deliver_{projection.target}",
    )


def queued_steps(snn: SpikingNetwork, projection: Projection, dt: float) -> np.ndarray:
    """Steps that spikes of each source unit wait in the queue, int array of the source's shape."""
    back = int(runs_back(snn, projection))
    return unit_delays(projection, snn.shape(projection.source), dt, least=back) - np.int32(back)


def jitter_of(projection: Projection, dt: float, site: int) -> Jittered | None:
    """What moves single spikes of a source whose random numbers are counted from ``site`` on."""
    reach = jitter_reach(projection, dt)
    if not reach:
        return None
    return Jittered(jitter_bounds(float(projection.jitter) / dt, reach), site + JITTER_SITE)


def numbered(name: str, number: int) -> str:
    """The name of the first, second, ... object of one name."""
    return name if number == 1 else f"{name}_{number}"


def runs_back(snn: SpikingNetwork, projection: Projection) -> bool:
    """Whether a projection goes to its own or an earlier population of the step's order."""
    return snn.names.index(projection.source) >= snn.names.index(projection.target)


def synapse_names(snn: SpikingNetwork) -> tuple[str, ...]:
    """Names of the synapses, in the order of the projections: ``conv1_synapses``.

    Two pathways of one projection are called ``conv1_synapses_lowering`` and ``..._raising``;
    a target with several sources has ``conv1_synapses_from_input``; an event other than a spike
    is named at the end.
    """
    names = []
    for projection in snn.projections:
        sources = {q.source for q in snn.projections if q.target == projection.target}
        name = f"{projection.target}_synapses"
        name += f"_from_{projection.source}" if len(sources) > 1 else ""
        name += ("", "_raising", "_lowering")[projection.sign]
        name += f"_{projection.event}" if projection.event != "spike" else ""
        number = next(k for k in itertools.count(1) if numbered(name, k) not in names)
        names.append(numbered(name, number))
    return tuple(names)


def shared_synapses(
    projection: Projection, source: Any, target: Any, arguments: Mapping[str, Any]
) -> SharedSynapses:
    """Synapses that store the kernel of a projection once."""
    return SharedSynapses(source, target, projection.kernel, **arguments)


def _presentation(
    populations: tuple[Population, ...],
    groups: Mapping[str, Any],
    driven: set[str],
    plan: Plan,
    heard_later: set[tuple[str, str]],
    shown: Shown | None,
) -> Presentation:
    # The last spikes of a presentation must not reach the next one.
    resets = [Reset(groups[name], f"_{event}space", 0.0) for name, event in sorted(heard_later)]
    for population in populations:
        group, model = groups[population.name], population.model
        resets += [
            Reset(
                group,
                name,
                to_channel_last(np.asarray(v), population.shape) if np.ndim(v) else float(v),
            )
            for name, v in initial_values(population).items()
        ]
        if model.refractory is not None:
            resets += [Reset(group, "lastspike", -1e4), Reset(group, "not_refractory", 1.0)]
        if population.name in driven:
            current = str(model.current)
            whole = np.broadcast_to(population.parameters[current], population.shape)
            initial = to_channel_last(whole, population.shape)
            resets.append(Reset(group, current, initial, is_drive=True))
    resets += [
        Reset(group, variable, 0.0)
        for group in groups.values()
        if isinstance(group, SharedSynapses) and group.slots
        for variable in ("_queued", "_waiting")
    ]
    resets += [Reset(g, "until", 0.0) for g in groups.values() if isinstance(g, LateralInhibition)]
    streams = [groups[p.name] for p in populations if draws(p.model)] + jittered(groups)
    if plan.period:
        return PipelinedPresentation(
            groups["input"],
            streams,
            resets,
            plan.lanes,
            plan.steps,
            plan.active,
            plan.period,
            plan.check_every,
        )
    arguments = (
        groups["input"],
        streams,
        resets,
        plan.lanes,
        plan.steps,
        plan.check_every,
        plan.frame_steps or plan.steps,
        plan.carries_over,
    )
    return Presentation(*arguments) if shown is None else DevicePresentation(shown, *arguments)


def recordable(snn: SpikingNetwork, plan: Plan) -> tuple[tuple[str, str], ...]:
    """Populations and the variables of them that a compiled program can record."""
    potentials = [(p.name, str(p.model.potential)) for p in snn.populations if p.model.potential]
    return tuple(
        dict.fromkeys([*potentials, *(recorded_variable(snn, k) for k in plan.potentials)])
    )


def recorded_variable(snn: SpikingNetwork, key: str) -> tuple[str, str]:
    """Population and variable of what a plan records: ``conv1`` is its potential."""
    name, _, variable = key.partition(".")
    return name, variable or str(snn.population(name).model.potential)


def _monitors(
    populations: tuple[Population, ...], groups: Mapping[str, Any], plan: Plan, every: bool
) -> dict[str, Any]:
    """SpikeMonitors of the populations whose spikes are recorded, or of every one that fires."""
    return {
        f"{p.name}_spikes": brian2.SpikeMonitor(
            groups[p.name],
            variables=p.model.amplitude if p.name in plan.spikes else None,
            record=p.name in plan.spikes,
            when=f"record_{p.name}",
            order=0,
            name=f"{p.name}_spikes",
        )
        for p in populations
        if p.model.threshold is not None and (every or p.name in plan.spikes)
    }


def recorded(monitor: Any) -> tuple[str, ...]:
    """Variables that a spike monitor keeps with every spike: the amplitude, where there is one."""
    return tuple(sorted(monitor.record_variables - {"i", "t"}))


def monitor_name(key: str) -> str:
    """Name of the monitor of what is recorded: ``conv1_potentials``, ``conv1_I_syn``."""
    return key.replace(".", "_") if "." in key else f"{key}_potentials"


def _state_monitor(
    key: str, units: tuple[int, ...] | None, snn: SpikingNetwork, group: Any, plan: Plan
) -> Any:
    name, variable = recorded_variable(snn, key)
    order = torch_index(snn.shape(name))
    if units is None:
        units = tuple(range(order.size))
    position = np.argsort(order)[np.asarray(units, dtype=int)]
    record = (np.arange(plan.lanes)[:, None] * order.size + position).reshape(-1)
    return brian2.StateMonitor(
        group,
        variable,
        record=record,
        when=f"record_{name}",
        order=1,
        name=monitor_name(key),
    )
