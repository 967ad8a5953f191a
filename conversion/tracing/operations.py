"""What each PyTorch operation becomes: one handler for its module, function and method forms.

A handler takes an :class:`Operation` and returns the record, None where the operation passes its
input on unchanged (dropout in evaluation, an identity), or NotImplemented where it has no record
of its own. What has none is asked whether it is an affine map of units
(:mod:`bionet.conversion.tracing.affine`), and otherwise refused by name; ``REMEDIES`` says what to
use instead.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bionet.conversion.preparing.quantised_activation import QCFS
from bionet.conversion.preparing.straight_activations import SMOOTH
from bionet.conversion.tracing.records import (
    Add,
    AveragePool,
    BatchNorm,
    Conv,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool,
    Quantised,
    Record,
    ReLU,
)
from bionet.errors import InputError
from bionet.network.kernel_base import pair

__all__ = [
    "FUNCTIONS",
    "METHODS",
    "MODULES",
    "PRODUCT",
    "SMOOTH_NAMES",
    "Entry",
    "Handler",
    "Operation",
    "plain_name",
    "refuse",
]


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
    source_shapes : tuple of tuple of int
        Shape of each input for one image.
    shape : tuple of int
        Shape of its output.
    node : str
        Name of its node in the traced graph.
    arguments : mapping
        Its arguments or the module's attributes, by name.
    last : bool
        Whether its result is the network's output.
    apply : callable
        The operation itself, on float64 tensors (n, *source shape), one for each input.
    note : callable
        Takes a sentence that the user should read.
    """

    label: str
    place: str
    inputs: tuple[str, ...]
    source_shapes: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    node: str
    arguments: Mapping[str, Any]
    last: bool
    apply: Callable[[Sequence[torch.Tensor]], Any]
    note: Callable[[str], None]

    @property
    def source_shape(self) -> tuple[int, ...]:
        """Shape of its one input."""
        return self.source_shapes[0]

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


Handler = Callable[[Operation], Any]  # a Record, None or NotImplemented
Entry = tuple[Handler, tuple[str, ...]]

AVERAGE_POOLING = (
    "train with AvgPool2d instead (bionet.conversion.to_average_pooling replaces it;"
    " then fine-tune), or use rate, ttfs, augmapping or termapping"
)
OTHERS = "convert by rate, ttfs, augmapping or termapping"
NO_BRANCHES = (
    "train without branches that meet, or use rate, ttfs, augmapping or termapping (concatenated"
    " layers, abs, the larger of branches and a max pooling that is adaptive, dilated or of volumes"
    " are sums of branches too; average pooling is none)"
)
RECTIFY = "it is neither linear nor made of straight pieces: "
OF_MODULES = (
    "bionet.conversion.to_relu(net) puts ReLU and the like in place of such layers; train that on"
    " with bionet.train.train, then convert it"
)
OF_FUNCTIONS = (
    "write torch.relu in its place (for a tanh or sigmoid F.hardtanh or F.hardsigmoid), train on"
    " with bionet.train.train, then convert"
)
NORMALISE = "its statistics differ for every image: train with BatchNorm2d, which can be folded"
COMPARISON = "a comparison jumps: write torch.relu, clamp or maximum, which convert"
RECURRENT = (
    "it feeds its output back, step by step, which no feed-forward population does; a Conv1d over"
    " the sequence converts"
)
PRODUCT = "a product of two layers' outputs is not linear: train without gates and attention"
SUPPORTED = (
    "it is no affine map of its input's units, and no ReLU, LeakyReLU, PReLU, clamp, maximum or max"
    " pooling, which are what units with a threshold can compute (docs/operations.md)"
)
REMEDIES: dict[str, str] = {
    "RReLU ELU CELU SELU GELU SiLU Mish Sigmoid LogSigmoid Tanh Softplus erf exp": RECTIFY,
    "Softsign Hardswish Threshold Softshrink Hardshrink Tanhshrink sin cos pow": RECTIFY,
    "GroupNorm LayerNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d": NORMALISE,
    "LocalResponseNorm std var normalize": NORMALISE,
    "gt lt ge le eq ne where sign heaviside": COMPARISON,
    "GRU LSTM RNN GRUCell LSTMCell RNNCell": RECURRENT,
    "mul imul matmul bmm einsum MultiheadAttention scaleddotproductattention": PRODUCT,
    "GLU TransformerEncoderLayer TransformerEncoder Bilinear": PRODUCT,
}


SMOOTH_NAMES = frozenset(
    name.replace("_", "").lower()
    for names, text in REMEDIES.items()
    if text == RECTIFY
    for name in names.split()
)
MODULES_OF_REMEDIES = tuple(kind.__name__ for kind in SMOOTH)


def refuse(label: str, place: str, why: str = "") -> NoReturn:
    """Refuse an operation by its name and place, with the remedy.

    Raises
    ------
    InputError
        Always.
    """
    key = plain_name(label)
    remedies = (text for names, text in REMEDIES.items() if key in map(plain_name, names.split()))
    remedy = why or next(remedies, SUPPORTED)
    if remedy == RECTIFY:
        remedy += OF_MODULES if label in MODULES_OF_REMEDIES else OF_FUNCTIONS
    raise InputError(f"{label} at {place} cannot be converted: {remedy}")


def plain_name(label: str) -> str:
    """One name for the module, function and method of an operation: ``maxpool2d``."""
    return label.removeprefix("tensor.").replace("_", "").lower()


LARGE = 2**22


def parameter(op: Operation, name: str, size: int | None = None) -> np.ndarray:
    """A parameter as a float64 array, checked to be finite; zeros where it is absent.

    One of ``LARGE`` float32 values or more stays float32, to save memory.

    Parameters
    ----------
    size : int, optional
        Length of the vector of zeros that stands for an absent parameter.
    """
    value = op.get(name)
    if value is None and size is not None:
        return np.zeros(size)
    tensor = value.detach().cpu()
    if tensor.numel() < LARGE or tensor.dtype != torch.float32:
        tensor = tensor.to(torch.float64, copy=True)
    # A large one stays as the network has it; whoever keeps it (a kernel) makes a copy.
    array: np.ndarray = tensor.numpy()
    if not np.isfinite(array).all():
        raise InputError(
            f"the {name} of {op.label} at {op.place} holds NaN or infinity; train the network again"
        )
    return array


def convolution(op: Operation) -> Record:
    """Conv2d or Conv1d. Padding 'same' is symmetric, or becomes so by a row of zero weights."""
    weights = parameter(op, "weight")
    if weights.ndim == 3:
        weights = weights[:, :, np.newaxis]
        one = {"stride": 1, "padding": 0, "dilation": 1}
        arguments = {k: _of_images(op.get(k, v), v) for k, v in one.items()}
        op = replace(op, arguments={**op.arguments, **arguments})
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


def _of_images(value: Any, along_height: int) -> Any:
    """An option of a layer on sequences as that of a layer on images of height 1."""
    if value is None or isinstance(value, str):
        return value
    return (along_height, *((value,) if np.isscalar(value) else value))


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


def fully_connected(op: Operation) -> Any:
    """Linear, on a vector of features."""
    if len(op.source_shape) != 1:
        return NotImplemented
    weights = parameter(op, "weight")
    return Linear(**op.base, weights=weights, bias=parameter(op, "bias", len(weights)))


def batch_normalisation(op: Operation) -> Record:
    """BatchNorm in evaluation: scale = gamma / sqrt(var + eps), shift = beta - mean scale."""
    if op.get("running_mean") is None or op.get("running_var") is None:
        why = "it has no running statistics; train it with track_running_stats=True"
        refuse(op.label, op.place, why)
    if op.get("training"):
        refuse(op.label, op.place, "it is left in training; pass training=self.training")
    mean, variance = parameter(op, "running_mean"), parameter(op, "running_var")
    gamma = parameter(op, "weight") if op.get("weight") is not None else np.ones_like(mean)
    scale = gamma / np.sqrt(variance + float(op.get("eps")))
    return BatchNorm(**op.base, scale=scale, shift=parameter(op, "bias", len(mean)) - mean * scale)


def instance_normalisation(op: Operation) -> Record:
    """InstanceNorm with running statistics, which is then a batch normalisation."""
    return batch_normalisation(op)


def rectification(op: Operation) -> Record:
    """ReLU."""
    return ReLU(**op.base)


def rectification_up_to_6(op: Operation) -> Any:
    """ReLU6."""
    return ReLU(**op.base, bound=6.0)


def hard_tanh(op: Operation) -> Any:
    """Hardtanh from 0 on; other limits are shifted to there before."""
    low, high = float(op.get("min_val", -1.0)), float(op.get("max_val", 1.0))
    return ReLU(**op.base, bound=high) if low == 0 < high else NotImplemented


def clamping(op: Operation) -> Any:
    """Clamp from 0 on."""
    low, high = op.get("min"), op.get("max")
    if not isinstance(low, int | float) or low != 0:
        return NotImplemented
    if high is not None and not (isinstance(high, int | float) and high > 0):
        return NotImplemented
    return ReLU(**op.base, bound=np.inf if high is None else float(high))


def threshold(op: Operation) -> Any:
    """Threshold(0, 0), which is a ReLU."""
    at, value = float(op.get("threshold", 0.0)), float(op.get("value", 0.0))
    return ReLU(**op.base) if at == value == 0 else NotImplemented


def parametric_rectification(op: Operation) -> Any:
    """PReLU, with a slope for each channel, none of them negative."""
    slopes = parameter(op, "weight").reshape(-1)
    if (slopes < 0).any():
        return NotImplemented
    if len(set(slopes.tolist())) == 1:
        slope = float(slopes[0])
        return LeakyReLU(**op.base, slope=slope) if slope else ReLU(**op.base)
    return LeakyReLU(**op.base, slope=slopes)


def leaky_rectification(op: Operation) -> Record:
    """LeakyReLU; a slope of 0 is a ReLU."""
    slope = float(op.get("negative_slope", 0.01))
    if not (np.isfinite(slope) and slope >= 0):
        refuse(op.label, op.place, f"its slope is {slope}, expected a number >= 0")
    return LeakyReLU(**op.base, slope=slope) if slope else ReLU(**op.base)


def quantised_rectification(op: Operation) -> Record:
    """QCFS: a ReLU that is clipped at its scale and rounded."""
    scale = float(parameter(op, "scale"))
    if not scale > 0:
        refuse(op.label, op.place, f"its scale is {scale:g}, expected a number > 0; train it again")
    return Quantised(**op.base, ceiling=scale)


def addition(op: Operation) -> Record:
    """The sum of two layers' outputs of the same shape."""
    return Add(**op.base)


def average_pooling(op: Operation) -> Record | None:
    """AvgPool1d/2d with all its options; a pool of one unit is no operation."""
    if len(op.source_shape) == 2:
        one = {"kernel_size": 1, "stride": 1, "padding": 0}
        arguments = {k: _of_images(op.get(k) or None, v) for k, v in one.items()}
        op = replace(
            op, arguments={**op.arguments, **arguments, "padding": arguments["padding"] or 0}
        )
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
    """MaxPool1d/2d without dilation; a pool of one unit is no operation."""
    if len(op.source_shape) == 2:
        one = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
        arguments = {k: _of_images(op.get(k) or None, v) for k, v in one.items()}
        op = replace(op, arguments={**op.arguments, **arguments})
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


def adaptive_average_pooling(op: Operation) -> Any:
    """AdaptiveAvgPool1d/2d, where its pools are all alike and do not overlap."""
    sizes, targets = op.source_shape[1:], op.shape[1:]
    if any(n % m for n, m in zip(sizes, targets, strict=True)) or len(sizes) > 2:
        return NotImplemented
    height, width = (1, *(n // m for n, m in zip(sizes, targets, strict=True)))[-2:]
    if (height, width) == (1, 1):
        return None
    return AveragePool(**op.base, pool=(height, width), stride=(height, width))


def flattening(op: Operation) -> Any:
    """Flatten, view, reshape: everything but the batch, or nothing at all."""
    if op.shape == op.source_shape:
        return None
    if op.shape != (int(np.prod(op.source_shape)),):
        return NotImplemented
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


def squashing(op: Operation) -> Any:
    """A sigmoid or tanh at the very end rises with its input: no output overtakes another."""
    if not op.last:
        return NotImplemented
    op.note(
        f"{op.label} at {op.place} is left out: it rises with its input; read values through it"
    )
    return None


def convolution_along(axes: int, transposed: bool) -> Handler:
    """The handler of a transposed convolution, or one along three axes."""

    def handler(op: Operation) -> Any:
        from bionet.conversion.tracing.affine import convolution_by_taps

        if op.get("padding_mode", "zeros") != "zeros":
            return NotImplemented
        if isinstance(op.get("padding"), str):
            return NotImplemented
        kind = "conv_transpose" if transposed else "conv"
        call = getattr(functional, f"{kind}{axes}d")
        names = ("stride", "padding", "dilation", *(("output_padding",) if transposed else ()))
        options = {k: op.get(k) for k in names if op.get(k) is not None}

        def tap(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            return call(x, weight, **options)

        return convolution_by_taps(op, tap, axes, transposed)

    return handler


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
BOUNDS = ("min_val", "max_val", "inplace")
CLAMP = ("input", "min", "max")
TRANSPOSED = (*CONV[:5], "output_padding", "groups", "dilation", "padding_mode")

# Module type -> handler and the attributes that it reads.
MODULES: dict[type[nn.Module], Entry] = {
    nn.Conv1d: (convolution, (*CONV, "padding_mode")),
    nn.Conv2d: (convolution, (*CONV, "padding_mode")),
    nn.Conv3d: (convolution_along(3, False), (*CONV, "padding_mode")),
    nn.ConvTranspose1d: (convolution_along(1, True), TRANSPOSED),
    nn.ConvTranspose2d: (convolution_along(2, True), TRANSPOSED),
    nn.ConvTranspose3d: (convolution_along(3, True), TRANSPOSED),
    nn.Linear: (fully_connected, LINEAR),
    nn.BatchNorm1d: (batch_normalisation, NORM),
    nn.BatchNorm2d: (batch_normalisation, NORM),
    nn.BatchNorm3d: (batch_normalisation, NORM),
    nn.InstanceNorm1d: (instance_normalisation, NORM),
    nn.InstanceNorm2d: (instance_normalisation, NORM),
    nn.InstanceNorm3d: (instance_normalisation, NORM),
    nn.ReLU6: (rectification_up_to_6, ("inplace",)),
    nn.Hardtanh: (hard_tanh, BOUNDS),
    nn.Threshold: (threshold, ("threshold", "value", "inplace")),
    nn.PReLU: (parametric_rectification, ("weight",)),
    nn.Sigmoid: (squashing, ()),
    nn.LogSigmoid: (squashing, ()),
    nn.Tanh: (squashing, ()),
    nn.ReLU: (rectification, RELU),
    QCFS: (quantised_rectification, ("scale",)),
    nn.LeakyReLU: (leaky_rectification, LEAKY),
    nn.AvgPool1d: (average_pooling, POOL),
    nn.AvgPool2d: (average_pooling, POOL),
    nn.MaxPool1d: (max_pooling, MAXIMUM),
    nn.MaxPool2d: (max_pooling, MAXIMUM),
    nn.AdaptiveAvgPool1d: (adaptive_average_pooling, ADAPTIVE),
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
    functional.conv1d: (convolution, CONV),
    functional.conv2d: (convolution, CONV),
    functional.conv3d: (convolution_along(3, False), CONV),
    functional.conv_transpose1d: (convolution_along(1, True), TRANSPOSED),
    functional.conv_transpose2d: (convolution_along(2, True), TRANSPOSED),
    functional.conv_transpose3d: (convolution_along(3, True), TRANSPOSED),
    functional.batch_norm: (
        batch_normalisation,
        ("input", *NORM[2:4], *NORM[:2], "training", *("momentum", "eps")),
    ),
    functional.relu6: (rectification_up_to_6, RELU),
    functional.hardtanh: (hard_tanh, ("input", *BOUNDS)),
    torch.clamp: (clamping, CLAMP),
    torch.clip: (clamping, CLAMP),
    torch.clamp_min: (clamping, CLAMP),
    functional.threshold: (threshold, ("input", "threshold", "value", "inplace")),
    functional.prelu: (parametric_rectification, ("input", "weight")),
    **dict.fromkeys(
        (functional.sigmoid, torch.sigmoid, functional.logsigmoid), (squashing, ("input",))
    ),
    **dict.fromkeys((functional.tanh, torch.tanh), (squashing, ("input",))),
    functional.linear: (fully_connected, LINEAR),
    functional.avg_pool1d: (average_pooling, POOL),
    functional.avg_pool2d: (average_pooling, POOL),
    **dict.fromkeys(
        (functional.max_pool1d, functional.max_pool2d, torch.max_pool1d, torch.max_pool2d),
        (max_pooling, MAXIMUM),
    ),
    functional.adaptive_avg_pool1d: (adaptive_average_pooling, ADAPTIVE),
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
    **dict.fromkeys(
        ("contiguous", "float", "double", "to", "type", "detach", "clone"), (identity, ("input",))
    ),
    **dict.fromkeys(("clamp", "clamp_", "clip", "clamp_min", "clamp_min_"), (clamping, CLAMP)),
    **dict.fromkeys(("sigmoid", "tanh", "logsigmoid"), (squashing, ("input",))),
    **dict.fromkeys(("add", "add_"), (addition, ADD)),
}
