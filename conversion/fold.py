r"""DSNN-fold: negative input first, so that a count does not depend on the order of spikes.

The layers run one after another, in windows of W steps. A layer sees the spikes of the layer before
twice: when they are emitted, through what lowers v (negative weights, and negative spikes through
positive weights), and W steps later through what raises v. While v is lowered no unit fires; while
it is raised nothing is taken back. With reset by subtraction a unit thus emits

.. math::

    n = \left\lfloor \max\Big(0, \sum_j w_j n_j\Big) / \theta \right\rfloor

spikes, whatever the order of its input, as long as it need not emit more than one in a step. A
window lasts as long as the input, and ``drain`` steps more in which units above threshold may
go on. Units that still are above threshold at the end lost spikes: :func:`fold_report` counts them.

A max pooling passes on the spikes of the unit of each pool that emitted most of them. Which one
that is, is known when its window is over: the pool's units emit one window later, too.

In Brian2 these are two pathways per projection: one that passes what lowers, without delay, and
one that passes what raises, with an axonal delay of W. Layer l emits in the steps from l W to
(l + 1) W.

References
----------
Zhang et al. 2019 (DSNN), Section 3 (fold). There the pathways have delays of one and two windows;
without the first delay the counts are the same, in half the time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.kernels import GATES, MaxPool2d
from bionet.layout import from_channel_last, to_channel_last
from bionet.network import Projection, SpikingNetwork
from bionet.targets import Targets, total_input

__all__ = ["FoldRow", "fold", "fold_report"]


def fold(snn: SpikingNetwork, presentation: int, drain: int = 0) -> SpikingNetwork:
    """A chain of integrate-and-fire populations, folded.

    Parameters
    ----------
    snn : SpikingNetwork
        Without biases, with reset by subtraction, for a spiking input coding.
    presentation : int
        Steps in which the input emits.
    drain : int
        Steps that a window is longer than that.

    Returns
    -------
    SpikingNetwork
        Every projection is there twice; ``metadata["fold"]`` holds the window, and the simulation
        lasts one window for the input and one for each layer by default.

    Raises
    ------
    InputError
        If a population has a bias, a leak or another reset.
    """
    for population in snn.populations:
        drive = population.parameters.get("I")
        if drive is not None and drive.any():
            raise InputError(
                f"fold: population {population.name!r} has a bias, which has no place in either"
                " phase; train the network without biases (bionet.zoo's networks have none)"
            )
        if "tau" in population.parameters:
            raise InputError(f"fold: population {population.name!r} leaks; use tau=None")
        if (population.model.reset or "v -= theta").splitlines()[0] != "v -= theta":
            raise InputError(f"fold: population {population.name!r} needs reset='subtract'")
    window = presentation + drain
    projections = []
    for projection in snn.projections:
        if not isinstance(projection.kernel, GATES):
            projections.append(replace(projection, sign=-1))
            sign = 1
        else:
            sign = 0
        projections.append(replace(projection, sign=sign, delay=projection.delay + window))
    layers = len([p for p in snn.populations if p.model.threshold is not None])
    own = dict(snn.metadata.get("simulation", {}))
    own |= {"duration_ms": (layers + 1) * window * own.get("dt_ms", 1.0), "stop": presentation}
    metadata = {**snn.metadata, "simulation": own, "fold": {"window": window, "drain": drain}}
    return replace(snn, projections=tuple(projections), metadata=metadata)


def window_input(projection: Projection, source: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What all spikes of a window add up to at every target, float64 (n_images, *target)."""
    kernel = projection.kernel
    if not isinstance(kernel, MaxPool2d):
        return total_input(kernel, source, shape)
    targets = Targets(kernel, shape, kernel.target_shape(shape), np.float64)
    flat = to_channel_last(source, shape)
    units = int(np.prod(kernel.target_shape(shape)))
    largest = [flat[:, targets.pool(unit)].max(axis=1) for unit in range(units)]
    return from_channel_last(np.stack(largest, axis=1), kernel.target_shape(shape))


@dataclass(frozen=True)
class FoldRow:
    """How a folded population kept to its closed form.

    Attributes
    ----------
    population : str
    spikes : int
        Spikes of all images.
    wrong : int
        Pairs of image and unit whose count is not floor(max(0, total) / theta).
    lost : int
        Spikes missing in these.
    saturated : int
        Pairs that were still above threshold at the end of the presentation.
    """

    population: str
    spikes: int
    wrong: int
    lost: int
    saturated: int


def fold_report(snn: SpikingNetwork, run: Any, images: np.ndarray) -> tuple[FoldRow, ...]:
    """Compare the counts of a folded network with their closed form.

    Parameters
    ----------
    snn : SpikingNetwork
        Folded.
    run : Recording
        Simulated with ``final_potentials=True``.
    images : array (n_images, *input_shape)
        The images simulated; a negative pixel has emitted negative spikes.

    Returns
    -------
    tuple of FoldRow
        One for each population that fires.
    """
    if "fragments" in snn.metadata:
        raise InputError(
            "fold_report takes the uncut network; give it the joined counts of the parts' run"
        )
    rows = []
    for projection in snn.projections:
        population = snn.population(projection.target)
        if projection.sign < 0 or population.model.threshold is None:
            continue
        if population.name not in run.final_potentials:
            raise InputError("fold_report needs simulate(..., final_potentials=True)")
        source = run.counts[projection.source].astype(np.float64)
        if projection.source == "input":
            source *= np.sign(images)
        total = window_input(projection, source, snn.shape(projection.source))
        total = total.reshape(run.counts[population.name].shape)
        theta = np.asarray(population.parameters["theta"])
        counts = run.counts[population.name].astype(np.int64)
        # A total that is a multiple of theta up to rounding may count as one more or less.
        slack = 1e-5 * np.maximum(1.0, np.abs(total / theta))
        low = np.floor(np.maximum(0.0, total) / theta - slack).astype(np.int64)
        high = np.floor(np.maximum(0.0, total) / theta + slack).astype(np.int64)
        wrong = (counts < low) | (counts > high)
        rows.append(
            FoldRow(
                population.name,
                int(counts.sum()),
                int(wrong.sum()),
                int(np.maximum(low - counts, 0).sum()),
                int((run.final_potentials[population.name] >= theta).sum()),
            )
        )
    return tuple(rows)
