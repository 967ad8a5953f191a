"""Winner-take-all: lateral inhibition for any population of any network.

References
----------
Zhang et al. 2019 (DSNN), Section 1.
"""

from __future__ import annotations

from dataclasses import replace

from brian2 import Quantity, check_units, second

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import SpikingNetwork

__all__ = ["winner_take_all"]

PERIOD = "t_inh"


@typed
@check_units(inhibition=second)
def winner_take_all(snn: SpikingNetwork, population: str, inhibition: Quantity) -> SpikingNetwork:
    """The network with lateral inhibition within a population.

    When a unit fires, all other units of its population are reset, and for the inhibition period
    no unit of the population fires; each image has its own competition. Of units that cross the
    threshold in the same step, the one with the highest potential wins, and of equal ones that
    with the lowest number. See :mod:`bionet.brian.inhibition`.

    Parameters
    ----------
    snn : SpikingNetwork
        Is not changed.
    population : str
        One that fires.
    inhibition : Quantity
        Inhibition period, in units of time; up to one step it only singles out a winner.

    Returns
    -------
    SpikingNetwork

    Raises
    ------
    InputError
        If there is no such population, it never fires, or the period is not positive.

    Examples
    --------
    >>> winner_take_all(snn, "fc2", inhibition=5*ms)  # doctest: +SKIP
    """
    model = snn.population(population).model
    if not inhibition > 0 * second:
        raise InputError(f"the inhibition period must be positive, but is {inhibition}")
    if model.threshold is None:
        raise InputError(
            f"population {population!r} never fires, so that nothing can inhibit it; of this"
            f" network {snn.readout.spikes!r} holds the output's spikes"
        )
    if model.inhibition is None:
        model = replace(
            model,
            name=f"{model.name}, winner takes all",
            equations=f"{model.equations}\n{PERIOD} : second (constant)",
            parameters={**model.parameters, PERIOD: inhibition},
            inhibition=PERIOD,
        )
    return snn.with_population(
        population, model=model, parameters={str(model.inhibition): inhibition}
    )
