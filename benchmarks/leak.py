"""DSNN on MNIST against the membrane time constant, with and without the compensation of the leak.

``python -m benchmarks.leak`` prints the accuracies of LeNet-5 as a DSNN (sigma 0.3, uniform coding,
100 Hz, 500 ms) for several time constants, by maximal potential (MP) and most spikes (MS). Needs
MNIST below BIONET_DATA.
"""

from __future__ import annotations

import argparse

from brian2 import ms
from rich.console import Console
from rich.table import Table

import bionet
from bionet.results.metrics import wilson_interval

SIGMA = 0.3


def main() -> None:
    """Simulate the test images with every time constant both ways and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--tau", type=float, nargs="+", default=[200, 100, 50, 20, 10, 5])
    options = parser.parse_args()
    data = bionet.datasets.load("mnist", split="test")
    images, labels = data.images[: options.images], data.labels[: options.images]
    net = bionet.zoo.lenet5(weights="mnist")
    table = Table(title=f"LeNet-5 as a leaky DSNN, {len(labels):,} MNIST test images")
    for heading in ("tau (ms)", "compensated", "MP (%)", "95 % interval", "MS (%)", "fc2 spikes"):
        table.add_column(heading, justify="right")
    for tau in [None, *options.tau]:
        for compensated in (False, True) if tau else (False,):
            snn = bionet.convert(
                net,
                "dsnn",
                sigma=SIGMA,
                input_shape=(1, 28, 28),
                tau=None if tau is None else tau * ms,
                compensate_leak=compensated,
            )
            run = bionet.simulate(snn, images, processes=1)
            potential, spikes = (run.accuracy(labels, readout) for readout in ("MP", "MS"))
            low, high = wilson_interval(potential, len(labels))
            row = (
                "no leak" if tau is None else f"{tau:g}",
                "yes" if compensated else "no",
                f"{100 * potential:.2f}",
                f"{100 * low:.2f} - {100 * high:.2f}",
                f"{100 * spikes:.2f}",
                f"{run.n_spikes['fc2']:.1f}",
            )
            print(*row, sep="\t", flush=True)
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
