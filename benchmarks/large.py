"""Seconds and memory of networks for 224 x 224 pixels: ``python -m benchmarks.large vgg16``.

``alexnet``, ``vgg16``, or ``mobilenet``, the inverted residuals of [1]_. Random weights serve: they
take as long and as much room as trained ones. One photo of random pixels is converted for and
simulated for 20 steps, the second time with the compiled program at hand and without PyTorch. The
method is ``rate``, or another one that follows the network's name; ``fast`` is rate's preset for 20
steps, with which all layers of a deep network fire from the first step on.
Seconds are of the processor, of a process and its children; memories are the largest of a process
so far, and an upper bound of the largest of one child, a compiler or the compiled program: a child
begins with its parent's (Linux).

References
----------
.. [1] M. Sandler et al.: MobileNetV2: inverted residuals and linear bottlenecks. CVPR (2018).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import ms

import bionet

STEPS = 20
# Table 2 of [1]: expansion, channels, blocks, stride of the first one.
BLOCKS = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


def seconds() -> float:
    """Processor seconds of this process and of its ended children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def measured(label: str, work: Callable[[], Any]) -> Any:
    """Do a work, and print its seconds and the memory until now."""
    wall, before = time.perf_counter(), seconds()
    result = work()
    used, wall = seconds() - before, time.perf_counter() - wall
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rates = f"{used:8.1f} s CPU {wall:8.1f} s wall"
    print(f"{label:24} {rates} {largest():8.0f} MiB, a child at most {child:8.0f}", flush=True)
    return result


def largest() -> float:
    """Largest memory of this process so far, MiB, not of the one that it was forked from."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1024


def network(name: str) -> Any:
    """One of the networks, with random weights."""
    if name != "mobilenet":
        return bionet.zoo.load(name).eval()
    from torch import nn

    from bionet.zoo.branched import Inverted

    layers: list[Any] = [nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6()]
    channels = 32
    for expansion, width, blocks, stride in BLOCKS:
        for block in range(blocks):
            layers.append(Inverted(channels, width, 1 if block else stride, expansion))
            channels = width
    layers += [nn.Conv2d(channels, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return nn.Sequential(*layers).eval()


def photo() -> np.ndarray:
    """Random pixels, array (1, 3, 224, 224)."""
    return np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32)


def main(name: str, method: str) -> None:
    """Measure one network by one method; ``name`` may be a file of a converted one."""
    image = photo()
    if Path(name).is_file():
        snn = bionet.SpikingNetwork.load(name)
        measured("simulate again", lambda: simulate(snn, image))
        return
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = measured(f"{name}, random weights", lambda: network(name))
    options = {"preset": "fast", "steps": STEPS} if method == "fast" else {}
    kind = "rate" if options else method
    snn = measured(f"convert by {method}", lambda: bionet.convert(net, kind, image, **options))
    measured("simulate and compile", lambda: simulate(snn, image))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.npz"
        snn.save(file)
        subprocess.run([sys.executable, "-m", "benchmarks.large", str(file)], check=True)


def simulate(snn: bionet.SpikingNetwork, image: np.ndarray) -> bionet.Recording:
    """Twenty steps of the photo."""
    return bionet.simulate(snn, image, STEPS * ms, progress=False)


if __name__ == "__main__":
    main(*[*sys.argv[1:], *("vgg16", "rate")[len(sys.argv) - 1 :]][:2])
