"""What a network was made from, and how: what a comparison, or another conversion, needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from bionet.annotations import is_quantity
from bionet.equations.units import plain_quantity, read_quantity
from bionet.errors import InputError

__all__ = ["Origin", "Perturbed"]


@dataclass(frozen=True)
class Origin:
    """The network that a spiking network was converted from.

    Parameters
    ----------
    layers : mapping of str to str
        Population -> node of the traced network whose activation it stands for.
    scales : mapping of str to float or list of float
        Population -> the activation that one spike a step stands for: one for all channels, or
        one for each.
    shifts : mapping of str to float or list of float
        Population -> what corrects the mean of its spikes, one for all channels or one for each: a
        part of its drive, in thresholds a step, that is not of the network.
    leak_compensated : bool
        Whether a part of the drives makes up for the mean of a leak.
    negative_spikes : bool
        Whether units may fire below 0 where their layer's activation is negative.
    operations, macs : float, optional
        Operations of its layers for an image, and multiply-accumulates among them, where they are
        not those of the projections: a pooling may have gone into the weights after it.
    inputs : tuple of tuple of int
        Shapes of the tensors that its forward takes, where it takes several: an image holds them
        all, joined as :func:`bionet.inputs.joined` does it.
    notes : tuple of str
        What the user should know of the conversion, such as a last sigmoid that was left out.
    network, weights, sha256 : str, optional
        What a command line calls the network, its weights, and the digest of these.
    options : mapping of str to object
        Options of the conversion that are not the method's own: numbers, texts, quantities, and
        tuples and mappings of them. What a search has found is among them, so that a conversion
        with them makes the network again without a search. Neurons and arrays are left out. Equal
        networks are equal, and have one hash, whatever the options that they were made with.

    Raises
    ------
    InputError
        If a scale or a shift is neither a number nor a list of numbers.
    """

    layers: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, Any] = field(default_factory=dict)
    shifts: Mapping[str, Any] = field(default_factory=dict)
    leak_compensated: bool = False
    negative_spikes: bool = True
    operations: float | None = None
    macs: float | None = None
    inputs: tuple[tuple[int, ...], ...] = ()
    notes: tuple[str, ...] = ()
    network: str | None = None
    weights: str | None = None
    sha256: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", dict(self.layers))
        object.__setattr__(self, "notes", tuple(str(note) for note in self.notes))
        shapes = tuple(tuple(int(n) for n in shape) for shape in self.inputs)
        object.__setattr__(self, "inputs", shapes)
        object.__setattr__(self, "scales", _numbers(self.scales, "scale"))
        object.__setattr__(self, "shifts", _numbers(self.shifts, "shift"))
        options = {name: _read_option(value) for name, value in self.options.items()}
        kept = {name: value for name, value in options.items() if value is not _NO_VALUE}
        object.__setattr__(self, "options", kept)

    def without(self, population: str) -> Origin:
        """The same for a network that lacks a population."""
        kept: dict[str, Any] = {
            name: {k: v for k, v in getattr(self, name).items() if k != population}
            for name in ("layers", "scales", "shifts")
        }
        return replace(self, **kept)

    def to_dict(self) -> dict[str, Any]:
        """The fields that say something, as plain JSON."""
        default = Origin()
        plain = asdict(replace(self, options={}))
        plain["options"] = {name: _plain_option(value) for name, value in self.options.items()}
        return {name: v for name, v in plain.items() if v != getattr(default, name)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Origin:
        """The inverse of :meth:`to_dict`; an unknown field is refused."""
        if unknown := sorted(set(plain) - {f.name for f in fields(cls)}):
            raise InputError(f"Origin has no field {unknown[0]!r}")
        return cls(**plain)


@dataclass(frozen=True)
class Perturbed:
    """A perturbation that a network, or the images that it will see, have undergone.

    Parameters
    ----------
    name : str
    level : float
        In ``unit``.
    unit : str
        ``"1"`` for a plain number.
    seed : int
    """

    name: str
    level: float
    unit: str = "1"
    seed: int = 0


_NO_VALUE = object()
QUANTITY = "quantity"  # key of a quantity among plain options


def _read_option(value: Any) -> Any:
    """An option as it is kept, or as it was saved; _NO_VALUE for what no file can say."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if is_quantity(value):
        return value if not value.ndim else _NO_VALUE
    if isinstance(value, Mapping):
        if set(value) == {QUANTITY}:
            return read_quantity(*value[QUANTITY])
        parts = {str(name): _read_option(part) for name, part in value.items()}
        return _NO_VALUE if any(p is _NO_VALUE for p in parts.values()) else parts
    if isinstance(value, (list, tuple)):
        several = tuple(map(_read_option, value))
        return _NO_VALUE if any(part is _NO_VALUE for part in several) else several
    is_number = getattr(value, "ndim", None) == 0 and hasattr(value, "item")
    return value.item() if is_number else _NO_VALUE


def _plain_option(value: Any) -> Any:
    """The inverse of :func:`_read_option`, as JSON says it."""
    if is_quantity(value):
        return {QUANTITY: plain_quantity(value)}
    if isinstance(value, Mapping):
        return {name: _plain_option(part) for name, part in value.items()}
    return list(map(_plain_option, value)) if isinstance(value, tuple) else value


def _numbers(values: Mapping[str, Any], kind: str) -> dict[str, float | list[float]]:
    """A number for each population, or one for each of its channels."""
    numbers: dict[str, float | list[float]] = {}
    for name, value in values.items():
        try:
            numbers[name] = [float(s) for s in value] if _listed(value) else float(value)
        except (TypeError, ValueError):
            raise InputError(
                f"the {kind} of {name!r} must be a number or one for each channel, but is {value!r}"
            ) from None
    return numbers


def _listed(scale: Any) -> bool:
    return (
        isinstance(scale, Iterable)
        and not isinstance(scale, str)
        and bool(getattr(scale, "ndim", 1))
    )
