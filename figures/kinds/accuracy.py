r"""Accuracy against the time of presentation, for every readout, with Wilson intervals.

.. math::

    \frac{\hat p + z^2/2n \pm z \sqrt{\hat p (1 - \hat p)/n + z^2/4n^2}}{1 + z^2/n}

for a share :math:`\hat p` of n images and z = 1.96 (95 %): unlike the normal interval it stays
inside [0, 1] and keeps its coverage near 100 % accuracy.

References
----------
E. B. Wilson: Probable inference, the law of succession, and statistical inference.
J. Am. Stat. Assoc. 22 (1927) 209-212.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from brian2 import Quantity, ms
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, color_of, new_axes, styled, times, unit_name
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.legends import legend_above, readout_name
from bionet.results.early_exit import EarlyExit
from bionet.results.metrics import wilson_interval
from bionet.results.recording import Recording

__all__ = ["accuracy_over_time", "wilson_interval"]

DASHES = {
    "MP": "-",
    "MS": (0, (5, 1.2)),
    "FS": (0, (1.2, 0.8)),
    "LS": (0, (3, 1)),
    "early exit": (0, (3, 1)),
}


@styled
def accuracy_over_time(
    run: Recording,
    labels: np.ndarray,
    readouts: Sequence[str] | None = None,
    ann_accuracy: float | None = None,
    early: EarlyExit | None = None,
    ax: Axes | None = None,
    time_unit: Quantity = ms,
) -> Axes:
    """Draw the accuracy after every step, in percent, with 95 % bands.

    Parameters
    ----------
    run : Recording
    labels : int array (n_images,)
    readouts : sequence of {"MP", "MS", "FS", "LS"}, optional
        The first three by default; MP and LS for a temporal code.
    ann_accuracy : float, optional
        Accuracy of the ANN on the same images, in [0, 1]: a dashed line.
    early : EarlyExit, optional
        Of `bionet.results.early_exit.early_exit`: the share of images answered, and rightly, so
        far.
    ax : Axes, optional
        A new figure's where it is not given.
    time_unit : Quantity
        Unit of the time axis.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the labels do not fit, a readout is unknown or the ANN's accuracy is not a share.
    """
    if ann_accuracy is not None and not 0 <= ann_accuracy <= 1:
        raise InputError(f"ann_accuracy is a share in [0, 1], but is {ann_accuracy}")
    name_of_unit = unit_name(time_unit)
    curves = {
        readout: run.accuracy_over_time(labels, readout)
        for readout in (run.readouts if readouts is None else readouts)
    }
    ax = new_axes(ax, COLUMN, 2.7)
    time = times(np.arange(1, run.n_steps + 1), run.dt, time_unit)
    if ann_accuracy is not None:
        label = f"trained network: {100 * ann_accuracy:.1f} %"
        ax.axhline(100 * ann_accuracy, color="black", lw=0.7, ls=(0, (4, 3)), label=label, zorder=1)
    if early is not None:
        curves["early exit"] = early.accuracy_over_time(labels, run.n_steps)
    for number, (readout, accuracy) in enumerate(curves.items()):
        color = color_of(number)
        lower, upper = wilson_interval(accuracy, run.n_images)
        ax.fill_between(
            time, 100 * lower, 100 * upper, color=color, alpha=0.2, linewidth=0, zorder=2
        )
        label = f"{readout_name(readout)}: {100 * accuracy[-1]:.1f} %"
        ax.plot(
            time, 100 * accuracy, color=color, ls=DASHES.get(readout, "-"), label=label, zorder=3
        )
    ax.set_xlim(0, time[-1])
    ax.set_ylim(0, 102)
    ax.set_xlabel(f"time since image onset ({name_of_unit})")
    ax.set_ylabel(f"accuracy (%), {run.n_images:,} images")
    legend_above(ax, title=f"accuracy after {time[-1]:g} {name_of_unit}")
    return ax


@KINDS.named("accuracy")
def _of_run(asked: Asked) -> Axes:
    return accuracy_over_time(
        asked.run,
        asked.labels,
        None if asked.readout is None else [asked.readout],
        ann_accuracy=asked.description.get("accuracy_ann"),
    )
