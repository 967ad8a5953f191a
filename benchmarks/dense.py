"""The dense side of the comparison: LeNet-5 as integrate-and-fire layers in PyTorch.

Every layer is computed for every unit in every step, whether there are spikes or not. It is written
as fast as PyTorch lets it: the constant current of the first layer is computed once for each
image, as BioNet does, tensors are channels-last, potentials and spikes are changed in place, and
nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from bionet.network import AveragePool2d, Conv2d, Dense, Projection, SpikingNetwork

__all__ = ["DenseNetwork"]


class DenseNetwork:
    """A chain of integrate-and-fire layers with reset by subtraction, simulated with tensors.

    Parameters
    ----------
    snn : SpikingNetwork
        A chain without biases, converted by ``rate``; its readout takes what the last population
        that fires takes.
    """

    def __init__(self, snn: SpikingNetwork) -> None:
        self.inputs = [_layer(q) for q in snn.projections]
        self.names = [q.target for q in snn.projections]
        self.readout = snn.readout.potential

    @torch.no_grad()
    def run(self, images: np.ndarray, steps: int, batch: int = 50) -> dict[str, np.ndarray]:
        """Spike counts of every population, arrays (n_images, *shape)."""
        parts = [
            self._present(torch.from_numpy(images[first : first + batch]), steps)
            for first in range(0, len(images), batch)
        ]
        return {
            name: torch.cat([part[name] for part in parts]).numpy()
            for name in self.names
            if name != self.readout
        }

    def _present(self, images: torch.Tensor, steps: int) -> dict[str, torch.Tensor]:
        drive = self.inputs[0](images.contiguous(memory_format=torch.channels_last))
        potentials: list[torch.Tensor] = []
        counts: list[torch.Tensor] = []
        fired: list[torch.Tensor] = []
        for _ in range(steps):
            spikes = drive
            for k, (name, layer) in enumerate(zip(self.names, self.inputs, strict=True)):
                source = fired[k - 2] if name == self.readout else spikes
                z = drive if k == 0 else layer(source)
                if len(potentials) == k:
                    potentials.append(torch.zeros_like(z))
                    counts.append(torch.zeros_like(z))
                    fired.append(torch.zeros_like(z))
                v = potentials[k].add_(z)
                if name == self.readout:
                    continue
                spikes = torch.ge(v, 1.0, out=fired[k])
                v.sub_(spikes)
                counts[k].add_(spikes)
        return dict(zip(self.names, counts, strict=True))


def _layer(projection: Projection) -> Callable[[torch.Tensor], torch.Tensor]:
    """What the spikes of a layer's source add to its potentials."""
    kernel = projection.kernel
    if isinstance(kernel, AveragePool2d):
        return lambda x: functional.avg_pool2d(x, kernel.kernel, kernel.stride, kernel.padding)
    assert isinstance(kernel, (Conv2d, Dense))
    weights = torch.tensor(np.asarray(kernel.weights), dtype=torch.float32)
    if isinstance(kernel, Dense):
        return lambda x: functional.linear(x.flatten(1), weights)
    weights = weights.contiguous(memory_format=torch.channels_last)
    return lambda x: functional.conv2d(x, weights, None, kernel.stride, kernel.padding)
