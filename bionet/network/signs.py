"""Signs of weights: the positive or negative part of a kernel, and Dale's principle.

Dale's principle: all the synapses that leave a neuron excite their targets, or all of them
inhibit. Pixels that drive by a current are no neurons.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bionet.network.kernel_base import Kernel
from bionet.network.kernels import Conv2d, Dense, OneToOne, Sparse
from bionet.network.relays import passing_relays

if TYPE_CHECKING:
    from bionet.network.spiking_network import SpikingNetwork

__all__ = ["ROLES", "is_dale", "outgoing_signs", "part", "unit_roles"]

ROLES = ("excitatory", "inhibitory")


def part(kernel: Kernel, sign: int) -> Kernel | None:
    """A kernel's weights of one sign (1 or -1), the others 0; None where there are none."""
    if isinstance(kernel, OneToOne):
        weight = np.asarray(kernel.weight, dtype=np.float64)
        kept = np.where(np.sign(weight) == sign, weight, 0.0)
        if not kept.any():
            return None
        return replace(kernel, weight=kept if kept.ndim else float(kept))
    if not isinstance(kernel, Dense | Conv2d | Sparse):  # a pooling; its weights are all positive
        return kernel if sign > 0 else None
    weights = kernel.weights
    kept = np.where(np.sign(weights) == sign, weights, weights.dtype.type(0))
    return replace(kernel, weights=kept) if kept.any() else None


def outgoing_signs(kernel: Kernel) -> tuple[np.ndarray, np.ndarray]:
    """Whether the weights that leave each source unit hold positive and negative ones.

    Returns
    -------
    positive, negative : bool array (n_units,), (n_channels,) of a convolution, or (1,)
        (1,) for a kernel whose weights are the same for all units.
    """
    if isinstance(kernel, Dense):
        weights = np.asarray(kernel.weights)
        return np.any(weights > 0, axis=0), np.any(weights < 0, axis=0)
    if isinstance(kernel, Conv2d):
        # (group, out, in, taps): the sources of a group are its own channels.
        by_group = kernel.weights.reshape(
            kernel.groups, -1, kernel.weights.shape[1], int(np.prod(kernel.weights.shape[2:]))
        )
        above, below = (by_group > 0).any(axis=(1, 3)), (by_group < 0).any(axis=(1, 3))
        return above.reshape(-1), below.reshape(-1)
    if isinstance(kernel, OneToOne):
        weight = np.asarray(kernel.weight, dtype=np.float64).reshape(-1)
        return np.asarray(weight > 0), np.asarray(weight < 0)
    if isinstance(kernel, Sparse):
        sources = np.repeat(np.arange(len(kernel.offsets) - 1), np.diff(kernel.offsets))
        positive, negative = (np.zeros(len(kernel.offsets) - 1, dtype=bool) for _ in range(2))
        positive[sources[kernel.weights > 0]] = True
        negative[sources[kernel.weights < 0]] = True
        return positive, negative
    weights = np.asarray(getattr(kernel, "weights", 1.0))
    return np.array([bool((weights > 0).any())]), np.array([bool((weights < 0).any())])


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
            above, below = outgoing_signs(projection.kernel)
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
