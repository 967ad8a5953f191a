"""Which source pixels and taps reach which target pixels: the geometry of kernels."""

from __future__ import annotations

import numpy as np

from bionet.network.kernel_base import as_image
from bionet.network.kernels import (
    AveragePool2d,
    Conv2d,
    Dense,
    Kernel,
    MaxPool2d,
    Sparse,
)

__all__ = ["connections", "fan_out", "taps_along"]


def taps_along(
    n: int, size: int, kernel: int, stride: int, padding: int, dilation: int
) -> np.ndarray:
    """Rows (source, target, tap) of the pairs along one axis that fall inside the source."""
    target, tap = np.meshgrid(np.arange(size), np.arange(kernel), indexing="ij")
    source = target * stride - padding + tap * dilation
    inside = (source >= 0) & (source < n)
    return np.stack([source[inside], target[inside], tap[inside]], axis=1)


def connections(
    source: tuple[int, ...], target: tuple[int, int], kernel: Conv2d | AveragePool2d | MaxPool2d
) -> np.ndarray:
    """Rows (source pixel, target pixel, tap) of a convolution or pooling, sorted."""
    if isinstance(kernel, Conv2d):
        size: tuple[int, ...] = kernel.weights.shape[2:]
        dilation, stride = kernel.dilation, kernel.stride
    else:
        size, dilation, stride = kernel.kernel, (1, 1), kernel.stride or kernel.kernel
    _, height, width = as_image(source)
    rows = taps_along(height, target[0], size[0], stride[0], kernel.padding[0], dilation[0])
    columns = taps_along(width, target[1], size[1], stride[1], kernel.padding[1], dilation[1])
    a = np.repeat(rows, len(columns), axis=0)
    b = np.tile(columns, (len(rows), 1))
    table = np.stack(
        [
            a[:, 0] * width + b[:, 0],
            a[:, 1] * target[1] + b[:, 1],
            a[:, 2] * size[1] + b[:, 2],
        ],
        axis=1,
    )
    return table[np.lexsort((table[:, 1], table[:, 0]))]


def fan_out(kernel: Kernel, source: tuple[int, ...]) -> np.ndarray:
    """Number of synapses that leave each source unit, int array of the source's shape."""
    kernel = kernel.in_loops(source)
    if isinstance(kernel, Dense):
        return np.full(source, kernel.weights.shape[0], dtype=np.int64)
    if isinstance(kernel, (Conv2d, AveragePool2d, MaxPool2d)):
        image = as_image(source)
        _, height, width = kernel.target_shape(image)
        pixels = connections(image, (height, width), kernel)[:, 0]
        per_pixel = np.bincount(pixels, minlength=image[1] * image[2])
        each = kernel.weights.shape[0] // kernel.groups if isinstance(kernel, Conv2d) else 1
        return np.broadcast_to(per_pixel.reshape(1, *source[1:]) * each, source).copy()
    if isinstance(kernel, Sparse):
        return np.diff(kernel.offsets).reshape(source)
    return np.ones(source, dtype=np.int64)
