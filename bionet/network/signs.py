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

__all__ = ["ROLES", "is_dale", "unit_roles", "unit_signs"]

ROLES = ("excitatory", "inhibitory")


def is_dale(snn: SpikingNetwork) -> bool:
    """Whether all synapses that leave a neuron excite, or all inhibit, for every neuron.

    Signed spikes excite and inhibit through one synapse, so a population that sends them does
    not keep the principle if anything leaves it.
    """
    return not any((excite & inhibit).any() for excite, inhibit in unit_signs(snn).values())


def unit_roles(snn: SpikingNetwork) -> dict[str, np.ndarray]:
    """What every unit does to its targets.

    Returns
    -------
    dict of str to array of str
        By population, in its shape: ``"excitatory"``, ``"inhibitory"``, ``"mixed"`` where a unit
        does both, and ``""`` where nothing leaves it.
    """
    names = np.array(["", *ROLES, "mixed"])
    return {
        name: names[excite + 2 * inhibit.astype(np.int8)]
        for name, (excite, inhibit) in unit_signs(snn).items()
    }


def unit_signs(snn: SpikingNetwork) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Whether every unit excites a target, and whether it inhibits one: bool, in its shape."""
    signs = {}
    for population in snn.populations:
        excite = np.zeros(population.shape, dtype=bool)
        inhibit = np.zeros(population.shape, dtype=bool)
        for projection in snn.projections:
            if projection.source != population.name:
                continue
            above, below = projection.kernel.signs()
            if float(projection.gain) < 0:
                above, below = below, above
            if population.model.spike == "signed":
                excite[:] = inhibit[:] = True
            if projection.sign >= 0:
                excite |= _by_unit(above, population.shape)
            if projection.sign <= 0:
                inhibit |= _by_unit(below, population.shape)
        signs[population.name] = excite, inhibit
    for relay, origin in reversed(passing_relays(snn).items()):
        if origin != "input":  # what leaves a cell leaves it through its relays
            signs[origin] = signs[relay]
    return signs


def _by_unit(signs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Signs of all, of channels, or of units, in a shape that broadcasts with a population's."""
    if signs.size == int(np.prod(shape)):
        return signs.reshape(shape)
    return signs.reshape(-1, *[1] * (len(shape) - 1))
