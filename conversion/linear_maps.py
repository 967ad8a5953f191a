"""The linear map that a kernel stands for, applied to values: the slow reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bionet.network.kernels import AveragePool2d, Conv2d, Dense, Kernel, MaxPool2d, OneToOne, Sparse

if TYPE_CHECKING:
    import torch

__all__ = ["apply_kernel", "mapped"]


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
        passed = (kernel.matrix() @ values.reshape(len(values), -1).T).T
        return np.asarray(passed).reshape(len(values), *kernel.shape)
    import torch

    return np.asarray(mapped(kernel, torch.from_numpy(np.ascontiguousarray(values))).numpy())


def mapped(kernel: Kernel, values: torch.Tensor) -> torch.Tensor:
    """What a linear kernel makes of its source's values, in their own precision.

    Parameters
    ----------
    kernel : Dense, Conv2d, AveragePool2d, OneToOne, Sparse, or MaxPool2d (the largest of each pool)
    values : tensor (n_images, *source shape)

    Returns
    -------
    tensor (n_images, *target shape)
    """
    import torch
    from torch.nn import functional as F

    if isinstance(kernel, Dense):
        weights = torch.tensor(np.asarray(kernel.weights), dtype=values.dtype)
        return F.linear(values.flatten(1), weights)
    if isinstance(kernel, OneToOne):
        weight = torch.tensor(np.asarray(kernel.weight), dtype=values.dtype)
        return values * (weight.reshape(values.shape[1:]) if weight.numel() > 1 else weight)
    if isinstance(kernel, Sparse):
        return torch.from_numpy(apply_kernel(kernel, values.double().numpy())).to(values.dtype)
    flat = values.ndim == 3  # (n, channels, length): an image of height 1
    result = _on_images(kernel, values[:, :, None] if flat else values)
    return result[:, :, 0] if flat and result.shape[2] == 1 else result


def _on_images(kernel: Kernel, source: torch.Tensor) -> torch.Tensor:
    """A convolution or pooling of a tensor (n, channels, height, width)."""
    import torch
    from torch.nn import functional as F

    if isinstance(kernel, Conv2d):
        # A copy: torch warns of arrays that it could write to and must not.
        weights = torch.tensor(np.asarray(kernel.weights), dtype=source.dtype)
        geometry = (kernel.stride, kernel.padding, kernel.dilation, kernel.groups)
        return F.conv2d(source, weights, None, *geometry)
    if isinstance(kernel, MaxPool2d):
        pool = (kernel.kernel, kernel.stride, kernel.padding, 1, kernel.ceil_mode)
        return F.max_pool2d(source, *pool) * kernel.weight
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
