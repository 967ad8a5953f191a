"""Images per second and peak memory on LeNet-5, 50 steps: ``make bench``.

BioNet (C++ standalone, all cores), a dense PyTorch simulation of the same network (batch 50, all
cores, no gradients) and the same network with Brian2's own ``Synapses`` (C++ standalone) in two
ways: one image in a run, as a script does it, timed as a whole (start, making 2.3 million synapses,
simulation, results); and BioNet's own presentation of many images around Brian2's synapses, of
which the simulation loop alone is timed. SpikingJelly and Sinabs are timed where they are installed
(:mod:`benchmarks.other_tools` says how). Compiling is left out; each round runs all of them in
turn, so that the machine's mood hits all alike. The spike counts of all sides are compared before
anything is timed.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brian2 import ms
from rich.console import Console
from rich.table import Table

import bionet
from benchmarks.dense import DenseNetwork
from benchmarks.limit import additions_per_second
from benchmarks.other_simulators import other_simulators
from bionet.brian.channel_last import from_channel_last, to_channel_last
from bionet.running.arguments import available_cores
from bionet.running.compiler import compile_arguments, compiler

STEPS = 50
OURS, DENSE, SCRIPT, LOOP = NAMES = (
    "BioNet",
    "PyTorch, dense",
    "Brian2 Synapses, one image a run",
    "Brian2 Synapses, loop alone",
)


class PeakMemory:
    """Peak resident memory of this process and its children while a block runs, in MB."""

    def __enter__(self) -> PeakMemory:
        self.peak, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE") / 1e6
        while not self._stop.wait(0.02):
            total = 0.0
            for process in [str(os.getpid()), *children()]:
                try:
                    total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * page
                except (OSError, IndexError):
                    continue
            self.peak = max(self.peak, total)


def children() -> list[str]:
    """Process numbers of this process's children."""
    tasks = Path(f"/proc/{os.getpid()}/task")
    pids = []
    for task in tasks.iterdir():
        try:
            pids += (task / "children").read_text().split()
        except OSError:
            continue
    return pids


class PlainBrian:
    """The program with Brian2's own ``Synapses``."""

    def __init__(self, snn: bionet.SpikingNetwork, folder: Path) -> None:
        self.snn, self.folder = snn, folder
        snn.save(folder / "network.snn")
        command = [sys.executable, "-m", "benchmarks.plain_brian", str(folder / "network.snn")]
        subprocess.run([*command, str(folder / "code")], check=True, capture_output=True)

    def run(self, images: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
        """Spike counts, and seconds of the simulation loop (making the synapses left out)."""
        out = Path(tempfile.mkdtemp(dir=self.folder))
        pixels = to_channel_last(images, self.snn.input_shape).astype(np.float32)
        pixels.tofile(out / "images.bin")
        np.zeros(len(images), dtype=np.int32).tofile(out / "streams.bin")
        arguments = [f"presentation.steps={STEPS}", f"presentation.n_images={len(images)}"]
        arguments += [f"{p.name}.theta=1" for p in self.snn.populations if "theta" in p.parameters]
        subprocess.run(
            [self.folder / "code" / "main", "--results_dir", f"{out}/", *arguments],
            cwd=self.folder / "code",
            check=True,
            capture_output=True,
        )
        seconds = float((out / "last_run_info.txt").read_text().split()[0])
        counts = {}
        for p in self.snn.populations:
            if p.model.threshold is not None:
                raw = np.fromfile(out / f"counts_{p.name}.bin", dtype=np.uint8)
                counts[p.name] = from_channel_last(raw.reshape(len(images), -1), p.shape)
        return counts, seconds


def processor() -> str:
    """The processor's name and the bytes of its vector registers that programs are built for."""
    cpu = Path("/proc/cpuinfo")
    names = (
        [line for line in cpu.read_text().splitlines() if "model name" in line]
        if cpu.exists()
        else []
    )
    name = names[0].partition(":")[2].strip() if names else platform.processor() or "unknown"
    command = [compiler(), *compile_arguments(), "-dM", "-E", "-x", "c++", os.devnull]
    defined = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    width = 64 if "__AVX512F__ " in defined else 32 if "__AVX__ " in defined else 16
    return f"{name}, vectors of {width} bytes"


def main() -> None:
    """Compare, time and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--plain-images", type=int, default=10)
    options = parser.parse_args()
    cores = available_cores()
    torch.set_num_threads(cores)
    data = bionet.datasets.load("digits", split="test")
    train = bionet.datasets.load("digits", split="train")
    net = bionet.zoo.lenet5(weights="digits")
    snn = bionet.convert(net, calibration=train.images[:500], input_shape=(1, 28, 28))
    images = np.resize(data.images, (options.images, 1, 28, 28))
    few = images[: options.plain_images]
    tensors = {DENSE: DenseNetwork(snn), **other_simulators(snn)}
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        console.print("compiling ...")
        plain = PlainBrian(snn, Path(folder))
        console.print(agreement(snn, tensors, plain, few))
        speeds: dict[str, list[float]] = {name: [] for name in [*NAMES, *list(tensors)[1:]]}
        additions, limits = [], []
        memory = dict.fromkeys(speeds, 0.0)
        for number in range(options.rounds):
            console.print(f"round {number + 1} of {options.rounds}")
            with PeakMemory() as peak:
                run = bionet.simulate(snn, images, STEPS * ms, record=None)
            speed = run.parameters["images_per_second"]
            speeds[OURS].append(speed)
            events = synaptic_additions(snn, run.counts) / len(images)
            additions.append(events * speed / run.parameters["processes"])
            limits.append(additions_per_second())
            memory[OURS] = max(memory[OURS], peak.peak)
            for name, simulator in tensors.items():
                shown = images if name == DENSE else images[: len(images) // 4]
                with PeakMemory() as peak:
                    before = time.perf_counter()
                    simulator.run(shown, STEPS)
                    speeds[name].append(len(shown) / (time.perf_counter() - before))
                memory[name] = max(memory[name], peak.peak)
            with PeakMemory() as peak:
                before = time.perf_counter()
                plain.run(few[:1])
                speeds[SCRIPT].append(1 / (time.perf_counter() - before))
            memory[SCRIPT] = max(memory[SCRIPT], peak.peak)
            with PeakMemory() as peak:
                _, seconds = plain.run(few)
            speeds[LOOP].append(len(few) / seconds)
            memory[LOOP] = max(memory[LOOP], peak.peak)
    console.print(table(speeds, memory, cores))
    share = statistics.median(a / b for a, b in zip(additions, limits, strict=True))
    console.print(
        f"synaptic additions a second and core: {statistics.median(additions):.3g},"
        f" {share:.0%} of what the core adds from its first cache ({statistics.median(limits):.3g})"
    )


def synaptic_additions(snn: bionet.SpikingNetwork, counts: dict[str, np.ndarray]) -> float:
    """Weights that the spikes add to their targets; the constant input is no spike."""
    total = 0.0
    for q in snn.projections:
        if q.source != "input":
            spikes = counts[q.source].sum(0, dtype=np.int64)
            total += float(
                (spikes * q.kernel.fan_out(snn.shape(q.source)).reshape(spikes.shape)).sum()
            )
    return total


def agreement(
    snn: bionet.SpikingNetwork,
    tensors: Mapping[str, Any],
    plain: PlainBrian,
    images: np.ndarray,
) -> str:
    """Share of units with equal spike counts on all sides."""
    run = bionet.simulate(snn, images, STEPS * ms)
    spike_counts = {name: simulator.run(images, STEPS) for name, simulator in tensors.items()}
    spike_counts["Brian2 Synapses"] = plain.run(images)[0]
    lines = []
    for name, counts in spike_counts.items():
        same = [run.counts[p] == counts[p] for p in run.counts]
        share = sum(s.sum() for s in same) / sum(s.size for s in same)
        lines.append(f"spike counts equal to BioNet's, {name}: {share:.4%} of units")
    return "\n".join(lines)


def table(speeds: dict[str, list[float]], memory: dict[str, float], cores: int) -> Table:
    """Medians, ranges and ratios."""
    result = Table(title=f"LeNet-5, {STEPS} steps, {cores} cores\n{processor()}")
    for heading in (
        "simulator",
        "images/s (median)",
        "min .. max",
        "BioNet is faster by",
        "peak MB",
    ):
        result.add_column(heading, justify="left" if heading == "simulator" else "right")
    ours = speeds[OURS]
    for name, values in speeds.items():
        ratio = statistics.median(a / b for a, b in zip(ours, values, strict=True))
        result.add_row(
            name,
            f"{statistics.median(values):,.1f}",
            f"{min(values):,.1f} .. {max(values):,.1f}",
            f"{ratio:,.1f}x",
            f"{memory[name]:,.0f}",
        )
    return result


if __name__ == "__main__":
    main()
