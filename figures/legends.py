"""Legends beside the curves, and the words for abbreviations in them."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

__all__ = ["READOUTS", "legend_above", "readout_name"]

READOUTS = {
    "MP": "maximal potential",
    "MS": "most spikes",
    "FS": "first spike",
    "LS": "latest spike",
}


def readout_name(readout: str) -> str:
    """A readout in words, with its abbreviation."""
    return f"{READOUTS[readout]} ({readout})" if readout in READOUTS else readout


def legend_above(ax: Axes, columns: int = 1, **options: Any) -> None:
    """A legend over the axes, where it hides no curve whatever the data.

    Parameters
    ----------
    ax : Axes
    columns : int
    **options
        For :meth:`matplotlib.axes.Axes.legend`.
    """
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        alignment="left",
        columnspacing=1.2,
        **options,
    )
