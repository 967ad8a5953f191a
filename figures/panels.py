"""Grids of panels and curves with bands, shared by several kinds of figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bionet.errors import InputError, did_you_mean
from bionet.figures.house_style import COLUMN, PAGE, figure_width, new_figure
from bionet.results.recording import Recording

__all__ = ["check_runs", "choose", "choose_spiking", "panels", "picture_scale"]

NARROWEST = 1.1
"""Inches that a panel needs, its tick labels included."""


def picture_scale(ax: Axes, picture: Any, label: str) -> None:
    """A colour scale at the right edge of a picture, which stays in the middle of its axis."""
    place = ax.inset_axes((1.03, 0.1, 0.045, 0.8))
    bar = ax.figure.colorbar(picture, cax=place)
    bar.set_label(label)
    bar.outline.set_visible(False)


def panels(
    n: int,
    axes: Sequence[Axes] | np.ndarray | None,
    columns: int,
    height: float,
    share: bool = False,
    narrowest: float = NARROWEST,
) -> np.ndarray:
    """The first n of the given axes, or n panels of a new figure.

    Parameters
    ----------
    n : int
    axes : sequence of Axes, optional
    columns : int
        Panels side by side in a new figure; more than two need a page's width, and fewer are
        taken where the user has set a width without room for them.
    height : float
        Height of a panel in inches.
    share : bool
        Whether new panels share both axes, and not only those of a single column the time.
    narrowest : float
        Inches that a panel needs.

    Returns
    -------
    array of Axes (n,)

    Raises
    ------
    InputError
        If there are too few axes.
    """
    if axes is not None:
        given = np.array(axes).ravel()
        if len(given) < n:
            raise InputError(f"{n} panels need as many axes, but got {len(given)}")
        return given[:n]
    columns = max(1, min(n, columns))
    width = COLUMN if columns <= 2 else PAGE
    columns = max(1, min(columns, int(figure_width(width) / narrowest)))
    rows = -(-n // columns)
    figure = new_figure(width, 0.2 + rows * height)
    grid = figure.subplots(
        rows, columns, squeeze=False, sharex=share or columns == 1, sharey=share
    ).ravel()
    for empty in grid[n:]:
        empty.remove()
    return np.asarray(grid[:n])


def choose(names_there: Any, wanted: Sequence[str] | None, what: str = "population") -> list[str]:
    """The wanted names, all known ones by default; an InputError for an unknown one or none."""
    names = list(names_there) if wanted is None else list(wanted)
    if unknown := [name for name in names if name not in names_there]:
        raise InputError(
            f"there is no {what} {unknown[0]!r}; there are {', '.join(names_there)}"
            + did_you_mean(unknown[0], names_there)
        )
    if not names:
        raise InputError(f"there is no {what} to draw")
    return names


def choose_spiking(run: Recording, wanted: Sequence[str] | None) -> list[str]:
    """The wanted populations whose spikes were recorded, all in the network's order by default."""
    recorded = [name for name in run.shapes if name in run.recorded_spikes]
    if not recorded:
        raise InputError('no spikes were recorded; simulate with record={"conv1": ["spikes"]}')
    return choose(recorded, wanted)


def check_runs(runs: Any, parts: str) -> None:
    """Refuse what is no mapping of names to runs with what belongs to them."""
    if not isinstance(runs, Mapping) or not runs:
        raise InputError(f'runs must map names to {parts}, such as {{"LeNet-5": ...}}')
