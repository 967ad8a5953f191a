"""The geometry of kernels that slide a window: which source pixels reach which target pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bionet.network.kernel_base import Kernel, Pair, as_image

__all__ = ["Window", "fan_out_of_pixels", "taps_along"]


class Window(NamedTuple):
    """Size, stride, padding and dilation of a window, of (height, width) each."""

    size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair = (1, 1)

    def connections(self, source: tuple[int, ...], target: tuple[int, ...]) -> np.ndarray:
        """Rows (source pixel, target pixel, tap), sorted.

        Parameters
        ----------
        source, target : tuple of int
            Shapes that end with (height, width), or (channels, length).
        """
        (height, width), (rows, columns) = as_image(source)[-2:], target[-2:]
        along = zip(
            (height, width), (rows, columns), self.size, self.stride, self.padding, self.dilation,
            strict=True,
        )  # fmt: skip
        vertical, horizontal = (taps_along(*axis) for axis in along)
        a = np.repeat(vertical, len(horizontal), axis=0)
        b = np.tile(horizontal, (len(vertical), 1))
        sizes = (width, columns, self.size[1])
        table = np.stack([a[:, k] * n + b[:, k] for k, n in enumerate(sizes)], axis=1)
        return table[np.lexsort((table[:, 1], table[:, 0]))]


def taps_along(
    n: int, size: int, kernel: int, stride: int, padding: int, dilation: int
) -> np.ndarray:
    """Rows (source, target, tap) of the pairs along one axis that fall inside the source."""
    target, tap = np.meshgrid(np.arange(size), np.arange(kernel), indexing="ij")
    source = target * stride - padding + tap * dilation
    inside = (source >= 0) & (source < n)
    return np.stack([source[inside], target[inside], tap[inside]], axis=1)


def fan_out_of_pixels(
    kernel: Kernel, window: Window, source: tuple[int, ...], each: int
) -> np.ndarray:
    """Synapses that leave each unit, ``each`` for every target pixel that its pixel reaches."""
    image = as_image(source)
    pixels = window.connections(image, kernel.target_shape(image))[:, 0]
    per_pixel = np.bincount(pixels, minlength=image[1] * image[2])
    return np.broadcast_to(per_pixel.reshape(1, *source[1:]) * each, source).copy()
