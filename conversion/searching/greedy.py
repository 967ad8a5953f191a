"""Searching thresholds: a common factor first, then greedily layer by layer.

Every candidate is scored by simulating the spiking network itself.

References
----------
Zhang et al. 2019 (DSNN), Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from bionet.conversion.tracing.activations import BATCH_SIZE
from bionet.conversion.tracing.trace import precision
from bionet.errors import InputError
from bionet.evaluation import mode
from bionet.network import SpikingNetwork

__all__ = ["Trial", "agreement_with", "answers_of", "search_thresholds"]

Objective = Callable[[SpikingNetwork], float]


@dataclass(frozen=True)
class Trial:
    """One candidate of a search: its sigmas, its score, and whether it became the best."""

    sigmas: Mapping[str, float]
    score: float
    accepted: bool


def search_thresholds(
    names: Sequence[str],
    network: Callable[[Mapping[str, float]], SpikingNetwork],
    objective: Objective,
    sigmas: Sequence[float],
    factors: Sequence[float],
    best_possible: float = 1.0,
) -> tuple[dict[str, float], list[Trial]]:
    """The best sigma of each layer, and every trial in order.

    Parameters
    ----------
    names : sequence of str
        Populations with a threshold, from the input on.
    network : callable
        Builds the network from a sigma for each population.
    objective : callable
        Scores a network; more is better.
    sigmas : sequence of float
        Candidates for the sigma of all layers.
    factors : sequence of float
        Candidates for the factor on one layer's sigma; a factor is kept where it raises the score.
    best_possible : float
        The refinement ends where the score reaches this.

    Returns
    -------
    sigmas : dict of str to float
    trials : list of Trial

    Raises
    ------
    InputError
        If a candidate is not positive, or there is none.
    """
    if not len(sigmas) or min([*sigmas, *factors]) <= 0:
        raise InputError(f"sigmas and factors must be positive, got {sigmas} and {factors}")
    trials: list[Trial] = []
    best: dict[str, float] = {}
    score = -np.inf

    def attempt(candidate: dict[str, float]) -> None:
        nonlocal best, score
        value = objective(network(candidate))
        accepted = value > score
        trials.append(Trial(candidate, value, accepted))
        if accepted:
            best, score = candidate, value

    for sigma in sigmas:
        attempt(dict.fromkeys(names, float(sigma)))
    for name in names:
        start = best[name]
        for factor in factors:
            if score >= best_possible:
                return best, trials
            attempt({**best, name: start * factor})
    return best, trials


def agreement_with(net: nn.Module, images: torch.Tensor, labels: Any = None) -> Objective:
    """Share of images that a spiking network answers right, or as the network itself does.

    Parameters
    ----------
    net : torch.nn.Module
        Answers where there are no labels.
    images : tensor (n, *input_shape)
    labels : int array (n,), optional

    Raises
    ------
    InputError
        If labels and images differ in number.
    """
    from bionet.running.simulate import simulate

    target = answers_of(net, images) if labels is None else np.asarray(labels)
    if target.shape != (len(images),):
        raise InputError(f"labels must be {len(images)} classes, but have shape {target.shape}")
    pixels = images.numpy().astype(np.float32)

    def objective(snn: SpikingNetwork) -> float:
        return simulate(snn, pixels).accuracy(target)

    return objective


def answers_of(net: nn.Module, images: torch.Tensor) -> np.ndarray:
    """The class that a network gives each image, int array (n,)."""
    with mode(net, training=False), torch.no_grad():
        scores = [net(part.to(precision(net))) for part in images.split(BATCH_SIZE)]
    return torch.cat(scores).reshape(len(images), -1).argmax(1).numpy()
