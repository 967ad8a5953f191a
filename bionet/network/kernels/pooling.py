"""What all poolings share: the geometry of their pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.network.kernel_base import (
    Kernel,
    Pair,
    as_image,
    count_taps,
    image_shape,
    like_source,
    pair,
    positive_shape,
)
from bionet.network.windows import Window, fan_out_of_pixels

__all__ = ["Pooling"]


@dataclass(frozen=True, eq=False)
class Pooling(Kernel):
    """A kernel whose target units each see a pool of one channel's units.

    Parameters
    ----------
    kernel : int or pair
    stride : int or pair, optional
        The kernel size where it is not given.
    padding : int or pair
        At most half the kernel.
    ceil_mode : bool
        Round the output size up instead of down.
    """

    kernel: Pair
    stride: Pair | None = None
    padding: Pair = (0, 0)
    ceil_mode: bool = False
    native: ClassVar[bool] = True
    channelwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        who = type(self).__name__
        kernel = pair(self.kernel, f"{who}.kernel", 1)
        stride = self.stride if self.stride is not None else kernel
        object.__setattr__(self, "kernel", kernel)
        object.__setattr__(self, "stride", pair(stride, f"{who}.stride", 1))
        object.__setattr__(self, "padding", pair(self.padding, f"{who}.padding", 0))
        if any(2 * p > k for p, k in zip(self.padding, kernel, strict=True)):
            raise InputError(
                f"{who}.padding must be at most half the kernel {kernel}, but is {self.padding}"
            )

    def window(self) -> Window:
        """The window of the pools; see :meth:`Kernel.window`."""
        return Window(self.kernel, self.stride or self.kernel, self.padding)

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population, as PyTorch counts it; see :meth:`Kernel.target_shape`."""
        who = type(self).__name__
        channels, *sizes = image_shape(source, who)
        window = self.window()
        out = []
        for n, k, s, p in zip(sizes, window.size, window.stride, window.padding, strict=True):
            extra = s - 1 if self.ceil_mode else 0
            size = (n + 2 * p - k + extra) // s + 1
            # As PyTorch: a pool must start inside the image or its left padding.
            if self.ceil_mode and (size - 1) * s >= n + p:
                size -= 1
            out.append(size)
        return positive_shape(like_source((channels, *out), source), who, source)

    def n_synapses(self, source: tuple[int, ...]) -> int:
        """Number of synapses; see :meth:`Kernel.n_synapses`."""
        image = as_image(source)
        channels, *sizes = self.target_shape(image)
        taps = [
            count_taps(n, size, k, s, p, d)
            for n, size, k, s, p, d in zip(image[1:], sizes, *self.window(), strict=True)
        ]
        return int(channels * np.prod(taps))

    def fan_out(self, source: tuple[int, ...]) -> np.ndarray:
        """Synapses that leave each unit; see :meth:`Kernel.fan_out`."""
        return fan_out_of_pixels(self, self.window(), source, 1)
