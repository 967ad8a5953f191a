"""Seconds and memory of networks for 224 x 224 pixels: ``python -m benchmarks.large vgg16``.

Random weights serve: they take as long and as much room as trained ones. One photo of random pixels
is converted for and simulated for 20 steps, the second time with the compiled program at hand.
Seconds are of the processor, of this process and its children; the memory is the largest of this
process so far, trained network included.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from brian2 import ms

import bionet

STEPS = 20


def seconds() -> float:
    """Processor seconds of this process and of its ended children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def measured(label: str, work: Callable[[], Any]) -> Any:
    """Do a work, and print its seconds and the memory until now."""
    wall, before = time.perf_counter(), seconds()
    result = work()
    used, wall = seconds() - before, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{label:24} {used:8.1f} s CPU {wall:8.1f} s wall {peak:8.0f} MiB", flush=True)
    return result


def main(name: str, method: str) -> None:
    """Measure one network of the zoo by one method."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    image = np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32)
    net = measured(f"{name}, random weights", lambda: bionet.zoo.load(name).eval())
    snn = measured(f"convert by {method}", lambda: bionet.convert(net, method, image))
    for label in ("simulate and compile", "simulate again"):
        measured(label, lambda: bionet.simulate(snn, image, STEPS * ms, progress=False))


if __name__ == "__main__":
    main(*[*sys.argv[1:], *("vgg16", "rate")[len(sys.argv) - 1 :]][:2])
