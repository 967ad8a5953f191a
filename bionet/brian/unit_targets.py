"""The targets and weights of single units, straight from a kernel's definition.

Row by row this is the slow and obvious form of every kernel, against which the compiled loops are
tested. The NumPy device adds the same numbers in the same order, several at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from bionet.brian.channel_last import channel_last_rows, to_channel_last
from bionet.errors import InputError
from bionet.network.kernel_base import as_image
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

__all__ = ["Targets"]

Row = tuple[np.ndarray, np.ndarray]
CACHE_BYTES = 2**28  # of the rows of one kernel; those of a wide layer are made anew


class Targets:
    """Targets and weights of each source unit of a kernel.

    Parameters
    ----------
    kernel : Kernel
    source, target : tuple of int
        Shapes in PyTorch's order.
    dtype : str or dtype
        Type of the weights.
    factor : float
        Multiplies every weight: a projection's gain in SI units.
    """

    def __init__(
        self,
        kernel: Kernel,
        source: tuple[int, ...],
        target: tuple[int, ...],
        dtype: Any,
        factor: float = 1.0,
    ) -> None:
        kernel = kernel.in_loops(source)
        self.factor = factor
        self.kernel, self.source, self.target = kernel, source, target
        self.dtype = np.dtype(dtype)
        self._rows: dict[int, Row] = {}
        self._held = 0
        self._csr: tuple[np.ndarray, ...] | None = None
        self._blocks: dict[int, tuple[tuple[int, ...], Any, np.ndarray]] = {}
        self._pools: dict[int, np.ndarray] = {}
        if type(kernel) not in ROWS:
            raise InputError(f"the kernel {type(kernel).__name__} is not known to SharedSynapses")
        self._row = ROWS[type(kernel)](kernel, source, target)

    def __getitem__(self, unit: int) -> Row:
        """Channel-last targets (each once) and weights of a channel-last source unit."""
        if unit not in self._rows:
            where, weights = self._row(unit)
            if self.factor != 1:
                weights = np.asarray(weights, dtype=np.float64) * self.factor
            self._rows[unit] = where, np.ascontiguousarray(weights, dtype=self.dtype)
        return self._rows[unit]

    @property
    def few(self) -> bool:
        """Whether a unit has few targets, so that all spikes of a step are added in one call."""
        return self.kernel.linear and not self.kernel.layered

    def add_few(
        self, lanes: np.ndarray, units: np.ndarray, sizes: np.ndarray | None, target: np.ndarray
    ) -> None:
        """Add the rows of many spikes to ``target`` (lanes * n_target,), in their order.

        Parameters
        ----------
        lanes, units : int array (n_spikes,)
        sizes : array (n_spikes,) or None
        target : array
        """
        if self._csr is None:
            rows = [self[unit] for unit in range(int(np.prod(self.source)))]
            offsets = np.concatenate([[0], np.cumsum([len(where) for where, _ in rows])])
            self._csr = (offsets, *(np.concatenate(part) for part in zip(*rows, strict=True)))
        offsets, where, weights = self._csr
        first, n = offsets[units], np.diff(offsets)[units]
        entry = np.arange(n.sum()) + np.repeat(first - (np.cumsum(n) - n), n)
        effect = weights[entry] if sizes is None else weights[entry] * np.repeat(sizes, n)
        # ``add.at`` goes through its indices one after another.
        np.add.at(target, np.repeat(lanes * int(np.prod(self.target)), n) + where[entry], effect)

    def add(self, unit: int, size: Any, lane: np.ndarray) -> None:
        """Add a unit's row to one lane of the target; each target is met once, so in any order."""
        block = self._blocks.get(unit)
        if block is None:
            block = self._block(unit)
            self._rows.pop(unit, None)
            if self._held < CACHE_BYTES:
                self._blocks[unit] = block
                self._held += block[2].nbytes
        image, part, weights = block
        lane.reshape(image)[part] += weights if size is None else weights * size

    def _block(self, unit: int) -> tuple[tuple[int, ...], Any, np.ndarray]:
        """Shape of a lane, a part of it, and the weights there: a rectangle where it is one."""
        where, weights = self[unit]
        n_target = int(np.prod(self.target))
        if len(where) == n_target:
            return (n_target,), slice(None), weights
        if self.kernel.window() is not None and len(where):
            channels = self.target[0]
            width = as_image(self.target)[2]
            pixel, channel = np.divmod(where, channels)
            y, x = np.divmod(pixel, width)
            part = tuple(slice(int(a.min()), int(a.max()) + 1) for a in (y, x, channel))
            shape = tuple(s.stop - s.start for s in part)
            if int(np.prod(shape)) == len(where):  # every place of the rectangle, so once each
                block = np.empty(shape, dtype=weights.dtype)
                block[tuple(a - s.start for a, s in zip((y, x, channel), part, strict=True))] = (
                    weights
                )
                return (n_target // (width * channels), width, channels), part, block
        return (n_target,), where, weights

    def pool(self, target: int) -> np.ndarray:
        """Channel-last source units, ascending, that compete for a channel-last target unit."""
        if self.kernel.window() is None:  # one pool of all
            return np.arange(int(np.prod(self.source)))
        pixel, channel = divmod(target, self.source[0])
        if pixel not in self._pools:
            table = self._table
            self._pools[pixel] = np.sort(table[table[:, 1] == pixel, 0])
        return self._pools[pixel] * self.source[0] + channel

    @functools.cached_property
    def _table(self) -> np.ndarray:
        return _table(self.kernel, self.source)


def _table(kernel: Any, source: tuple[int, ...]) -> np.ndarray:
    """Rows (source pixel, target pixel, tap) of a kernel that slides a window."""
    image = as_image(source)
    table: np.ndarray = kernel.window().connections(image, kernel.target_shape(image))
    return table


def _of_window(
    kernel: Any, source: tuple[int, ...], row: Callable[[int, np.ndarray, np.ndarray], Row]
) -> Callable[[int], Row]:
    """Rows of a unit from its channel, the target pixels and the taps of its pixel."""
    table = _table(kernel, source)
    offsets = np.searchsorted(table[:, 0], np.arange(int(np.prod(source[1:])) + 1))

    def of_unit(unit: int) -> Row:
        pixel, channel = divmod(unit, source[0])
        pixels, taps = table[offsets[pixel] : offsets[pixel + 1], 1:].T
        return row(channel, pixels, taps)

    return of_unit


def _dense_rows(
    kernel: Dense, source: tuple[int, ...], target: tuple[int, ...]
) -> Callable[[int], Row]:
    by_source = to_channel_last(kernel.weights.reshape(kernel.weights.shape[0], *source), source).T
    columns = to_channel_last(by_source.reshape(-1, *target), target)
    return lambda unit: (np.arange(columns.shape[1]), columns[unit])


def _convolution_rows(
    kernel: Conv2d, source: tuple[int, ...], target: tuple[int, ...]
) -> Callable[[int], Row]:
    n_out = kernel.weights.shape[0]
    per_group = n_out // kernel.groups
    all_taps = kernel.weights.reshape(*kernel.weights.shape[:2], -1)

    def row(channel: int, pixels: np.ndarray, taps: np.ndarray) -> Row:
        group, local = divmod(channel, source[0] // kernel.groups)
        outs = np.arange(per_group) + group * per_group
        weights = all_taps[outs, local][:, taps].T
        return (pixels[:, None] * n_out + outs).reshape(-1), weights.reshape(-1)

    return _of_window(kernel, source, row)


def _average_rows(
    kernel: AveragePool2d, source: tuple[int, ...], target: tuple[int, ...]
) -> Callable[[int], Row]:
    weights = (kernel.scale / kernel.divisors(source)).reshape(-1)

    def row(channel: int, pixels: np.ndarray, taps: np.ndarray) -> Row:
        return pixels * source[0] + channel, weights[pixels]

    return _of_window(kernel, source, row)


def _maximum_rows(
    kernel: MaxPool2d, source: tuple[int, ...], target: tuple[int, ...]
) -> Callable[[int], Row]:
    def row(channel: int, pixels: np.ndarray, taps: np.ndarray) -> Row:
        return pixels * source[0] + channel, np.full(len(pixels), kernel.weight)

    return _of_window(kernel, source, row)


def _largest_rows(
    kernel: Largest, source: tuple[int, ...], target: tuple[int, ...]
) -> Callable[[int], Row]:
    return lambda unit: (np.array([unit]), np.array([kernel.weight]))


def _one_to_one_rows(
    kernel: OneToOne, source: tuple[int, ...], target: tuple[int, ...]
) -> Callable[[int], Row]:
    weights = to_channel_last(np.broadcast_to(kernel.weight_values(), source), source)
    return lambda unit: (np.array([unit]), weights[unit : unit + 1])


def _sparse_rows(
    kernel: Sparse, source: tuple[int, ...], target: tuple[int, ...]
) -> Callable[[int], Row]:
    offsets, targets, weights = channel_last_rows(kernel, source, target)

    def of_unit(unit: int) -> Row:
        row = slice(offsets[unit], offsets[unit + 1])
        return targets[row], weights[row]

    return of_unit


ROWS: dict[type[Kernel], Callable[..., Callable[[int], Row]]] = {
    Dense: _dense_rows,
    Conv2d: _convolution_rows,
    AveragePool2d: _average_rows,
    MaxPool2d: _maximum_rows,
    Largest: _largest_rows,
    OneToOne: _one_to_one_rows,
    Sparse: _sparse_rows,
}
