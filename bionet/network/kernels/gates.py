"""Gates: what a spike does through them depends on who else spiked how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network.kernel_base import on_images
from bionet.network.kernels.pooling import Pooling
from bionet.network.kernels.table import entered
from bionet.network.kernels.unit_to_unit import UnitToUnit

if TYPE_CHECKING:
    import torch

__all__ = ["GATES", "Largest", "MaxPool2d"]


@typed
@entered
@dataclass(frozen=True, eq=False)
class MaxPool2d(Pooling):
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

    estimate: str = "r"
    weight: float = 1.0
    rule: str = "gate"
    kind: ClassVar[str] = "max_pool2d"
    linear: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rule not in ("gate", "count"):
            raise InputError(f"MaxPool2d.rule is 'gate' or 'count', but got {self.rule!r}")
        if not np.isfinite(self.weight):
            raise InputError(f"MaxPool2d.weight must be finite, but is {self.weight}")

    def mapped(self, values: torch.Tensor) -> torch.Tensor:
        """The largest of each pool; see :meth:`Kernel.mapped`."""
        from torch.nn import functional as F

        pool = (self.kernel, self.stride, self.padding, 1, self.ceil_mode)
        return on_images(lambda images: F.max_pool2d(images, *pool), values) * self.weight


@typed
@entered
@dataclass(frozen=True, eq=False)
class Largest(UnitToUnit):
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
    linear: ClassVar[bool] = False
    rule: ClassVar[str] = "gate"

    def mapped(self, values: torch.Tensor) -> torch.Tensor:
        """Refused: what passes is no function of one set of values."""
        raise TypeError("the kernel Largest is not a linear one")


GATES = (MaxPool2d, Largest)
"""Kernels that choose among their inputs instead of adding them."""
