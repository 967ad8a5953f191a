"""Accuracy against synaptic events: what an answer costs, for several runs in one axis.

A synaptic event is one spike arriving at one synapse (:mod:`bionet.results.metrics`). The mean
number of events of all images is known at the end of a presentation; where the spikes of every
source were recorded, the recorded images tell how they are spread over time, and a curve shows it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from bionet.figures.house_style import COLUMN, color_of, line_of, marker_of, new_axes, styled
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.legends import legend_above
from bionet.figures.panels import check_runs
from bionet.network import SpikingNetwork
from bionet.results.metrics import synaptic_events, wilson_interval
from bionet.results.recording import Recording

__all__ = ["accuracy_events", "events_over_time"]


def events_over_time(snn: SpikingNetwork, run: Recording) -> np.ndarray | None:
    """Mean synaptic events per image up to every step, or None where spikes were not recorded.

    Parameters
    ----------
    snn : SpikingNetwork
    run : Recording
        Of ``snn``.

    Returns
    -------
    float array (n_steps,) or None
        Its last value is the mean over all images; the course is that of the recorded ones.
    """
    total = float(sum(events.mean() for events in synaptic_events(snn, run).values()))
    per_step = np.zeros(run.n_steps)
    for projection in snn.projections:
        source = projection.source
        if source not in run.counts or not run.counts[source].any():
            continue
        if source not in run.recorded_spikes:
            return None
        fan = projection.kernel.fan_out(snn.shape(source)).ravel()
        table = run.recorded_spikes[source]
        per_step += np.bincount(table[:, 1], weights=fan[table[:, 2]], minlength=run.n_steps)
    if not per_step.any():
        return None
    return np.asarray(np.cumsum(per_step) * (total / per_step.sum()))


@styled
def accuracy_events(
    runs: Mapping[str, tuple[Recording, np.ndarray, SpikingNetwork]],
    readout: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw accuracy against synaptic events per image, with 95 % intervals.

    Parameters
    ----------
    runs : mapping of str to (Recording, labels, SpikingNetwork)
        Name in the legend -> recording, int array (n_images,) and the network that was simulated.
    readout : {"MP", "MS", "FS"}, optional
        Each run's own by default.
    ax : Axes, optional
        A new figure's where it is not given.

    Returns
    -------
    Axes
        A point with its interval for the end of each run, and a curve up to it where the spikes
        of all its populations were recorded.

    Raises
    ------
    InputError
        If there are no runs, or labels, recording and network do not fit together.
    """
    check_runs(runs, "(recording, labels, network)")
    drawn = []
    for name, (run, labels, snn) in runs.items():
        total = float(sum(events.mean() for events in synaptic_events(snn, run).values()))
        course = events_over_time(snn, run)
        drawn.append((name, run, run.accuracy_over_time(labels, readout), total, course))
    ax = new_axes(ax, COLUMN, 2.5)
    for number, (name, run, accuracy, total, course) in enumerate(drawn):
        color = color_of(number)
        if course is not None:
            ax.plot(course, 100 * accuracy, color=color, ls=line_of(number), zorder=2)
        low, high = wilson_interval(accuracy[-1], run.n_images)
        ax.errorbar(
            total,
            100 * accuracy[-1],
            # An interval that ends at 0 or 1 may miss it by rounding.
            yerr=100 * np.maximum([[accuracy[-1] - low], [high - accuracy[-1]]], 0),
            color=color,
            marker=marker_of(number),
            capsize=2,
            linewidth=0.8,
            label=f"{name}: {100 * accuracy[-1]:.1f} %, {total:,.0f} events",
            zorder=3,
        )
    ax.set_xlim(left=0)
    ax.set_ylim(0, 102)
    ax.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4), useMathText=True)
    ax.set_xlabel("synaptic events per image")
    ax.set_ylabel("accuracy (%)")
    legend_above(ax, title="after the presentation")
    return ax


@KINDS.named("events")
def _of_run(asked: Asked) -> Axes:
    runs = {name: (one.run, one.labels, one.network) for name, one in asked.each().items()}
    return accuracy_events(runs, asked.readout)
