"""Spike raster: every recorded layer of one image in one picture, the input at the bottom.

Each population has a band of the same height, units from the bottom of the band upwards in
PyTorch's order. Of a temporal code the cells that tell the layers when (clocks and biases: what
fires and is no layer) have narrow grey bands of their own at the bottom. A spike is a vertical
tick, as high as one unit's share of the band where that is large enough to be seen. Behind the
layers of a temporal code their integration windows are shaded, up to the release (a line), and a
legend says so in words. Where spikes have a signed size (ternary and augmented neurons), a negative
one is grey, and a tick grows with the logarithm of its size over the smallest of its population, up
to twice the height.
In networks with excitatory and inhibitory cells (Dale's principle) the spikes of the inhibitory
ones are red.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from brian2 import Quantity, ms
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from bionet.errors import InputError
from bionet.figures.house_style import (
    COLUMN,
    color_of,
    new_axes,
    styled,
    text_size,
    times,
    unit_name,
)
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.windows import draw_windows
from bionet.results.recording import Recording

__all__ = ["raster"]

BAND = 0.86
"""Share of a band's height that its units fill."""
NARROW = 0.34
"""Height of the band of a clock or bias cell, where that of a layer is 1."""
TICK = 0.03
"""Height in bands at which a tick is well seen."""
MAX_UNITS = 128
NEGATIVE = "0.45"
"""Colour of negative spikes."""
INHIBITORY = "#b2182b"
"""Colour of the spikes of inhibitory cells."""


@styled
def raster(
    run: Recording,
    image: int = 0,
    ax: Axes | None = None,
    time_unit: Quantity = ms,
    populations: Sequence[str] | None = None,
    max_units: int | None = MAX_UNITS,
) -> Axes:
    """Draw the spikes of one image, one band for each population.

    Parameters
    ----------
    run : Recording
        With recorded spikes.
    image : int
        One of ``run.recorded_images``.
    ax : Axes, optional
        A new figure's where it is not given.
    time_unit : Quantity
        Unit of the time axis.
    populations : sequence of str, optional
        From bottom to top; all whose spikes were recorded, in the network's order, by default.
    max_units : int, optional
        At most this many units of a population are drawn, one from each of as many equal runs
        of units; the label says so. None draws all.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the spikes of a population or the image were not recorded.
    """
    if max_units is not None and max_units < 1:
        raise InputError(f"max_units must be at least 1, or None for all, but is {max_units}")
    if populations is None:
        populations = [name for name in run.shapes if name in run.recorded_spikes]
    if not populations:
        raise InputError(
            "no spikes were recorded, so there is nothing to draw;"
            ' simulate with record={"conv1": ["spikes"]}'
        )
    name_of_unit = unit_name(time_unit)
    bands = _bands(run, populations)
    top = max(bottom + height for bottom, height in bands.values())
    ax = new_axes(ax, COLUMN, 0.55 + 0.36 * top + (0.3 if run.releases else 0))
    labels, number = {}, 0
    for population, (bottom, height) in bands.items():
        n_units = int(np.prod(run.shapes[population])) if population in run.shapes else 0
        spikes = run.spikes(population, image)
        shown = _shown_units(n_units, max_units)
        time = times(spikes.step, run.dt, time_unit)
        ticks = _ticks(time, spikes.unit, shown, spikes.amplitude)
        ticks[..., 1] = bottom + height * ticks[..., 1]
        positive = spikes.amplitude[np.isin(spikes.unit, shown)] > 0
        narrow = height < 1
        inhibits = _inhibits(run, population, n_units)
        inhibiting = inhibits[spikes.unit[np.isin(spikes.unit, shown)]]
        color = NEGATIVE if narrow else INHIBITORY if inhibits.all() else color_of(number)
        number += not narrow
        excited = positive if narrow or inhibits.all() else positive & ~inhibiting
        _draw(ax, ticks[excited], run.n_steps, color, population)
        if not narrow and inhibits.any() and not inhibits.all():
            _draw(ax, ticks[inhibiting], run.n_steps, INHIBITORY, f"{population}, inhibitory")
        if not positive.all():
            _draw(ax, ticks[~positive], run.n_steps, NEGATIVE, f"{population}, negative")
        words = _label(population, n_units, len(shown), int(inhibits.sum()))
        labels[population] = population if narrow else words
    draw_windows(run, image, ax, time_unit, bands)
    _finish(ax, bands, labels, float(times(run.n_steps, run.dt, time_unit)), name_of_unit)
    return ax


def _bands(run: Recording, populations: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Bottom and height of every band; clocks and biases of a temporal code below the layers."""
    layers = {*run.releases, "input"}
    narrow = [name for name in populations if run.releases and name not in layers]
    bands = {name: (NARROW * place, NARROW) for place, name in enumerate(narrow)}
    bottom = NARROW * len(narrow)
    for name in populations:
        if name not in narrow:
            bands[name] = (bottom, 1.0)
            bottom += 1.0
    return bands


def _shown_units(n_units: int, max_units: int | None) -> np.ndarray:
    """The units to draw, ascending.

    One unit at random from each of equal runs: units at equal distances would sample a feature
    map in stripes wherever the distance and the map's width have a common divisor.
    """
    if max_units is None or n_units <= max_units:
        return np.arange(n_units)
    edges = np.linspace(0, n_units, max_units + 1).astype(int)
    return np.random.default_rng(0).integers(edges[:-1], edges[1:])


def _ticks(
    time: np.ndarray, unit: np.ndarray, shown: np.ndarray, amplitude: np.ndarray
) -> np.ndarray:
    """Line segments, array (n_ticks, 2 ends, 2 coordinates), row by row of a band of height 1."""
    row = np.searchsorted(shown, unit)
    drawn = np.isin(unit, shown)
    time, row = time[drawn], row[drawn]
    n_rows = max(len(shown), 1)
    middle = (1 - BAND) / 2 + BAND * (row + 0.5) / n_rows
    # Thinner where more rows than the default share the band, so that they do not merge.
    half = max(0.8 * BAND / n_rows, TICK * min(1, MAX_UNITS / n_rows), TICK / 4) / 2
    size = np.abs(amplitude[drawn]).astype(np.float64)
    smallest = size[size > 0].min(initial=np.inf)  # an input's spikes may all be of size 10
    reach = half * np.minimum(1 + np.log2(np.maximum(size / smallest, 1)) / 6, 2)
    ends = [np.stack([time, middle + side * reach], axis=1) for side in (-1, 1)]
    return np.stack(ends, axis=1)


def _draw(ax: Axes, ticks: np.ndarray, n_steps: int, color: str, population: str) -> None:
    # Neighbouring steps stay apart down to a hair line, over some 190 points of width.
    width = float(np.clip(76 / n_steps, 0.25, 0.8))
    collection = LineCollection(
        list(ticks), colors=color, linewidths=width, capstyle="butt", rasterized=True
    )
    collection.set_label(population)
    ax.add_collection(collection, autolim=False)


def _inhibits(run: Recording, population: str, n_units: int) -> np.ndarray:
    """Which units of a population inhibit their targets, bool array (n_units,)."""
    signs = run.parameters.get("signs", {}).get(population, 0)
    return np.broadcast_to(np.asarray(signs) < 0, (n_units,))


def _label(population: str, n_units: int, n_shown: int, n_inhibitory: int = 0) -> str:
    number = f"{n_units:,}" if n_shown == n_units else f"{n_shown:,} of {n_units:,}"
    if n_inhibitory:
        number += ", " + f"{n_inhibitory:,} " * (n_inhibitory < n_units) + "inhibitory"
    return f"{population}\n({number})"


def _finish(
    ax: Axes,
    bands: Mapping[str, tuple[float, float]],
    labels: Mapping[str, str],
    duration: float,
    unit: str,
) -> None:
    for bottom, height in list(bands.values())[1:]:
        ax.axhline(bottom, color="0.8" if height == 1 else "0.92", linewidth=0.5, zorder=0)
    ax.set_xlim(0, duration)
    ax.set_ylim(0, max(bottom + height for bottom, height in bands.values()))
    ax.set_yticks([bottom + height / 2 for bottom, height in bands.values()], list(labels.values()))
    for text, (_, height) in zip(ax.get_yticklabels(), bands.values(), strict=True):
        if height < 1:
            text.set_fontsize(text_size(5.5))
            text.set_color("0.35")
    ax.tick_params(axis="y", length=0)
    # Set off from the spikes of the first step.
    ax.spines["left"].set_position(("outward", 3))
    ax.set_xlabel(f"time ({unit})")
    ax.set_ylabel("population (units)")


@KINDS.named("raster")
def _of_run(asked: Asked) -> Axes:
    return raster(asked.run, asked.image, populations=asked.populations)
