"""What NIR cannot say, in the metadata of a graph and its nodes.

=====================  ============================================================================
metadata               meaning
=====================  ============================================================================
graph ``bionet``       JSON: step in seconds, readout, coding, method, simulation, origin and so on
graph                  hash of all nodes, their metadata and the edges, by which a file that is
``bionet_checksum``    damaged, or edited with other tools, is known
node ``bionet_model``  JSON: the neuron model, with reset, refractory period, thresholds, floor
node ``bionet_drive``  what BioNet's drive per step was multiplied with to make NIR's current
node ``bionet_gain_*`` gain of the projections that bring spikes or pixels, which the node has
node ``bionet_NAME``   parameter NAME of the model, in SI units, where the node has no field for it
=====================  ============================================================================

A reader that knows none of these runs the node's own equation. BioNet uses them only as long as the
node's numbers still belong to them: whoever edits a file with other tools gets what the file says.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bionet.equations.model import NeuronModel
from bionet.errors import ExchangeWarning, InputError
from bionet.exchange.nir_physical import noted_gains, physical_fields, physical_gate, physical_kind
from bionet.network import Simulation
from bionet.network.code import Code
from bionet.network.origin import Origin, Perturbed

__all__ = [
    "CHECKSUM",
    "NOTED",
    "NodeNote",
    "content_hash",
    "noted_fields",
    "noted_model",
    "noted_network",
]

CHECKSUM = "bionet_checksum"
INFERRED = ("input_type", "output_type")  # of a node: what reading it finds out

# Of a network's description: what is neither a node nor an edge.
NOTED = (
    "readout",
    "method",
    "coding",
    "metadata",
    "simulation",
    "code",
    "origin",
    "relays",
    "perturbations",
)
# Parameters of BioNet's models that a node has a field for, by the field's name in its NIR model.
FROM_NODE = {"theta": "theta", "theta_p": "theta", "tau": "tau"}


def content_hash(graph: Any) -> str:
    """SHA-256 of a graph's nodes, their metadata, its edges and BioNet's note of it."""
    digest = hashlib.sha256()

    def add(label: str, value: Any) -> None:
        digest.update(label.encode())
        if isinstance(value, Mapping):
            for key in sorted(value, key=str):
                add(f"{label}/{key}", value[key])
        elif isinstance(value, bytes | str) or value is None:
            digest.update(value if isinstance(value, bytes) else str(value).encode())
        else:
            numbers = np.asarray(value, dtype=np.float64)
            digest.update(f"{numbers.shape}".encode() + numbers.tobytes())

    for name in sorted(graph.nodes):
        node = graph.nodes[name]
        fields = {k: v for k, v in vars(node).items() if k not in INFERRED}
        add(f"{name}: {type(node).__name__}", fields)
    add("edges", "; ".join(sorted(f"{source} -> {target}" for source, target in graph.edges)))
    add("note", graph.metadata.get("bionet"))
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class NodeNote:
    """A noted neuron model.

    Attributes
    ----------
    model : NeuronModel
    parameters : dict
        Without the drive ``I``.
    drive : float or array
        NIR's current over BioNet's drive per step.
    current : Quantity, number or array, optional
        The noted drive.
    gains : dict
        Gains of the projections that bring ``"spikes"`` and ``"pixels"``, where they are not 1.
    """

    model: NeuronModel
    parameters: dict[str, Any]
    drive: Any
    current: Any = None
    gains: dict[str, Any] = field(default_factory=dict)

    def with_drive(self, drive: Any) -> dict[str, Any]:
        """The parameters, for a drive in units of the node's input."""
        if "I" not in self.model.dimensions:
            return self.parameters
        plain = np.asarray(drive / self.drive, dtype=float)
        if self.gains or "g_L" in self.parameters:  # the constant current is in v_leak
            return self.parameters | {"I": self.current}
        plain = plain - np.asarray(self.parameters.get("leak", 0.0))
        noted = None if self.current is None else np.asarray(self.current)
        if noted is not None and np.allclose(noted, plain, rtol=1e-6, atol=0):
            plain = noted
        return self.parameters | {"I": self.model.quantity("I", plain)}


def noted_network(graph: Any) -> dict[str, Any]:
    """What the graph notes of the network; empty where BioNet did not write it."""
    text = _text(getattr(graph, "metadata", None) or {}, "bionet")
    try:
        noted = json.loads(text) if text else {}
        return {**noted, "dt": float(noted["dt"])} if noted else {}
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"the metadata 'bionet' of the NIR graph is damaged ({error})") from error


def noted_fields(noted: Mapping[str, Any]) -> dict[str, Any]:
    """The noted fields of a SpikingNetwork, but for its readout.

    Raises
    ------
    InputError
        If the note is damaged.
    """
    if not noted:
        return {}
    try:
        return {
            "method": noted["method"],
            "coding": noted["coding"],
            "metadata": noted["metadata"],
            "simulation": Simulation.from_dict(noted["simulation"]),
            "code": None if noted["code"] is None else Code.from_dict(noted["code"]),
            "origin": Origin.from_dict(noted["origin"]),
            "relays": noted["relays"],
            "perturbations": tuple(Perturbed(**plain) for plain in noted["perturbations"]),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the metadata 'bionet' of the NIR graph is damaged ({error})") from error


def noted_model(name: str, node: Any, values: Mapping[str, Any], dt: float) -> NodeNote | None:
    """A node's own neuron model, or None where there is none or its numbers were changed.

    Parameters
    ----------
    name : str
        Of the node.
    node : NIRNode
    values : mapping
        Parameters that the node's fields give, by their names in its NIR model.
    dt : float
        Step of the simulation in seconds.

    Raises
    ------
    InputError
        If the note is damaged.
    """
    metadata = getattr(node, "metadata", None) or {}
    text = _text(metadata, "bionet_model")
    if not text:
        return None
    try:
        model = NeuronModel.from_dict(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"the metadata 'bionet_model' of node {name!r} of the NIR graph is damaged ({error})"
        ) from error
    # A model of BioNet's own has no resistance; its weights count as they are.
    kind = physical_kind(model)
    if kind is not None:
        is_as_written = _is_as_written(kind, model, metadata, values, dt)
    else:
        has_node_equation = "r" not in values or "r" in model.constants
        is_as_written = has_node_equation or _untouched(values, dt)
    if not is_as_written:
        warnings.warn(
            f"from_nir: node {name!r} was changed, or the step of {dt:g} s is not the one it was"
            " written for; its own equation is used, without what BioNet had noted (its reset,"
            " threshold and refractory period)",
            ExchangeWarning,
            stacklevel=2,
        )
        return None
    parameters = {}
    for parameter in model.constants:
        if parameter == "I":
            continue
        extra = metadata.get(f"bionet_{parameter}")
        plain = values.get(FROM_NODE.get(parameter, parameter))
        # A threshold is written a little lower; whoever changed it meant the node's.
        is_noted = extra is not None and (
            plain is None or np.allclose(extra, np.asarray(plain), rtol=1e-6)
        )
        value = _one(extra) if is_noted else plain
        parameters[parameter] = model.quantity(parameter, np.asarray(value)[()])
    current = metadata.get("bionet_I")
    if current is not None:
        current = model.quantity("I", np.asarray(_one(current))[()])
    gains = {} if kind is None else noted_gains(model, metadata)[1]
    drive = np.asarray(metadata.get("bionet_drive", 1.0))[()]
    return NodeNote(model, parameters, drive, current, gains)


def _is_as_written(
    kind: str, model: NeuronModel, metadata: Mapping[str, Any], values: Mapping[str, Any], dt: float
) -> bool:
    """Whether a node's fields are what the noted parameters of a neuron with units make of them."""
    if kind in ("gate", "sum"):
        expected: dict[str, Any] = {} if kind == "sum" else {"theta": physical_gate(model)}
    else:
        noted = {n: np.asarray(metadata[f"bionet_{n}"], dtype=float) for n in model.constants}
        _, expected, _ = physical_fields(kind, noted, noted_gains(model, metadata)[0], dt)
        expected["theta"] = expected.pop("v_threshold")
    return expected.keys() <= values.keys() and all(
        np.allclose(np.asarray(values[name]), value, rtol=1e-6, atol=0)
        for name, value in expected.items()
    )


def _untouched(values: Mapping[str, Any], dt: float) -> bool:
    """Whether a spike of weight w raises the potential by w, as in BioNet's own models."""
    if any(np.any(values.get(name, 0.0)) for name in ("v_leak", "v_reset")):
        return False
    share = -np.expm1(-dt / np.asarray(values["tau"])) if "tau" in values else dt
    return bool(np.allclose(np.asarray(values["r"]) * share, 1.0, rtol=1e-6))


def _one(values: Any) -> np.ndarray:
    """One number where all are the same."""
    array = np.asarray(values)
    return array.reshape(-1)[0] if array.ndim and np.ptp(array) == 0 else array


def _text(metadata: Any, key: str) -> str:
    value = metadata.get(key, "") if isinstance(metadata, Mapping) else ""
    return value.decode() if isinstance(value, bytes) else str(value)
