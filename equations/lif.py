r"""Leaky integrate-and-fire neuron in units of volts and amperes, with a refractory period.

.. math::

    C \frac{dv}{dt} = g_L (E_L - v) + I, \qquad
    \text{spike if } v \ge \theta, \qquad v \to v_{reset}

For the refractory period ``t_ref`` after a spike v is held. At a constant current the period is

.. math::

    T = t_{ref} + \frac{C}{g_L} \ln \frac{I/g_L + E_L - v_{reset}}{I/g_L + E_L - \theta}

rounded up to steps, less one (the step that ends the refractory period integrates), and there are
no spikes where :math:`I \le g_L (\theta - E_L)`, the rheobase.
The state update is exact, also with synaptic currents of the kinds in
:mod:`bionet.equations.synapses` that are linear.

===========  =======  ===============================
symbol       unit     meaning
===========  =======  ===============================
``v``        volt     membrane potential
``C``        farad    capacitance
``g_L``      siemens  leak conductance
``E_L``      volt     resting potential
``theta``    volt     threshold
``v_reset``  volt     potential after a spike
``t_ref``    second   refractory period
``I``        amp      constant current
===========  =======  ===============================

References
----------
T. P. Vogels, L. F. Abbott: Signal propagation and logic gating in networks of integrate-and-fire
neurons. Journal of Neuroscience 25 (2005) 10786-10795: the parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bionet.equations.expects import quantities
from bionet.equations.model import NeuronModel
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["lif"]

PARAMETERS = {
    "C": (200, "pF"),
    "g_L": (10, "nS"),
    "E_L": (-60, "mV"),
    "theta": (-50, "mV"),
    "v_reset": (-60, "mV"),
    "t_ref": (5, "ms"),
    "I": (0, "pA"),
}


@typed
def lif(**parameters: Quantity) -> NeuronModel:
    """Leaky integrate-and-fire neuron of Vogels and Abbott (2005).

    Parameters
    ----------
    C, g_L, E_L, theta, v_reset, t_ref, I : Quantity
        See the table above; 200 pF, 10 nS, -60 mV, -50 mV, -60 mV, 5 ms and no current by default.

    Raises
    ------
    InputError
        For an unknown parameter, or one of another unit.

    References
    ----------
    Vogels, Abbott 2005.
    """
    return NeuronModel(
        name="leaky integrate-and-fire, in mV",
        equations="""
            dv/dt = (g_L*(E_L - v) + I)/C : volt (unless refractory)
            C : farad (constant)
            g_L : siemens (constant)
            E_L : volt (constant)
            theta : volt (constant)
            v_reset : volt (constant)
            t_ref : second (constant)
            I : amp (constant)
        """,
        threshold="v >= theta",
        reset="v = v_reset",
        refractory="t_ref",
        method="exact",
        parameters=quantities("lif", PARAMETERS, parameters),
        initial={"v": "E_L"},
        resets="to",
        leaks=True,
        source="Vogels, Abbott 2005",
    )
