r"""A SpikingNetwork as a NIR graph.

BioNet's own neurons count in weights: a spike raises the potential by its weight w. In NIR it
drives the neuron for a step, and R takes care of it: R dt = 1 for an IF, R (1 - exp(-dt/tau)) = 1
for a LIF. The drive I of a LIF, which BioNet integrates over the step, becomes a current of

.. math::

    b = I\,\frac{\tau}{dt}\,(1 - e^{-dt/\tau})

NIR fires above the threshold, BioNet from it on (four spikes through an average pooling of 2 x 2
are 1 exactly), so the threshold written is the largest single-precision number below BioNet's.

What NIR has no words for travels in the metadata (:mod:`bionet.exchange.nir_notes`), and a warning
says what that is. Neurons in volts and amperes: :mod:`bionet.exchange.nir_physical`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import Hz, Quantity, check_units, second

from bionet.equations import NeuronModel, constant_leak, integrator, leaky_integrator
from bionet.equations.nir_nodes import NIR_NEURONS, nir_neuron, relay, silent
from bionet.errors import ExchangeWarning, InputError
from bionet.exchange.nir_edges import Carried, weight_nodes
from bionet.exchange.nir_notes import CHECKSUM, NOTED, content_hash
from bionet.exchange.nir_physical import Gains, differential, physical_node, physical_words
from bionet.exchange.optional import required
from bionet.files import atomic
from bionet.network import Population, SpikingNetwork
from bionet.network.storage import pack_network
from bionet.results.readout import READOUTS

__all__ = ["nir_graph", "to_nir"]

# Variables that a model may have beside those of its NIR node: limits, refractory period, the
# collected input of a step, thresholds and sizes of spikes.
LIMITS = {"z", "t_ref", "v_min", "leak", "theta", "theta_p", "theta_n", "o", "total", "bound"}
LIMITS |= {"readout_from"}


@check_units(dt=second)
def to_nir(
    snn: SpikingNetwork,
    path: str | Path,
    dt: Quantity | None = None,
    readout: str | None = None,
) -> Path:
    """Write a network in NIR, the Neuromorphic Intermediate Representation.

    Parameters
    ----------
    snn : SpikingNetwork
    path : path
        The file, such as ``lenet5.nir``.
    dt : Quantity, optional
        Simulation step in units of time, which the resistances depend on; the network's own by
        default.
    readout : {"MP", "MS", "FS"}, optional
        Write only what this readout needs. Without it a network that is read by potential and by
        spikes has two last layers, which other tools may refuse.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If the package ``nir`` is missing, the readout is unknown, or NIR has no node for a
        population or a projection.
    """
    nir = required("nir", "nir")
    graph = nir_graph(snn, dt, readout)
    graph.metadata[CHECKSUM] = content_hash(graph)
    with atomic(path) as part:
        nir.write(str(part), graph)
    return Path(path)


@check_units(dt=second)
def nir_graph(snn: SpikingNetwork, dt: Quantity | None = None, readout: str | None = None) -> Any:
    """A network as a ``nir.NIRGraph``; see :func:`to_nir`."""
    nir = required("nir", "nir")
    if readout is not None and readout not in READOUTS:
        raise InputError(f"unknown readout {readout!r}; known are {', '.join(READOUTS)}")
    step = float(snn.times(None, dt)[1])
    heard = snn.readout.spikes
    if (readout or snn.readout.default) == "MP":
        heard = snn.readout.potential
    unheard = set() if readout is None else _unheard(snn, heard)
    populations = [p for p in snn.populations if p.model != silent() and p.name not in unheard]
    nodes: dict[str, Any] = {"input": nir.Input(input_type=np.array(snn.input_shape))}
    drives: dict[str, Carried] = {}
    unsaid: dict[str, list[str]] = {}
    for population in populations:
        nodes[population.name], drives[population.name] = _node(
            nir, population, step, Gains.of(snn, population.name)
        )
        for what in _unsaid(population.model):
            unsaid.setdefault(what, []).append(population.name)
    edges: list[tuple[str, str]] = []
    for projection in snn.projections:
        if projection.target in unheard:
            continue
        weight_nodes(nir, snn, projection, drives, nodes, edges, step)
    for name, carried in drives.items():
        if carried.bias is not None:
            raise InputError(
                f"population {name!r} has a drive I that no bias of NIR can say (no Dense"
                " projection or convolution reaches it, or the drive differs within a channel);"
                " save the network with snn.save"
            )
    nodes["output"] = nir.Output(output_type=np.array(snn.population(heard).shape))
    edges.append((heard, "output"))
    if unsaid:
        parts = "; ".join(f"{what} ({', '.join(names)})" for what, names in unsaid.items())
        warnings.warn(
            f"to_nir: NIR cannot say: {parts}. It travels in the metadata, which BioNet reads;"
            " other tools will run the nodes' own equations",
            ExchangeWarning,
            stacklevel=3,
        )
    note = _note(snn, step)
    if unheard:
        note.pop("readout", None)  # the reader takes the one that is left
    return nir.NIRGraph(nodes, edges, {"bionet": json.dumps(note)}, type_check=False)


def _unheard(snn: SpikingNetwork, heard: str) -> set[str]:
    """The population that only the other readout needs, if there is one."""
    ends = {snn.readout.spikes, snn.readout.potential} - {heard}
    return ends - {q.source for q in snn.projections if q.target not in ends}


def _note(snn: SpikingNetwork, dt: float) -> dict[str, Any]:
    """What a network says of itself beside its populations and projections, as plain JSON."""
    description, _ = pack_network(snn)
    unsaid = set(NOTED)
    if snn.population(snn.readout.spikes).model == silent():
        unsaid -= {"readout"}  # the reader makes that population again
    return {"dt": dt} | {name: description[name] for name in unsaid}


def _node(nir: Any, population: Population, dt: float, gains: Gains) -> tuple[Any, Carried]:
    """A population's node, and what of its input the weights before it have to say."""
    physical = physical_node(nir, population, gains, dt)
    if physical is not None:
        return physical[0], Carried(factor=physical[1], gains=gains)
    model, values = population.model, population.parameters
    full = {n: np.broadcast_to(v, population.shape).astype(float) for n, v in values.items()}
    ones = np.ones(population.shape)
    drive = full["I"] if "I" in full and full["I"].any() else None
    if model == relay():
        return nir.Scale(ones), Carried(drive)
    metadata: dict[str, Any] = {"bionet_model": json.dumps(model.to_dict())}
    kind = _nir_kind(model)
    if kind is not None:
        node = _plain_node(nir, kind, full | _threshold(model, full, metadata))
        node.metadata = {} if model == nir_neuron(kind) else metadata
        return node, Carried(drive)
    kind, leaky = _family(population)
    is_rate = _is_rate_integrator(model)
    factor: Any = 1.0
    if "leak" in full:  # a constant leak is a current; the reader takes it off the drive again
        drive = full["I"] + full["leak"]
    if leaky:
        decay = -np.expm1(-dt / full["tau"])
        factor = full["tau"] / dt * decay
        factor = float(factor.flat[0]) if np.ptp(factor) == 0 else factor
        metadata["bionet_drive"] = factor
    elif is_rate:  # a current in hertz, integrated over the step
        factor = metadata["bionet_drive"] = dt
        metadata["bionet_I"] = full["I"]
    used = {"I", "theta", "theta_p", "tau"}
    for name in set(model.constants) - used:
        # A scalar as a plain number: HDF5 cannot compress an array without dimensions.
        metadata[f"bionet_{name}"] = full[name] if values[name].ndim else float(values[name])
    fields = {"r": ones / (decay if leaky else dt)}
    fields |= {"tau": full["tau"], "v_leak": 0 * ones} if leaky else {}
    if kind in ("IF", "LIF"):
        fields["v_threshold"] = _threshold(model, full, metadata)["theta"]
        fields["v_reset"] = 0 * ones
    node = getattr(nir, kind)(**fields)
    node.metadata = metadata
    return node, Carried(None if drive is None else drive * factor, factor)


def _threshold(
    model: NeuronModel, full: Mapping[str, np.ndarray], metadata: dict[str, Any]
) -> dict[str, np.ndarray]:
    """The threshold for NIR, which fires above it; BioNet's own goes into the metadata."""
    name = "theta_p" if "theta_p" in full else "theta"
    if model.threshold is None or name not in full:
        return {}
    theta = full[name]
    if ">=" in model.threshold:
        metadata[f"bionet_{name}"] = theta
        theta = np.nextafter(theta.astype(np.float32), np.float32(-np.inf)).astype(float)
    return {"theta": theta}


def _family(population: Population) -> tuple[str, bool]:
    """The node whose differential equation a model has, and whether it leaks.

    Raises
    ------
    InputError
        If no node of NIR has it.
    """
    model = population.model
    equations = differential(model)
    plain = [differential(m) for m in (integrator(), constant_leak())]
    leaky = differential(leaky_integrator(1 * second))
    variables = set(model.dimensions) - {"v", "I"}
    leaks = equations == leaky
    if leaks:
        variables -= {"tau"}
    expressible = equations in (*plain, leaky) or _is_rate_integrator(model)
    if not expressible or variables - LIMITS or model.events or model.inhibition:
        raise InputError(
            f"population {population.name!r}: NIR has no node for the model {model.name!r};"
            " save the network with snn.save"
        )
    return ("LIF" if leaks else "IF") if model.threshold else ("LI" if leaks else "I"), leaks


def _is_rate_integrator(model: NeuronModel) -> bool:
    """Whether a model only integrates a current in hertz, as the readout of neurons in mV does."""
    return differential(model) == {"v": "I"} and model.dimensions["I"] is Hz.dim


# What tells one kind of neuron from another.
NIR_FACTS: tuple[Callable[[NeuronModel], Any], ...] = (
    lambda model: model.threshold,
    lambda model: model.reset,
    lambda model: model.update,
    differential,
)


def _nir_kind(model: NeuronModel) -> str | None:
    """The kind of a model of :mod:`bionet.equations.nir_nodes`, compared with all of that kind."""
    for kind in NIR_NEURONS:
        for integration in ("exact", "euler"):
            for synapse in ("box", "jump") if integration == "euler" else ("box",):
                plain = nir_neuron(kind, integration, synapse=synapse)  # type: ignore[arg-type]
                if all(fact(model) == fact(plain) for fact in NIR_FACTS):
                    return kind
    return None


def _plain_node(nir: Any, kind: str, full: Mapping[str, np.ndarray]) -> Any:
    names = {"Threshold": {"threshold": "theta"}}.get(kind) or {
        field: {"v_threshold": "theta"}.get(field, field)
        for field in ("r", "tau", "tau_mem", "tau_syn", "v_leak", "w_in", "v_threshold", "v_reset")
    }
    return getattr(nir, kind)(**{f: full[n] for f, n in names.items() if n in full})


def _unsaid(model: NeuronModel) -> list[str]:
    """What of a model its NIR node does not say, in words."""
    if model == relay():
        return []
    words = physical_words(model)
    if "readout_from" in model.dimensions:
        words.append("a readout that begins later than the presentation")
    if model.resets == "subtract":
        words.append("a reset by subtraction")
    elif model.reset and model.resets is None:
        words.append(f"the reset {' '.join(model.reset.split())!r}")
    if model.spike != "unit":
        words.append(f"{model.spike} spikes")
    if model.refractory:
        words.append("a refractory period")
    if "theta_n" in model.dimensions:
        words.append("a negative threshold")
    if "v_min" in model.dimensions:
        words.append("a floor of the potential")
    if any(model.initial.values()):
        words.append("a potential to begin with")
    if model.method == "euler" and "r" in model.dimensions:
        words.append("steps of Euler's method")
    return words
