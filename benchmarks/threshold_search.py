"""The threshold search beside the paper's figures: ``python -m benchmarks.threshold_search``.

Shang et al. 2020, Table 2: CIFAR-10, accuracy of the network, adjusted network and SNN for every
class. The search sees a few training images of each class; the accuracies are those of test images.
``--network lenet5 --data mnist`` does the same for LeNet-5, which the paper does not have.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from brian2 import ms
from rich.console import Console
from rich.table import Table

import bionet
from bionet.reproduce.threshold import FLAT, PAPER
from bionet.results.energy import energy
from bionet.results.metrics import per_class


def main() -> None:
    """Search, simulate the test images with the thresholds found and with the flat start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="shang")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--weights", help="a safetensors file; the shipped weights by default")
    parser.add_argument("--images", type=int, default=1_000, help="test images")
    parser.add_argument("--each", type=int, default=2, help="calibration images of each class")
    parser.add_argument("--duration", type=float, default=200.0, help="of a presentation, ms")
    parser.add_argument("--budget", type=int, default=100, help="runs of the search")
    parser.add_argument("--start", default="activations", help="activations, or a number")
    parser.add_argument("--step", type=float, default=0.8, help="first step of the search")
    parser.add_argument("--c", type=float, default=1.0, help="spikes a step of a white pixel")
    parser.add_argument("--out", type=Path, help="JSON file for thresholds, log and table")
    options = parser.parse_args()
    net = bionet.zoo.load(options.network, weights=options.weights or options.data)
    train, test = (bionet.datasets.load(options.data, split=split) for split in ("train", "test"))
    images, labels = test.images[: options.images], test.labels[: options.images]
    searched = np.concatenate(
        [np.flatnonzero(train.labels == k)[: options.each] for k in range(10)]
    )
    with torch.no_grad():
        scores = torch.cat([net(part) for part in torch.from_numpy(images).split(500)])
    answers = scores.argmax(1).numpy()
    common = {"duration": options.duration * ms, "c": options.c}
    snn = bionet.convert(
        net,
        "threshold_search",
        calibration=train.images[searched],
        labels=train.labels[searched],
        budget=options.budget,
        start=options.start if options.start == "activations" else float(options.start),
        step=options.step,
        **common,
    )
    search = snn.metadata["search"]
    print(f"objective {search['objective_start']:.4f} -> {search['objective']:.4f}", end=" ")
    print(f"in {search['runs']} runs on {len(searched)} images; accepted moves:")
    for move in search["moves"]:
        if move["accepted"]:
            print(f"  run {move['run']:3d}  {move['population']:6s}", end="")
            print(f" -> {move['threshold']:.4g}  objective {move['objective']:.4f}", flush=True)
    shape = images.shape[1:]
    flat, start = (
        bionet.convert(net, "threshold_search", thresholds=t, input_shape=shape, **common)
        for t in (FLAT, search["start"])
    )
    names = list(PAPER)[:10] if options.data == "cifar10" else [str(k) for k in range(10)]
    run = bionet.simulate(snn, images)
    by_class = per_class(run, labels, reference=answers, names=names)
    by_class["flat"] = per_class(bionet.simulate(flat, images), labels, names=names)["accuracy"]
    print_table(by_class, options.data == "cifar10", len(labels))
    accuracy = bionet.simulate(start, images).accuracy(labels)
    print(f"start of the search, {options.start}: {accuracy:.4f}; flat start: {FLAT}")
    print(f"thresholds: { {k: round(v, 4) for k, v in search['thresholds'].items()} }")
    print(f"images with the network's own answer: {(run.predictions() == answers).mean():.4f}")
    print(f"readout MP instead of MS: {run.accuracy(labels, 'MP'):.4f}")
    print(f"spikes per image: { {k: round(v) for k, v in run.n_spikes.items()} }")
    print(energy(snn, run))
    if options.out:
        content = {"search": search, "table": by_class.to_dict(), "options": vars(options)}
        options.out.write_text(json.dumps(content, indent=1, default=str) + "\n")


def print_table(by_class, with_paper: bool, n_images: int) -> None:
    """One row for each class: CNN, SNN with and without the search, and the paper's."""
    table = Table(title=f"threshold_search, {n_images:,} test images (%)")
    headings = ["class", "images", "CNN", "SNN", "95 % interval", "SNN/CNN", "flat start"]
    headings += ["paper CNN", "adjusted", "SNN", "SNN/CNN"] if with_paper else []
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for name, row in by_class.iterrows():
        cells = [name, str(int(row["images"])), f"{100 * row['reference']:.1f}"]
        cells += [f"{100 * row['accuracy']:.1f}"]
        cells += [f"{100 * row['lower']:.1f} - {100 * row['upper']:.1f}"]
        cells += [f"{100 * row['ratio']:.1f}", f"{100 * row['flat']:.1f}"]
        if with_paper:
            cnn, adjusted, snn = PAPER[name]
            cells += [f"{cnn:.1f}", f"{adjusted:.1f}", f"{snn:.1f}", f"{100 * snn / cnn:.1f}"]
        table.add_row(*cells)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
