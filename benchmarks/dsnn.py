"""DSNN and its fold on MNIST beside the paper's accuracies: ``python -m benchmarks.dsnn``.

Zhang et al. 2019, Table 1: LeNet-5 99.05 (adjusted 99.04), DSNN 98.94, fold 99.02. The input is
uniform (100 Hz at most, 500 ms); one common sigma of 0.3, found on training images, sets all
thresholds. Needs MNIST below BIONET_DATA.
"""

from __future__ import annotations

import argparse

import torch
from rich.console import Console
from rich.table import Table

import bionet
from bionet.metrics import wilson_interval

PAPER = {"LeNet-5": 99.05, "DSNN": 98.94, "DSNN-fold": 99.02}
SIGMA = 0.3


def main() -> None:
    """Simulate the test images both ways and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args()
    data = bionet.datasets.load("mnist", split="test")
    images, labels = data.images[: options.images], data.labels[: options.images]
    net = bionet.zoo.lenet5(weights="mnist")
    with torch.no_grad():
        answers = torch.cat([net(part) for part in torch.from_numpy(images).split(500)])
    right = {"LeNet-5": int((answers.argmax(1).numpy() == labels).sum())}
    for name, fold in (("DSNN", False), ("DSNN-fold", True)):
        snn = bionet.convert(net, "dsnn", sigma=SIGMA, input_shape=(1, 28, 28), fold=fold)
        run = bionet.simulate(snn, images, progress=True)
        right[name] = int((run.predictions("MP") == labels).sum())
    table = Table(title=f"MNIST, {len(labels):,} test images, readout MP")
    headings = ("network", "accuracy (%)", "95 % interval", "loss", "paper (%)", "paper's loss")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for name, count in right.items():
        low, high = wilson_interval(count / len(labels), len(labels))
        table.add_row(
            name,
            f"{100 * count / len(labels):.2f}",
            f"{100 * low:.2f} to {100 * high:.2f}",
            f"{100 * (right['LeNet-5'] - count) / len(labels):.2f}",
            f"{PAPER[name]:.2f}",
            f"{PAPER['LeNet-5'] - PAPER[name]:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
