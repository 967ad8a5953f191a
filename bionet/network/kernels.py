"""Connectivity kernels: who projects to whom, with which weights, stored once.

Arrays are in PyTorch's order throughout; the channel-last order that makes the simulation's
loops contiguous is made from them in :mod:`bionet.brian.channel_last` and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.network.kernel_base import (
    Kernel,
    Pair,
    as_image,
    count_taps,
    image_shape,
    pair,
    positive_shape,
    weight_array,
)
from bionet.registry import Registry

__all__ = [
    "AveragePool2d",
    "Conv2d",
    "Dense",
    "GATES",
    "Kernel",
    "Largest",
    "MaxPool2d",
    "OneToOne",
    "Sparse",
]


@dataclass(frozen=True, eq=False)
class Dense(Kernel):
    """Every source unit projects to every target unit.

    Parameters
    ----------
    weights : array (n_target, n_source)
        As in :class:`torch.nn.Linear`; the sources of a (channels, height, width) population
        are numbered in that order.
    """

    weights: np.ndarray
    kind: ClassVar[str] = "dense"
    native: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", weight_array(self.weights, 2, "Dense.weights"))

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population; see :meth:`Kernel.target_shape`."""
        n_target, n_source = self.weights.shape
        if int(np.prod(source)) != n_source:
            raise InputError(
                f"Dense.weights has {n_source} columns, but the source population has"
                f" {int(np.prod(source))} units (shape {source})"
            )
        return (n_target,)

    def n_synapses(self, source: tuple[int, ...]) -> int:
        """Number of synapses; see :meth:`Kernel.n_synapses`."""
        return int(self.weights.size)


@dataclass(frozen=True, eq=False)
class Conv2d(Kernel):
    """A convolution, as :class:`torch.nn.Conv2d` (a cross-correlation) with zero padding.

    Parameters
    ----------
    weights : array (n_out, n_in / groups, kernel_height, kernel_width)
    stride, padding, dilation : int or pair
    groups : int
    """

    weights: np.ndarray
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    kind: ClassVar[str] = "conv2d"
    native: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", weight_array(self.weights, 4, "Conv2d.weights"))
        for name, least in (("stride", 1), ("padding", 0), ("dilation", 1)):
            object.__setattr__(self, name, pair(getattr(self, name), f"Conv2d.{name}", least))
        if self.groups < 1 or self.weights.shape[0] % self.groups:
            raise InputError(
                f"Conv2d.groups must divide the {self.weights.shape[0]} output channels,"
                f" but is {self.groups}"
            )

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population; see :meth:`Kernel.target_shape`."""
        channels, height, width = image_shape(source, "Conv2d")
        n_out, n_in, *kernel = self.weights.shape
        if channels != n_in * self.groups:
            raise InputError(
                f"Conv2d.weights of shape {self.weights.shape} with groups={self.groups} takes"
                f" {n_in * self.groups} channels, but the source has {channels} (shape {source})"
            )
        size = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(
                (height, width), self.padding, self.dilation, kernel, self.stride, strict=True
            )
        ]
        return positive_shape(_like_source((n_out, *size), source), "Conv2d", source)

    def n_synapses(self, source: tuple[int, ...]) -> int:
        """Number of synapses; see :meth:`Kernel.n_synapses`."""
        n_out, n_in, *kernel = self.weights.shape
        source = as_image(source)
        _, height, width = self.target_shape(source)
        taps = [
            count_taps(n, size, k, s, p, d)
            for n, size, k, s, p, d in zip(
                source[1:],
                (height, width),
                kernel,
                self.stride,
                self.padding,
                self.dilation,
                strict=True,
            )
        ]
        return int(taps[0] * taps[1] * n_out * n_in)


@dataclass(frozen=True, eq=False)
class AveragePool2d(Kernel):
    """Average pooling, as :class:`torch.nn.AvgPool2d`.

    Parameters
    ----------
    kernel : int or pair
    stride : int or pair, optional
        The kernel size where it is not given.
    padding : int or pair
    ceil_mode : bool
        Round the output size up instead of down.
    count_include_pad : bool
        Whether padding counts in the divisor.
    divisor_override : int, optional
        The divisor, where it is not the size of the pool.
    scale : float
        Factor on every weight (a conversion may balance two layers with it).
    """

    kernel: Pair
    stride: Pair | None = None
    padding: Pair = (0, 0)
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None
    scale: float = 1.0
    kind: ClassVar[str] = "average_pool2d"
    native: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_pool(self, "AveragePool2d")
        if self.divisor_override == 0:
            raise InputError("AveragePool2d.divisor_override must not be 0")
        if not np.isfinite(self.scale):
            raise InputError(f"AveragePool2d.scale must be finite, but is {self.scale}")

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population; see :meth:`Kernel.target_shape`."""
        return pooled_shape(self, source, "AveragePool2d")

    def divisors(self, source: tuple[int, ...]) -> np.ndarray:
        """Divisor of each pool, array (height, width) of the target."""
        source = as_image(source)
        _, height, width = self.target_shape(source)
        if self.divisor_override is not None:
            return np.full((height, width), float(self.divisor_override))
        spans = []
        stride = self.stride or self.kernel
        for n, size, k, s, p in zip(
            source[1:], (height, width), self.kernel, stride, self.padding, strict=True
        ):
            start = np.arange(size) * s - p
            stop = np.minimum(start + k, n + p)
            if not self.count_include_pad:
                start, stop = np.maximum(start, 0), np.minimum(stop, n)
            spans.append((stop - start).astype(np.float64))
        return np.outer(spans[0], spans[1])

    def n_synapses(self, source: tuple[int, ...]) -> int:
        """Number of synapses; see :meth:`Kernel.n_synapses`."""
        return pooled_synapses(self, source)


@dataclass(frozen=True, eq=False)
class MaxPool2d(Kernel):
    """A pool's unit gets the spikes, or the count, of the source with the largest estimate.

    Parameters
    ----------
    kernel : int or pair
    stride : int or pair, optional
        The kernel size where it is not given.
    padding : int or pair
    ceil_mode : bool
        Round the output size up instead of down.
    estimate : str
        Variable of the source's model that is compared, at the moment of the spike's arrival; of
        equal ones the first, row by row, wins.
    weight : float
        What a spike that passes adds to its target.
    rule : {"gate", "count"}
        What a spike does to its pools: a gate lets it pass where its source's estimate is the
        largest, so that before the largest is known others' spikes pass too; "count" sets the
        target's variable to the weight times the largest estimate in the pool.

    References
    ----------
    Rueckauer et al. 2016, Section 3 (spiking max pooling).
    """

    kernel: Pair
    stride: Pair | None = None
    padding: Pair = (0, 0)
    ceil_mode: bool = False
    estimate: str = "r"
    weight: float = 1.0
    rule: str = "gate"
    kind: ClassVar[str] = "max_pool2d"
    native: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_pool(self, "MaxPool2d")
        if self.rule not in ("gate", "count"):
            raise InputError(f"MaxPool2d.rule is 'gate' or 'count', but got {self.rule!r}")
        if not np.isfinite(self.weight):
            raise InputError(f"MaxPool2d.weight must be finite, but is {self.weight}")

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population; see :meth:`Kernel.target_shape`."""
        return pooled_shape(self, source, "MaxPool2d")

    def n_synapses(self, source: tuple[int, ...]) -> int:
        """Number of synapses; see :meth:`Kernel.n_synapses`."""
        return pooled_synapses(self, source)


@dataclass(frozen=True, eq=False)
class OneToOne(Kernel):
    """Unit i of the source projects to unit i of the target.

    Parameters
    ----------
    weight : float or array of the source's shape
    """

    weight: Any = 1.0
    kind: ClassVar[str] = "one_to_one"
    native: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not np.isscalar(self.weight):
            array = np.asarray(self.weight)
            object.__setattr__(self, "weight", weight_array(array, array.ndim, "OneToOne.weight"))
        elif not np.isfinite(self.weight):
            raise InputError(f"OneToOne.weight must be finite, but is {self.weight!r}")

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population; see :meth:`Kernel.target_shape`."""
        if isinstance(self.weight, np.ndarray) and self.weight.size not in (1, np.prod(source)):
            raise InputError(
                f"OneToOne.weight has shape {self.weight.shape}, but the source has {source}"
            )
        return source

    def n_synapses(self, source: tuple[int, ...]) -> int:
        """Number of synapses; see :meth:`Kernel.n_synapses`."""
        return int(np.prod(source))


@dataclass(frozen=True, eq=False)
class Sparse(Kernel):
    """Any linear map of units: each connection with its weight, stored once.

    Concatenations, slices, shuffles, paddings, upsamplings: whatever is neither a convolution nor
    fully connected.

    Parameters
    ----------
    offsets : int64 array (n_source + 1,)
        Connections of source unit i, numbered as in PyTorch, are ``offsets[i] : offsets[i + 1]``.
    targets : int32 array (n_connections,)
        Target units, ascending for each source unit.
    weights : array (n_connections,)
    shape : tuple of int
        Of the target population.
    """

    offsets: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    shape: tuple[int, ...]
    kind: ClassVar[str] = "sparse"
    native: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", weight_array(self.weights, 1, "Sparse.weights"))
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        for name, kind in (("offsets", np.int64), ("targets", np.int32)):
            array = np.array(getattr(self, name), dtype=kind)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        n, rows = len(self.weights), self.offsets
        whole = rows.ndim == 1 and len(rows) > 1 and rows[0] == 0 and rows[-1] == n
        if not whole or (np.diff(rows) < 0).any() or self.targets.shape != (n,):
            raise InputError(
                f"Sparse.offsets must rise from 0 to the number of connections ({n} weights,"
                f" {self.targets.size} targets); make it with Sparse.of_matrix"
            )
        units = int(np.prod(self.shape))
        if n and not 0 <= self.targets.min() <= self.targets.max() < units:
            raise InputError(f"Sparse.targets must lie in 0 .. {units - 1}, the units of the shape")
        ends = np.zeros(n + 1, dtype=bool)
        ends[rows] = True
        if n and not (np.diff(self.targets) > 0)[~ends[1:-1]].all():
            raise InputError("Sparse.targets must ascend, each once, for each source unit")

    @classmethod
    def of_matrix(cls, matrix: Any, shape: tuple[int, ...]) -> Sparse:
        """The kernel of a matrix (n_target, n_source), dense or scipy's sparse."""
        from scipy import sparse

        columns = sparse.csc_array(matrix)
        columns.sum_duplicates()
        columns.eliminate_zeros()
        return cls(columns.indptr, columns.indices, columns.data, shape)

    def matrix(self) -> Any:
        """The weights as a scipy.sparse.csc_array (n_target, n_source)."""
        from scipy import sparse

        size = (int(np.prod(self.shape)), len(self.offsets) - 1)
        return sparse.csc_array((self.weights, self.targets, self.offsets), shape=size)

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population; see :meth:`Kernel.target_shape`."""
        if int(np.prod(source)) != len(self.offsets) - 1:
            raise InputError(
                f"Sparse connects {len(self.offsets) - 1} units, but the source population has"
                f" {int(np.prod(source))} (shape {source})"
            )
        return self.shape

    def n_synapses(self, source: tuple[int, ...]) -> int:
        """Number of synapses; see :meth:`Kernel.n_synapses`."""
        return len(self.weights)


@dataclass(frozen=True, eq=False)
class Largest(Kernel):
    """A gate: unit i passes its spike to unit i if its estimate is the largest of its population.

    Parameters
    ----------
    estimate : str
        Variable of the source's model that is compared, at the moment of the spike's arrival; of
        equal ones the first in the simulation's (channel-last) order wins.
    weight : float
        What a spike that passes adds to its target.
    """

    estimate: str = "r"
    weight: float = 1.0
    kind: ClassVar[str] = "largest"
    native: ClassVar[bool] = True

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population; see :meth:`Kernel.target_shape`."""
        return source

    def n_synapses(self, source: tuple[int, ...]) -> int:
        """Number of synapses; see :meth:`Kernel.n_synapses`."""
        return int(np.prod(source))


def check_pool(pool: AveragePool2d | MaxPool2d, who: str) -> None:
    """Make pairs of a pooling's geometry; refuse padding of more than half the kernel."""
    kernel = pair(pool.kernel, f"{who}.kernel", 1)
    stride = pool.stride if pool.stride is not None else kernel
    object.__setattr__(pool, "kernel", kernel)
    object.__setattr__(pool, "stride", pair(stride, f"{who}.stride", 1))
    object.__setattr__(pool, "padding", pair(pool.padding, f"{who}.padding", 0))
    if any(2 * p > k for p, k in zip(pool.padding, kernel, strict=True)):
        raise InputError(
            f"{who}.padding must be at most half the kernel {kernel}, but is {pool.padding}"
        )


def pooled_shape(
    pool: AveragePool2d | MaxPool2d, source: tuple[int, ...], who: str
) -> tuple[int, ...]:
    """Shape of a pooling's target population, as PyTorch counts it."""
    channels, *sizes = image_shape(source, who)
    stride = pool.stride or pool.kernel
    out = []
    for n, k, s, p in zip(sizes, pool.kernel, stride, pool.padding, strict=True):
        extra = s - 1 if pool.ceil_mode else 0
        size = (n + 2 * p - k + extra) // s + 1
        # As PyTorch: a pool must start inside the image or its left padding.
        if pool.ceil_mode and (size - 1) * s >= n + p:
            size -= 1
        out.append(size)
    return positive_shape(_like_source((channels, *out), source), who, source)


def _like_source(shape: tuple[int, ...], source: tuple[int, ...]) -> tuple[int, ...]:
    """Without the height of 1 where the source has none."""
    return (shape[0], shape[2]) if len(source) == 2 and shape[1] == 1 else shape


def pooled_synapses(pool: AveragePool2d | MaxPool2d, source: tuple[int, ...]) -> int:
    """Number of synapses of a pooling."""
    source = as_image(source)
    channels, height, width = pool.target_shape(source)
    rows, columns = (
        count_taps(n, size, k, s, p, 1)
        for n, size, k, s, p in zip(
            source[1:],
            (height, width),
            pool.kernel,
            pool.stride or pool.kernel,
            pool.padding,
            strict=True,
        )
    )
    return int(channels * rows * columns)


KINDS = (Dense, Conv2d, AveragePool2d, MaxPool2d, Largest, OneToOne, Sparse)


def _check_kernel(entry: Any) -> None:
    if not (isinstance(entry, type) and issubclass(entry, Kernel)):
        raise TypeError("must be a subclass of bionet.network.Kernel")


KERNELS: Registry[type[Kernel]] = Registry(
    "kernel", "bionet.kernels", "bionet.network", check=_check_kernel
)
for kernel_type in KINDS:
    KERNELS.add(kernel_type.kind, kernel_type)
# What a spike does through these depends on who else spiked how much: they are not linear.
GATES = (MaxPool2d, Largest)
