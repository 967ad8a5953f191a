"""Unit to unit."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network.kernel_base import weight_array
from bionet.network.kernels.table import entered
from bionet.network.kernels.unit_to_unit import UnitToUnit

if TYPE_CHECKING:
    import torch

__all__ = ["OneToOne"]


@typed
@entered
@dataclass(frozen=True, eq=False)
class OneToOne(UnitToUnit):
    """Unit i of the source projects to unit i of the target.

    Parameters
    ----------
    weight : float or array of the source's shape
    """

    weight: Any = 1.0
    kind: ClassVar[str] = "one_to_one"
    pointwise: ClassVar[bool] = True
    channelwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if np.ndim(self.weight) or not isinstance(self.weight, numbers.Real):
            array = np.asarray(self.weight)
            object.__setattr__(self, "weight", weight_array(array, array.ndim, "OneToOne.weight"))
        elif not math.isfinite(self.weight):
            raise InputError(f"OneToOne.weight must be finite, but is {self.weight!r}")

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population; see :meth:`Kernel.target_shape`."""
        if isinstance(self.weight, np.ndarray) and self.weight.size not in (1, np.prod(source)):
            raise InputError(
                f"OneToOne.weight has shape {self.weight.shape}, but the source has {source}"
            )
        return source

    def mapped(self, values: torch.Tensor) -> torch.Tensor:
        """The map of values; see :meth:`Kernel.mapped`."""
        import torch

        weight = torch.tensor(np.asarray(self.weight), dtype=values.dtype)
        return values * (weight.reshape(values.shape[1:]) if weight.numel() > 1 else weight)

    def weight_values(self) -> np.ndarray:
        """One weight, or one of each unit; see :meth:`Kernel.weight_values`."""
        return np.asarray(self.weight, dtype=np.float64)

    def times(self, factors: np.ndarray) -> OneToOne:
        """Weights times factors of the targets; see :meth:`Kernel.times`."""
        return OneToOne(self.weight_values() * factors)

    def signs(self) -> tuple[np.ndarray, np.ndarray]:
        """Signs that leave each unit; see :meth:`Kernel.signs`."""
        weights = self.weight_values().reshape(-1)
        return np.asarray(weights > 0), np.asarray(weights < 0)

    def channels(self, part: slice) -> OneToOne:
        """The weights of some channels; see :meth:`Kernel.channels`."""
        return OneToOne(np.asarray(self.weight)[part]) if np.ndim(self.weight) else self

    def in_words(self) -> str:
        """See :meth:`Kernel.in_words`."""
        return "one to one"
