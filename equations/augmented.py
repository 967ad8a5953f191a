r"""Double-threshold neurons: ternary spikes, and augmented spikes that carry an integer.

.. math::

    \frac{dv}{dt} = \frac{I}{dt}, \qquad v \to v + w\,o_{pre} \text{ at an input spike}, \qquad
    \text{spike if } v \ge \theta_P \text{ or } v \le \theta_N

A spike has the signed size

.. math::

    o = \begin{cases}
        \min(M, \lfloor v / \theta_P \rfloor) & v \ge \theta_P \\
        -\min(M, \lfloor v / \theta_N \rfloor) & v \le \theta_N \end{cases}, \qquad
    v \to \begin{cases} v - o\,\theta_P & o > 0 \\ v + o\,\theta_N & o < 0 \end{cases}

with M infinite unless it is bounded; the ternary neuron is the one with M = 1. Both quotients are
positive, so that the reset brings v towards 0 from either side, and without a bound
:math:`\theta_N < v < \theta_P` after every step. A unit without a negative threshold never fires
below 0: the limit :math:`\theta_N \to -\infty`.

=========  =======  ===================================================
symbol     unit     meaning
=========  =======  ===================================================
``v``      1        membrane potential
``I``      1        drive per step
``theta_p``  1      positive threshold
``theta_n``  1      negative threshold, below 0
``o``      1        signed size of the unit's last spike
``total``  1        sum of all o since the image's onset
``bound``  1        M, the largest size of a spike
=========  =======  ===================================================

References
----------
Q. Yu, C. Ma, S. Song, G. Zhang, J. Dang, K. C. Tan: Constructing accurate and efficient deep
spiking neural networks with double-threshold and augmented schemes. IEEE TNNLS (2020), Eqs. 1-5
and 15.
"""

from __future__ import annotations

from typing import Literal

from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["augmented", "ternary"]

# The negative branch of the reset takes theta_n's sign with it: v + o theta_n = v - |o| theta_n.
POSITIVE = "v -= clip(o, 0, inf)*theta_p"
NEGATIVE = "v -= clip(-o, 0, inf)*theta_n"


@typed
def augmented(
    threshold: float = 1.0, negative_threshold: float | None = -1.0, bound: int | None = None
) -> NeuronModel:
    """Neuron whose spikes carry the integer number of thresholds that its potential has reached.

    Parameters
    ----------
    threshold : float
        Positive threshold, in units of the weights.
    negative_threshold : float or None
        Below 0; None for a neuron that never fires below 0.
    bound : int, optional
        Largest size of a spike, M.

    Raises
    ------
    InputError
        If a threshold has the wrong sign or the bound is not a whole number of at least 1.

    References
    ----------
    Yu et al. 2020, Eqs. 4, 5 and 15.
    """
    if bound is not None and (isinstance(bound, bool) or int(bound) != bound or bound < 1):
        raise InputError(f"bound must be a whole number >= 1, or None, but is {bound!r}")
    limit = "inf" if bound is None else "bound"
    size = f"floor(clip(v/theta_p, 0, {limit}))"
    if negative_threshold is not None:
        size += f" - floor(clip(v/theta_n, 0, {limit}))"
    name = "augmented" if bound is None else f"augmented, at most {bound}"
    return _model(name, size, threshold, negative_threshold, bound, "Eqs. 4, 5, 15", "graded")


@typed
def ternary(threshold: float = 1.0, negative_threshold: float | None = -1.0) -> NeuronModel:
    """Neuron with a positive and a negative threshold; its spikes are +1 or -1.

    Parameters
    ----------
    threshold : float
        Positive threshold, in units of the weights.
    negative_threshold : float or None
        Below 0; None for a neuron that never fires below 0.

    Raises
    ------
    InputError
        If a threshold has the wrong sign.

    References
    ----------
    Yu et al. 2020, Eqs. 1-3.
    """
    size = "int(v >= theta_p)"
    if negative_threshold is not None:
        size += " - int(v <= theta_n)"
    return _model("ternary", size, threshold, negative_threshold, None, "Eqs. 1-3", "signed")


def _model(
    name: str,
    size: str,
    positive: float,
    negative: float | None,
    bound: int | None,
    source: str,
    spike: Literal["signed", "graded"],
) -> NeuronModel:
    if not positive > 0:
        raise InputError(f"the positive threshold must be above 0, but is {positive}")
    lines = ["dv/dt = I/dt : 1", "I : 1 (constant)", "theta_p : 1 (constant)", "o : 1", "total : 1"]
    parameters: dict[str, float] = {"I": 0.0, "theta_p": positive}
    condition, reset = "v >= theta_p", [f"o = {size}", POSITIVE]
    if negative is None:
        name += ", no negative spikes"
    else:
        if not negative < 0:
            raise InputError(f"the negative threshold must be below 0, but is {negative}")
        lines.append("theta_n : 1 (constant)")
        parameters["theta_n"] = negative
        condition += " or v <= theta_n"
        reset.append(NEGATIVE)
    if bound is not None:
        lines.append("bound : 1 (constant)")
        parameters["bound"] = float(bound)
    return NeuronModel(
        name=name,
        equations="\n".join(lines),
        threshold=condition,
        reset="\n".join([*reset, "total += o"]),
        parameters=parameters,
        amplitude="o",
        final=("total",),
        source=f"Yu et al. 2020, {source}",
        resets="subtract",
        spike=spike,
    )
