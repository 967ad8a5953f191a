"""Rueckauer et al. 2016: the ablation ladder of Fig. 2a, the percentiles of Fig. 2b, MNIST."""

from __future__ import annotations

from typing import Any

import numpy as np
from brian2 import Hz, ms

import bionet
from bionet import zoo
from bionet.reproduce.item import Item, Result, Row, Settings, accuracy, count
from bionet.reproduce.ttfs import first_spikes
from bionet.results.recording import Recording

__all__ = ["ITEMS", "LADDER"]

DT = 1 * ms
STEPS = 300
FULL, QUICK = 2_000, 50
# Each rung adds one tool to those before: (name, conversion, input coding, the paper's accuracy).
LADDER: tuple[tuple[str, dict[str, Any], str, float], ...] = (
    ("Poisson input, reset to zero", {"normalisation": None, "reset": "zero"}, "poisson", 16.5),
    ("+ max normalisation", {"normalisation": "max", "reset": "zero"}, "poisson", 59.82),
    ("+ reset by subtraction", {"normalisation": "max"}, "poisson", 80.0),
    ("+ analog input", {"normalisation": "max"}, "analog", 83.6),
    ("+ 99.9 percentile", {"normalisation": "percentile"}, "analog", 87.62),
)
# What each option adds at few steps; every rung keeps those before it.
FEW_STEPS = 16
FAST_RUNGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("99.9 percentile", {}),
    ("+ initial potential", {"initial_potential": 0.5}),
    ("+ least squares a channel", {"normalisation": "least_squares", "channelwise": True}),
    ("+ bias correction", {"bias_correction": True}),
    ("+ max pooling by count", {"max_pooling": "count"}),
    ("+ signed correction", {"signed": True}),
)
FAST_STEPS = (8, 16, 32)
LADDER_STEPS = 32  # of the rung with all of them, after those of Fig. 2a
# Trained with QCFS, whose networks are others than those above: each is compared with itself.
QCFS_STEPS = (4, 8)
QCFS_OPTIONS: dict[str, Any] = {"signed": True, "fold_pooling": True, "max_pooling": "count"}
PERCENTILES = (99.0, 99.9, 99.99, 100.0)


def ladder(settings: Settings) -> Result:
    """Fig. 2a: what each tool adds, on Rueckauer's network for CIFAR-10, after 300 steps."""
    images, labels = settings.test("cifar10", settings.number(FULL, QUICK))
    net = settings.network("rueckauer", "cifar10")
    calibration, _ = settings.calibration("cifar10")
    rows = [accuracy("network", count(net, images, labels), len(labels), 87.86)]
    for name, options, coding, paper in LADDER:
        snn = bionet.convert(net, "rate", calibration, **options)
        # A Poisson unit of value 1 fires in every step: 1 kHz at 1 ms.
        rate = {"max_rate": 1000 * Hz} if coding == "poisson" else {}
        run = simulated(snn, images, settings, coding=coding, **rate)
        rows.append(accuracy(name, run.predictions("MP") == labels, None, paper))
    # Beyond the paper: options for few steps, and one spike for each unit, both without training.
    snn = bionet.convert(net, "rate", calibration, preset="fast", steps=LADDER_STEPS)
    right = settings.simulate(snn, images).predictions("MP") == labels
    first, note = first_spikes(net, images, labels, calibration, settings)
    fine = [accuracy(f"fast preset, {LADDER_STEPS} steps", right), first[0]]
    rungs, added = quantised(settings, "cifar10", images, labels, calibration)
    rng = np.random.default_rng(settings.seed)
    means = (rng.binomial(STEPS, np.clip(images, 0, 1)) / STEPS).astype(np.float32)
    noisy = 100 * count(net, means, labels) / len(labels)
    notes = (
        f"{STEPS} steps, readout MP, {len(calibration)} calibration images",
        f"the network itself, given each pixel's mean of {STEPS} Poisson steps: {noisy:.2f} %",
        f"loss with all tools: {rows[0].value - rows[-1].value:.2f} points (paper: 0.24)",
        note,
        *added,
    )
    return Result((*rows, *fine, *rungs), notes)


def percentiles(settings: Settings) -> Result:
    """Fig. 2b: accuracy against time for several percentiles of the normalisation."""
    images, labels = settings.test("cifar10", settings.number(FULL, QUICK))
    net = settings.network("rueckauer", "cifar10")
    calibration, _ = settings.calibration("cifar10")
    rows = [accuracy("network", count(net, images, labels), len(labels), 87.86)]
    runs: dict[str, tuple[Recording, np.ndarray]] = {}
    for percentile in PERCENTILES:
        snn = bionet.convert(net, "rate", calibration, percentile=percentile)
        run = simulated(snn, images, settings)
        name = "maximum" if percentile == 100 else f"percentile {percentile:g}"
        runs[name] = run, labels
        rows.append(accuracy(name, run.predictions("MP") == labels))
    return Result(tuple(rows), (f"{STEPS} steps, readout MP",), {"figure": lambda: _draw(runs)})


def fast(settings: Settings) -> Result:
    """Options for few steps, one after another, and the preset that sets them all."""
    images, labels = settings.test("cifar10", settings.number(1_000, QUICK))
    net = settings.network("rueckauer", "cifar10")
    calibration, _ = settings.calibration("cifar10")
    rows = [accuracy("network (Rueckauer's)", count(net, images, labels), len(labels))]
    options: dict[str, Any] = {"steps": FEW_STEPS}
    for name, added in FAST_RUNGS:
        options |= added
        snn = bionet.convert(net, "rate", calibration, **options)
        right = settings.simulate(snn, images).predictions("MP") == labels
        rows.append(accuracy(f"{FEW_STEPS} steps, {name}", right))
    for steps in FAST_STEPS:
        snn = bionet.convert(net, "rate", calibration, preset="fast", steps=steps)
        right = settings.simulate(snn, images).predictions("MP") == labels
        rows.append(accuracy(f"fast, {steps} steps", right))
    first, note = first_spikes(net, images, labels, calibration, settings)
    rungs, missing = quantised(settings, "cifar10", images, labels, calibration)
    notes = (f"readout MP, {len(calibration)} calibration images, no training but of qcfs", note)
    return Result((*rows, first[0], *rungs), (*notes, *missing))


def fast_mnist(settings: Settings) -> Result:
    """LeNet-5 on MNIST in four steps, without training."""
    images, labels = settings.test("mnist", settings.number(10_000, 200))
    net = settings.network("lenet5", "mnist")
    calibration, _ = settings.calibration("mnist")
    rows = [accuracy("network (LeNet-5)", count(net, images, labels), len(labels))]
    presets: tuple[tuple[str, dict[str, Any]], ...] = (("plain", {}), ("fast", {"preset": "fast"}))
    for name, preset in presets:
        snn = bionet.convert(net, "rate", calibration, steps=4, **preset)
        right = settings.simulate(snn, images).predictions("MP") == labels
        rows.append(accuracy(f"{name}, 4 steps", right))
    first, note = first_spikes(net, images, labels, calibration, settings)
    rungs, added = quantised(settings, "mnist", images, labels, calibration)
    notes = (f"readout MP, {len(calibration)} calibration images, no training but of qcfs", note)
    return Result((*rows, first[0], *rungs), (*notes, *added))


def quantised(
    settings: Settings, data: str, images: np.ndarray, labels: np.ndarray, calibration: np.ndarray
) -> tuple[list[Row], list[str]]:
    """The rungs of every network that there are weights of with QCFS activations, and notes."""
    rows: list[Row] = []
    for name, entry in zoo.ENTRIES.items():
        if entry.input_shape != images.shape[1:]:
            continue
        net = settings.other_network(name, data, "qcfs")
        if net is None:
            continue
        rows.append(accuracy(f"qcfs network ({name})", count(net, images, labels), len(labels)))
        snn = bionet.convert(net, "rate", calibration, **QCFS_OPTIONS)
        for steps in QCFS_STEPS:
            run = settings.simulate(snn, images, steps * DT, DT)
            rows.append(accuracy(f"qcfs ({name}), {steps} steps", run.predictions("MP") == labels))
    if rows:
        return rows, []
    name = {"mnist": "lenet5", "cifar10": "rueckauer"}[data]
    train = f"bionet train {name} --data {data} --activation qcfs --levels 4 --out q.safetensors"
    return [], [
        f"no weights with qcfs activations: {train}, then --weights {name}-qcfs=q.safetensors"
    ]


def mnist(settings: Settings) -> Result:
    """The MNIST network of the paper reached 99.44; ours is LeNet-5."""
    images, labels = settings.test("mnist", settings.number(10_000, 200))
    net = settings.network("lenet5", "mnist")
    calibration, _ = settings.calibration("mnist")
    run = settings.simulate(bionet.convert(net, "rate", calibration), images, 100 * ms, DT)
    rows = (
        accuracy("network (LeNet-5)", count(net, images, labels), len(labels)),
        accuracy("spiking, 100 steps", run.predictions("MP") == labels, None, 99.44),
    )
    return Result(rows, ("the paper's network is another one, of its own",))


def simulated(
    snn: bionet.SpikingNetwork, images: np.ndarray, settings: Settings, **options: Any
) -> Recording:
    """A run of 300 steps with the settings' seed, device and progress."""
    return settings.simulate(snn, images, STEPS * DT, DT, **options)


def _draw(runs: dict[str, tuple[Recording, np.ndarray]]) -> Any:
    from bionet.figures import accuracy_latency

    return accuracy_latency(runs)


ITEMS = (
    Item("rate", "fig2a", "the ablation ladder on CIFAR-10", "Fig. 2a", ladder),
    Item("rate", "fig2b", "accuracy against time for several percentiles", "Fig. 2b", percentiles),
    Item("rate", "fast", "few steps without training on CIFAR-10", "ours", fast),
    Item("rate", "fast-mnist", "four steps without training on MNIST", "ours", fast_mnist),
    Item("rate", "mnist", "a converted network on MNIST", "Section 4, MNIST", mnist),
)
