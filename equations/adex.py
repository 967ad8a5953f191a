r"""Adaptive exponential integrate-and-fire neuron: two variables, most patterns of firing.

.. math::

    C \frac{dv}{dt} &= g_L (E_L - v) + g_L \Delta_T e^{(v - V_T)/\Delta_T} - w + I \\
    \tau_w \frac{dw}{dt} &= a (v - E_L) - w, \qquad
    \text{spike if } v \ge v_{peak}, \qquad v \to v_{reset},\ w \to w + b

===========  =======  =================================================
symbol       unit     meaning
===========  =======  =================================================
``v``        volt     membrane potential
``w``        amp      adaptation current
``C``        farad    capacitance
``g_L``      siemens  leak conductance
``E_L``      volt     resting potential
``V_T``      volt     potential at which a spike sets in
``Delta_T``  volt     slope factor
``tau_w``    second   time constant of the adaptation
``a``        siemens  adaptation below threshold
``b``        amp      adaptation that each spike adds
``v_peak``   volt     where a spike is cut off
``v_reset``  volt     potential after a spike
``I``        amp      constant current
===========  =======  =================================================

References
----------
R. Brette, W. Gerstner: Adaptive exponential integrate-and-fire model as an effective description of
neuronal activity. Journal of Neurophysiology 94 (2005) 3637-3642. R. Naud, N. Marcille, C. Clopath,
W. Gerstner: Firing patterns in the adaptive exponential integrate-and-fire model. Biological
Cybernetics 99 (2008) 335-347, Table 1: the parameters of each pattern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bionet.equations.expects import quantities
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["ADEX_PATTERNS", "adex"]

# C (pF), g_L (nS), E_L (mV), a (nS), tau_w (ms), b (pA), v_reset (mV) of Naud et al.'s Table 1.
ADEX_PATTERNS = {
    "tonic": (200, 10, -70, 2, 30, 0, -58),
    "adapting": (200, 12, -70, 2, 300, 60, -58),
    "initial burst": (130, 18, -58, 4, 150, 120, -50),
    "bursting": (200, 10, -58, 2, 120, 100, -46),
}
UNITS = {
    "C": "pF",
    "g_L": "nS",
    "E_L": "mV",
    "a": "nS",
    "tau_w": "ms",
    "b": "pA",
    "v_reset": "mV",
}
COMMON = {"V_T": (-50, "mV"), "Delta_T": (2, "mV"), "v_peak": (0, "mV"), "I": (0, "pA")}


@typed
def adex(pattern: str = "adapting", **parameters: Quantity) -> NeuronModel:
    """Adaptive exponential integrate-and-fire neuron.

    Parameters
    ----------
    pattern : {"tonic", "adapting", "initial burst", "bursting"}
        Firing pattern whose parameters are the defaults.
    C, g_L, E_L, V_T, Delta_T, tau_w, a, b, v_peak, v_reset, I : Quantity
        See the table above.

    Raises
    ------
    InputError
        For an unknown pattern or parameter, or one of another unit.

    References
    ----------
    Brette, Gerstner 2005; Naud et al. 2008.
    """
    if pattern not in ADEX_PATTERNS:
        names = ", ".join(ADEX_PATTERNS)
        raise InputError(f"adex: pattern is one of {names}, but got {pattern!r}")
    numbers = zip(UNITS.items(), ADEX_PATTERNS[pattern], strict=True)
    defaults = {name: (value, unit) for (name, unit), value in numbers} | COMMON
    return NeuronModel(
        name=f"adaptive exponential integrate-and-fire, {pattern}",
        equations="""
            dv/dt = (g_L*(E_L - v) + g_L*Delta_T*exp((v - V_T)/Delta_T) - w + I)/C : volt
            dw/dt = (a*(v - E_L) - w)/tau_w : amp
            C : farad (constant)
            g_L : siemens (constant)
            E_L : volt (constant)
            V_T : volt (constant)
            Delta_T : volt (constant)
            tau_w : second (constant)
            a : siemens (constant)
            b : amp (constant)
            v_peak : volt (constant)
            v_reset : volt (constant)
            I : amp (constant)
        """,
        threshold="v >= v_peak",
        reset="v = v_reset\nw += b",
        # Higher orders look ahead into the spike, where v is without bounds, and w with it.
        method="euler",
        parameters=quantities("adex", defaults, parameters),
        initial={"v": "E_L"},
        resets="to",
        leaks=True,
        source="Brette, Gerstner 2005; Naud et al. 2008, Table 1",
    )
