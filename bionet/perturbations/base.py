"""What every perturbation is: a level with a unit and a range, and what it does with it."""

from __future__ import annotations

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from brian2 import Hz, Quantity, kelvin, ms, pA, second
from brian2.units.fundamentalunits import DIMENSIONLESS, have_same_dimensions

from bionet.equations import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork
from bionet.network.initial_values import initial_values
from bionet.network.relays import passing_relays
from bionet.registry import Registry

__all__ = [
    "ImagePerturbation",
    "NetworkPerturbation",
    "Perturbation",
    "change_populations",
    "chosen_populations",
    "circuit",
    "generator",
    "median_threshold",
    "rest",
]


def _check(entry: Any) -> None:
    if not (isinstance(entry, type) and issubclass(entry, Perturbation)):
        raise TypeError(
            "must be a subclass of bionet.perturbations.NetworkPerturbation or ImagePerturbation"
        )


PERTURBATIONS: Registry[type[Perturbation]] = Registry(
    "perturbation", "bionet.perturbations", "bionet.perturbations", check=_check
)
"""Classes of perturbations by the names that studies and ``bionet simulate --perturb`` take."""
UNITS: dict[str, Quantity] = {"ms": ms, "Hz": Hz, "pA": pA, "K": kelvin, "s": second}
THRESHOLDS = ("theta", "theta_p", "theta_n", "V_T", "v_t")


@typed
@dataclass(frozen=True)
class Perturbation(ABC):
    """A disturbance of one strength.

    Parameters
    ----------
    level : number or Quantity
        Its strength, in the class's ``unit``: a Brian2 quantity where that is a time or a rate.

    Attributes
    ----------
    name : str
        What studies call it.
    unit : str
        ``"1"`` for a plain number.
    measure : str
        What a plain number counts, for the axis of a figure.
    least, most : float
        Range of the level, in its unit.
    whole : bool
        Whether the level is a whole number.
    structural : bool
        Whether a level changes the compiled program and not only the values that it takes.
    source : str
        Where the disturbance is described.
    option_units : mapping of str to str
        Options that are quantities, and the unit in which a study writes them.

    Raises
    ------
    InputError
        If the level has another unit or lies out of range.
    """

    level: Any
    name: ClassVar[str] = ""
    unit: ClassVar[str] = "1"
    measure: ClassVar[str] = ""
    least: ClassVar[float] = 0.0
    most: ClassVar[float] = math.inf
    whole: ClassVar[bool] = False
    structural: ClassVar[bool] = False
    source: ClassVar[str] = ""
    option_units: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        expected = UNITS.get(self.unit, 1.0)
        number = isinstance(self.level, (int, float, np.number, Quantity))
        if isinstance(self.level, bool) or not number or np.ndim(self.level):
            raise InputError(f"{self.name}: the level must be one number, but is {self.level!r}")
        if not have_same_dimensions(self.level, expected):
            unit = {"K": "kelvin", "s": "second"}.get(self.unit, self.unit)
            example = f"2*{unit}" if self.unit in UNITS else "a plain number"
            raise InputError(
                f"{self.name}: the level needs the unit {self.unit} ({example}), got {self.level!r}"
            )
        if not self.least <= self.number <= self.most:  # so that NaN fails too
            limit = f">= {self.least:g}"
            limit += f" and <= {self.most:g}" if math.isfinite(self.most) else ""
            unit = "" if self.unit == "1" else f" {self.unit}"
            raise InputError(f"{self.name}: level {self.number:g}{unit} is not {limit}{unit}")
        if not math.isfinite(self.number) or (self.whole and self.number != round(self.number)):
            kind = "a whole number" if self.whole else "finite"
            raise InputError(f"{self.name}: the level must be {kind}, but is {self.level}")

    @classmethod
    def of(cls, number: float, **options: Any) -> Any:
        """The perturbation with a level given as a plain number in the class's unit.

        Options with a unit (``option_units``) may be plain numbers too.
        """
        for option, unit in cls.option_units.items():
            if option in options and not isinstance(options[option], Quantity):
                options[option] = options[option] * UNITS[unit]
        return cls(number * UNITS.get(cls.unit, 1), **options)

    @property
    def number(self) -> float:
        """The level as a plain number in the class's unit."""
        return float(self.level / UNITS.get(self.unit, 1.0))


@typed
@dataclass(frozen=True)
class NetworkPerturbation(Perturbation):
    """A perturbation of a network's equations, parameters or weights.

    Parameters
    ----------
    level : number or Quantity
    populations : tuple of str, optional
        Only these, ``"input"`` among them; by default all that it concerns.
    """

    populations: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.populations is not None:
            object.__setattr__(self, "populations", tuple(self.populations))

    @abstractmethod
    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """The perturbed network.

        Parameters
        ----------
        snn : SpikingNetwork
            Is not changed; its ``coding`` is that of the simulation.
        seed : int
            Selects what is drawn once (thresholds, dead units, weights). What is drawn in every
            step follows the seed of the simulation.
        """

    def concerns(self, name: str, snn: SpikingNetwork | None = None) -> bool:
        """Whether a population is among the chosen ones.

        By default these are all, in a network with a temporal code all but its
        :func:`circuit`.
        """
        if self.populations is not None:
            return name in self.populations
        return snn is None or name not in circuit(snn)

    def check_names(self, snn: SpikingNetwork) -> None:
        """Refuse names that the network does not have."""
        for name in self.populations or ():
            if name != "input":
                snn.population(name)


@typed
@dataclass(frozen=True)
class ImagePerturbation(Perturbation):
    """A perturbation of images: pixels in [0, 1] go in and come out."""

    def apply(self, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """The perturbed images.

        Parameters
        ----------
        images : array (n, channels, height, width)
            Pixels in [0, 1]; they stay as they are.
        seed : int
            With the position of an image it selects its random numbers.

        Returns
        -------
        float32 array (n, channels, height, width)
        """
        images = np.asarray(images)
        if images.ndim != 4:
            raise InputError(
                f"{self.name}: images must have the shape (n, channels, height, width),"
                f" but have {images.shape}"
            )
        pixels = images.astype(np.float64)
        changed = [
            self.change(image, np.random.default_rng([seed, number]))
            for number, image in enumerate(pixels)
        ]
        return np.clip(np.stack(changed), 0.0, 1.0).astype(np.float32)

    @abstractmethod
    def change(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """One image, array (channels, height, width), perturbed; it is clipped to [0, 1] later."""


def generator(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that belong to a seed and to names, such as that of a population."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def change_populations(
    snn: SpikingNetwork, names: Iterable[str], change: Callable[[Population], dict[str, Any]]
) -> SpikingNetwork:
    """The network with what ``change`` returns (``model``, ``parameters``) for each population."""
    return snn.with_populations({name: change(snn.population(name)) for name in names})


def median_threshold(snn: SpikingNetwork, population: Population) -> float:
    """What a level relates to: the threshold of a population, or the output's if it has none.

    Of a neuron in volts it is the distance from rest to threshold.

    In a network with a temporal code thresholds are about 0; there it is what the ticks of the
    layer's clock drive its units to, exp(-T_il/L), which stands for an activation of 1.
    """
    if snn.code is not None:
        reference = snn.code.reference(population.name, snn.readout.spikes)
        if reference is not None:
            return reference
    for candidate in (population, snn.population(snn.readout.spikes)):
        for name in THRESHOLDS:
            if name in candidate.parameters and _same_potential(candidate, population):
                return float(np.median(np.abs(candidate.parameters[name] - rest(candidate))))
    return 1.0


def rest(population: Population) -> float | np.ndarray:
    """Potential at which a presentation begins, of a model with a unit; 0 of one without.

    The threshold of a neuron in volts lies above it, not above 0 V.
    """
    model = population.model
    if model.potential is None or model.dimensions[model.potential] is DIMENSIONLESS:
        return 0.0
    return initial_values(population)[model.potential]


def _same_potential(one: Population, other: Population) -> bool:
    """Whether two populations have potentials of one unit."""
    units = [p.model.dimensions.get(str(p.model.potential)) for p in (one, other)]
    return units[0] is units[1]


def circuit(snn: SpikingNetwork) -> frozenset[str]:
    """The populations that only make a temporal code work: clocks and bias neurons.

    They stand for no unit of the source network, and one of them serves a whole layer;
    perturbations spare them unless they are named.
    """
    return frozenset() if snn.code is None else snn.code.circuit(snn)


def extended(model: NeuronModel, *lines: str, **changes: Any) -> NeuronModel:
    """A model with more lines in its equations, and other fields changed."""
    return replace(model, equations="\n".join([model.equations, *lines]), **changes)


def joined(*codes: str | None) -> str:
    """Statements one after another."""
    return "\n".join(code for code in codes if code)


def chosen_populations(
    perturbation: NetworkPerturbation,
    snn: SpikingNetwork,
    what: str,
    has: Callable[[Population], bool],
) -> list[str]:
    """The populations that have what is perturbed, or a refusal that names what is missing."""
    relays = passing_relays(snn)
    neurons = [p for p in snn.populations if p.name not in relays]
    names = [p.name for p in neurons if perturbation.concerns(p.name, snn) and has(p)]
    missing = [n for n in perturbation.populations or () if n not in names]
    if missing or not names:
        raise InputError(
            f"{perturbation.name}: population {(missing or ['any'])[0]!r} has no {what}"
        )
    return names
