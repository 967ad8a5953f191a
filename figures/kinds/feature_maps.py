"""Feature maps: the activations of every ANN layer for one image, beside the rates of the SNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, new_figure, styled
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.panels import choose
from bionet.results.recording import Recording

__all__ = ["feature_maps", "mosaic"]

MAX_CHANNELS = 16
GAP = 1
"""Pixels between two maps of a mosaic."""


@styled
def feature_maps(
    run: Recording,
    activations: Mapping[str, np.ndarray],
    image: int = 0,
    populations: Sequence[str] | None = None,
    max_channels: int = MAX_CHANNELS,
    shared_scale: bool = True,
    axes: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw the feature maps of the ANN (left) and of the SNN (right), one row for each layer.

    Parameters
    ----------
    run : Recording
    activations : mapping of str to array (n_images, *shape)
        ANN activation over lambda of every population, as
        :meth:`bionet.audits.rate_comparison.Comparison.ideal` gives it.
    image : int
        Any image of the run: counts are kept for all of them.
    populations : sequence of str, optional
        All that the activations name and that fire, in the network's order, by default.
    max_channels : int
        Channels shown of a layer: the most active ones of the ANN, in their own order.
    shared_scale : bool
        One colour scale for both sides of a row. Where the activations are not in units of the
        rates (a method without scales, as ``threshold_search``), False gives each side its own.
    axes : sequence of Axes, optional
        Two for each population; a new figure's where they are not given.

    Returns
    -------
    array of Axes (n_populations, 2)
        Where both sides of a row share a colour scale, a bar tells it. Units of a layer without a
        height and width stand in rows from left to right.

    Raises
    ------
    InputError
        If the image or a population is unknown, or shapes do not fit.
    """
    both = [name for name in run.shapes if name in activations and name in run.counts]
    names = choose(both, populations)
    if not 0 <= image < run.n_images:
        raise InputError(f"image must lie between 0 and {run.n_images - 1}, but is {image}")
    if max_channels < 1:
        raise InputError(f"max_channels must be at least 1, but is {max_channels}")
    pairs = [_pair(run, name, activations[name], image) for name in names]
    if axes is None:
        figure = new_figure(COLUMN, 0.25 + 0.85 * len(names))
        grid = figure.subplots(len(names), 2, squeeze=False)
    else:
        grid = np.array(axes).reshape(-1, 2)
        if len(grid) < len(names):
            raise InputError(f"{len(names)} populations need {2 * len(names)} axes")
    for row, name, pair in zip(grid, names, pairs, strict=False):
        _draw(row, name, pair, max_channels, shared_scale)
    grid[0, 0].set_title("activation / scale" if shared_scale else "activation")
    grid[0, 1].set_title("spikes per step")
    return np.asarray(grid[: len(names)])


def _pair(run: Recording, name: str, activation: Any, image: int) -> tuple[np.ndarray, np.ndarray]:
    """Activation and rate of one image, float arrays of the population's shape."""
    activation, shape = np.asarray(activation), tuple(run.shapes[name])
    if activation.shape != (run.n_images, *shape):
        raise InputError(
            f"activations of {name!r} must have the shape {(run.n_images, *shape)}, one for each"
            f" image of the run, but have {activation.shape}"
        )
    rate = run.counts[name][image].reshape(shape) / run.n_steps
    return activation[image].astype(np.float64), rate


def _draw(
    row: np.ndarray,
    name: str,
    pair: tuple[np.ndarray, np.ndarray],
    max_channels: int,
    shared_scale: bool,
) -> None:
    shown = _channels(pair[0], max_channels)
    for ax, values in zip(row, pair, strict=True):
        sides = pair if shared_scale else (values,)
        high = max(float(side.max()) for side in sides) or 1.0
        low = min(0.0, *(float(side.min()) for side in sides))
        picture = ax.imshow(
            mosaic(values if shown is None else values[shown]),
            cmap="viridis",
            vmin=low,
            vmax=high,
            interpolation="nearest",
        )
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
    shape = pair[0].shape
    size = " x ".join(map(str, shape))
    some = f"\n{len(shown)} shown" if shown is not None and len(shape) == 3 else ""
    some = "" if shown is None or len(shown) == shape[0] else some
    row[0].set_ylabel(f"{name}\n{size}{some}")
    if not shared_scale:
        return
    bar = row[0].figure.colorbar(picture, ax=list(row), shrink=0.85, pad=0.02, aspect=12)
    bar.set_label("spikes per step")
    bar.outline.set_visible(False)


def _channels(activation: np.ndarray, most: int) -> np.ndarray | None:
    """The channels with the largest activations, ascending; None for a layer without maps."""
    if activation.ndim != 3:
        return None
    order = np.argsort(-np.abs(activation).sum(axis=(1, 2)), kind="stable")
    return np.sort(order[:most])


def mosaic(values: np.ndarray) -> np.ndarray:
    """Feature maps side by side as one picture, NaN between them.

    Parameters
    ----------
    values : array (channels, height, width) or (n_units,)
        Units without maps fill rows from left to right.

    Returns
    -------
    float array (height, width) of the picture
    """
    if values.ndim != 3:
        flat = values.ravel()
        columns = flat.size if flat.size <= 20 else int(np.ceil(np.sqrt(2 * flat.size)))
        rows = -(-flat.size // columns)
        filled = np.full(rows * columns, np.nan)
        filled[: flat.size] = flat
        return filled.reshape(rows, columns)
    channels, height, width = values.shape
    columns = int(np.ceil(np.sqrt(channels * 1.6)))
    rows = -(-channels // columns)
    picture = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP), np.nan)
    for number, part in enumerate(values):
        row, column = divmod(number, columns)
        top, left = row * (height + GAP), column * (width + GAP)
        picture[top : top + height, left : left + width] = part
    return picture


@KINDS.named("feature-maps")
def _of_run(asked: Asked) -> np.ndarray:
    return feature_maps(asked.run, asked.activations, asked.image, asked.populations)
