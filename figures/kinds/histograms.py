"""Activation histograms: how the activations of every layer, and the rates for them, are spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bionet.audits.table import Audit
from bionet.errors import InputError
from bionet.figures.house_style import color_of, styled, text_size
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.panels import choose, panels

__all__ = ["activation_histograms"]

BINS = 40


@styled
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
        Share of the pairs of image and unit in each of 40 bins, on a logarithmic axis. The panels
        have the same bins and axes. The dashed
        line at 1 is lambda: a unit cannot fire more than once a step.

    Raises
    ------
    InputError
        If a population is unknown or has no values.
    """
    samples = data.samples if isinstance(data, Audit) else data
    names = choose(samples, populations)
    drawn = panels(len(names), axes, 2 if len(names) < 5 else 3, 1.25, share=True)
    sides = {name: _sides(name, samples[name]) for name in names}
    values = np.concatenate([side for pair in sides.values() for side in pair] + [[0.0, 1.0]])
    edges = np.linspace(values.min(), values.max(), BINS + 1)
    for ax, name in zip(drawn, names, strict=True):
        _panel(ax, name, sides[name], edges)
    largest = max(side.size for pair in sides.values() for side in pair)
    drawn[0].set_ylim(50 / largest, 200)
    if any(len(pair) > 1 for pair in sides.values()):
        _legend(drawn, apart=axes is None)
    for ax in drawn:
        ax.set_xlabel("activation / scale, spikes per step")
        ax.set_ylabel("share of pairs (%)")
        if axes is None:
            ax.label_outer(remove_inner_ticks=False)
    if axes is None:
        _one_label_below(drawn)
    return drawn


def _one_label_below(drawn: np.ndarray) -> None:
    """Numbers below the last panel of each column; one text, wider than a panel, for all."""
    columns = drawn[0].get_subplotspec().get_gridspec().ncols
    for ax in drawn[-columns:]:
        ax.tick_params(labelbottom=True)
    drawn[0].figure.supxlabel(drawn[-1].get_xlabel(), size="medium")
    for ax in drawn:
        ax.set_xlabel("")


def _sides(name: str, values: Any) -> list[np.ndarray]:
    """Activations, and rates where they are given, as flat arrays."""
    both = isinstance(values, tuple) or (
        isinstance(values, np.ndarray) and values.ndim == 2 and len(values) == 2
    )
    sides = [np.asarray(v, dtype=np.float64).ravel() for v in (values if both else [values])]
    if not all(side.size and np.isfinite(side).all() for side in sides):
        raise InputError(f"{name!r} needs at least one activation, and finite ones")
    return sides


def _panel(ax: Axes, name: str, sides: list[np.ndarray], edges: np.ndarray) -> None:
    labels = ("trained network", "spiking network")
    for number, (side, label) in enumerate(zip(sides, labels, strict=False)):
        share = 100 * np.histogram(side, edges)[0] / side.size
        look: dict[str, Any] = {"fill": True, "alpha": 0.35} if number == 0 else {"linewidth": 0.9}
        ax.stairs(share, edges, color=color_of(number), label=label, baseline=1e-9, **look)
    ax.axvline(1, color="0.4", lw=0.6, ls=(0, (4, 3)), zorder=0)
    ax.set_yscale("log")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_title(name, pad=3)


def _legend(drawn: np.ndarray, apart: bool) -> None:
    """Over the figure where it is the function's own, else over the first panel."""
    handles, labels = drawn[0].get_legend_handles_labels()
    if apart:
        figure = drawn[0].figure
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
    else:
        drawn[0].legend(handles, labels, loc="upper right", fontsize=text_size(6))


@KINDS.named("histograms")
def _of_run(asked: Asked) -> np.ndarray:
    return activation_histograms(asked.audit, asked.populations)
