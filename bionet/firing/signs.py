"""Units that are excitatory or inhibitory from the start, in a torch network.

Every unit of a hidden layer (every channel of a convolution) has a sign, which all the weights
that leave it share. Pixels are no neurons: the weights of the first layer are free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import fx, nn

from bionet.errors import InputError
from bionet.firing.activation import FrequencyActivation

__all__ = ["Signs"]


@dataclass(frozen=True, eq=False)
class Signs:
    """The sign of every weight column, and the layers that keep to it.

    Attributes
    ----------
    layers : tuple of (torch.nn.Module, tensor)
        A layer with weights, and the signs +1 or -1 of its inputs, in a shape that broadcasts
        with its weights.
    """

    layers: tuple[tuple[nn.Module, torch.Tensor], ...]

    @classmethod
    def drawn(cls, graph: fx.GraphModule, share: float, seed: int) -> Signs:
        """A sign for every unit of every hidden layer.

        Parameters
        ----------
        graph : torch.fx.GraphModule
            A twin.
        share : float
            Of inhibitory units in each layer, in (0, 1); at least one of each kind.
        seed : int

        Raises
        ------
        InputError
            If the share is out of range or a layer has but one unit.
        """
        if not (isinstance(share, float) and 0 < share < 1):
            raise InputError(
                f"dale is the share of inhibitory units, a number between 0 and 1, got {share!r}"
            )
        generator = np.random.default_rng([seed, 20])
        modules = dict(graph.named_modules())
        signs: dict[fx.Node, torch.Tensor] = {}
        layers = []
        for node in graph.graph.nodes:
            layer = modules.get(str(node.target)) if node.op == "call_module" else None
            sources = [signs[n] for n in node.all_input_nodes if n in signs]
            if isinstance(layer, nn.Conv2d | nn.Linear):
                if sources:
                    layers.append((layer, _fitting(sources[0], layer)))
                n_units = layer.weight.shape[0]
                n_inhibitory = min(max(round(share * n_units), 1), n_units - 1)
                drawn = np.ones(n_units, dtype=np.float32)
                drawn[generator.permutation(n_units)[:n_inhibitory]] = -1
                signs[node] = torch.from_numpy(drawn)
            elif isinstance(layer, FrequencyActivation) and not sources:
                raise InputError(f"the activation {node.name!r} does not follow a layer")
            elif sources:
                if len(sources) > 1 and not all(torch.equal(s, sources[0]) for s in sources):
                    raise InputError(
                        f"branches meet at {node.name!r}, whose units would have two signs; use"
                        " dale='relay' for such a network"
                    )
                signs[node] = sources[0]
        return cls(tuple(layers))

    def apply(self) -> None:
        """Set to 0 every weight that has the wrong sign."""
        with torch.no_grad():
            for layer, sign in self.layers:
                weight = torch.as_tensor(layer.weight)
                weight.copy_(
                    sign.to(weight.device) * (sign.to(weight.device) * weight).clamp(min=0)
                )


def _fitting(signs: torch.Tensor, layer: nn.Conv2d | nn.Linear) -> torch.Tensor:
    """Signs of the channels in a shape that broadcasts with a layer's weights."""
    if isinstance(layer, nn.Conv2d):
        per_group = layer.weight.shape[1]
        if layer.groups == 1:
            return signs.reshape(1, -1, 1, 1)
        groups = signs.reshape(layer.groups, per_group)
        rows = layer.weight.shape[0] // layer.groups
        return groups.repeat_interleave(rows, 0).reshape(-1, per_group, 1, 1)
    n_inputs = layer.weight.shape[1]
    # A flattened channel is a run of units.
    return signs.repeat_interleave(n_inputs // len(signs)).reshape(1, -1)
