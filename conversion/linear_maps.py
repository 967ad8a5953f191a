"""The linear map that a kernel stands for, applied to values: the slow reference."""

from __future__ import annotations

import numpy as np

from bionet.network.kernels import AveragePool2d, Conv2d, Dense, Kernel, MaxPool2d, OneToOne

__all__ = ["apply_kernel"]


def apply_kernel(kernel: Kernel, values: np.ndarray) -> np.ndarray:
    """What a linear kernel makes of its source's values.

    Parameters
    ----------
    kernel : Dense, Conv2d, AveragePool2d, OneToOne, or MaxPool2d (the largest of each pool)
    values : float64 array (n_images, *source shape)

    Returns
    -------
    float64 array (n_images, *target shape)
    """
    if isinstance(kernel, Dense):
        return values.reshape(len(values), -1) @ kernel.weights.T.astype(np.float64)
    if isinstance(kernel, OneToOne):
        weight = np.asarray(kernel.weight, dtype=np.float64)
        return values * (weight.reshape(values.shape[1:]) if weight.size > 1 else weight.item())
    import torch
    from torch.nn import functional as F

    source = torch.from_numpy(np.ascontiguousarray(values))
    if isinstance(kernel, Conv2d):
        # A copy: torch warns of arrays that it could write to and must not.
        weights = torch.from_numpy(kernel.weights.astype(np.float64))
        geometry = (kernel.stride, kernel.padding, kernel.dilation, kernel.groups)
        return np.asarray(F.conv2d(source, weights, None, *geometry).numpy())
    if isinstance(kernel, MaxPool2d):
        geometry = (kernel.kernel, kernel.stride, kernel.padding, 1, kernel.ceil_mode)
        return np.asarray(F.max_pool2d(source, *geometry).numpy() * kernel.weight)
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
        return np.asarray(pooled.numpy() * kernel.scale)
    raise TypeError(f"the kernel {type(kernel).__name__} is not a linear one")
