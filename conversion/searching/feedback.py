r"""Feedback threshold search: move one threshold at a time and keep what raises the objective.

Every threshold starts at a small value. The search sweeps the layers in turn; for each it tries
:math:`\theta_l + n` and, where that does not raise the objective, :math:`\theta_l - n`. When no
layer improves in a sweep, the step n is halved. The search ends when n falls below a least step or
a budget of runs is spent. The paper lowers :math:`\theta_l` without another run; here a move
is made only where a run shows that it raises the objective, so that the search never ends below
its start.

The objective is the share of output spikes that the true class's unit emits,

.. math:: \frac{1}{M} \sum_{m=1}^{M} \frac{N_{m, y_m}}{\sum_k N_{m, k}}

with :math:`N_{m, k}` spikes of output unit k for image m of class :math:`y_m`; an image without
any output spike counts 0.

References
----------
Shang et al. 2020, Section III C.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.results.recording import Recording

__all__ = ["FeedbackSearch", "Move", "feedback_search", "true_class_share"]


@dataclass(frozen=True)
class Move:
    """A change of one threshold that a run tried.

    Parameters
    ----------
    run : int
        Number of the run, from 1; run 0 is the start.
    population : str
        Whose threshold was changed.
    threshold : float
        Its new value.
    step : float
        The search's step at that time.
    objective : float
        What the run reached.
    accepted : bool
        Whether it was kept.
    """

    run: int
    population: str
    threshold: float
    step: float
    objective: float
    accepted: bool


@dataclass(frozen=True)
class FeedbackSearch:
    """What a search found.

    Parameters
    ----------
    thresholds, start : mapping of str to float
        At the end and at the start.
    objective, objective_start : float
        At the end and at the start.
    moves : tuple of Move
        Every run in order.
    """

    thresholds: Mapping[str, float]
    start: Mapping[str, float]
    objective: float
    objective_start: float
    moves: tuple[Move, ...]

    @property
    def accepted(self) -> tuple[Move, ...]:
        """The moves that were kept; their objective rises from one to the next."""
        return tuple(move for move in self.moves if move.accepted)

    @property
    def runs(self) -> int:
        """Evaluations of the objective, that of the start included."""
        return 1 + len(self.moves)

    def plain(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "thresholds": dict(self.thresholds),
            "start": dict(self.start),
            "objective": self.objective,
            "objective_start": self.objective_start,
            "runs": self.runs,
            "moves": [asdict(move) for move in self.moves],
        }


def feedback_search(
    objective: Callable[[Mapping[str, float]], float],
    start: Mapping[str, float],
    step: float = 0.8,
    least_step: float = 0.05,
    budget: int = 100,
) -> FeedbackSearch:
    """Search thresholds, one layer at a time.

    Parameters
    ----------
    objective : callable
        From a threshold for each population to a number; more is better.
    start : mapping of str to float
        Positive thresholds, from the input on.
    step, least_step : float
        First step of a threshold, and the step below which the search ends.
    budget : int
        Evaluations of the objective at most, that of the start included.

    Raises
    ------
    InputError
        If a value is out of range.

    References
    ----------
    Shang et al. 2020, "Threshold Setting Algorithm Based on Feedback".
    """
    _check(start, step, least_step, budget)
    thresholds = {name: float(value) for name, value in start.items()}
    first = best = objective(thresholds)
    moves: list[Move] = []
    tried = {_key(thresholds)}

    def improves(name: str, change: float) -> bool:
        nonlocal thresholds, best
        value = thresholds[name] + change
        candidate = {**thresholds, name: value}
        # What was tried before, such as the way back of an accepted move, is not above the best.
        if value <= 0 or _key(candidate) in tried or len(moves) + 1 >= budget:
            return False
        tried.add(_key(candidate))
        reached = objective(candidate)
        accepted = reached > best
        moves.append(Move(len(moves) + 1, name, value, step, reached, accepted))
        if accepted:
            thresholds, best = candidate, reached
        return accepted

    while step >= least_step and len(moves) + 1 < budget:
        moved = [improves(name, step) or improves(name, -step) for name in start]
        if not any(moved):
            step /= 2
    return FeedbackSearch(thresholds, dict(start), best, first, tuple(moves))


def true_class_share(run: Recording, population: str, labels: np.ndarray) -> np.ndarray:
    """Share of a population's spikes that the true class's unit emits, for every image.

    Parameters
    ----------
    run : Recording
    population : str
        The output population.
    labels : int array (n_images,)

    Returns
    -------
    float array (n_images,)
        0 where no unit fired.

    Raises
    ------
    InputError
        If the labels do not fit.
    """
    if population not in run.counts:
        raise InputError(f"the recording has no spike counts of {population!r}")
    counts = run.counts[population].reshape(run.n_images, -1).astype(np.int64)
    labels = checked_labels(labels, run.n_images, counts.shape[1])
    true_counts = counts[np.arange(len(labels)), labels]
    return np.asarray(true_counts / np.maximum(counts.sum(axis=1), 1))


def checked_labels(labels: Any, n_images: int, n_classes: int) -> np.ndarray:
    """Labels as integers, one for each image, each a unit of the output."""
    array = np.asarray(labels)
    if array.shape != (n_images,) or array.dtype.kind not in "iu":
        raise InputError(
            f"labels must be {n_images} whole numbers, one for each image, but are"
            f" {array.dtype} of shape {array.shape}"
        )
    if array.min() < 0 or array.max() >= n_classes:
        raise InputError(
            f"labels must lie between 0 and {n_classes - 1}, the output's units, but reach"
            f" from {array.min()} to {array.max()}"
        )
    return array


def _key(thresholds: Mapping[str, float]) -> tuple[float, ...]:
    """Thresholds that differ by rounding are one point of the search."""
    return tuple(round(value, 9) for value in thresholds.values())


def _check(start: Mapping[str, float], step: float, least_step: float, budget: int) -> None:
    if not start:
        raise InputError("the threshold search needs at least one threshold to start from")
    for name, value in start.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"the first threshold of {name} must be positive, but is {value}")
    if not (math.isfinite(step) and 0 < least_step <= step):
        raise InputError(f"steps need 0 < least_step <= step, got {least_step} and {step}")
    if int(budget) != budget or budget < 1:
        raise InputError(f"budget must be a whole number of runs >= 1, but is {budget}")


def each_threshold(
    value: float | Mapping[str, float], names: Sequence[str], what: str
) -> dict[str, float]:
    """One positive threshold for every population, from one for all or a mapping."""
    each = dict(value) if isinstance(value, Mapping) else dict.fromkeys(names, value)
    if set(each) != set(names):
        raise InputError(f"{what} must name the populations {', '.join(names)}; got {list(each)}")
    if wrong := [n for n in names if not (math.isfinite(each[n]) and each[n] > 0)]:
        raise InputError(f"{what} of {wrong[0]} must be positive, but is {each[wrong[0]]}")
    return {name: float(each[name]) for name in names}
