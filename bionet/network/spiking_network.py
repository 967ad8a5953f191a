"""The description of a spiking network: populations, projections, input coding, readout.

:class:`SpikingNetwork` is the waist of the package. It is made of plain dataclasses and NumPy
arrays in PyTorch's order, and can be printed, compared, saved and edited by hand; the
conversion writes it and :mod:`bionet.build` turns it into Brian2 objects.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bionet.equations.units import check_single
from bionet.errors import InputError, did_you_mean
from bionet.files import read_tensors, write_tensors
from bionet.kinds import typed
from bionet.network.code import Code
from bionet.network.delivery import check_unit
from bionet.network.kernels import (
    AveragePool2d,
    Conv2d,
    Dense,
    Kernel,
    Largest,
    MaxPool2d,
    OneToOne,
    Sparse,
)
from bionet.network.origin import Origin, Perturbed
from bionet.network.populations import Population, Projection, Readout
from bionet.network.signs import is_dale
from bionet.network.simulation import Simulation
from bionet.notebook import html_table

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = [
    "AveragePool2d",
    "Code",
    "Conv2d",
    "Dense",
    "Kernel",
    "Largest",
    "MaxPool2d",
    "OneToOne",
    "Origin",
    "Perturbed",
    "Population",
    "Projection",
    "Readout",
    "Simulation",
    "Sparse",
    "SpikingNetwork",
]

PART = 2**20  # numbers that are hashed at a time


@typed
@dataclass(frozen=True, eq=False)
class SpikingNetwork:
    """A spiking network, ready to be built in Brian2.

    Parameters
    ----------
    populations : tuple of Population
        In the order in which a step runs through them, without the input.
    projections : tuple of Projection
    input_shape : tuple of int
        (channels, height, width) or (features,) of an image; its population is ``input``.
    readout : Readout
    method : str
        The conversion method that made the network.
    coding : str
        Input coding used where the simulation does not name one.
    metadata : mapping
        Anything worth keeping, as plain JSON; it means nothing to any program.
    simulation : Simulation
        How it is to be simulated where nobody says otherwise.
    code : Code, optional
        How its spikes are to be read, where they are no rates: a temporal code, a fold.
    origin : Origin
        The network that it was converted from: layers and scales of its populations.
    relays : mapping of str to str
        Population that only passes spikes on -> the one whose spikes they are.
    perturbations : tuple of Perturbed
        What it, or the images that it will see, have undergone.

    Raises
    ------
    InputError
        Where names are unknown or used twice, or shapes do not fit.
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    input_shape: tuple[int, ...]
    readout: Readout
    method: str = "custom"
    coding: str = "analog"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    simulation: Simulation = Simulation()
    code: Code | None = None
    origin: Origin = Origin()
    relays: Mapping[str, str] = field(default_factory=dict)
    perturbations: tuple[Perturbed, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "populations", tuple(self.populations))
        object.__setattr__(self, "projections", tuple(self.projections))
        object.__setattr__(self, "input_shape", tuple(int(n) for n in self.input_shape))
        object.__setattr__(self, "metadata", json.loads(json.dumps(dict(self.metadata))))
        object.__setattr__(self, "relays", dict(self.relays))
        object.__setattr__(self, "perturbations", tuple(self.perturbations))
        for name, kind in (("simulation", Simulation), ("origin", Origin), ("code", Code)):
            value = getattr(self, name)
            if not isinstance(value, kind) and (name, value) != ("code", None):
                raise InputError(
                    f"SpikingNetwork.{name} must be a bionet.network.{kind.__name__}, but is"
                    f" {value!r}"
                )
        names = ["input", *(p.name for p in self.populations)]
        if repeated := [n for n in names if names.count(n) > 1]:
            raise InputError(f"two populations are called {repeated[0]!r}")
        for name in names:
            stem = re.sub(r"_(synapses.*|spikes|potentials|update|inhibition)$", "", name)
            if name in ("presentation", "presentation_end") or (stem != name and stem in names):
                raise InputError(
                    f"population {name!r} has the name of another object that bionet.build makes;"
                    " choose another name"
                )
        for name in (self.readout.spikes, self.readout.potential):
            self.population(name)
        populations = {p.name: p for p in self.populations}
        if self.population(self.readout.spikes).model.threshold is None:
            raise InputError(
                f"the readout counts spikes, but population {self.readout.spikes!r} never fires"
            )
        order = {name: position for position, name in enumerate(names)}
        for projection in self.projections:
            self._check_projection(projection, order, populations)
        if self.code is not None:
            self.code.check(self)

    def _check_projection(
        self,
        projection: Projection,
        order: Mapping[str, int],
        populations: Mapping[str, Population],
    ) -> None:
        if projection.target not in populations:
            self.population(projection.target)  # says which there are
        if projection.source not in order:
            self.population(projection.source)
        target = populations[projection.target]
        if projection.variable is not None:
            check_unit(projection, target.model, projection.variable)
        # Which events the input has is known with its coding, when it is simulated.
        if projection.event != "spike" and projection.source != "input":
            events = populations[projection.source].model.events
            if projection.event not in events:
                raise InputError(
                    f"projection {projection.name}: the source has no event {projection.event!r};"
                    f" its events are {', '.join(['spike', *events])}"
                )
        is_input = projection.source == "input"
        source_shape = self.input_shape if is_input else populations[projection.source].shape
        if estimate := getattr(projection.kernel, "estimate", None):
            self._check_estimate(projection, estimate)
        shape = projection.kernel.target_shape(source_shape)
        # Only a dense projection fits a population of any shape with as many units: flattening a
        # feature map by another kernel would silently take its own order of units.
        fits = projection.kernel.any_shape and shape == (target.size,)
        if shape != target.shape and not fits:
            raise InputError(
                f"projection {projection.name}: the kernel gives the shape {shape},"
                f" but the target has {target.shape}"
            )
        if not float(projection.delay) and order[projection.source] >= order[projection.target]:
            raise InputError(
                f"projection {projection.name} runs against the order of the populations;"
                " give it a delay of at least one step"
            )

    def _check_estimate(self, projection: Projection, variable: str) -> None:
        fires = projection.source != "input"
        model = self.population(projection.source).model if fires else None
        if model is None or variable not in model.dimensions:
            raise InputError(
                f"projection {projection.name}: its gate compares {variable!r} of the source,"
                " which the source's model does not have; give it an estimate of its rate with"
                " bionet.equations.with_rate_estimate"
            )

    @typed
    def population(self, name: str) -> Population:
        """The population of that name, or an InputError that lists the names."""
        for population in self.populations:
            if population.name == name:
                return population
        names = ", ".join(p.name for p in self.populations)
        raise InputError(
            f"no population is called {name!r}; there are {names}" + did_you_mean(name, self.names)
        )

    @typed
    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a population, the input included, in PyTorch's order."""
        return self.input_shape if name == "input" else self.population(name).shape

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the populations in order, the input first."""
        return ("input", *(p.name for p in self.populations))

    @property
    def scales(self) -> Mapping[str, Any]:
        """Population -> the activation that one spike a step stands for; of ``origin``."""
        return self.origin.scales

    @typed
    def times(
        self, duration: Quantity | None = None, dt: Quantity | None = None
    ) -> tuple[Quantity, Quantity]:
        """Presentation and step as given, else the network's own, else 50 ms and 1 ms."""
        from brian2 import ms, second

        durations = "images that last differently are bionet.inputs.static(images, durations)"
        for what, value, remedy in (
            ("duration", duration, durations),
            ("dt", dt, "all images have the same step"),
        ):
            if value is not None:
                check_single(value, what, remedy)
        usual = self.simulation
        if duration is None:
            duration = 50 * ms if usual.duration is None else usual.duration * second
        if dt is None:
            dt = 1 * ms if usual.dt is None else usual.dt * second
        return duration, dt

    @property
    def n_units(self) -> int:
        """Number of units without the input."""
        return sum(p.size for p in self.populations)

    @property
    def n_synapses(self) -> int:
        """Number of synapses that the kernels stand for."""
        return sum(p.kernel.n_synapses(self.shape(p.source)) for p in self.projections)

    @property
    def n_weights(self) -> int:
        """Number of weights stored."""
        return sum(a.size for p in self.projections for a in p.kernel.arrays().values())

    def is_dale(self) -> bool:
        """Whether all synapses that leave a neuron excite, or all inhibit, for every neuron.

        Dale's principle. Pixels that drive by a current are no neurons.
        """
        return is_dale(self)

    @typed
    def with_population(self, name: str, **changes: Any) -> SpikingNetwork:
        """A copy with one population changed; ``parameters`` are merged."""
        return self.with_populations({name: changes})

    @typed
    def with_populations(self, changes: Mapping[str, Mapping[str, Any]]) -> SpikingNetwork:
        """A copy with several populations changed, each as :meth:`with_population` does it.

        Parameters
        ----------
        changes : mapping of str to mapping
            Population -> its changed fields.
        """
        new = {name: _changed(self.population(name), **changes[name]) for name in changes}
        return replace(self, populations=tuple(new.get(p.name, p) for p in self.populations))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SpikingNetwork) and all(
            getattr(self, name) == getattr(other, name) for name in (f.name for f in fields(self))
        )

    __hash__ = None  # type: ignore[assignment]

    def hash(self) -> str:
        """SHA-256 of the network's content, as 64 hexadecimal digits."""
        from bionet.network.storage import pack_network

        description, arrays = pack_network(self)
        description["origin"].pop("options", None)
        digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
        for name in sorted(arrays):
            digest.update(name.encode())
            # Equal values are one network, whatever the precision they are kept in. Part by part:
            # in float64 the weights of a large layer take twice their room.
            flat = arrays[name].reshape(-1)
            for start in range(0, flat.size, PART):
                digest.update(flat[start : start + PART].astype(np.float64).tobytes())
        return digest.hexdigest()

    def _told(self) -> tuple[str, list[tuple[str, ...]], str]:
        """A line, a table with its header, and a line about readout and input."""
        rows: list[tuple[str, ...]] = [("population", "shape", "units", "model", "input from")]
        rows.append(("input", _by(self.input_shape), f"{np.prod(self.input_shape):,}", "", ""))
        for p in self.populations:
            sources = ", ".join(
                f"{q.source} ({_describe(q)})" for q in self.projections if q.target == p.name
            )
            rows.append((p.name, _by(p.shape), f"{p.size:,}", p.model.name, sources))
        title = (
            f"SpikingNetwork(method={self.method!r}): {self.n_units:,} units,"
            f" {self.n_synapses:,} synapses, {self.n_weights:,} weights stored"
        )
        note = (
            f"readout: {self.readout.default} (spikes of {self.readout.spikes},"
            f" potential of {self.readout.potential}); input coding: {self.coding}"
        )
        return title, rows, note

    def __str__(self) -> str:
        title, rows, note = self._told()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [title]
        for number, row in enumerate(rows):
            cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
            lines.append("  " + "  ".join(cells).rstrip())
            if number == 0:
                lines.append("  " + "  ".join("-" * width for width in widths))
        notes = [f"  note: {text}" for text in self.origin.notes]
        return "\n".join([*lines, f"  {note}", *notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        title, (header, *rows), note = self._told()
        return html_table(title, header, rows, note)

    @typed
    def save(self, path: str | Path) -> Path:
        """Write the network to one file: safetensors with a JSON header."""
        from bionet.network.storage import pack_network

        description, arrays = pack_network(self, saving=True)
        return write_tensors(path, arrays, {"bionet": json.dumps(description)})

    @typed
    def to_nir(
        self, path: str | Path, dt: Quantity | None = None, readout: str | None = None
    ) -> Path:
        """Write the network in NIR; see :func:`bionet.exchange.nir_writing.to_nir`."""
        # By name: the exchange knows networks, and networks need not know the exchange.
        writing = importlib.import_module("bionet.exchange.nir_writing")
        return Path(writing.to_nir(self, path, dt, readout))

    @classmethod
    @typed
    def load(cls, path: str | Path) -> SpikingNetwork:
        """Read a network written by :meth:`save`.

        Raises
        ------
        InputError
            If the file is missing, damaged or not a spiking network.
        """
        from bionet.network.storage import unpack_network

        arrays, metadata = read_tensors(path)
        try:
            description = json.loads(metadata["bionet"])
            return unpack_network(description, arrays)
        except InputError:
            raise
        except Exception as error:  # what a damaged file leads to cannot be told beforehand
            raise InputError(
                f"{path} is not a spiking network written by bionet ({type(error).__name__}:"
                f" {error}); write one with snn.save or 'bionet convert'"
            ) from error


def _changed(old: Population, **changes: Any) -> Population:
    """A population with changed fields; ``parameters`` are merged."""
    model = changes.get("model", old.model)
    # A threshold of 1 is not one of 1 volt: then the new model's default counts.
    units = old.model.dimensions
    kept = {k: v for k, v in old.parameters.items() if model.dimensions.get(k) is units[k]}
    given = changes.get("parameters", {})
    changes["parameters"] = {
        k: v if k in given else model.quantity(k, v) for k, v in {**kept, **given}.items()
    }
    return replace(old, **changes)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)


def _describe(projection: Projection) -> str:
    kernel = projection.kernel
    text = kernel.kind
    if window := kernel.window():
        text += f" {_by(window.size)}"
    if projection.delay:
        text += f", delay {projection.delay}"
    if projection.delay_spread:
        text += f" +- {projection.delay_spread}"
    if projection.jitter:
        text += f", jitter {projection.jitter}"
    if projection.sign:
        text += ", raising" if projection.sign > 0 else ", lowering"
    if projection.event != "spike":
        text += f", {projection.event}"
    return text
