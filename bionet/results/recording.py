"""What a simulation leaves behind: spike counts, spikes, potentials, readout, provenance."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from brian2 import Quantity, ms

from bionet.equations.units import read_quantity
from bionet.errors import InputError
from bionet.files import atomic, output_folder, read_tensors, write_tensors
from bionet.kinds import typed
from bionet.notebook import html_table
from bionet.results.description import read_description
from bionet.results.equality import same_fields
from bionet.results.readout import answers, check_labels, ranking

__all__ = ["Recording", "Spikes"]

ARRAYS = "recording.safetensors"
DESCRIPTION = "recording.json"


class Spikes(NamedTuple):
    """Spikes of one population for one image, in order of time.

    Attributes
    ----------
    step : int array (n_spikes,)
        Simulation step within the presentation, from 0.
    unit : int array (n_spikes,)
        Index of the unit in PyTorch's order (channels, height, width), flattened.
    time : Quantity array (n_spikes,)
        Time within the presentation.
    amplitude : float32 array (n_spikes,)
        Signed size of each spike; 1 where the model's spikes are all alike.
    """

    step: np.ndarray
    unit: np.ndarray
    time: Quantity
    amplitude: np.ndarray


@dataclass(frozen=True, eq=False)
class Recording:
    """The result of :func:`bionet.simulate`.

    All arrays are in PyTorch's order; images are numbered as they were given.

    Attributes
    ----------
    shapes : mapping of str to tuple
        Shape of every population, the input first.
    counts : mapping of str to array (n_images, *shape)
        Spikes of every unit during its presentation, of every population that fires; unsigned
        integers of the smallest type that holds ``n_steps``, so convert before subtracting.
    output_potential : float array (n_images, n_steps, n_classes)
        Accumulated potential of the readout population after every step.
    output_spikes : array (n_images, n_steps, n_classes)
        Spikes of the output population in every step: 0 or 1, or their signed size.
    events : int32 array (n_images, n_steps)
        Spikes of all populations but the input in every step; one of any size counts once.
    recorded_images : int array
        The images for which spikes and potentials were recorded.
    recorded_spikes : mapping of str to int32 array (n_spikes, 3)
        Columns image, step, unit; sorted.
    recorded_amplitudes : mapping of str to float32 array (n_spikes,)
        Signed size of every recorded spike, for populations whose spikes have one.
    recorded_potentials : mapping of str to float array (n_recorded, n_steps, n_units)
        Potential after every step.
    recorded_units : mapping of str to int array (n_units,)
        The units whose potentials were recorded, in PyTorch's order.
    final_potentials : mapping of str to array (n_images, *shape)
        Potential of every unit at the end of its presentation, where it was asked for.
    final_values : mapping of (str, str) to array (n_images, *shape)
        By population and state variable: its value at the end of each presentation, for the
        variables that a model names in ``final``.
    spike_steps : mapping of str to int array (n_images, *shape)
        Of networks with a temporal code: the step of each unit's one spike, counted from the
        release of its layer, or -1 where it did not spike.
    releases : mapping of str to int array (n_images,)
        Of networks with a temporal code: the step of the presentation at which the integration
        window of each layer ended.
    clipped : mapping of str to int array (n_images,)
        Of networks of method ``ttfs``: units whose value was too large for their layer's window;
        only layers that have any.
    image_steps : int array (n_images,)
        Steps of every presentation where they differ, else empty. ``n_steps`` is then the largest
        of them; after the end of a shorter one its last readout potential stands, and recorded
        potentials are NaN.
    outputs : float64 array (n_images, *shape)
        What the readout's potential stands for on the source network's own scale, where that is
        known; see :meth:`values`.
    parameters : mapping
        network hash, method, coding, device, dt_ms, steps, lanes, dtype, seed,
        readout, seconds, versions and so on.
    """

    shapes: Mapping[str, tuple[int, ...]]
    counts: Mapping[str, np.ndarray]
    output_potential: np.ndarray
    output_spikes: np.ndarray
    parameters: Mapping[str, Any]
    events: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int32))
    recorded_images: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    recorded_spikes: Mapping[str, np.ndarray] = field(default_factory=dict)
    recorded_amplitudes: Mapping[str, np.ndarray] = field(default_factory=dict)
    recorded_potentials: Mapping[str, np.ndarray] = field(default_factory=dict)
    recorded_units: Mapping[str, np.ndarray] = field(default_factory=dict)
    final_potentials: Mapping[str, np.ndarray] = field(default_factory=dict)
    final_values: Mapping[tuple[str, str], np.ndarray] = field(default_factory=dict)
    spike_steps: Mapping[str, np.ndarray] = field(default_factory=dict)
    releases: Mapping[str, np.ndarray] = field(default_factory=dict)
    clipped: Mapping[str, np.ndarray] = field(default_factory=dict)
    image_steps: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    outputs: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    def __hash__(self) -> int:
        return hash((self.parameters.get("network"), self.output_potential.shape))

    @property
    def n_images(self) -> int:
        """Number of images simulated."""
        return int(self.output_potential.shape[0])

    @property
    def n_steps(self) -> int:
        """Number of simulation steps of a presentation, the longest where they differ."""
        return int(self.output_potential.shape[1])

    @property
    def steps(self) -> np.ndarray:
        """Number of simulation steps of every presentation, int array (n_images,)."""
        return self.image_steps if self.image_steps.size else np.full(self.n_images, self.n_steps)

    @property
    def dt(self) -> Quantity:
        """Simulation step."""
        return self.parameters["dt_ms"] * ms

    @property
    def readouts(self) -> tuple[str, ...]:
        """Those that say something: MP and LS of a temporal code, else MP, MS, FS; and its own."""
        telling = ("MP", "LS") if self.releases else ("MP", "MS", "FS")
        telling = tuple(self.parameters.get("readouts", telling))
        return tuple(dict.fromkeys((*telling, self.parameters.get("readout", "MP"))))

    def __str__(self) -> str:
        """Three lines: what was simulated, how it spiked, what was recorded of it."""
        of, has = self.parameters, self.parameters.get
        told = [has("method"), has("coding") and f"{of['coding']} input", has("device")]
        told += [f"seed {of['seed']}" if "seed" in of else None]
        spikes = ", ".join(f"{name} {mean:,.5g}" for name, mean in self.n_spikes.items())
        return (
            f"Recording of {self.n_images:,} images, {self.n_steps:,} steps of"
            f" {of.get('dt_ms', float('nan')):g} ms: {', '.join(filter(None, told))}\n"
            f"  spikes per image: {spikes or 'no population fires'}\n"
            f"  readout: {has('readout', 'MP')}; recorded: {self._what_was_recorded()}"
        )

    __repr__ = __str__

    def _what_was_recorded(self) -> str:
        spikes = [f"spikes of {', '.join(self.recorded_spikes)}"] if self.recorded_spikes else []
        traces = ", ".join(self.recorded_potentials)
        spikes += [f"potentials of {traces}"] if traces else []
        if not spikes:
            return "spike counts alone"
        return f"{', '.join(spikes)} for {len(self.recorded_images):,} images"

    def _repr_html_(self) -> str:
        title, _, note = str(self).rsplit("\n", 2)  # a method of another's file may have lines
        rows = [
            (name, " x ".join(map(str, self.shapes[name])), f"{mean:,.5g}")
            for name, mean in self.n_spikes.items()
        ]
        return html_table(title, ("population", "shape", "spikes per image"), rows, note)

    @typed
    def predictions(self, readout: str | None = None, step: int | None = None) -> np.ndarray:
        """Predicted class of every image.

        Parameters
        ----------
        readout : {"MP", "MS", "FS", "LS"}, optional
            The network's own where it is not given.
        step : int, optional
            After this many steps of the presentation; all of them by default.

        Returns
        -------
        int array (n_images,)
        """
        return self._answers(readout, step)[0]

    @typed
    def ties(self, readout: str | None = None, step: int | None = None) -> np.ndarray:
        """Images whose answer the readout could not decide, bool array (n_images,)."""
        return self._answers(readout, step)[1]

    @typed
    def accuracy(self, labels: np.ndarray, readout: str | None = None, top: int = 1) -> float:
        """Share of images whose prediction equals the label.

        Parameters
        ----------
        labels : int array (n_images,)
            Classes from 0 on. With one output: 0 where it is negative, 1 where it is positive.
        readout : {"MP", "MS", "FS", "LS"}, optional
        top : int
            Count an image as right if its label is among so many first answers.

        Raises
        ------
        InputError
            If a label is no class, or there are fewer than ``top`` classes.
        """
        labels = self._labels(labels)
        if top == 1 and top is not True:
            return float((self.predictions(readout) == labels).mean())
        n_outputs = self.output_potential.shape[2]
        whole = isinstance(top, (int, np.integer)) and not isinstance(top, bool)
        if not whole or not 1 <= top <= n_outputs:
            raise InputError(f"top must be a whole number from 1 to {n_outputs}, but is {top!r}")
        readout = readout or self.parameters["readout"]
        ranked = ranking(readout, self.output_potential, self.output_spikes, self._since)
        return float((ranked[:, :top] == labels[:, None]).any(axis=1).mean())

    def values(self) -> np.ndarray:
        """The outputs on the source network's own scale, float64 array (n_images, *shape).

        What a regression or an autoencoder answers; of a classifier the scores before a softmax.

        Raises
        ------
        InputError
            If it is not known what the readout's potential stands for.
        """
        if not self.outputs.size:
            raise InputError(
                "it is not known what the readout's potential stands for: the network was not"
                " converted, was converted without scales, or its readout leaks; read"
                " output_potential itself"
            )
        return self.outputs

    @typed
    def output_error(self, outputs: np.ndarray) -> float:
        """Root mean square difference of :meth:`values` and the source network's outputs.

        Parameters
        ----------
        outputs : array (n_images, *shape)
            Of the source network, for the same images.

        Raises
        ------
        InputError
            If they have another shape.
        """
        expected, values = np.asarray(outputs, dtype=np.float64), self.values()
        if expected.shape != values.shape:
            raise InputError(
                f"outputs must have the shape {values.shape}, one for each output of each image,"
                f" but have {expected.shape}"
            )
        return float(np.sqrt(np.mean((values - expected) ** 2)))

    @typed
    def accuracy_over_time(self, labels: np.ndarray, readout: str | None = None) -> np.ndarray:
        """Accuracy after every step, float array (n_steps,)."""
        labels = self._labels(labels)
        readout = readout or self.parameters["readout"]
        classes, _ = answers(readout, self.output_potential, self.output_spikes, self._since)
        return np.asarray((classes == labels[:, None]).mean(axis=0))

    @typed
    def spikes(self, population: str, image: int = 0) -> Spikes:
        """Spikes of a recorded population for one image.

        Raises
        ------
        InputError
            If the spikes of this population or image were not recorded.
        """
        table = self._recorded(self.recorded_spikes, population, "spikes")
        self._position(image)
        # Sorted by image; a slice, since the table may lie in a file.
        of_image = slice(*np.searchsorted(table[:, 0], [image, image + 1]))
        rows = table[of_image]
        sizes = self.recorded_amplitudes.get(population)
        amplitude = np.ones(len(rows), dtype=np.float32) if sizes is None else sizes[of_image]
        return Spikes(rows[:, 1], rows[:, 2], rows[:, 1] * self.dt, amplitude)

    @typed
    def rates(self, population: str, part: slice = slice(None)) -> np.ndarray:
        """Firing rate of every unit in spikes a step, float64 array (n_images, *shape).

        Where spikes have a size, the rate is the signed sum of the sizes over the steps.

        Parameters
        ----------
        population : str
        part : slice
            Images, all by default.

        Raises
        ------
        InputError
            If the population does not fire.
        """
        signed = self.final_values.get((population, "total"))
        if signed is not None:
            return _divided(signed[part].astype(np.float64), self.steps[part])
        if population not in self.counts:
            populations = ", ".join(self.counts)
            raise InputError(
                f"population {population!r} has no rates; those that fire: {populations}"
            )
        return _divided(self.counts[population][part], self.steps[part])

    @typed
    def potential(self, population: str, image: int = 0) -> np.ndarray:
        """Potential of the recorded units of a population, float array (n_steps, n_units).

        A Brian2 quantity where the model's potential has a unit.

        Raises
        ------
        InputError
            If the potentials of this population or image were not recorded.
        """
        values = self._recorded(self.recorded_potentials, population, "v")
        return self._with_unit(population, values[self._position(image)])

    @typed
    def variable(self, population: str, variable: str, image: int = 0) -> np.ndarray:
        """Any recorded variable of a population, array or quantity (n_steps, n_units).

        Raises
        ------
        InputError
            If this variable, population or image was not recorded.
        """
        key = f"{population}.{variable}"
        if key not in self.recorded_potentials and variable in ("v", self._potential(population)):
            return self.potential(population, image)
        if key not in self.recorded_potentials:
            self._recorded({}, population, variable)
        return self._with_unit(key, self.recorded_potentials[key][self._position(image)])

    @typed
    def spikes_it(self, population: str, image: int = 0) -> tuple[np.ndarray, Quantity]:
        """Spikes as Brian2's monitors have them: units i in PyTorch's order, and times t."""
        spikes = self.spikes(population, image)
        return spikes.unit, spikes.time

    def _potential(self, population: str) -> str | None:
        """Name of a population's potential, where the recording knows it."""
        return self.parameters.get("units", {}).get(population, [None])[0]

    def _with_unit(self, key: str, values: np.ndarray) -> np.ndarray:
        """Values with the unit of a recorded variable; plain where it has none."""
        exponents = self.parameters.get("units", {}).get(key, [None, []])[1]
        return np.asarray(values) if not any(exponents) else read_quantity(values, exponents)

    @property
    def n_spikes(self) -> dict[str, float]:
        """Mean number of spikes per image of every population."""
        return {
            name: float(c.sum(dtype=np.int64)) / self.n_images for name, c in self.counts.items()
        }

    @typed
    def save(self, path: str | Path) -> Path:
        """Write the recording into a folder: one safetensors file and one JSON file."""
        folder = output_folder(path)
        arrays = {
            "output_potential": self.output_potential,
            "output_spikes": self.output_spikes,
            "recorded_images": self.recorded_images,
        }
        for name in ("events", "outputs", "image_steps"):
            if getattr(self, name).size:
                arrays[name] = getattr(self, name)
        for (population, variable), a in self.final_values.items():
            arrays[f"final_values.{population}.{variable}"] = a  # of a variable, without a dot
        for group in GROUPS:
            arrays |= {f"{group}.{name}": a for name, a in getattr(self, group).items()}
        description = {
            "format": 1,
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "parameters": dict(self.parameters),
            # Arrays are stored by name; drawn figures and printed tables follow the order here.
            "order": {group: list(getattr(self, group)) for group in GROUPS},
            "final_values": [list(key) for key in self.final_values],
        }
        text = json.dumps(description, indent=1) + "\n"
        write_tensors(
            folder / ARRAYS, arrays, {"bionet": "recording", "description": _digest(text)}
        )
        with atomic(folder / DESCRIPTION) as part:
            part.write_text(text, encoding="utf-8")
        return folder

    @typed
    def to_pandas(self, what: str = "spikes", populations: Sequence[str] | None = None) -> Any:
        """The recording as a pandas table; see :func:`bionet.exchange.tables.to_pandas`."""
        return _exchanged("tables").to_pandas(self, what, populations)

    def to_xarray(self) -> Any:
        """The recording as an xarray Dataset; see :func:`bionet.exchange.tables.to_xarray`."""
        return _exchanged("tables").to_xarray(self)

    @typed
    def to_neo(
        self, populations: Sequence[str] | None = None, images: Sequence[int] | None = None
    ) -> Any:
        """The recording as a Neo Block; see :func:`bionet.exchange.neo_writing.to_neo`."""
        return _exchanged("neo_writing").to_neo(self, populations, images)

    @typed
    def to_nwb(self, path: str | Path, **options: Any) -> Path:
        """Write the recording as NWB; see :func:`bionet.exchange.nwb_writing.to_nwb`."""
        return Path(_exchanged("nwb_writing").to_nwb(self, path, **options))

    @typed
    def to_sonata(self, path: str | Path, populations: Sequence[str] | None = None) -> Path:
        """Write spikes as SONATA; see :func:`bionet.exchange.sonata_writing.to_sonata`."""
        return Path(_exchanged("sonata_writing").to_sonata(self, path, populations))

    @classmethod
    @typed
    def load(cls, path: str | Path) -> Recording:
        """Read a folder written by :meth:`save`.

        Raises
        ------
        InputError
            If the folder is not a recording, or a file is missing or damaged.
        """
        folder = Path(path)
        if not (folder / DESCRIPTION).is_file():
            raise InputError(
                f"{folder} is not a recording: there is no {DESCRIPTION};"
                " make one with run.save or 'bionet simulate --out'"
            )
        try:
            text = (folder / DESCRIPTION).read_text(encoding="utf-8")
            description = read_description(json.loads(text))
        except Exception as error:  # what a damaged file leads to cannot be told beforehand
            raise InputError(f"{folder / DESCRIPTION} is damaged ({error})") from error
        shapes, parameters = description["shapes"], description["parameters"]
        arrays, noted = read_tensors(folder / ARRAYS)
        if noted.get("description", _digest(text)) != _digest(text):
            raise InputError(
                f"{folder / DESCRIPTION} is damaged or that of another recording: it is not"
                f" the text that {ARRAYS} was written with"
            )
        grouped: dict[str, dict[str, np.ndarray]] = {group: {} for group in GROUPS}
        values: dict[tuple[str, str], np.ndarray] = {}
        for name, array in arrays.items():
            if name.startswith("final_values."):
                owner, _, variable = name.removeprefix("final_values.").rpartition(".")
                values[owner, variable] = array
            group, _, population = name.partition(".")
            if group in grouped:
                grouped[group][population] = array
        order = description["order"]  # a recording of an older version has none
        for group, unordered in grouped.items():
            grouped[group] = _ordered(unordered, order.get(group, list(shapes)))
        values = _ordered(values, [tuple(key) for key in description["final_values"]])
        for name in ("output_potential", "output_spikes", "recorded_images"):
            if name not in arrays:
                raise InputError(f"{folder / ARRAYS} is damaged: it has no {name}")
        return cls(
            shapes=shapes,
            parameters=parameters,
            output_potential=arrays["output_potential"],
            output_spikes=arrays["output_spikes"],
            recorded_images=arrays["recorded_images"],
            final_values=values,
            **{
                name: arrays[name]
                for name in ("events", "outputs", "image_steps")
                if name in arrays
            },  # type: ignore[arg-type]
            **grouped,  # type: ignore[arg-type]  # its keys are GROUPS
        )

    @property
    def _since(self) -> int:
        return int(self.parameters.get("readout_since", 0))

    def _answers(self, readout: str | None, step: int | None) -> tuple[np.ndarray, np.ndarray]:
        stop = self.n_steps if step is None else step
        if not 1 <= stop <= self.n_steps:
            raise InputError(f"step must lie between 1 and {self.n_steps}, but is {step}")
        readout = readout or self.parameters["readout"]
        # MS and FS depend on all steps so far, MP on the last one alone.
        start = stop - 1 if readout == "MP" and not self._since else 0
        window = slice(start, stop)
        classes, tied = answers(
            readout, self.output_potential[:, window], self.output_spikes[:, window], self._since
        )
        return classes[:, -1], tied[:, -1]

    @property
    def n_classes(self) -> int:
        """Classes that the readout tells apart: one output says by its sign which of two it is."""
        return max(2, int(self.output_potential.shape[2]))

    def _labels(self, labels: np.ndarray) -> np.ndarray:
        return check_labels(labels, self.n_images, self.n_classes)

    def _recorded(self, group: Mapping[str, np.ndarray], population: str, what: str) -> np.ndarray:
        if population not in group:
            names = ", ".join(group) or "none"
            raise InputError(
                f"{what} of {population!r} were not recorded (recorded: {names});"
                f' simulate with record={{"{population}": ["{what}"]}}'
            )
        return group[population]

    def _position(self, image: int) -> int:
        positions = np.flatnonzero(self.recorded_images == image)
        if not positions.size:
            raise InputError(
                f"image {image} was not recorded; recorded are {_ranges(self.recorded_images)}"
            )
        return int(positions[0])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


GROUPS = (
    "counts",
    "recorded_spikes",
    "recorded_amplitudes",
    "recorded_potentials",
    "recorded_units",
    "final_potentials",
    "spike_steps",
    "releases",
    "clipped",
)


def _divided(sums: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Sums over the steps of every image as means of a step."""
    return np.asarray(sums / steps.reshape(-1, *[1] * (sums.ndim - 1)))


def _exchanged(module: str) -> Any:
    """A module of the exchange, by name: it knows recordings, which need not know it."""
    return importlib.import_module(f"bionet.exchange.{module}")


def _ordered(values: dict[Any, Any], order: list[Any]) -> dict[Any, Any]:
    """A mapping in an order of its keys; those that it does not name come last."""
    return {key: values[key] for key in dict.fromkeys([*order, *values]) if key in values}


def _ranges(images: np.ndarray) -> str:
    if not images.size:
        return "none"
    text = ", ".join(str(i) for i in images[:8])
    return text if images.size <= 8 else f"{text}, ... ({images.size} images)"
