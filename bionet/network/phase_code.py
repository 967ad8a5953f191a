"""The code of method ``phase``: spikes weighted by their phase within a period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bionet.errors import InputError
from bionet.network.code import Code

if TYPE_CHECKING:
    from bionet.network.spiking_network import SpikingNetwork

__all__ = ["PhaseCode"]


@dataclass(frozen=True)
class PhaseCode(Code):
    """A spike in step p of a period of K steps has the weight 2^-(1 + p).

    Sums of sizes are rates all the same, K times as small as a period's.

    Parameters
    ----------
    period : int
        K.

    Raises
    ------
    InputError
        If it is no whole number of steps.
    """

    period: int
    kind: ClassVar[str] = "phase"
    rates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.period, bool) or self.period < 1 or self.period != int(self.period):
            raise InputError(f"PhaseCode.period must be a whole number >= 1, but is {self.period}")

    def check_simulation(
        self, snn: SpikingNetwork, steps: int, dt: float, coding: str, dtype: str | None
    ) -> None:
        """See :meth:`Code.check_simulation`: whole periods of its own coding."""
        if coding != snn.coding:
            raise InputError(
                f"the phases of this network begin with those of its input, so its coding is"
                f" {snn.coding!r}, not {coding!r}; leave coding out"
            )
        if steps % self.period:
            raise InputError(
                f"the presentation of {steps} steps is no whole number of periods of"
                f" {self.period}; make it a multiple of them"
            )

    def shared_parameters(self, snn: SpikingNetwork) -> dict[str, Any]:
        """What a pixel of 1 delivers in a step on average; see :meth:`Code.shared_parameters`."""
        return {"mean_input": 1.0 / self.period}

    def input_arguments(self) -> dict[str, Any]:
        """The period; see :meth:`Code.input_arguments`."""
        return {"period": float(self.period)}
