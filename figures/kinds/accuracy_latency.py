"""Accuracy against latency: several runs in one axis, and the time that each needs.

The latency of a run (:mod:`bionet.results.latency`, with a loss of ``margin`` from the accuracy at
the end) is marked on the curve.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from brian2 import Quantity, ms
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import (
    COLUMN,
    color_of,
    line_of,
    marker_of,
    new_axes,
    styled,
    times,
    unit_name,
)
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.legends import legend_above
from bionet.figures.panels import check_runs
from bionet.results.latency import latency
from bionet.results.metrics import wilson_interval
from bionet.results.recording import Recording

__all__ = ["accuracy_latency"]


@styled
def accuracy_latency(
    runs: Mapping[str, tuple[Recording, np.ndarray]],
    readout: str | None = None,
    margin: float = 0.01,
    ax: Axes | None = None,
    time_unit: Quantity = ms,
) -> Axes:
    """Draw accuracy after every step for several runs, in percent, with 95 % bands.

    Parameters
    ----------
    runs : mapping of str to (Recording, labels)
        Name in the legend -> recording and int array (n_images,).
    readout : {"MP", "MS", "FS"}, optional
        Each run's own by default.
    margin : float
        A run's latency is the time from which on its accuracy lies at most so much (share of
        images) below that at its end.
    ax : Axes, optional
        A new figure's where it is not given.
    time_unit : Quantity
        Unit of the time axis.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are no runs, labels do not fit or the margin is no share.
    """
    check_runs(runs, "(recording, labels)")
    if not 0 <= margin < 1:
        raise InputError(f"margin is a share in [0, 1), but is {margin}")
    name_of_unit = unit_name(time_unit)
    curves = {name: run.accuracy_over_time(labels, readout) for name, (run, labels) in runs.items()}
    ax = new_axes(ax, COLUMN, 2.5)
    last = 0.0
    for number, (name, accuracy) in enumerate(curves.items()):
        run = runs[name][0]
        color, time = color_of(number), times(np.arange(1, run.n_steps + 1), run.dt, time_unit)
        lower, upper = wilson_interval(accuracy, run.n_images)
        ax.fill_between(time, 100 * lower, 100 * upper, color=color, alpha=0.15, linewidth=0)
        step = latency(accuracy, loss=margin) or run.n_steps
        label = f"{name}: {100 * accuracy[-1]:.1f} %, {time[step - 1]:g} {name_of_unit}"
        ax.plot(time, 100 * accuracy, color=color, ls=line_of(number), label=label)
        marker = marker_of(number)
        ax.plot(time[step - 1], 100 * accuracy[step - 1], marker, color=color, zorder=4)
        last = max(last, float(time[-1]))
    ax.set_xlim(0, last)
    ax.set_ylim(0, 102)
    ax.set_xlabel(f"time since image onset ({name_of_unit})")
    ax.set_ylabel("accuracy (%)")
    title = f"at the end; within {100 * margin:g} % of it from"
    legend_above(ax, title=title)
    return ax


@KINDS.named("latency")
def _of_run(asked: Asked) -> Axes:
    runs = {name: (one.run, one.labels) for name, one in asked.each().items()}
    return accuracy_latency(runs, asked.readout)
