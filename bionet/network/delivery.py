r"""What a projection adds to which variable of its target, with its unit checked.

A spike of amplitude o adds :math:`g\,w\,o` to a variable of the target, where the kernel holds the
plain weights w and the projection carries the gain g with a unit: ``gain=0.3*nA``. Which variable
it is says the target's model (``input``, or ``inputs`` for excitatory and inhibitory weights), or
the projection itself (``variable``). An inhibitory pathway into a conductance of its own delivers
the absolute value of its weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bionet.equations.model import NeuronModel
from bionet.equations.units import unit_name
from bionet.errors import InputError
from bionet.network.populations import Projection

if TYPE_CHECKING:
    from bionet.network.spiking_network import SpikingNetwork

__all__ = ["Delivery", "check_deliveries", "check_unit", "delivery"]


class Delivery(NamedTuple):
    """How a projection's weights reach their target.

    Attributes
    ----------
    variable : str
        The target's variable that they are added to.
    factor : float
        What every weight is multiplied with: the gain in SI units, negative where the target
        receives absolute values of inhibitory weights.
    sign : {0, 1, -1}
        Sign of what passes, *after* the multiplication; 0 for everything.
    """

    variable: str
    factor: float
    sign: int


def delivery(projection: Projection, target: NeuronModel, drives: bool = False) -> Delivery:
    """The variable, factor and sign of a projection, checked.

    Parameters
    ----------
    projection : Projection
    target : NeuronModel
        The target's model.
    drives : bool
        Whether the source drives its targets with a constant current rather than by spikes.

    Raises
    ------
    InputError
        If the target has no such variable, its unit is not the gain's, or weights of both signs
        go to a target that receives them in different variables.
    """
    sign = projection.sign
    if drives:
        if target.current is None:
            raise InputError(
                f"projection {projection.name}: model {target.name!r} has no constant current that"
                " an analog input could drive; use a spiking coding, or declare one"
                " (current='I' and 'I : amp (constant)')"
            )
        variable, factor = target.current, 1.0
    elif projection.variable is not None:
        variable, factor = projection.variable, 1.0
        if sign < 0 and variable == target.inputs.get("inh") != target.inputs.get("exc"):
            factor = -1.0
    else:
        try:
            variable, factor = target.receiver(sign)
        except InputError as error:
            raise InputError(f"projection {projection.name}: {error}") from error
    check_unit(projection, target, variable, drives)
    factor *= float(projection.gain)
    return Delivery(variable, factor, sign if factor >= 0 else -sign)


def check_deliveries(snn: SpikingNetwork, drives: bool) -> None:
    """Refuse a network in which a projection's weights do not fit the variable that receives them.

    A network in the making, whose models have changed and whose gains have not yet, may exist; it
    cannot be simulated.

    Parameters
    ----------
    snn : SpikingNetwork
    drives : bool
        Whether the input drives its targets with a constant current.
    """
    for projection in snn.projections:
        model = snn.population(projection.target).model
        delivery(projection, model, drives=drives and projection.source == "input")


def check_unit(
    projection: Projection, target: NeuronModel, variable: str, drives: bool = False
) -> None:
    """Refuse a gain of another unit than the variable's, and a variable that is no state.

    Raises
    ------
    InputError
        With the gain that would fit.
    """
    from brian2.equations.equations import SUBEXPRESSION
    from brian2.units.fundamentalunits import get_dimensions

    equation = target.brian().get(variable)
    if equation is None:
        raise InputError(f"projection {projection.name}: the target has no variable {variable!r}")
    computed = equation.type == SUBEXPRESSION
    if computed or ("constant" in equation.flags and not drives):
        kind = "computed from others" if computed else "a constant"
        state = ", ".join(target.state) or "none"
        raise InputError(
            f"projection {projection.name}: weights cannot be added to {variable!r} of model"
            f" {target.name!r}, which is {kind}; its state variables are {state}"
        )
    given = get_dimensions(projection.gain)
    if given is not equation.dim:
        unit = unit_name(equation.dim)
        got = f"its gain is in {unit_name(given)}" if unit_name(given) != "1" else "they are plain"
        example = "leave gain out" if unit == "1" else f"give gain=... in {unit}"
        raise InputError(
            f"projection {projection.name}: weights are added to {variable!r} of model"
            f" {target.name!r}, which is in {unit}, but {got}; {example}"
        )
