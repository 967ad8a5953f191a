"""Delays that differ from unit to unit, in an ejected script: axons with ends of their own.

Brian2's ``Synapses`` take a delay for each synapse, but add what arrives together in the order in
which it was sent; BioNet adds it in the order of the units. In the script each unit's spike
therefore travels to the end of its axon, a unit of a second group, which fires when it arrives;
synapses without a delay begin there, in the order of the units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bionet.brian.assemble import queued_steps, synapse_names
from bionet.brian.channel_last import to_channel_last
from bionet.network import SpikingNetwork

__all__ = ["Axons", "axons_of", "turns"]


@dataclass(frozen=True, eq=False)
class Axons:
    """The axons of a projection, or of several with the same delays.

    Parameters
    ----------
    name : str
        Of the group of their ends.
    source_name, target_name, event : str
        What sends which event to what.
    source : str
        The script's variable of the source.
    steps : int32 array (n_units,)
        Channel-last.
    """

    name: str
    source_name: str
    target_name: str
    event: str
    source: str
    steps: np.ndarray

    @property
    def size(self) -> int:
        """Units."""
        return len(self.steps)

    @property
    def least(self) -> int:
        """Steps of the shortest travel."""
        return int(self.steps.min())

    @property
    def most(self) -> int:
        """Steps of the longest travel."""
        return int(self.steps.max())


def axons_of(snn: SpikingNetwork, variables: Mapping[str, str], dt: float) -> dict[str, Axons]:
    """The axons of the synapses (by name) whose units differ in their delays.

    Parameters
    ----------
    snn : SpikingNetwork
    variables : mapping of str to str
        The script's variable of each population.
    dt : float
        Step in seconds.
    """
    axons: dict[str, Axons] = {}
    shared: dict[tuple[str, str, str, bytes], Axons] = {}
    taken = {*snn.names, *variables.values()}
    for name, projection in zip(synapse_names(snn), snn.projections, strict=True):
        steps = to_channel_last(queued_steps(snn, projection, dt), snn.shape(projection.source))
        if not np.ptp(steps):
            continue
        key = (projection.source, projection.target, projection.event, steps.tobytes())
        if key not in shared:
            free = name.replace("_synapses", "_axons", 1)
            while free in taken:
                free += "_"
            taken |= {free, f"{free}_travel"}
            ends = projection.source, projection.target
            source = variables[projection.source]
            shared[key] = Axons(free, *ends, projection.event, source, steps)
        axons[name] = shared[key]
    return axons


def turns(names: tuple[str, ...], axons: Mapping[str, Axons]) -> tuple[str, ...]:
    """Populations and ends of axons in the order in which they act: ends before their targets."""
    distinct = dict.fromkeys(axons.values())
    return tuple(
        turn
        for name in names
        for turn in (*(a.name for a in distinct if a.target_name == name), name)
    )
