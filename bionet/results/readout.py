"""Readouts: the class that an output population stands for.

=======  ============================================================================
readout  the answer is the output unit
=======  ============================================================================
``MP``   with the largest accumulated potential (the readout unit never fires)
``MS``   with the most spikes (the largest signed sum, where spikes have a size)
``FS``   that spiked first; among units that spiked in the same step, the one with
         the higher accumulated potential in that step
``LS``   that spiked last, or has not yet spiked (temporal codes); among units that spiked
         in the same step, the one with the higher potential then
=======  ============================================================================

A tie that a readout cannot break is counted as such, and the answer is then the unit with the
lowest index, as :func:`numpy.argmax` gives it. An image without any output spike is a tie of
all units for MS and FS.

A single output unit tells two classes apart by its sign: class 1 where its potential (MP, LS) or
the sum of its spikes (MS) is positive, or where it has spiked at all (FS); class 0 elsewhere.

References
----------
Zhang et al. 2019 (DSNN), Section 3 and Fig. 8.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bionet.errors import InputError

__all__ = [
    "READOUTS",
    "answers",
    "check_labels",
    "first_spike",
    "latest_spike",
    "maximal_potential",
    "most_spikes",
    "ranking",
]

Scores = tuple[np.ndarray, np.ndarray]


def maximal_potential(potential: np.ndarray, spikes: np.ndarray) -> Scores:
    """Scores of readout MP at every step.

    Parameters
    ----------
    potential : array (n_images, n_steps, n_classes)
        Accumulated potential of the readout units after each step.
    spikes : array (n_images, n_steps, n_classes)
        Spikes of the output units in each step (not used).

    Returns
    -------
    scores, tie_breakers : arrays (n_images, n_steps, n_classes)
    """
    del spikes
    return potential, np.zeros_like(potential)


def most_spikes(potential: np.ndarray, spikes: np.ndarray) -> Scores:
    """Scores of readout MS at every step: the signed sum of the spikes so far.

    It orders the units as their firing rates do. See :func:`maximal_potential`.
    """
    return np.cumsum(spikes, axis=1, dtype=np.float64), np.zeros_like(potential)


def first_spike(potential: np.ndarray, spikes: np.ndarray) -> Scores:
    """Scores of readout FS at every step: minus the step of the first (positive) spike so far.

    The tie-breaker is the potential in the step of the first spike of any unit. See
    :func:`maximal_potential`.
    """
    n_steps = spikes.shape[1]
    fires = spikes > 0
    fired = np.maximum.accumulate(fires, axis=1)
    first = np.where(fires.any(axis=1), fires.argmax(axis=1), n_steps)
    scores = np.where(fired, -first[:, None, :].astype(np.float64), -np.inf)
    earliest = np.minimum(first.min(axis=1), n_steps - 1)
    moment = np.take_along_axis(potential, earliest[:, None, None], axis=1)
    return scores, np.broadcast_to(moment, potential.shape) * fired


def latest_spike(potential: np.ndarray, spikes: np.ndarray) -> Scores:
    """Scores of readout LS at every step: the step of the spike, one more than now before it.

    Where several units are left, the answer is the one with the higher potential, for which the
    readout unit must have seen all its input. See :func:`maximal_potential`.
    """
    fired = np.maximum.accumulate(spikes != 0, axis=1)
    first = np.where((spikes != 0).any(axis=1), (spikes != 0).argmax(axis=1), 0)
    now = np.arange(1, spikes.shape[1] + 1)[None, :, None]
    return np.where(fired, first[:, None, :], now).astype(np.float64), potential


READOUTS: dict[str, Callable[[np.ndarray, np.ndarray], Scores]] = {
    "MP": maximal_potential,
    "MS": most_spikes,
    "FS": first_spike,
    "LS": latest_spike,
}


def answers(
    readout: str, potential: np.ndarray, spikes: np.ndarray, since: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The predicted class after every step, and whether a tie was left.

    Parameters
    ----------
    readout : {"MP", "MS", "FS", "LS"}
    potential, spikes : array (n_images, n_steps, n_classes)
    since : int
        Step from which on potential and spikes count; before it all so far do.

    Returns
    -------
    classes : int array (n_images, n_steps)
    tied : bool array (n_images, n_steps)

    Raises
    ------
    InputError
        If the readout is unknown.
    """
    if readout not in READOUTS:
        raise InputError(f"unknown readout {readout!r}; known are {', '.join(READOUTS)}")
    scores, breakers = _scores(readout, potential, spikes, since)
    if scores.shape[-1] == 1:
        shown = scores if readout == "MP" else potential
        return _by_sign(readout, scores[..., 0], shown[..., 0])
    best = scores == scores.max(axis=-1, keepdims=True)
    breakers = np.where(best, breakers, -np.inf)
    best &= breakers == breakers.max(axis=-1, keepdims=True)
    return best.argmax(axis=-1), best.sum(axis=-1) > 1


def _scores(readout: str, potential: np.ndarray, spikes: np.ndarray, since: int) -> Scores:
    """A readout's scores; from step ``since`` on, of what came from then on."""
    scores, breakers = READOUTS[readout](potential, spikes)
    if not 0 < since < potential.shape[1]:
        return scores, breakers
    gained = potential[:, since:] - potential[:, since - 1 : since]
    late = READOUTS[readout](gained, spikes[:, since:])
    joined = (
        np.concatenate([a[:, :since], b], axis=1)
        for a, b in zip((scores, breakers), late, strict=True)
    )
    scores, breakers = joined
    return scores, breakers


def _by_sign(
    readout: str, scores: np.ndarray, potential: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    # A first spike has a score of minus its step, no spike minus infinity.
    decided_by = {"MS": scores, "FS": np.isfinite(scores)}.get(readout, potential)
    classes = (decided_by > 0).astype(np.int64)
    undecided = potential == 0 if readout in ("MP", "LS") else np.zeros(classes.shape, dtype=bool)
    return classes, undecided


def ranking(readout: str, potential: np.ndarray, spikes: np.ndarray, since: int = 0) -> np.ndarray:
    """Classes from the best answer to the worst at the end, int array (n_images, n_classes).

    Parameters
    ----------
    readout : {"MP", "MS", "FS", "LS"}
    potential, spikes : array (n_images, n_steps, n_classes)
    since : int
        As in :func:`answers`.
    """
    scores, breakers = (a[:, -1] for a in _scores(readout, potential, spikes, since))
    number = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.asarray(np.lexsort((number, -breakers, -scores)))


def check_labels(labels: np.ndarray, n_images: int, n_classes: int) -> np.ndarray:
    """The labels as integers.

    Raises
    ------
    InputError
        Unless they are one class, from 0 to ``n_classes`` - 1, for each image.
    """
    array = np.asarray(labels)
    if array.shape != (n_images,):
        raise InputError(
            f"labels must be an array of {n_images} classes, one for each image, but has shape"
            f" {array.shape}"
        )
    numbers = array.dtype.kind in "iub" or (array.dtype.kind == "f" and (array % 1 == 0).all())
    if not numbers:
        raise InputError(
            f"labels must be whole numbers, the classes 0 to {n_classes - 1}, but have the type"
            f" {array.dtype} ({array[0]!r}, ...)"
        )
    wrong = (array < 0) | (array >= n_classes)
    if wrong.any():
        raise InputError(
            f"labels must be classes from 0 to {n_classes - 1}, but image {int(wrong.argmax())}"
            f" has {array[wrong][0]}; classes are counted from 0"
        )
    return array.astype(np.int64)
