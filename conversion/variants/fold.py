r"""DSNN-fold: negative input first, so that a count does not depend on the order of spikes.

The layers run one after another, in windows of W steps. A layer sees the spikes of the layer before
twice: when they are emitted, through what lowers v (negative weights, and negative spikes through
positive weights), and W steps later through what raises v. While v is lowered no unit fires; while
it is raised nothing is taken back. With reset by subtraction a unit thus emits

.. math::

    n = \left\lfloor \max\Big(0, \sum_j w_j n_j\Big) / \theta \right\rfloor

spikes, whatever the order of its input, as long as it need not emit more than one in a step. With
``rounding="nearest"`` a unit fires from :math:`\theta/2` on, and still loses :math:`\theta`: the
total is rounded to the nearest multiple of the threshold, not down, which halves the error of a
layer and takes its bias away.

A window lasts as long as the input, and ``drain`` steps more in which units above threshold may go
on. Units that still are above threshold at the end lost spikes: :func:`fold_report` counts them.
Smaller thresholds round finer and need longer windows; :func:`window_sigmas` makes every layer's so
that its busiest unit fills a given share of the window.

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

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Fold, Population, Projection, SpikingNetwork
from bionet.network.delays import delay_steps

__all__ = ["ROUNDINGS", "FoldRow", "fold", "fold_report", "window_sigmas"]

# What a unit fires at, in thresholds.
ROUNDINGS = {"down": 1.0, "nearest": 0.5}


@typed
def fold(
    snn: SpikingNetwork,
    presentation: int,
    drain: int = 0,
    rounding: Literal["down", "nearest"] = "down",
) -> SpikingNetwork:
    """A chain of integrate-and-fire populations, folded.

    Parameters
    ----------
    snn : SpikingNetwork
        Without biases, with reset by subtraction, for a spiking input coding.
    presentation : int
        Steps in which the input emits.
    drain : int
        Steps that a window is longer than that.
    rounding : {"down", "nearest"}
        Down is the paper's: a unit fires at its threshold; nearest: at half of it.

    Returns
    -------
    SpikingNetwork
        Every projection is there twice; ``code`` holds the window, and the simulation
        lasts one window for the input and one for each layer by default.

    Raises
    ------
    InputError
        If a population has a bias, a leak or another reset, or ``rounding`` is unknown.
    """
    if rounding not in ROUNDINGS:
        raise InputError(f"rounding of a fold is 'down' or 'nearest', but got {rounding!r}")
    for population in snn.populations:
        drive = population.parameters.get("I")
        if drive is not None and drive.any():
            raise InputError(
                f"fold: population {population.name!r} has a bias, which has no place in either"
                " phase; train the network without biases (bionet.zoo's networks have none)"
            )
        if "tau" in population.parameters:
            raise InputError(f"fold: population {population.name!r} leaks; use tau=None")
        if population.model.threshold is not None and population.model.resets != "subtract":
            raise InputError(f"fold: population {population.name!r} needs reset='subtract'")
    window, dt = presentation + drain, float(snn.times()[1])
    projections = []
    populations = {population.name: population for population in snn.populations}
    for projection in snn.projections:
        population = populations[projection.target]
        if rounding == "nearest" and _rounds(projection):
            populations[projection.target] = _firing_at_half(population)
        if projection.kernel.linear:
            projections.append(replace(projection, sign=-1))
            sign = 1
        else:
            sign = 0
        projections.append(
            replace(projection, sign=sign, delay=delay_steps(projection, dt) + window)
        )
    layers = len([p for p in snn.populations if p.model.threshold is not None])
    duration = (layers + 1) * window * dt
    return replace(
        snn,
        populations=tuple(populations.values()),
        projections=tuple(projections),
        simulation=replace(snn.simulation, duration=duration, stop=presentation),
        code=Fold(window, drain, rounding),
    )


def _code(snn: SpikingNetwork) -> Fold:
    if not isinstance(snn.code, Fold):
        raise InputError("the network is not folded: convert it with fold=True")
    return snn.code


def _rounds(projection: Projection) -> bool:
    """Whether a target's total is no whole number of spikes: not behind a gate."""
    return projection.kernel.linear


def _firing_at_half(population: Population) -> Population:
    """The population with its units firing at theta/2; one without threshold as it is."""
    model = population.model
    if model.threshold is None:
        return population
    name = f"{model.name}, at half the threshold"
    return replace(population, model=replace(model, name=name, threshold="v >= theta/2"))


def window_sigmas(
    snn: SpikingNetwork,
    images: np.ndarray,
    largest: Mapping[str, float],
    per_step: float,
    fill: float = 0.8,
) -> dict[str, float]:
    """Sigma of each layer by which its busiest unit emits in a given share of the window.

    Layer by layer the counts are computed from their closed form with the thresholds found so far.

    Parameters
    ----------
    snn : SpikingNetwork
        Folded, with any thresholds.
    images : array (n, *input_shape)
        Calibration images.
    largest : mapping of str to float
        M of every layer, the threshold at sigma = 1.
    per_step : float
        Spikes a step of an input of value 1.
    fill : float
        Share of the window's steps in (0, 1].

    Raises
    ------
    InputError
        If ``fill`` is out of range, or no unit of a layer is raised by any image.
    """
    if not 0 < fill <= 1:
        raise InputError(f"fill must be a share of the window in (0, 1], but got {fill!r}")
    code = _code(snn)
    most = fill * code.window
    offset = 1 - ROUNDINGS[code.rounding]
    pixels = np.asarray(images, dtype=np.float64)
    emitted = np.floor(np.abs(pixels) * per_step * (code.window - code.drain) + 1e-6)
    counts, sigmas = {"input": np.sign(pixels) * emitted}, {}
    for projection in snn.projections:
        name = projection.target
        if projection.sign < 0 or snn.population(name).model.threshold is None:
            continue
        source, shape = counts[projection.source], snn.shape(projection.source)
        total = np.maximum(0.0, window_input(projection, source, shape))
        if not projection.kernel.linear:
            counts[name] = total
            continue
        if not total.any():
            raise InputError(
                f"fold: no calibration image raises any unit of {name!r}, so its threshold cannot"
                " be found; give more images, or a sigma"
            )
        theta = float(total.max()) / most
        sigmas[name] = theta / largest[name]
        counts[name] = np.floor(total / theta + offset)
    return sigmas


def window_input(projection: Projection, source: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What all spikes of a window add up to at every target, float64 (n_images, *target)."""
    values = np.asarray(source, dtype=np.float64).reshape(len(source), *shape)
    return projection.kernel.apply(values)


@dataclass(frozen=True)
class FoldRow:
    """How a folded population kept to its closed form.

    Attributes
    ----------
    population : str
    spikes : int
        Spikes of all images.
    wrong : int
        Pairs of image and unit whose count is not floor(max(0, total) / theta), or, with rounding
        to nearest, floor(max(0, total) / theta + 1/2).
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


@typed
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
    code = _code(snn)
    if code.fragments:
        raise InputError(
            "fold_report takes the uncut network; give it the joined counts of the parts' run"
        )
    rows = []
    for projection in snn.projections:
        population = snn.population(projection.target)
        rounding = code.rounding if _rounds(projection) else "down"
        share = ROUNDINGS[rounding]
        if projection.sign < 0 or population.model.threshold is None:
            continue
        if population.name not in run.final_potentials:
            raise InputError("fold_report needs simulate(..., final_potentials=True)")
        source = run.counts[projection.source].astype(np.float64)
        if projection.source == "input":
            source *= np.sign(images)
        shape = snn.shape(projection.source)
        total = window_input(projection, source, shape)
        total = total.reshape(run.counts[population.name].shape)
        theta = np.asarray(population.parameters["theta"])
        counts = run.counts[population.name].astype(np.int64)
        # A total that is a multiple of theta up to rounding may count as one more or less; what a
        # float32 potential went down and up by says how far rounding goes.
        moved = np.abs(total)
        if _rounds(projection):
            moved = projection.kernel.with_weights(np.abs).apply(np.abs(source))
        slack = 1e-5 * np.maximum(1.0, moved.reshape(total.shape) / theta)
        exact = np.maximum(0.0, total) / theta + 1 - share
        low = np.floor(exact - slack).astype(np.int64)
        high = np.floor(exact + slack).astype(np.int64)
        wrong = (counts < low) | (counts > high)
        rows.append(
            FoldRow(
                population.name,
                int(counts.sum()),
                int(wrong.sum()),
                int(np.maximum(low - counts, 0).sum()),
                int((run.final_potentials[population.name] >= share * theta).sum()),
            )
        )
    return tuple(rows)
