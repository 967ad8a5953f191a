"""Perturbations of spiking networks and of images, as changes to equations and parameters.

:func:`perturb` gives a network that runs on every device and draws the same random numbers on
all of them. A perturbation of one's own is a subclass of :class:`NetworkPerturbation` or
:class:`ImagePerturbation`; see ``docs/perturbations.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Perturbed, SpikingNetwork
from bionet.perturbations.base import (
    PERTURBATIONS,
    ImagePerturbation,
    NetworkPerturbation,
    Perturbation,
)
from bionet.perturbations.channel_block import ChannelBlock
from bionet.perturbations.current_noise import CurrentNoise
from bionet.perturbations.images import Blur, Contrast, GaussianNoise, Occlusion, SaltAndPepper
from bionet.perturbations.lesion import Lesion
from bionet.perturbations.membrane import (
    DeadUnits,
    MembraneLeak,
    MembraneNoise,
    RefractoryPeriod,
    ThresholdSpread,
)
from bionet.perturbations.parameters import ParameterSpread
from bionet.perturbations.pathways import LossyEvents, SpikeDeletion, SpikeInsertion
from bionet.perturbations.stuck_firing import StuckFiring
from bionet.perturbations.synaptic_filter import SynapticFilter
from bionet.perturbations.temperature import Temperature
from bionet.perturbations.transmission import (
    BackgroundSpikes,
    SpikeTimeJitter,
    SynapticFailure,
    TransmissionDelay,
    relays,
)
from bionet.perturbations.weight_drift import WeightDrift
from bionet.perturbations.weights import CoarserTimeStep, WeightNoise, WeightQuantisation

__all__ = [
    "ChannelBlock",
    "CurrentNoise",
    "Lesion",
    "LossyEvents",
    "SpikeDeletion",
    "SpikeInsertion",
    "StuckFiring",
    "Temperature",
    "WeightDrift",
    "PERTURBATIONS",
    "BackgroundSpikes",
    "Blur",
    "CoarserTimeStep",
    "Contrast",
    "DeadUnits",
    "GaussianNoise",
    "ImagePerturbation",
    "MembraneLeak",
    "MembraneNoise",
    "NetworkPerturbation",
    "ParameterSpread",
    "Occlusion",
    "Perturbation",
    "RefractoryPeriod",
    "SaltAndPepper",
    "SpikeTimeJitter",
    "SynapticFailure",
    "SynapticFilter",
    "ThresholdSpread",
    "TransmissionDelay",
    "WeightNoise",
    "WeightQuantisation",
    "find",
    "noted",
    "perturb",
    "relays",
]

for _kind in (
    MembraneNoise,
    MembraneLeak,
    ThresholdSpread,
    ParameterSpread,
    RefractoryPeriod,
    DeadUnits,
    SpikeTimeJitter,
    SynapticFailure,
    SynapticFilter,
    BackgroundSpikes,
    TransmissionDelay,
    WeightNoise,
    WeightQuantisation,
    WeightDrift,
    CoarserTimeStep,
    CurrentNoise,
    ChannelBlock,
    Temperature,
    StuckFiring,
    Lesion,
    SpikeDeletion,
    SpikeInsertion,
    LossyEvents,
    GaussianNoise,
    SaltAndPepper,
    Occlusion,
    Contrast,
    Blur,
):
    PERTURBATIONS.add(_kind.name, _kind)


@typed
def find(name: str) -> type[Perturbation]:
    """The perturbation of a name, or a user's own as ``module:Class``.

    Raises
    ------
    InputError
        If there is none.
    """
    return PERTURBATIONS.find(name)


@typed
def perturb(
    snn: SpikingNetwork,
    perturbations: Sequence[Perturbation],
    seed: int = 0,
    coding: str | None = None,
) -> SpikingNetwork:
    """A network with perturbations, one after another.

    Parameters
    ----------
    snn : SpikingNetwork
        Is not changed.
    perturbations : sequence of NetworkPerturbation
    seed : int
        Selects what is drawn once; what is drawn in every step follows the seed of the simulation.
    coding : str, optional
        Input coding of the simulations to come; the network's own by default. Where it has spikes,
        the input's spikes are perturbed like all others.

    Returns
    -------
    SpikingNetwork
        Its ``perturbations`` list name, level, unit and seed.

    Raises
    ------
    InputError
        If a perturbation acts on images, or does not fit the network.

    Examples
    --------
    >>> noisy = perturb(snn, [MembraneNoise(0.1), DeadUnits(0.05)], seed=0)  # doctest: +SKIP
    """
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise InputError(f"seed must be a whole number >= 0, but is {seed}")
    snn = replace(snn, coding=coding or snn.coding)
    for perturbation in perturbations:
        if isinstance(perturbation, ImagePerturbation):
            raise InputError(
                f"{perturbation.name} acts on images:"
                f" images = {type(perturbation).__name__}(...).apply(images)"
            )
        if not isinstance(perturbation, NetworkPerturbation):
            raise InputError(f"perturb expected a NetworkPerturbation, but got {perturbation!r}")
        perturbation.check_names(snn)
        snn = perturbation.apply(snn, int(seed))
        snn = noted(snn, [perturbation], int(seed))
    return snn


@typed
def noted(
    snn: SpikingNetwork, perturbations: Sequence[Perturbation], seed: int = 0
) -> SpikingNetwork:
    """A network whose ``perturbations`` list these too.

    :func:`perturb` does so. For perturbations of images it says that the network will see what it
    was not made for: a spike that comes too late for its window is then a result, no mistake.
    """
    if not perturbations:
        return snn
    notes = (Perturbed(p.name or type(p).__name__, p.number, p.unit, seed) for p in perturbations)
    return replace(snn, perturbations=(*snn.perturbations, *notes))
