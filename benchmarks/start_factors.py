"""Where the threshold search starts: ``python -m benchmarks.start_factors``.

``start="activations"`` multiplies the balanced thresholds of the first layer and of later weighted
layers by two factors. This prints, for every pair on a grid, the share of *training* images that
the spiking network answers as the network does. Needs the data set below BIONET_DATA.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
import torch
from brian2 import ms
from rich.console import Console
from rich.table import Table

import bionet
from bionet.conversion import threshold_search

FIRST = (2.0, 4.0, 8.0, 16.0)
LATER = (0.6, 0.8, 1.0, 1.25)
CALIBRATION = 20


def main() -> None:
    """Simulate every pair of factors without a search and print one table."""
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
        own = net(torch.from_numpy(images)).argmax(1).numpy()
    table = Table(title=f"{options.network}, {len(own)} training images: own answers (%)")
    for heading in ("first \\ later", *(f"{later:g}" for later in LATER)):
        table.add_column(heading, justify="right")
    shares: dict[tuple[float, float], float] = {}
    for first, later in itertools.product(FIRST, LATER):
        threshold_search.FIRST, threshold_search.LATER = first, later
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
        shares[first, later] = float(np.mean(run.predictions() == own))
    for first in FIRST:
        table.add_row(f"{first:g}", *(f"{100 * shares[first, later]:.1f}" for later in LATER))
    Console().print(table)


if __name__ == "__main__":
    main()
