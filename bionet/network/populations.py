"""The parts of a network's description: populations, projections between them, and its readout."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import numpy as np

from bionet.equations.model import NeuronModel
from bionet.equations.units import same_unit
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network.delays import checked_delay, checked_spread
from bionet.network.kernel_base import Kernel

__all__ = ["Population", "Projection", "Readout"]

READOUTS = ("MP", "MS", "FS", "LS")


@typed
@dataclass(frozen=True, eq=False)
class Population:
    """A population of units of one neuron model.

    Parameters
    ----------
    name : str
        A Python identifier; the Brian2 group gets this name.
    shape : tuple of int
        (channels, height, width) or (features,).
    model : NeuronModel
        Its differential equation, threshold and reset.
    parameters : mapping of str to number, Quantity or array of ``shape``
        Values for parameters of the model, in place of the model's defaults. An array gives a
        value for every unit; a (channels, 1, 1) array one for every channel.

    Raises
    ------
    InputError
        For a name that is no identifier, a parameter that the model does not have, a value
        with the wrong unit or an array that does not fit the shape.
    """

    name: str
    shape: tuple[int, ...]
    model: NeuronModel
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        identifier = self.name.isidentifier() and self.name.isascii()
        if not identifier or self.name.startswith("_"):
            raise InputError(f"population name {self.name!r} is not an identifier such as 'conv1'")
        shape = tuple(int(n) for n in self.shape)
        if not shape or min(shape) < 1:
            raise InputError(f"population {self.name!r} has an empty shape {self.shape}")
        object.__setattr__(self, "shape", shape)
        values = {}
        for name, value in {**self.model.parameters, **self.parameters}.items():
            array = self.model.value(name, value)
            if array.ndim:
                try:
                    array = np.broadcast_to(array, shape).copy()
                except ValueError:
                    raise InputError(
                        f"parameter {name!r} of population {self.name!r} has shape"
                        f" {array.shape}, which does not fit the population's {shape}"
                    ) from None
            if not np.isfinite(array).all():
                raise InputError(f"parameter {name!r} of population {self.name!r} is not finite")
            array.flags.writeable = False
            values[name] = array
        if missing := set(self.model.constants) - set(values):
            raise InputError(
                f"population {self.name!r} gives no value for {sorted(missing)[0]!r},"
                f" a parameter of model {self.model.name!r}"
            )
        object.__setattr__(self, "parameters", MappingProxyType(values))

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"parameters": dict(self.parameters)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for array in state["parameters"].values():
            array.flags.writeable = False
        for name, value in (state | {"parameters": MappingProxyType(state["parameters"])}).items():
            object.__setattr__(self, name, value)

    @property
    def size(self) -> int:
        """Number of units."""
        return int(np.prod(self.shape))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Population)
            and (self.name, self.shape, self.model) == (other.name, other.shape, other.model)
            and _same_arrays(self.parameters, other.parameters)
        )

    __hash__ = None  # type: ignore[assignment]


@typed
@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from one population to another, their weights stored once and fixed.

    A rule of plasticity needs Brian2's own ``Synapses`` in its place: docs/plasticity.md.

    Parameters
    ----------
    source, target : str
        Names of populations.
    kernel : Kernel
        Dense, Conv2d, AveragePool2d, OneToOne, MaxPool2d or Largest.
    delay : Quantity or int
        Axonal delay: a time such as ``2*ms``, a multiple of the simulation's step; or a number of
        steps.
    sign : {0, 1, -1}
        Pass on only what raises (1) or lowers (-1) the target: the sign of weight times spike
        amplitude. 0 passes everything.
    variable : str, optional
        The target's variable that receives the weights, where it is not the model's ``input``.
    event : str
        What of the source is passed on: its spikes, or another event of its model.
    gain : number or Quantity
        What every weight is multiplied with: it carries the unit of the variable that receives
        them, such as ``0.3*nA``.
    delay_spread : Quantity
        Standard deviation of the delays of the source's units, a time; each is a normal number
        about ``delay``, not below 0, rounded to steps. See :mod:`bionet.network.delays`.
    delay_seed : int
        Selects the delays that are drawn; from 0 to 2**64 - 1.
    jitter : Quantity
        Standard deviation of the travel of single spikes about their unit's delay, a time. The
        seed of the simulation selects it; see :mod:`bionet.network.delays`.

    Raises
    ------
    InputError
        For a delay, a sign or a gain that is none.
    """

    source: str
    target: str
    kernel: Kernel
    delay: Any = 0
    sign: int = 0
    variable: str | None = None
    event: str = "spike"
    gain: Any = 1.0
    delay_spread: Any = 0
    delay_seed: int = 0
    jitter: Any = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "delay", checked_delay(self.name, self.delay))
        spread = checked_spread(self.name, "delay_spread", self.delay_spread)
        object.__setattr__(self, "delay_spread", spread)
        object.__setattr__(self, "jitter", checked_spread(self.name, "jitter", self.jitter))
        if self.delay_seed != 0:
            from bionet.equations.randomness import seed_words  # needs Brian2

            seed_words(self.delay_seed)
        if self.sign not in (0, 1, -1):
            raise InputError(f"projection {self.name}: sign is 0, 1 or -1, but got {self.sign}")
        number = isinstance(self.gain, (int, float, np.number, np.ndarray))
        if isinstance(self.gain, bool) or not number or np.ndim(self.gain):
            raise InputError(
                f"projection {self.name}: the gain is one number or quantity such as 0.3*nA, but"
                f" got {self.gain!r}; a factor for each synapse belongs to the kernel's weights"
            )
        if not np.isfinite(float(self.gain)):
            raise InputError(f"projection {self.name}: the gain is not finite ({self.gain})")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Projection):
            return False
        measured = ("gain", "delay", "delay_spread", "jitter")  # they may have units
        names = [f.name for f in fields(self) if f.name not in measured]
        return all(getattr(self, name) == getattr(other, name) for name in names) and all(
            same_unit(mine, theirs) and float(mine) == float(theirs)
            for mine, theirs in ((getattr(self, n), getattr(other, n)) for n in measured)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def name(self) -> str:
        """``source->target``."""
        return f"{self.source}->{self.target}"


@typed
@dataclass(frozen=True)
class Readout:
    """Where the network's answer is read.

    Parameters
    ----------
    spikes : str
        Population whose spikes the readouts FS (first spike) and MS (most spikes) count.
    potential : str
        Population whose potential the readout MP (maximal potential) compares; it integrates
        the same input and never fires.
    default : {"MP", "MS", "FS", "LS"}
        The readout used where none is named.
    since : int
        Step of a presentation from which on potential and spikes count.

    Raises
    ------
    InputError
        If ``default`` is no readout, or ``since`` not a whole number of steps.
    """

    spikes: str
    potential: str
    default: str = "MP"
    since: int = 0

    def __post_init__(self) -> None:
        if self.default not in READOUTS:
            raise InputError(
                f"a readout's default is one of {', '.join(READOUTS)}, but is {self.default!r}"
            )
        since: Any = self.since
        real = isinstance(since, numbers.Real)
        if (
            isinstance(since, bool)
            or not real
            or not math.isfinite(since)
            or int(since) != since
            or since < 0
        ):
            raise InputError(f"a readout's since is a step >= 0, but is {self.since!r}")


def _same_arrays(mine: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> bool:
    return mine.keys() == theirs.keys() and all(np.array_equal(mine[k], theirs[k]) for k in mine)
