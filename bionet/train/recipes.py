"""How networks are trained: settings, learning rate and random shifts.

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
e         ``label_smoothing``: the target is 1 - e + e / n for    1
          the right one of n classes, e / n for the others [2]_
========  ====================================================  =================

References
----------
.. [1] L. N. Smith, N. Topin: Super-convergence. arXiv:1708.07120 (2017).
.. [2] C. Szegedy et al.: Rethinking the Inception architecture for computer vision. CVPR (2016).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch.nn.functional import pad

from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["RECIPES", "Recipe", "flip_randomly", "one_cycle", "recipe_for", "shift_randomly"]

WARM_UP = 0.25


@typed
@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        Images a step.
    learning_rate : float
        Largest rate of the cycle.
    weight_decay : float
        AdamW's decay of weights, a fraction per unit of learning rate.
    augment : int
        Largest random shift of a training image, pixels.
    flip : bool
        Mirror half of the images left to right.
    channels_last : bool
        Train in PyTorch's channels-last memory format, which is faster on some processors; the
        sums, and so the weights, then differ in their last bits.
    label_smoothing : float
        Share in [0, 1) of the target that is spread over all classes.
    precision : {"float32", "bfloat16"}
        Type of the products in the forward and backward pass. Weights, sums of the optimiser and
        the loss stay float32. bfloat16 is about twice as fast on processors that multiply it
        (AVX-512 BF16, AMX) and on GPUs, and slower on others.

    Raises
    ------
    InputError
        If a setting is out of range.
    """

    epochs: int
    batch_size: int = 100
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    augment: int = 0
    flip: bool = False
    channels_last: bool = False
    label_smoothing: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("augment", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name}: expected an integer >= {least}, got {value!r}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"learning_rate: expected a number > 0, got {self.learning_rate!r}")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise InputError(f"weight_decay: expected a number >= 0, got {self.weight_decay!r}")
        if not 0 <= self.label_smoothing < 1:
            raise InputError(
                f"label_smoothing: expected a number in [0, 1), got {self.label_smoothing!r}"
            )
        if self.precision not in ("float32", "bfloat16"):
            raise InputError(f"precision: expected float32 or bfloat16, got {self.precision!r}")


# The deep networks of Yu et al.: as many epochs as a processor trains in some hours.
DEEP = Recipe(
    epochs=16,
    batch_size=125,
    learning_rate=3e-3,
    weight_decay=0.1,
    augment=4,
    flip=True,
    channels_last=True,
    label_smoothing=0.1,
    precision="bfloat16",
)
# Digits: chosen on a fifth of its training images, held out. The others take over the learning
# rate, with fewer epochs and smaller shifts for their more images. No test split chose anything.
RECIPES: Mapping[tuple[str, str], Recipe] = MappingProxyType(
    {
        ("lenet5", "digits"): Recipe(epochs=30, batch_size=50, augment=2),
        ("lenet5", "mnist"): Recipe(epochs=9, augment=1),
        ("lenet5", "fashion-mnist"): Recipe(epochs=10, augment=1),
        ("lenet5_original", "mnist"): Recipe(epochs=9, augment=1),
        ("cifar10_quick_original", "cifar10"): Recipe(
            epochs=15, augment=2, flip=True, channels_last=True
        ),
        ("cifar10_quick", "cifar10"): Recipe(epochs=15, augment=2, flip=True, channels_last=True),
        ("rueckauer", "cifar10"): Recipe(
            epochs=32,
            learning_rate=4e-3,
            weight_decay=0.05,
            augment=3,
            flip=True,
            channels_last=True,
        ),
        ("net1", "mnist"): Recipe(epochs=12, learning_rate=1e-3, augment=1),
        ("net2", "mnist"): Recipe(epochs=12, augment=1),
        # A single hidden layer learns shifted and mirrored images at the cost of the upright ones.
        ("net3", "fashion-mnist"): Recipe(epochs=16, batch_size=200, learning_rate=1e-3),
        ("net4", "fashion-mnist"): Recipe(epochs=16, augment=1, flip=True, channels_last=True),
        ("net5", "cifar10"): DEEP,
        ("net5_small", "cifar10"): Recipe(
            epochs=12,
            learning_rate=4e-3,
            weight_decay=0.05,
            augment=2,
            flip=True,
            channels_last=True,
        ),
        **{
            (name, "cifar10"): Recipe(
                epochs=epochs, learning_rate=1e-3, augment=2, flip=True, channels_last=True
            )
            for name, epochs in (("net5_quarter", 10), ("net5_leaky", 6))
        },
        ("net6", "cifar10"): dataclasses.replace(DEEP, epochs=12),
        ("shang", "cifar10"): Recipe(epochs=14, augment=2, flip=True),
        # Of a size at which networks of these kinds are trained elsewhere; only rows was trained.
        ("resnet20", "cifar10"): Recipe(
            epochs=60,
            learning_rate=4e-3,
            weight_decay=0.05,
            augment=4,
            flip=True,
            channels_last=True,
        ),
        **{
            (name, "cifar10"): Recipe(
                epochs=40,
                learning_rate=4e-3,
                weight_decay=0.05,
                augment=3,
                flip=True,
                channels_last=True,
            )
            for name in ("mobile", "dense", "unet")
        },
        ("rows", "mnist"): Recipe(epochs=9, augment=1),
    }
)


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
