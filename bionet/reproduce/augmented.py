"""Yu et al. 2020: Table II, the latency and events of AugMapping and TerMapping, Net1 to Net4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from brian2 import ms

import bionet
from bionet.curves import Curves, curves, join
from bionet.reproduce.item import Item, Result, Row, Settings, accuracy

__all__ = ["ITEMS", "NETWORKS"]

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
PART = 1000  # images simulated at a time, so that memory does not grow with their number


def table(network: str) -> Callable[[Settings], Result]:
    """Zero-loss latency and events of both methods for one network."""

    def run(settings: Settings) -> Result:
        """Simulate both methods and find where they lose nothing."""
        data, paper_accuracy, methods = NETWORKS[network]
        images, labels = settings.test(data, settings.number(10_000, 100))
        net = settings.network(network, data)
        rows: list[Row] = []
        found: dict[str, Curves] = {}
        for method, (steps, events, simulated) in methods.items():
            options: dict[str, Any] = {}
            if method == "termapping":
                options["calibration"] = settings.calibration(data, 2000)[0]
            snn = bionet.convert(net, method, input_shape=images.shape[1:], **options)
            curve = _curves(snn, net, images, labels, simulated, settings)
            if not rows:
                right = round(curve.ann_accuracy * len(labels))
                rows.append(accuracy("network", right, len(labels), paper_accuracy))
            right = round(float(curve.accuracy()[-1]) * len(labels))
            rows.append(accuracy(f"{method}, {simulated} steps", right, len(labels)))
            best = curve.early_decisions(rule="reached")[0]
            n = len(labels)
            if best.steps is not None:
                rows.append(Row(f"{method}, steps at 0 % loss", best.steps, steps, n=n, unit=""))
                million = float(best.events or 0) / 1e6
                rows.append(Row(f"{method}, million events", million, events, n=n, unit=""))
            found[method] = curve
        notes = ("latency: the first step with an accuracy no lower than the network's",)
        return Result(tuple(rows), notes, lambda: _draw(found))

    return run


def _curves(
    snn: bionet.SpikingNetwork,
    net: torch.nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    steps: int,
    settings: Settings,
) -> Curves:
    """Curves of all images, simulated part by part."""
    parts = []
    for start in range(0, len(images), PART):
        part = slice(start, start + PART)
        run = bionet.simulate(
            snn, images[part], steps * ms, seed=settings.seed, progress=settings.progress
        )
        with torch.no_grad():
            outputs = net(torch.from_numpy(images[part])).numpy()
        parts.append(curves(run, labels[part], outputs))
    return join(parts)


def _draw(found: dict[str, Curves]) -> Any:
    from bionet.figures import error_over_steps

    return error_over_steps(found)


ITEMS = tuple(
    Item("augmapping", name, f"{name} on {data}, both methods", "Table II and Fig. 2", table(name))
    for name, (data, *_) in NETWORKS.items()
)
