"""Threshold sweep: the accuracy of every threshold that a search tried, by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, color_of, line_of, marker_of, new_axes, styled
from bionet.figures.kinds import KINDS, Asked
from bionet.kinds import typed
from bionet.network import SpikingNetwork
from bionet.results.columns import check_numbers
from bionet.results.metrics import wilson_interval

__all__ = ["search_table", "threshold_sweep"]

TOGETHER = "all layers"


@typed
def search_table(snn: SpikingNetwork) -> pd.DataFrame:
    """The threshold search of a network (Algorithm 1 of DSNN) as a table.

    Parameters
    ----------
    snn : SpikingNetwork
        Converted by method ``dsnn`` with a search.

    Returns
    -------
    DataFrame
        Columns population ("all layers" in the common sweep), sigma, accuracy, accepted.

    Raises
    ------
    InputError
        If the network holds no search.
    """
    trials = snn.metadata.get("search")
    if not trials:
        raise InputError(
            "the network holds no threshold search; convert with method='dsnn' and calibration="
        )
    rows: list[tuple[str, float, float, bool]] = []
    best: dict[str, float] | None = None
    for trial in trials:
        sigmas: dict[str, float] = trial["sigmas"]
        changed = [] if best is None else [n for n, s in sigmas.items() if s != best[n]]
        common = len(set(sigmas.values())) == 1 and len(changed) != 1
        name = TOGETHER if common or not changed else changed[0]
        sigma = sigmas[changed[0]] if name in changed else next(iter(sigmas.values()))
        rows.append((name, sigma, trial["score"], trial["accepted"]))
        best = dict(sigmas) if best is None or trial["accepted"] else best
    return pd.DataFrame(rows, columns=["population", "sigma", "accuracy", "accepted"])


@styled
def threshold_sweep(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw accuracy against threshold, one line for each population.

    Parameters
    ----------
    table : DataFrame
        Columns ``sigma`` (threshold in units of the largest input of a step) or ``threshold``
        (in units of the weights), and ``accuracy`` in [0, 1]; ``population`` where there are
        several sweeps, ``n_images`` for 95 % intervals, ``accepted`` to fill the kept trials.
    ax : Axes, optional
        A new figure's where it is not given.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing or a value out of range.
    """
    x = next((name for name in ("sigma", "threshold") if name in table), None)
    if x is None or "accuracy" not in table or not len(table):
        raise InputError(
            "the table needs rows with the columns 'sigma' or 'threshold' and 'accuracy'; it has"
            f" {len(table)} rows with {', '.join(map(str, table.columns)) or 'no columns'}"
        )
    check_numbers(table, (x, "accuracy", "n_images"))
    if not (table[x] > 0).all() or not table["accuracy"].between(0, 1).all():
        raise InputError(f"{x} must be positive and accuracy lie in [0, 1] in every row")
    ax = new_axes(ax, COLUMN, 2.3)
    groups: list[tuple[Any, pd.DataFrame]] = (
        list(table.groupby("population", sort=False)) if "population" in table else [("", table)]
    )
    for number, (name, rows) in enumerate(groups):
        _line(ax, rows.sort_values(x, kind="stable"), x, str(name), number)
    ax.set_xscale("log")
    unit = "units of the largest input of a step" if x == "sigma" else "units of the weights"
    symbol = "\N{GREEK SMALL LETTER SIGMA}" if x == "sigma" else "\N{GREEK SMALL LETTER THETA}"
    ax.set_xlabel(f"threshold {symbol} ({unit})")
    ax.set_ylabel("accuracy (%)")
    ax.set_ylim(0, 102)
    if len(groups) > 1:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def _line(ax: Axes, rows: pd.DataFrame, x: str, name: str, number: int) -> None:
    color, accuracy = color_of(number), 100 * rows["accuracy"]
    if "n_images" in rows:
        pairs = zip(rows["accuracy"], rows["n_images"], strict=True)
        low, high = 100 * np.array([wilson_interval(share, int(n)) for share, n in pairs]).T
        ax.fill_between(rows[x], low, high, color=color, alpha=0.15, linewidth=0)
    ax.plot(rows[x], accuracy, color=color, ls=line_of(number), lw=0.8, zorder=2)
    kept = rows["accepted"].astype(bool) if "accepted" in rows else np.ones(len(rows), dtype=bool)
    marker = marker_of(number)
    ax.plot(rows[x], accuracy, marker, mfc="white", color=color, label=name, zorder=3, mew=0.7)
    ax.plot(rows[x][kept], accuracy[kept], marker, color=color, zorder=4, mew=0.7)


@KINDS.named("thresholds")
def _of_run(asked: Asked) -> Axes:
    if asked.path.suffix in (".csv", ".parquet"):
        return threshold_sweep(asked.table)
    return threshold_sweep(search_table(asked.network))
