"""How networks are trained: learning rate and random shifts.

The learning rate of step k of K follows one cycle [1]_, with s = k / K:

    rate(s) = r_max ((1 - c(s / p)) + c(s / p) / 25)     for s < p       c(x) = (1 + cos(pi x)) / 2
    rate(s) = r_max c((s - p) / (1 - p))                 for s >= p

========  ====================================================  =================
symbol    meaning                                               unit
========  ====================================================  =================
r_max     largest learning rate (``learning_rate``)             1
K         steps (batches) in all epochs                         1
p         share of the training spent warming up, 0.25          1
augment   largest random shift of a training image, each way    pixels
flip      mirror half of the training images left to right      -
erase     side of a square of each image that becomes its mean  pixels
          of each channel [3]_
e         ``label_smoothing``: the target is 1 - e + e / n for    1
          the right one of n classes, e / n for the others [2]_
========  ====================================================  =================

References
----------
.. [1] L. N. Smith, N. Topin: Super-convergence. arXiv:1708.07120 (2017).
.. [2] C. Szegedy et al.: Rethinking the Inception architecture for computer vision. CVPR (2016).
.. [3] T. DeVries, G. W. Taylor: Improved regularization of convolutional neural networks with
   Cutout. arXiv:1708.04552 (2017).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch.nn.functional import pad

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.zoo.recipe import Recipe
from bionet.zoo.table import ENTRIES

__all__ = [
    "RECIPES",
    "Recipe",
    "erase_randomly",
    "flip_randomly",
    "one_cycle",
    "recipe_for",
    "shift_randomly",
]

WARM_UP = 0.25


RECIPES: Mapping[tuple[str, str], Recipe] = MappingProxyType(
    {(name, data): recipe for name, e in ENTRIES.items() for data, recipe in e.recipes.items()}
)
"""The recipes of the zoo's networks by network and data set."""


def recipe_for(network: str, data: str) -> Recipe:
    """The recipe for a network of the zoo and a data set.

    Raises
    ------
    InputError
        If there is none.
    """
    if (network, data) not in RECIPES:
        pairs = ", ".join(f"{net} on {name}" for net, name in RECIPES)
        raise InputError(f"training: expected one of {pairs}, got {network} on {data}")
    return RECIPES[network, data]


@typed
def one_cycle(fraction: float, max_rate: float) -> float:
    """Learning rate at a fraction in [0, 1] of the training; see the module's equation."""
    if fraction < WARM_UP:
        falling = (1 + math.cos(math.pi * fraction / WARM_UP)) / 2
        return max_rate * ((1 - falling) + falling / 25)
    return max_rate * (1 + math.cos(math.pi * (fraction - WARM_UP) / (1 - WARM_UP))) / 2


@typed
def erase_randomly(images: torch.Tensor, side: int, generator: torch.Generator) -> torch.Tensor:
    """Set a square of each image to the image's mean of each channel.

    Parameters
    ----------
    images : tensor (n, channels, height, width)
        They stay as they are.
    side : int
        Pixels; part of the square may lie outside the image.
    generator : torch.Generator
        On the CPU; the square's centre is equally likely at every pixel.

    Returns
    -------
    tensor (n, channels, height, width)
    """
    n, _, height, width = images.shape
    inside = []
    for length in (height, width):
        first = torch.randint(length, (n, 1), generator=generator) - side // 2
        pixel = torch.arange(length)
        inside.append((first <= pixel) & (pixel < first + side))
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return torch.where(square, images.mean((2, 3), keepdim=True), images)


@typed
def flip_randomly(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror each image left to right with probability 1/2, tensor (n, ..., width)."""
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    mirrored = mirrored.reshape(-1, *[1] * (images.ndim - 1))
    return torch.where(mirrored, images.flip(-1), images)


@typed
def shift_randomly(
    images: torch.Tensor, max_shift: int, generator: torch.Generator
) -> torch.Tensor:
    """Shift each image by up to ``max_shift`` pixels along both axes; what moves in is 0.

    Parameters
    ----------
    images : tensor (n, channels, height, width)
        They stay as they are.
    max_shift : int
        Pixels.
    generator : torch.Generator
        On the CPU; all shifts are equally likely.

    Returns
    -------
    tensor (n, channels, height, width)
    """
    n, _, height, width = images.shape
    windows = pad(images, [max_shift] * 4).unfold(2, height, 1).unfold(3, width, 1)
    down, right = torch.randint(2 * max_shift + 1, (2, n), generator=generator)
    return windows[torch.arange(n), :, down, right]
