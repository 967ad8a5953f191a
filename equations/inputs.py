r"""Input codings: how a pixel x becomes a constant current or a spike train.

==========  ===========================================================  =========================
coding      equation                                                     threshold
==========  ===========================================================  =========================
analog      x drives the first layer as a constant current: I = W x + b  (none)
poisson     rate = abs(x) max_rate                                       rand() < rate dt
uniform     d(phase)/dt = abs(x) max_rate, phase back by 1 at a spike    phase >= 1
reverse     one spike, later for a larger x: T(x) = ceil(L ln(k x + 1))  gain e^(t/tau) >= 1 + k x
==========  ===========================================================  =========================

A negative pixel emits *negative spikes* at the rate of its absolute value: the same train,
of amplitude o = -1. ``gain`` scales the amplitude: with ``gain = 1/(max_rate dt)`` the mean
input per step is x whatever the rate.

=============  =======  =====================================================
symbol         unit     meaning
=============  =======  =====================================================
``x``          1        value of the pixel, constant during a presentation
``max_rate``   Hz       firing rate of a pixel of value 1
``phase``      1        position within the period of a uniform train
``o``          1        amplitude of a spike: sign(x) gain
``gain``       1        factor on the amplitude of every spike
``stop``       1        step of the presentation at which the input falls silent
``tau``        second   leak of a reverse-coded network; L = tau/dt steps
``scale``      1        k: factor on the pixels of a reverse code
``spiked``     1        step of the one spike of a reverse code, or -1
=============  =======  =====================================================

References
----------
Rueckauer et al. 2016, Section 3 (analog, Poisson). Zhang et al. 2019 (DSNN), Section 3
(uniform, negative spikes). Shang et al. 2020 (spike generation layer). Zhang et al. 2019 (TDSNN),
Eq. 3 (reverse).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bionet.equations.expects import expects
from bionet.equations.leaky_integrate_and_fire import check_time_constant
from bionet.equations.model import NeuronModel
from bionet.errors import InputError

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["CODINGS", "analog", "input_model", "poisson", "reverse", "uniform"]

FOREVER = 1e9  # steps; no presentation lasts as long
AMPLITUDE = "o = sign(x)*gain"


def analog() -> NeuronModel:
    """Analog input: every unit delivers its value once, as a drive that lasts the presentation.

    The event ``onset`` happens in the first step of a presentation; the first layer's synapses
    listen to it and add w x to the drive ``I`` of their targets.

    References
    ----------
    Rueckauer et al. 2016, Section 3: analog input to the first hidden layer.
    """
    return NeuronModel(
        name="analog",
        equations="x : 1 (constant)",
        parameters={"x": 0.0},
        events={"onset": "step == 0"},
        input="x",
        amplitude="x",
        spike="graded",
        source="Rueckauer et al. 2016, Section 3",
    )


@expects(max_rate="hertz")
def poisson(max_rate: Quantity, gain: float = 1.0, stop: float = FOREVER) -> NeuronModel:
    """Poisson spike train of rate abs(x) max_rate: a spike in a step if rand() < rate dt.

    Parameters
    ----------
    max_rate : Quantity
        Firing rate of a pixel of value 1.
    gain : float
        Amplitude of a spike.
    stop : float
        Number of steps after which the input falls silent.

    References
    ----------
    Zhang et al. 2019 (DSNN), Section 3; Shang et al. 2020 with max_rate dt = c.
    """
    _check_rate(max_rate)
    return NeuronModel(
        name="poisson",
        equations="""
            rate = abs(x)*max_rate*int(step < stop) : Hz
            x : 1 (constant)
            o : 1
            max_rate : Hz (constant)
            gain : 1 (constant)
            stop : 1 (constant)
        """,
        threshold="rand() < rate*dt",
        reset=AMPLITUDE,
        parameters={"x": 0.0, "max_rate": max_rate, "gain": gain, "stop": stop},
        input="x",
        amplitude="o",
        spike="signed",
        source="Zhang et al. 2019 (DSNN), Section 3",
    )


@expects(max_rate="hertz")
def uniform(max_rate: Quantity, gain: float = 1.0, stop: float = FOREVER) -> NeuronModel:
    """Periodic spike train of rate abs(x) max_rate; the first spike after one period.

    After a time T a unit has fired floor(rate T) times. The threshold lies 1e-9 below one
    period, so that a sum of steps that is one only up to rounding counts as one.

    Parameters
    ----------
    max_rate : Quantity
        Firing rate of a pixel of value 1.
    gain : float
        Amplitude of a spike.
    stop : float
        Number of steps after which the input falls silent.

    References
    ----------
    Zhang et al. 2019 (DSNN), Section 3.
    """
    _check_rate(max_rate)
    return NeuronModel(
        name="uniform",
        equations="""
            dphase/dt = abs(x)*max_rate*int(step < stop) : 1
            x : 1 (constant)
            o : 1
            max_rate : Hz (constant)
            gain : 1 (constant)
            stop : 1 (constant)
        """,
        threshold="phase >= 1 - 1e-9",
        reset=f"phase -= 1\n{AMPLITUDE}",
        parameters={"x": 0.0, "max_rate": max_rate, "gain": gain, "stop": stop},
        input="x",
        amplitude="o",
        spike="signed",
        source="Zhang et al. 2019 (DSNN), Section 3",
    )


@expects(tau="second")
def reverse(tau: Quantity, gain: float = 1.0, scale: float = 1.0) -> NeuronModel:
    """Reverse coding: one spike, ceil(L ln((k x + 1)/gain)) steps after the onset, for x >= 0.

    Parameters
    ----------
    tau : Quantity
        Leak of the network that the spikes enter, in units of time; L = tau/dt.
    gain : float
        1 rounds up to a step; exp(1/2L) rounds to the nearest step.
    scale : float
        k: the larger, the finer small values are told apart, and the longer it takes.

    References
    ----------
    Zhang et al. 2019 (TDSNN), Eq. 3.
    """
    check_time_constant(tau)
    return NeuronModel(
        name="reverse",
        equations="""
            x : 1 (constant)
            spiked : 1
            tau : second (constant)
            gain : 1 (constant)
            scale : 1 (constant)
        """,
        threshold="spiked < 0 and gain*exp(step*dt/tau) >= 1 + scale*x",
        reset="spiked = step",
        parameters={"x": 0.0, "tau": tau, "gain": gain, "scale": scale},
        initial={"spiked": -1.0},
        input="x",
        source="Zhang et al. 2019 (TDSNN), Eq. 3",
        spike="once",
    )


CODINGS = ("analog", "poisson", "uniform", "reverse")


def input_model(
    coding: str,
    max_rate: Quantity | None = None,
    gain: float = 1.0,
    stop: float = FOREVER,
    tau: Quantity | None = None,
    scale: float = 1.0,
) -> NeuronModel:
    """The model of an input coding by its name.

    Raises
    ------
    InputError
        If the coding is unknown, or a rate or a time constant is missing.
    """
    if coding == "analog":
        return analog()
    if coding == "reverse":
        if tau is None:
            raise InputError(
                "the reverse coding is for networks of method 'tdsnn', whose leak it shares"
            )
        return reverse(tau, gain, scale)
    models = {"poisson": poisson, "uniform": uniform}
    if coding not in models:
        raise InputError(f"unknown input coding {coding!r}; known are {', '.join(CODINGS)}")
    if max_rate is None:
        raise InputError(f"the {coding} coding needs max_rate, such as 100*Hz")
    return models[coding](max_rate, gain=gain, stop=stop)


def _check_rate(max_rate: Quantity) -> None:
    if not float(max_rate) > 0:
        raise InputError(f"max_rate must be positive, but got {max_rate}")
