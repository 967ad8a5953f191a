"""How a network is to be simulated where nobody says otherwise: what its conversion decided.

Plain numbers in seconds and hertz, so that a description needs no Brian2.

==============  =====  ====================================================================
field           unit   meaning
==============  =====  ====================================================================
``duration``    s      length of a presentation
``dt``          s      simulation step
``max_rate``    Hz     firing rate of an input of value 1, in a spiking coding
``gain``        1      amplitude of an input spike that thresholds and drives are made for
``stop``        steps  step of a presentation at which a spiking input falls silent
==============  =====  ====================================================================
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from bionet.errors import InputError

__all__ = ["DTYPES", "Simulation"]

DTYPES = ("float32", "float64")
POSITIVE = ("duration", "dt", "max_rate", "gain", "stop")


@dataclass(frozen=True)
class Simulation:
    """A network's own defaults of a simulation; None leaves the choice to the simulation.

    Parameters
    ----------
    duration, dt : float, optional
        Length of a presentation and simulation step, in seconds.
    dtype : {"float32", "float64"}, optional
        Precision that the thresholds are for.
    max_rate : float, optional
        Firing rate of an input of value 1, in Hz.
    gain : float, optional
        Amplitude of an input spike. Without it a spike's amplitude is such that the mean input
        does not depend on the rate.
    stop : float, optional
        Step at which a spiking input falls silent; never where it is not given.
    pipelined : bool
        Whether the next image enters a layer as soon as this one has left it.
    signed_input : bool
        Whether pixels from -1 on may be coded as spikes, of negative amplitude below 0.
    largest_input : float, optional
        Largest size of a pixel that may be coded as spikes; 1 where it is not given.

    Raises
    ------
    InputError
        If a value has the wrong kind or is out of range.
    """

    duration: float | None = None
    dt: float | None = None
    dtype: str | None = None
    max_rate: float | None = None
    gain: float | None = None
    stop: float | None = None
    pipelined: bool = False
    signed_input: bool = False
    largest_input: float | None = None

    def __post_init__(self) -> None:
        for name in POSITIVE:
            value = getattr(self, name)
            if value is None:
                continue
            # A Quantity is no plain number, though float() would take it.
            plain = isinstance(value, numbers.Real) and not hasattr(value, "dim")
            if not plain or isinstance(value, bool) or not (value > 0 and math.isfinite(value)):
                raise InputError(
                    f"Simulation.{name} must be a plain number > 0, but is {value!r}; times are in"
                    " seconds and rates in hertz, such as float(50*ms)"
                )
            object.__setattr__(self, name, float(value))
        if self.dtype is not None and self.dtype not in DTYPES:
            raise InputError(f"Simulation.dtype is one of {DTYPES}, but is {self.dtype!r}")
        for name in ("pipelined", "signed_input"):
            if not isinstance(getattr(self, name), bool):
                value = getattr(self, name)
                raise InputError(f"Simulation.{name} is True or False, but is {value!r}")

    def to_dict(self) -> dict[str, Any]:
        """The fields that say something, as plain JSON."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, False)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Simulation:
        """The inverse of :meth:`to_dict`; an unknown field is refused."""
        if unknown := sorted(set(plain) - {f.name for f in fields(cls)}):
            raise InputError(f"Simulation has no field {unknown[0]!r}")
        return cls(**plain)
