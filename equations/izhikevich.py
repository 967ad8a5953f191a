r"""Izhikevich's neuron in units: a quadratic onset of spikes and a recovery current.

.. math::

    C \frac{dv}{dt} &= k (v - v_r)(v - v_t) - u + I \\
    \frac{du}{dt} &= a \left(b (v - v_r) - u\right), \qquad
    \text{spike if } v \ge v_{peak}, \qquad v \to c,\ u \to u + d

===========  ============  =============================================
symbol       unit          meaning
===========  ============  =============================================
``v``        volt          membrane potential
``u``        amp           recovery current
``C``        farad         capacitance
``k``        siemens/volt  how sharply a spike sets in
``v_r``      volt          resting potential
``v_t``      volt          threshold at rest
``a``        hertz         rate of the recovery
``b``        siemens       sensitivity of the recovery to v
``c``        volt          potential after a spike
``d``        amp           recovery current that each spike adds
``v_peak``   volt          where a spike is cut off
``I``        amp           constant current
===========  ============  =============================================

References
----------
E. M. Izhikevich: Dynamical systems in neuroscience. MIT Press (2007), Section 8.2: equation and
parameters. The dimensionless form is that of his paper in IEEE Transactions on Neural Networks 14
(2003) 1569-1572.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bionet.equations.expects import quantities
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["IZHIKEVICH_CELLS", "izhikevich"]

# C (pF), k (nS/mV), v_r, v_t (mV), a (kHz), b (nS), c (mV), d (pA), v_peak (mV).
IZHIKEVICH_CELLS = {
    "regular spiking": (100, 0.7, -60, -40, 0.03, -2, -50, 100, 35),
    "intrinsically bursting": (150, 1.2, -75, -45, 0.01, 5, -56, 130, 50),
    "chattering": (50, 1.5, -60, -40, 0.03, 1, -40, 150, 25),
}
UNITS = ("pF", "nS/mV", "mV", "mV", "kHz", "nS", "mV", "pA", "mV")
NAMES = ("C", "k", "v_r", "v_t", "a", "b", "c", "d", "v_peak")


@typed
def izhikevich(cell: str = "regular spiking", **parameters: Quantity) -> NeuronModel:
    """Izhikevich's neuron, in farad, volt, siemens and ampere.

    Parameters
    ----------
    cell : {"regular spiking", "intrinsically bursting", "chattering"}
        Cortical cell whose parameters are the defaults.
    C, k, v_r, v_t, a, b, c, d, v_peak, I : Quantity
        See the table above.

    Raises
    ------
    InputError
        For an unknown cell or parameter, or one of another unit.

    References
    ----------
    Izhikevich 2007, Section 8.2.
    """
    if cell not in IZHIKEVICH_CELLS:
        names = ", ".join(IZHIKEVICH_CELLS)
        raise InputError(f"izhikevich: cell is one of {names}, but got {cell!r}")
    numbers = zip(NAMES, UNITS, IZHIKEVICH_CELLS[cell], strict=True)
    defaults = {name: (value, unit) for name, unit, value in numbers} | {"I": (0, "pA")}
    return NeuronModel(
        name=f"Izhikevich, {cell}",
        equations="""
            dv/dt = (k*(v - v_r)*(v - v_t) - u + I)/C : volt
            du/dt = a*(b*(v - v_r) - u) : amp
            C : farad (constant)
            k : siemens/volt (constant)
            v_r : volt (constant)
            v_t : volt (constant)
            a : Hz (constant)
            b : siemens (constant)
            c : volt (constant)
            d : amp (constant)
            v_peak : volt (constant)
            I : amp (constant)
        """,
        threshold="v >= v_peak",
        reset="v = c\nu += d",
        method="rk2",
        parameters=quantities("izhikevich", defaults, parameters),
        initial={"v": "v_r"},
        resets="to",
        leaks=True,
        source="Izhikevich 2007, Section 8.2",
    )
