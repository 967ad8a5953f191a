"""A spiking softmax as the output of a converted network; see :mod:`bionet.equations.softmax`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from brian2 import Hz, Quantity, check_units, hertz

from bionet.equations import integrate_and_fire, lottery, trigger
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import Dense, Largest

__all__ = ["with_softmax"]

TRIGGER, SOFTMAX = "softmax_trigger", "softmax"


@typed
@check_units(rate=hertz)
def with_softmax(snn: SpikingNetwork, rate: Quantity = 100 * Hz) -> SpikingNetwork:
    """The network with a spiking softmax in place of its output units.

    The population that the readouts FS and MS counted goes; the readout units, which integrate
    the same input, draw lots whenever the generator fires, and population ``softmax`` emits the
    winner's spike. MP still compares the potentials.

    Parameters
    ----------
    snn : SpikingNetwork
        With a readout population that only integrates.
    rate : Quantity
        Rate of the Poisson generator; the mean number of output spikes a second.

    Raises
    ------
    InputError
        If the readout population fires, or something else takes the output units' spikes.

    References
    ----------
    Rueckauer et al. 2016, Section 3 (spiking softmax).
    """
    output = snn.population(snn.readout.spikes)
    potential = snn.population(snn.readout.potential)
    if potential.model.threshold is not None or output.name == potential.name:
        raise InputError(
            f"a softmax needs a readout population that only integrates, but"
            f" {potential.name!r} fires; convert the network with bionet.convert"
        )
    if others := [q.target for q in snn.projections if q.source == output.name]:
        raise InputError(
            f"population {output.name!r} cannot be replaced by a softmax: {others[0]!r} takes its"
            " spikes"
        )
    kept = [p for p in snn.populations if p.name not in (output.name, potential.name)]
    drive = {"I": potential.parameters["I"]}
    populations = (
        *kept,
        Population(TRIGGER, (1,), trigger(rate)),
        Population(potential.name, potential.shape, lottery(), drive),
        Population(SOFTMAX, potential.shape, integrate_and_fire()),
    )
    projections = (
        *(q for q in snn.projections if q.target != output.name),
        Projection(TRIGGER, potential.name, Dense(np.ones((potential.size, 1))), variable="go"),
        Projection(potential.name, SOFTMAX, Largest()),
    )
    return replace(
        snn,
        populations=populations,
        projections=projections,
        readout=Readout(SOFTMAX, potential.name, snn.readout.default),
        origin=snn.origin.without(output.name),
    )
