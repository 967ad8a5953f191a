"""Rate against activation: what the spikes show against what the network computes, by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bionet.audits.table import Audit
from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, PAGE, figure_width, new_figure, styled, text_size
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.panels import choose

__all__ = ["rate_against_activation"]

MAX_POINTS = 3000
DENSITY_BINS = 40
DENSITY_COLORS = "viridis"
X_LABEL = "activation of the trained network / scale"
Y_LABEL = "decoded rate\n(spikes per step)"


@styled
def rate_against_activation(
    data: Audit | Mapping[str, Any],
    populations: Sequence[str] | None = None,
    axes: Sequence[Axes] | np.ndarray | None = None,
    columns: int | None = None,
) -> np.ndarray:
    """Draw decoded rate against ANN activation, one panel for each population.

    Points are coloured by how many lie around them, the densest on top; the dashed line is
    equality. Pairs at rest on both sides are left out of the points, not of the correlation.

    Parameters
    ----------
    data : Audit or mapping of str to (activation, rate)
        An audit, or for each population two arrays of one shape: ANN activation over lambda,
        and spikes per step.
    populations : sequence of str, optional
        All of the data by default.
    axes : sequence of Axes, optional
        One for each population; a new figure's where they are not given.
    columns : int, optional
        Panels side by side in a new figure: at most 3 in one column's width by default.

    Returns
    -------
    array of Axes (n_populations,)

    Raises
    ------
    InputError
        If a population is unknown, arrays do not fit together or there are too few axes.
    """
    samples = data.samples if isinstance(data, Audit) else data
    populations = choose(samples, populations)
    panels = np.array(_panels(len(populations), columns) if axes is None else axes).ravel()
    if len(panels) < len(populations):
        raise InputError(f"{len(populations)} populations need as many axes, but got {len(panels)}")
    panels = panels[: len(populations)]
    for ax, name in zip(panels, populations, strict=True):
        activation, shown = _pair(name, samples[name])
        if isinstance(data, Audit):
            row = data.row(name)
            _panel(
                ax,
                name if row.decoded == "rate" else f"{name}: potential per step",
                activation,
                shown,
            )
            _note(ax, row.correlation)
        else:
            _panel(ax, name, activation, shown)
            _note(ax, _correlation(activation, shown))
    _label(panels, shared=axes is None)
    return panels


def _panels(n: int, columns: int | None) -> np.ndarray:
    if columns is not None and columns < 1:
        raise InputError(f"columns must be at least 1, but is {columns}")
    columns = min(n, columns or (2 if n in (2, 4) else 3))
    rows = -(-n // columns)
    width = COLUMN if columns <= 3 else PAGE
    # Square panels; the rest of the height is titles, tick labels and the common label.
    panel = min((figure_width(width) - 0.3) / columns - 0.25, 2.2)
    figure = new_figure(width, 0.25 + rows * (panel + 0.36))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for empty in grid[n:]:
        empty.remove()
    return np.asarray(grid[:n])


def _pair(name: str, pair: Any) -> tuple[np.ndarray, np.ndarray]:
    activation, shown = (np.asarray(values, dtype=np.float64) for values in pair)
    if activation.shape != shown.shape:
        raise InputError(
            f"activation and rate of {name!r} must have one shape, but have {activation.shape}"
            f" and {shown.shape}"
        )
    return activation.ravel(), shown.ravel()


def _panel(ax: Axes, title: str, activation: np.ndarray, shown: np.ndarray) -> None:
    values = np.concatenate([activation, shown, [0.0]])
    low, high = float(values.min()), float(values.max()) or 1.0
    margin = 0.05 * (high - low)
    limits = (low - margin, high + margin)
    ax.plot(limits, limits, color="0.5", lw=0.6, ls=(0, (4, 3)), zorder=1, label="equality")
    x, y, density = _thin(activation, shown, limits)
    ax.scatter(x, y, c=density, s=3, cmap=DENSITY_COLORS, linewidths=0, zorder=2, rasterized=True)
    ax.set(xlim=limits, ylim=limits, box_aspect=1)
    ax.set_title(title, pad=3)
    ax.locator_params(nbins=2 if high - low > 0.4 else 3)


def _thin(
    activation: np.ndarray, shown: np.ndarray, limits: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most ``MAX_POINTS`` pairs and the logarithm of their density, the densest last."""
    moving = np.flatnonzero((activation != 0) | (shown != 0))
    if moving.size > MAX_POINTS:
        moving = np.random.default_rng(0).choice(moving, MAX_POINTS, replace=False)
    x, y = activation[moving], shown[moving]
    edges = np.linspace(*limits, DENSITY_BINS + 1)
    counts = np.histogram2d(x, y, bins=[edges, edges])[0]
    cell = [np.clip(np.digitize(v, edges) - 1, 0, DENSITY_BINS - 1) for v in (x, y)]
    density = np.log(np.maximum(counts[cell[0], cell[1]], 1))
    order = np.argsort(density, kind="stable")
    return x[order], y[order], density[order]


def _correlation(activation: np.ndarray, shown: np.ndarray) -> float:
    if activation.size < 2 or np.ptp(activation) == 0 or np.ptp(shown) == 0:
        return float("nan")
    return float(np.corrcoef(activation, shown)[0, 1])


def _note(ax: Axes, correlation: float) -> None:
    text = "r undefined" if np.isnan(correlation) else f"r = {correlation:.4f}"
    ax.text(0.05, 0.95, text, transform=ax.transAxes, va="top", fontsize=text_size(6))


def _label(panels: np.ndarray, shared: bool) -> None:
    if shared:
        panels[0].figure.supxlabel(X_LABEL, fontsize=text_size(7))
        panels[0].figure.supylabel(Y_LABEL, fontsize=text_size(7))
        return
    for ax in panels:
        ax.set(xlabel=X_LABEL, ylabel=Y_LABEL)


@KINDS.named("rates")
def _of_run(asked: Asked) -> np.ndarray:
    return rate_against_activation(asked.audit, asked.populations)
