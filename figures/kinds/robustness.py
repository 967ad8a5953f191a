"""Robustness: accuracy against the strength of a perturbation, one line for each input coding.

Lines are means over seeds, dots the seeds themselves, bands 95 % intervals over the images of one
seed (:mod:`bionet.results.over_seeds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bionet.errors import InputError
from bionet.figures.house_style import color_of, line_of, marker_of, styled
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.panels import choose, panels
from bionet.results.columns import check_numbers
from bionet.results.over_seeds import over_seeds

__all__ = ["BAND", "SEEDS", "accuracy_against_perturbation", "by_level"]

LETTER, KEY = 0.05, 0.4  # inches of a letter at 7 points, and of a line in a legend
NEEDED = ("coding", "perturbation", "level", "n_images")
NUMBERS = ("level", "n_images", "correct", "accuracy", "low", "high")
BAND, SEEDS = "95 % interval over images", "one seed"


def by_level(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each coding, perturbation and level: mean and spread over seeds, 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        Columns coding, perturbation, level, n_images (or images, as a study calls it), and
        correct (images) or accuracy (share). Rows of one coding, perturbation and level are seeds,
        on the same images. Rows that stand alone keep their own ``low`` and ``high`` where they
        have them; where there are several methods or networks, codings of
        different ones are kept apart.

    Returns
    -------
    DataFrame
        Columns coding, perturbation, level, n_images (of one seed), accuracy, low, high (interval
        over images), spread (over seeds), shares (array, one for each seed); all in [0, 1].

    Raises
    ------
    InputError
        If a column is missing or a value out of range.
    """
    if "n_images" not in table:
        table = table.rename(columns={"images": "n_images"})
    missing = [name for name in NEEDED if name not in table]
    if "correct" not in table and "accuracy" not in table:
        missing.append("accuracy' or 'correct")
    if missing or not len(table):
        raise InputError(f"the table has no {'column ' + repr(missing[0]) if missing else 'rows'}")
    check_numbers(table, NUMBERS)
    table = table.copy()
    several = [n for n in ("method", "network") if n in table and table[n].nunique() > 1]
    if several:
        origin = table[several].astype(str).agg(", ".join, axis=1)
        coding = table["coding"].astype(str)
        table["coding"] = coding.where(coding == origin, coding + " (" + origin + ")")
    if "correct" not in table:
        table["correct"] = table["accuracy"] * table["n_images"]
    if not ((table["correct"] >= 0) & (table["correct"] <= table["n_images"])).all():
        raise InputError("correct must lie between 0 and n_images in every row, accuracy in [0, 1]")
    if (table["n_images"] < 1).any():
        raise InputError("n_images must be at least 1 in every row")
    rows = []
    for key, group in table.groupby(["coding", "perturbation", "level"], sort=False):
        shares = (group["correct"] / group["n_images"]).to_numpy()
        all_seeds = over_seeds(shares, int(group["n_images"].min()))
        low, high = all_seeds.low, all_seeds.high
        if len(group) == 1 and {"low", "high"} <= set(group):
            low, high = float(group["low"].iloc[0]), float(group["high"].iloc[0])
        rows.append(
            (*key, all_seeds.n_images, all_seeds.accuracy, low, high, all_seeds.spread, shares)
        )
    columns = ["coding", "perturbation", "level", "n_images", "accuracy", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "spread", "shares"])


@styled
def accuracy_against_perturbation(
    table: pd.DataFrame,
    perturbations: Sequence[str] | None = None,
    axes: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw the accuracy of every coding against the level of each perturbation.

    Parameters
    ----------
    table : DataFrame
        As :func:`by_level` takes it, the result of a study; ``unit`` may name the level's unit, or
        ``measure`` what it counts.
    perturbations : sequence of str, optional
        All of the table by default, one panel each.
    axes : sequence of Axes, optional
        One for each perturbation; a new figure's where they are not given.

    Returns
    -------
    array of Axes (n_perturbations,)
        Lines are means over seeds, dots the seeds, bands 95 % intervals over images (Wilson's for
        the images of one seed, where the table has none); the legend says so.

    Raises
    ------
    InputError
        If a column is missing, a value out of range or a perturbation unknown.
    """
    rows = by_level(table)
    names = choose(list(dict.fromkeys(rows["perturbation"])), perturbations, "perturbation")
    codings = list(dict.fromkeys(rows["coding"]))
    columns = len(names) if len(names) < 3 else 2 if len(names) == 4 else 3
    drawn = panels(len(names), axes, columns, 1.7, narrowest=1.4)
    for ax, name in zip(drawn, names, strict=True):
        for number, coding in enumerate(codings):
            part = rows[(rows["perturbation"] == name) & (rows["coding"] == coding)]
            if len(part):
                _line(ax, part.sort_values("level"), coding, number)
        unit = _unit(table[table["perturbation"] == name])
        words = str(name).replace("_", " ")
        ax.set_xlabel(_in_lines(words, f"({unit})", ax) if unit else words)
        ax.set_ylabel("accuracy (%)")
        ax.set_ylim(0, 102)
    handles, labels = drawn[0].get_legend_handles_labels()
    handles.append(Patch(color="0.5", alpha=0.3, linewidth=0))
    labels.append(BAND)
    if rows["shares"].map(len).max() > 1:
        handles.append(Line2D([], [], color="0.5", ls="", marker=".", markersize=3))
        labels.append(SEEDS)
    if axes is None and len(drawn) > 1:
        widest = KEY + LETTER * max(map(len, labels))
        columns = max(1, min(len(handles), 4, int(drawn[0].figure.get_figwidth() / widest)))
        drawn[0].figure.legend(handles, labels, loc="outside upper center", ncols=columns)
    else:
        drawn[0].legend(handles, labels, loc="lower left")
    return drawn


def _unit(rows: pd.DataFrame) -> str:
    """Unit of the level, or what it counts where it is a plain number."""
    for column in ("unit", "measure"):
        text = rows[column].iloc[0] if column in rows else ""
        if isinstance(text, str) and text not in ("", "1"):
            return text
    return ""


def _in_lines(words: str, unit: str, ax: Axes) -> str:
    """A label in one line, or in two where the axis is narrow: beside it is another axis."""
    width = ax.bbox.width / ax.figure.dpi
    return f"{words} {unit}" if LETTER * len(f"{words} {unit}") < width else f"{words}\n{unit}"


def _line(ax: Axes, rows: pd.DataFrame, coding: str, number: int) -> None:
    color, level = color_of(number), rows["level"]
    low, high = 100 * rows["low"], 100 * rows["high"]
    ax.fill_between(level, low, high, color=color, alpha=0.15, linewidth=0)
    look: dict[str, Any] = {"color": color, "ls": line_of(number), "marker": marker_of(number)}
    ax.plot(level, 100 * rows["accuracy"], label=coding, **look)
    if rows["shares"].map(len).max() > 1:
        at, shares = np.repeat(level, rows["shares"].map(len)), np.concatenate([*rows["shares"]])
        ax.plot(at, 100 * shares, color=color, ls="", marker=".", markersize=3, alpha=0.6)


@KINDS.named("robustness")
def _of_run(asked: Asked) -> np.ndarray:
    return accuracy_against_perturbation(asked.table, asked.populations)
