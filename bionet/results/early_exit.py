r"""Early exit: the class is known before the output layer has finished.

In reverse coding the largest class score spikes last. As soon as all output units but one have
spiked, the one that remains is the answer, and nothing needs to be simulated any further. The
potential readout (MP) knows the scores earlier, at the release of the output layer, but has to
compare them; here one spike less than classes is the answer.

Where the largest score spikes first (method ``ttfs`` with ``readout="FS"``), the first spike of the
output layer is the answer.

References
----------
Zhang et al. 2019 (TDSNN), Section 3 (output layer).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bionet.errors import InputError
from bionet.results.recording import Recording

__all__ = ["EarlyExit", "early_exit"]


class EarlyExit(NamedTuple):
    """When each answer was known, and what it was.

    Attributes
    ----------
    steps : int array (n_images,)
        Steps of the presentation until at most one candidate was left.
    classes : int array (n_images,)
        The candidate that was left; where the last ones spiked in the same step, the one of them
        with the higher potential.
    """

    steps: np.ndarray
    classes: np.ndarray

    def accuracy_over_time(self, labels: np.ndarray, n_steps: int) -> np.ndarray:
        """Share of images answered, and answered rightly, after every step, array (n_steps,)."""
        right = self.classes == np.asarray(labels)
        counts = np.bincount(self.steps[right] - 1, minlength=n_steps)
        return np.asarray(np.cumsum(counts) / len(right))


def early_exit(run: Recording) -> EarlyExit:
    """Answers of a recording at the moment in which they are known.

    Parameters
    ----------
    run : Recording
        Of a network converted with ``readout="LS"`` or, for method ``ttfs``, ``"FS"``.

    Raises
    ------
    InputError
        If the presentation ended before the output units of some image had spiked.
    """
    if run.parameters.get("readout") == "FS":
        return _first_spikes(run)
    if run.readouts == ("MP",):
        raise InputError(
            "the presentation ends before the output layer's window; convert with readout='FS'"
        )
    waiting = (run.output_spikes != 0).cumsum(axis=1) == 0
    decided = waiting.sum(axis=2) <= 1
    if not decided[:, -1].all():
        raise InputError(
            f"image {int(np.argmin(decided[:, -1]))}: several output units have not spiked when the"
            " presentation ends; convert with readout='LS', or with a larger margin"
        )
    steps = decided.argmax(axis=1) + 1
    classes = np.zeros(run.n_images, dtype=np.int64)
    for step in np.unique(steps):
        now = steps == step
        classes[now] = run.predictions("LS", int(step))[now]
    return EarlyExit(steps, classes)


def _first_spikes(run: Recording) -> EarlyExit:
    """The answers at the first output spike; the potential answers where there is none."""
    fired: Any = np.any(np.asarray(run.output_spikes) > 0, axis=2)
    steps = np.where(fired.any(axis=1), fired.argmax(axis=1) + 1, run.n_steps)
    classes = np.where(fired.any(axis=1), run.predictions("FS"), run.predictions("MP"))
    return EarlyExit(steps, classes)
