"""The targets and weights of single units, straight from a kernel's definition.

Row by row this is the slow and obvious form of every kernel, against which the compiled loops are
tested. The NumPy device adds the same numbers in the same order, several at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bionet.brian.channel_last import channel_last_rows, to_channel_last, torch_index
from bionet.errors import InputError
from bionet.network.connections import connections
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
        if isinstance(kernel, (Conv2d, AveragePool2d, MaxPool2d)):
            _, rows, columns = as_image(source)
            _, height, width = kernel.target_shape(as_image(source))
            table = connections(source, (height, width), kernel)
            offsets = np.searchsorted(table[:, 0], np.arange(rows * columns + 1))
            self._table, self._offsets = table[:, 1:], offsets
        elif isinstance(kernel, Dense):
            weights = to_channel_last(
                kernel.weights.reshape(kernel.weights.shape[0], *source), source
            ).T
            self._columns = to_channel_last(weights.reshape(-1, *target), target)
        elif isinstance(kernel, Sparse):
            self._sparse = channel_last_rows(kernel, source, target)
        elif not isinstance(kernel, OneToOne | Largest):
            raise InputError(f"the kernel {type(kernel).__name__} is not known to SharedSynapses")

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
        return isinstance(self.kernel, (AveragePool2d, OneToOne, Sparse))

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
        if isinstance(self.kernel, Dense):
            return (n_target,), slice(None), weights
        if isinstance(self.kernel, Conv2d) and len(where):
            channels = self.kernel.weights.shape[0]
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
        if isinstance(self.kernel, Largest):
            return np.arange(int(np.prod(self.source)))
        pixel, channel = divmod(target, self.source[0])
        if pixel not in self._pools:
            rows = np.flatnonzero(self._table[:, 0] == pixel)
            self._pools[pixel] = np.searchsorted(self._offsets, rows, side="right") - 1
        return self._pools[pixel] * self.source[0] + channel

    def _row(self, unit: int) -> Row:
        kernel = self.kernel
        if isinstance(kernel, Dense):
            return np.arange(self._columns.shape[1]), self._columns[unit]
        if isinstance(kernel, Largest):
            return np.array([unit]), np.array([kernel.weight])
        if isinstance(kernel, OneToOne):
            weight = np.broadcast_to(np.asarray(kernel.weight, dtype=np.float64), self.source)
            return np.array([unit]), weight.reshape(-1)[torch_index(self.source)[unit : unit + 1]]
        if isinstance(kernel, Sparse):
            offsets, targets, weights = self._sparse
            row = slice(offsets[unit], offsets[unit + 1])
            return targets[row], weights[row]
        pixel, channel = divmod(unit, self.source[0])
        part = slice(self._offsets[pixel], self._offsets[pixel + 1])
        pixels, taps = self._table[part].T
        if isinstance(kernel, MaxPool2d):
            return pixels * self.source[0] + channel, np.full(len(pixels), kernel.weight)
        if isinstance(kernel, AveragePool2d):
            weights = (kernel.scale / kernel.divisors(self.source)).reshape(-1)[pixels]
            return pixels * self.source[0] + channel, weights
        if not isinstance(kernel, Conv2d):  # ruled out when made
            raise TypeError(type(kernel).__name__)
        per_group = kernel.weights.shape[0] // kernel.groups
        group, local = divmod(channel, self.source[0] // kernel.groups)
        outs = np.arange(per_group) + group * per_group
        all_taps = kernel.weights.reshape(*kernel.weights.shape[:2], -1)
        weights = all_taps[outs, local][:, taps].T
        return (pixels[:, None] * kernel.weights.shape[0] + outs).reshape(-1), weights.reshape(-1)
