r"""Layers of networks with leaky rectification: those of Yu et al. 2020, Table I.

.. math:: z = \max(h, 0) + s \min(h, 0), \qquad h = W x

=======  ====  ==========================================================
symbol   unit  meaning
=======  ====  ==========================================================
s        1     slope of the negative branch of the LeakyReLU, 0.01 but for one
``c3``   1     a convolution with 3 x 3 kernels, ``p2`` an average pooling
=======  ====  ==========================================================

=====  ==================================================================  =============
name   layers                                                              data
=====  ==================================================================  =============
net1   784-1200-1200-10                                                    MNIST
net2   12c5-p2-64c5-p2-10                                                  MNIST
net3   784-6400-10                                                         Fashion-MNIST
net4   32c5-p2-64c5-p2-1024-10                                             Fashion-MNIST
net5   128c3-128c3-p2-256c3-256c3-p2-512c3-512c3-p2-1024-10                CIFAR-10
net6   VGG-16: 2 of 64c3, 2 of 128c3, 3 of 256c3, 3 of 512c3, 3 of 512c3,  CIFAR-10
       p2 after each of the five; 512-512-10
=====  ==================================================================  =============

Three are ours, so that a processor trains them in an hour: ``net5_small`` is net5 with 3/8 of its
units, ``net5_quarter`` is net5 with 1/4 of its units, and ``net5_leaky`` is net5_quarter with a
slope of 0.3, so that its negative activations matter. The paper does not say which slope it has.

No layer has a bias. The 5 x 5 convolutions pad nothing, the 3 x 3 ones by one pixel. The paper's
CIFAR-10 networks have a dropout after every LeakyReLU that no pooling follows; so have
net5_quarter and net5_leaky. net5, net5_small and net6 have batch normalisation in its place, with
which they learn in a tenth of the epochs; the conversion folds it into the weights. The
paper does not say how VGG-16's fully connected layers are fitted to 32 x 32 pixels: 512 units
each are the usual choice and ours. Weights start as in [2]_, so that deep networks without
normalisation learn.

References
----------
.. [1] Q. Yu, C. Ma, S. Song, G. Zhang, J. Dang, K. C. Tan: Constructing accurate and efficient
   deep spiking neural networks with double-threshold and augmented schemes. IEEE TNNLS (2020),
   Table I.
.. [2] K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers. ICCV (2015).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import nn

__all__ = ["SLOPE", "TOPOLOGIES", "Topology", "layers", "maker"]

SLOPE = 0.01
VGG16 = (
    "64c3-64c3-p2-128c3-128c3-p2-256c3-256c3-256c3-p2-512c3-512c3-512c3-p2-512c3-512c3-512c3-p2"
    "-512-512-10"
)


class Topology(NamedTuple):
    """A network of the zoo; the fields are the arguments of `layers`."""

    topology: str
    channels: int
    height: int
    dropout: float = 0.0
    normalise: bool = False
    slope: float = SLOPE


QUARTER = "32c3-32c3-p2-64c3-64c3-p2-128c3-128c3-p2-256-10"
TOPOLOGIES: Mapping[str, Topology] = MappingProxyType(
    {
        "net1": Topology("1200-1200-10", 1, 28),
        "net2": Topology("12c5-p2-64c5-p2-10", 1, 28),
        "net3": Topology("6400-10", 1, 28),
        "net4": Topology("32c5-p2-64c5-p2-1024-10", 1, 28),
        "net5": Topology(
            "128c3-128c3-p2-256c3-256c3-p2-512c3-512c3-p2-1024-10", 3, 32, normalise=True
        ),
        "net5_small": Topology(
            "48c3-48c3-p2-96c3-96c3-p2-192c3-192c3-p2-384-10", 3, 32, normalise=True
        ),
        "net5_quarter": Topology(QUARTER, 3, 32, 0.1),
        "net5_leaky": Topology(QUARTER, 3, 32, 0.1, slope=0.3),
        "net6": Topology(VGG16, 3, 32, normalise=True),
    }
)


def maker(name: str) -> Callable[[], nn.Sequential]:
    """The function that makes a network of ``TOPOLOGIES``, untrained, in training mode."""
    return lambda: layers(**TOPOLOGIES[name]._asdict())


def layers(
    topology: str,
    channels: int,
    height: int,
    dropout: float = 0.0,
    normalise: bool = False,
    slope: float = SLOPE,
) -> nn.Sequential:
    """A chain of layers from its description, such as ``"12c5-p2-64c5-p2-10"``.

    Parameters
    ----------
    topology : str
        ``NcK`` is a convolution to N channels with K x K kernels, ``pK`` an average pooling of
        K x K units, ``N`` a fully connected layer; the last one gives the class scores.
    channels, height : int
        Of an image, which is square.
    dropout : float
        Probability, after every LeakyReLU that no pooling follows; 0 for none.
    normalise : bool
        Batch normalisation before every LeakyReLU.
    slope : float
        Of the LeakyReLU's negative branch.

    Returns
    -------
    torch.nn.Sequential
        From images (n, channels, height, height) to (n, classes).
    """
    parts = topology.split("-")
    made: OrderedDict[str, nn.Module] = OrderedDict()
    counts = dict.fromkeys(("conv", "pool", "fc", "norm", "act"), 0)

    def add(kind: str, module: nn.Module) -> None:
        counts[kind] += 1
        made[f"{kind}{counts[kind]}"] = module

    features = 0
    for number, part in enumerate(parts):
        pooled = number + 1 < len(parts) and parts[number + 1].startswith("p")
        if part.startswith("p"):
            add("pool", nn.AvgPool2d(int(part[1:])))
            height //= int(part[1:])
            continue
        if match := re.fullmatch(r"(\d+)c(\d+)", part):
            n_out, size = int(match[1]), int(match[2])
            padding = 1 if size == 3 else 0
            add("conv", nn.Conv2d(channels, n_out, size, padding=padding, bias=False))
            channels, height = n_out, height + 2 * padding - size + 1
            norm: nn.Module = nn.BatchNorm2d(n_out)
        else:
            if not features:
                made["flatten"] = nn.Flatten()
                features = channels * height**2
            add("fc", nn.Linear(features, int(part), bias=False))
            features = int(part)
            norm = nn.BatchNorm1d(features)
        if number + 1 < len(parts):
            if normalise:
                add("norm", norm)
            add("act", nn.LeakyReLU(slope))
            if dropout and not pooled:
                made[f"dropout{counts['act']}"] = nn.Dropout(dropout)
    net = nn.Sequential(made)
    _initialise(net, slope)
    return net


def _initialise(net: nn.Sequential, slope: float) -> None:
    """Weights that keep the variance from layer to layer; the last layer keeps PyTorch's own."""
    weighted = [m for m in net if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        for module in weighted[:-1]:
            nn.init.kaiming_normal_(module.weight, a=slope, nonlinearity="leaky_relu")
