"""Dale's principle by interneurons: what inhibits leaves through cells of their own.

A population whose outgoing weights have both signs gets a partner of its shape, one interneuron
for each principal cell. Positive weights leave the principal cells, negative ones the partners,
which repeat their spikes; by default within the step, so that in float64 the spikes of the network
stay what they were.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bionet.conversion.physical.populations import PARTNER, relay
from bionet.equations import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, Projection, SpikingNetwork
from bionet.network.kernels import OneToOne
from bionet.network.signs import unit_signs

__all__ = ["with_interneurons"]


@typed
def with_interneurons(
    snn: SpikingNetwork, interneuron: NeuronModel | None = None
) -> SpikingNetwork:
    """The network with inhibitory partners for the populations that excite and inhibit.

    Parameters
    ----------
    snn : SpikingNetwork
        Of units that send spikes of one size. Is not changed.
    interneuron : NeuronModel, optional
        Of the partners; by default one that fires within the step of its principal cell's spike.

    Returns
    -------
    SpikingNetwork
        Its ``is_dale()`` holds; ``relays`` names the partners.

    Raises
    ------
    InputError
        If the network has a temporal code, or units whose spikes have signs or sizes.

    Examples
    --------
    >>> with_interneurons(bionet.convert(net, method="rate", ...)).is_dale()  # doctest: +SKIP
    True
    """
    if snn.code is not None:
        raise InputError(
            f"Dale's principle: method {snn.method!r} reads the time of single spikes; interneurons"
            " are for networks of rates, such as those of method='rate'"
        )
    mixed = {name for name, (up, down) in unit_signs(snn).items() if (up & down).any()}
    populations: list[Population] = []
    for population in snn.populations:
        populations.append(population)
        if population.name not in mixed:
            continue
        if population.model.spike != "unit" or population.model.amplitude is not None:
            raise InputError(
                f"Dale's principle: the spikes of population {population.name!r} have a sign or a"
                " size, which one cell cannot send; convert without signed=True"
            )
        partner = f"{population.name}{PARTNER}"
        populations.append(Population(partner, population.shape, interneuron or relay()))
    projections = [
        divided
        for projection in snn.projections
        for divided in (_divided(projection) if projection.source in mixed else [projection])
    ]
    projections += [
        Projection(name, f"{name}{PARTNER}", OneToOne(1.0)) for name in snn.names if name in mixed
    ]
    return replace(
        snn,
        populations=tuple(populations),
        projections=tuple(projections),
        relays={**snn.relays, **{f"{name}{PARTNER}": name for name in snn.names if name in mixed}},
    )


def _divided(projection: Projection) -> list[Projection]:
    """A projection's excitatory weights, and its inhibitory ones from the partner."""
    turned = int(np.sign(float(projection.gain)))
    parts = []
    for sign in (1, -1):
        weights = projection.kernel.part(sign)
        if weights is None or projection.sign == -sign:
            continue
        source = projection.source if sign * turned > 0 else f"{projection.source}{PARTNER}"
        parts.append(replace(projection, source=source, kernel=weights))
    return parts
