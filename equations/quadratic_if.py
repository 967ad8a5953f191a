r"""Quadratic integrate-and-fire neuron: the normal form of neurons that fire at any low rate.

.. math::

    C \frac{dv}{dt} = g_L \frac{(v - E_L)(v - V_T)}{V_T - E_L} + I, \qquad
    \text{spike if } v \ge v_{peak}, \qquad v \to v_{reset}

Below ``V_T`` v returns to rest, above it v runs away; the rheobase is :math:`g_L (V_T - E_L)/4`.
With
:math:`a = g_L/(C (V_T - E_L))`, :math:`m = (E_L + V_T)/2` and
:math:`b^2 = (I/g_L)(V_T - E_L) - (V_T - E_L)^2/4 > 0` the period at a constant current is

.. math::

    T = \frac{1}{a b} \left[\arctan \frac{v_{peak} - m}{b}
        - \arctan \frac{v_{reset} - m}{b}\right]

===========  =======  =======================================
symbol       unit     meaning
===========  =======  =======================================
``v``        volt     membrane potential
``C``        farad    capacitance
``g_L``      siemens  leak conductance
``E_L``      volt     resting potential
``V_T``      volt     potential above which v runs away
``v_peak``   volt     where a spike is cut off
``v_reset``  volt     potential after a spike
``I``        amp      constant current
===========  =======  =======================================

References
----------
P. E. Latham, B. J. Richmond, P. G. Nelson, S. Nirenberg: Intrinsic dynamics in neuronal networks.
I. Theory. Journal of Neurophysiology 83 (2000) 808-827: the equation and its parameters (a time
constant of 10 ms).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bionet.equations.expects import quantities
from bionet.equations.model import NeuronModel
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["quadratic_if"]

PARAMETERS = {
    "C": (200, "pF"),
    "g_L": (20, "nS"),
    "E_L": (-65, "mV"),
    "V_T": (-50, "mV"),
    "v_peak": (20, "mV"),
    "v_reset": (-80, "mV"),
    "I": (0, "pA"),
}


@typed
def quadratic_if(**parameters: Quantity) -> NeuronModel:
    """Quadratic integrate-and-fire neuron of Latham et al. (2000).

    Parameters
    ----------
    C, g_L, E_L, V_T, v_peak, v_reset, I : Quantity
        See the table above; by default as in the paper.

    Raises
    ------
    InputError
        For an unknown parameter, or one of another unit.

    References
    ----------
    Latham et al. 2000.
    """
    return NeuronModel(
        name="quadratic integrate-and-fire",
        equations="""
            dv/dt = (g_L*(v - E_L)*(v - V_T)/(V_T - E_L) + I)/C : volt
            C : farad (constant)
            g_L : siemens (constant)
            E_L : volt (constant)
            V_T : volt (constant)
            v_peak : volt (constant)
            v_reset : volt (constant)
            I : amp (constant)
        """,
        threshold="v >= v_peak",
        reset="v = v_reset",
        method="rk2",
        parameters=quantities("quadratic_if", PARAMETERS, parameters),
        initial={"v": "E_L"},
        resets="to",
        leaks=True,
        source="Latham et al. 2000",
    )
