"""What things cost beside the plain network, as ratios: ``python -m benchmarks.ratios``.

LeNet-5 (``digits``, method ``rate``, 50 steps) is simulated plain, with each perturbation of its
membranes and axons, and in float64; beside PyTorch and other simulators on one core; with
``--amounts`` with few and with many images, and on every device; with ``--check`` (and nothing
else) without and with many looks for NaN and infinity. Programs
are timed by the processor time of their process, which other programs on the machine change
little, in interleaved rounds; a ratio is the median of the rounds. Compiling is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import torch
from brian2 import ms
from rich.console import Console
from rich.table import Table

import bionet
from benchmarks.dense import DenseNetwork
from benchmarks.limit import additions_per_second
from benchmarks.other_simulators import other_simulators
from benchmarks.speed import processor, synaptic_additions
from bionet.perturbations import MembraneNoise, SpikeTimeJitter
from bionet.running import simulate as simulation

STEPS = 50
GOALS = {
    "membrane noise": 2.0,
    "jitter of each spike": 1.5,
    "delay": 1.5,
    "delay with spread": 1.5,
    "float64": 2.2,
}


def delayed(snn: bionet.SpikingNetwork, **delay: Any) -> bionet.SpikingNetwork:
    """The network with a delay in every projection that spikes pass."""
    projections = tuple(q if q.source == "input" else replace(q, **delay) for q in snn.projections)
    return replace(snn, projections=projections)


def variants(snn: bionet.SpikingNetwork) -> dict[str, tuple[bionet.SpikingNetwork, str]]:
    """Networks and types of number that are compared, the plain one first."""
    return {
        "plain": (snn, "float32"),
        "membrane noise": (MembraneNoise(0.05).apply(snn, 0), "float32"),
        "jitter of each spike": (SpikeTimeJitter(1 * ms).apply(snn, 0), "float32"),
        "delay": (delayed(snn, delay=2 * ms), "float32"),
        "delay with spread": (delayed(snn, delay=2 * ms, delay_spread=1 * ms), "float32"),
        "float64": (snn, "float64"),
    }


def children_seconds() -> float:
    """Processor time of the programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def costs(snn: bionet.SpikingNetwork, images: np.ndarray, rounds: int) -> Mapping[str, Any]:
    """Seconds of every variant in every round, and its spikes in an image."""
    networks = variants(snn)
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    spikes = {}
    for number in range(rounds + 1):
        for name, (network, dtype) in networks.items():
            before = children_seconds()
            run = bionet.simulate(network, images, STEPS * ms, dtype=dtype, processes=1)
            taken = children_seconds() - before
            spikes[name] = sum(run.counts[p].sum() for p in snn.names if p in run.counts)
            if number:  # the first round compiles
                seconds[name].append(taken)
    return {"seconds": seconds, "spikes": {n: s / len(images) for n, s in spikes.items()}}


def simulators(snn: bionet.SpikingNetwork, images: np.ndarray, rounds: int) -> Table:
    """Images a second of processor time on one core, beside PyTorch and other simulators."""
    torch.set_num_threads(1)
    others = {"PyTorch, dense": DenseNetwork(snn), **other_simulators(snn)}
    speeds: dict[str, list[float]] = {name: [] for name in ("BioNet", *others)}
    shares = []
    for _ in range(rounds):
        before = children_seconds()
        run = bionet.simulate(snn, images, STEPS * ms, processes=1)
        speed = len(images) / (children_seconds() - before)
        speeds["BioNet"].append(speed)
        limit = additions_per_second()
        shares.append(synaptic_additions(snn, run.counts) / len(images) * speed / limit)
        for name, simulator in others.items():
            before = time.process_time()
            simulator.run(images[:50], STEPS)
            speeds[name].append(50 / (time.process_time() - before))
    table = Table(title="one core, by its processor time")
    for heading in ("", "images/s", "BioNet is faster by"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, values in speeds.items():
        ratios = [a / b for a, b in zip(speeds["BioNet"], values, strict=True)]
        median = statistics.median(ratios)
        table.add_row(name, f"{statistics.median(values):,.0f}", f"{median:.1f}x")
    table.caption = (
        f"synaptic additions: {statistics.median(shares):.0%} of what the core can add from its"
        f" first cache ({limit:.3g} a second)"
    )
    return table


def amounts(snn: bionet.SpikingNetwork, images: np.ndarray, rounds: int) -> Table:
    """Seconds of few and of many images, as a user waits for them, and on every device."""
    table = Table(title="as a user waits for it, compiling left out")
    for heading in ("", "seconds", "a thousandth of 1,000 images each is 1"):
        table.add_column(heading, justify="right" if heading else "left")

    def waited(n: int, **options: Any) -> float:
        before = time.perf_counter()
        bionet.simulate(snn, np.resize(images, (n, *images.shape[1:])), STEPS * ms, **options)
        return time.perf_counter() - before

    one = {"processes": 1}
    rows = {
        "1 image": (1, one),
        "10 images": (10, one),
        "100 images": (100, one),
        "1,000 images": (1000, one),
        "1,000 images, all cores": (1000, {}),
        "10,000 images": (10000, one),
        "10 images, Cython": (10, {"device": "cython"}),
        "10 images, NumPy": (10, {"device": "numpy"}),
    }
    waited(1), waited(1, device="cython")  # compiles
    seconds = {
        name: statistics.median(waited(n, **o) for _ in range(1 if n > 1000 else rounds))
        for name, (n, o) in rows.items()
    }
    unit = seconds["1,000 images"] / 1000
    for name, (n, _) in rows.items():
        table.add_row(name, f"{seconds[name]:.3f}", f"{seconds[name] / n / unit:.2f}")
    return table


@contextlib.contextmanager
def a_look_after_every_step() -> Iterator[None]:
    """State variables are looked at after every step, not at the end of a presentation alone."""

    def often(run: Any) -> Any:
        def looking(snn: Any, plan: Any, *rest: Any) -> Any:
            return run(snn, replace(plan, check_every=1), *rest)

        return looking

    with contextlib.ExitStack() as patches:
        for name in ("run_program", "run_here"):
            often_run = often(getattr(simulation, name))
            patches.enter_context(mock.patch.object(simulation, name, often_run))
        yield


def check(snn: bionet.SpikingNetwork, images: np.ndarray, rounds: int) -> Table:
    """What one look for NaN and infinity costs, at the end of every presentation.

    It is too little to time by itself: with a look after every step there are ``STEPS - 1`` more.
    """
    table = Table(title=f"looking for NaN and infinity, LeNet-5, {STEPS} steps, {rounds} rounds")
    for heading in ("", "a look a step, times a look a presentation", "a look, % of the run"):
        table.add_column(heading, justify="right" if heading else "left")
    for device, n in (("cpp_standalone", len(images)), ("numpy", 10)):
        ratios = []
        for number in range(rounds + 1):
            seconds = []
            for context in (contextlib.nullcontext, a_look_after_every_step):
                with context():
                    before = children_seconds() + time.process_time()
                    bionet.simulate(snn, images[:n], STEPS * ms, device=device, processes=1)
                    seconds.append(children_seconds() + time.process_time() - before)
            if number:  # the first round compiles
                ratios.append(seconds[1] / seconds[0])
        ratio = statistics.median(ratios)
        table.add_row(device, f"{ratio:.2f}", f"{100 * (ratio - 1) / (STEPS - 1):.2f}")
    return table


def main() -> None:
    """Time everything and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--amounts", action="store_true", help="few and many images, devices")
    parser.add_argument("--check", action="store_true", help="looks for NaN and infinity alone")
    options = parser.parse_args()
    console = Console()
    data = bionet.datasets.load("digits", split="test")
    train = bionet.datasets.load("digits", split="train")
    net = bionet.zoo.lenet5(weights="digits")
    snn = bionet.convert(net, calibration=train.images[:500], input_shape=(1, 28, 28))
    images = np.resize(data.images, (options.images, 1, 28, 28))
    if options.check:
        console.print(check(snn, images, options.rounds))
        return
    measured = costs(snn, images, options.rounds)
    table = Table(title=f"LeNet-5, {STEPS} steps, one process\n{processor()}")
    for heading in ("", "times the plain network", "goal", "images/s", "spikes/image"):
        table.add_column(heading, justify="right" if heading else "left")
    plain = measured["seconds"]["plain"]
    for name, seconds in measured["seconds"].items():
        ratio = statistics.median(a / b for a, b in zip(seconds, plain, strict=True))
        goal = f"{GOALS[name]:g}" if name in GOALS else ""
        speed = len(images) / statistics.median(seconds)
        table.add_row(
            name, f"{ratio:.2f}", goal, f"{speed:,.0f}", f"{measured['spikes'][name]:,.0f}"
        )
    console.print(table)
    console.print(simulators(snn, images, options.rounds))
    if options.amounts:
        console.print(amounts(snn, images, options.rounds))


if __name__ == "__main__":
    main()
