r"""Integrate-and-fire neuron with a constant leak and a floor.

.. math::

    v(t) = \max(v_{min},\ v(t - 1) + L + X(t)), \qquad X(t) = \sum_j w_j A_j(t), \qquad
    \text{spike and } v = 0 \text{ if } v \ge \theta

The leak is a constant, not a share of the potential: as a differential equation dv/dt = L/dt. At a
constant input X = a a unit fires every ceil(theta / (a + L)) steps, and never where a + L <= 0.

=========  =======  ====================================================================
symbol     unit     meaning
=========  =======  ====================================================================
``v``      1        membrane potential, in units of the weights
``leak``   1        L: what the leak adds in a step; negative where it lowers ``v``
``I``      1        drive per step of an analog input, 0 otherwise
``theta``  1        threshold
``v_min``  1        floor of the potential, 0 in the paper
=========  =======  ====================================================================

References
----------
Shang et al. 2020, Eqs. 1-2 (its third line, garbled in print, is the floor).
"""

from __future__ import annotations

import math

from bionet.equations.integrate_and_fire import add_limits
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["constant_leak"]


@typed
def constant_leak(leak: float = 0.0, threshold: float = 1.0, floor: float = 0.0) -> NeuronModel:
    """Integrate-and-fire neuron with constant leak, floor and reset to zero.

    Parameters
    ----------
    leak : float
        What the leak adds to the potential in every step, in units of the weights.
    threshold : float
        Threshold theta, in units of the weights.
    floor : float
        The potential never falls below this value; at most 0, where a spike leaves it.

    Raises
    ------
    InputError
        If the floor lies above 0 or a value is not finite.

    References
    ----------
    Shang et al. 2020, Eq. 1.
    """
    for name, value in (("leak", leak), ("threshold", threshold), ("floor", floor)):
        if not math.isfinite(value):
            raise InputError(f"{name} must be a finite number, but is {value}")
    if floor > 0:
        raise InputError(f"floor must be at most 0, the potential after a spike, but is {floor}")
    lines = [
        "dv/dt = (leak + I)/dt : 1",
        "leak : 1 (constant)",
        "I : 1 (constant)",
        "theta : 1 (constant)",
    ]
    parameters: dict[str, object] = {"leak": leak, "I": 0.0, "theta": threshold}
    lines, update = add_limits(lines, parameters, floor, None)
    return NeuronModel(
        name="integrate-and-fire, constant leak and floor",
        equations="\n".join(lines),
        threshold="v >= theta",
        reset="v = 0",
        update=update,
        parameters=parameters,
        source="Shang et al. 2020, Eq. 1",
        resets="zero",
        leaks=True,
    )
