"""Latency, events and accuracy of TerMapping and AugMapping beside the paper's table.

    python benchmarks/augmapping.py net1 --weights net1-mnist.safetensors --steps 100

Simulates in parts, so that memory does not grow with the images, keeps every part's curves (a
run that was stopped goes on where it was) and prints, for every allowed loss, steps and events,
with both readings of "latency": the accuracy stays within the loss, or first reaches it.
Calibration images of TerMapping are training images.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from brian2 import ms

import bionet
from bionet.results.curves import Curves, curves, join, spike_bits
from bionet.running.memory import peak_memory
from bionet.zoo import provenance

# Network -> data, ANN %, then zero-loss steps and million events of TerMapping and AugMapping.
PAPER = {
    "net1": ("mnist", 98.77, (750, 0.03), (46, 0.02)),
    "net2": ("mnist", 99.35, (750, 0.28), (65, 0.11)),
    "net3": ("fashion-mnist", 90.18, (1500, 0.05), (37, 0.03)),
    "net4": ("fashion-mnist", 92.11, (2900, 2.45), (220, 0.68)),
    "net5": ("cifar10", 94.13, (2800, 15.36), (300, 12.51)),
    "net6": ("cifar10", 93.42, (4400, 17.66), (1100, 18.10)),
}


def outputs(net: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """Class scores of the network."""
    with torch.no_grad():
        return torch.cat([net(part) for part in torch.as_tensor(images).split(200)]).numpy()


def measure(options: argparse.Namespace) -> Curves:
    """The curves of all images, part by part."""
    data = PAPER[options.network][0]
    test = bionet.datasets.load(data, split="test")
    images, labels = test.images[: options.images], test.labels[: options.images]
    net = bionet.zoo.load(options.network, options.weights or data)
    settings: dict = {}
    if options.method == "termapping":
        train = bionet.datasets.load(data, split="train").images
        settings["calibration"] = train[: options.calibration]
    elif options.method == "augmapping":
        settings |= {"gain": options.gain, "bound": options.bound}
    snn = bionet.convert(net, method=options.method, input_shape=images.shape[1:], **settings)
    folder = Path(options.out) / f"{options.network}-{snn.hash()[:12]}-{options.steps}"
    folder.mkdir(parents=True, exist_ok=True)
    parts, seconds = [], 0.0
    for start in range(0, len(images), options.part):
        path = folder / f"{start}-{options.part}.safetensors"
        part = slice(start, start + options.part)
        if path.exists():
            parts.append(Curves.load(path))
            continue
        before = time.perf_counter()
        run = bionet.simulate(snn, images[part], options.steps * ms, processes=options.processes)
        seconds += time.perf_counter() - before
        parts.append(curves(run, labels[part], outputs(net, images[part])))
        parts[-1].save(path)
        speed = sum(len(p.labels) for p in parts) / seconds
        print(f"{start + len(labels[part])} images, {speed:.1f} images/s", flush=True)
    if options.method == "augmapping":
        fired = {p.name: ["spikes"] for p in snn.populations if p.model.threshold is not None}
        few = bionet.simulate(snn, images[:10], options.steps * ms, device="numpy", record=fired)
        bits = spike_bits(few)
        print(
            f"spikes of up to {bits.largest}: {bits.fixed} bits each, entropy {bits.entropy:.2f}"
            " bits (10 images)"
        )
    return join(parts)


def report(options: argparse.Namespace, reached: Curves) -> None:
    """Print what was found beside the paper's numbers."""
    data, accuracy, *paper = PAPER[options.network]
    steps, events = paper[options.method == "augmapping"]
    if options.weights is None:
        print("weights:", provenance(f"{options.network}-{data}")["command"])
    print(
        f"{options.network}, {options.method}, {data}, {reached.n_images} images: ANN"
        f" {100 * reached.ann_accuracy:.2f} % (paper {accuracy} %), after {reached.n_steps} steps"
        f" {100 * reached.accuracy()[-1]:.2f} %, similarity {reached.similarity[:, -1].mean():.5f}"
    )
    print(
        f"{'loss':>8} {'rule':>8} {'steps':>7} {'events':>10}   paper at 0 %: {steps}, {events} M"
    )
    for rule in ("stays", "reached"):
        for row in reached.early_decisions(rule=rule):
            shown = ("-", "-") if row.steps is None else (row.steps, f"{row.events:,.0f}")
            print(f"{row.loss:>8} {rule:>8} {shown[0]:>7} {shown[1]:>10}")
    peak, child = peak_memory()
    print(f"peak memory: {peak:.2f} GiB here, {child:.2f} GiB in the largest simulation process")


def main() -> None:
    """Read the command line, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=PAPER)
    parser.add_argument("--method", choices=("augmapping", "termapping"), default="augmapping")
    parser.add_argument("--weights", help="safetensors file; the package's own by default")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--gain", type=float, default=1.0)
    parser.add_argument("--bound", type=int)
    parser.add_argument("--calibration", type=int, default=60_000)
    parser.add_argument("--part", type=int, default=1000)
    parser.add_argument("--processes", type=int)
    parser.add_argument("--out", default="runs/augmapping")
    options = parser.parse_args()
    report(options, measure(options))


if __name__ == "__main__":
    main()
