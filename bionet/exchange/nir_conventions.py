"""What a NIR file leaves open, and what the simulator that wrote it meant.

NIR says differential equations. Simulators take steps, and a file does not say how: the length of a
step, the integration, whether a unit fires at its threshold or only above it, what a reset leaves.
A :class:`NirConvention` says it; :data:`WRITERS` holds those of four writers, read from their
code.

============  =======  ===========  ======  ========================================================
writer        step     integration  fires   what its files say differently from NIR, or do not say
============  =======  ===========  ======  ========================================================
nir           0.1 ms   exact        above
snntorch      0.1 ms   Euler        above   a reset by subtraction
spikingjelly  0.1 ms   Euler        from    potentials begin at ``v_reset``
norse         1 s      Euler        above   written with ``to_nir(..., dt=1000)``, a step of 1 ms is
                                            1 s of the file; a spike raises the synaptic current by
                                            ``w_in`` at once; potentials begin at ``v_leak``
sinabs        1 s      exact        from    time is counted in steps; several spikes in a step and
                                            a reset by subtraction
============  =======  ===========  ======  ========================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bionet.errors import InputError

__all__ = ["WRITERS", "NirConvention"]

CHOICES = {
    "integration": ("exact", "euler"),
    "fires": ("above", "from"),
    "reset": ("to", "subtract"),
    "synapse": ("box", "jump"),
    "begins": ("zero", "leak", "reset"),
}


@dataclass(frozen=True)
class NirConvention:
    """How the equations of a NIR file are stepped.

    Parameters
    ----------
    dt : float
        Length of a step in seconds.
    integration : {"exact", "euler"}
        Of a step.
    fires : {"above", "from"}
        Above the threshold, or from it on.
    reset : {"to", "subtract"}
        To ``v_reset``, or by subtracting the threshold.
    synapse : {"box", "jump"}
        Whether a spike drives the synaptic current for one step, or raises it by ``w_in`` at once.
    begins : {"zero", "leak", "reset"}
        Potential at the beginning: 0, ``v_leak`` or ``v_reset``.

    Raises
    ------
    InputError
        If a value is none of these, or the step is not positive.
    """

    dt: float = 1e-4
    integration: str = "exact"
    fires: str = "above"
    reset: str = "to"
    synapse: str = "box"
    begins: str = "zero"

    def __post_init__(self) -> None:
        for name, values in CHOICES.items():
            if getattr(self, name) not in values:
                raise InputError(
                    f"NirConvention.{name} is one of {', '.join(values)},"
                    f" not {getattr(self, name)!r}"
                )
        if not (math.isfinite(self.dt) and self.dt > 0):
            raise InputError(f"NirConvention.dt must be a positive time, but is {self.dt}")


WRITERS: Mapping[str, NirConvention] = MappingProxyType(
    {
        "nir": NirConvention(),
        "snntorch": NirConvention(integration="euler"),
        "spikingjelly": NirConvention(integration="euler", fires="from", begins="reset"),
        "norse": NirConvention(dt=1.0, integration="euler", synapse="jump", begins="leak"),
        "sinabs": NirConvention(dt=1.0, fires="from"),
    }
)
"""Conventions of the simulators that write NIR, by the name that ``writer=`` takes."""
