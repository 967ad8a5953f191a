r"""Integrate-and-fire neuron that takes back a spike which came too early.

.. math::

    \frac{dv}{dt} = \frac{I}{dt}, \qquad v \to v + w\,o_{pre} \text{ at an input spike}, \qquad
    o = \begin{cases} +1 & v \ge \theta \\ -1 & v < v_{low} \text{ and } n > 0 \\ 0 & \text{else}
    \end{cases}, \qquad v \to v - o\,\theta, \quad n \to n + o

n is the unit's count so far, the signed sum of its spikes. A plain unit that has fired on
excitation which inhibition cancels later has sent a spike too many, however long it integrates
afterwards: its count depends on the order of its input. With the correction it does not. Once a
total input S has arrived and the unit has come to rest,

.. math::

    n = \max\left(0, \left\lfloor \frac{S + v(0)}{\theta} \right\rfloor\right)
    \qquad (v_{low} = 0)

in whichever order the parts of S came, and with :math:`v(0) = \theta/2` that is S rounded to the
nearest whole number of thresholds. A lower :math:`v_{low}` takes back fewer spikes and leaves an
error of up to :math:`-v_{low}/\theta` of them.

=========  =======  ====================================================
symbol     unit     meaning
=========  =======  ====================================================
``v``      1        membrane potential
``I``      1        drive per step
``theta``  1        threshold
``v_low``  1        potential below which a spike is taken back, 0 or less
``o``      1        sign of the unit's last spike
``total``  1        n, sum of all o since the image's onset
=========  =======  ====================================================

References
----------
Y. Wang, M. Zhang, Y. Chen, H. Qu: Signed neuron with memory: towards simple, accurate and
high-efficient ANN-SNN conversion. IJCAI (2022).
"""

from __future__ import annotations

from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["signed_integrate_and_fire"]


@typed
def signed_integrate_and_fire(threshold: float = 1.0, low: float = 0.0) -> NeuronModel:
    """Integrate-and-fire neuron, reset by subtraction, that takes back spikes sent too early.

    Parameters
    ----------
    threshold : float
        Threshold theta, in units of the weights.
    low : float
        Potential below which a unit that has fired takes a spike back, in units of the weights.

    Raises
    ------
    InputError
        If ``low`` is above 0: a unit at rest there would take back what it has to send.

    References
    ----------
    Wang et al. 2022, Section 3.
    """
    if not low <= 0:
        raise InputError(f"low is the potential below which spikes are taken back, <= 0; got {low}")
    return NeuronModel(
        name="integrate-and-fire, signed correction",
        equations="dv/dt = I/dt : 1\nI : 1 (constant)\ntheta : 1 (constant)\n"
        "v_low : 1 (constant)\no : 1\ntotal : 1",
        threshold="v >= theta or (v < v_low and total > 0)",
        reset="o = int(v >= theta) - int(v < v_low)\nv -= o*theta\ntotal += o",
        parameters={"I": 0.0, "theta": threshold, "v_low": low},
        amplitude="o",
        final=("total",),
        resets="subtract",
        spike="signed",
        source="Wang et al. 2022, Section 3",
    )
