"""What kernels from unit to unit share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bionet.network.kernel_base import Kernel

__all__ = ["UnitToUnit"]


@dataclass(frozen=True, eq=False)
class UnitToUnit(Kernel):
    """A kernel whose unit i of the source projects to unit i of the target, and to no other."""

    native: ClassVar[bool] = True

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population; see :meth:`Kernel.target_shape`."""
        return source

    def n_synapses(self, source: tuple[int, ...]) -> int:
        """Number of synapses; see :meth:`Kernel.n_synapses`."""
        return int(np.prod(source))

    def fan_out(self, source: tuple[int, ...]) -> np.ndarray:
        """Synapses that leave each unit; see :meth:`Kernel.fan_out`."""
        return np.ones(source, dtype=np.int64)
