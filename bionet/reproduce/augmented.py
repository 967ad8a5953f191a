"""Yu et al. 2020: Tables III and IV, Figs. 2 to 7, Net5 of Section III-E, and Net6.

AugMapping stands beside TerMapping. A run of either method gives, for every image and step, its
answer, events and similarity (:mod:`bionet.results.curves`); latency, events and all figures
follow from them. Of Net5 and its smaller sisters there is AugMapping alone, with and without
negative thresholds, and of Net6, VGG-16, TerMapping too.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from brian2 import ms

import bionet
from bionet import figures
from bionet.reproduce.item import Item, Result, Row, Settings, accuracy, count
from bionet.results.curves import Curves, curves, join
from bionet.running.memory import peak_memory

__all__ = ["BOUNDS", "DEEP", "ITEMS", "NETWORKS"]

# Network: data, ANN %, (steps, million events) at zero loss of TerMapping and of AugMapping, and
# the steps that are simulated here for either.
NETWORKS: dict[str, tuple[str, float, dict[str, tuple[int, float, int]]]] = {
    "net1": ("mnist", 98.77, {"termapping": (750, 0.03, 800), "augmapping": (46, 0.02, 100)}),
    "net2": ("mnist", 99.35, {"termapping": (750, 0.28, 800), "augmapping": (65, 0.11, 120)}),
    "net3": (
        "fashion-mnist", 90.18, {"termapping": (1500, 0.05, 1600), "augmapping": (37, 0.03, 100)},
    ),
    "net4": (
        "fashion-mnist", 92.11, {"termapping": (2900, 2.45, 3000), "augmapping": (220, 0.68, 300)},
    ),
}  # fmt: skip
# Table IV: how many times fewer steps, and events, augmapping needs at a loss.
REDUCTIONS: dict[str, dict[str, tuple[float, float]]] = {
    "net1": {"<1 %": (33, 2.8), "<0.1 %": (13.8, 1.3), "0 %": (16.3, 1.5)},
    "net2": {"<1 %": (11, 2.9), "<0.1 %": (15.8, 3.9), "0 %": (11.5, 2.7)},
    "net3": {"<1 %": (42.5, 1.9), "<0.1 %": (30.9, 1.1), "0 %": (40.5, 1.4)},
    "net4": {"<1 %": (3.1, 0.8), "<0.1 %": (3.1, 0.8), "0 %": (13.2, 3.6)},
}
GAIN = 4
AMPLIFIED = f"augmapping, gain {GAIN}"
NO_NEGATIVES = "augmapping without negative spikes"


@dataclass(frozen=True)
class Deep:
    """A deep network: the paper's accuracies in %, and steps and accuracy of each method."""

    network: float
    methods: Mapping[str, tuple[int, float | None]]
    rectified: float | None = None  # with its negative activations set to 0


# The smaller sisters of net5 stand beside its numbers.
NET5 = Deep(94.13, {"augmapping": (300, 93.90), NO_NEGATIVES: (300, 35.4)}, 35.55)
NET6 = Deep(
    93.42,
    {"augmapping": (1100, 93.29), NO_NEGATIVES: (1100, None), "termapping": (4400, 92.30)},
)
DEEP = {"net5_small": NET5, "net5_quarter": NET5, "net5_leaky": NET5, "net5": NET5, "net6": NET6}
PART = 1000  # images simulated at a time, so that memory does not grow with their number
DEEP_PART = 200
BOUNDS = (1, 2, 4, 8, 16, 32)  # M_aug, the largest size of a spike
BOUND_IMAGES = 1000


def item(network: str) -> Callable[[Settings], Result]:
    """Latency, events and similarity of both methods for one network, and bounds of a spike."""

    def run(settings: Settings) -> Result:
        """Simulate both methods and find where they lose nothing."""
        data, paper_accuracy, methods = NETWORKS[network]
        images, labels = settings.test(data, settings.number(10_000, 100))
        net, n = settings.network(network, data), len(labels)
        rows: list[Row] = []
        curves_by_method: dict[str, Curves] = {}
        options: dict[str, dict[str, Any]] = {
            "termapping": {"calibration": settings.calibration(data, 2000)[0]},
            AMPLIFIED: {"gain": GAIN},
        }
        for method, (steps, events, simulated) in (
            methods | {AMPLIFIED: methods["augmapping"]}
        ).items():
            snn = bionet.convert(
                net, method.partition(",")[0], input_shape=images.shape[1:],
                **options.get(method, {}),
            )  # fmt: skip
            curve = _curves(snn, net, images, labels, simulated, settings)
            if not rows:
                right = round(curve.ann_accuracy * n)
                rows.append(accuracy("network", right, n, paper_accuracy))
            right = round(float(curve.accuracy()[-1]) * n)
            rows.append(accuracy(f"{method}, {simulated} steps", right, n))
            similarity = float(curve.similarity[:, -1].mean(dtype=np.float64))
            rows.append(Row(f"{method}, similarity at the end", similarity, n=n, unit=""))
            rows += _decisions(method, curve, steps, events)
            curves_by_method[method] = curve
        rows += reductions(network, rows)
        relative, bounded = _bounds(net, curves_by_method["augmapping"], images, labels, settings)
        notes = (
            "latency: the first step with an accuracy no lower than the network's",
            f"gain: {AMPLIFIED} has all activations {GAIN} times as large (not in the paper)",
            f"M: largest size of a spike of augmapping; the first {min(n, BOUND_IMAGES):,} images",
        )
        return Result((*rows, *bounded), notes, drawings(network, curves_by_method, relative))

    return run


def _decisions(method: str, curve: Curves, steps: int | None, events: float | None) -> list[Row]:
    """Steps and events at every allowed loss; the paper's are those at none."""
    rows, n = [], curve.n_images
    for best in curve.early_decisions(rule="reached"):
        if best.steps is None:
            continue
        none = best.loss == "0 %"
        rows.append(
            Row(f"{method}, steps at {best.loss} loss", best.steps, steps if none else None,
                n=n, unit="")
        )  # fmt: skip
        million = float(best.events or 0) / 1e6
        rows.append(
            Row(f"{method}, million events at {best.loss} loss", million,
                events if none else None, n=n, unit="")
        )  # fmt: skip
    return rows


def reductions(network: str, rows: Sequence[Row]) -> list[Row]:
    """Steps and events of termapping over those of augmapping, where both reach an accuracy."""
    by_label = {row.label: row for row in rows}
    lines = []
    for loss, papers in REDUCTIONS[network].items():
        for what, paper in zip(("steps", "million events"), papers, strict=True):
            ter, aug = (by_label.get(f"{m}, {what} at {loss} loss") for m in NETWORKS[network][2])
            if ter and aug and aug.value:
                label = f"{what.split()[-1]} of termapping over augmapping at {loss} loss"
                lines.append(Row(label, ter.value / aug.value, paper, n=ter.n, unit=""))
    return lines


def _bounds(
    net: torch.nn.Module,
    unbounded: Curves,
    images: np.ndarray,
    labels: np.ndarray,
    settings: Settings,
) -> tuple[list[float], list[Row]]:
    """Accuracy of augmapping with bounded spikes, over that without a bound, for every bound."""
    some = slice(BOUND_IMAGES)
    images, labels = images[some], labels[some]
    whole = int((unbounded.predictions[some, -1] == labels).sum())
    relative, rows = [], []
    for bound in BOUNDS:
        snn = bionet.convert(net, "augmapping", input_shape=images.shape[1:], bound=bound)
        curves = _curves(snn, net, images, labels, unbounded.n_steps, settings)
        right = round(float(curves.accuracy()[-1]) * len(labels))
        relative.append(right / max(whole, 1))
        rows.append(accuracy(f"augmapping, M = {bound}", right, len(labels)))
    return relative, rows


def drawings(
    network: str, curves_by_method: Mapping[str, Curves], relative: list[float]
) -> dict[str, Callable[[], Any]]:
    """The six figures of the paper by their names."""
    return {
        "error_over_steps": lambda: figures.error_over_steps(curves_by_method),
        "error_over_events": lambda: figures.error_over_events(curves_by_method),
        "early_decision_steps": lambda: figures.early_decision(curves_by_method, "steps"),
        "early_decision_events": lambda: figures.early_decision(curves_by_method, "events"),
        "similarity": lambda: figures.similarity(curves_by_method),
        "accuracy_against_bound": lambda: figures.accuracy_against(BOUNDS, {network: relative}),
    }


def _curves(
    snn: bionet.SpikingNetwork,
    net: torch.nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    steps: int,
    settings: Settings,
    size: int = PART,
) -> Curves:
    """Curves of all images, simulated part by part."""
    parts = []
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        run = settings.simulate(snn, images[part], steps * ms)
        parts.append(curves(run, labels[part], scores(net, images[part])))
    return join(parts)


def scores(net: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """A network's outputs, array (n, classes)."""
    with torch.no_grad():
        return np.concatenate([net(part).numpy() for part in torch.from_numpy(images).split(100)])


def deep(network: str) -> Callable[[Settings], Result]:
    """A deep network for CIFAR-10: accuracy after the paper's steps, by each method."""

    def run(settings: Settings) -> Result:
        """Simulate each method and compare."""
        paper = DEEP[network]
        images, labels = settings.test("cifar10", settings.number(1000, 20))
        net, n = settings.network(network, "cifar10"), len(labels)
        curves_by_label: dict[str, Curves] = {}
        speeds = []
        for label, (steps, _) in paper.methods.items():
            options: dict[str, Any] = {"negative_spikes": False} if label == NO_NEGATIVES else {}
            method, seen = label.partition(" ")[0], None
            if method == "termapping":
                seen, _ = settings.calibration("cifar10")
            snn = bionet.convert(net, method, seen, images.shape[1:], **options)
            before = time.perf_counter()
            curves_by_label[label] = _curves(snn, net, images, labels, steps, settings, DEEP_PART)
            speeds.append(f"{label}: {n / (time.perf_counter() - before):.2f} images/s")
        whole = accuracy("network", count(net, images, labels), n, paper.network)
        rows = [whole]
        for label, curve in curves_by_label.items():
            right = round(float(curve.accuracy()[-1]) * n)
            steps, reached = paper.methods[label]
            rows.append(accuracy(f"{label}, {steps} steps", right, n, reached))
        right = count(rectified(net), images, labels)
        rows.append(accuracy("network without negative activations", right, n, paper.rectified))
        for label in curves_by_label:
            if label != NO_NEGATIVES:
                rows += _decisions(label, curves_by_label[label], None, None)
        reached = paper.methods["augmapping"][1] or 0.0
        notes = (
            f"loss of augmapping: {whole.value - rows[1].value:.2f} points (paper:"
            f" {paper.network - reached:.2f}, of {'net6' if paper is NET6 else 'net5'})",
            "; ".join(speeds) + " (compilation and evaluation included)",
            "peak memory: {:.2f} GiB of this process, {:.2f} GiB of the largest simulation".format(
                *peak_memory()
            ),
        )
        return Result(
            tuple(rows),
            notes,
            {"error_over_steps": lambda: figures.error_over_steps(curves_by_label)},
        )

    return run


def rectified(net: torch.nn.Module) -> torch.nn.Module:
    """A copy of a network in which every LeakyReLU is a ReLU."""
    copied = copy.deepcopy(net)
    for module in copied.modules():
        if isinstance(module, torch.nn.LeakyReLU):
            module.negative_slope = 0.0
    return copied


ITEMS = (
    *(
        Item(
            "augmapping", name, f"{name} on {data}, both methods",
            "Tables III, IV, Figs. 2-7",
            item(name),
        )
        for name, (data, *_) in NETWORKS.items()
    ),
    *(
        Item(
            "augmapping", name, f"{name} on CIFAR-10", "Table III, Section III-E",
            deep(name),
        )
        for name in DEEP
    ),
)  # fmt: skip
