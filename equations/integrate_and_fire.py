r"""Integrate-and-fire neurons: reset by subtraction, reset to zero, floor, refractory period.

.. math::

    \frac{dv}{dt} = \frac{I}{dt}, \qquad v \to v + w \text{ at an input spike}, \qquad
    \text{spike if } v \ge \theta

Reset by subtraction: :math:`v \to v - \theta`; reset to zero: :math:`v \to 0`. ``I`` is what a
constant current (a bias, an analog pixel) adds to ``v`` in one step, so a unit with constant
drive a fires floor(a T / theta) times in T steps (subtraction) or every ceil(theta / a) steps
(to zero).

=========  =======  ==========================================
symbol     unit     meaning
=========  =======  ==========================================
``v``      1        membrane potential
``I``      1        drive per step
``theta``  1        threshold
``v_min``  1        floor of the potential
``t_ref``  second   refractory period
=========  =======  ==========================================

References
----------
Rueckauer, Lungu, Hu, Pfeiffer 2016, Eqs. 1-4. Shang et al. 2020 (floor, constant leak).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bionet.equations.expects import expects
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["RESETS", "integrate_and_fire", "integrator"]

RESETS = {"subtract": "v -= theta", "zero": "v = 0"}


@typed
@expects(refractory="second")
def integrate_and_fire(
    reset: Literal["subtract", "zero"] = "subtract",
    threshold: float = 1.0,
    floor: float | None = None,
    refractory: Quantity | None = None,
) -> NeuronModel:
    """Integrate-and-fire neuron.

    Parameters
    ----------
    reset : {"subtract", "zero"}
        What a spike does to the potential.
    threshold : float
        Threshold theta, in units of the weights.
    floor : float, optional
        The potential never falls below this value.
    refractory : Quantity, optional
        Refractory period in units of time; drive and input are ignored while it lasts.

    Raises
    ------
    InputError
        If the reset rule is unknown or the refractory period is negative.

    References
    ----------
    Rueckauer et al. 2016, Eqs. 1-4.
    """
    statement = reset_statement(reset)
    flag = "" if refractory is None else " (unless refractory)"
    lines = [f"dv/dt = I/dt : 1{flag}", "I : 1 (constant)", "theta : 1 (constant)"]
    parameters: dict[str, object] = {"I": 0.0, "theta": threshold}
    lines, update = add_limits(lines, parameters, floor, refractory)
    return NeuronModel(
        name=f"integrate-and-fire, {reset_name(reset)}",
        equations="\n".join(lines),
        threshold="v >= theta",
        reset=statement,
        refractory=None if refractory is None else "t_ref",
        update=update,
        parameters=parameters,
        input="v" if refractory is None else "z",
        source="Rueckauer et al. 2016, Eqs. 1-4",
        resets=reset,
    )


def integrator() -> NeuronModel:
    """A unit that only integrates: its potential is the sum of all its input (readout MP).

    References
    ----------
    Zhang et al. 2019 (DSNN), readout by maximal potential.
    """
    return NeuronModel(
        name="integrator",
        equations="dv/dt = I/dt : 1\nI : 1 (constant)",
        parameters={"I": 0.0},
        source="Zhang et al. 2019, readout MP",
    )


def reset_name(reset: str) -> str:
    """What a reset rule is called in the name of a model."""
    return "reset to zero" if reset == "zero" else "reset by subtraction"


def reset_statement(reset: str) -> str:
    """The Brian2 statement of a reset rule, or a clear refusal."""
    if reset not in RESETS:
        raise InputError(f"reset is 'subtract' or 'zero', but got {reset!r}")
    return RESETS[reset]


def add_limits(
    lines: list[str],
    parameters: dict[str, object],
    floor: float | None,
    refractory: Quantity | None,
) -> tuple[list[str], str | None]:
    """Declarations and per-step statements of a floor and a refractory period.

    A refractory unit must ignore its input. Weights are therefore collected in ``z`` and
    passed on where the unit is not refractory: Brian2's own conditional write would need a
    test for every synapse.
    """
    update = []
    lines = list(lines)
    if refractory is not None:
        if float(refractory) < 0:
            raise InputError(f"the refractory period must not be negative, but got {refractory}")
        lines += ["z : 1", "t_ref : second (constant)"]
        parameters["t_ref"] = refractory
        update += ["v += z*int(not_refractory)", "z = 0"]
    if floor is not None:
        lines.append("v_min : 1 (constant)")
        parameters["v_min"] = floor
        update.append("v = clip(v, v_min, inf)")
    return lines, "\n".join(update) or None
