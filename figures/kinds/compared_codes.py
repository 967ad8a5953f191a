"""All codes side by side: what an answer costs each of them, and what each withstands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import PAGE, color_of, marker_of, new_figure, styled
from bionet.figures.panels import panels
from bionet.results.columns import check_numbers

__all__ = ["compared_codes"]

NEEDED = ("code", "perturbation", "level", "accuracy", "low", "high", "operations")
UNDISTURBED = "none"


@styled
def compared_codes(
    table: pd.DataFrame, axes: Sequence[Axes] | np.ndarray | None = None
) -> np.ndarray:
    """Draw accuracy against operations, and accuracy under each perturbation, of every code.

    Parameters
    ----------
    table : DataFrame
        A row for each code, perturbation and level: columns code, perturbation (``"none"`` where
        there is none), level, accuracy, low, high (shares) and operations of an image; rows
        without an accuracy are left out.
    axes : sequence of Axes, optional
        Two; a new figure's where they are not given.

    Returns
    -------
    array of Axes (2,)
        Left the undisturbed codes, right the strongest level of each perturbation; bars are the
        intervals of the table.

    Raises
    ------
    InputError
        If a column is missing, or no row is undisturbed.
    """
    if missing := [name for name in NEEDED if name not in table]:
        raise InputError(f"the table has no column {missing[0]!r}")
    check_numbers(table, NEEDED[2:])
    table = table[table["accuracy"].notna()]
    plain = table[table["perturbation"] == UNDISTURBED]
    if plain.empty:
        raise InputError("the table has no undisturbed row: one of perturbation 'none'")
    codes = list(dict.fromkeys(table["code"]))
    if axes is None:
        drawn = new_figure(PAGE, 2.5).subplots(1, 2, width_ratios=(2, 3))
    else:
        drawn = panels(2, axes, 2, 2.5)
    cost, robustness = drawn
    others = [name for name in dict.fromkeys(table["perturbation"]) if name != UNDISTURBED]
    for number, code in enumerate(codes):
        for row in plain[plain["code"] == code].itertuples():
            _point(cost, row.operations / 1e6, row, number, code)
        for place, name in enumerate(others):
            rows = table[(table["perturbation"] == name) & (table["code"] == code)]
            if rows.empty:
                continue
            strongest = rows.loc[rows["level"].idxmax()]
            shift = 0.7 * (number / max(1, len(codes) - 1) - 0.5)
            _point(robustness, place + shift, strongest, number, code)
    cost.set_xlim(left=0)
    cost.set_xlabel("operations per image (millions)")
    for ax in drawn:
        ax.set_ylim(0, 102)
        ax.set_ylabel("accuracy (%)")
    levels = table.groupby("perturbation")["level"].max()
    names = [f"{str(name).replace('_', chr(10))}\n{levels[name]:g}" for name in others]
    robustness.set_xticks(range(len(others)), names)
    for edge in range(1, len(others)):
        robustness.axvline(edge - 0.5, color="0.85", lw=0.5)
    robustness.set_xlim(-0.5, max(len(others), 1) - 0.5)
    if axes is None:
        handles, labels = cost.get_legend_handles_labels()
        columns = min(len(codes), 9)
        cost.figure.legend(handles, labels, loc="outside upper center", ncols=columns)
    else:
        cost.legend(loc="lower right")
    return np.asarray(drawn)


def _point(ax: Axes, x: float, row: object, number: int, code: str) -> None:
    """One accuracy with its interval; the eighth code and those after it have open markers."""
    accuracy, low, high = row.accuracy, row.low, row.high  # type: ignore[attr-defined]
    color = color_of(number % 7)
    ax.errorbar(
        x,
        100 * accuracy,
        yerr=100 * np.maximum([[accuracy - low], [high - accuracy]], 0),
        color=color,
        marker=marker_of(number + number // 7),
        markerfacecolor="white" if number >= 7 else color,
        linestyle="none",
        linewidth=0.8,
        label=code,
    )
