"""TDSNN on MNIST for several leaks: accuracy, spike steps against the closed form, operations.

``python -m benchmarks.tdsnn`` prints one row for each leak L. Without training (``compensate``).
Zhang et al. 2019, Table 3: 42 % fewer operations than the network, two for a multiply-accumulate.
Needs MNIST below BIONET_DATA.
"""

from __future__ import annotations

import argparse
import json
import resource
from pathlib import Path

import numpy as np
import torch
from brian2 import ms
from rich.console import Console
from rich.table import Table

import bionet
from bionet.conversion.tdsnn import temporal_records
from bionet.conversion.temporal.closed_form import closed_form, shifted
from bionet.conversion.tracing.trace import trace
from bionet.results.costs import operations

LEAKS = (2, 5, 10, 20, 50)
HEADINGS = (
    "L",
    "steps",
    "accuracy (%)",
    "loss",
    "unlike closed form",
    "operations (million)",
    "saved (%)",
    "energy saved (%)",
    "CPU ms/image",
    "images/s",
)


def main() -> None:
    """Simulate the test images for every leak and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--exact", type=int, default=1000, help="Images whose steps are checked.")
    parser.add_argument("--leaks", type=float, nargs="*", default=LEAKS)
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--window", default="static")
    parser.add_argument("--rounding", default="up")
    parser.add_argument("--bias-correction", action="store_true")
    parser.add_argument("--rate", type=int, nargs="*", default=(), help="Steps of method rate.")
    parser.add_argument("--out", type=Path, help="JSON file for the rows.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    train = bionet.datasets.load("mnist", split="train")
    data = bionet.datasets.load("mnist", split="test")
    images, labels = data.images[: options.images], data.labels[: options.images]
    net = bionet.zoo.lenet5(weights="mnist")
    with torch.no_grad():
        answers = torch.cat([net(part) for part in torch.from_numpy(images).split(500)])
    accuracy = float((answers.argmax(1).numpy() == labels).mean())
    print(f"network: {100 * accuracy:.2f} % of {len(labels):,} images", flush=True)
    table = Table(title=f"MNIST, {len(labels):,} test images, {options.dtype}, {options.rounding}")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    rows = []
    for leak in options.leaks:
        snn = bionet.convert(
            net, "tdsnn", train.images[:2000], leak=leak * ms, dtype=options.dtype,
            window=options.window, rounding=options.rounding,
            bias_correction=options.bias_correction,
        )  # fmt: skip
        run, cpu = timed(snn, images)
        counted = operations(snn, run)
        unlike, checked = exceptions(net, snn, run, images[: options.exact])
        rows.append(
            {
                "L": leak,
                "steps": run.n_steps,
                "accuracy": 100 * run.accuracy(labels),
                "loss": 100 * (accuracy - run.accuracy(labels)),
                "unlike": unlike,
                "checked": checked,
                "operations": counted.total / 1e6,
                "network_operations": counted.network / 1e6,
                "saved": 100 * counted.saved,
                "energy_saved": 100 * (1 - counted.energy / counted.network_energy),
                "cpu_ms": cpu,
                "images_per_second": run.parameters["images_per_second"],
                "parts": vars(counted),
            }
        )
        row = rows[-1]
        table.add_row(
            f"{leak:g}", str(row["steps"]), f"{row['accuracy']:.2f}", f"{row['loss']:.2f}",
            f"{unlike} of {checked:,}", f"{row['operations']:.2f}", f"{row['saved']:.1f}",
            f"{row['energy_saved']:.1f}", f"{row['cpu_ms']:.2f}",
            f"{row['images_per_second']:.0f}",
        )  # fmt: skip
        print(json.dumps(row), flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(rows, indent=1) + "\n")
    Console().print(table)
    snn = bionet.convert(net, "rate", train.images[:2000])
    for steps in options.rate:
        run, cpu = timed(snn, images, duration=steps * ms)
        print(f"rate, {steps} steps: {100 * run.accuracy(labels):.2f} %, {cpu:.2f} CPU ms/image")


def timed(
    snn: bionet.SpikingNetwork, images: np.ndarray, **times: object
) -> tuple[bionet.Recording, float]:
    """A run, and the processor time of an image in ms, without compiling."""
    bionet.simulate(snn, images[:1], **times)  # compile
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = bionet.simulate(snn, images, **times)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return run, 1e3 * used / len(images)


def exceptions(
    net: torch.nn.Module, snn: bionet.SpikingNetwork, run: bionet.Recording, images: np.ndarray
) -> tuple[int, int]:
    """Spike steps of hidden units that are not those of the closed form, and all of them."""
    code = snn.code
    records = shifted(temporal_records(trace(net, snn.input_shape).records), code.shifts)
    unlike = checked = 0
    for first in range(0, len(images), 50):
        part = torch.from_numpy(images[first : first + 50])
        _, steps = closed_form(
            records,
            part,
            code.leak,
            tolerance=code.tolerance,
            rounding=code.rounding,
        )
        for record in records[:-1]:
            shown = run.spike_steps[record.name][first : first + 50]
            unlike += int((shown != steps[record.name].numpy()).sum())
            checked += shown.size
    return unlike, checked


if __name__ == "__main__":
    main()
