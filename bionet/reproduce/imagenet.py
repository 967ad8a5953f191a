"""Zhang et al. 2019 (DSNN), Table 2 for AlexNet and VGG-16, where ImageNet and weights are at hand.

Neither comes with BioNet. ``--data-dir`` is a folder with ImageNet's validation photos
(:mod:`bionet.image_folder`), ``--weights alexnet=FILE`` a state_dict with torchvision's names. The
paper's adjusted network (average poolings, no biases) is trained again:
``--weights alexnet-adjusted=FILE`` are weights of
``bionet.conversion.adjust(bionet.zoo.load("alexnet"))``. Without them the original weights are
adjusted and not trained, and the rows say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from brian2 import ms
from torch import nn

import bionet
from bionet import zoo
from bionet.conversion import adjust
from bionet.errors import InputError
from bionet.image_folder import ImageFolder
from bionet.reproduce.item import Item, Result, Row, Settings, accuracy, count

__all__ = ["ITEMS"]

PAPER: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "alexnet": {"original": 57.26, "adjusted": 55.97, "dsnn": 54.94, "fold": 55.55},
        "vgg16": {"original": 71.50, "adjusted": 69.13, "dsnn": 65.71, "fold": 68.10},
    }
)
CLASSES = 1000
CALIBRATION_PHOTOS = 16
DURATION, QUICK_DURATION = 500 * ms, 100 * ms
# Searching a threshold for each layer would take days: one common sigma, and the busiest units of
# a fold fill their windows.
PLAIN: Mapping[str, Any] = MappingProxyType({"factors": ()})
FOLD: Mapping[str, Any] = MappingProxyType(
    {"fold": True, "sigma": "window", "rounding": "nearest", "fill": 0.4, "drain": 50 * ms}
)


def table(settings: Settings) -> Result:
    """Table 2 for every network that weights were given of."""
    given = [name for name in PAPER if {name, f"{name}-adjusted"} & set(settings.weights)]
    if not given:
        raise InputError(
            "table2-imagenet: no weights given, and BioNet has none; pass a state_dict with"
            " torchvision's names, such as --weights alexnet=alexnet-owt-7be5be79.pth or --weights"
            " vgg16=FILE.safetensors"
        )
    photos = ImageFolder.find(settings.data_dir, CLASSES)
    rows: list[Row] = []
    notes: list[str] = []
    for name in given:
        more, said = _network(name, photos, settings)
        rows += more
        notes += said
    return Result(tuple(rows), tuple(notes))


def _network(name: str, photos: ImageFolder, settings: Settings) -> tuple[list[Row], list[str]]:
    """Rows and notes of one network."""
    size, n = zoo.entry(name).input_shape[1], settings.number(50, 2)
    images, labels = photos.some(n, size, settings.seed)
    few = photos.some(4 if settings.quick else CALIBRATION_PHOTOS, size, settings.seed, skip=n)[0]
    duration = QUICK_DURATION if settings.quick else DURATION
    rows: list[Row] = []
    notes = [
        f"{name}: {len(labels)} of {len(photos.paths)} photos, drawn by the seed; calibrated with"
        f" {len(few)} others"
    ]

    def simulated(net: nn.Module, label: str, paper: float, options: Mapping[str, Any]) -> None:
        snn = bionet.convert(net, "dsnn", few, duration=duration, **options)
        run = settings.simulate(snn, images)
        rows.append(accuracy(f"{name}, {label}", run.predictions("MP") == labels, None, paper))
        steps = int(np.max(run.n_steps))
        notes.append(f"{name}, {label}: {steps} steps a photo, {len(snn.populations)} populations")

    paper, kind = PAPER[name], ""
    if name in settings.weights:
        net = zoo.load(name, settings.weights[name])
        right = count(net, images, labels)
        rows.append(accuracy(f"{name}, original network", right, len(labels), paper["original"]))
    if (file := settings.weights.get(f"{name}-adjusted")) is not None:
        net = adjust(zoo.load(name))
        zoo.load_weights(net, file)
    else:
        net, kind = adjust(net), ", not trained again"
        notes.append(
            f"{name}: adjusted weights lose much until they are trained again; pass those by"
            f" --weights {name}-adjusted=FILE"
        )
    net.eval()
    right = count(net, images, labels)
    rows.append(accuracy(f"{name}, adjusted{kind}", right, len(labels), paper["adjusted"]))
    simulated(net, f"DSNN{kind}", paper["dsnn"], PLAIN)
    simulated(net, f"DSNN-fold{kind}", paper["fold"], FOLD)
    return rows, notes


ITEMS = (
    Item(
        "dsnn", "table2-imagenet", "AlexNet and VGG-16 on your ImageNet", "Table 2", table,
        alone=True,
    ),
)  # fmt: skip
