"""Spike-time histogram: how the activity of every population is spread over a presentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from brian2 import Quantity, ms, second
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, color_of, new_axes, styled, times, unit_name
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.panels import choose_spiking
from bionet.results.recording import Recording

__all__ = ["bin_steps", "spike_time_histogram"]


@styled
def spike_time_histogram(
    run: Recording,
    image: int | None = None,
    populations: Sequence[str] | None = None,
    bin_width: Quantity | None = None,
    ax: Axes | None = None,
    time_unit: Quantity = ms,
) -> Axes:
    """Draw the mean firing rate of the units of each population over time.

    Parameters
    ----------
    run : Recording
        With recorded spikes.
    image : int, optional
        One of ``run.recorded_images``; the mean of all of them by default.
    populations : sequence of str, optional
        All whose spikes were recorded, in the network's order, by default.
    bin_width : Quantity, optional
        A multiple of the step, in units of time; one step by default, more where a presentation
        has more than 100.
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
        If spikes were not recorded, or the bin is no multiple of the step.
    """
    names = choose_spiking(run, populations)
    name_of_unit = unit_name(time_unit)
    width = bin_steps(run, bin_width)
    images = run.recorded_images if image is None else [image]
    edges = np.append(np.arange(0, run.n_steps, width), run.n_steps)
    ax = new_axes(ax, COLUMN, 2.1)
    for number, name in enumerate(names):
        counts = np.zeros(len(edges) - 1)
        for one in images:
            counts += np.histogram(run.spikes(name, int(one)).step, edges)[0]
        n_units = int(np.prod(run.shapes[name]))
        rate = counts / (n_units * len(images) * np.diff(edges) * float(run.dt / second))
        position = times(edges, run.dt, time_unit)
        ax.stairs(rate, position, color=color_of(number), label=name, linewidth=0.9)
    ax.set_xlim(0, float(times(run.n_steps, run.dt, time_unit)))
    ax.set_ylim(bottom=0)
    ax.set_xlabel(f"time since image onset ({name_of_unit})")
    n = len(images)
    whose = f"image {image}" if image is not None else f"{n} image{'' if n == 1 else 's'}"
    ax.set_ylabel(f"firing rate per unit (Hz), {whose}")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def bin_steps(run: Recording, width: Quantity | None) -> int:
    """Steps of a bin: one, or more where a presentation has more than 100, by default."""
    if width is None:
        return -(-run.n_steps // 100)
    unit_name(width / abs(float(width) or 1.0))
    steps = round(float(width / run.dt))
    if steps < 1 or not np.isclose(steps * float(run.dt), float(width)):
        raise InputError(f"bin_width must be a multiple of the step ({run.dt}), but is {width}")
    return steps


@KINDS.named("spike-times")
def _of_run(asked: Asked) -> Axes:
    return spike_time_histogram(asked.run, populations=asked.populations)
