"""The linear map that a kernel stands for, applied to values: the slow reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from bionet.network.kernels import AveragePool2d, Conv2d, Dense, Kernel, MaxPool2d, OneToOne, Sparse

__all__ = ["apply_kernel"]


def apply_kernel(kernel: Kernel, values: np.ndarray) -> np.ndarray:
    """What a linear kernel makes of its source's values.

    Parameters
    ----------
    kernel : Dense, Conv2d, AveragePool2d, OneToOne, Sparse, or MaxPool2d (the largest of each pool)
    values : float64 array (n_images, *source shape)

    Returns
    -------
    float64 array (n_images, *target shape)
    """
    kernel = kernel.in_loops(values.shape[1:])
    if isinstance(kernel, Dense):
        return values.reshape(len(values), -1) @ kernel.weights.T.astype(np.float64)
    if isinstance(kernel, OneToOne):
        weight = np.asarray(kernel.weight, dtype=np.float64)
        return values * (weight.reshape(values.shape[1:]) if weight.size > 1 else weight.item())
    if isinstance(kernel, Sparse):
        mapped = (kernel.matrix() @ values.reshape(len(values), -1).T).T
        return np.asarray(mapped).reshape(len(values), *kernel.shape)
    import torch

    flat = values.ndim == 3  # (n, channels, length): an image of height 1
    source = torch.from_numpy(np.ascontiguousarray(values[:, :, None] if flat else values))
    result = _on_images(kernel, source).numpy()
    return np.asarray(result[:, :, 0] if flat and result.shape[2] == 1 else result)


def _on_images(kernel: Kernel, source: Any) -> Any:
    """A convolution or pooling of a tensor (n, channels, height, width)."""
    import torch
    from torch.nn import functional as F

    if isinstance(kernel, Conv2d):
        # A copy: torch warns of arrays that it could write to and must not.
        weights = torch.from_numpy(kernel.weights.astype(np.float64))
        geometry = (kernel.stride, kernel.padding, kernel.dilation, kernel.groups)
        return F.conv2d(source, weights, None, *geometry)
    if isinstance(kernel, MaxPool2d):
        geometry = (kernel.kernel, kernel.stride, kernel.padding, 1, kernel.ceil_mode)
        return F.max_pool2d(source, *geometry) * kernel.weight
    if isinstance(kernel, AveragePool2d):
        pooled = F.avg_pool2d(
            source,
            kernel.kernel,
            kernel.stride,
            kernel.padding,
            kernel.ceil_mode,
            kernel.count_include_pad,
            kernel.divisor_override,
        )
        return pooled * kernel.scale
    raise TypeError(f"the kernel {type(kernel).__name__} is not a linear one")
