"""Accuracy loss and operations of a temporal code against its leak L: what a finer code costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator, ScalarFormatter, SymmetricalLogLocator

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, color_of, marker_of, new_figure, styled
from bionet.figures.legends import legend_above

__all__ = ["loss_and_operations"]

PAPER_LOSS, PAPER_SAVED = 0.5, 42.0
APART = 1.18  # ratio of neighbouring leaks whose labels do not touch


@styled
def loss_and_operations(
    curves: Mapping[str, Sequence[Mapping[str, Any]]], axes: np.ndarray | None = None
) -> np.ndarray:
    """Draw loss and saved operations against L, one curve for each way to convert.

    Parameters
    ----------
    curves : mapping of str to sequence of mapping
        Label -> rows as ``benchmarks/tdsnn.py --out`` writes them: ``L``, ``loss`` (points),
        ``saved`` (percent of the network's operations).
    axes : array of two Axes, optional
        Loss above, operations below; a new figure's where they are not given.

    Returns
    -------
    array of two Axes

    Raises
    ------
    InputError
        If there is nothing to draw.
    """
    if not curves or not all(len(rows) for rows in curves.values()):
        raise InputError("curves holds no rows; give those of benchmarks/tdsnn.py --out")
    if axes is None:
        axes = np.asarray(new_figure(COLUMN, 4.0).subplots(2, 1, sharex=True))
    above, below = axes
    for number, (label, rows) in enumerate(curves.items()):
        ordered = sorted(rows, key=lambda row: row["L"])
        leak = [row["L"] for row in ordered]
        look = {"color": color_of(number), "marker": marker_of(number), "ms": 3}
        above.plot(leak, [row["loss"] for row in ordered], label=label, **look)
        below.plot(leak, [row["saved"] for row in ordered], **look)
    for ax, level, text in (
        (above, PAPER_LOSS, f"paper: at most {PAPER_LOSS:g} points"),
        (below, PAPER_SAVED, f"paper: {PAPER_SAVED:g} %"),
    ):
        ax.axhline(level, color="black", lw=0.7, ls=(0, (4, 3)), zorder=1, label=text)
    every = [row for rows in curves.values() for row in rows]
    _finish(above, below, sorted({row["L"] for row in every}))
    if max(abs(row["loss"]) for row in every) > 1:
        above.set_yscale("symlog", linthresh=1)  # losses of a tenth and of many points, and none
        ticks = SymmetricalLogLocator(base=10, linthresh=1, subs=(1, 2, 5))
        above.yaxis.set_major_locator(ticks)
        above.yaxis.set_major_formatter(ScalarFormatter())
    return axes


def _finish(above: Axes, below: Axes, leaks: Sequence[float]) -> None:
    below.set_xscale("log")
    told: list[float] = []
    for leak in leaks:
        if not told or leak > APART * told[-1]:
            told.append(leak)
    below.set_xticks(told, [f"{leak:g}" for leak in told])
    below.xaxis.set_minor_locator(NullLocator())
    below.set_xlabel("leak L (steps)")
    above.set_ylabel("accuracy loss\n(percentage points)")
    below.set_ylabel("operations saved (%)")
    legend_above(above, 2)
    legend_above(below, 2)
