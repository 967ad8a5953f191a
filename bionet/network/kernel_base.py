"""What all connectivity kernels share, and checks of shapes and sizes."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np

from bionet.annotations import is_quantity
from bionet.errors import InputError
from bionet.kinds import told

if TYPE_CHECKING:
    import torch

    from bionet.network.windows import Window

__all__ = [
    "Kernel",
    "Pair",
    "count_taps",
    "as_image",
    "image_shape",
    "like_source",
    "on_images",
    "pair",
    "positive_shape",
    "weight_array",
]

Pair = Annotated[tuple[int, int], "or one number for both, as pair() reads it"]


def pair(value: Any, name: str, least: int) -> Pair:
    """An int or a pair of ints as a pair, checked against a least value."""
    both = (value, value) if np.ndim(value) == 0 else tuple(value)
    whole = all(isinstance(x, numbers.Real) and not isinstance(x, (bool, np.bool_)) for x in both)
    if len(both) != 2 or not whole or any(x % 1 != 0 or x < least for x in both):
        raise InputError(f"{name} must be one or two whole numbers >= {least}, but got {value!r}")
    return int(both[0]), int(both[1])


@dataclass(frozen=True, eq=False)
class Kernel:
    """What all kernels share. ``kind`` names the kernel in files and messages.

    A kernel of one's own is a frozen dataclass of arrays and plain values with a ``kind``,
    :meth:`target_shape` and :meth:`as_sparse`; everything else follows from these. Its weights are
    a field ``weights``, ``weight`` or ``scale``. It is entered in ``KERNELS``, or in the entry
    points ``bionet.kernels`` of its package.
    """

    kind: ClassVar[str] = ""
    native: ClassVar[bool] = False
    """Whether the simulation has loops of its own for the kernel."""
    linear: ClassVar[bool] = True
    """Whether what a spike does depends on nobody else's spikes: a gate is not linear."""
    layered: ClassVar[bool] = False
    """Whether its weights are a trained layer's, each of its own value."""
    multiplies: ClassVar[bool] = True
    """Whether a synapse of the source network costs a multiplication: in an average none does."""
    pointwise: ClassVar[bool] = False
    """Whether a unit projects to the unit of its own place only."""
    channelwise: ClassVar[bool] = False
    """Whether a channel of the target sees one channel of the source, that of its number."""
    any_shape: ClassVar[bool] = False
    """Whether it fits a target population of another shape with as many units."""

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population, from that of the source, in PyTorch's order."""
        raise TypeError(f"{type(self).__name__} does not define a target shape")

    def n_synapses(self, source: tuple[int, ...]) -> int:
        """Number of synapses that the kernel stands for (padding has none)."""
        return int(self.as_sparse(source).n_synapses(source))

    def as_sparse(self, source: tuple[int, ...]) -> Any:
        """The same map as a :class:`~bionet.network.kernels.Sparse` of each connection."""
        raise InputError(
            f"the kernel {type(self).__name__} does not list its connections; give it a method"
            " as_sparse"
        )

    def in_loops(self, source: tuple[int, ...]) -> Any:
        """The kernel as the simulation delivers its spikes: itself, or connection by connection."""
        return self if self.native else self.as_sparse(source)

    def fan_out(self, source: tuple[int, ...]) -> np.ndarray:
        """Number of synapses that leave each source unit, int array of the source's shape."""
        fan: np.ndarray = self.as_sparse(source).fan_out(source)
        return fan

    def window(self) -> Window | None:
        """The window that slides over the source, of a convolution or a pooling."""
        return None

    def mapped(self, values: torch.Tensor) -> torch.Tensor:
        """What the map makes of its source's values, in their own precision.

        Parameters
        ----------
        values : tensor (n_images, *source shape)

        Returns
        -------
        tensor (n_images, *target shape)
            Of a pooling by the maximum the largest of each pool.
        """
        passed: torch.Tensor = self.as_sparse(tuple(values.shape[1:])).mapped(values)
        return passed

    def apply(self, values: np.ndarray) -> np.ndarray:
        """As :meth:`mapped`, of a float64 array: the slow reference of the map.

        Parameters
        ----------
        values : float64 array (n_images, *source shape)

        Returns
        -------
        float64 array (n_images, *target shape)
        """
        import torch

        return np.asarray(self.mapped(torch.from_numpy(np.ascontiguousarray(values))).numpy())

    @property
    def weight_field(self) -> str:
        """The field that holds the weights: ``weights``, ``weight`` or ``scale``."""
        names = [f.name for f in fields(self) if f.name in ("weights", "weight", "scale")]
        if not names:
            raise InputError(f"the kernel {type(self).__name__} has no field of weights")
        return names[0]

    def weight_values(self) -> np.ndarray:
        """The weights as they are stored: an array, of one number where all have the same."""
        return np.asarray(getattr(self, self.weight_field))

    def with_weights(self, change: Callable[[np.ndarray], np.ndarray]) -> Self:
        """The kernel with other weights.

        Parameters
        ----------
        change : callable
            Gets :meth:`weight_values`, and returns as many.
        """
        weights = np.asarray(change(self.weight_values()))
        return replace(self, **{self.weight_field: weights if weights.ndim else weights.item()})

    def times(self, factors: np.ndarray) -> Kernel:
        """The kernel with its weights times one factor, or one for every target unit.

        Raises
        ------
        InputError
            If units that share a weight have different factors.
        """
        if factors.min() < factors.max():
            raise InputError("units that share a weight need the same time constant")
        value = float(factors.reshape(-1)[0])
        return self.with_weights(lambda weights: np.asarray(weights, np.float64) * value)

    def part(self, sign: int) -> Self | None:
        """The weights of one sign (1 or -1), the others 0; None where there are none."""
        weights = self.weight_values()
        if not (np.sign(weights) == sign).any():
            return None
        return self.with_weights(
            lambda weights: np.where(np.sign(weights) == sign, weights, weights.dtype.type(0))
        )

    def signs(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether the weights that leave each source unit hold positive and negative ones.

        Returns
        -------
        positive, negative : bool array (n_units,), (n_channels,) of a convolution, or (1,)
            (1,) for a kernel whose weights are the same for all units.
        """
        weights = self.weight_values()
        return np.array([bool((weights > 0).any())]), np.array([bool((weights < 0).any())])

    def channels(self, part: slice) -> Kernel:
        """A channel-wise kernel on some of the channels."""
        return self

    def cut(self, targets: slice, sources: slice, source: tuple[int, ...]) -> Kernel:
        """The kernel between some channels of the target and some of the source.

        Raises
        ------
        InputError
            If the kernel cannot be cut so.
        """
        raise InputError(f"fragment: a {self.kind} projection cannot be cut")

    def in_words(self) -> str:
        """What it is, for a reader of a script: ``"convolution 3 x 3, stride (1, 1)"``."""
        return f"connections of the kernel {self.kind}"

    def arrays(self) -> dict[str, np.ndarray]:
        """The kernel's arrays by field name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: v for name, v in values.items() if isinstance(v, np.ndarray)}

    def options(self) -> dict[str, Any]:
        """The kernel's plain fields by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {name: v for name, v in values.items() if not isinstance(v, np.ndarray)}
        return {name: v.item() if isinstance(v, np.generic) else v for name, v in plain.items()}

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, Kernel):
            return False
        mine, theirs = self.arrays(), other.arrays()
        return self.options() == other.options() and all(
            mine[name].shape == theirs[name].shape and np.array_equal(mine[name], theirs[name])
            for name in mine
        )

    __hash__ = None  # type: ignore[assignment]


class StandIn(np.ndarray):
    """One zero in place of an array of weights, for what depends on their number alone."""

    @classmethod
    def of(cls, shape: int | tuple[int, ...], dtype: str | np.dtype = "float32") -> np.ndarray:
        """In place of an array of this shape; it takes the room of one number."""
        return np.broadcast_to(np.zeros((), dtype).view(cls), shape, subok=True)


def weight_array(value: Any, ndim: int, name: str) -> np.ndarray:
    """A finite float array of the given number of dimensions, read-only."""
    if is_quantity(value):
        raise InputError(
            f"{name} are plain numbers, but got a quantity; the projection carries the unit:"
            " Projection(source, target, Dense(W/nS), gain=1*nS)"
        )
    kind = np.asarray(value).dtype
    if kind.kind not in "iuf":
        raise InputError(f"{name} must be numbers, but got {told(value)}")
    if isinstance(value, StandIn):
        return value
    fixed = isinstance(value, np.ndarray) and value.base is None and not value.flags.writeable
    if fixed and kind in (np.float32, np.float64):
        array = value  # nobody can change it: a copy of the weights of a large layer is saved
    else:
        array = np.array(value, dtype=np.float64 if kind != np.float32 else None)
    if array.ndim != ndim:
        raise InputError(
            f"{name} must have {ndim} dimensions, but has {array.ndim} (shape {array.shape})"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite, but holds NaN or infinity")
    array.flags.writeable = False
    return array


def as_image(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A (channels, length) shape as that of an image of height 1; any other as it is."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def image_shape(shape: tuple[int, ...], who: str) -> tuple[int, int, int]:
    """A (channels, height, width) shape, (channels, length) as height 1, or a clear refusal."""
    shape = as_image(shape)
    if len(shape) != 3:
        raise InputError(f"{who} needs a (channels, height, width) source, but got shape {shape}")
    return shape[0], shape[1], shape[2]


def positive_shape(shape: tuple[int, ...], who: str, source: tuple[int, ...]) -> tuple[int, ...]:
    """The shape if no side is empty, or a clear refusal."""
    if min(shape) < 1:
        raise InputError(f"{who}: the kernel is larger than the padded source of shape {source}")
    return shape


def count_taps(n: int, size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Pairs (target position, kernel position) along one axis that fall inside the source."""
    position = np.arange(size)[:, None] * stride - padding + np.arange(kernel)[None, :] * dilation
    return int(((position >= 0) & (position < n)).sum())


def like_source(shape: tuple[int, ...], source: tuple[int, ...]) -> tuple[int, ...]:
    """Without the height of 1 where the source has none."""
    return (shape[0], shape[2]) if len(source) == 2 and shape[1] == 1 else shape


def on_images(change: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor) -> torch.Tensor:
    """Change images; those of shape (channels, length) as images of height 1."""
    flat = values.ndim == 3
    result = change(values[:, :, None] if flat else values)
    return result[:, :, 0] if flat and result.shape[2] == 1 else result
