"""The rungs of the ladder of realism by their spikes: a panel each, the same image on all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import color_of, styled, text_size
from bionet.figures.panels import panels

__all__ = ["realism_spikes"]


@styled
def realism_spikes(
    spikes: Mapping[str, Sequence[Sequence[float]]],
    duration_ms: float,
    axes: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw the spikes of some units of the last hidden layer while one image is shown.

    Parameters
    ----------
    spikes : mapping of str to sequence of (unit, time)
        For each rung; times in ms.
    duration_ms : float
        Length of the presentation.
    axes : sequence of Axes, optional
        One for each rung; a new figure's where they are not given.

    Returns
    -------
    array of Axes (n_rungs,)

    Raises
    ------
    InputError
        If there is no rung.
    """
    if not spikes:
        raise InputError("there are no rungs whose spikes could be drawn")
    drawn = panels(len(spikes), axes, 5, 1.05)
    for number, (ax, (name, points)) in enumerate(zip(drawn, spikes.items(), strict=True)):
        table = np.asarray(points, dtype=float).reshape(-1, 2)
        ax.plot(table[:, 1], table[:, 0], "|", color=color_of(0), ms=1.5, mew=0.5, rasterized=True)
        ax.set_title(f"{number + 1}. {name}", size=text_size(6.3))
        ax.set_xlim(0, duration_ms)
        ax.set_yticks([])
        below = number + 5 < len(spikes)
        ax.set_xticks([0, duration_ms / 2, duration_ms])
        ax.tick_params(labelbottom=not below)
        if not below:
            ax.set_xlabel("time (ms)")
        if number % 5 == 0:
            ax.set_ylabel("unit")
    return drawn
