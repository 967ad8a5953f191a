"""Signs of weights, and Dale's principle.

Dale's principle: all the synapses that leave a neuron excite their targets, or all of them
inhibit. Pixels that drive by a current are no neurons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bionet.network.relays import passing_relays

if TYPE_CHECKING:
    from bionet.network.spiking_network import SpikingNetwork

__all__ = ["ROLES", "is_dale", "unit_roles"]

ROLES = ("excitatory", "inhibitory")


def is_dale(snn: SpikingNetwork) -> bool:
    """Whether all synapses that leave a neuron excite, or all inhibit, for every neuron.

    Signed spikes excite and inhibit through one synapse, so a population that sends them does
    not keep the principle if anything leaves it.
    """
    return not any((roles == "mixed").any() for roles in unit_roles(snn).values())


def unit_roles(snn: SpikingNetwork) -> dict[str, np.ndarray]:
    """What every unit does to its targets.

    Returns
    -------
    dict of str to array of str
        By population, in its shape: ``"excitatory"``, ``"inhibitory"``, ``"mixed"`` where a unit
        does both, and ``""`` where nothing leaves it.
    """
    roles = {}
    for population in snn.populations:
        positive = np.zeros(population.shape, dtype=bool)
        negative = np.zeros(population.shape, dtype=bool)
        for projection in snn.projections:
            if projection.source != population.name:
                continue
            above, below = projection.kernel.signs()
            if float(projection.gain) < 0:
                above, below = below, above
            if population.model.spike == "signed":
                positive[:] = negative[:] = True
            if projection.sign >= 0:
                positive |= _by_unit(above, population.shape)
            if projection.sign <= 0:
                negative |= _by_unit(below, population.shape)
        role = np.where(positive, ROLES[0], np.where(negative, ROLES[1], ""))
        roles[population.name] = np.where(positive & negative, "mixed", role)
    for relay, origin in reversed(passing_relays(snn).items()):
        if origin != "input":  # what leaves a cell leaves it through its relays
            roles[origin] = roles[relay]
    return roles


def _by_unit(signs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Signs of all, of channels, or of units, in a shape that broadcasts with a population's."""
    if signs.size == int(np.prod(shape)):
        return signs.reshape(shape)
    return signs.reshape(-1, *[1] * (len(shape) - 1))
