"""Weighted nodes of NIR as kernels: Affine, Linear, Conv1d, Conv2d, SumPool2d, AvgPool2d, Scale.

A one-dimensional convolution is one over images of height 1, so its input has the shape
(channels, 1, length).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.network import AveragePool2d, Conv2d, Dense, Kernel, OneToOne

__all__ = ["WEIGHTED", "Weighted", "array", "fitted", "scaled", "weighted"]

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Weighted:
    """A weighted node for a source of one shape.

    Attributes
    ----------
    kernel : Kernel
    bias : float array that broadcasts to ``shape``, or None
    shape : tuple of int
        Of what comes out.
    """

    kernel: Kernel
    bias: np.ndarray | None
    shape: Shape


def weighted(name: str, node: Any, source: Shape) -> Weighted:
    """The kernel and the bias of a node.

    Parameters
    ----------
    name : str
        Name of the node, for messages.
    node : NIRNode
    source : tuple of int
        Shape of what goes in.

    Raises
    ------
    InputError
        If BioNet has no kernel for the node, or it does not fit the source.
    """
    try:
        kernel, bias = WEIGHTED[type(node).__name__](node, source)
        shape = kernel.target_shape(source)
    except InputError as error:
        raise InputError(
            f"node {name!r} ({type(node).__name__}) of the NIR graph: {error}"
        ) from error
    if bias is not None:
        bias = bias.reshape(-1, *(1,) * (len(shape) - 1)) if bias.size == shape[0] else bias
        if not bias.any():
            bias = None
    return Weighted(kernel, bias, shape)


def _dense(node: Any, source: Shape) -> tuple[Kernel, np.ndarray | None]:
    weights = array(node.weight)
    if weights.ndim != 2:
        raise InputError(f"weights of {weights.ndim} dimensions are not supported; use 2")
    bias = getattr(node, "bias", None)
    return Dense(weights), None if bias is None else array(bias).reshape(-1)


def _conv1d(node: Any, source: Shape) -> tuple[Kernel, np.ndarray | None]:
    if len(source) != 3 or source[1] != 1:
        raise InputError(
            f"a convolution in one dimension needs a (channels, 1, length) source, but got {source}"
        )
    weights = array(node.weight)[:, :, None, :]
    stride, dilation = (_sizes(v, 1)[0] for v in (node.stride, node.dilation))
    padding = _padding(node.padding, weights.shape[3:], (dilation,))[0]
    kernel = Conv2d(
        weights,
        stride=(1, stride),
        padding=(0, padding),
        dilation=(1, dilation),
        groups=int(np.asarray(node.groups).item()),
    )
    return kernel, array(node.bias).reshape(-1)


def _conv2d(node: Any, source: Shape) -> tuple[Kernel, np.ndarray | None]:
    weights, dilation = array(node.weight), _sizes(node.dilation, 2)
    kernel = Conv2d(
        weights,
        stride=_sizes(node.stride, 2),
        padding=_padding(node.padding, weights.shape[2:], dilation),
        dilation=dilation,
        groups=int(np.asarray(node.groups).item()),
    )
    return kernel, array(node.bias).reshape(-1)


def _average_pool(node: Any, source: Shape) -> tuple[Kernel, None]:
    return AveragePool2d(
        *(_sizes(v, 2) for v in (node.kernel_size, node.stride, node.padding))
    ), None


def _sum_pool(node: Any, source: Shape) -> tuple[Kernel, None]:
    kernel, stride, padding = (_sizes(v, 2) for v in (node.kernel_size, node.stride, node.padding))
    return AveragePool2d(kernel, stride, padding, divisor_override=1), None


def _scale(node: Any, source: Shape) -> tuple[Kernel, None]:
    scale = array(node.scale)
    return OneToOne(float(scale.item()) if scale.size == 1 else fitted(scale, source)), None


WEIGHTED: Mapping[str, Callable[[Any, Shape], tuple[Kernel, np.ndarray | None]]] = {
    "Affine": _dense,
    "Linear": _dense,
    "Conv1d": _conv1d,
    "Conv2d": _conv2d,
    "AvgPool2d": _average_pool,
    "SumPool2d": _sum_pool,
    "Scale": _scale,
}


def array(value: Any) -> np.ndarray:
    """Values of a node, which may be a tensor, as an array."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def fitted(values: np.ndarray, shape: Shape) -> np.ndarray:
    """Values for every unit or every channel, in the shape of a population."""
    if values.size == int(np.prod(shape)):
        return values.reshape(shape)
    if len(shape) == 3 and values.size == shape[0]:
        return np.broadcast_to(values.reshape(-1, 1, 1), shape)
    raise InputError(f"values of shape {values.shape} do not fit units of shape {shape}")


def scaled(kernel: Kernel, factor: Any) -> Kernel:
    """A kernel with its weights times one factor, or one for every target unit.

    Raises
    ------
    InputError
        If units that share a weight have different factors.
    """
    factors = np.asarray(factor, dtype=np.float64)
    if factors.size == 1 and factors == 1:
        return kernel
    return kernel.times(factors)


def _sizes(value: Any, n: int) -> Any:
    sizes = [int(x) for x in array(value).reshape(-1)]
    if len(sizes) not in (1, n):
        raise InputError(f"expected {n} sizes, but got {sizes}")
    return tuple(sizes * n if len(sizes) == 1 else sizes)


def _padding(value: Any, kernel: Shape, dilation: Shape) -> Any:
    text = value.decode() if isinstance(value, bytes) else value
    if not isinstance(text, str):
        return _sizes(value, len(kernel))
    if text == "valid":
        return (0,) * len(kernel)
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if text != "same" or any(n % 2 for n in total):
        raise InputError(
            f"padding {text!r} of a kernel {kernel} differs from side to side; give it in numbers"
        )
    return tuple(n // 2 for n in total)
