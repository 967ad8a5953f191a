r"""A spiking softmax: a Poisson generator asks, one output unit answers.

The output units only integrate, :math:`v_i(t) = \sum_j w_{ij} \sum_t o_j(t)`. Whenever the trigger
fires, exactly one of them fires, drawn with the probability

.. math::

    p_i = \frac{e^{v_i}}{\sum_k e^{v_k}}

The draw is made by the units themselves (the Gumbel-max trick): each adds noise,
:math:`r_i = v_i - \ln(-\ln u_i)` with u uniform on (0, 1), and the largest r wins. A gate
(:class:`bionet.network.kernels.Largest`) passes the winner's spike on.

========  =======  ==================================================
symbol    unit     meaning
========  =======  ==================================================
``v``     1        membrane potential: the sum of all input
``go``    1        set by a spike of the trigger
``r``     1        potential plus noise, which the gate compares
``rate``  Hz       rate of the trigger
========  =======  ==================================================

References
----------
Rueckauer et al. 2016, Section 3 (spiking softmax). E. J. Gumbel: Statistical theory of extreme
values (1954).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bionet.equations.expects import expects
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["lottery", "trigger"]


@typed
@expects(rate="hertz")
def trigger(rate: Quantity) -> NeuronModel:
    """A Poisson generator of a given rate.

    Parameters
    ----------
    rate : Quantity
        In units of 1/time.

    References
    ----------
    Rueckauer et al. 2016, Section 3.
    """
    if not float(rate) > 0:
        raise InputError(f"the rate of the trigger must be positive, but is {rate}")
    return NeuronModel(
        name="Poisson generator",
        equations="v : 1\nrate : Hz (constant)",
        threshold="rand() < rate*dt",
        reset="v = 0",
        parameters={"rate": rate},
        resets="zero",
        source="Rueckauer et al. 2016, Section 3",
    )


def lottery() -> NeuronModel:
    """Output units that integrate, and draw lots whenever the trigger asks.

    References
    ----------
    Rueckauer et al. 2016, Section 3.
    """
    return NeuronModel(
        name="softmax lottery",
        equations="""
            dv/dt = I/dt : 1
            I : 1 (constant)
            go : 1
            r : 1
        """,
        update="r = v - log(-log(rand()))",
        threshold="go >= 1",
        reset="go = 0",
        parameters={"I": 0.0},
        source="Rueckauer et al. 2016, Section 3",
    )
