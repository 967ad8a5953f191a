r"""Exponential integrate-and-fire neuron: the onset of a spike is part of the equation.

.. math::

    C \frac{dv}{dt} = g_L (E_L - v) + g_L \Delta_T e^{(v - V_T)/\Delta_T} + I, \qquad
    \text{spike if } v \ge v_{peak}, \qquad v \to v_{reset}

With a current above the rheobase :math:`g_L (V_T - E_L - \Delta_T)` the exponential term takes v to
infinity within a finite time; ``v_peak`` only says where that is cut off.

===========  =======  =============================================
symbol       unit     meaning
===========  =======  =============================================
``v``        volt     membrane potential
``C``        farad    capacitance
``g_L``      siemens  leak conductance
``E_L``      volt     resting potential
``V_T``      volt     potential at which a spike sets in
``Delta_T``  volt     slope factor: how sharply it sets in
``v_peak``   volt     where a spike is cut off
``v_reset``  volt     potential after a spike
``t_ref``    second   refractory period
``I``        amp      constant current
===========  =======  =============================================

References
----------
N. Fourcaud-Trocme, D. Hansel, C. van Vreeswijk, N. Brunel: How spike generation mechanisms
determine the neuronal response to fluctuating inputs. Journal of Neuroscience 23 (2003)
11628-11640: the equation, and parameters that fit a conductance-based neuron (1 uF/cm2 and
0.1 mS/cm2; here of a membrane of 20,000 square micrometres).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bionet.equations.expects import quantities
from bionet.equations.model import NeuronModel
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["exponential_if"]

PARAMETERS = {
    "C": (200, "pF"),
    "g_L": (20, "nS"),
    "E_L": (-65, "mV"),
    "V_T": (-59.9, "mV"),
    "Delta_T": (3.48, "mV"),
    "v_peak": (-30, "mV"),
    "v_reset": (-68, "mV"),
    "t_ref": (1.7, "ms"),
    "I": (0, "pA"),
}


@typed
def exponential_if(**parameters: Quantity) -> NeuronModel:
    """Exponential integrate-and-fire neuron of Fourcaud-Trocmé et al. (2003).

    Parameters
    ----------
    C, g_L, E_L, V_T, Delta_T, v_peak, v_reset, t_ref, I : Quantity
        See the table above; by default as in the paper.

    Raises
    ------
    InputError
        For an unknown parameter, or one of another unit.

    References
    ----------
    Fourcaud-Trocmé et al. 2003.
    """
    return NeuronModel(
        name="exponential integrate-and-fire",
        equations="""
            dv/dt = (g_L*(E_L - v) + I_exp + I)/C : volt (unless refractory)
            I_exp = g_L*Delta_T*exp((v - V_T)/Delta_T) : amp
            C : farad (constant)
            g_L : siemens (constant)
            E_L : volt (constant)
            V_T : volt (constant)
            Delta_T : volt (constant)
            v_peak : volt (constant)
            v_reset : volt (constant)
            t_ref : second (constant)
            I : amp (constant)
        """,
        threshold="v >= v_peak",
        reset="v = v_reset",
        refractory="t_ref",
        method="rk2",
        parameters=quantities("exponential_if", PARAMETERS, parameters),
        initial={"v": "E_L"},
        resets="to",
        leaks=True,
        source="Fourcaud-Trocmé et al. 2003",
    )
