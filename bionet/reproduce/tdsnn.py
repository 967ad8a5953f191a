"""Zhang et al. 2019 (TDSNN): accuracy loss and operations of LeNet-5 as functions of the leak."""

from __future__ import annotations

from typing import Any

from brian2 import ms

import bionet
from bionet.costs import operations
from bionet.reproduce.item import Item, Result, Row, Settings, accuracy, count

__all__ = ["ITEMS", "LEAKS"]

LEAKS = (2, 5, 10, 20, 50)
CALIBRATION_IMAGES = 2000


def leaks(settings: Settings) -> Result:
    """Accuracy and operations for several leaks, converted without training."""
    images, labels = settings.test("mnist", settings.number(10_000, 100))
    net = settings.network("lenet5", "mnist")
    calibration, _ = settings.calibration("mnist", CALIBRATION_IMAGES)
    rows = [accuracy("network", count(net, images, labels), len(labels))]
    saved: list[Row] = []
    found: list[dict[str, float]] = []
    for leak in LEAKS:
        snn = bionet.convert(net, "tdsnn", calibration, leak=leak * ms)
        run = settings.simulate(snn, images)
        rows.append(accuracy(f"L = {leak} steps", run.predictions() == labels))
        share = 100 * operations(snn, run).saved
        saved.append(Row(f"operations saved, L = {leak}", share, n=len(labels)))
        found.append({"L": leak, "loss": rows[0].value - rows[-1].value, "saved": share})
    notes = (
        "operations: two for a multiply-accumulate of the network, one for an addition, a leak"
        " update or a tick; the paper's 42 % is its headline at a loss of at most 0.5 points",
    )
    return Result((*rows, *saved), notes, {"figure": lambda: _draw(found)})


def _draw(found: list[dict[str, float]]) -> Any:
    from bionet.figures import loss_and_operations

    return loss_and_operations({"without training": found})


ITEMS = (
    Item("tdsnn", "leaks", "LeNet-5 on MNIST for several leaks", "Table 3 and headline", leaks),
)
