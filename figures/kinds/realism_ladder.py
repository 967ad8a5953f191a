"""The ladder of realism: accuracy as one biological property after another is added.

The table has a row for each rung, from the trained network down. What a rung costs is written
beside it; the interval is Wilson's, 95 %.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, color_of, marker_of, new_axes, styled, text_size
from bionet.figures.kinds import KINDS, Asked
from bionet.results.columns import check_numbers
from bionet.results.metrics import wilson_interval

__all__ = ["realism_ladder"]


@styled
def realism_ladder(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the accuracy at each rung of a ladder of realism.

    Parameters
    ----------
    table : DataFrame
        Columns ``rung`` (what is added, in words) and ``accuracy`` in [0, 1], the rungs in order;
        ``n_images`` for 95 % intervals, ``chance`` (a share) for a line.
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
    if not {"rung", "accuracy"} <= set(table) or not len(table):
        raise InputError(
            "the table needs rows with the columns 'rung' and 'accuracy'; it has"
            f" {len(table)} rows with {', '.join(map(str, table.columns)) or 'no columns'}"
        )
    check_numbers(table, ("accuracy", "n_images", "chance"))
    accuracy = table["accuracy"].to_numpy(dtype=float)
    if not ((accuracy >= 0) & (accuracy <= 1)).all():
        raise InputError("accuracy must lie in [0, 1] in every row")
    ax = new_axes(ax, COLUMN, 0.6 + 0.3 * len(table))
    rows = np.arange(len(table))
    ax.step(100 * accuracy, rows, where="pre", color="0.75", lw=0.8, zorder=1)
    if "n_images" in table:
        for row, share, n in zip(rows, accuracy, table["n_images"], strict=True):
            low, high = 100 * np.array(wilson_interval(share, int(n)))
            ax.hlines(row, low, high, color=color_of(0), lw=1.4, alpha=0.45, zorder=2)
    ax.plot(100 * accuracy, rows, marker_of(0), color=color_of(0), zorder=3)
    for row in rows:
        change = "" if row == 0 else f" ({100 * (accuracy[row] - accuracy[row - 1]):+.1f})"
        text = f"{100 * accuracy[row]:.1f} %{change}".replace("-", "\N{MINUS SIGN}")
        ax.annotate(text, (1, row), xycoords=ax.get_yaxis_transform(), xytext=(4, 0),
                    textcoords="offset points", va="center", size=text_size(6),
                    annotation_clip=False)  # fmt: skip
    if "chance" in table:
        chance = 100 * float(table["chance"].iloc[0])
        ax.axvline(chance, color="0.4", lw=0.7, ls=(0, (4, 3)), label="chance")
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1))
    ax.set_yticks(rows, [str(rung) for rung in table["rung"]])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlim(0, 102)
    ax.grid(axis="y", color="0.92", lw=0.5)
    ax.set_axisbelow(True)
    ax.set_xlabel("accuracy (%)")
    return ax


@KINDS.named("realism-ladder")
def _of_run(asked: Asked) -> Axes:
    return realism_ladder(asked.table)
