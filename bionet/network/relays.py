"""Relays: populations that only pass on the spikes of another one.

Two kinds are listed in :attr:`~bionet.network.SpikingNetwork.relays`. A perturbation's relay is a
piece of the axon: all that its origin sends goes through it, with a size. An interneuron that
repeats the spikes of its principal cell (Dale's principle) is a cell of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bionet.network.spiking_network import SpikingNetwork

__all__ = ["passing_relays"]


def passing_relays(snn: SpikingNetwork) -> dict[str, str]:
    """The relays that are pieces of an axon -> the population, or ``input``, that it belongs to.

    Interneurons are not among them.
    """
    return {
        relay: origin
        for relay, origin in snn.relays.items()
        if snn.population(relay).model.amplitude is not None
        and any(
            q.target == relay
            and q.kernel.pointwise
            and origin in (q.source, snn.relays.get(q.source))
            for q in snn.projections
        )
    }
