r"""Population rate over time: the peristimulus time histogram (PSTH) of every layer.

.. math:: r(t) = \frac{1}{M N \Delta} \sum_{m=1}^{M} n_m(t), \qquad
          s(t) = \frac{1}{\sqrt M}\, \mathrm{std}_m\!\left(\frac{n_m(t)}{N \Delta}\right)

=============  ======  ================================================================
symbol         unit    meaning
=============  ======  ================================================================
``n_m(t)``     1       spikes of all units in the bin at t, for image m
N, M           1       units of the population, images
Delta          second  width of a bin
``s(t)``       hertz   standard error of the mean over the images
=============  ======  ================================================================

The stimulus, an image, begins at 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from brian2 import Quantity, ms, second
from matplotlib.axes import Axes

from bionet.figures.house_style import color_of, styled, times, unit_name
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.kinds.spike_times import bin_steps
from bionet.figures.panels import choose_spiking, panels
from bionet.results.recording import Recording

__all__ = ["population_rate", "rate_over_time"]


def rate_over_time(
    run: Recording, population: str, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean firing rate of a unit in every bin, and its standard error, in Hz.

    Parameters
    ----------
    run : Recording
        With recorded spikes of the population.
    population : str
    edges : int array (n_bins + 1,)
        Steps.

    Returns
    -------
    mean, error : float array (n_bins,)
        The error is 0 of a single image.
    """
    seconds = np.diff(edges) * float(run.dt / second)
    counts = np.array(
        [
            np.histogram(run.spikes(population, int(image)).step, edges)[0]
            for image in run.recorded_images
        ]
    )
    rates = counts / (int(np.prod(run.shapes[population])) * seconds)
    n = len(rates)
    error = rates.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(len(seconds))
    return rates.mean(axis=0), error


@styled
def population_rate(
    run: Recording,
    populations: Sequence[str] | None = None,
    bin_width: Quantity | None = None,
    axes: Sequence[Axes] | np.ndarray | None = None,
    time_unit: Quantity = ms,
) -> np.ndarray:
    """Draw the firing rate of each population over time, mean of the recorded images.

    Parameters
    ----------
    run : Recording
        With recorded spikes.
    populations : sequence of str, optional
        From top to bottom; all whose spikes were recorded, in the network's order, by default.
    bin_width : Quantity, optional
        A multiple of the step, in units of time; one step by default, more where a presentation
        has more than 100.
    axes : sequence of Axes, optional
        One for each population; a new figure's where they are not given.
    time_unit : Quantity
        Unit of the time axis.

    Returns
    -------
    array of Axes (n_populations,)
        The band is the standard error of the mean over the images.

    Raises
    ------
    InputError
        If spikes were not recorded, or the bin is no multiple of the step.
    """
    names = choose_spiking(run, populations)
    name_of_unit = unit_name(time_unit)
    width = bin_steps(run, bin_width)
    edges = np.append(np.arange(0, run.n_steps, width), run.n_steps)
    drawn = panels(len(names), axes, 1, 0.62 if len(names) > 2 else 0.85)
    place = times(edges, run.dt, time_unit)
    n = len(run.recorded_images)
    for number, (ax, name) in enumerate(zip(drawn, names, strict=True)):
        mean, error = rate_over_time(run, name, edges)
        color = color_of(number)
        ax.stairs(mean, place, color=color, fill=True, alpha=0.3, linewidth=0)
        ax.stairs(mean, place, color=color, linewidth=0.9, label=name)
        if n > 1:
            middle = (place[1:] + place[:-1]) / 2
            low = np.maximum(mean - error, 0)
            ax.vlines(middle, low, mean + error, color=color, linewidth=0.6)
        ax.set_xlim(0, place[-1])
        ax.set_ylim(bottom=0)
        ax.locator_params(axis="y", nbins=3)
        ax.set_title(name, loc="left", pad=2)
        ax.label_outer(remove_inner_ticks=False)
    drawn[-1].set_xlabel(f"time since image onset ({name_of_unit})")
    whose = f"mean of {n} images" if n > 1 else f"image {run.recorded_images[0]}"
    told = ("firing rate of a unit (Hz)", whose)
    drawn[0].figure.supylabel((", " if len(names) > 3 else "\n").join(told), size="medium")
    return drawn


@KINDS.named("population-rate")
def _of_run(asked: Asked) -> np.ndarray:
    return population_rate(asked.run, asked.populations)
