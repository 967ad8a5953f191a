"""A NIR graph as a SpikingNetwork.

Nodes with a state, and Threshold, become populations. A weighted node between two of them is a
kernel; its bias is a drive of the target. Where weighted nodes follow one another, each but the
last becomes a population of relays (:func:`bionet.equations.nir_nodes.relay`), which hand on sums
in the same step. Flatten only changes how units are counted, Delay is the delay of a projection. An
edge that closes a loop arrives a step later, or after its Delay. A Scale that notes a neuron model
is a population too, the sums of dendrites that :mod:`bionet.exchange.nir_physical` wrote.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import Hz, Quantity, check_units, second

from bionet.equations.inputs import CODINGS
from bionet.equations.nir_nodes import NIR_NEURONS, nir_neuron, relay, silent
from bionet.errors import ExchangeWarning, InputError
from bionet.exchange.nir_conventions import WRITERS, NirConvention
from bionet.exchange.nir_graph import FlatGraph, flattened, identifier
from bionet.exchange.nir_kernels import WEIGHTED, array, fitted, scaled, weighted
from bionet.exchange.nir_notes import (
    CHECKSUM,
    NodeNote,
    content_hash,
    noted_fields,
    noted_model,
    noted_network,
)
from bionet.exchange.nir_physical import checked_units, lif_gains, lif_of
from bionet.exchange.optional import required
from bionet.kinds import told, typed
from bionet.network import OneToOne, Population, Projection, Readout, Simulation, SpikingNetwork

__all__ = ["from_nir"]

# How a parameter of a node is called in its model, and its unit.
PARAMETERS = {
    "v_threshold": ("theta", 1),
    "threshold": ("theta", 1),
    "v_reset": ("v_reset", 1),
    "v_leak": ("v_leak", 1),
    "w_in": ("w_in", 1),
    "r": ("r", 1),
    "tau": ("tau", second),
    "tau_mem": ("tau_mem", second),
    "tau_syn": ("tau_syn", second),
}
WIRES = ("Input", "Output", "Flatten", "Delay")
SUM = "sum of dendrites"
NEURONS = (*NIR_NEURONS, SUM)
# Equal time constants have no closed form of two exponentials; so near they make no difference.
APART = 1e-5


@typed
@check_units(dt=second)
def from_nir(
    source: str | Path | Any,
    *,
    writer: str | NirConvention = "nir",
    dt: Quantity | None = None,
    integration: str | None = None,
    reset: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    potential_unit: Quantity | None = None,
    resistance_unit: Quantity | None = None,
    coding: str = "analog",
) -> SpikingNetwork:
    """A network in NIR, the Neuromorphic Intermediate Representation, as a SpikingNetwork.

    Parameters
    ----------
    source : path or nir.NIRGraph
    writer : {"nir", "snntorch", "norse", "sinabs", "spikingjelly"} or NirConvention
        Whose steps the network takes; a file does not say. ``"nir"`` is the differential equations
        themselves, integrated exactly.
    dt : Quantity, optional
        Simulation step in units of time, in place of the writer's.
    integration : {"exact", "euler"}, optional
        In place of the writer's.
    reset : {"to", "subtract"}, optional
        In place of the writer's; NIR cannot say that a network was trained with a reset by
        subtraction.
    input_shape : tuple of int, optional
        In place of that of the Input node, which some writers give with a batch dimension.
    potential_unit, resistance_unit : Quantity, optional
        What a potential and a resistance of 1 in the file are, such as ``10*mV`` and ``100*Mohm``.
        With them every LIF and CubaLIF becomes a :func:`bionet.equations.lif` with delta or
        exponential synapses. Spikes arrive at the end of their step there, a step later than NIR
        has it, potentials begin at rest, and a constant current passes no synapse.
    coding : str
        What the input is: constant currents (``"analog"``), or spikes (``"poisson"``, say). Neurons
        with units take the two through different variables; others take any at every simulation.

    Returns
    -------
    SpikingNetwork

    Raises
    ------
    InputError
        If the package ``nir`` or the file is missing or damaged, or BioNet cannot run a node; the
        message names it.
    """
    nir = required("nir", "nir")
    graph = _read(nir, Path(source)) if isinstance(source, str | Path) else source
    if not hasattr(graph, "nodes"):
        raise InputError(f"from_nir: source must be a path or a NIRGraph, but is {told(graph)}")
    try:
        convention = _convention(writer, dt, integration, reset, noted_network(graph))
        reading = _Reading(flattened(graph), graph, convention, input_shape)
        reading.units = checked_units(potential_unit, resistance_unit)
        CODINGS.find(coding)
        reading.coding = coding
        return reading.network()
    except InputError:
        raise
    except Exception as error:  # what a node holds that no writer writes cannot be told beforehand
        what = str(error).partition("\n")[0]
        raise InputError(f"from_nir: a node holds what cannot be read ({what})") from error


def _read(nir: Any, path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        graph = nir.read(path, type_check=False)
        noted = (graph.metadata or {}).get(CHECKSUM)
        changed = noted is not None and noted != content_hash(graph)
    except Exception as error:  # whatever a damaged file makes HDF5 or nir say
        raise InputError(f"{path} is damaged or no NIR file ({error})") from error
    if changed:
        warnings.warn(
            f"{path} has changed since BioNet wrote it (its checksum is another): it was edited"
            " with another tool, or is damaged; what it says now is read",
            ExchangeWarning,
            stacklevel=4,
        )
    return graph


def _convention(
    writer: str | NirConvention,
    dt: Quantity | None,
    integration: str | None,
    reset: str | None,
    noted: Mapping[str, Any],
) -> NirConvention:
    if isinstance(writer, str):
        if writer not in WRITERS:
            raise InputError(f"unknown writer {writer!r}; known are {', '.join(WRITERS)}")
        writer = WRITERS[writer]
        if "dt" in noted:
            writer = replace(writer, dt=noted["dt"])
    given: dict[str, Any] = {
        "dt": None if dt is None else float(dt),
        "integration": integration,
        "reset": reset,
    }
    return replace(writer, **{name: value for name, value in given.items() if value is not None})


class _Reading:
    """One graph on its way to populations and projections."""

    def __init__(
        self,
        graph: FlatGraph,
        source: Any,
        convention: NirConvention,
        input_shape: tuple[int, ...] | None,
    ) -> None:
        self.graph, self.convention = graph, convention
        self.units: tuple[Quantity, Quantity] | None = None
        self.coding = "analog"
        self.gains: dict[str, dict[str, Any]] = {}
        self.noted = noted_network(source)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.names: dict[str, str] = {graph.input: "input"}
        self.drives: dict[str, np.ndarray | float] = {}
        self.values: dict[str, dict[str, Any]] = {}
        self.notes: dict[str, NodeNote | None] = {}
        self.populations: dict[str, Population] = {}
        self.projections: list[Projection] = []
        self.input_shape = tuple(input_shape or _input_shape(graph))

    def network(self) -> SpikingNetwork:
        """The network."""
        for name, node in self.graph.nodes.items():
            if self._is_unit(name) and name != self.graph.input:
                self.names[name] = identifier(name, self.names.values())
            kind = type(node).__name__
            if kind not in (*WIRES, *WEIGHTED, *NIR_NEURONS):
                raise InputError(
                    f"BioNet has no equation for node {name!r} of the NIR graph, a {kind}"
                )
        self._infer_shapes()
        units = [n for n in self.graph.nodes if n in self.names and n != self.graph.input]
        for name in units:
            self._read_values(name)
        for name in units:
            self._connect(name)
        for name in units:
            self.populations[name] = self._population(name)
        return self._with_readout()

    @property
    def _is_analog(self) -> bool:
        return self.noted.get("coding", self.coding) == "analog"

    def _kind(self, name: str) -> str:
        node = self.graph.nodes[name]
        kind = type(node).__name__
        return SUM if kind == "Scale" and _is_noted_sum(node) else kind

    def _is_unit(self, name: str) -> bool:
        """Whether a node becomes a population: a neuron, the input, or a relay."""
        if self._kind(name) in NEURONS or name == self.graph.input:
            return True
        return self._kind(name) in WEIGHTED and any(
            self._kind(n) in WEIGHTED or n in self.graph.outputs
            for n in self._through_wires(name, self.graph.after)
        )

    def _through_wires(self, name: str, step: Any) -> list[str]:
        """Nodes next to one, wires passed through; the graph's own input and outputs end a path."""
        ends, waiting, seen = [], list(step(name)), set()
        while waiting:
            node = waiting.pop(0)
            if node in seen:
                continue
            seen.add(node)
            is_end = node == self.graph.input or node in self.graph.outputs
            if self._kind(node) in WIRES and not is_end:
                waiting += step(node)
            else:
                ends.append(node)
        return ends

    def _infer_shapes(self) -> None:
        """Shape of what leaves every node, in the order of a step."""
        for name, node in self.graph.nodes.items():
            if name == self.graph.input:
                self.shapes[name] = self.input_shape
                continue
            before = [self.shapes[n] for n in self.graph.before(name) if n in self.shapes]
            if self._kind(name) in WEIGHTED:
                self.shapes[name] = weighted(name, node, before[0]).shape
            else:
                self.shapes[name] = before[0]

    def _connect(self, name: str) -> None:
        """The projections into a population, and the biases that drive it."""
        if self._kind(name) in WEIGHTED:
            self._through_weights(name, name, 0.0)
            return
        self._add_edges(name, name, 0.0)

    def _add_edges(self, at: str, target: str, delay: float) -> None:
        """Follow the edges into ``at`` back to populations."""
        for before in self.graph.before(at):
            kind = self._kind(before)
            if before in self.names:
                self._project(before, target, OneToOne(), delay)
            elif kind in WEIGHTED:
                self._through_weights(before, target, delay)
            else:
                self._add_edges(before, target, delay + self._delay(before))

    def _through_weights(self, name: str, target: str, delay: float) -> None:
        """Projections through a weighted node, from the populations before it."""
        node, bias = self.graph.nodes[name], None
        for source, extra in self._sources(name):
            part = weighted(name, node, self.shapes[source])
            self._project(source, target, part.kernel, delay + extra)
            bias = part.bias
        if bias is not None:
            self.drives[target] = self.drives.get(target, 0.0) + bias

    def _sources(self, name: str) -> list[tuple[str, float]]:
        """Populations that a node hears through wires, each with the delay on the way."""
        pairs = []
        for before in self.graph.before(name):
            if before in self.names:
                pairs.append((before, 0.0))
            else:
                extra = self._delay(before)
                pairs += [(source, d + extra) for source, d in self._sources(before)]
        return pairs

    def _delay(self, name: str) -> float:
        """Delay of a wire in seconds."""
        if self._kind(name) != "Delay":
            return 0.0
        delays = array(self.graph.nodes[name].delay).reshape(-1)
        if delays.min() < delays.max():
            raise InputError(
                f"node {name!r} (Delay) of the NIR graph has delays from {delays.min():g} to"
                f" {delays.max():g} s, but the units of a projection share one; split the node"
            )
        return float(delays[0])

    def _project(self, source: str, target: str, kernel: Any, delay: float) -> None:
        steps = round(delay / self.convention.dt)
        if not np.isclose(steps * self.convention.dt, delay, rtol=1e-6, atol=0):
            warnings.warn(
                f"from_nir: the delay of {delay:g} s to {target!r} becomes {steps} steps of"
                f" {self.convention.dt:g} s",
                ExchangeWarning,
                stacklevel=2,
            )
        note = self.notes[target]
        is_pixels = source == self.graph.input and self._is_analog
        if is_pixels and note is not None:
            kernel = scaled(kernel, 1 / note.drive)
        kernel, gain = self._with_gain(target, "pixels" if is_pixels else "spikes", kernel)
        order = list(self.graph.nodes)
        back = order.index(source) >= order.index(target)
        self.projections.append(
            Projection(
                self.names[source], self.names[target], kernel, max(steps, int(back)), gain=gain
            )
        )

    def _with_gain(self, target: str, what: str, kernel: Any) -> tuple[Any, Any]:
        """A kernel and its gain onto a population with units; a gain that differs is in weights."""
        note = self.notes[target]
        gain = (self.gains.get(target, {}) if note is None else note.gains).get(what, 1.0)
        plain = np.asarray(gain)
        if plain.ndim == 0:
            return kernel, gain
        first = gain.reshape(-1)[0]
        return scaled(kernel, plain / float(first)), first

    def _read_values(self, name: str) -> None:
        """Parameters of a neuron, and what BioNet noted of it."""
        node, shape = self.graph.nodes[name], self.shapes[name]
        if self._kind(name) in WEIGHTED:
            self.notes[name] = None
            return
        values = {}
        for field, (parameter, unit) in PARAMETERS.items():
            if not hasattr(node, field):
                continue
            value = array(getattr(node, field)).astype(float)
            try:
                value = value.reshape(-1)[0] if _same(value) else fitted(value, shape)
            except InputError as error:
                raise InputError(
                    f"node {name!r} ({self._kind(name)}) of the NIR graph: {field}: {error}"
                ) from error
            values[parameter] = value * unit
        if self._kind(name) in ("I", "IF"):
            values["r"] = values["r"] * Hz
        self.values[name] = values
        self.notes[name] = noted_model(name, node, values, self.convention.dt)
        if self.units and self.notes[name] is None and self._kind(name) in ("LIF", "CubaLIF"):
            reset = self.convention.reset
            if reset != "to":
                raise InputError(
                    f"node {name!r} of the NIR graph: a lif resets to a potential; leave out"
                    " reset='subtract', or potential_unit and resistance_unit"
                )
            self.gains[name] = lif_gains(values, self.units, self.convention)

    def _population(self, name: str) -> Population:
        shape, drive = self.shapes[name], self.drives.get(name, 0.0)
        note = self.notes[name]
        if self._kind(name) in WEIGHTED:
            return Population(self.names[name], shape, relay(), {"I": drive})
        if note is not None:
            return Population(self.names[name], shape, note.model, note.with_drive(drive))
        if self.units and name in self.gains:
            model, values = lif_of(self._kind(name), self.values[name], self.units)
            current = np.asarray(drive) * self.gains[name]["pixels"]
            return Population(self.names[name], shape, model, values | {"I": current})
        return Population(self.names[name], shape, *self._model(name, self.values[name], drive))

    def _model(self, name: str, values: dict[str, Any], drive: Any) -> tuple[Any, dict[str, Any]]:
        kind, convention = self._kind(name), self.convention
        if kind in ("CubaLI", "CubaLIF") and convention.integration == "exact":
            same = np.isclose(values["tau_syn"], values["tau_mem"], rtol=APART, atol=0)
            values["tau_syn"] = values["tau_syn"] * np.where(same, 1 + APART, 1.0)
        model = nir_neuron(
            kind,
            convention.integration,  # type: ignore[arg-type]
            fires=convention.fires,  # type: ignore[arg-type]
            reset=convention.reset,  # type: ignore[arg-type]
            synapse=convention.synapse,  # type: ignore[arg-type]
            begins=convention.begins,  # type: ignore[arg-type]
        )
        return model, {k: v for k, v in values.items() if k in model.dimensions} | {"I": drive}

    def _with_readout(self) -> SpikingNetwork:
        """The network with what its Output node hears as the readout."""
        if "readout" in self.noted:
            return self._finished(
                list(self.populations.values()), self.projections, Readout(**self.noted["readout"])
            )
        heard = [
            n for out in self.graph.outputs for n in self._through_wires(out, self.graph.before)
        ]
        if len(set(heard)) != 1 or heard[0] == self.graph.input:
            names = ", ".join(heard) or "nothing"
            raise InputError(
                f"the Output of the NIR graph must hear one layer of neurons, but hears {names}"
            )
        last = self.populations[heard[0]]
        populations, projections = list(self.populations.values()), list(self.projections)
        spikes, potential, default = last.name, last.name, "MS"
        if self._kind(heard[0]) in WEIGHTED:  # weights without neurons: their sum over time
            potential = identifier("output_sum", self.names.values())
            populations.append(
                Population(
                    potential, last.shape, nir_neuron("I"), {"r": 1 / self.convention.dt * Hz}
                )
            )
            projections.append(Projection(last.name, potential, OneToOne()))
            default = "MP"
        elif last.model.threshold is None:
            spikes, default = identifier("output_spikes", self.names.values()), "MP"
            populations.append(Population(spikes, last.shape, silent()))
        return self._finished(populations, projections, Readout(spikes, potential, default))

    def _finished(
        self, populations: list[Population], projections: list[Projection], readout: Readout
    ) -> SpikingNetwork:
        # Potentials in double precision: the closed forms take differences of exponentials.
        simulation = Simulation(dt=self.convention.dt, dtype="float64")
        fields: dict[str, Any] = {"method": "nir", "coding": self.coding, "simulation": simulation}
        return SpikingNetwork(
            tuple(populations),
            tuple(projections),
            self.input_shape,
            readout,
            **(fields | noted_fields(self.noted)),
        )


def _is_noted_sum(node: Any) -> bool:
    """Whether a Scale hands on what BioNet's dendritic sums received, unscaled."""
    return "bionet_model" in (node.metadata or {}) and bool((array(node.scale) == 1).all())


def _same(values: np.ndarray) -> bool:
    return bool((values == values.reshape(-1)[0]).all())


def _input_shape(graph: FlatGraph) -> tuple[int, ...]:
    """Shape of one image; a sequence (channels, length) is an image of height 1.

    Some writers leave the batch dimension of their sample in it, which the weights tell.
    """
    sizes = graph.nodes[graph.input].input_type["input"]
    if sizes is None:
        raise InputError("the Input node of the NIR graph has no shape; give input_shape")
    shape = tuple(int(n) for n in array(sizes).reshape(-1))
    after = graph.after(graph.input)
    first: Any = graph.nodes[after[0]] if after else None
    if len(shape) == 4:
        return shape[1:]
    if len(shape) == 2:
        row = type(first).__name__ in ("Affine", "Linear")
        return (
            shape[1:]
            if row and array(first.weight).shape[-1] == shape[1]
            else (shape[0], 1, shape[1])
        )
    return shape
