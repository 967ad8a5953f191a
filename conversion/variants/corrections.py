r"""Two corrections of integrate-and-fire units, for a network of any method: fewer steps.

*Initial potential.* Units begin at :math:`v(0) = s\,\theta`. A constant drive a then gives

.. math:: N(T) = \lfloor a T / \theta + s \rfloor

spikes in T steps: with s = 1/2 rounded to the nearest instead of down, so that the mean error of a
layer is 0 instead of half a spike for each unit.

*Signed correction.* A unit takes a spike back where its potential falls below 0 after it has
fired (:mod:`bionet.equations.signed`): counts no longer depend on the order of the input.

=========  =======  ====================================================
symbol     unit     meaning
=========  =======  ====================================================
s          1        share of the threshold at which a presentation begins
theta      1        threshold
T          steps    length of a presentation
=========  =======  ====================================================

References
----------
T. Bu, J. Ding, Z. Yu, T. Huang: Optimized potential initialization for low-latency spiking neural
networks. AAAI (2022). Y. Wang et al.: Signed neuron with memory. IJCAI (2022).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bionet.equations import NeuronModel, signed_integrate_and_fire, with_rate_estimate
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork

__all__ = ["check_share", "with_initial_potential", "with_signed_correction"]


@typed
def with_initial_potential(snn: SpikingNetwork, share: float = 0.5) -> SpikingNetwork:
    """The network with units that begin each presentation at a share of their threshold.

    Parameters
    ----------
    snn : SpikingNetwork
        Whose units that fire have a threshold ``theta``.
    share : float
        In [0, 1), of the threshold.

    Raises
    ------
    InputError
        If the share is out of range, or a unit has no threshold ``theta``.
    """
    check_share(share)
    for population in _firing(snn):
        potential = population.model.potential
        if potential is None or "theta" not in population.parameters:
            raise InputError(
                f"population {population.name!r} ({population.model.name}) has no threshold theta"
                " that its potential could begin at a share of"
            )
        initial = {**population.model.initial, potential: f"{share!r}*theta"}
        changed = replace(population.model, initial=initial)
        snn = snn.with_population(population.name, model=changed)
    return snn


@typed
def with_signed_correction(snn: SpikingNetwork, lower_bound: float = 0.0) -> SpikingNetwork:
    """The network with units that take back spikes which came too early.

    Parameters
    ----------
    snn : SpikingNetwork
        Whose units that fire are integrate-and-fire units with reset by subtraction.
    lower_bound : float
        Of the potential, in thresholds, 0 or less: below it a unit takes a spike back.

    Raises
    ------
    InputError
        If the bound is above 0, or a population is of another kind.

    References
    ----------
    Wang et al. 2022, Section 3.
    """
    if not lower_bound <= 0:
        raise InputError(
            f"lower_bound is where spikes are taken back, in thresholds, <= 0; got {lower_bound!r}"
        )
    for population in _firing(snn):
        theta = population.parameters.get("theta")
        if theta is None or not _is_plain(population.model):
            raise InputError(
                f"population {population.name!r} ({population.model.name}) cannot take spikes back:"
                " the signed correction is for integrate-and-fire units with reset by subtraction"
            )
        kind = replace(signed_integrate_and_fire(), initial=population.model.initial)
        if "r" in population.model.dimensions:
            kind = _with_estimate(kind, population)
        low: Any = lower_bound * theta if lower_bound else 0.0
        changes = {"v_low": low} if np.any(low) else {}
        snn = snn.with_population(population.name, model=kind, parameters=changes)
    return snn


def check_share(share: Any) -> None:
    """Refuse an initial potential outside [0, 1) of the threshold."""
    number = isinstance(share, (int, float, np.number)) and not isinstance(share, bool)
    if not number or not 0 <= share < 1:
        raise InputError(
            "the initial potential is a share of the threshold in [0, 1), such as 0.5, but got"
            f" {share!r}"
        )


def _firing(snn: SpikingNetwork) -> list[Population]:
    """The populations that fire, but for poolings that follow a count: these have no threshold."""
    kernels = {q.target: q.kernel for q in snn.projections}
    following = {n for n, k in kernels.items() if getattr(k, "rule", None) == "count"}
    return [p for p in snn.populations if p.model.threshold is not None and p.name not in following]


def _is_plain(model: NeuronModel) -> bool:
    """Whether a model only integrates, and loses its threshold at a spike."""
    integrates = model.resets == "subtract" and not model.leaks and model.spike == "unit"
    return integrates and not (model.update or model.refractory or model.inhibition)


def _with_estimate(kind: NeuronModel, population: Population) -> NeuronModel:
    """The model with the estimate of its rate that the population's own model has."""
    tau = population.parameters.get("tau_r")
    return with_rate_estimate(kind, None if tau is None else population.model.parameters["tau_r"])
