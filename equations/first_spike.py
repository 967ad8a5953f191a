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

With ``falling`` the effect of a synapse falls with the time since its source's window began: a
spike delivers at once the weight times what is left of the window,

.. math:: v \leftarrow v + w_j \frac{t_{max}^j - t_j}{\tau}

which is the same sum A without a slope: one addition and one multiplication for each spike and
synapse, where a slope and its amplitude need two additions and one multiplication.

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
``size``     1       what is left of the window at the spike, over tau: its value
``epsilon``  1       more than the rounding of a sum: smaller values count as 0
``b``        1       bias
===========  ======  =======================================================================

References
----------
A. Stanojevic, S. Wozniak, G. Bellec, G. Cherubini, A. Pantazi, W. Gerstner: An exact mapping from
ReLU networks to spiking neural networks. Neural Networks 168 (2023) 74-88. The amplitude that makes
the code exact on a clock is not in the paper. S. Park, S. Kim, B. Na, S. Yoon: T2FSNN: deep spiking
neural networks with time-to-first-spike coding. DAC (2020) (synapses whose effect falls with time).
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
LEFT = "size = clip(v - theta, 0, dt/tau) + (stop - 1 - step)*dt/tau"
EARLY = "int(step == start and v > theta + epsilon + dt/tau)"


@typed
@expects(tau="second")
def first_spike(
    tau: Quantity, exact: bool = True, epsilon: float = 1e-12, falling: bool = False
) -> NeuronModel:
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
    falling : bool
        Whether its synapses' effect falls with time, so that spikes begin no slope; its own spikes
        then carry what is left of its window.

    References
    ----------
    Stanojevic et al. 2023, Section 2.
    """
    check_time_constant(tau)
    ramp = "int(step >= start and step < stop and spiked < 0)"
    carried = ("size" if falling else "delta") if exact else None
    lines = [
        f"dv/dt = ({'I' if falling else '(slope + I)'}*int(step < start) + {ramp})/tau : 1",
        *(["slope : 1"] if not falling else []),
        *("spiked : 1", *([f"{carried} : 1"] if carried else [])),
        *("I : 1 (constant)", "b : 1 (constant)", "tau : second (constant)"),
        *("theta : 1 (constant)", "epsilon : 1 (constant)"),
        *("start : 1 (constant)", "stop : 1 (constant)"),
    ]
    spiked = f"spiked = step - {EARLY}"
    return NeuronModel(
        name=f"first spike{'' if exact else ', rounded to steps'}{', falling' if falling else ''}",
        equations="\n".join(lines),
        threshold=FIRES,
        reset=f"{LEFT if falling else OVERSHOOT}\n{spiked}" if exact else spiked,
        events={ARRIVAL: FIRES} if exact and not falling else {},
        parameters={
            **{"I": 0.0, "b": 0.0, "tau": tau, "theta": 1.0, "epsilon": epsilon},
            **{"start": 0.0, "stop": 1e9},
        },
        initial={"v": "b", "spiked": -1.0, **({carried: -1.0} if carried else {})},
        input="v" if exact else "slope",
        amplitude=carried,
        source=f"{SOURCE}, Section 2",
        spike="once",
    )


@typed
@expects(tau="second")
def slope_integrator(tau: Quantity, falling: bool = False) -> NeuronModel:
    """Unit that adds up slopes until ``start`` and never fires: its potential is A (readout MP).

    Parameters
    ----------
    tau : Quantity
        Time that stands for a value of 1.
    falling : bool
        Whether its synapses' effect falls with time, so that there are no slopes.

    References
    ----------
    Stanojevic et al. 2023, output layer.
    """
    check_time_constant(tau)
    driven, slope = ("I", "") if falling else ("(slope + I)", "slope : 1")
    return NeuronModel(
        name="integrator until the window" if falling else "slope integrator",
        equations=f"""
            dv/dt = {driven}*int(step < start)/tau : 1
            {slope}
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
def first_input(exact: bool = True, falling: bool = False) -> NeuronModel:
    """Max pooling: fires with the first of its inputs, which codes the largest value.

    Parameters
    ----------
    exact : bool
        Its synapses set ``v`` to the largest ``delta`` of the pool
        (:class:`bionet.network.MaxPool2d` with ``rule="count"``), which
        passes it on; otherwise each adds 1 to ``v``.
    falling : bool
        Whether that is ``size``, what is left of the window.
    """
    if exact:
        carried = "size" if falling else "delta"
        return NeuronModel(
            name=f"first input{', falling' if falling else ''}",
            equations=f"v : 1\n{carried} : 1\nspiked : 1",
            threshold="v >= 0 and spiked < 0",
            reset=f"{carried} = v\nspiked = step",
            events={} if falling else {ARRIVAL: "v >= 0 and spiked < 0"},
            initial={"v": -1.0, carried: -1.0, "spiked": -1.0},
            amplitude=carried,
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
