r"""What accuracy costs: inference error, similarity and early decision, from per-image curves.

Each function draws several runs of one network (methods, gains, bounds) into one Axes. With
a(t) the accuracy after step t, E(t) the mean events per image up to it and S(t) the mean cosine
similarity of output rates and ANN outputs:

====================  ========================================================
function              x, y
====================  ========================================================
``error_over_steps``  t, 1 - a(t); a dotted line at the ANN's error
``error_over_events``  E(t), 1 - a(t)
``similarity``        t, S(t)
``early_decision``    allowed loss, least t or E(t) from which it holds
``accuracy_against``  a parameter, a(t) over that of a reference run
====================  ========================================================

References
----------
Q. Yu et al.: Constructing accurate and efficient deep spiking neural networks with
double-threshold and augmented schemes. IEEE TNNLS (2020), Figs. 2-7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, color_of, marker_of, new_axes, styled, text_size
from bionet.figures.legends import legend_above
from bionet.kinds import typed
from bionet.results.curves import LOSSES, Curves

__all__ = [
    "accuracy_against",
    "early_decision",
    "error_over_events",
    "error_over_steps",
    "similarity",
]

DASHES = ("-", (0, (5, 1.2)), (0, (1.2, 0.8)), (0, (5, 1.2, 1.2, 1.2)))


@typed
def error_over_steps(runs: Mapping[str, Curves], ax: Axes | None = None) -> Axes:
    """Draw the inference error in percent against the steps presented, both logarithmic.

    Parameters
    ----------
    runs : mapping of str to Curves
        By what the legend calls them.
    ax : Axes, optional
        A new figure's where it is not given.

    Returns
    -------
    Axes
    """
    return _errors(runs, ax, lambda c: np.arange(1, c.n_steps + 1), "time (steps)")


@typed
def error_over_events(runs: Mapping[str, Curves], ax: Axes | None = None) -> Axes:
    """Draw the inference error in percent against the events per image so far, both logarithmic.

    See :func:`error_over_steps`.
    """
    return _errors(runs, ax, lambda c: c.events_so_far(), "events per image so far")


@styled
def _errors(
    runs: Mapping[str, Curves], ax: Axes | None, x: Callable[[Curves], np.ndarray], label: str
) -> Axes:
    ax = new_axes(_checked(runs, ax), COLUMN, 2.3)
    for number, (name, run_there) in enumerate(runs.items()):
        # Before its first event nothing was decided, and a logarithmic axis has no place for it.
        shown = x(run_there) > 0
        error = 100 * (1 - run_there.accuracy())
        dashes = DASHES[number % len(DASHES)]
        ax.plot(x(run_there)[shown], error[shown], color=color_of(number), ls=dashes, label=name)
    accuracies = {round(100 * (1 - run_there.ann_accuracy), 6) for run_there in runs.values()}
    for level in accuracies:
        ax.axhline(
            level, color="black", lw=0.7, ls=(0, (1, 2)), label=f"trained network: {level:.2f} %"
        )
    _logarithmic(ax.xaxis)
    drawn = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in ax.lines])
    low, high = float(drawn.min()), float(drawn.max())
    # 1e-6: an error of 0 up to rounding; below a factor of 4 there are too few ticks to read.
    if low > 1e-6 and high > 4 * low:
        _logarithmic(ax.yaxis)
    ax.set_xlabel(label)
    n_images = next(iter(runs.values())).n_images
    ax.set_ylabel(f"inference error (%), {n_images:,} images")
    legend_above(ax, 2)
    return ax


@styled
def similarity(runs: Mapping[str, Curves], ax: Axes | None = None) -> Axes:
    """Draw the cosine similarity of output rates and ANN outputs, mean and quartiles.

    See :func:`error_over_steps`.
    """
    ax = new_axes(_checked(runs, ax), COLUMN, 2.3)
    for number, (name, curves) in enumerate(runs.items()):
        steps = np.arange(1, curves.n_steps + 1)
        lower, upper = np.quantile(curves.similarity, (0.25, 0.75), axis=0)
        color = color_of(number)
        ax.fill_between(steps, lower, upper, color=color, alpha=0.2, linewidth=0)
        dashes = DASHES[number % len(DASHES)]
        mean = curves.similarity.mean(axis=0, dtype=np.float64)
        ax.plot(steps, mean, color=color, ls=dashes, label=name)
    ax.axhline(1, color="black", lw=0.7, ls=(0, (1, 2)), label="perfect match")
    _logarithmic(ax.xaxis)
    ax.set_xlabel("time (steps)")
    ax.set_ylabel("cosine similarity to the network")
    legend_above(ax, 2)
    return ax


@styled
def early_decision(
    runs: Mapping[str, Curves],
    cost: Literal["steps", "events"] = "steps",
    losses: Sequence[str] = tuple(LOSSES),
    rule: Literal["stays", "reached"] = "reached",
    ax: Axes | None = None,
) -> Axes:
    """Draw the steps or events that each allowed loss takes; a loss never reached has no bar.

    Parameters
    ----------
    runs : mapping of str to Curves
    cost : {"steps", "events"}
    losses : sequence of str
        Of :data:`bionet.results.curves.LOSSES`.
    rule : {"stays", "reached"}
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    if cost not in ("steps", "events"):
        raise InputError(f"cost is 'steps' or 'events', but got {cost!r}")
    ax = new_axes(_checked(runs, ax), COLUMN, 2.3)
    width = 0.8 / len(runs)
    drawn: list[float] = []
    for number, (name, curves) in enumerate(runs.items()):
        decisions = curves.early_decisions(losses, rule)
        heights = [getattr(decision, cost) or np.nan for decision in decisions]
        left = np.arange(len(losses)) + (number - (len(runs) - 1) / 2) * width
        bars = ax.bar(left, heights, 0.9 * width, color=color_of(number), label=name)
        drawn += [height for height in heights if not np.isnan(height)]
        texts = ["" if np.isnan(h) else _short(h) for h in heights]
        ax.bar_label(bars, texts, fontsize=text_size(6), padding=1)
        for x, height in zip(left, heights, strict=True):
            if np.isnan(height):
                ax.annotate("never", (x, 0), xycoords=("data", "axes fraction"), rotation=90,
                            fontsize=text_size(6), ha="center", va="bottom", xytext=(0, 2),
                            textcoords="offset points")  # fmt: skip
    _logarithmic(ax.yaxis)
    if drawn:  # a logarithmic axis has no 0; its begin leaves the shortest bar a length
        ax.set_ylim(min(drawn) / 3, 2 * max(drawn))
    ax.set_xticks(np.arange(len(losses)), losses)
    ax.set_xlim(-0.5, len(losses) - 0.5)
    ax.set_xlabel("allowed loss of accuracy")
    ax.set_ylabel("steps" if cost == "steps" else "events per image")
    legend_above(ax, 2)
    return ax


@styled
def accuracy_against(
    values: Sequence[float],
    accuracies: Mapping[str, Sequence[float]],
    label: str = "largest size of a spike, M",
    ax: Axes | None = None,
) -> Axes:
    """Draw accuracies, relative to a reference, against a parameter of the conversion.

    Parameters
    ----------
    values : sequence of float
        Of the parameter.
    accuracies : mapping of str to sequence of float
        Network -> relative accuracy at every value, 1 for that of the reference.
    label : str
        What the parameter is.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(_checked(accuracies, ax), COLUMN, 2.3)
    for number, (name, relative) in enumerate(accuracies.items()):
        dashes, marker = DASHES[number % len(DASHES)], marker_of(number)
        ax.plot(
            values, relative, color=color_of(number), ls=dashes, marker=marker, ms=3, label=name
        )
    ax.axhline(1, color="black", lw=0.7, ls=(0, (1, 2)), zorder=0)
    ax.set_xscale("log")
    ax.set_xticks(values, [f"{value:g}" for value in values])
    ax.minorticks_off()
    ax.set_xlabel(label)
    ax.set_ylabel("accuracy, share of the unbounded")
    legend_above(ax, 2)
    return ax


def _short(number: float) -> str:
    """A number that fits over a narrow bar: 522, 14.3k, 2.1M."""
    if number >= 1e6:
        return f"{number / 1e6:.3g}M"
    if number >= 1e4:
        return f"{number / 1e3:.3g}k"
    return f"{number:,.0f}"


def _logarithmic(axis: Axis) -> None:
    """A logarithmic axis whose ticks 1, 2, 5, 10, ... or 1, 10, ... are written out."""
    if isinstance(axis, XAxis):
        axis.axes.set_xscale("log")
    else:
        axis.axes.set_yscale("log")
    low, high = axis.get_data_interval()
    decades = np.log10(high / low) if low > 0 else 0.0
    if decades > 3:  # three labels a decade would touch each other, of many decades even one
        axis.set_major_locator(LogLocator(base=10.0 ** np.ceil(decades / 6), subs=(1,)))
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    )
    axis.set_minor_formatter(NullFormatter())


def _checked(runs: Mapping[str, object], ax: Axes | None) -> Axes | None:
    if not runs:
        raise InputError("there are no runs to draw; give at least one, by its name")
    return ax
