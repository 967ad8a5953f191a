"""Confusion matrix: what the network answers for the images of every class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, new_axes, styled, text_size
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.legends import readout_name
from bionet.figures.panels import picture_scale
from bionet.results.recording import Recording

__all__ = ["confusion_matrix"]

MAX_WRITTEN = 20
"""Counts stand in the cells for so many classes at most."""


@styled
def confusion_matrix(
    run: Recording,
    labels: np.ndarray,
    readout: str | None = None,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often the images of each class got each answer.

    Parameters
    ----------
    run : Recording
    labels : int array (n_images,)
    readout : {"MP", "MS", "FS"}, optional
        The run's own by default.
    names : sequence of str, optional
        Names of the classes; their numbers by default.
    ax : Axes, optional
        A new figure's where it is not given.

    Returns
    -------
    Axes
        Colour is the share of a true class (a row), the number in a cell its images.

    Raises
    ------
    InputError
        If labels or names do not fit.
    """
    accuracy = run.accuracy(labels, readout)
    labels = np.asarray(labels)
    n = run.output_potential.shape[2]
    if labels.min() < 0 or labels.max() >= n:
        raise InputError(
            f"labels must lie between 0 and {n - 1}, one class for each output, but lie between"
            f" {labels.min()} and {labels.max()}"
        )
    names = [str(k) for k in range(n)] if names is None else list(names)
    if len(names) != n:
        raise InputError(f"the network has {n} classes, but there are {len(names)} names")
    counts = np.zeros((n, n), dtype=np.int64)
    np.add.at(counts, (labels, run.predictions(readout)), 1)
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax = new_axes(ax, COLUMN, 2.9)
    picture = ax.imshow(share, cmap="Blues", vmin=0, vmax=100)
    if n <= MAX_WRITTEN:
        for row, column in np.argwhere(counts):
            color = "white" if share[row, column] > 55 else "black"
            text = f"{counts[row, column]:,}"
            ax.text(
                column, row, text, ha="center", va="center", color=color, fontsize=text_size(5.5)
            )
        rotation = 90 if max(map(len, names)) > 2 else 0
        ax.set_xticks(np.arange(n), names, rotation=rotation)
        ax.set_yticks(np.arange(n), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    readout = readout or run.parameters["readout"]
    ax.set_title(
        f"{100 * accuracy:.1f} % of {run.n_images:,} images right\nreadout: {readout_name(readout)}"
    )
    ax.set_xlabel("answer (class)")
    ax.set_ylabel("true class")
    picture_scale(ax, picture, "share of the true class (%)")
    return ax


@KINDS.named("confusion")
def _of_run(asked: Asked) -> Axes:
    return confusion_matrix(asked.run, asked.labels, asked.readout)
