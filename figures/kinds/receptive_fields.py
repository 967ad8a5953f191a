r"""Receptive fields by reverse correlation: the images that make a unit fire.

.. math:: R_u = \frac{\sum_m n_{um}\, x_m}{\sum_m n_{um}} - \frac{1}{M} \sum_m x_m

=============  =====  ===================================================
symbol         unit   meaning
=============  =====  ===================================================
``x_m``        1      image m
``n_um``       1      spikes of unit u for image m
``R_u``        1      spike-triggered average, less the mean image
=============  =====  ===================================================

It needs no weights, so it shows units of any layer; of few images it is mostly noise.

References
----------
E. de Boer, P. Kuyper: Triggered correlation. IEEE Trans. Biomed. Eng. 15 (1968) 169-179.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, new_figure, styled
from bionet.figures.kinds import KINDS, Asked
from bionet.results.recording import Recording

__all__ = ["receptive_fields", "spike_triggered_average"]

N_UNITS = 12


def spike_triggered_average(run: Recording, images: np.ndarray, population: str) -> np.ndarray:
    """Spike-triggered average of every unit, less the mean image.

    Parameters
    ----------
    run : Recording
    images : array (n_images, *input_shape)
    population : str

    Returns
    -------
    float array (n_units, *input_shape)
        nan for units that never fire.

    Raises
    ------
    InputError
        If the population does not fire, or the images do not fit.
    """
    if population not in run.counts:
        raise InputError(
            f"population {population!r} has no spikes; those that fire: {', '.join(run.counts)}"
        )
    images = np.asarray(images, dtype=np.float64)
    expected = (run.n_images, *run.shapes["input"])
    if images.shape != expected:
        raise InputError(f"images must have the shape {expected}, but have {images.shape}")
    counts = run.counts[population].reshape(run.n_images, -1).astype(np.float64)
    total = counts.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        average = (counts.T @ images.reshape(run.n_images, -1)) / total[:, None]
    return (average - images.reshape(run.n_images, -1).mean(axis=0)).reshape(-1, *images.shape[1:])


@styled
def receptive_fields(
    run: Recording,
    images: np.ndarray,
    population: str,
    units: Sequence[int] | None = None,
    axes: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw the receptive fields of some units, by reverse correlation.

    Parameters
    ----------
    run : Recording
    images : array (n_images, channels, height, width) or (n_images, features)
    population : str
    units : sequence of int, optional
        In PyTorch's order; the twelve that fire most by default.
    axes : sequence of Axes, optional
        One for each unit; a new figure's where they are not given.

    Returns
    -------
    array of Axes (n_units,)
        Blue pixels are brighter than on average when the unit fires, red ones darker.

    Raises
    ------
    InputError
        If the population does not fire, a unit is unknown, or the images do not fit.
    """
    fields = spike_triggered_average(run, images, population)
    total = run.counts[population].reshape(run.n_images, -1).sum(axis=0, dtype=np.int64)
    if units is None:
        units = [int(u) for u in np.argsort(-total, kind="stable")[:N_UNITS] if total[u]]
    if unknown := [u for u in units if not 0 <= u < len(fields)]:
        raise InputError(f"{population!r} has {len(fields):,} units, and no unit {unknown[0]}")
    if not len(units):
        raise InputError(f"no unit of {population!r} fired")
    if axes is None:
        columns = min(len(units), 4)
        rows = -(-len(units) // columns)
        figure = new_figure(COLUMN, 0.35 + 0.95 * rows)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for empty in grid[len(units) :]:
            empty.remove()
    else:
        grid = np.array(axes).ravel()
        if len(grid) < len(units):
            raise InputError(f"{len(units)} units need as many axes, but got {len(grid)}")
    shown = fields[list(units)]
    largest = float(np.nanmax(np.abs(shown), initial=0.0)) or 1.0
    for ax, unit, field in zip(grid, units, shown, strict=False):
        image = field.mean(axis=0) if field.ndim == 3 else np.atleast_2d(field)
        drawn = ax.imshow(image, cmap="RdBu", vmin=-largest, vmax=largest)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
        place = ", ".join(str(int(i)) for i in np.unravel_index(unit, run.shapes[population]))
        ax.set_title(f"[{place}]\n{total[unit]:,} spikes", pad=2)
    used = list(grid[: len(units)])
    bar = used[0].figure.colorbar(drawn, ax=used, shrink=0.6, pad=0.02)
    bar.set_label("brightness, less the mean")
    bar.outline.set_visible(False)
    if axes is None:
        used[0].figure.suptitle(f"{population}, {run.n_images:,} images", size="medium")
    return np.asarray(used)


@KINDS.named("receptive-fields")
def _of_run(asked: Asked) -> np.ndarray:
    run = asked.run
    fires = [name for name in run.counts if name != "input"]
    names = asked.populations or fires[:1]
    if len(names) != 1:
        raise InputError(f"--population: one population, but got {', '.join(names) or 'none'}")
    return receptive_fields(run, asked.images, names[0], asked.units)
