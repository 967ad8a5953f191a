"""Zhang et al. 2019 (DSNN): Table 2, Figs. 8 and 9, for LeNet-5 and cifar10_quick.

All thresholds come from Algorithm 1 on training images: one common sigma, then the greedy
refinement, by agreement with the network's own answers (accuracy on a few hundred labels is noisier
and chooses what fits just these). Uniform input of 100 Hz at most for 500 ms unless an item says
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from brian2 import ms
from torch import nn

import bionet
from bionet.conversion import fold_report
from bionet.network import SpikingNetwork
from bionet.reproduce.item import Item, Result, Row, Settings, accuracy, count

__all__ = ["ITEMS"]

# Network: data, test images in full and quick, and the paper's accuracies.
NETWORKS = {
    "lenet5": ("mnist", 10_000, 200),
    "cifar10_quick": ("cifar10", 2_000, 100),
}
PAPER = {
    "lenet5": {"original": 99.05, "adjusted": 99.04, "dsnn": 98.94, "fold": 99.02},
    "cifar10_quick": {"original": 75.00, "adjusted": 74.04, "dsnn": 73.40, "fold": 73.56},
}
SEARCH_IMAGES = 500
DRAIN = 50 * ms
# The fold with two additions of ours: rounding to nearest, and thresholds that fill the window.
FINER: dict[str, Any] = {"sigma": "window", "rounding": "nearest", "fill": 0.4, "drain": 100 * ms}
READOUTS = ("MP", "MS", "FS")


def converted(net: nn.Module, network: str, settings: Settings, **options: Any) -> SpikingNetwork:
    """A DSNN by Algorithm 1, searched on training images."""
    data = NETWORKS[network][0]
    images, _ = settings.calibration(data, 50 if settings.quick else SEARCH_IMAGES)
    return bionet.convert(net, "dsnn", images, **options)


def table(network: str) -> Callable[[Settings], Result]:
    """Table 2 for one network: original, adjusted, DSNN and fold."""

    def run(settings: Settings) -> Result:
        """Simulate both forms and count."""
        data, full, quick = NETWORKS[network]
        images, labels = settings.test(data, settings.number(full, quick))
        n, paper = len(labels), PAPER[network]
        net = settings.network(network, data)
        rows = []
        original = f"{network}_original"
        if original in settings.weights or data in bionet.zoo.entry(original).data:
            right = count(settings.network(original, data), images, labels)
            rows.append(accuracy("original network", right, n, paper["original"]))
        adjusted = count(net, images, labels)
        rows.append(accuracy("adjusted network", adjusted, n, paper["adjusted"]))
        base, spiking = rows[-1].value, len(rows)
        snn = converted(net, network, settings)
        plain = settings.simulate(snn, images)
        rows.append(accuracy("DSNN", plain.predictions("MP") == labels, None, paper["dsnn"]))
        notes = [f"sigma found by Algorithm 1 on training images: {_sigmas(snn)}"]
        folds = {
            "DSNN-fold": {"sigma": snn.origin.options["sigma"], "drain": DRAIN},
            "DSNN-fold, rounding to nearest": FINER,
        }
        for label, options in folds.items():
            folded = converted(net, network, settings, fold=True, **options)
            run = settings.simulate(folded, images)
            rows.append(accuracy(label, run.predictions("MP") == labels, None, paper["fold"]))
            few = images[:100]
            again = settings.simulate(folded, few, final_potentials=True)
            saturated = ", ".join(
                f"{row.population} {row.saturated}" for row in fold_report(folded, again, few)
            )
            notes.append(
                f"{label}: sigma {_sigmas(folded)}; units still above threshold at the end of"
                f" {len(few)} images: {saturated}"
            )
        losses = [
            f"loss of {row.label}: {base - row.value:.2f} points (paper:"
            f" {paper['adjusted'] - (row.paper or 0):.2f})"
            for row in rows[spiking:]
        ]
        return Result(tuple(rows), (*losses, *notes))

    return run


def _sigmas(snn: SpikingNetwork) -> str:
    return ", ".join(f"{name} {sigma:.3g}" for name, sigma in snn.origin.options["sigma"].items())


def each_network(
    settings: Settings, simulations: Callable[..., tuple[list[Row], list[str]]]
) -> Result:
    """Rows and notes for every network that there are weights for, the ANN's own first."""
    rows: list[Row] = []
    notes: list[str] = []
    for network in available(settings):
        data, full, quick = NETWORKS[network]
        images, labels = settings.test(data, settings.number(full, quick))
        net = settings.network(network, data)
        rows.append(accuracy(f"{network}, ANN", count(net, images, labels), len(labels)))
        snn = converted(net, network, settings, factors=())  # the best common sigma
        more, said = simulations(network, snn, images, labels, settings)
        rows += more
        notes += said
    return Result(tuple(rows), tuple(notes))


def readouts(settings: Settings) -> Result:
    """Fig. 8: maximal potential against most spikes, with the ties of the latter."""
    return each_network(settings, _each_readout)


def _each_readout(
    network: str, snn: SpikingNetwork, images: np.ndarray, labels: np.ndarray, settings: Settings
) -> tuple[list[Row], list[str]]:
    run = settings.simulate(snn, images)
    rows = [accuracy(f"{network}, {r}", run.predictions(r) == labels) for r in READOUTS]
    ties = ", ".join(f"{r} {int(run.ties(r).sum())}" for r in READOUTS)
    return rows, [f"{network}: ties that the readout cannot break: {ties}"]


def codings(settings: Settings) -> Result:
    """Fig. 9: Poisson against uniform input of the same rates."""
    return each_network(settings, _each_coding)


def _each_coding(
    network: str, snn: SpikingNetwork, images: np.ndarray, labels: np.ndarray, settings: Settings
) -> tuple[list[Row], list[str]]:
    net, rows = settings.network(network, NETWORKS[network][0]), []
    for coding in ("uniform", "poisson"):
        run = settings.simulate(snn, images, coding=coding)
        rows.append(accuracy(f"{network}, {coding}", run.predictions("MP") == labels))
        # What the trains tell of the pixels by their end, read by the network itself.
        most = run.parameters["max_rate_hz"] * run.n_steps * run.parameters["dt_ms"] / 1000
        told = (run.counts["input"] / most).astype(np.float32)
        right = count(net, told, labels)
        rows.append(accuracy(f"{network}, ANN on the rates of {coding} trains", right, len(labels)))
    return rows, []


def available(settings: Settings) -> list[str]:
    """The networks of this paper that there are weights for."""
    return [
        name
        for name, (data, *_) in NETWORKS.items()
        if name in settings.weights or data in bionet.zoo.entry(name).data
    ]


ITEMS = (
    Item("dsnn", "table2-mnist", "LeNet-5 on MNIST, four ways", "Table 2", table("lenet5")),
    Item(
        "dsnn", "table2-cifar10", "cifar10_quick on CIFAR-10, four ways", "Table 2",
        table("cifar10_quick"),
    ),
    Item("dsnn", "fig8", "readout by potential against readout by spikes", "Fig. 8", readouts),
    Item("dsnn", "fig9", "Poisson against uniform input", "Fig. 9", codings),
)  # fmt: skip
