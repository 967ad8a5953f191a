r"""Distances between spike trains (van Rossum): how differently a population answers two images.

Each train is filtered with a causal exponential of time constant tau, :math:`f(t) = \sum_i
e^{-(t - t_i)/\tau}` for :math:`t \ge t_i`. The distance of two trains is

.. math:: D^2 = \frac{1}{\tau} \int_0^\infty (f - g)^2\, dt
   = \frac12 \sum_{i,i'} e^{-|t_i - t_{i'}|/\tau} + \frac12 \sum_{j,j'} e^{-|s_j - s_{j'}|/\tau}
   - \sum_{i,j} e^{-|t_i - s_j|/\tau}

and of two populations the sum of the units' :math:`D^2`. One spike that is only in one train adds
1/2; one that moves by d adds :math:`1 - e^{-d/\tau}`. A short tau compares times, a long one
counts.

References
----------
M. C. W. van Rossum: A novel spike distance. Neural Computation 13 (2001) 751-763, Eqs. 1-3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from brian2 import Quantity, check_units, ms, second
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, new_axes, styled
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.panels import choose_spiking, picture_scale
from bionet.results.recording import Recording

__all__ = ["spike_distances", "van_rossum"]

MAX_NAMED = 20


@check_units(tau=second)
def van_rossum(run: Recording, population: str, tau: Quantity = 10 * ms) -> np.ndarray:
    """Squared van Rossum distance of the answers of a population to every two recorded images.

    Parameters
    ----------
    run : Recording
        With recorded spikes of the population.
    population : str
    tau : Quantity
        Time constant, in units of time.

    Returns
    -------
    float array (n_recorded, n_recorded)

    Raises
    ------
    InputError
        If tau is not positive, or the spikes were not recorded.
    """
    if not tau > 0 * second:
        raise InputError(f"tau must be a positive time, but is {tau}")
    images = [run.spikes(population, int(image)) for image in run.recorded_images]
    steps = float(tau / run.dt)
    product = np.zeros((len(images), len(images)))
    units = np.unique(np.concatenate([spikes.unit for spikes in images]))
    trains = [{u: s.step[s.unit == u].astype(float) for u in np.unique(s.unit)} for s in images]
    for unit in units:
        having = [(k, train[unit]) for k, train in enumerate(trains) if unit in train]
        for place, (a, first) in enumerate(having):
            for b, other in having[place:]:
                value = np.exp(-np.abs(first[:, None] - other[None]) / steps).sum() / 2
                product[a, b] += value
                if a != b:
                    product[b, a] += value
    squares = np.diag(product)
    return np.asarray(np.maximum(squares[:, None] + squares[None] - 2 * product, 0))


@styled
@check_units(tau=second)
def spike_distances(
    run: Recording,
    population: str | None = None,
    labels: np.ndarray | None = None,
    tau: Quantity = 10 * ms,
    ax: Axes | None = None,
) -> Axes:
    """Draw the distances of a population's spike trains between every two recorded images.

    Parameters
    ----------
    run : Recording
        With recorded spikes.
    population : str, optional
        The last whose spikes were recorded by default.
    labels : int array (n_images,), optional
        Images are put in the order of their classes, with lines between them.
    tau : Quantity
        Time constant, in units of time.
    ax : Axes, optional
        A new figure's where it is not given.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If spikes were not recorded, or the labels do not fit.
    """
    wanted: Sequence[str] | None = None if population is None else [population]
    name = choose_spiking(run, wanted)[-1]
    recorded = np.asarray(run.recorded_images)
    if labels is not None and np.shape(labels) != (run.n_images,):
        raise InputError(
            f"labels must have the shape ({run.n_images},), one for each image, but have"
            f" {np.shape(labels)}"
        )
    classes = np.zeros(len(recorded)) if labels is None else np.asarray(labels)[recorded]
    order = np.argsort(classes, kind="stable")
    distance = np.sqrt(van_rossum(run, name, tau))[np.ix_(order, order)]
    ax = new_axes(ax, COLUMN, 2.8)
    shown = ax.imshow(distance, cmap="viridis", vmin=0)
    n = len(order)
    if n <= MAX_NAMED:
        names = [
            str(image) if labels is None else f"{image} ({kind})"
            for image, kind in zip(recorded[order], classes[order], strict=True)
        ]
        ax.set_xticks(np.arange(n), names, rotation=90)
        ax.set_yticks(np.arange(n), names)
    for edge in np.flatnonzero(np.diff(classes[order])) + 0.5:
        ax.axhline(edge, color="white", lw=0.8)
        ax.axvline(edge, color="white", lw=0.8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    what = "image" if labels is None else "image (class)"
    ax.set(xlabel=what, ylabel=what)
    ax.set_title(f"{name}, time constant {float(tau / ms):g} ms", pad=3)
    picture_scale(ax, shown, "van Rossum distance")
    return ax


@KINDS.named("spike-distances")
def _of_run(asked: Asked) -> Axes:
    names = asked.populations
    try:
        labels: np.ndarray | None = asked.labels
    except InputError:
        labels = None
    return spike_distances(asked.run, names[0] if names else None, labels)
