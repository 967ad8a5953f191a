"""One exact spike a unit: whether ``ttfs`` gives its network's answers to the last image.

The source network is computed in float64 beside it, as the spikes are: then two scores that are
equal to the last bit of float32 are told apart alike.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.reproduce.item import Item, Result, Row, Settings, accuracy, count
from bionet.results.costs import ADD, MULTIPLY, operations

__all__ = ["ITEMS", "first_spikes"]

BATCH = 100
QUICK = 50
OPTIONS = {"synapse": "falling"}
# Network, data, test images.
NETWORKS = (("lenet5", "mnist", 1_000), ("rueckauer", "cifar10", 200), ("resnet20", "cifar10", 200))


def lossless(network: str, data: str, images: int) -> Callable[[Settings], Result]:
    """Answers, scores, spikes and operations of a network in first spikes."""

    def run(settings: Settings) -> Result:
        """Simulate it once, beside the network in float64."""
        pixels, labels = settings.test(data, settings.number(images, QUICK))
        net = settings.network(network, data)
        calibration, _ = settings.calibration(data)
        rows, note = first_spikes(net, pixels, labels, calibration, settings)
        return Result(tuple(rows), (note,))

    return run


def first_spikes(
    net: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    calibration: np.ndarray,
    settings: Settings,
) -> tuple[list[Row], str]:
    """The accuracy of ``ttfs`` and of its network, what it costs, and how alike their answers are.

    Returns
    -------
    rows : list of Row
        Of ``ttfs`` first.
    note : str
    """
    snn = bionet.convert(net, "ttfs", calibration, **OPTIONS)
    run = settings.simulate(snn, images)
    double = copy.deepcopy(net).double().eval()
    with torch.no_grad():
        parts = torch.from_numpy(images).split(BATCH)
        scores = torch.cat([double(part.double()) for part in parts]).numpy()
    same = int((run.predictions() == scores.argmax(1)).sum())
    off = float(np.abs(run.values() - scores).max())
    beyond = np.zeros(len(labels), dtype=bool)
    for values in run.clipped.values():
        beyond |= np.asarray(values) > 0
    cost, n = operations(snn, run), len(labels)
    rows = [
        accuracy(f"ttfs, {run.n_steps} steps", run.predictions() == labels),
        accuracy("network, in float64", scores.argmax(1) == labels),
        Row("images with the network's own answer", same, n=n, unit=""),
        Row("largest difference of a score", off, n=n, unit=""),
        Row(
            "most spikes of a unit", float(max(c.max() for c in run.counts.values())), n=n, unit=""
        ),
        Row("operations over the network's", cost.total / cost.network, n=n, unit=""),
    ]
    return (
        rows,
        f"ttfs (float64): the network's own answer on {same:,} of {n:,} images, its scores to"
        f" {off:.1e}; {beyond.sum()} images have a value that was clipped",
    )


def energy(settings: Settings) -> Result:
    """What the ways of ``ttfs`` cost beside ``tdsnn``, and where that comes from."""
    images, labels = settings.test("mnist", settings.number(1_000, QUICK))
    net = settings.network("lenet5", "mnist")
    calibration, _ = settings.calibration("mnist")
    lines = [
        "| | accuracy | steps | operations / network | additions | products | updates | energy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, method, options in WAYS:
        snn = bionet.convert(net, method, calibration, **options)
        run = settings.simulate(snn, images)
        cost = operations(snn, run)
        right = 100 * float((run.predictions() == labels).mean())
        added, products = cost.additions + cost.ticks, cost.multiplications
        lines.append(
            f"| {name} | {right:.2f} % | {run.n_steps} | {cost.total / cost.network:.3f} |"
            f" {added / 1e6:.2f} M | {products / 1e6:.2f} M |"
            f" {(cost.total - added - products) / 1e6:.2f} M | {cost.energy:.2f} uJ |"
        )
    right = 100 * count(net, images, labels) / len(labels)
    notes = (
        f"{len(labels):,} test images; the network: {right:.2f} %,"
        f" {cost.network / 1e6:.2f} M operations, {cost.network_energy:.2f} uJ",
        f"energy: {ADD} pJ an addition, {MULTIPLY} pJ a multiplication (45 nm), an estimate",
        "updates: steps in which a leak, a slope or a ramp moves a potential",
    )
    return Result((), notes, text="\n".join(["", *lines]))


WAYS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("ttfs, exact, slopes", "ttfs", {"fold_pooling": False}),
    ("ttfs, exact, falling", "ttfs", {"fold_pooling": False, "synapse": "falling"}),
    *(
        (
            f"ttfs, rounded to tau/{steps}",
            "ttfs",
            {"fold_pooling": False, "interpolate": False, "tau": steps * ms},
        )
        for steps in (16, 32, 64)
    ),
    ("tdsnn, L = 4 steps", "tdsnn", {"leak": 4 * ms, "rounding": "nearest", "dtype": "float32"}),
)
ITEMS = (
    Item("ttfs", "energy", "operations and energy beside tdsnn", "ours", energy),
    *(
    Item("ttfs", f"{network}-{data}", f"{network} on {data} in one spike a unit", "ours",
         lossless(network, data, images))
    for network, data, images in NETWORKS
    ),
)  # fmt: skip
