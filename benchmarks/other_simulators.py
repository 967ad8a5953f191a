"""Other simulators' sides of the comparison: the same LeNet-5 in SpikingJelly and in Sinabs.

Each runs layer by layer over all steps, which is the fastest way of both: the convolution of a
layer then sees all steps of a batch at once. The constant current of the first layer is computed
once for each image, as BioNet does. A simulator that is not installed is left out;
:mod:`benchmarks.other_tools` says how to install them beside BioNet, whose versions of nir they do
not agree with.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from benchmarks.dense import DenseNetwork
from bionet.network import SpikingNetwork

__all__ = ["LayerByLayer", "other_simulators"]


class LayerByLayer:
    """A chain of integrate-and-fire layers with the neurons of another simulator.

    Parameters
    ----------
    snn : SpikingNetwork
        As for :class:`~benchmarks.dense.DenseNetwork`.
    neurons : callable
        Takes what arrives, (steps, n_images, ...), and returns the spikes.
    """

    def __init__(
        self, snn: SpikingNetwork, neurons: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        dense = DenseNetwork(snn)
        self.layers = [
            (name, layer)
            for name, layer in zip(dense.names, dense.inputs, strict=True)
            if name != dense.readout
        ]
        self.neurons = neurons

    @torch.no_grad()
    def run(self, images: np.ndarray, steps: int, batch: int = 50) -> dict[str, np.ndarray]:
        """Spike counts of every population, arrays (n_images, *shape)."""
        parts = []
        for first in range(0, len(images), batch):
            counts, spikes = {}, torch.from_numpy(images[first : first + batch])[None]
            for name, layer in self.layers:
                z = layer(spikes.flatten(0, 1)).unflatten(0, spikes.shape[:2])
                spikes = self.neurons(z.expand(steps, *z.shape[1:]))
                counts[name] = spikes.sum(0)
            parts.append(counts)
        return {name: torch.cat([part[name] for part in parts]).numpy() for name, _ in self.layers}


def _spikingjelly() -> Callable[[torch.Tensor], torch.Tensor]:
    from spikingjelly.activation_based import neuron

    def run(z: torch.Tensor) -> torch.Tensor:
        node = neuron.IFNode(v_threshold=1.0, v_reset=None, step_mode="m").eval()
        return node(z)

    return run


def _sinabs() -> Callable[[torch.Tensor], torch.Tensor]:
    from sinabs.activation import SingleSpike
    from sinabs.layers import IAF

    def run(z: torch.Tensor) -> torch.Tensor:
        return IAF(spike_fn=SingleSpike).eval()(z.transpose(0, 1)).transpose(0, 1)

    return run


MAKERS: dict[str, tuple[str, Callable[[], Any]]] = {
    "SpikingJelly": ("spikingjelly", _spikingjelly),
    "Sinabs": ("sinabs", _sinabs),
}


def other_simulators(snn: SpikingNetwork) -> dict[str, LayerByLayer]:
    """The simulators that are installed, by name."""
    return {
        name: LayerByLayer(snn, make())
        for name, (package, make) in MAKERS.items()
        if find_spec(package) is not None
    }
