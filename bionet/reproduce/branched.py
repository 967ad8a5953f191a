"""Networks whose branches meet, on real data: ``rate`` and ``augmapping`` beside the network.

The networks are those of :mod:`bionet.zoo.branched`: residual with padded shortcuts, inverted
residual with ReLU6, dense, U-shaped, and one of rows. Each is converted twice from its training
images alone; the steps are those after which the answers no longer change much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from brian2 import ms

import bionet
from bionet.reproduce.item import Item, Result, Row, Settings, accuracy, count
from bionet.results.latency import latency

__all__ = ["ITEMS", "NETWORKS", "Branched"]

FULL, QUICK, AUDITED = 1_000, 50, 20
WITHIN = 0.005  # half a point


@dataclass(frozen=True)
class Branched:
    """A network of the zoo, the data that it reads, and the steps of each method."""

    network: str
    data: str
    rate: int
    augmapping: int

    def conversions(self) -> tuple[tuple[str, dict[str, Any], int], ...]:
        """Method, options and steps."""
        return (
            ("rate", {"preset": "fast", "steps": self.rate}, self.rate),
            ("augmapping", {}, self.augmapping),
        )


NETWORKS = (
    Branched("resnet20", "cifar10", rate=64, augmapping=300),
    Branched("mobile", "cifar10", rate=64, augmapping=300),
    Branched("dense", "cifar10", rate=64, augmapping=300),
    Branched("unet", "cifar10", rate=64, augmapping=300),
    Branched("rows", "mnist", rate=32, augmapping=100),
)


def converted(network: Branched) -> Callable[[Settings], Result]:
    """Answers by both methods, how soon they are the network's, and what the audit says."""

    def run(settings: Settings) -> Result:
        """Convert, simulate and audit it by either method."""
        images, labels = settings.test(network.data, settings.number(FULL, QUICK))
        net = settings.network(network.network, network.data)
        calibration, _ = settings.calibration(network.data)
        right = count(net, images, labels)
        rows = [accuracy("network", right, len(labels))]
        notes = [f"readout MP, {len(calibration)} calibration images; a loss is in points"]
        for method, options, steps in network.conversions():
            snn = bionet.convert(net, method, calibration, **options)
            simulated = settings.simulate(snn, images, steps * ms)
            answered = simulated.predictions("MP") == labels
            label = f"{method}, {steps} steps"
            rows.append(accuracy(label, answered))
            loss = 100 * (right - int(answered.sum())) / len(labels)
            rows.append(Row(f"{label}: loss", loss, n=len(labels), unit="points"))
            soon = latency(simulated.accuracy_over_time(labels, "MP"), right / len(labels), WITHIN)
            reached = "in no step" if soon is None else f"from step {soon} on"
            some = images[:AUDITED]
            audited = settings.simulate(snn, some, steps * ms, final_potentials=True)
            audit = bionet.audit(net, snn, audited, some)
            notes.append(
                f"{label}: within half a point of the network {reached}; the audit of {len(some)}"
                f" images and {len(audit.rows)} populations: {audit.verdict()}"
            )
        return Result(tuple(rows), tuple(notes))

    return run


ITEMS = tuple(
    Item("networks", f"{one.network}-{one.data}", f"{one.network} on {one.data} by two methods",
         "ours", converted(one))
    for one in NETWORKS
)  # fmt: skip
