"""Robustness: accuracy against the strength of a perturbation, one line for each input coding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.panels import LINES, MARKERS, choose, panels
from bionet.figures.style import style
from bionet.results.metrics import wilson_interval

__all__ = ["accuracy_against_perturbation", "pooled"]

NEEDED = ("coding", "perturbation", "level", "n_images")


def pooled(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each coding, perturbation and level: seeds together, with 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        Columns coding, perturbation, level, n_images (or images, as a study calls it), and
        correct (images) or accuracy (share). Rows that stand alone keep their own ``low`` and
        ``high`` where they have them; where there are several methods or networks, codings of
        different ones are kept apart.

    Returns
    -------
    DataFrame
        Columns coding, perturbation, level, n_images, accuracy, low, high; shares in [0, 1].

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
        n, accuracy = int(group["n_images"].sum()), group["correct"].sum() / group["n_images"].sum()
        low, high = (float(end) for end in wilson_interval(min(accuracy, 1.0), n))
        if len(group) == 1 and {"low", "high"} <= set(group):
            low, high = float(group["low"].iloc[0]), float(group["high"].iloc[0])
        rows.append((*key, n, accuracy, low, high))
    columns = ["coding", "perturbation", "level", "n_images", "accuracy", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


@style()
def accuracy_against_perturbation(
    table: pd.DataFrame,
    perturbations: Sequence[str] | None = None,
    axes: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw the accuracy of every coding against the level of each perturbation.

    Parameters
    ----------
    table : DataFrame
        As :func:`pooled` takes it, the result of a study; ``unit`` may name the level's unit.
    perturbations : sequence of str, optional
        All of the table by default, one panel each.
    axes : sequence of Axes, optional
        One for each perturbation; a new figure's where they are not given.

    Returns
    -------
    array of Axes (n_perturbations,)
        Bands are 95 % intervals (Wilson's where the table has none).

    Raises
    ------
    InputError
        If a column is missing, a value out of range or a perturbation unknown.
    """
    rows = pooled(table)
    names = choose(list(dict.fromkeys(rows["perturbation"])), perturbations, "perturbation")
    codings = list(dict.fromkeys(rows["coding"]))
    columns = len(names) if len(names) < 3 else 2 if len(names) == 4 else 3
    drawn = panels(len(names), axes, columns, 1.7)
    for ax, name in zip(drawn, names, strict=True):
        for number, coding in enumerate(codings):
            part = rows[(rows["perturbation"] == name) & (rows["coding"] == coding)]
            if len(part):
                _line(ax, part.sort_values("level"), coding, number)
        whose = table[table["perturbation"] == name]
        unit = str(whose["unit"].iloc[0]) if "unit" in whose else ""
        ax.set_xlabel(f"{name.replace('_', ' ')} ({unit})" if unit else name.replace("_", " "))
        ax.set_ylabel("accuracy (%)")
        ax.set_ylim(0, 102)
    if axes is None and len(drawn) > 1:
        handles, labels = drawn[0].get_legend_handles_labels()
        drawn[0].figure.legend(handles, labels, loc="outside upper center", ncols=len(codings))
    else:
        drawn[0].legend(loc="lower left")
    return drawn


def _line(ax: Axes, rows: pd.DataFrame, coding: str, number: int) -> None:
    color, level = f"C{number % 7}", rows["level"]
    low, high = 100 * rows["low"], 100 * rows["high"]
    ax.fill_between(level, low, high, color=color, alpha=0.15, linewidth=0)
    look: dict[str, Any] = {"color": color, "ls": LINES[number % 7], "marker": MARKERS[number % 7]}
    ax.plot(level, 100 * rows["accuracy"], label=coding, **look)
