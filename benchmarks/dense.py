"""The dense side of the comparison: LeNet-5 as integrate-and-fire layers in PyTorch.

Every layer is computed for every unit in every step, whether there are spikes or not; the constant
current of the first layer is computed once for each image, as BioNet does.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from bionet.network import AveragePool2d, Conv2d, Dense, SpikingNetwork

__all__ = ["DenseNetwork"]


class DenseNetwork:
    """A chain of integrate-and-fire layers with reset by subtraction, simulated with tensors.

    Parameters
    ----------
    snn : SpikingNetwork
        A chain without biases, converted by ``rate``.
    """

    def __init__(self, snn: SpikingNetwork) -> None:
        self.layers = []
        for projection in snn.projections:
            kernel = projection.kernel
            spiking = snn.population(projection.target).model.threshold is not None
            name = projection.target
            if isinstance(kernel, AveragePool2d):
                self.layers.append((name, spiking, None, kernel))
            else:
                assert isinstance(kernel, (Conv2d, Dense))
                weights = torch.tensor(np.asarray(kernel.weights), dtype=torch.float32)
                self.layers.append((name, spiking, weights, kernel))

    def _input(self, position: int, spikes: torch.Tensor) -> torch.Tensor:
        _, _, weights, kernel = self.layers[position]
        if isinstance(kernel, AveragePool2d):
            return functional.avg_pool2d(spikes, kernel.kernel, kernel.stride, kernel.padding)
        if isinstance(kernel, Conv2d):
            return functional.conv2d(spikes, weights, None, kernel.stride, kernel.padding)
        return functional.linear(spikes.flatten(1), weights)

    @torch.no_grad()
    def run(self, images: np.ndarray, steps: int, batch: int = 100) -> dict[str, np.ndarray]:
        """Spike counts of every population, arrays (n_images, *shape)."""
        counts: dict[str, list[torch.Tensor]] = {name: [] for name, spiking, *_ in self.layers}
        for first in range(0, len(images), batch):
            drive = self._input(0, torch.from_numpy(images[first : first + batch]))
            for name, count in self._present(drive, steps).items():
                counts[name].append(count)
        return {name: torch.cat(parts).numpy() for name, parts in counts.items()}

    def _present(self, drive: torch.Tensor, steps: int) -> dict[str, torch.Tensor]:
        potentials: dict[str, torch.Tensor] = {}
        counts: dict[str, torch.Tensor] = {}
        for _ in range(steps):
            spikes = drive
            for position, (name, spiking, *_) in enumerate(self.layers):
                z = drive if position == 0 else self._input(position, spikes)
                if name not in potentials:
                    potentials[name], counts[name] = torch.zeros_like(z), torch.zeros_like(z)
                v = potentials[name].add_(z)
                if spiking:
                    fired = (v >= 1.0).to(v.dtype)
                    v.sub_(fired)
                    counts[name].add_(fired)
                    # The readout takes the same input as the last population that fires.
                    if position + 1 < len(self.layers) and self.layers[position + 1][1]:
                        spikes = fired
        return counts
