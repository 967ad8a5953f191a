"""Where the threshold search starts: ``python -m benchmarks.start_factor``.

``start="activations"`` multiplies the balanced threshold of the first layer by a factor. This
prints, for several factors, the share of *training* images that the spiking network answers as the
network does before any search. Needs the data set below BIONET_DATA.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from brian2 import ms
from rich.console import Console
from rich.table import Table

import bionet
from bionet.conversion import threshold_search

FACTORS = (1.0, 2.0, 4.0, 8.0, 16.0)
CALIBRATION = 20


def main() -> None:
    """Simulate every factor without a search and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="shang")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--images", type=int, default=200, help="training images")
    parser.add_argument("--duration", type=float, default=200.0, help="of a presentation, ms")
    options = parser.parse_args()
    net = bionet.zoo.load(options.network, weights=options.data)
    train = bionet.datasets.load(options.data, split="train")
    images = train.images[-options.images :]  # the last, as searches calibrate on the first
    with torch.no_grad():
        ann_answers = net(torch.from_numpy(images)).argmax(1).numpy()
    table = Table(
        "factor", "own answers (%)", title=f"{options.network}, {len(ann_answers)} images"
    )
    for factor in FACTORS:
        threshold_search.FIRST = factor
        snn = bionet.convert(
            net,
            "threshold_search",
            calibration=train.images[:CALIBRATION],
            labels=train.labels[:CALIBRATION],
            start="activations",
            budget=1,
            duration=options.duration * ms,
        )
        run = bionet.simulate(snn, images)
        table.add_row(f"{factor:g}", f"{100 * np.mean(run.predictions() == ann_answers):.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
