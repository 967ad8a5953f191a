r"""Time to first spike: a neuron's one spike is the earlier, the larger its value, and exact.

A neuron of value A spikes at :math:`t = t_{max} - \tau A`; one with :math:`A \le 0` is silent.
Until its window begins it adds up a slope for each spike that has arrived,

.. math::

    \tau \frac{dv}{dt} = I + \sum_j w_j H(t - t_j), \qquad v(0) = b, \qquad
    v(t_{min}) = b + \sum_j w_j x_j = A

and in the window, from :math:`t_{min}` to :math:`t_{max} = t_{min} + \tau\theta`, it ramps:

.. math:: \tau \frac{dv}{dt} = 1, \qquad \text{spike where } v \ge \theta

A clock sees the spike in the first step in which :math:`v \ge \theta`. As v is linear, what it has
by then exceeded the threshold by is how late the clock was: :math:`\delta = v - \theta`, in units
of :math:`\tau`. A spike carries it as its amplitude, and a neuron it reaches adds
:math:`w \delta` to v beside w to its slope, so that nothing is lost by the clock. Without that
amplitude values are rounded to the nearest multiple of :math:`q = dt/\tau`: then :math:`\theta`
lies half a q lower.

A value above :math:`\theta` would have to spike before its window. It spikes in the first step of
it, stands for :math:`\theta`, and its ``spiked`` is the step before.

===========  ======  =======================================================================
symbol       unit    meaning
===========  ======  =======================================================================
``v``        1       membrane potential
``slope``    1       sum of the weights of all spikes that have arrived
``I``        1       constant current, for the time until the window begins
``tau``      second  time that stands for a value of 1
``theta``    1       threshold: the largest value that the window has room for
``start``    1       step of the presentation in which the window, the ramp, begins
``stop``     1       first step after the ramp
``spiked``   1       step of the one spike, or -1
``delta``    1       v - theta at the spike, in [0, dt/tau]; in a pool the largest of the first
``epsilon``  1       more than the rounding of a sum: smaller values count as 0
``b``        1       bias
===========  ======  =======================================================================

References
----------
A. Stanojevic, S. Wozniak, G. Bellec, G. Cherubini, A. Pantazi, W. Gerstner: An exact mapping from
ReLU networks to spiking neural networks. Neural Networks 168 (2023) 74-88. The amplitude that makes
the code exact on a clock is not in the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bionet.equations.expects import expects
from bionet.equations.leaky_integrate_and_fire import check_time_constant
from bionet.equations.model import NeuronModel
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["ARRIVAL", "first_input", "first_spike", "slope_integrator"]

SOURCE = "after Stanojevic et al. 2023"
ARRIVAL = "arrival"
"""Event of a spike that is passed on without its amplitude: it begins a slope."""
FIRES = "step >= start and step < stop and v >= theta + epsilon and spiked < 0"
OVERSHOOT = "delta = clip(v - theta, 0, dt/tau)"
EARLY = "int(step == start and v > theta + epsilon + dt/tau)"


@typed
@expects(tau="second")
def first_spike(tau: Quantity, exact: bool = True, epsilon: float = 1e-12) -> NeuronModel:
    """Neuron that spikes once, the earlier the larger its value.

    Parameters
    ----------
    tau : Quantity
        Time that stands for a value of 1.
    exact : bool
        Whether its spike carries the overshoot as its amplitude; without it, values are rounded
        to steps.
    epsilon : float
        Smaller values count as 0.

    References
    ----------
    Stanojevic et al. 2023, Section 2.
    """
    check_time_constant(tau)
    ramp = "int(step >= start and step < stop and spiked < 0)"
    lines = [
        f"dv/dt = ((slope + I)*int(step < start) + {ramp})/tau : 1",
        *("slope : 1", "spiked : 1", *(["delta : 1"] if exact else [])),
        *("I : 1 (constant)", "b : 1 (constant)", "tau : second (constant)"),
        *("theta : 1 (constant)", "epsilon : 1 (constant)"),
        *("start : 1 (constant)", "stop : 1 (constant)"),
    ]
    spiked = f"spiked = step - {EARLY}"
    return NeuronModel(
        name="first spike" if exact else "first spike, rounded to steps",
        equations="\n".join(lines),
        threshold=FIRES,
        reset=f"{OVERSHOOT}\n{spiked}" if exact else spiked,
        events={ARRIVAL: FIRES} if exact else {},
        parameters={
            **{"I": 0.0, "b": 0.0, "tau": tau, "theta": 1.0, "epsilon": epsilon},
            **{"start": 0.0, "stop": 1e9},
        },
        initial={"v": "b", "spiked": -1.0, **({"delta": -1.0} if exact else {})},
        input="v" if exact else "slope",
        amplitude="delta" if exact else None,
        source=f"{SOURCE}, Section 2",
        spike="once",
    )


@typed
@expects(tau="second")
def slope_integrator(tau: Quantity) -> NeuronModel:
    """Unit that adds up slopes until ``start`` and never fires: its potential is A (readout MP).

    Parameters
    ----------
    tau : Quantity
        Time that stands for a value of 1.

    References
    ----------
    Stanojevic et al. 2023, output layer.
    """
    check_time_constant(tau)
    return NeuronModel(
        name="slope integrator",
        equations="""
            dv/dt = (slope + I)*int(step < start)/tau : 1
            slope : 1
            I : 1 (constant)
            b : 1 (constant)
            tau : second (constant)
            start : 1 (constant)
        """,
        parameters={"I": 0.0, "b": 0.0, "tau": tau, "start": 1e9},
        initial={"v": "b"},
        source=f"{SOURCE}, output layer",
    )


@typed
def first_input(exact: bool = True) -> NeuronModel:
    """Max pooling: fires with the first of its inputs, which codes the largest value.

    Parameters
    ----------
    exact : bool
        Its synapses set ``v`` to the largest ``delta`` of the pool
        (:class:`bionet.network.MaxPool2d` with ``rule="count"``), which
        passes it on; otherwise each adds 1 to ``v``.
    """
    if exact:
        return NeuronModel(
            name="first input",
            equations="v : 1\ndelta : 1\nspiked : 1",
            threshold="v >= 0 and spiked < 0",
            reset="delta = v\nspiked = step",
            events={ARRIVAL: "v >= 0 and spiked < 0"},
            initial={"v": -1.0, "delta": -1.0, "spiked": -1.0},
            amplitude="delta",
            source="the first spike codes the largest value",
            spike="once",
        )
    return NeuronModel(
        name="first input, rounded to steps",
        equations="v : 1\nspiked : 1",
        threshold="v > 0 and spiked < 0",
        reset="spiked = step",
        initial={"spiked": -1.0},
        source="the first spike codes the largest value",
        spike="once",
    )
