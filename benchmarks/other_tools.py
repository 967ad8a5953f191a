"""BioNet beside SpikingJelly and Sinabs: the same trained networks, converted by each.

    pip install --no-deps --target others nirtorch==2.6 sinabs==3.1.3 spikingjelly==2.0.0 loguru pbr
    PYTHONPATH=others python -m benchmarks.other_tools

Two tables. The first: LeNet-5 on digits, the share of right answers after 8, 16, 32 and 50 steps,
pixels as constant input, each tool as its documentation begins (SpikingJelly: scales from 99.9 % of
the activations; Sinabs: thresholds of 1, several spikes a step; BioNet: method rate). The second:
what a tool does with an operation. If the output after one step is that of the trained network, its
nonlinearities are still there: it was left as it is. Else the error is the mean deviation of the
outputs after 200 steps, over the outputs' standard deviation. snnTorch has no converter; the SNN
Toolbox needs TensorFlow and is not run.
"""

from __future__ import annotations

import argparse
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata

import numpy as np
import torch
from brian2 import ms
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional as F

import bionet

STEPS = (8, 16, 32, 50)
LONG = 200
BATCH = 100
Outputs = Callable[[nn.Module, torch.Tensor, torch.Tensor, int], np.ndarray]


class Functional(nn.Module):
    """A ReLU that is a function, no module."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(64, 32), nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(F.relu(self.first(x.flatten(1))))


class Residual(nn.Module):
    """A sum of two branches."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner, self.second = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 5)
        self.relu, self.other = nn.ReLU(), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.first(x.flatten(1)))
        return self.second(self.other(self.inner(x) + x))


def probes() -> dict[str, nn.Module]:
    """Small networks with random weights, by what is special in them."""
    torch.manual_seed(0)
    dense = [nn.Flatten(), nn.Linear(64, 32)]
    return {
        "ReLU module": nn.Sequential(*dense, nn.ReLU(), nn.Linear(32, 5)),
        "functional ReLU": Functional(),
        "sum of branches": Residual(),
        "max pooling": nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)
        ),
        "batch normalisation": nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
        ),
        "sigmoid": nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Sigmoid(), nn.Linear(32, 5)),
    }


def bionet_outputs(
    net: nn.Module, images: torch.Tensor, calibration: torch.Tensor, steps: int
) -> np.ndarray:
    """Mean output after each step, array (n, steps, classes)."""
    snn = bionet.convert(net, "rate", calibration=calibration.numpy(), input_shape=images.shape[1:])
    device = "numpy" if images[0].numel() <= 64 else "cpp_standalone"  # probes need no compiler
    run = bionet.simulate(snn, images.numpy(), steps * ms, 1 * ms, device=device)
    scale = run.values() / run.output_potential[:, -1]
    return (
        np.asarray(run.output_potential * scale[:, None]) * steps / np.arange(1, steps + 1)[:, None]
    )


def spikingjelly_outputs(
    net: nn.Module, images: torch.Tensor, calibration: torch.Tensor, steps: int
) -> np.ndarray:
    """As :func:`bionet_outputs`."""
    from spikingjelly.activation_based import ann2snn, functional

    loader = [(calibration, torch.zeros(len(calibration)))]
    recipe = ann2snn.RateCodingRecipe(dataloader=loader, mode="99.9%")
    snn = ann2snn.Converter(recipe).convert(net)
    functional.reset_net(snn)
    with torch.no_grad():
        sums = torch.stack([snn(images) for _ in range(steps)], 1).cumsum(1)
    return (sums / torch.arange(1, steps + 1)[:, None]).numpy()


def sinabs_outputs(
    net: nn.Module, images: torch.Tensor, calibration: torch.Tensor, steps: int
) -> np.ndarray:
    """As :func:`bionet_outputs`; it takes no calibration images."""
    from sinabs.from_torch import from_model

    snn = from_model(net, batch_size=len(images))
    repeated = images.repeat_interleave(steps, 0)
    with torch.no_grad():
        outputs = snn.spiking_model(repeated).unflatten(0, (len(images), steps))
    return (outputs.cumsum(1) / torch.arange(1, steps + 1)[:, None]).numpy()


TOOLS: dict[str, Outputs] = {
    "bionet": bionet_outputs,
    "spikingjelly": spikingjelly_outputs,
    "sinabs": sinabs_outputs,
}


def verdict(outputs: Outputs, net: nn.Module) -> str:
    """What a tool makes of a probe."""
    random = torch.Generator().manual_seed(0)
    images = torch.rand((20, 1, 8, 8), generator=random)
    net.eval()
    with torch.no_grad():
        right = net(images).numpy()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            means = outputs(net, images, images, LONG)
    except Exception as error:  # whatever a tool raises is its way to refuse
        return f"refused: {str(error).splitlines()[0][:60]}"
    if np.allclose(means[:, 0], right, rtol=1e-4, atol=1e-5):
        return "left as it is"
    return f"{100 * np.abs(means[:, -1] - right).mean() / right.std():.1f} % error"


def accuracies(outputs: Outputs, n_images: int) -> list[str]:
    """Of LeNet-5 on digits, after each of ``STEPS``."""
    net = bionet.zoo.lenet5(weights="digits").eval()
    test = bionet.datasets.load("digits", split="test")
    train = bionet.datasets.load("digits", split="train")
    images, labels = torch.from_numpy(test.images[:n_images]), test.labels[:n_images]
    calibration = torch.from_numpy(train.images[:500])
    right = np.zeros(max(STEPS))
    for part in range(0, n_images, BATCH):
        means = outputs(net, images[part : part + BATCH], calibration, max(STEPS))
        right += (means.argmax(2) == labels[part : part + BATCH, None]).sum(0)
    return [f"{100 * right[step - 1] / n_images:.1f} %" for step in STEPS]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables for the tools that are installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    options = parser.parse_args(arguments)
    console = Console(width=140)
    tools = {name: tool for name, tool in TOOLS.items() if importlib.util.find_spec(name)}
    table = Table("tool", "version", *(f"{step} steps" for step in STEPS), box=None)
    for name, tool in tools.items():
        table.add_row(name, metadata.version(name), *accuracies(tool, options.images))
    console.print(table)
    table = Table("operation", *tools, box=None)
    for name, net in probes().items():
        table.add_row(name, *(verdict(tool, net) for tool in tools.values()))
    console.print(table)


if __name__ == "__main__":
    main()
