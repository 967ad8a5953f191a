"""The page of the zoo's networks: layers, and what trained weights come with the package."""

from __future__ import annotations

import inspect
import re

from torch import nn

from bionet import zoo
from bionet.zoo.topologies import TOPOLOGIES

__all__ = ["networks_page"]

SAID: dict[type, str] = {
    nn.ReLU: "ReLU",
    nn.AvgPool2d: "average pooling",
    nn.MaxPool2d: "max pooling",
    nn.BatchNorm1d: "batch normalisation",
    nn.BatchNorm2d: "batch normalisation",
}


def networks_page() -> str:
    """Networks and weights as Markdown; what is said of weights is read from their files."""
    lines = [
        "# Networks of the zoo",
        "",
        "`32c5` is a convolution to 32 channels with 5 x 5 kernels, `p2` a pooling of 2 x 2, `p3s2`"
        " one of 3 x 3 with stride 2, a bare number a fully connected layer."
        " `bionet.zoo.load(NAME, DATA)` makes a network with the weights that come with the"
        " package, `bionet.zoo.load(NAME)` one without, `bionet train NAME --data DATA` trains one."
        " `bionet.zoo.architectures` and `bionet.zoo.topologies` say more of sources.",
        "",
        "| network | image | layers | made of |",
        "|---|---|---|---|",
        *(
            f"| `{name}` | {_image(name)} | {_layers(name)} | {_parts(name)} |"
            for name in zoo.names()
        ),
        "",
        "Weights, with their accuracy on all test images (for `digits`, the held-out 1,000) and the"
        " command that made them:",
        "",
        "| weights | accuracy | size | command |",
        "|---|---|---|---|",
        *(_weights(name, data) for name in zoo.names() for data in zoo.entry(name).data),
    ]
    return "\n".join(lines) + "\n"


def _image(name: str) -> str:
    return " x ".join(str(n) for n in zoo.entry(name).input_shape)


def _layers(name: str) -> str:
    """The layers, from their description; or what the docstring begins with."""
    if name in TOPOLOGIES:
        return TOPOLOGIES[name].topology
    said = (inspect.getdoc(zoo.entry(name).make) or "").partition("\n")[0]
    first = said.partition(" ")[0]
    return first if "-" in first else re.sub(r" \[\d+\]_|\.$", "", said)


def _parts(name: str) -> str:
    """Activation, pooling, normalisation, dropout and biases, as its modules tell."""
    parts: dict[str, None] = {}
    for module in zoo.entry(name).make().modules():
        if isinstance(module, nn.LeakyReLU):
            parts[f"LeakyReLU {module.negative_slope:g}"] = None
        elif isinstance(module, nn.Dropout):
            parts[f"dropout {module.p:g}"] = None
        elif isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            parts["biases"] = None
        elif said := SAID.get(type(module)):
            parts[said] = None
    return ", ".join(sorted(parts, key=lambda part: (part == "biases", "ReLU" not in part)))


def _weights(name: str, data: str) -> str:
    path = zoo.shipped(name, data)
    told = zoo.provenance(path)
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    commands = ", then ".join(f"`{line}`" for line in (*told.get("before", ()), told["command"]))
    return f"| `{name}`, `{data}` | {100 * told['accuracy']:.2f} % | {size} | {commands} |"
