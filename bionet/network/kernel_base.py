"""What all connectivity kernels share, and checks of shapes and sizes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from bionet.errors import InputError

__all__ = [
    "Kernel",
    "Pair",
    "count_taps",
    "as_image",
    "image_shape",
    "pair",
    "positive_shape",
    "weight_array",
]

Pair = tuple[int, int]


def pair(value: Any, name: str, least: int) -> Pair:
    """An int or a pair of ints as a pair, checked against a least value."""
    both = (value, value) if np.isscalar(value) else tuple(value)
    if len(both) != 2 or any(int(x) != x or x < least for x in both):
        raise InputError(f"{name} must be one or two whole numbers >= {least}, but got {value!r}")
    return int(both[0]), int(both[1])


@dataclass(frozen=True, eq=False)
class Kernel:
    """What all kernels share. ``kind`` names the kernel in files and messages.

    A kernel of one's own is a frozen dataclass of arrays and plain values with a ``kind``,
    :meth:`target_shape` and :meth:`as_sparse`; everything else follows from these. It is entered in
    ``KERNELS``, or in the entry points ``bionet.kernels`` of its package.
    """

    kind: ClassVar[str] = ""
    native: ClassVar[bool] = False
    """Whether the simulation has loops of its own for the kernel."""

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


def weight_array(value: Any, ndim: int, name: str) -> np.ndarray:
    """A finite float array of the given number of dimensions, read-only."""
    if getattr(value, "dimensions", None) is not None:
        raise InputError(
            f"{name} are plain numbers, but got a quantity; the projection carries the unit:"
            " Projection(source, target, Dense(W/nS), gain=1*nS)"
        )
    kind = np.asarray(value).dtype
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
