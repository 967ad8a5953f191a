r"""Input codings: how a pixel x becomes a constant current or a spike train.

==========  ===========================================================  =========================
coding      equation                                                     threshold
==========  ===========================================================  =========================
analog      x drives the first layer as a constant current: I = W x + b  (none)
poisson     rate = abs(x) max_rate                                       rand() < rate dt
uniform     d(phase)/dt = abs(x) max_rate, phase back by 1 at a spike    phase >= 1
reverse     one spike, later for a larger x: T(x) = ceil(L ln(k x + 1))  gain e^(t/tau) >= 1 + k x
events      a spike of size x in every step in which x is not 0          x != 0
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

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from bionet.equations.expects import expects
from bionet.equations.leaky_integrate_and_fire import check_time_constant
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.registry import Registry

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = [
    "CODINGS",
    "FOREVER",
    "InputModel",
    "analog",
    "as_input",
    "events",
    "input_model",
    "poisson",
    "reverse",
    "sends_spikes",
    "takes",
    "uniform",
]

FOREVER = 1e9  # steps; no presentation lasts as long
AMPLITUDE = "o = sign(x)*gain"


@typed
@dataclass(frozen=True, eq=False)
class InputModel(NeuronModel):
    """The model of an input's units: what a pixel ``x`` does to the first layer.

    Parameters
    ----------
    drives : {"spikes", "current"}
        Whether it sends spikes, or adds a constant current to its targets in the first step of a
        presentation (its event ``onset``).
    pixels : pair of float
        Least and largest pixel that it can code.
    signed : bool
        Whether pixels from -1 on are possible in networks that take a signed input.
    factor : float
        What pixels are multiplied with before they are presented.
    summary : str
        What it does with pixels, in a few words; ``{max_rate:g}`` is the value of a parameter.

    Raises
    ------
    InputError
        If it has no variable ``x``, or neither spikes nor an onset.
    """

    drives: Literal["spikes", "current"] = "spikes"
    pixels: tuple[float, float] = (-math.inf, math.inf)
    signed: bool = False
    factor: float = 1.0
    summary: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.pixels
        object.__setattr__(self, "pixels", (float(low), float(high)))
        if "x" not in self.dimensions:
            raise InputError(
                f"input model {self.name!r} has no variable 'x' for its pixel; add the line"
                " 'x : 1 (constant)'"
            )
        pixel = {} if "x" in self.parameters else {"x": 0.0}
        object.__setattr__(self, "parameters", MappingProxyType({**self.parameters, **pixel}))
        if self.drives not in ("spikes", "current"):
            raise InputError(
                f"input model {self.name!r} drives by 'spikes' or 'current', but got"
                f" {self.drives!r}"
            )
        if self.drives == "spikes" and self.threshold is None:
            raise InputError(
                f"input model {self.name!r} drives by spikes, but has no threshold; give it one,"
                " or drives='current' and an event 'onset'"
            )
        if self.drives == "current" and "onset" not in self.events:
            raise InputError(
                f"input model {self.name!r} drives by current, but has no event 'onset'; add"
                " events={'onset': 'step == 0'}"
            )


CODINGS: Registry[Callable[..., NeuronModel]] = Registry(
    "input coding", "bionet.codings", "bionet.equations"
)
"""A coding is a function that returns its model. It gets those of ``max_rate``, ``gain``, ``stop``
and of its network's code (``tau``, ``scale``) that it has arguments for."""


def as_input(model: NeuronModel) -> InputModel:
    """A neuron model as an input: with a threshold it drives by spikes, else by current."""
    if isinstance(model, InputModel):
        return model
    values = {field.name: getattr(model, field.name) for field in fields(NeuronModel)}
    return InputModel(**values, drives="current" if model.threshold is None else "spikes")


@typed
@CODINGS.named("analog")
def analog() -> InputModel:
    """Analog input: every unit delivers its value once, as a drive that lasts the presentation.

    The event ``onset`` happens in the first step of a presentation; the first layer's synapses
    listen to it and add w x to the drive ``I`` of their targets.

    References
    ----------
    Rueckauer et al. 2016, Section 3: analog input to the first hidden layer.
    """
    return InputModel(
        name="analog",
        equations="x : 1 (constant)",
        parameters={"x": 0.0},
        events={"onset": "step == 0"},
        input="x",
        amplitude="x",
        spike="graded",
        source="Rueckauer et al. 2016, Section 3",
        drives="current",
        summary="pixels drive the first layer as constant currents",
    )


@typed
@CODINGS.named("poisson")
@expects(max_rate="hertz")
def poisson(max_rate: Quantity, gain: float = 1.0, stop: float = FOREVER) -> InputModel:
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
    return InputModel(
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
        pixels=(0.0, 1.0),
        signed=True,
        summary="pixels are Poisson trains, a pixel of value 1 at {max_rate:g} Hz",
    )


@typed
@CODINGS.named("uniform")
@expects(max_rate="hertz")
def uniform(max_rate: Quantity, gain: float = 1.0, stop: float = FOREVER) -> InputModel:
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
    return InputModel(
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
        pixels=(0.0, 1.0),
        signed=True,
        summary="pixels fire periodically, a pixel of value 1 at {max_rate:g} Hz",
    )


@typed
@CODINGS.named("reverse")
@expects(tau="second")
def reverse(
    tau: Quantity, gain: float = 1.0, scale: float = 1.0, low: float = 0.0, high: float = 1.0
) -> InputModel:
    """Reverse coding: one spike, ceil(L ln((k p + 1)/gain)) steps after the onset.

    Here p is the pixel's share of the range, x itself where that is 0 to 1.

    Parameters
    ----------
    tau : Quantity
        Leak of the network that the spikes enter, in units of time; L = tau/dt.
    gain : float
        1 rounds up to a step; exp(1/2L) rounds to the nearest step.
    scale : float
        k: the larger, the finer small values are told apart, and the longer it takes.
    low, high : float
        Range of the pixels.

    References
    ----------
    Zhang et al. 2019 (TDSNN), Eq. 3.
    """
    check_time_constant(tau)
    lines = [
        *("x : 1 (constant)", "spiked : 1", "tau : second (constant)"),
        *("gain : 1 (constant)", "scale : 1 (constant)"),
    ]
    parameters = {"x": 0.0, "tau": tau, "gain": gain, "scale": scale / (high - low)}
    share = "x"
    if low:
        lines.append("low : 1 (constant)")
        parameters["low"], share = low, "(x - low)"
    return InputModel(
        name="reverse",
        equations="\n".join(lines),
        threshold=f"spiked < 0 and gain*exp(step*dt/tau) >= 1 + scale*{share}",
        reset="spiked = step",
        parameters=parameters,
        initial={"spiked": -1.0},
        input="x",
        source="Zhang et al. 2019 (TDSNN), Eq. 3",
        spike="once",
        pixels=(low, high),
        summary="each pixel spikes once, the later the larger it is",
    )


@typed
@CODINGS.named("events")
def events() -> InputModel:
    """Spikes at given times: a unit emits a spike of size x in every step in which x is not 0.

    For inputs whose x changes in every step: events of a camera and recorded spike trains.
    """
    return InputModel(
        name="events",
        equations="x : 1 (constant)",
        threshold="x != 0",
        parameters={"x": 0.0},
        input="x",
        amplitude="x",
        spike="graded",
        summary="units fire at given times",
    )


def takes(coding: str, argument: str) -> bool:
    """Whether a coding has an argument, such as ``max_rate``."""
    return argument in inspect.signature(CODINGS.find(coding)).parameters


# What a coding may ask for, and where it comes from if it is missing.
SOURCES = {"max_rate": "such as 100*Hz", "tau": "the leak of a network of method 'tdsnn'"}


@typed
def input_model(
    coding: str | NeuronModel,
    max_rate: Quantity | None = None,
    gain: float = 1.0,
    stop: float = FOREVER,
    **of_code: Any,
) -> InputModel:
    """The model of an input coding.

    Parameters
    ----------
    coding : str or NeuronModel
        A name of ``CODINGS``, ``module:function`` of your own, or the model itself.
    max_rate : Quantity, optional
        Firing rate of a pixel of value 1.
    gain : float
        Amplitude of a spike.
    stop : float
        Step at which the input falls silent.
    **of_code
        What the code of the network shares with its input, such as ``tau`` and ``scale``.

    Raises
    ------
    InputError
        If the coding is unknown, or lacks an argument.
    """
    if isinstance(coding, NeuronModel):
        return as_input(coding)
    make = CODINGS.find(coding)
    if not callable(make):
        raise InputError(f"input coding {coding!r} must be a function that returns a NeuronModel")
    given = {"max_rate": max_rate, "gain": gain, "stop": stop, **of_code}
    arguments = {}
    for name, parameter in inspect.signature(make).parameters.items():
        if given.get(name) is not None:
            arguments[name] = given[name]
        elif parameter.default is parameter.empty:
            hint = f", {SOURCES[name]}" if name in SOURCES else ""
            raise InputError(f"the {coding} coding needs {name}{hint}")
    model = make(**arguments)
    if not isinstance(model, NeuronModel):
        raise InputError(
            f"input coding {coding!r} must return a NeuronModel, but returned {model!r}"
        )
    return as_input(model)


def sends_spikes(coding: str | NeuronModel, **of_code: Any) -> bool:
    """Whether the units of a coding send spikes, at whatever rate."""
    from brian2 import hertz, second

    given = {"tau": 1 * second, **of_code}
    return input_model(coding, max_rate=1 * hertz, **given).drives == "spikes"


def _check_rate(max_rate: Quantity) -> None:
    if not float(max_rate) > 0:
        raise InputError(f"max_rate must be positive, but got {max_rate}")
