"""What a report leads with: the answer in sentences, the errors in pictures, what mends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bionet.pages.image_browser import picture
from bionet.results.recording import Recording

__all__ = ["confusions", "failures", "sentences"]

MAX_FAILURES = 8


def confusions(run: Recording, labels: np.ndarray, most: int = 3) -> list[tuple[int, int, int]]:
    """The most frequent errors: class, answer, images; the most frequent first."""
    labels, answers = np.asarray(labels), run.predictions()
    wrong = labels != answers
    pairs, counts = np.unique(
        np.stack([labels[wrong], answers[wrong]], axis=1), axis=0, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")[:most]
    return [(int(pairs[i, 0]), int(pairs[i, 1]), int(counts[i])) for i in order]


def failures(run: Recording, labels: np.ndarray, images: np.ndarray | None) -> list[dict[str, Any]]:
    """The first wrong answers with their pictures; none without images."""
    if images is None:
        return []
    answers = run.predictions()
    wrong = np.flatnonzero(answers != np.asarray(labels))[:MAX_FAILURES]
    return [
        {
            "number": int(k),
            "source": picture(images[k]),
            "alt": f"Image {k}: class {labels[k]}, answered {answers[k]}",
            "words": f"{labels[k]}, answered {answers[k]}",
        }
        for k in wrong
    ]


def sentences(
    run: Recording,
    labels: np.ndarray | None,
    ann: float | None,
    diagnosis: Mapping[str, Any] | None,
) -> list[str]:
    """How good the network is, what fails, and what the doctor says.

    Parameters
    ----------
    run : Recording
    labels : int array (n_images,), optional
    ann : float, optional
        Accuracy of the trained network on the same images.
    diagnosis : mapping, optional
        As :meth:`bionet.audits.diagnosis.Diagnosis.to_dict` gives it.
    """
    told = []
    if labels is not None:
        n, right = run.n_images, int((run.predictions() == np.asarray(labels)).sum())
        beside = "" if ann is None else f"; the trained network reaches {100 * ann:.1f} %"
        told.append(
            f"The spiking network answers {right:,} of {n:,} images rightly"
            f" ({100 * right / n:.1f} %{beside})."
        )
        errors = [
            f"class {label} taken for {answer} ({count:,} image{'' if count == 1 else 's'})"
            for label, answer, count in confusions(run, labels)
        ]
        if errors:
            told.append(f"What fails most: {', '.join(errors)}.")
    if diagnosis and diagnosis.get("verdict"):
        told.append(f"The doctor says: {diagnosis['verdict']}.")
    return told
