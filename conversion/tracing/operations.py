"""What each PyTorch operation becomes: one handler for its module, function and method forms.

A handler takes an :class:`Operation` and returns the record, or None where the operation passes
its input on unchanged (dropout in evaluation, an identity). What has no handler is refused by
name; ``REMEDIES`` says what to use instead.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bionet.conversion.tracing.records import (
    Add,
    AveragePool,
    BatchNorm,
    Conv,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool,
    Record,
    ReLU,
)
from bionet.errors import InputError
from bionet.network.kernel_base import pair

__all__ = ["FUNCTIONS", "METHODS", "MODULES", "Entry", "Handler", "Operation", "refuse"]


@dataclass(frozen=True)
class Operation:
    """One operation of the source network, as a handler sees it.

    Parameters
    ----------
    label : str
        What it is: ``Conv2d``, ``max_pool2d``.
    place : str
        Where it stands, for messages.
    inputs : tuple of str
        Names of the records that it takes.
    source_shape, shape : tuple of int
        Shapes of its input and output for one image.
    node : str
        Name of its node in the traced graph.
    arguments : mapping
        Its arguments or the module's attributes, by name.
    last : bool
        Whether its result is the network's output.
    """

    label: str
    place: str
    inputs: tuple[str, ...]
    source_shape: tuple[int, ...]
    shape: tuple[int, ...]
    node: str
    arguments: Mapping[str, Any]
    last: bool

    @property
    def base(self) -> dict[str, Any]:
        """The fields that every record has."""
        return {
            "name": self.node,
            "inputs": self.inputs,
            "shape": self.shape,
            "node": self.node,
            "place": self.place,
        }

    def get(self, name: str, default: Any = None) -> Any:
        """An argument, or its default."""
        return self.arguments.get(name, default)


Handler = Callable[[Operation], Record | None]
Entry = tuple[Handler, tuple[str, ...]]

AVERAGE_POOLING = (
    "train with AvgPool2d instead (bionet.conversion.to_average_pooling replaces it;"
    " then fine-tune)"
)
NO_BRANCHES = "train without branches that meet, or use rate or augmapping"
RECTIFY = "a firing rate is a rectified value: train with ReLU instead"
NORMALISE = "its statistics differ for every image: train with BatchNorm2d, which can be folded"
CHAIN = (
    "branches may meet in a sum of two layers' outputs of one shape: train a network without"
    " branches that meet otherwise"
)
SUPPORTED = (
    "supported are Conv2d, Linear, BatchNorm1d/2d, ReLU, AvgPool2d, AdaptiveAvgPool2d, MaxPool2d,"
    " LeakyReLU, sums of two branches, Flatten, Dropout, Identity, a mean over height and width,"
    " arithmetic with constants, a softmax at the end, and their functional forms"
)
REMEDIES: dict[str, str] = {
    "AdaptiveMaxPool2d MaxPool1d MaxPool3d": AVERAGE_POOLING,
    "PReLU RReLU ELU CELU SELU GELU SiLU Mish Sigmoid LogSigmoid Tanh Softplus": RECTIFY,
    "Softsign ReLU6 Hardtanh Hardswish Hardsigmoid Threshold clamp clamp_min clip": RECTIFY,
    "GroupNorm LayerNorm InstanceNorm1d InstanceNorm2d LocalResponseNorm": NORMALISE,
    "add iadd sub mul imul cat concat stack": CHAIN,
    "mean": "only a mean over height and width is converted: x.mean((2, 3))",
    "ConvTranspose2d": "use Conv2d; upsampling layers are not converted",
    "Conv1d": "use Conv2d with a kernel of height 1 on (channels, 1, length) images",
    "squeeze": "write x.flatten(1)",
    "permute transpose": "keep PyTorch's order (channels, height, width)",
    "batch_norm": "use the module nn.BatchNorm1d or nn.BatchNorm2d",
}


def refuse(label: str, place: str, why: str = "") -> NoReturn:
    """Refuse an operation by its name and place, with the remedy.

    Raises
    ------
    InputError
        Always.
    """
    key = plain_name(label)
    known = (text for names, text in REMEDIES.items() if key in map(plain_name, names.split()))
    raise InputError(f"{label} at {place} cannot be converted: {why or next(known, SUPPORTED)}")


def plain_name(label: str) -> str:
    """One name for the module, function and method of an operation: ``maxpool2d``."""
    return label.removeprefix("tensor.").replace("_", "").lower()


def parameter(op: Operation, name: str, size: int | None = None) -> np.ndarray:
    """A parameter as a float64 copy, checked to be finite; zeros where it is absent.

    Parameters
    ----------
    size : int, optional
        Length of the vector of zeros that stands for an absent parameter.
    """
    value = op.get(name)
    if value is None and size is not None:
        return np.zeros(size)
    array: np.ndarray = value.detach().cpu().to(torch.float64).numpy().copy()
    if not np.isfinite(array).all():
        raise InputError(
            f"the {name} of {op.label} at {op.place} holds NaN or infinity; train the network again"
        )
    return array


def convolution(op: Operation) -> Record:
    """Conv2d. Padding 'same' is symmetric, or becomes so by one row of zero weights."""
    if op.get("padding_mode", "zeros") != "zeros":
        mode = op.get("padding_mode")
        refuse(op.label, op.place, f"padding_mode is {mode!r}; train with padding_mode='zeros'")
    weights = parameter(op, "weight")
    dilation = pair(op.get("dilation", 1), "dilation", 1)
    padding = op.get("padding", 0)
    if padding == "valid":
        padding = 0
    elif padding == "same":
        weights, padding, dilation = same_padding(weights, dilation)
    return Conv(
        **op.base,
        weights=weights,
        bias=parameter(op, "bias", len(weights)),
        stride=pair(op.get("stride", 1), "stride", 1),
        padding=pair(padding, "padding", 0),
        dilation=dilation,
        groups=int(op.get("groups", 1)),
    )


def same_padding(
    weights: np.ndarray, dilation: tuple[int, int]
) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]]:
    """Weights, padding and dilation of a convolution whose output has the size of its input.

    PyTorch pads d (k - 1) in all, the odd one at the end. A kernel pads both ends alike, so in
    that case the weights get one more row of zeros in front (and are written with dilation 1).

    Parameters
    ----------
    weights : array (n_out, n_in, kernel_height, kernel_width)
    dilation : pair of int
    """
    paddings, dilations = [], []
    for axis, step in zip((2, 3), dilation, strict=True):
        total = step * (weights.shape[axis] - 1)
        if total % 2:
            shape = list(weights.shape)
            shape[axis] = total + 2
            spread = np.zeros(shape)
            np.moveaxis(spread, axis, 0)[1::step] = np.moveaxis(weights, axis, 0)
            weights, step = spread, 1
        paddings.append((total + 1) // 2)
        dilations.append(step)
    return weights, (paddings[0], paddings[1]), (dilations[0], dilations[1])


def fully_connected(op: Operation) -> Record:
    """Linear, on a vector of features."""
    if len(op.source_shape) != 1:
        refuse(op.label, op.place, f"its input has the shape {op.source_shape}; flatten it first")
    weights = parameter(op, "weight")
    return Linear(**op.base, weights=weights, bias=parameter(op, "bias", len(weights)))


def batch_normalisation(op: Operation) -> Record:
    """BatchNorm in evaluation: scale = gamma / sqrt(var + eps), shift = beta - mean scale."""
    if op.get("running_mean") is None or op.get("running_var") is None:
        why = "it has no running statistics; train it with track_running_stats=True"
        refuse(op.label, op.place, why)
    mean, variance = parameter(op, "running_mean"), parameter(op, "running_var")
    gamma = parameter(op, "weight") if op.get("weight") is not None else np.ones_like(mean)
    scale = gamma / np.sqrt(variance + float(op.get("eps")))
    return BatchNorm(**op.base, scale=scale, shift=parameter(op, "bias", len(mean)) - mean * scale)


def rectification(op: Operation) -> Record:
    """ReLU."""
    return ReLU(**op.base)


def leaky_rectification(op: Operation) -> Record:
    """LeakyReLU; a slope of 0 is a ReLU."""
    slope = float(op.get("negative_slope", 0.01))
    if not (np.isfinite(slope) and slope >= 0):
        refuse(op.label, op.place, f"its slope is {slope}, expected a number >= 0")
    return LeakyReLU(**op.base, slope=slope) if slope else ReLU(**op.base)


def addition(op: Operation) -> Record:
    """The sum of two layers' outputs of the same shape."""
    if op.get("alpha", 1) != 1:
        why = f"alpha is {op.get('alpha')}; scale the weights of that branch instead"
        refuse(op.label, op.place, why)
    return Add(**op.base)


def average_pooling(op: Operation) -> Record | None:
    """AvgPool2d with all its options; a pool of one unit is no operation."""
    pool = pair(op.get("kernel_size"), "kernel_size", 1)
    # An empty tuple, or None, is how PyTorch writes "as the kernel".
    stride = pair(op.get("stride") or pool, "stride", 1)
    divisor = op.get("divisor_override")
    if divisor is not None and divisor < 1:
        refuse(op.label, op.place, f"divisor_override is {divisor}, expected a positive number")
    if pool == stride == (1, 1) and divisor in (None, 1):
        return None
    return AveragePool(
        **op.base,
        pool=pool,
        stride=stride,
        padding=pair(op.get("padding", 0), "padding", 0),
        ceil_mode=bool(op.get("ceil_mode", False)),
        count_include_pad=bool(op.get("count_include_pad", True)),
        divisor_override=divisor,
    )


def max_pooling(op: Operation) -> Record | None:
    """MaxPool2d without dilation; a pool of one unit is no operation."""
    pool = pair(op.get("kernel_size"), "kernel_size", 1)
    stride = pair(op.get("stride") or pool, "stride", 1)
    if pair(op.get("dilation") or 1, "dilation", 1) != (1, 1):
        refuse(op.label, op.place, "it has dilation; train with dilation=1")
    if op.get("return_indices"):
        refuse(op.label, op.place, "it returns indices; train with return_indices=False")
    if pool == stride == (1, 1):
        return None
    return MaxPool(
        **op.base,
        pool=pool,
        stride=stride,
        padding=pair(op.get("padding") or 0, "padding", 0),
        ceil_mode=bool(op.get("ceil_mode", False)),
    )


def adaptive_average_pooling(op: Operation) -> Record | None:
    """AdaptiveAvgPool2d, where its pools are all alike and do not overlap."""
    sizes, targets = op.source_shape[1:], op.shape[1:]
    if any(n % m for n, m in zip(sizes, targets, strict=True)):
        why = f"{targets} does not divide its input's {sizes}; use AvgPool2d of a fixed kernel"
        refuse(op.label, op.place, why)
    height, width = (n // m for n, m in zip(sizes, targets, strict=True))
    if (height, width) == (1, 1):
        return None
    return AveragePool(**op.base, pool=(height, width), stride=(height, width))


def flattening(op: Operation) -> Record | None:
    """Flatten, view, reshape: everything but the batch, or nothing at all."""
    if op.shape == op.source_shape:
        return None
    if op.shape != (int(np.prod(op.source_shape)),):
        why = (
            f"it makes {op.shape} of {op.source_shape}, but only a flatten of everything except"
            " the batch is converted: x.flatten(1); images of another shape are presented as such"
        )
        refuse(op.label, op.place, why)
    return Flatten(**op.base)


def dropout(op: Operation) -> None:
    """Dropout is nothing in evaluation; one that is left on in evaluation is refused."""
    if op.get("training", True):
        why = "it drops units in evaluation too; pass training=self.training"
        refuse(op.label, op.place, why)


def identity(op: Operation) -> None:
    """Identity, contiguous."""


def softmax(op: Operation) -> None:
    """A softmax over the classes at the very end: it does not change the largest output."""
    if not op.last:
        why = "only a softmax at the very end can be left out; train without this one"
        refuse(op.label, op.place, why)
    if len(op.shape) != 1 or op.get("dim") not in (None, 1, -1):
        why = f"it is taken over dim={op.get('dim')} of {op.shape}, expected dim=1 over classes"
        refuse(op.label, op.place, why)


CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
LINEAR = ("input", "weight", "bias")
NORM = ("weight", "bias", "running_mean", "running_var", "eps")
POOL = (
    *("input", "kernel_size", "stride", "padding"),
    *("ceil_mode", "count_include_pad", "divisor_override"),
)
MAXIMUM = (
    *("input", "kernel_size", "stride", "padding", "dilation"),
    *("ceil_mode", "return_indices"),
)
ADAPTIVE = ("input", "output_size")
DROPOUT = ("input", "p", "training", "inplace")
SOFTMAX = ("input", "dim")
RELU = ("input", "inplace")
LEAKY = ("input", "negative_slope", "inplace")
ADD = ("input", "other", "alpha")

# Module type -> handler and the attributes that it reads.
MODULES: dict[type[nn.Module], Entry] = {
    nn.Conv2d: (convolution, (*CONV, "padding_mode")),
    nn.Linear: (fully_connected, LINEAR),
    nn.BatchNorm1d: (batch_normalisation, NORM),
    nn.BatchNorm2d: (batch_normalisation, NORM),
    nn.ReLU: (rectification, RELU),
    nn.LeakyReLU: (leaky_rectification, LEAKY),
    nn.AvgPool2d: (average_pooling, POOL),
    nn.MaxPool2d: (max_pooling, MAXIMUM),
    nn.AdaptiveAvgPool2d: (adaptive_average_pooling, ADAPTIVE),
    nn.Flatten: (flattening, ()),
    nn.Identity: (identity, ()),
    nn.Softmax: (softmax, SOFTMAX),
    nn.LogSoftmax: (softmax, SOFTMAX),
    **dict.fromkeys(
        (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout), (dropout, DROPOUT)
    ),
}

# Function -> handler and the names of its positional arguments.
FUNCTIONS: dict[Any, Entry] = {
    functional.conv2d: (convolution, CONV),
    functional.linear: (fully_connected, LINEAR),
    functional.avg_pool2d: (average_pooling, POOL),
    **dict.fromkeys((functional.max_pool2d, torch.max_pool2d), (max_pooling, MAXIMUM)),
    functional.adaptive_avg_pool2d: (adaptive_average_pooling, ADAPTIVE),
    **dict.fromkeys((functional.relu, torch.relu, torch.relu_), (rectification, RELU)),
    **dict.fromkeys((functional.leaky_relu, functional.leaky_relu_), (leaky_rectification, LEAKY)),
    **dict.fromkeys((operator.add, operator.iadd, torch.add), (addition, ADD)),
    **dict.fromkeys((torch.flatten, torch.reshape), (flattening, ("input",))),
    **dict.fromkeys(
        (functional.dropout, functional.dropout1d, functional.dropout2d, torch.dropout),
        (dropout, DROPOUT),
    ),
    **dict.fromkeys(
        (functional.softmax, functional.log_softmax, torch.softmax, torch.log_softmax),
        (softmax, SOFTMAX),
    ),
}

# Method of a tensor -> handler and the names of its positional arguments.
METHODS: dict[str, Entry] = {
    **dict.fromkeys(("relu", "relu_"), (rectification, ("input",))),
    **dict.fromkeys(("flatten", "view", "reshape"), (flattening, ("input",))),
    **dict.fromkeys(("softmax", "log_softmax"), (softmax, SOFTMAX)),
    "contiguous": (identity, ("input",)),
    **dict.fromkeys(("add", "add_"), (addition, ADD)),
}
