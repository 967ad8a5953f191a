"""Zhang et al. 2019 (TDSNN): accuracy, operations and time as functions of the leak."""

from __future__ import annotations

import copy
import dataclasses
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet import datasets
from bionet.conversion.preparing.temporal_activation import add_bias_neurons, temporal_network
from bionet.reproduce.item import Item, Result, Row, Settings, accuracy, count
from bionet.results.costs import operations
from bionet.results.early_exit import EarlyExit, early_exit
from bionet.train import train

__all__ = ["ITEMS", "LEAKS"]

LEAKS = (2, 5, 10, 20, 50)
EXIT_LEAK = 10
CALIBRATION_IMAGES = 2000
RATE = 1e-3  # largest learning rate of what is trained on
TUNING_RATE = RATE / 2  # and with the code in place
INPUT_GAIN = 16
WEIGHTS = "cifar10-rounded"  # of Rueckauer's network
COUNTED = (
    "operations: two for a multiply-accumulate of the network, one for an addition, a leak"
    " update or a tick; the paper's 42 % is its headline at a loss of at most 0.5 points"
)
Found = list[dict[str, float]]


class Way(NamedTuple):
    """One curve: a network for every leak, and how it is converted."""

    label: str
    options: Mapping[str, Any] = {}
    leaks: Sequence[float] = LEAKS
    networks: Mapping[float, nn.Module] = {}  # other than the one that all share


UP = Way("rounded up", {"rounding": "up", "bias_correction": False})
NEAREST = Way("to the nearest", {"rounding": "nearest", "bias_correction": False})
FINER = Way(
    "finer input",
    {
        **NEAREST.options,
        "input_gain": INPUT_GAIN,
        "bias_correction": True,
        "window": "dynamic",
    },
    (5, 8, 10, 12, 14, 20),
)
TUNED = Way("fine-tuned", {"mode": "finetune", "rounding": "up"}, (2, 5, 10))
ROUNDED = Way(
    "trained with rounding",
    {**NEAREST.options, "input_gain": INPUT_GAIN, "window": "dynamic"},
    (10, 13, 14, 20),
)


def leaks(settings: Settings) -> Result:
    """Accuracy and operations for several leaks, converted without training."""
    return _leaks(settings, settings.network("lenet5", "mnist"), "mnist", 10_000)


def max_pooling(settings: Settings) -> Result:
    """The same of LeNet-5 with max pooling, biases and a ReLU after each convolution.

    Caffe's has no ReLU there, and a spike codes no value below 0: it is trained on with them.
    """
    images, labels = settings.test("mnist", settings.number(10_000, 100))
    data, text = _training_images(settings, "mnist", 20_000)
    original = settings.network("lenet5_original", "mnist")
    before = accuracy("original network", count(original, images, labels), len(labels))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, layer in original.named_children():
        if isinstance(layer, nn.MaxPool2d):
            layers[f"{name}_relu"] = nn.ReLU()
        layers[name] = layer
    net = _trained_on(settings, nn.Sequential(layers), data, RATE)
    tuned = _tuned(settings, net, data)
    leaks = _leaks(settings, net, "mnist", 10_000, (UP, NEAREST, tuned))
    notes = (
        COUNTED,
        f"network: {text}, with a ReLU before each pooling",
        f"{TUNED.label}: {text} more, for each leak",
    )
    return dataclasses.replace(leaks, rows=(before, *leaks.rows), notes=notes)


def deep(settings: Settings) -> Result:
    """The same of Rueckauer's network, its batch normalisation folded into the weights.

    Two more curves, with pixels coded as finely as activations and windows that end with their
    last spike: biases corrected, and trained on with rounded values. None of it is in the paper.
    """
    net = settings.network("rueckauer", "cifar10")
    rounded = bionet.zoo.load("rueckauer", WEIGHTS)
    way = ROUNDED._replace(networks=dict.fromkeys(ROUNDED.leaks, rounded))
    leaks = _leaks(settings, net, "cifar10", 2_000, (UP, NEAREST, FINER, way))
    notes = (
        COUNTED,
        f"{FINER.label}: to the nearest, with input_gain={INPUT_GAIN}, bias_correction=True and"
        " window='dynamic'; no training",
        f"{ROUNDED.label}: the weights {WEIGHTS!r}, trained on for L = 13 steps with values to the"
        f" nearest (bionet train --activation rounded); input_gain={INPUT_GAIN}, window='dynamic'",
    )
    return dataclasses.replace(leaks, notes=notes)


def ways(settings: Settings) -> Result:
    """Both ways: converted as it is, and fine-tuned for each leak with the code in place."""
    net = settings.network("lenet5", "mnist")
    data, text = _training_images(settings, "mnist", 20_000)
    tuned = _tuned(settings, net, data)
    leaks = _leaks(settings, net, "mnist", 10_000, (Way("without training"), tuned))
    return dataclasses.replace(leaks, notes=(COUNTED, f"{TUNED.label}: {text}, for each leak"))


def exits(settings: Settings) -> Result:
    """Accuracy against time: an image is answered when one candidate is left."""
    images, labels = settings.test("mnist", settings.number(10_000, 100))
    net = settings.network("lenet5", "mnist")
    calibration, _ = settings.calibration("mnist", CALIBRATION_IMAGES)
    snn = bionet.convert(
        net, "tdsnn", calibration, leak=EXIT_LEAK * ms, readout="LS", rounding="nearest",
        bias_correction=False, dtype="float32",
    )  # fmt: skip
    run = settings.simulate(snn, images)
    answered = early_exit(run)
    rows = (
        accuracy("network", count(net, images, labels), len(labels)),
        accuracy("latest spike (LS)", run.predictions("LS") == labels),
        accuracy("early exit", answered.classes == labels),
        Row("steps of a presentation", float(run.n_steps), unit="", n=len(labels)),
        Row("mean step of the answer", float(answered.steps.mean()), unit="", n=len(labels)),
        Row("first answer", float(answered.steps.min()), unit="", n=len(labels)),
        Row("last answer", float(answered.steps.max()), unit="", n=len(labels)),
    )
    notes = (f"L = {EXIT_LEAK} steps, values rounded to the nearest step, no training",)
    return Result(
        rows, notes, {"figure": lambda: _draw_time(run, labels, answered, rows[0].value / 100)}
    )


def _leaks(
    settings: Settings,
    net: nn.Module,
    data: str,
    full: int,
    ways: Sequence[Way] = (UP, NEAREST),
) -> Result:
    """A network for all leaks, converted in several ways."""
    images, labels = settings.test(data, settings.number(full, 100))
    calibration, _ = settings.calibration(data, CALIBRATION_IMAGES)
    rows = [accuracy("network", count(net, images, labels), len(labels))]
    curves: dict[str, Found] = {}
    for way in ways:
        points: Found = []
        curves[way.label] = points
        for leak in way.leaks:
            row, saved = _run(settings, net, way, leak, calibration, images, labels)
            rows.append(row)
            loss = rows[0].value - row.value
            points.append({"L": leak, "loss": loss, "saved": saved, "n": len(labels)})
    rows += _saved(curves)
    return Result(tuple(rows), (COUNTED, "no training"), {"figure": lambda: _draw(curves)})


def _run(
    settings: Settings,
    net: nn.Module,
    way: Way,
    leak: float,
    calibration: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
) -> tuple[Row, float]:
    """Accuracy of a network for one leak, and the operations that it saves, %."""
    # In float32 values on the edges of steps, of which there are none here, would be off.
    options: dict[str, Any] = dict(way.options)
    if options.get("rounding") == "nearest":
        options["dtype"] = "float32"
    trained = way.networks.get(leak, net)
    snn = bionet.convert(trained, "tdsnn", calibration, leak=leak * ms, **options)
    run = settings.simulate(snn, images)
    row = accuracy(f"L = {leak} steps, {way.label}", run.predictions() == labels)
    return row, 100 * operations(snn, run).saved


def _saved(curves: Mapping[str, Found]) -> list[Row]:
    return [
        Row(f"operations saved, L = {row['L']:g}, {label}", row["saved"], n=int(row["n"]))
        for label, rows in curves.items()
        for row in rows
    ]


def _training_images(settings: Settings, data: str, full: int) -> tuple[datasets.Dataset, str]:
    """Training images, drawn by the seed, and what is done with them."""
    train = datasets.load(data, "train", settings.data_dir)
    n = 2_000 if settings.quick else full
    some = np.random.default_rng(settings.seed).permutation(len(train.labels))[:n]
    part = dataclasses.replace(train, images=train.images[some], labels=train.labels[some])
    return part, f"trained on for one epoch of {n:,} images"


def _trained_on(
    settings: Settings, net: nn.Module, data: datasets.Dataset, rate: float
) -> nn.Module:
    """The network after one more epoch; its own mode is that of evaluation."""
    with torch.random.fork_rng(devices=[]):
        train(
            net.train(), data, data, seed=settings.seed, epochs=1, learning_rate=rate,
            progress=settings.progress,
        )  # fmt: skip
    return net.eval()


def _tuned(settings: Settings, net: nn.Module, data: datasets.Dataset) -> Way:
    """The paper's way: a copy of the network for each leak, trained on with the code in place."""
    networks: dict[float, nn.Module] = {}
    for leak in TUNED.leaks:
        networks[leak] = copied = copy.deepcopy(net)
        add_bias_neurons(copied, leak)
        _trained_on(settings, temporal_network(copied, leak), data, TUNING_RATE)
        copied.eval()
    return TUNED._replace(networks=networks)


def _draw(curves: Mapping[str, Found]) -> Any:
    from bionet.figures import loss_and_operations

    return loss_and_operations(curves)


def _draw_time(run: bionet.Recording, labels: np.ndarray, answered: EarlyExit, share: float) -> Any:
    from bionet.figures import accuracy_over_time

    return accuracy_over_time(run, labels, readouts=("MP",), ann_accuracy=share, early=answered)


SOURCE = "Section 1, the headline"
ITEMS = (
    Item("tdsnn", "leaks", "LeNet-5 on MNIST for several leaks", SOURCE, leaks),
    Item("tdsnn", "max", "LeNet-5 with max pooling for several leaks", SOURCE, max_pooling),
    Item("tdsnn", "deep", "Rueckauer's network on CIFAR-10 for several leaks", SOURCE, deep),
    Item("tdsnn", "ways", "LeNet-5 on MNIST, with and without training", SOURCE, ways),
    Item("tdsnn", "exit", "LeNet-5 on MNIST: accuracy against time", "Section 3", exits),
)
