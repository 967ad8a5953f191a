r"""Latency coding: every pixel spikes once, the earlier the brighter it is, and exactly.

.. math::

    v = \frac{x - low}{span} + r, \qquad \tau \frac{dr}{dt} = 1, \qquad
    \text{spike where } v \ge \theta

so that a pixel of value p, the share of the range from low to low + span, spikes at
:math:`t = \tau(\theta - p)`. See :mod:`bionet.equations.first_spike` for what its spike carries.

===========  ======  =================================================================
symbol       unit    meaning
===========  ======  =================================================================
``x``        1       pixel
``low``      1       least pixel: it is silent
``span``     1       largest pixel less the least
``r``        1       ramp, the same for all pixels
``tau``      second  time that stands for a value of 1
``theta``    1       threshold, at least 1
``stop``     1       first step after the ramp
``delta``    1       v - theta at the spike
``size``     1       what is left of the ramp at the spike, over tau: its value
``spiked``   1       step of the one spike, or -1
``epsilon``  1       smaller values count as 0
===========  ======  =================================================================

References
----------
S. Thorpe, A. Delorme, R. Van Rullen: Spike-based strategies for rapid processing. Neural Networks
14 (2001) 715-725 (latency). Stanojevic et al. 2023, input layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bionet.equations.expects import expects
from bionet.equations.first_spike import ARRIVAL, LEFT, OVERSHOOT
from bionet.equations.inputs import CODINGS, InputModel
from bionet.equations.leaky_integrate_and_fire import check_time_constant
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["latency"]

FIRES = "step < stop and v >= theta + epsilon and spiked < 0"


@typed
@CODINGS.named("latency")
@expects(tau="second")
def latency(
    tau: Quantity,
    ramp: float = 1e9,
    theta: float = 1.0,
    low: float = 0.0,
    high: float = 1.0,
    epsilon: float = 1e-12,
    exact: bool = True,
    falling: bool = False,
) -> InputModel:
    """One spike for each pixel above ``low``, at tau (theta - p).

    Parameters
    ----------
    tau : Quantity
        Time that stands for the whole range of pixels.
    ramp : float
        Steps that the ramp lasts.
    theta : float
        Threshold.
    low, high : float
        Range of the pixels.
    epsilon : float
        Smaller values count as 0.
    exact : bool
        Whether its spike carries the overshoot as its amplitude.
    falling : bool
        Whether that is what is left of the ramp, for synapses whose effect falls with time.

    References
    ----------
    Thorpe et al. 2001; Stanojevic et al. 2023.
    """
    check_time_constant(tau)
    carried = ("size" if falling else "delta") if exact else None
    lines = [
        "dr/dt = int(spiked < 0)/tau : 1",
        "v = (x - low)/span + r : 1",
        *("spiked : 1", *([f"{carried} : 1"] if carried else []), "x : 1 (constant)"),
        *("low : 1 (constant)", "span : 1 (constant)", "tau : second (constant)"),
        *("theta : 1 (constant)", "epsilon : 1 (constant)", "stop : 1 (constant)"),
    ]
    return InputModel(
        name="latency",
        equations="\n".join(lines),
        threshold=FIRES,
        reset=f"{LEFT if falling else OVERSHOOT}\nspiked = step" if exact else "spiked = step",
        events={ARRIVAL: FIRES} if exact and not falling else {},
        parameters={
            **{"x": 0.0, "low": low, "span": high - low, "tau": tau, "theta": theta},
            **{"epsilon": epsilon, "stop": ramp},
        },
        initial={"spiked": -1.0, **({carried: -1.0} if carried else {})},
        input="x",
        amplitude=carried,
        potential=None,
        spike="once",
        source="Thorpe et al. 2001",
        pixels=(low, high),
        summary="each pixel spikes once, the earlier the brighter it is",
    )
