r"""Leaky integrate-and-fire neuron.

.. math::

    \frac{dv}{dt} = -\frac{v}{\tau} + \frac{I}{dt}, \qquad
    v \to v + w \text{ at an input spike}, \qquad \text{spike if } v \ge \theta

Between spikes :math:`v(t_2) = v(t_1) e^{-(t_2 - t_1)/\tau}` exactly: the state update is Brian2's
exact integration, so a step without input multiplies ``v`` by :math:`e^{-dt/\tau}`.

=========  =======  ==========================================
symbol     unit     meaning
=========  =======  ==========================================
``v``      1        membrane potential
``tau``    second   membrane time constant
``I``      1        drive per step
``theta``  1        threshold
=========  =======  ==========================================

References
----------
Zhang et al. 2019 (DSNN), Section 2; Zhang et al. 2019 (TDSNN), Eq. 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bionet.equations.expects import expects
from bionet.equations.integrate_and_fire import add_limits, reset_name, reset_statement
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["leaky_integrate_and_fire", "leaky_integrator"]


@typed
@expects(tau="second", refractory="second")
def leaky_integrate_and_fire(
    tau: Quantity,
    reset: Literal["subtract", "zero"] = "subtract",
    threshold: float = 1.0,
    floor: float | None = None,
    refractory: Quantity | None = None,
) -> NeuronModel:
    """Leaky integrate-and-fire neuron.

    Parameters
    ----------
    tau : Quantity
        Membrane time constant in units of time.
    reset, threshold, floor, refractory
        As for :func:`~bionet.equations.integrate_and_fire.integrate_and_fire`.

    Raises
    ------
    InputError
        If the time constant is not positive or the reset rule is unknown.

    References
    ----------
    Zhang et al. 2019 (DSNN), Section 2.
    """
    check_time_constant(tau)
    flag = "" if refractory is None else " (unless refractory)"
    lines = [
        f"dv/dt = -v/tau + I/dt : 1{flag}",
        "I : 1 (constant)",
        "tau : second (constant)",
        "theta : 1 (constant)",
    ]
    parameters: dict[str, object] = {"I": 0.0, "tau": tau, "theta": threshold}
    lines, update = add_limits(lines, parameters, floor, refractory)
    return NeuronModel(
        name=f"leaky integrate-and-fire, {reset_name(reset)}",
        equations="\n".join(lines),
        threshold="v >= theta",
        reset=reset_statement(reset),
        refractory=None if refractory is None else "t_ref",
        update=update,
        method="exact",
        parameters=parameters,
        input="v" if refractory is None else "z",
        source="Zhang et al. 2019 (DSNN), Section 2",
        resets=reset,
        leaks=True,
    )


@typed
@expects(tau="second")
def leaky_integrator(tau: Quantity) -> NeuronModel:
    """A unit that integrates and leaks, but never fires (readout MP of a leaky network).

    Parameters
    ----------
    tau : Quantity
        Membrane time constant in units of time.
    """
    check_time_constant(tau)
    return NeuronModel(
        name="leaky integrator",
        equations="dv/dt = -v/tau + I/dt : 1\nI : 1 (constant)\ntau : second (constant)",
        method="exact",
        parameters={"I": 0.0, "tau": tau},
        source="Zhang et al. 2019 (DSNN), readout MP",
        leaks=True,
    )


def check_time_constant(tau: Quantity) -> None:
    """Refuse a time constant that is not positive."""
    if not float(tau) > 0:
        raise InputError(f"the membrane time constant must be positive, but got {tau}")
