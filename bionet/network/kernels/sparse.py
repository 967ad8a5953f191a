"""Any linear map of units, connection by connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network.kernel_base import Kernel, weight_array
from bionet.network.kernels.table import entered

if TYPE_CHECKING:
    import torch

__all__ = ["Sparse"]


@typed
@entered
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

    def fan_out(self, source: tuple[int, ...]) -> np.ndarray:
        """Synapses that leave each unit; see :meth:`Kernel.fan_out`."""
        return np.diff(self.offsets).reshape(source)

    def as_sparse(self, source: tuple[int, ...]) -> Sparse:
        """Itself; see :meth:`Kernel.as_sparse`."""
        return self

    def mapped(self, values: torch.Tensor) -> torch.Tensor:
        """The map of values, summed in float64; see :meth:`Kernel.mapped`."""
        import torch

        units = values.double().numpy().reshape(len(values), -1)
        passed = np.asarray((self.matrix() @ units.T).T).reshape(len(values), *self.shape)
        return torch.from_numpy(passed).to(values.dtype)

    def signs(self) -> tuple[np.ndarray, np.ndarray]:
        """Signs that leave each unit; see :meth:`Kernel.signs`."""
        n = len(self.offsets) - 1
        sources = np.repeat(np.arange(n), np.diff(self.offsets))
        positive, negative = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        positive[sources[self.weights > 0]] = True
        negative[sources[self.weights < 0]] = True
        return positive, negative

    def in_words(self) -> str:
        """See :meth:`Kernel.in_words`."""
        return "a linear map of units"
