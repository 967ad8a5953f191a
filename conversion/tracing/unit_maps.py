r"""The matrix of an affine operation, found by applying it to units.

A concatenation, a slice, a shuffle, a padding, an upsampling, a transposed convolution: each is

.. math:: y = \sum_k M_k x_k + c

with a sparse matrix for each input. Instead of one formula for each of PyTorch's operations, the
operation itself is asked, at the shape it has in the network:

1. Is it affine? :math:`f(x + y) + f(0) = f(x) + f(y)` and :math:`f(-s x) - f(0) = -s (f(x) - f(0))`
   for random x, y and a large s.
2. Does it scale units? Then :math:`f(1) - f(0)` is the diagonal.
3. Does it choose units? Then :math:`f(1, 2, 3, \dots) - f(0)` are the numbers of the chosen ones.
4. Does it treat all channels alike? Then one unit of every channel is asked at a time: as many
   applications as a channel has units, divided by the channels.
5. Else one unit at a time, where there are few.

What was found must give what the operation gives for random values, or it is not taken.

=======  ==========================  =====================================
symbol   shape                       meaning
=======  ==========================  =====================================
x_k      (units of input k,)         the operation's inputs
M_k      (n_target, n_source)        rows and columns in PyTorch's order
c        (n_target,)                 what it gives for zeros
=======  ==========================  =====================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse

__all__ = ["MAX_CONNECTIONS", "Apply", "BatchMixedError", "UnitMaps", "unit_maps"]

# Applies an operation to a tensor (n, *source shape) for each of its inputs.
Apply = Callable[[Sequence[torch.Tensor]], Any]
UnitMaps = tuple[tuple[Any, ...], np.ndarray]  # csr_arrays, one for each input; and c

Shape = tuple[int, ...]

MAX_CONNECTIONS = 2 * 10**8
AT_ONCE = 2**22  # values of a probe held in memory
TOLERANCE = 1e-9


def unit_maps(apply: Apply, sources: Sequence[Shape], target: Shape) -> UnitMaps | None:
    """The matrices and the constant of an affine operation; None if it is none.

    Parameters
    ----------
    apply : callable
        The operation, on float64 tensors (n, *source shape).
    sources : sequence of tuple of int
        Shapes of its inputs.
    target : tuple of int
        Shape of its output.

    Raises
    ------
    BatchMixedError
        If the first dimension of its output is not that of the batch.

    Returns
    -------
    (tuple of csr_array (n_target, n_source), array (n_target,)) or None
    """
    try:
        probe = Probe(apply, sources, target)
    except BatchMixedError:
        raise
    except Exception:  # whatever torch says of float64 zeros: no operation of this kind takes them
        return None
    if not probe.is_affine():
        return None
    for find in (scaled_units, chosen_units, alike_channels, unit_by_unit):
        maps = tuple(find(probe, k) for k in range(len(sources)))
        if all(m is not None for m in maps) and probe.agrees(maps):
            return maps, probe.constant
    mixed = []  # a cat of an upsampling and a slice: each input in its own way
    for k in range(len(sources)):
        tried = (find(probe, k) for find in (scaled_units, chosen_units, alike_channels))
        fitting = next((m for m in tried if m is not None and probe.agrees_alone(m, k)), None)
        mixed.append(unit_by_unit(probe, k) if fitting is None else fitting)
    if any(m is None for m in mixed) or not probe.agrees(mixed):
        return None
    return tuple(mixed), probe.constant


class BatchMixedError(Exception):
    """An operation moves, joins or drops the dimension of the batch."""


class Probe:
    """An operation that is asked for what it makes of given units."""

    def __init__(self, apply: Apply, sources: Sequence[Shape], target: Shape) -> None:
        self.apply, self.sources, self.target = apply, sources, target
        self.n_target = int(np.prod(target))
        self.random = torch.Generator().manual_seed(0)
        self.constant = self([torch.zeros(1, *s, dtype=torch.float64) for s in sources])[0]

    def __call__(self, values: Sequence[torch.Tensor]) -> np.ndarray:
        """Array (n, n_target) of the operation on a tensor (n, *source shape) for each input."""
        with torch.no_grad():
            # A copy: the operation may work in place.
            result = self.apply([v.clone() for v in values])
        if isinstance(result, torch.Tensor) and result.is_complex():
            raise TypeError("complex values")
        if not isinstance(result, torch.Tensor) or result.shape != (len(values[0]), *self.target):
            raise BatchMixedError("the operation does not keep the images of a batch apart")
        return np.asarray(result.double().reshape(len(values[0]), -1).numpy())

    def alone(self, k: int, values: torch.Tensor) -> np.ndarray:
        """What one input adds, the others being 0."""
        n = len(values)
        zeros = [torch.zeros(n, *s, dtype=torch.float64) for s in self.sources]
        return self([values if i == k else z for i, z in enumerate(zeros)]) - self.constant

    def normal(self, n: int, k: int) -> torch.Tensor:
        """Random values of an input."""
        size = (n, *self.sources[k])
        return torch.randn(*size, generator=self.random, dtype=torch.float64)

    def is_affine(self) -> bool:
        """Whether sums and multiples stay what they are, and images do not see each other."""
        inputs = range(len(self.sources))
        x, y = ([self.normal(1, k) for k in inputs] for _ in "xy")
        s = 1e4
        try:
            parts = self([torch.cat([a, b, a + b, -s * a]) for a, b in zip(x, y, strict=True)])
            single = self(x)[0]
        except Exception:  # whatever torch says: it is then no operation of this kind
            return False
        a, b, both, many = parts - self.constant
        size = np.abs(parts[:3]).max() + np.abs(self.constant).max() + 1e-300
        if not np.isfinite(size):
            return False
        return bool(
            np.abs(a + b - both).max() <= TOLERANCE * size
            and np.abs(many + s * a).max() <= TOLERANCE * size * s
            and np.abs(parts[0] - single).max() <= TOLERANCE * size
        )

    def agrees(self, maps: Sequence[Any]) -> bool:
        """Whether matrices give what the operation gives."""
        values = [self.normal(2, k) for k in range(len(maps))]
        expected = self(values) - self.constant
        flat = [v.reshape(2, -1).numpy().T for v in values]
        made = sum(m @ v for m, v in zip(maps, flat, strict=True)).T
        return bool(np.abs(made - expected).max() <= TOLERANCE * (np.abs(expected).max() + 1e-300))

    def agrees_alone(self, matrix: Any, k: int) -> bool:
        """The same of one input's matrix."""
        values = self.normal(1, k)
        expected = self.alone(k, values)[0]
        made = matrix @ values.reshape(-1).numpy()
        return bool(np.abs(made - expected).max() <= TOLERANCE * (np.abs(expected).max() + 1e-300))


def scaled_units(probe: Probe, k: int) -> Any:
    """Unit i to unit i, each with its factor."""
    if probe.sources[k] != probe.target:
        return None
    ones = torch.ones(1, *probe.target, dtype=torch.float64)
    return sparse.diags_array(probe.alone(k, ones)[0]).tocsr()


def chosen_units(probe: Probe, k: int) -> Any:
    """Each target unit is one source unit, or nothing."""
    n_source = int(np.prod(probe.sources[k]))
    numbers = torch.arange(1, n_source + 1, dtype=torch.float64).reshape(1, *probe.sources[k])
    values = probe.alone(k, numbers)[0]
    sources = np.rint(values).astype(np.int64)
    if sources.min() < 0 or sources.max() > n_source or np.abs(values - sources).max() > 1e-3:
        return None
    rows = np.flatnonzero(sources)
    return sparse.csr_array(
        (np.ones(len(rows)), (rows, sources[rows] - 1)), shape=(probe.n_target, n_source)
    )


def alike_channels(probe: Probe, k: int) -> Any:
    """Every channel to the same channel, by one matrix: one unit of each channel at a time."""
    source, target = probe.sources[k], probe.target
    if len(source) < 2 or source[0] != target[0]:
        return None
    channels, n, m = source[0], int(np.prod(source[1:])), probe.n_target // source[0]
    rows, columns, weights = [], [], []
    for start, stop in _parts(n, channels * AT_ONCE // (channels * max(n, m))):
        units = np.arange(start, stop)
        image, channel = (units - start) // channels, (units - start) % channels
        values = torch.zeros(int(image[-1]) + 1, channels, n, dtype=torch.float64)
        values[image, channel, units] = 1
        made = probe.alone(k, values.reshape(-1, *source)).reshape(-1, channels, m)
        of_unit = made[image, channel]
        which, where = np.nonzero(of_unit)
        rows.append(where)
        columns.append(units[which])
        weights.append(of_unit[which, where])
    matrix = sparse.csr_array(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(m, n)
    )
    if matrix.nnz * channels > MAX_CONNECTIONS:
        return None
    return sparse.csr_array(sparse.kron(sparse.eye_array(channels), matrix, format="csr"))


def unit_by_unit(probe: Probe, k: int) -> Any:
    """One source unit at a time."""
    n_source = int(np.prod(probe.sources[k]))
    if n_source * probe.n_target > MAX_CONNECTIONS:
        return None
    columns = []
    for start, stop in _parts(n_source, AT_ONCE // max(n_source, probe.n_target)):
        values = torch.zeros(stop - start, n_source, dtype=torch.float64)
        values[torch.arange(stop - start), torch.arange(start, stop)] = 1
        made = probe.alone(k, values.reshape(-1, *probe.sources[k]))
        columns.append(sparse.csr_array(made))
    return sparse.csr_array(sparse.vstack(columns).T)


def _parts(n: int, size: int) -> Iterator[tuple[int, int]]:
    size = max(1, size)
    return ((start, min(start + size, n)) for start in range(0, n, size))
