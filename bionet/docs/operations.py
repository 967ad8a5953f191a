"""The table of methods and operations, made by converting a small network for each of its cells.

A small network has the operation between a layer and a fully connected one, no biases and no batch
normalisation but where the operation is one. *yes*: it converts. A number: it does not, for the
reason of that number, which is what the conversion itself says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import bionet
from bionet.errors import InputError

__all__ = ["OPERATIONS", "operations_page"]

SHAPE = (2, 8, 8)
Between = Callable[[torch.Tensor], torch.Tensor]


class Small(nn.Module):
    """A convolution and its ReLU, the operation, and a fully connected layer.

    Parameters
    ----------
    between : callable
        The operation, on (n, 4, 8, 8) activations, or on those before the ReLU.
    rectified : bool
        Whether a ReLU stands before the operation.
    """

    def __init__(self, between: Between, rectified: bool = True) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.conv = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.conv.weight.data = torch.randn(4, 2, 3, 3, generator=random) / 4
        if isinstance(between, nn.Module):
            for parameter in between.parameters():
                values = torch.randn(parameter.shape, generator=random) / 4
                parameter.data = values.abs() if isinstance(between, nn.PReLU) else values
        self.between, self.rectified = between, rectified
        with torch.no_grad():
            features = self._features(torch.rand(2, *SHAPE, generator=random)).shape[1]
        self.head = nn.Linear(features, 3, bias=False)
        self.head.weight.data = torch.randn(3, features, generator=random) / 4

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.between(torch.relu(x) if self.rectified else x).flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores."""
        scores: torch.Tensor = self.head(self._features(x))
        return scores


def _shuffled(x: torch.Tensor) -> torch.Tensor:
    return x.view(x.size(0), 2, 2, 8, 8).transpose(1, 2).reshape(x.size(0), 4, 8, 8)


class Sequence(nn.Module):
    """Rows as channels, and an operation along them."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Operates on (n, 4, 64)."""
        y: torch.Tensor = self.layers(x.flatten(2))
        return y


class Volume(nn.Module):
    """The channels as a depth, and an operation on the volume."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Operates on (n, 1, 4, 8, 8)."""
        y: torch.Tensor = torch.relu(self.layer(x.unsqueeze(1)))
        return y


class Beside(nn.Module):
    """Two layers that see the same, their channels side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = _conv(3, padding=1), _conv(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Operates on (n, 4, 8, 8)."""
        return torch.cat([self.left(x), self.right(x)], 1)


def _conv(*options: Any, **more: Any) -> nn.Sequential:
    given: dict[str, Any] = {"bias": False} | more
    return nn.Sequential(nn.Conv2d(4, 4, *options, **given), nn.ReLU())


PLAIN: Mapping[str, Between] = {
    "Conv2d": _conv(3),
    "Conv2d, depthwise or in groups": _conv(3, padding=1, groups=4),
    "Conv2d, `padding_mode` reflect, circular": _conv(3, padding=1, padding_mode="reflect"),
    "Conv1d": Sequence(nn.Conv1d(4, 3, 3, bias=False), nn.ReLU()),
    "Conv3d": Volume(nn.Conv3d(1, 2, 3, bias=False)),
    "ConvTranspose1d, 2d, 3d": nn.Sequential(nn.ConvTranspose2d(4, 2, 2, 2, bias=False), nn.ReLU()),
    "Linear on a sequence, `x @ W`": nn.Sequential(nn.Linear(8, 3, bias=False), nn.ReLU()),
    "average pooling": nn.AvgPool2d(2),
    "adaptive average pooling of any size": nn.AdaptiveAvgPool2d(3),
    "mean over any dimension": lambda x: x.mean(-1),
    "max pooling": nn.MaxPool2d(2),
    "max pooling with dilation; adaptive; of volumes": nn.AdaptiveMaxPool2d(3),
    "channels chosen, shuffled, split": lambda x: x[:, 1:3],
    "channel shuffle": _shuffled,
    "permutation, flip, roll": lambda x: x.permute(0, 2, 3, 1),
    "pixel shuffle and unshuffle": nn.PixelShuffle(2),
    "padding, constant or reflected, before a layer": nn.Sequential(
        nn.ZeroPad2d((0, 1, 2, 0)), _conv(3)
    ),
    "upsampling, nearest": nn.Upsample(scale_factor=2),
    "upsampling, bilinear": nn.Upsample(scale_factor=2, mode="bilinear"),
    "concatenation of parts of a layer": lambda x: torch.cat([x, x.flip(1)], 1),
    "concatenation of layers": Beside(),
    "sum of branches": lambda x: x + torch.roll(x, 1, 2),
    "difference, weighted sum": lambda x: torch.relu(x - 0.5 * x.flip(2)),
    "larger of branches (maxout)": lambda x: torch.maximum(x, x.flip(1)),
}
SIGNED: Mapping[str, Between] = {
    "layer without a ReLU (linear bottleneck)": nn.Conv2d(4, 2, 1, bias=False),
    "ReLU6, Hardtanh(0, b), clamp": nn.ReLU6(),
    "Hardtanh(-1, 1), Hardsigmoid": nn.Hardsigmoid(),
    "LeakyReLU": nn.LeakyReLU(0.1),
    "PReLU, a slope for each channel": nn.PReLU(4),
    "abs": torch.abs,
    "batch or instance normalisation with running statistics": nn.Sequential(
        nn.InstanceNorm2d(4, affine=True, track_running_stats=True), nn.ReLU()
    ),
    "GELU, SiLU, ELU, tanh inside": functional.gelu,
}
OPERATIONS: Mapping[str, nn.Module] = {
    **{name: Small(between) for name, between in PLAIN.items()},
    **{name: Small(between, rectified=False) for name, between in SIGNED.items()},
    "sigmoid, tanh or softmax at the end": nn.Sequential(
        nn.Flatten(), nn.Linear(128, 3, bias=False), nn.Sigmoid()
    ),
}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "dsnn": {"sigma": 1.0},
    "threshold_search": {"thresholds": 1.0},
}
METHODS = (
    *("rate", "augmapping", "termapping", "ttfs", "phase", "burst"),
    *("dsnn", "tdsnn", "threshold_search"),
)


def reason(method: str, net: nn.Module) -> str | None:
    """Why a method refuses a network, without the place; None where it takes it."""
    images = np.random.default_rng(0).random((8, *SHAPE), dtype=np.float32)
    try:
        bionet.convert(net.eval(), method, calibration=images, **OPTIONS.get(method, {}))
    except InputError as error:
        what, _, remedy = str(error).partition(": ")
        kind = what.partition(" at ")[0].removeprefix("the ").removeprefix("The ")
        if " is followed by " in what:
            kind = "layer without a ReLU"
        if " has a bias" in what:
            kind = "bias"
        return f"{kind}: {remedy}"
    return None


def operations_page() -> str:
    """docs/operations.md: what each method converts, and why not."""
    reasons: list[str] = []
    rows = []
    for name, net in OPERATIONS.items():
        cells = []
        for method in METHODS:
            why = reason(method, net)
            if why is not None and why not in reasons:
                reasons.append(why)
            cells.append("yes" if why is None else f"no ({reasons.index(why) + 1})")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    head = " | ".join(f"`{method}`" for method in METHODS)
    notes = [f"{number}. {why}" for number, why in enumerate(reasons, start=1)]
    return "\n".join([TEXT, f"| operation | {head} |", "| --- |" + " --- |" * len(METHODS), *rows,
                      "", "Reasons, as the conversion gives them:", "", *notes, ""])  # fmt: skip


TEXT = """# Which operations convert

Whatever is linear converts exactly: a concatenation, a shuffle, an upsampling is asked what it does
to each unit, and goes into the weights of the layer beside it or becomes a population that passes
spikes on. Whatever is made of straight pieces converts exactly too: a maximum is a tree of
rectified differences, a limit is a unit that fires in every step. Where units fire for positive
values only (`rate`), a layer of both signs, or an image with negative pixels that is pooled,
becomes a pair of populations, on and off.

What a network does with shapes (`assert`, loops, `x.size(1)`) is settled before: `torch.fx` traces
it, or `torch.export` where that sees more. A forward may return several tensors, see `output` of
`bionet.convert`, and take several, see its `input_shape`; further arguments keep their defaults.
"""
