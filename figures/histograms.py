"""Activation histograms: how the activations of every layer, and the rates for them, are spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bionet.audits.table import Audit
from bionet.errors import InputError
from bionet.figures.panels import choose, panels
from bionet.figures.style import style

__all__ = ["activation_histograms"]

BINS = 40


@style()
def activation_histograms(
    data: Audit | Mapping[str, Any],
    populations: Sequence[str] | None = None,
    axes: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw a histogram of the ANN activations of each layer and of the rates that stand for them.

    Parameters
    ----------
    data : Audit or mapping of str to (activation, rate) or to activation
        An audit, or for each population arrays of any shape: ANN activation over lambda, and
        spikes per step.
    populations : sequence of str, optional
        All of the data by default.
    axes : sequence of Axes, optional
        One for each population; a new figure's where they are not given.

    Returns
    -------
    array of Axes (n_populations,)
        Share of the pairs of image and unit in each of 40 bins, on a logarithmic axis. The dashed
        line at 1 is lambda: a unit cannot fire more than once a step.

    Raises
    ------
    InputError
        If a population is unknown or has no values.
    """
    known = data.samples if isinstance(data, Audit) else data
    names = choose(known, populations)
    drawn = panels(len(names), axes, 2 if len(names) < 5 else 3, 1.25)
    for number, (ax, name) in enumerate(zip(drawn, names, strict=True)):
        _panel(ax, name, _sides(name, known[name]), number == 0)
    for ax in drawn:
        ax.set_xlabel("activation / \N{GREEK SMALL LETTER LAMDA}, spikes per step")
        ax.set_ylabel("share of pairs (%)")
        if axes is None:
            ax.label_outer(remove_inner_ticks=False)
    return drawn


def _sides(name: str, values: Any) -> list[np.ndarray]:
    """Activations, and rates where they are given, as flat arrays."""
    both = isinstance(values, tuple) or (
        isinstance(values, np.ndarray) and values.ndim == 2 and len(values) == 2
    )
    sides = [np.asarray(v, dtype=np.float64).ravel() for v in (values if both else [values])]
    if not all(side.size and np.isfinite(side).all() for side in sides):
        raise InputError(f"{name!r} needs at least one activation, and finite ones")
    return sides


def _panel(ax: Axes, name: str, sides: list[np.ndarray], legend: bool) -> None:
    values = np.concatenate([*sides, [0.0, 1.0]])
    edges = np.linspace(values.min(), values.max(), BINS + 1)
    labels = ("ANN activation / \N{GREEK SMALL LETTER LAMDA}", "SNN rate")
    for number, (side, label) in enumerate(zip(sides, labels, strict=False)):
        share = 100 * np.histogram(side, edges)[0] / side.size
        look: dict[str, Any] = {"fill": True, "alpha": 0.35} if number == 0 else {"linewidth": 0.9}
        ax.stairs(share, edges, color=f"C{number}", label=label, baseline=1e-9, **look)
    ax.axvline(1, color="0.4", lw=0.6, ls=(0, (4, 3)), zorder=0)
    ax.set_yscale("log")
    smallest = 100 / max(side.size for side in sides)
    ax.set_ylim(smallest / 2, 200)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_title(name, pad=3)
    if legend and len(sides) > 1:
        ax.legend(loc="upper right", fontsize=6)
