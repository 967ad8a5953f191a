r"""Hodgkin-Huxley neuron with the channels of Traub and Miles: a pyramidal cell of hippocampus.

.. math::

    C \frac{dv}{dt} &= g_L (E_L - v) + g_{Na} m^3 h (E_{Na} - v) + g_K n^4 (E_K - v) + I \\
    \frac{dx}{dt} &= \alpha_x(v) (1 - x) - \beta_x(v) x, \qquad x \in \{m, h, n\}

with the rates, in 1/ms for u = (v - V_T) in mV,

.. math::

    \alpha_m &= \frac{0.32 (13 - u)}{e^{(13 - u)/4} - 1}, &
    \beta_m &= \frac{0.28 (u - 40)}{e^{(u - 40)/5} - 1} \\
    \alpha_h &= 0.128\, e^{(17 - u)/18}, & \beta_h &= \frac{4}{1 + e^{(40 - u)/5}} \\
    \alpha_n &= \frac{0.032 (15 - u)}{e^{(15 - u)/5} - 1}, & \beta_n &= 0.5\, e^{(10 - u)/40}

There is no reset: the channels make the whole spike. One is counted where v rises above ``theta``.

=================  =======  ===================================================
symbol             unit     meaning
=================  =======  ===================================================
``v``              volt     membrane potential
``m``, ``h``       1        activation and inactivation of the sodium channel
``n``              1        activation of the potassium channel
``C``              farad    capacitance
``g_L``, ``E_L``   S, V     leak: conductance and reversal potential
``g_Na``, ``E_Na`` S, V     sodium
``g_K``, ``E_K``   S, V     potassium
``V_T``            volt     shifts the rates, and with them the threshold
``theta``          volt     where a spike is counted
``I``              amp      constant current
=================  =======  ===================================================

References
----------
R. D. Traub, R. Miles: Neuronal networks of the hippocampus. Cambridge University Press (1991).
R. Brette et al.: Simulation of networks of spiking neurons: a review of tools and strategies.
Journal of Computational Neuroscience 23 (2007) 349-398, Appendix B, benchmark 3: the parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bionet.equations.expects import quantities
from bionet.equations.model import NeuronModel
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["hodgkin_huxley"]

PARAMETERS = {
    "C": (200, "pF"),
    "g_L": (10, "nS"),
    "E_L": (-60, "mV"),
    "g_Na": (20, "uS"),
    "E_Na": (50, "mV"),
    "g_K": (6, "uS"),
    "E_K": (-90, "mV"),
    "V_T": (-63, "mV"),
    "theta": (-20, "mV"),
    "I": (0, "pA"),
}


@typed
def hodgkin_huxley(**parameters: Quantity) -> NeuronModel:
    """Hodgkin-Huxley neuron of Traub and Miles.

    Parameters
    ----------
    C, g_L, E_L, g_Na, E_Na, g_K, E_K, V_T, theta, I : Quantity
        See the table above; by default those of benchmark 3 of Brette et al. (2007).

    Raises
    ------
    InputError
        For an unknown parameter, or one of another unit.

    References
    ----------
    Traub, Miles 1991; Brette et al. 2007.
    """
    # exprel(x) is (exp(x) - 1)/x without the division by 0.
    return NeuronModel(
        name="Hodgkin-Huxley, Traub-Miles",
        equations="""
            dv/dt = (g_L*(E_L - v) + g_Na*m**3*h*(E_Na - v) + g_K*n**4*(E_K - v) + I)/C : volt
            dm/dt = alpha_m*(1 - m) - beta_m*m : 1
            dh/dt = alpha_h*(1 - h) - beta_h*h : 1
            dn/dt = alpha_n*(1 - n) - beta_n*n : 1
            alpha_m = 1.28/ms/exprel((13*mV - v + V_T)/(4*mV)) : Hz
            beta_m = 1.4/ms/exprel((v - V_T - 40*mV)/(5*mV)) : Hz
            alpha_h = 0.128/ms*exp((17*mV - v + V_T)/(18*mV)) : Hz
            beta_h = 4/ms/(1 + exp((40*mV - v + V_T)/(5*mV))) : Hz
            alpha_n = 0.16/ms/exprel((15*mV - v + V_T)/(5*mV)) : Hz
            beta_n = 0.5/ms*exp((10*mV - v + V_T)/(40*mV)) : Hz
            C : farad (constant)
            g_L : siemens (constant)
            E_L : volt (constant)
            g_Na : siemens (constant)
            E_Na : volt (constant)
            g_K : siemens (constant)
            E_K : volt (constant)
            V_T : volt (constant)
            theta : volt (constant)
            I : amp (constant)
        """,
        threshold="v > theta",
        refractory="v > theta",
        method="exponential_euler",
        parameters=quantities("hodgkin_huxley", PARAMETERS, parameters),
        initial={
            "v": "E_L",
            "m": "alpha_m/(alpha_m + beta_m)",
            "h": "alpha_h/(alpha_h + beta_h)",
            "n": "alpha_n/(alpha_n + beta_n)",
        },
        leaks=True,
        source="Traub, Miles 1991; Brette et al. 2007, Appendix B",
    )
