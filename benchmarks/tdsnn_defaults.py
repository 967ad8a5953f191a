"""Defaults of method tdsnn, chosen on six networks: points of accuracy that each choice loses.

``python -m benchmarks.tdsnn_defaults`` prints a row for each network and a column for each choice
of ``rounding`` and ``bias_correction``: the network's accuracy less that of the closed form of its
code, on training images that took no part in the calibration. A LeakyReLU becomes a ReLU, and the
accuracy is that of the network so changed. Needs the data below BIONET_DATA.
"""

from __future__ import annotations

import argparse

import torch
from brian2 import ms
from rich.console import Console
from rich.table import Table
from torch import nn

import bionet
from bionet.conversion.tdsnn import TOLERANCE, temporal_records
from bionet.conversion.temporal.closed_form import closed_form, rounding_shifts, shifted
from bionet.conversion.temporal.rounding_loss import answers_of
from bionet.conversion.tracing.trace import precision, trace

NETWORKS = (
    ("lenet5", "mnist"),
    ("net1", "mnist"),
    ("net2", "mnist"),
    ("net4", "fashion-mnist"),
    ("net5_small", "cifar10"),
    ("net5_quarter", "cifar10"),
)
CHOICES = (("up", False), ("nearest", False), ("up", True), ("nearest", True))
CALIBRATION = 200


def rectified(net: nn.Module) -> nn.Module:
    """The network with ReLU in the place of every LeakyReLU, which a temporal code cannot have."""
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.LeakyReLU):
                setattr(module, name, nn.ReLU())
    return net


def main() -> None:
    """Evaluate the closed form of every choice on every network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--leak", type=float, default=10.0, help="in steps")
    options = parser.parse_args()
    torch.set_num_threads(1)
    leak = options.leak * ms / (1 * ms)
    headings = [f"{rounding}{', corrected' if b else ''}" for rounding, b in CHOICES]
    table = Table("network", "accuracy (%)", *headings, title="points lost")
    for name, data in NETWORKS:
        images = bionet.datasets.load(data, split="train")
        net = rectified(bionet.zoo.load(name, data))
        evaluated = slice(CALIBRATION, CALIBRATION + options.images)
        calibration = torch.from_numpy(images.images[:CALIBRATION])
        shown, labels = torch.from_numpy(images.images[evaluated]), images.labels[evaluated]
        traced = trace(net, shown.shape[1:])
        records = temporal_records(traced.records, input_shape=tuple(shown.shape[1:]))
        right = torch.from_numpy(labels)
        with torch.no_grad():
            scores = [traced.graph(p.to(precision(traced.graph))) for p in shown.split(100)]
        accuracy = float((answers_of(torch.cat(scores)) == right).double().mean())
        row = []
        for rounding, corrected in CHOICES:
            code, tolerance = records, TOLERANCE["float64"]
            if corrected:
                shifts = rounding_shifts(records, calibration, leak, tolerance, rounding)
                code = shifted(records, shifts)
            hits = 0
            for part, wanted in zip(shown.split(50), right.split(50), strict=True):
                values, _ = closed_form(code, part, leak, "compensate", tolerance, rounding)
                hits += int((answers_of(values[code[-1].name]) == wanted).sum())
            row.append(f"{100 * (accuracy - hits / len(right)):.1f}")
        table.add_row(f"{name} ({data})", f"{100 * accuracy:.1f}", *row)
        print(name, data, f"{100 * accuracy:.1f}", *row, flush=True)
    Console().print(table)


if __name__ == "__main__":
    main()
