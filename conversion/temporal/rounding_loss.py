"""What the temporal code's rounding costs on the calibration images, by its closed form.

The closed form is a forward pass, so a conversion can say beforehand how many answers rounding
changes, and which options mend it, where a simulation would take minutes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

from bionet.conversion.temporal.closed_form import (
    Mode,
    Rounding,
    closed_form,
    rounding_shifts,
    shifted,
)
from bionet.conversion.tracing.records import Records

__all__ = ["CHECKED_IMAGES", "answers_of", "changed_answers", "warn_of_loss"]

CHECKED_IMAGES = 500
LEAST_IMAGES = 100  # with fewer a share of one in a hundred cannot be told
CORRECTION_IMAGES = 200  # held in memory at once
BATCH = 100
LOSS = 0.01  # one point


def answers_of(outputs: torch.Tensor) -> torch.Tensor:
    """The class of every image; of a single output whether it is positive."""
    flat = outputs.reshape(len(outputs), -1)
    return (flat[:, 0] > 0).long() if flat.shape[1] == 1 else flat.argmax(1)


def changed_answers(
    records: Records,
    images: torch.Tensor,
    answers: torch.Tensor,
    leak: float,
    mode: Mode,
    tolerance: float,
    rounding: Rounding,
    bias_correction: bool,
) -> float:
    """Share of images whose class the code changes.

    Parameters
    ----------
    records : tuple of Record
        Their biases not corrected.
    images : tensor (n, *input_shape)
    answers : int tensor (n,)
        Of the network itself.
    leak, mode, tolerance, rounding
        As for :func:`~bionet.conversion.temporal.closed_form.closed_form`.
    bias_correction : bool
    """
    if bias_correction:
        some = images[:CORRECTION_IMAGES]
        records = shifted(records, rounding_shifts(records, some, leak, tolerance, rounding))
    changed = 0
    for part, wanted in zip(images.split(BATCH), answers.split(BATCH), strict=True):
        values, _ = closed_form(records, part, leak, mode, tolerance, rounding)
        changed += int((answers_of(values[records[-1].name]) != wanted).sum())
    return changed / len(images)


def warn_of_loss(
    records: Records,
    images: torch.Tensor,
    network: Callable[[torch.Tensor], torch.Tensor],
    gain: float,
    options: dict[str, Any],
) -> None:
    """Warn in one line where the code changes more than one answer in a hundred.

    Parameters
    ----------
    records : tuple of Record
        Their biases not corrected.
    images : tensor (n, *input_shape)
        ``gain`` times the network's.
    network : callable
        The source network, on a batch of images.
    gain : float
    options : dict
        ``leak`` (in steps), ``mode``, ``tolerance``, ``rounding``, ``bias_correction``.
    """
    if len(images) < LEAST_IMAGES or options["mode"] == "finetune":
        return  # a network that was trained with the code is not meant to answer without it
    some = images[:CHECKED_IMAGES]
    with torch.no_grad():
        answers = torch.cat([answers_of(network(part / gain)) for part in some.split(BATCH)])
    lost = changed_answers(records, some, answers, **options)
    if lost <= LOSS:
        return
    best, remedy = lost, ""
    for text, change in _remedies(options):
        share = changed_answers(records, some, answers, **(options | change))
        if share < best:
            best, remedy = share, text
        if share <= LOSS:
            break
    advice = f"; with {remedy} of {100 * best:.1f} %" if remedy else ""
    warnings.warn(
        f"the steps of the temporal code change the answers of {100 * lost:.1f} % of"
        f" {len(some)} calibration images{advice}",
        stacklevel=4,
    )


def _remedies(options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Other options, from those that cost nothing to those that take longer windows."""
    finer = "a leak {} times as long"
    nearest, corrected = {"rounding": "nearest"}, {"bias_correction": True}
    if options["rounding"] == "up":
        yield "rounding='nearest'", nearest
    if not options["bias_correction"]:
        yield "bias_correction=True", corrected
    both = nearest | corrected
    if options["rounding"] == "up" and not options["bias_correction"]:
        yield "rounding='nearest' and bias_correction=True", both
    for factor in (2, 4):
        words = f"rounding='nearest', bias_correction=True and {finer.format(factor)}"
        yield words, both | {"leak": factor * options["leak"]}
