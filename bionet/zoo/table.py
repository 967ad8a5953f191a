"""The table of the zoo: each network once, with its weights and the recipes that train it.

The learning rate of the digits' recipe was chosen on a fifth of its training images, held out. The
others take it over, with fewer epochs and smaller shifts for their more images. No test split chose
anything. A network without weights has a recipe of a size at which networks of its kind are trained
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from torch import nn

from bionet.zoo import architectures, branched, imagenet
from bionet.zoo.recipe import Recipe
from bionet.zoo.topologies import maker

__all__ = ["ENTRIES", "ZooEntry"]

DIGITS, PIXELS, PHOTOGRAPHS = (1, 28, 28), (3, 32, 32), (3, 224, 224)


@dataclass(frozen=True)
class ZooEntry:
    """A network of the zoo.

    Parameters
    ----------
    name : str
        What it is called.
    make : callable
        Makes the network, untrained, in training mode.
    input_shape : tuple (channels, height, width)
        One image.
    data : tuple of str
        Data sets that there are trained weights for; ``-rounded`` are for a temporal code,
        ``-qcfs`` have QCFS activations.
    recipes : mapping of str to Recipe
        How it is trained, by data set.
    """

    name: str
    make: Callable[[], nn.Module]
    input_shape: tuple[int, int, int]
    data: tuple[str, ...]
    recipes: Mapping[str, Recipe] = field(default_factory=dict)


MIRRORED = Recipe(epochs=15, augment=2, flip=True, channels_last=True)
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
NORMALISED = replace(MIRRORED, epochs=40, learning_rate=4e-3, weight_decay=0.05, augment=3)

TABLE = (
    ZooEntry(
        "lenet5",
        architectures.lenet5,
        DIGITS,
        ("digits", "mnist", "fashion-mnist"),
        {
            "digits": Recipe(epochs=30, batch_size=50, augment=2),
            "mnist": Recipe(epochs=9, augment=1),
            "fashion-mnist": Recipe(epochs=10, augment=1),
        },
    ),
    ZooEntry(
        "lenet5_original",
        architectures.lenet5_original,
        DIGITS,
        ("mnist",),
        {"mnist": Recipe(epochs=9, augment=1)},
    ),
    ZooEntry(
        "cifar10_quick", architectures.cifar10_quick, PIXELS, ("cifar10",), {"cifar10": MIRRORED}
    ),
    ZooEntry(
        "cifar10_quick_original",
        architectures.cifar10_quick_original,
        PIXELS,
        ("cifar10",),
        {"cifar10": MIRRORED},
    ),
    ZooEntry(
        "rueckauer",
        architectures.rueckauer,
        PIXELS,
        ("cifar10", "cifar10-rounded"),
        {"cifar10": replace(NORMALISED, epochs=32)},
    ),
    ZooEntry(
        "net1",
        maker("net1"),
        DIGITS,
        ("mnist",),
        {"mnist": Recipe(epochs=12, learning_rate=1e-3, augment=1)},
    ),
    ZooEntry("net2", maker("net2"), DIGITS, ("mnist",), {"mnist": Recipe(epochs=12, augment=1)}),
    ZooEntry(
        "net3",
        maker("net3"),
        DIGITS,
        (),
        # A single hidden layer learns shifted and mirrored images at the cost of the upright ones.
        {"fashion-mnist": Recipe(epochs=16, batch_size=200, learning_rate=1e-3)},
    ),
    ZooEntry(
        "net4",
        maker("net4"),
        DIGITS,
        ("fashion-mnist",),
        {"fashion-mnist": Recipe(epochs=16, augment=1, flip=True, channels_last=True)},
    ),
    ZooEntry("net5", maker("net5"), PIXELS, (), {"cifar10": DEEP}),
    ZooEntry(
        "net5_small",
        maker("net5_small"),
        PIXELS,
        ("cifar10",),
        {"cifar10": replace(NORMALISED, epochs=12, augment=2)},
    ),
    ZooEntry(
        "net5_quarter",
        maker("net5_quarter"),
        PIXELS,
        ("cifar10",),
        {"cifar10": replace(MIRRORED, epochs=10, learning_rate=1e-3)},
    ),
    ZooEntry(
        "net5_leaky",
        maker("net5_leaky"),
        PIXELS,
        ("cifar10",),
        {"cifar10": replace(MIRRORED, epochs=6, learning_rate=1e-3)},
    ),
    ZooEntry(
        "net6",
        maker("net6"),
        PIXELS,
        ("cifar10", "cifar10-qcfs"),
        {"cifar10": replace(DEEP, epochs=12)},
    ),
    ZooEntry(
        "shang",
        architectures.shang,
        PIXELS,
        ("cifar10",),
        {"cifar10": Recipe(epochs=14, augment=2, flip=True)},
    ),
    ZooEntry(
        "resnet20",
        branched.resnet20,
        PIXELS,
        ("cifar10",),
        {"cifar10": replace(NORMALISED, epochs=60, augment=4)},
    ),
    ZooEntry("mobile", branched.mobile, PIXELS, ("cifar10",), {"cifar10": NORMALISED}),
    ZooEntry("dense", branched.dense, PIXELS, ("cifar10",), {"cifar10": NORMALISED}),
    ZooEntry("unet", branched.unet, PIXELS, ("cifar10",), {"cifar10": NORMALISED}),
    ZooEntry("rows", branched.rows, DIGITS, ("mnist",), {"mnist": Recipe(epochs=9, augment=1)}),
    ZooEntry("alexnet", imagenet.alexnet, PHOTOGRAPHS, ()),
    ZooEntry("vgg16", imagenet.vgg16, PHOTOGRAPHS, ()),
)
ENTRIES: Mapping[str, ZooEntry] = MappingProxyType({network.name: network for network in TABLE})
"""Networks of the zoo by their names, with their input, shipped weights and recipes."""
