"""Networks of neurons with units on test images: accuracy, rates, speed.

    python -m benchmarks.biophysical --folder runs/biophysical --images 1000

Weights are fine-tuned where the folder does not hold them (minutes for each neuron and data set;
every epoch is kept, so that an interrupted training goes on), rows that the folder holds are not
simulated again. Accuracies have Wilson's interval of 95 %. ``mlp``, ``mlp300`` and ``mlp500`` have
one hidden layer of 100, 300 and 500 units and are trained here: neurons of many variables or short
steps take long with a larger network.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brian2 import Hz, ms
from torch import nn

import bionet
from bionet.evaluation import evaluate
from bionet.firing.named import activation_of
from bionet.firing.twin import twin
from bionet.results.metrics import wilson_interval
from bionet.train.checkpoint import save_weights
from bionet.train.fine_tuning import fine_tune_zoo

CALIBRATION = 100  # training images that rates are matched on
SEED = 0


@dataclass(frozen=True)
class Row:
    """A network of neurons: what it is made of."""

    network: str
    data: str
    neuron: str
    synapse: str = "exponential:5ms"
    dale: str | None = None
    presentation_ms: float = 0.0  # of the measured curve; 0 is the adapted rate
    dt_ms: float | None = None  # by default the command's
    reference_hz: float = 100.0

    @property
    def name(self) -> str:
        """Of the row's files."""
        return "-".join(
            [*self.weights.split("-"), self.synapse.partition(":")[0], self.dale or "free"]
        )

    @property
    def weights(self) -> str:
        """Of the file of its weights, which depend on network, data and neuron."""
        return f"{self.network}-{self.data}-{self.neuron.partition(':')[0]}"


# A spike of adex is cut off at -40 mV: at 0 mV a step of 0.25 ms overshoots.
ADEX = "adex:v_peak=-40mV"
CONDUCTANCE = "conductance:0mV,-80mV,5ms,5ms"
# With the leak of the benchmark of Brette et al. (-60 mV) it fires without current. At eight
# rheobases both fire at some 70 Hz, so that their reference is half of the others'.
HODGKIN_HUXLEY = "hodgkin_huxley:E_L=-70mV"
# Hidden units, epochs as a ReLU network, shifts in pixels, epochs and rate_cost of the fine-tuning.
MLPS = {
    "mlp": (100, 3, 0, 2, 0.05),
    "mlp300": (300, 8, 1, 12, 0.05),
    "mlp500": (500, 8, 1, 12, 0.01),
}
ROWS = tuple(
    Row(network, data, neuron, synapse, dale, presentation)
    for network, data in (
        ("lenet5", "mnist"),
        ("lenet5", "fashion-mnist"),
        ("cifar10_quick", "cifar10"),
    )
    for neuron, synapse, dale, presentation in (
        ("lif", "exponential:5ms", None, 0.0),
        ("lif", CONDUCTANCE, "relay", 0.0),
        (ADEX, "exponential:5ms", None, 100.0),
    )
) + (
    Row("mlp300", "mnist", "izhikevich", presentation_ms=100.0, reference_hz=50.0),
    Row("mlp500", "mnist", "izhikevich", presentation_ms=100.0, reference_hz=50.0),
    Row("mlp300", "mnist", HODGKIN_HUXLEY, dt_ms=0.05, reference_hz=50.0),
    Row("mlp", "mnist", HODGKIN_HUXLEY, dt_ms=0.05, reference_hz=50.0),
)


def mlp(name: str) -> nn.Sequential:
    """A network of one hidden layer."""
    torch.manual_seed(SEED)
    hidden = MLPS[name][0]
    return nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))


def relu_network(row: Row, folder: Path) -> nn.Module:
    """The network that a row begins from: of the zoo, or trained now if need be."""
    if row.network not in MLPS:
        return bionet.zoo.load(row.network, row.data)
    net, path = mlp(row.network), folder / f"{row.network}-{row.data}.safetensors"
    if not path.exists():
        sets = (bionet.datasets.load(row.data, split=split) for split in ("train", "test"))
        _, n, shifts, *_ = MLPS[row.network]
        bionet.train.train(net, *sets, epochs=n, seed=SEED, augment=shifts)
        save_weights(net, path)
    bionet.zoo.load_weights(net, path)
    return net.eval()


def network_of_row(row: Row, weights: Path) -> nn.Module:
    """Its network of rates."""
    net = mlp(row.network) if row.network in MLPS else bionet.zoo.load(row.network)
    bionet.zoo.load_weights(net, weights)
    return twin(net, activation_of(made_of(row))).eval()


def made_of(row: Row) -> dict[str, Any]:
    """What a row's activation is made of."""
    return {
        "neuron": row.neuron,
        "reference_hz": row.reference_hz,
        "presentation_ms": row.presentation_ms,
    }


def trained(row: Row, folder: Path, epochs: int) -> Path:
    """The fine-tuned weights of a row, trained now if need be."""
    path = folder / f"{row.weights}.safetensors"
    if path.exists():
        return path
    if row.network in MLPS:
        data = bionet.datasets.load(row.data, split="train")
        net = bionet.fine_tune(
            relu_network(row, folder),
            activation_of(made_of(row)),
            data.images,
            data.labels,
            epochs=MLPS[row.network][3],
            rate_cost=MLPS[row.network][4],
            augment=MLPS[row.network][2],
            seed=SEED,
            checkpoint=path.with_suffix(".checkpoint"),
        )
        save_weights(net, path)
    else:
        fine_tune_zoo(
            row.network,
            row.data,
            activation_of(made_of(row)),
            made_of=made_of(row),
            epochs=epochs,
            seed=SEED,
            threads=1,
            out=path,
            checkpoint=path.with_suffix(".checkpoint"),
        )
    return path


def measured(row: Row, weights: Path, n_images: int, duration: Any, dt: Any) -> dict[str, Any]:
    """A row's numbers."""
    relu, rates = relu_network(row, weights.parent), network_of_row(row, weights)
    test = bionet.datasets.load(row.data, split="test")
    # Drawn, as the first test images of MNIST are easier than the others.
    numbers = np.sort(np.random.default_rng(SEED).permutation(len(test.labels))[:n_images])
    images, labels = test.images[numbers], test.labels[numbers]
    training = bionet.datasets.load(row.data, split="train").images
    drawn = np.random.default_rng(SEED).permutation(len(training))[:CALIBRATION]
    snn = bionet.convert(
        rates,
        method="biophysical",
        input_shape=images.shape[1:],
        calibration=training[drawn],
        neuron=row.neuron,
        synapse=row.synapse,
        reference=row.reference_hz * Hz,
        dale=row.dale,
        readout_from=min(20 * ms, duration / 5),
        duration=duration,
        dt=dt,
    )
    started = time.perf_counter()
    run = bionet.simulate(snn, images, progress=True)
    seconds = time.perf_counter() - started
    audit = bionet.audit(rates, snn, run, images)
    tensors = torch.as_tensor(images), torch.as_tensor(labels)
    right = int((run.predictions() == labels).sum())
    low, high = wilson_interval(right / len(labels), len(labels))
    length = float(duration) or 1.0
    hidden = [p.name for p in snn.populations if p.name in run.counts][:-1]
    return {
        "network": row.network,
        "data": row.data,
        "neuron": row.neuron,
        "synapse": row.synapse,
        "dale": row.dale,
        "is_dale": snn.is_dale(),
        "images": len(labels),
        "relu": evaluate(relu, *tensors),
        "rates_network": evaluate(rates, *tensors),
        "accuracy": right / len(labels),
        "interval": [low, high],
        "rates_hz": {name: float(run.counts[name].mean()) / length for name in hidden},
        "presentation_ms": float(duration / ms),
        "dt_ms": float(dt / ms),
        "images_per_second": len(labels) / seconds,
        "audit": audit.verdict(),
        "load": os.getloadavg()[0],
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| network, data | neuron, synapse | images | ReLU % | rates % | spikes % (95 %)"
        " | hidden rates Hz | presentation, dt | images/s (load) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        kind = r["synapse"].partition(":")[0] + (f", Dale ({r['dale']})" if r["dale"] else "")
        rates = ", ".join(f"{rate:.1f}" for rate in r["rates_hz"].values())
        low, high = r["interval"]
        lines.append(
            f"| {r['network']}, {r['data']} | {r['neuron'].partition(':')[0]}, {kind}"
            f" | {r['images']:,} | {100 * r['relu']:.2f} | {100 * r['rates_network']:.2f}"
            f" | {100 * r['accuracy']:.2f} ({100 * low:.2f} to {100 * high:.2f}) | {rates}"
            f" | {r['presentation_ms']:g} ms, {r['dt_ms']:g} ms"
            f" | {r['images_per_second']:.1f} ({r['load']:.0f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, simulate, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of weights and results")
    parser.add_argument("--images", type=int, default=1000, help="test images, drawn")
    parser.add_argument(
        "--epochs", type=int, default=3, help="of the fine-tuning of networks of the zoo"
    )
    parser.add_argument("--presentation", type=float, default=100.0, help="in ms")
    parser.add_argument("--dt", type=float, default=0.25, help="in ms")
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    arguments = parser.parse_args()
    results = []
    for row in ROWS:
        if arguments.only not in row.name:
            continue
        dt = row.dt_ms or arguments.dt
        told = f"{row.name}-{arguments.images}-{arguments.presentation:g}-{dt:g}.json"
        path = arguments.folder / told
        if not path.exists():
            weights = trained(row, arguments.folder, arguments.epochs)
            result = measured(row, weights, arguments.images, arguments.presentation * ms, dt * ms)
            path.write_text(json.dumps(result))
        results.append(json.loads(path.read_text()))
        print(table(results), flush=True)


if __name__ == "__main__":
    main()
