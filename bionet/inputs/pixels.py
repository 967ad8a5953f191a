"""Static images: every pixel keeps its value for the whole presentation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.inputs.stimulus import Stimulus, seconds
from bionet.kinds import typed
from bionet.network.signal import FrameSignal

__all__ = ["StaticImages", "check_values", "static"]


@dataclass(frozen=True, eq=False)
class StaticImages(Stimulus):
    """Static images; see :func:`static`.

    Parameters
    ----------
    images : array (n_images, *shape)
    each : float array (n_images,) or None
        Length of each presentation in seconds; None for one length, the simulation's.
    """

    images: np.ndarray
    each: np.ndarray | None = None

    kind = "images"

    def __len__(self) -> int:
        return len(self.images)

    def durations(self, given: float | None, usual: float) -> np.ndarray:
        """Those given image by image, else the simulation's."""
        if self.each is None:
            return np.full(len(self), usual if given is None else given)
        if given is not None:
            raise InputError(
                "the images have durations of their own; leave out the duration of the simulation"
            )
        return self.each

    def signal(self, shape: tuple[int, ...], dt: float, steps: np.ndarray) -> FrameSignal:
        """One frame that lasts the presentation."""
        del dt
        if self.images.shape[1:] != shape:
            movie = self.images.ndim == 2 + len(shape) and self.images.shape[2:] == shape
            raise InputError(
                f"images must have the shape (n_images, {', '.join(map(str, shape))}),"
                f" but have {self.images.shape}"
                + ("; a movie goes through bionet.inputs.frames(movie, 40*ms)" if movie else "")
            )
        return FrameSignal(check_values(self.images, "images")[:, None], int(steps.max()))


@typed
def static(images: Any, durations: Any = None) -> StaticImages:
    """Static images, each for a time of its own if need be.

    Parameters
    ----------
    images : array (n_images, *shape)
        Pixels, in PyTorch's order.
    durations : Quantity array (n_images,), optional
        Length of every presentation, a multiple of ``dt``. Images of the same length are simulated
        side by side, so a few lengths are quicker than many.

    Raises
    ------
    InputError
        If the pixels are no numbers, or the durations no positive times, one for each image.
    """
    pixels = _numbers(images, "images")
    if pixels.ndim < 2 or not len(pixels):
        empty = "is empty; give at least one image" if pixels.ndim and not len(pixels) else ""
        raise InputError(
            f"images {empty}" if empty else f"images need an axis of their own, got {pixels.shape}"
        )
    if durations is None:
        return StaticImages(pixels)
    each = seconds(durations, "durations", "[50, 80]*ms")
    if each.shape != (len(pixels),) or not (each > 0).all():
        raise InputError(
            f"durations must be {len(pixels)} positive times, one for each image, but are"
            f" {durations}"
        )
    return StaticImages(pixels, each)


def _numbers(values: Any, name: str) -> np.ndarray:
    try:
        pixels = np.asarray(values)
    except ValueError:  # rows of different lengths
        raise InputError(f"{name} have different shapes; give one array") from None
    if pixels.dtype.kind not in "fiub":
        what = pixels.dtype if pixels.ndim else type(values).__name__
        raise InputError(f"{name} must be an array of numbers, but are of the type {what}")
    return pixels


def check_values(pixels: np.ndarray, name: str) -> np.ndarray:
    """Pixels as floats; bytes, NaN and infinity are refused."""
    if pixels.dtype.kind in "iu" and pixels.max() > 1:
        raise InputError(
            f"{name} hold {pixels.dtype} values up to {pixels.max()}, but conversions and networks"
            " take floats; divide pixels of 0 to 255 by 255, or convert the images to float32 where"
            " the network was trained on such numbers"
        )
    if pixels.dtype.kind == "f" and 100 < pixels.max() <= 255 and (pixels % 1 == 0).all():
        warnings.warn(
            f"{name} hold whole numbers up to {pixels.max():g}; a network trained on pixels in"
            " [0, 1] needs them divided by 255",
            stacklevel=4,
        )
    pixels = pixels if pixels.dtype.kind == "f" else pixels.astype(np.float32)
    finite = np.isfinite(pixels).reshape(len(pixels), -1).all(axis=1)
    if not finite.all():
        raise InputError(f"image {int(np.argmin(finite))} holds NaN or infinity; clean the {name}")
    return pixels
