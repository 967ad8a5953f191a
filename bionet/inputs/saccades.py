r"""Events of a camera that looks at still images by saccades, as N-MNIST was recorded.

The camera moves along the sides of a triangle, and so the image moves over its pixels. The
brightness :math:`L(x, y, t)` of a pixel is the image's, interpolated linearly between pixels. A
pixel sends an event when its brightness differs from that at its last event by a threshold:

.. math:: |L(t) - L_0| \ge \theta, \qquad L_0 \leftarrow L_0 \pm \theta

==================  ======  ==============================================================
symbol              unit    meaning
==================  ======  ==============================================================
:math:`L`           1       brightness of a pixel
:math:`L_0`         1       brightness that its last event has reported
:math:`\theta`      1       threshold
``reach``           pixel   length of the triangle's base and height
==================  ======  ==============================================================

The sensor of N-MNIST compares logarithms of intensities, and has noise; here brightness is linear,
so that the black background of a digit has one.

References
----------
Orchard et al. 2015: Converting static image datasets to spiking neuromorphic datasets using
saccades. Frontiers in Neuroscience 9, 437; Section 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bionet.errors import InputError
from bionet.inputs.camera import Events, events
from bionet.inputs.stimulus import seconds, whole_steps
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["saccades"]

CORNERS = np.array([[0.0, 0.0], [0.5, 1.0], [1.0, 0.0], [0.0, 0.0]])  # x and y, in units of reach


@typed
def saccades(
    images: np.ndarray,
    duration: Quantity,
    sample: Quantity,
    reach: float = 3.0,
    threshold: float = 0.2,
) -> Events:
    """Events of a camera that moves over each image along a triangle, and returns.

    Parameters
    ----------
    images : float array (n_images, 1, height, width)
    duration : Quantity
        Of the three saccades together; a multiple of ``sample``.
    sample : Quantity
        Time from one look at the brightness to the next.
    reach : float
        How far the camera moves, in pixels.
    threshold : float
        Change of brightness at which a pixel sends an event; at most one in a sample.

    Returns
    -------
    Events
        With polarities: on where the brightness has grown.

    Raises
    ------
    InputError
        If the images have another shape, or reach or threshold are not positive.
    """
    pixels = np.asarray(images, dtype=np.float64)
    if pixels.ndim != 4 or pixels.shape[1] != 1 or not len(pixels):
        raise InputError(
            f"saccades need images of the shape (n_images, 1, height, width), got {pixels.shape}"
        )
    if not reach > 0 or not threshold > 0:
        raise InputError(f"reach and threshold must be positive, but are {reach} and {threshold}")
    length, step = (float(seconds(t, "a time", "60*ms")) for t in (duration, sample))
    n = whole_steps(length, step, "the duration")
    still = pixels[:, 0]
    reported = still.copy()
    columns: list[tuple[np.ndarray, ...]] = []
    for number, (x, y) in enumerate(_path(n, reach)):
        change = _shifted(still, x, y) - reported
        on, off = change >= threshold, change <= -threshold
        reported += threshold * (on.astype(float) - off)
        image, row, column = np.nonzero(on | off)
        columns.append((image, row, column, on[image, row, column], np.full(len(image), number)))
    image, row, column, on, when = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    order = np.argsort(image, kind="stable")  # by image, then by time
    from brian2 import second

    return events(
        when[order] * step * second, column[order], row[order], on[order], image=image[order],
        n_images=len(pixels),
    )  # fmt: skip


def _path(n: int, reach: float) -> Iterator[tuple[float, float]]:
    """Where the camera is in each of n samples: after the first it has moved."""
    at = np.arange(1, n + 1) * 3 / n
    for x, y in zip(*(np.interp(at, np.arange(4), CORNERS[:, k]) for k in (0, 1)), strict=True):
        yield float(x) * reach, float(y) * reach


def _shifted(images: np.ndarray, x: float, y: float) -> np.ndarray:
    """Images (n, height, width) as a camera sees them that has moved by (x, y); 0 outside."""
    right, down = int(np.floor(x)), int(np.floor(y))
    wide, high = x - right, y - down
    height, width = images.shape[1:]
    around = np.pad(images, ((0, 0), (0, down + 1), (0, right + 1)))

    def part(row: int, column: int) -> np.ndarray:
        return around[:, row : row + height, column : column + width]

    return (1 - high) * ((1 - wide) * part(down, right) + wide * part(down, right + 1)) + high * (
        (1 - wide) * part(down + 1, right) + wide * part(down + 1, right + 1)
    )
