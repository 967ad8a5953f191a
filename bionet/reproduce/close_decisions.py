r"""Which images AugMapping waits for: those whose two largest scores are close.

A score that an output unit has added up for T steps is known to some thresholds over T, as
:math:`\theta r(T) = W r' - \rho/T` with :math:`|\rho| < \theta` in every layer. So an image whose
margin, the largest score of its source network less the second, is m needs steps in proportion to
1/m, and the last images decide in which step nothing is lost.

Only images of the smallest margins are simulated; the result says up to which margin an answer
differs from the network's in the paper's step, which shows whether they were enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from brian2 import ms

import bionet
from bionet.reproduce.augmented import NETWORKS, scores
from bionet.reproduce.item import Item, Result, Row, Settings
from bionet.results.curves import curves

__all__ = ["ITEMS", "read_from", "waiting"]

CLOSE, QUICK = 500, 50  # images of the smallest margins
ALL = 10_000


def waiting(network: str) -> Callable[[Settings], Result]:
    """The images that stand between AugMapping and no loss, by their margins."""

    def run(settings: Settings) -> Result:
        """Simulate the closest decisions and find from which step on each is read."""
        data, _, methods = NETWORKS[network]
        paper, _, steps = methods["augmapping"]
        images, labels = settings.test(data, ALL)
        net = settings.network(network, data)
        outputs = scores(net, images)
        ordered = np.sort(outputs, axis=1)
        margins = ordered[:, -1] - ordered[:, -2]
        close = np.argsort(margins, kind="stable")[: settings.number(CLOSE, QUICK)]
        snn = bionet.convert(net, "augmapping", input_shape=images.shape[1:])
        recording = settings.simulate(snn, images[close], steps * ms)
        answers = curves(recording, labels[close], outputs[close]).predictions
        ann_answers = outputs.argmax(1)[close]
        table = _table(close, margins[close], labels[close], ann_answers, answers, paper)
        # What the paper counts is right answers: another one that is right makes up for a loss.
        balance = (answers == labels[close, None]).sum(0) - int(
            (ann_answers == labels[close]).sum()
        )
        shown = table[table["right"] & table["differs_at_paper"]]
        rows = (
            Row("images simulated, those of the smallest margins", len(close), unit=""),
            Row("their largest margin", float(margins[close].max()), unit=""),
            Row("median margin of all test images", float(np.median(margins)), unit=""),
            *_at(table, balance, paper),
            *_at(table, balance, steps),
        )
        first = np.flatnonzero(balance >= 0)
        note = (
            f"right answers first reach the network's in step {first[0] + 1}"
            if len(first)
            else f"right answers never reach the network's in {steps} steps"
        )
        return Result(rows, (note,), {}, {"images": table}, _markdown(shown, paper))

    return run


def read_from(answers: np.ndarray, ann_answers: np.ndarray) -> np.ndarray:
    """The step from which an image has its network's answer to the end, NaN where it ends without.

    Parameters
    ----------
    answers : int array (n_images, n_steps)
    own : int array (n_images,)
        The network's.
    """
    other = answers != ann_answers[:, None]
    last = other.shape[1] - np.argmax(other[:, ::-1], axis=1)  # the last step of another answer
    step = np.where(other.any(1), last + 1.0, 1.0)
    return np.where(other[:, -1], np.nan, step)


def _table(
    close: np.ndarray,
    margins: np.ndarray,
    labels: np.ndarray,
    ann_answers: np.ndarray,
    answers: np.ndarray,
    paper: int,
) -> Any:
    import pandas as pd

    return pd.DataFrame(
        {
            "image": close,
            "margin": margins,
            "right": ann_answers == labels,
            "step": read_from(answers, ann_answers),
            "differs_at_paper": answers[:, paper - 1] != ann_answers,
            "differs_at_end": answers[:, -1] != ann_answers,
        }
    )


def _at(table: Any, balance: np.ndarray, step: int) -> tuple[Row, ...]:
    """How many answers differ from the network's in a step, up to which margin, and the loss."""
    end = step == len(balance)
    differs = table[table["differs_at_end" if end else "differs_at_paper"]]
    largest = float(differs["margin"].max()) if len(differs) else 0.0
    return (
        Row(f"answers other than the network's, step {step}", len(differs), unit=""),
        Row(f"largest margin among them, step {step}", largest, unit=""),
        Row(
            f"the network's right ones among them, step {step}",
            int(differs["right"].sum()),
            unit="",
        ),
        Row(f"right answers less the network's, step {step}", float(balance[step - 1]), unit=""),
    )


def _markdown(shown: Any, paper: int) -> str:
    """The right answers of the network that are not given in the paper's step."""
    lines = ["", f"| image not read in step {paper} | margin | read from step |", "|---|---|---|"]
    for row in shown.sort_values("margin").itertuples():
        step = f"{row.step:.0f}" if row.step == row.step else "not reached"
        lines.append(f"| {row.image} | {row.margin:.3f} | {step} |")
    return "\n".join(lines)


ITEMS = tuple(
    Item("augmapping", f"{name}-waits", f"the images that {name} waits for", "ours", waiting(name))
    for name in ("net1", "net4")
)
