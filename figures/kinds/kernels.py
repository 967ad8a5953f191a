"""The weights of a network as pictures: kernels of convolutions, matrices of dense projections.

Blue weights excite, red ones inhibit; white is zero. The scale is the projection's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, new_figure, styled
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.panels import choose
from bionet.network import Projection, SpikingNetwork

__all__ = ["kernels", "mosaic_of_kernels"]

MAX_SHOWN = 32
SIGNS = "RdBu"


def mosaic_of_kernels(projection: Projection, shape: tuple[int, ...], most: int) -> np.ndarray:
    """Weights of a projection as one picture, float array (height, width), nan between kernels.

    Parameters
    ----------
    projection : Projection
        With weights.
    shape : tuple of int
        Of its source: a dense unit of an image's pixels is shown as an image.
    most : int
        At most so many target units or channels.
    """
    weights = np.asarray(projection.kernel.weights, dtype=np.float64)  # type: ignore[attr-defined]
    if weights.ndim == 2:
        if len(shape) != 3 or min(shape[1:]) < 3:
            return weights
        weights = weights.reshape(len(weights), *shape)
    weights = weights[:most].mean(axis=1)
    n, height, width = weights.shape
    columns = int(np.ceil(np.sqrt(2 * n)))
    rows = -(-n // columns)
    picture = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for number, kernel in enumerate(weights):
        top, left = (number // columns) * (height + 1), (number % columns) * (width + 1)
        picture[top : top + height, left : left + width] = kernel
    return picture


@styled
def kernels(
    snn: SpikingNetwork,
    populations: Sequence[str] | None = None,
    max_shown: int = MAX_SHOWN,
    axes: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw the weights that arrive at each population.

    Parameters
    ----------
    snn : SpikingNetwork
    populations : sequence of str, optional
        Targets; all that receive weights by default.
    max_shown : int
        At most so many kernels of a projection.
    axes : sequence of Axes, optional
        One for each projection; a new figure's where they are not given.

    Returns
    -------
    array of Axes (n_projections,)
        A convolution's kernels side by side, mean over the source's channels where it has several;
        of dense weights on an image the image that each unit looks for, else the matrix (rows are
        target units).

    Raises
    ------
    InputError
        If a population is unknown or there are no weights.
    """
    if max_shown < 1:
        raise InputError(f"max_shown must be at least 1, but is {max_shown}")
    wanted = choose([population.name for population in snn.populations], populations)
    shown = [p for p in snn.projections if p.target in wanted and _weighted(p)]
    if not shown:
        raise InputError(f"no projection to {', '.join(wanted)} has weights to draw")
    if axes is None:
        columns = min(len(shown), 2)
        rows = -(-len(shown) // columns)
        figure = new_figure(COLUMN, 0.1 + 1.45 * rows)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for empty in grid[len(shown) :]:
            empty.remove()
    else:
        grid = np.array(axes).ravel()
        if len(grid) < len(shown):
            raise InputError(f"{len(shown)} projections need as many axes, but got {len(grid)}")
    for ax, projection in zip(grid, shown, strict=False):
        _panel(ax, projection, snn.shape(projection.source), max_shown)
    return np.asarray(grid[: len(shown)])


def _weighted(projection: Projection) -> bool:
    weights = getattr(projection.kernel, "weights", None)
    return isinstance(weights, np.ndarray) and weights.ndim in (2, 4) and weights.size > 1


def _panel(ax: Axes, projection: Projection, shape: tuple[int, ...], most: int) -> None:
    picture = mosaic_of_kernels(projection, shape, most)
    largest = float(np.nanmax(np.abs(picture))) or 1.0
    shown = ax.imshow(picture, cmap=SIGNS, vmin=-largest, vmax=largest, aspect="auto"
                      if picture.shape[0] * 4 < picture.shape[1] else "equal",
                      interpolation="nearest")  # fmt: skip
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    n = len(projection.kernel.weights)  # type: ignore[attr-defined]
    number = f"{min(n, most)} of {n}" if n > most else f"{n}"
    what = "channels" if projection.kernel.weights.ndim == 4 else "units"  # type: ignore[attr-defined]
    ax.set_title(f"{projection.source} to {projection.target}\n{number} {what}", pad=3)
    bar = ax.figure.colorbar(shown, ax=ax, shrink=0.85, pad=0.03)
    bar.locator = _three(largest)  # type: ignore[assignment]
    bar.update_ticks()
    bar.outline.set_visible(False)


def _three(largest: float) -> object:
    from matplotlib.ticker import FixedLocator

    digits = 1 - int(np.floor(np.log10(largest)))
    end = float(np.floor(largest * 10**digits) / 10**digits)
    return FixedLocator([-end, 0, end])


@KINDS.named("kernels")
def _of_run(asked: Asked) -> np.ndarray:
    return kernels(asked.network, asked.populations)
