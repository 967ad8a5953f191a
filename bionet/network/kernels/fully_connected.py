"""Fully connected layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network.kernel_base import Kernel, weight_array
from bionet.network.kernels.table import entered

if TYPE_CHECKING:
    import torch

__all__ = ["Dense"]


@typed
@entered
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
    layered: ClassVar[bool] = True
    any_shape: ClassVar[bool] = True

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

    def fan_out(self, source: tuple[int, ...]) -> np.ndarray:
        """Synapses that leave each unit; see :meth:`Kernel.fan_out`."""
        return np.full(source, self.weights.shape[0], dtype=np.int64)

    def mapped(self, values: torch.Tensor) -> torch.Tensor:
        """The map of values; see :meth:`Kernel.mapped`."""
        import torch
        from torch.nn import functional as F

        # A copy: torch warns of arrays that it could write to and must not.
        weights = torch.tensor(np.asarray(self.weights), dtype=values.dtype)
        return F.linear(values.flatten(1), weights)

    def times(self, factors: np.ndarray) -> Dense:
        """Weights times factors of the targets; see :meth:`Kernel.times`."""
        return Dense(np.asarray(self.weights, np.float64) * factors.reshape(-1, 1))

    def signs(self) -> tuple[np.ndarray, np.ndarray]:
        """Signs that leave each unit; see :meth:`Kernel.signs`."""
        weights = np.asarray(self.weights)
        return weights.max(axis=0) > 0, weights.min(axis=0) < 0

    def cut(self, targets: slice, sources: slice, source: tuple[int, ...]) -> Dense:
        """Between some units and others; see :meth:`Kernel.cut`."""
        each = int(np.prod(source[1:]))
        return Dense(self.weights[targets, sources.start * each : sources.stop * each])

    def in_words(self) -> str:
        """See :meth:`Kernel.in_words`."""
        return "all to all"
