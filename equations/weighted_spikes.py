r"""Phase and burst codes: spikes that carry more than one threshold, or less.

A *phase* neuron runs through periods of K steps. A spike in step p of a period has the weight of
that phase, as a binary digit has that of its place,

.. math::

    \frac{dv}{dt} = \frac{I}{dt}, \qquad s = 2^{-(1 + p)}, \qquad
    \text{spike of size } o = s \text{ if } v \ge s\,\theta, \qquad v \to v - s\,\theta

so that a charge V that is there when a period begins leaves within it by its first K binary digits,
:math:`\theta\, 2^{-K} \lfloor 2^K \min(V/\theta, 1 - 2^{-K}) \rfloor`.

A *burst* neuron sends up to M spikes in one step, :math:`o = \min(M, \lfloor v/\theta \rfloor)`, so
that a constant drive a gives :math:`\lfloor aT/\theta \rfloor` in all, as long as it is at most M
:math:`\theta` a step. A *growing* burst sends one spike a step, each :math:`\beta` times as large
as the one of the step before, until the potential no longer reaches it,

.. math:: g \to \begin{cases} \beta g & \text{after a spike} \\ 1 & \text{else} \end{cases}, \qquad
    \text{spike of size } o = g \text{ if } v \ge g\,\theta, \qquad v \to v - g\,\theta

so that a charge of n thresholds, n a whole number and :math:`\beta = 2`, leaves in full.

In all three what was sent and what is left is what came in:
:math:`\theta \sum o + v(T) = v(0) + \sum \text{input}`.

A max pooling's unit sends what the largest sum of its pool has gained, positive or negative.

=============  =====  ==============================================================
symbol         unit   meaning
=============  =====  ==============================================================
``v``          1      membrane potential; of a pool the largest sum of its inputs
``I``          1      drive per step
``theta``      1      threshold
``period``     1      K, steps of a period
``s``          1      weight of the phase
``most``       1      M, the most spikes of a step
``g``          1      size of the next spike of a growing burst
``beta``       1      factor from one spike of it to the next
``bursting``   1      1 after a step with a spike
``o``          1      size of the unit's last spike
``total``      1      sum of all o since the image's onset
=============  =====  ==============================================================

References
----------
J. Kim, H. Kim, S. Huh, J. Lee, K. Choi: Deep neural networks with weighted spikes. Neurocomputing
311 (2018) 373-386 (phase). Y. Li, Y. Zeng: Efficient and accurate conversion of spiking neural
network with burst spikes. IJCAI (2022) (several spikes a step). S. Park, S. Kim, H. Choe, S. Yoon:
Fast and efficient information transmission with burst spikes in deep spiking neural networks. DAC
(2019) (growing).
"""

from __future__ import annotations

from typing import Any

from bionet.equations.inputs import CODINGS, InputModel
from bionet.equations.model import NeuronModel
from bionet.errors import InputError

__all__ = ["binary_digits", "burst", "growing_burst", "largest_sum", "phase"]

PLACE = "s = 2**(-1 - step % period) : 1"
COMMON = ["dv/dt = I/dt : 1", "I : 1 (constant)", "theta : 1 (constant)", "o : 1", "total : 1"]


def phase(period: int = 8, threshold: float = 1.0) -> NeuronModel:
    """Neuron whose spikes are weighted by their phase within a period.

    Parameters
    ----------
    period : int
        K, its steps.
    threshold : float
        In units of the weights.

    References
    ----------
    Kim et al. 2018, Eqs. 3-6.
    """
    _whole("period", period, 1)
    return _neuron(
        "phase",
        [PLACE, "period : 1 (constant)"],
        {"theta": threshold, "period": float(period)},
        "v >= s*theta",
        "v -= s*theta\no = s\ntotal += o",
        "Kim et al. 2018, Eqs. 3-6",
    )


def burst(most: int = 5, threshold: float = 1.0) -> NeuronModel:
    """Neuron that sends up to ``most`` spikes in one step.

    Parameters
    ----------
    most : int
        M; 1 is the integrate-and-fire neuron with reset by subtraction.
    threshold : float
        In units of the weights.

    References
    ----------
    Li, Zeng 2022, Eq. 9.
    """
    _whole("most", most, 1)
    return _neuron(
        "burst",
        ["most : 1 (constant)"],
        {"theta": threshold, "most": float(most)},
        "v >= theta",
        "o = clip(floor(v/theta), 0, most)\nv -= o*theta\ntotal += o",
        "Li, Zeng 2022, Eq. 9",
    )


def growing_burst(beta: float = 2.0, threshold: float = 1.0) -> NeuronModel:
    """Neuron whose spikes grow from step to step while a burst lasts.

    Parameters
    ----------
    beta : float
        Factor from one spike to the next, at least 1.
    threshold : float
        In units of the weights.

    References
    ----------
    Park et al. 2019, Eqs. 8-10.
    """
    if not beta >= 1:
        raise InputError(f"beta must be a number >= 1, but is {beta!r}")
    return _neuron(
        "growing burst",
        ["g : 1", "bursting : 1", "beta : 1 (constant)"],
        {"theta": threshold, "beta": beta},
        "v >= g*theta",
        "v -= g*theta\no = g\ntotal += o\nbursting = 1",
        "Park et al. 2019, Eqs. 8-10",
        update="g = 1 + bursting*(beta*g - 1)\nbursting = 0",
        initial={"g": 1.0},
    )


def largest_sum() -> NeuronModel:
    """Max pooling: sends what the largest sum of its pool has gained since its last spike.

    Its synapses set ``v`` (:class:`bionet.network.MaxPool2d` with ``rule="count"``).
    """
    return NeuronModel(
        name="largest sum",
        equations="v : 1\no : 1\ntotal : 1",
        threshold="v > total or v < total",
        reset="o = v - total\ntotal = v",
        amplitude="o",
        final=("total",),
        spike="graded",
        source="the largest sum is the sum of the largest",
    )


@CODINGS.named("phase")
def binary_digits(period: float = 8.0) -> InputModel:
    """A pixel's binary digits, one for each phase: the largest place first, in every period.

    A pixel is rounded to n/(2^K - 1), so that one of 8 bits is exact with K = 8, and a spike has
    the size 2^(K - 1 - p)/(2^K - 1): a period's spikes sum to the pixel.

    Parameters
    ----------
    period : float
        K.

    References
    ----------
    Kim et al. 2018, Section 3 (input spikes).
    """
    _whole("period", period, 1)
    digits = "floor(x*(2**period - 1) + 0.5)*2**(1 + step % period - period)"
    return InputModel(
        name="phase",
        equations="x : 1 (constant)\no : 1\ntotal : 1\nperiod : 1 (constant)",
        threshold=f"floor({digits}) % 2 > 0.5",
        reset="o = 2**(period - 1 - step % period)/(2**period - 1)\ntotal += o",
        parameters={"x": 0.0, "period": float(period)},
        input="x",
        amplitude="o",
        final=("total",),
        spike="graded",
        source="Kim et al. 2018, Section 3",
        pixels=(0.0, 1.0),
        summary="each pixel's binary digits are spikes of their phase, again in every period",
    )


def _neuron(
    name: str,
    lines: list[str],
    parameters: dict[str, Any],
    threshold: str,
    reset: str,
    source: str,
    **others: Any,
) -> NeuronModel:
    """What the three neurons share: they integrate, and note the sum of their spikes."""
    if not parameters["theta"] > 0:
        raise InputError(f"the threshold must be above 0, but is {parameters['theta']!r}")
    return NeuronModel(
        name=name,
        equations="\n".join([*COMMON, *lines]),
        threshold=threshold,
        reset=reset,
        parameters={"I": 0.0, **parameters},
        amplitude="o",
        final=("total",),
        resets="subtract",
        spike="graded",
        source=source,
        **others,
    )


def _whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not value == int(value) or value < least:
        raise InputError(f"{name} must be a whole number >= {least}, but is {value!r}")
