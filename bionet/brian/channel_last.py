"""The channel-last inside of the simulation: the one place where axes are permuted.

A population of shape (channels, height, width) is simulated as units
u = (y * width + x) * channels + c. Weights are packed to match, so that the innermost loop runs
over contiguous target channels. Everything users see is in PyTorch's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bionet.errors import InputError
from bionet.network.kernel_base import StandIn, as_image
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

__all__ = [
    "Packed",
    "channel_last_rows",
    "dense_rows",
    "from_channel_last",
    "pack",
    "to_channel_last",
    "torch_index",
]

BLOCK_BYTES = 64
PART = 2**22  # weights of a fully connected layer that are packed at a time


def to_channel_last(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Flatten the trailing axes of ``shape`` in channel-last order.

    Parameters
    ----------
    array : array (..., *shape)
    shape : tuple of int
        (channels, height, width), (channels, length) and the like, or (features,).

    Returns
    -------
    array (..., n_units)
    """
    lead = array.shape[: array.ndim - len(shape)]
    if len(shape) > 1:
        array = np.moveaxis(array, -len(shape), -1)
    return np.ascontiguousarray(array.reshape(*lead, -1))


def from_channel_last(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of :func:`to_channel_last`: array (..., n_units) to (..., *shape)."""
    lead = array.shape[:-1]
    if len(shape) > 1:
        rows = array.reshape(*lead, *shape[1:], shape[0])
        return np.ascontiguousarray(np.moveaxis(rows, -1, -len(shape)))
    return np.ascontiguousarray(array.reshape(*lead, *shape))


def torch_index(shape: tuple[int, ...]) -> np.ndarray:
    """PyTorch's flat index of each simulated unit, int array (n_units,)."""
    return to_channel_last(np.arange(int(np.prod(shape))).reshape(shape), shape)


@dataclass(frozen=True, eq=False)
class Packed:
    """A kernel as the simulation's loops want it.

    Attributes
    ----------
    cpp : str
        The C++ type of the kernel, ``{T}``, ``{graded}`` and ``{sign}`` left open.
    weights : array
        Packed weights, flat.
    table : int32 array or None
        Source pixel -> (target pixel, tap): offsets (n_pixels + 1), then pairs.
    n_source, n_target : int
    """

    cpp: str
    weights: np.ndarray
    table: np.ndarray | None
    n_source: int
    n_target: int


def pack(
    kernel: Kernel,
    source: tuple[int, ...],
    target: tuple[int, ...],
    dtype: str,
    factor: float = 1.0,
) -> Packed:
    """Pack a kernel for given source and target shapes (PyTorch's order) and float type.

    ``factor`` multiplies every weight: a projection's gain in SI units.
    """
    kernel = kernel.in_loops(source)
    if type(kernel) not in PACKERS:
        raise InputError(f"the kernel {type(kernel).__name__} is not known to SharedSynapses")
    cpp, weights, table = PACKERS[type(kernel)](kernel, source, target, np.dtype(dtype))
    if factor != 1 and not isinstance(weights, StandIn):
        weights = np.asarray(weights, dtype=np.float64) * factor
    if isinstance(weights, StandIn):
        flat = StandIn.of(weights.size, dtype)
    else:
        flat = np.ascontiguousarray(weights, dtype=dtype).reshape(-1)
    return Packed(cpp, flat, table, int(np.prod(source)), int(np.prod(target)))


def _pitch(n: int, dtype: np.dtype) -> int:
    """Row length padded to 64 bytes, whole vector blocks on every processor."""
    width = BLOCK_BYTES // dtype.itemsize
    return -(-n // width) * width


def _pad(rows: np.ndarray, pitch: int) -> np.ndarray:
    padding = [(0, 0)] * (rows.ndim - 1) + [(0, pitch - rows.shape[-1])]
    return np.pad(rows, padding)


def _pack_dense(
    kernel: Dense, source: tuple[int, ...], target: tuple[int, ...], dtype: np.dtype
) -> tuple[str, np.ndarray, None]:
    n_target, n_source = int(np.prod(target)), int(np.prod(source))
    pitch = _pitch(n_target, dtype)
    if isinstance(kernel.weights, StandIn):
        rows = StandIn.of((n_source, pitch), dtype)
    else:
        rows = np.empty((n_source, pitch), dtype)
        start = 0
        for part in dense_rows(kernel, source, target, dtype):
            rows[start : start + len(part)] = part
            start += len(part)
    cpp = f"bionet::Dense<{{T}}, {n_source}, {n_target}, {pitch}, {{graded}}, {{sign}}>"
    return cpp, rows, None


def dense_rows(
    kernel: Dense,
    source: tuple[int, ...],
    target: tuple[int, ...],
    dtype: str | np.dtype,
    factor: float = 1.0,
) -> Iterator[np.ndarray]:
    """The packed rows of a fully connected kernel, some at a time.

    Most of a large network's memory are such weights: nobody needs all of them packed at once.

    Yields
    ------
    array (n, pitch)
        The weights of the next n source units, in channel-last order.
    """
    weights = np.asarray(kernel.weights)
    sources, targets = torch_index(source), torch_index(target)
    in_order = bool((np.diff(targets) == 1).all())
    pitch = _pitch(len(targets), np.dtype(dtype))
    for some in np.array_split(sources, max(1, weights.size // PART)):
        rows = np.zeros((len(some), pitch), dtype)
        columns = weights[:, some] if in_order else weights[targets][:, some]
        rows[:, : len(targets)] = columns.T
        yield rows if factor == 1 else (rows.astype(np.float64) * factor).astype(dtype)


def _pack_conv(
    kernel: Conv2d, source: tuple[int, ...], target: tuple[int, ...], dtype: np.dtype
) -> tuple[str, np.ndarray, np.ndarray | None]:
    channels, height, width = source = as_image(source)
    n_out, target_height, target_width = kernel.target_shape(source)
    numbers: tuple[int, ...] = (channels, height, width, n_out, target_height, target_width)
    numbers += (*kernel.weights.shape[2:], *kernel.stride, *kernel.padding, *kernel.dilation)
    if kernel.groups == 1:
        pitch = _pitch(n_out, dtype)
        arguments = ", ".join(str(n) for n in (*numbers, pitch))
        taps = _pad(kernel.weights.transpose(2, 3, 1, 0), pitch)  # ky, kx, c_in, c_out
        return f"bionet::Convolution<{{T}}, {arguments}, {{graded}}, {{sign}}>", taps, None
    arguments = ", ".join(str(n) for n in (*numbers, kernel.groups))
    grouped = kernel.weights.reshape(kernel.groups, -1, *kernel.weights.shape[1:])
    taps = grouped.transpose(0, 2, 3, 4, 1)  # group, c_in, ky, kx, c_out
    return f"bionet::GroupedConvolution<{{T}}, {arguments}, {{graded}}, {{sign}}>", taps, None


def _pack_pool(
    kernel: AveragePool2d, source: tuple[int, ...], target: tuple[int, ...], dtype: np.dtype
) -> tuple[str, np.ndarray, None]:
    arguments = _pool_geometry(kernel, as_image(source))
    weights = kernel.scale / kernel.divisors(source)  # of each target pixel
    return f"bionet::Pooling<{{T}}, {arguments}, {{graded}}, {{sign}}>", weights, None


def _pool_geometry(kernel: AveragePool2d | MaxPool2d, source: tuple[int, ...]) -> str:
    stride = kernel.stride or kernel.kernel
    numbers = (*source, *kernel.target_shape(source)[1:], *kernel.kernel, *stride, *kernel.padding)
    return ", ".join(str(n) for n in numbers)


def _pack_max_pool(
    kernel: MaxPool2d, source: tuple[int, ...], target: tuple[int, ...], dtype: np.dtype
) -> tuple[str, np.ndarray, None]:
    arguments = _pool_geometry(kernel, as_image(source))
    count = "true" if kernel.rule == "count" else "false"
    cpp = f"bionet::MaxPooling<{{T}}, {arguments}, {count}, {{graded}}, {{sign}}>"
    return cpp, np.array([kernel.weight]), None


def _pack_largest(
    kernel: Largest, source: tuple[int, ...], target: tuple[int, ...], dtype: np.dtype
) -> tuple[str, np.ndarray, None]:
    n = int(np.prod(source))
    return f"bionet::Largest<{{T}}, {n}, {{graded}}, {{sign}}>", np.array([kernel.weight]), None


def _pack_one_to_one(
    kernel: OneToOne, source: tuple[int, ...], target: tuple[int, ...], dtype: np.dtype
) -> tuple[str, np.ndarray, None]:
    n = int(np.prod(source))
    weights = np.broadcast_to(np.asarray(kernel.weight, dtype=np.float64), source)
    if source != target:  # the same number of units under another shape
        order = to_channel_last(np.arange(n).reshape(target), target)
        if not np.array_equal(order, torch_index(source)):
            raise InputError(f"OneToOne between shapes {source} and {target} would permute units")
    return (
        f"bionet::OneToOne<{{T}}, {n}, {{graded}}, {{sign}}>",
        to_channel_last(weights, source),
        None,
    )


def channel_last_rows(
    kernel: Sparse, source: tuple[int, ...], target: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets, targets and weights of a sparse kernel between units in channel-last order."""
    order = torch_index(source)
    where = np.argsort(torch_index(target))
    lengths = np.diff(kernel.offsets)[order]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    # Connection numbers, source unit by source unit in the new order.
    old = np.arange(offsets[-1]) + np.repeat(kernel.offsets[:-1][order] - offsets[:-1], lengths)
    targets = where[kernel.targets[old]]
    by_target = np.lexsort((targets, np.repeat(np.arange(order.size), lengths)))
    return offsets, targets[by_target], kernel.weights[old][by_target]


def _pack_sparse(
    kernel: Sparse, source: tuple[int, ...], target: tuple[int, ...], dtype: np.dtype
) -> tuple[str, np.ndarray, np.ndarray]:
    offsets, targets, weights = channel_last_rows(kernel, source, target)
    numbers = f"{int(np.prod(source))}, {int(np.prod(target))}"
    table = np.concatenate([offsets, targets]).astype(np.int32)
    return f"bionet::Sparse<{{T}}, {numbers}, {{graded}}, {{sign}}>", weights, table


PACKERS: dict[type[Kernel], Callable[..., tuple[str, np.ndarray, np.ndarray | None]]] = {
    Dense: _pack_dense,
    Conv2d: _pack_conv,
    AveragePool2d: _pack_pool,
    MaxPool2d: _pack_max_pool,
    Largest: _pack_largest,
    OneToOne: _pack_one_to_one,
    Sparse: _pack_sparse,
}
