r"""Interspike intervals: their histogram, and how regular they are.

.. math:: CV = \frac{\mathrm{std}(I)}{\mathrm{mean}(I)}

of the intervals I between consecutive spikes of one unit: 0 for a clock, 1 for a Poisson process.
The mean of the units' own values is given, because pooled intervals of a slow and a fast clock
would look irregular.

References
----------
P. Dayan, L. F. Abbott: Theoretical Neuroscience. MIT Press (2001), Section 1.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from brian2 import Quantity, ms
from matplotlib.axes import Axes

from bionet.figures.house_style import color_of, styled, times, unit_name
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.panels import choose_spiking, panels
from bionet.results.recording import Recording

__all__ = ["interval_histogram", "intervals", "variation"]

BINS = 30


def intervals(run: Recording, population: str) -> list[np.ndarray]:
    """Steps between consecutive spikes, int arrays: one for each unit and image that has any."""
    table = np.asarray(run.recorded_spikes[population])
    if len(table) < 2:
        return []
    table = table[np.lexsort((table[:, 1], table[:, 2], table[:, 0]))]
    same = (np.diff(table[:, 0]) == 0) & (np.diff(table[:, 2]) == 0)
    trains = np.split(table[:, 1], np.flatnonzero(~same) + 1)
    return [np.diff(train) for train in trains if len(train) > 1]


def variation(trains: Sequence[np.ndarray]) -> tuple[float, int]:
    """Mean coefficient of variation, and of how many trains: those of at least three spikes."""
    each = [float(train.std() / train.mean()) for train in trains if len(train) > 1]
    return (float(np.mean(each)) if each else float("nan")), len(each)


@styled
def interval_histogram(
    run: Recording,
    populations: Sequence[str] | None = None,
    axes: Sequence[Axes] | np.ndarray | None = None,
    time_unit: Quantity = ms,
) -> np.ndarray:
    """Draw a histogram of the interspike intervals of each population.

    Parameters
    ----------
    run : Recording
        With recorded spikes.
    populations : sequence of str, optional
        All whose spikes were recorded, in the network's order, by default.
    axes : sequence of Axes, optional
        One for each population; a new figure's where they are not given.
    time_unit : Quantity
        Unit of the intervals.

    Returns
    -------
    array of Axes (n_populations,)
        The panels share their axes. The title has the mean coefficient of variation (CV) of the
        units' intervals, and of how many trains of at least three spikes it is.

    Raises
    ------
    InputError
        If spikes were not recorded.
    """
    names = choose_spiking(run, populations)
    name_of_unit = unit_name(time_unit)
    drawn = panels(len(names), axes, 2, 1.15, share=True)
    trains = {name: intervals(run, name) for name in names}
    longest = max((int(t.max()) for each in trains.values() for t in each), default=1)
    step = -(-longest // BINS)
    edges = np.arange(0.5, longest + step + 0.5, step)
    for number, (ax, name) in enumerate(zip(drawn, names, strict=True)):
        pooled = np.concatenate([np.zeros(0, dtype=int), *trains[name]])
        share = 100 * np.histogram(pooled, edges)[0] / max(pooled.size, 1)
        place = times(edges, run.dt, time_unit)
        ax.stairs(share, place, fill=True, alpha=0.35, color=color_of(number))
        ax.stairs(share, place, color=color_of(number), linewidth=0.9)
        cv, n = variation(trains[name])
        told = f"CV {cv:.2f}, {n:,} trains" if n else "too few spikes"
        ax.set_title(f"{name}\n{told}", pad=3)
        ax.set_xlim(0, place[-1])
        ax.set_ylim(bottom=0)
        if axes is None:
            ax.label_outer(remove_inner_ticks=False)
    figure = drawn[0].figure
    if axes is None:
        words = "CV: their coefficient of variation"
        figure.supxlabel(f"interspike interval ({name_of_unit}); {words}", size="medium")
        figure.supylabel("share of the intervals (%)", size="medium")
    else:
        for ax in drawn:
            ax.set(xlabel=f"interspike interval ({name_of_unit})", ylabel="share (%)")
    return drawn


@KINDS.named("intervals")
def _of_run(asked: Asked) -> np.ndarray:
    return interval_histogram(asked.run, asked.populations)
