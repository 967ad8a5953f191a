"""Feature maps: what every layer's spikes show of an image, beside the network's own activations.

One row for each layer, one column for each channel. The upper half of a row is the source network,
the lower half the spiking one; each map is scaled to its own largest value, so that shapes are
compared, as the threshold search of Shang et al. 2020 does (Fig. 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.style import COLUMN, new_figure, style
from bionet.recording import Recording

__all__ = ["feature_maps"]

COLORS = "magma"


@style()
def feature_maps(
    run: Recording,
    activations: Mapping[str, np.ndarray],
    image: int = 0,
    populations: Sequence[str] | None = None,
    channels: int = 8,
) -> np.ndarray:
    """Draw activations and spike counts of one image, layer by layer.

    Parameters
    ----------
    run : Recording
    activations : mapping of str to array (n_images, channels, height, width)
        Of the source network, for the images of the run: :func:`bionet.conversion.activations`.
    image : int
    populations : sequence of str, optional
        Those with feature maps, in the network's order, by default.
    channels : int
        Channels of a layer to draw at most: those with the largest activations.

    Returns
    -------
    array of Axes (2 * n_populations, channels)
        Rows in pairs: the network's maps, then the spikes'. Unused panels are None.

    Raises
    ------
    InputError
        If there is nothing to draw, or activations are missing or do not fit.
    """
    maps = [n for n, shape in run.shapes.items() if len(shape) == 3 and n in activations]
    populations = maps if populations is None else list(populations)
    if not populations or channels < 1:
        raise InputError("there are no feature maps to draw; name populations with maps")
    if not 0 <= image < run.n_images:
        raise InputError(f"image must lie between 0 and {run.n_images - 1}, but is {image}")
    pairs = [_pair(run, activations, name, image) for name in populations]
    panel = (COLUMN - 0.85) / channels
    figure = new_figure(COLUMN, 0.1 + len(pairs) * (2 * panel + 0.12))
    grid = figure.subplots(
        2 * len(pairs), channels, squeeze=False, gridspec_kw={"hspace": 0.1, "wspace": 0.06}
    )
    drawn = np.full(grid.shape, None, dtype=object)
    for row, (name, (activation, count)) in enumerate(zip(populations, pairs, strict=True)):
        order = np.argsort(-activation.max(axis=(1, 2)), kind="stable")[:channels]
        for half, values in enumerate((activation, count)):
            for column, ax in enumerate(grid[2 * row + half]):
                ax.set_axis_off()
                if column < len(order):
                    _map(ax, values[order[column]])
                    drawn[2 * row + half, column] = ax
            label = (f"{name}  ANN", "SNN")[half]
            grid[2 * row + half, 0].text(
                -0.15, 0.5, label, transform=grid[2 * row + half, 0].transAxes,
                ha="right", va="center", fontsize=6,
            )  # fmt: skip
    return drawn


def _pair(
    run: Recording, activations: Mapping[str, np.ndarray], name: str, image: int
) -> tuple[np.ndarray, np.ndarray]:
    """Activation and spike count of an image, arrays (channels, height, width)."""
    if name not in activations or name not in run.counts:
        raise InputError(f"there are no activations and spike counts of {name!r}")
    count = np.asarray(run.counts[name][image], dtype=np.float64)
    activation = np.asarray(activations[name][image], dtype=np.float64)
    if count.ndim != 3 or activation.shape != count.shape:
        raise InputError(
            f"the activations of {name!r} must be maps of the shape {count.shape}, one for each"
            f" image of the run, but are {activation.shape}"
        )
    return activation, count


def _map(ax: Axes, values: np.ndarray) -> None:
    ax.imshow(values, cmap=COLORS, vmin=0, vmax=max(values.max(), 1e-12), interpolation="nearest")
