r"""Training with the temporal code in place: the activation G and its gradient.

.. math:: G(x) = e^{\lceil L \ln(x + 1) \rceil / L} \;(x \ge 0), \qquad G(x) = 1 \;(x < 0)

stands before every synapse layer, and a bias b contributes b G(1), as in the spiking network. The
ceiling counts as the identity in the gradient (straight-through), so that for x > 0

.. math:: \frac{dG}{dx} = \frac{G(x)}{x + 1} \approx 1

A network trained so has the same parameters, under the same names, as the network without G;
``bionet.convert(net, "tdsnn", mode="finetune", leak=...)`` takes that one.

With ``mode="compensate"`` the input of a synapse layer is :math:`G(x) - 1`, as bias neurons that
cancel the 1 make it: x, rounded to the values that a spike's step can stand for; of pixels
:math:`(G(kx) - 1)/k` with the input gain k. The network then begins as the converted one, whatever
its depth and padding, and learns to do with these values.

References
----------
Zhang et al. 2019 (TDSNN), Eqs. 10-11.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import fx, nn

from bionet.conversion.tracing.arithmetic import is_arithmetic
from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["TemporalActivation", "add_bias_neurons", "temporal_network"]

SHIFTS = {"up": 0.0, "nearest": 0.5}
POOLINGS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
SYNAPSES = (nn.Conv2d, nn.Linear, *POOLINGS)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
OTHERS = (nn.ReLU, nn.MaxPool2d, nn.AdaptiveMaxPool2d, nn.Flatten, nn.Dropout, nn.Identity)


class StraightCeiling(torch.autograd.Function):
    """The ceiling, whose gradient is that of the identity."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        """ceil(x)."""
        del ctx
        return torch.ceil(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient as it comes."""
        del ctx
        return gradient


@typed
class TemporalActivation(nn.Module):
    """G(x): what the spike of a unit of activation x stands for in the next layer.

    Parameters
    ----------
    leak : float
        L in steps.
    rounding : {"up", "nearest"}
        Of the step: up is the equation above; nearest subtracts half a step below the ceiling.

    Raises
    ------
    InputError
        If the leak is less than one step.
    """

    def __init__(self, leak: float, rounding: Literal["up", "nearest"] = "up") -> None:
        super().__init__()
        if rounding not in SHIFTS:
            raise InputError(f"rounding is 'up' or 'nearest', but got {rounding!r}")
        if not (math.isfinite(leak) and leak >= 1):
            raise InputError(f"leak must be a number of steps >= 1, but is {leak}")
        self.leak = float(leak)
        self.shift = SHIFTS[rounding]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """G(x), of the same shape."""
        steps = StraightCeiling.apply(self.leak * torch.log1p(x.clamp(min=0)) - self.shift)
        return torch.exp(steps / self.leak)


class TemporalSynapses(nn.Module):
    """A synapse layer of G(x), its bias an input of value 1."""

    def __init__(self, layer: nn.Module, leak: float) -> None:
        super().__init__()
        self.layer, self.code = layer, TemporalActivation(leak)
        self.one = math.exp(math.ceil(leak * math.log(2)) / leak)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """W G(x) + b G(1), or of a pooling W (G(x) - 1)."""
        total = self.layer(self.code(x))
        if isinstance(self.layer, POOLINGS):  # a bias neuron with nothing to train
            return torch.as_tensor(total - self.layer(torch.ones_like(x[:1])))
        bias = getattr(self.layer, "bias", None)
        if bias is None:
            return torch.as_tensor(total)
        shape = (-1, 1, 1) if isinstance(self.layer, nn.Conv2d) else (-1,)
        return torch.as_tensor(total + (self.one - 1) * bias.reshape(shape))


class CompensatedSynapses(nn.Module):
    """A layer of (G(k x) - 1) / k, with its own bias."""

    def __init__(
        self,
        layer: nn.Module,
        leak: float,
        rounding: Literal["up", "nearest"],
        input_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.layer, self.code, self.gain = layer, TemporalActivation(leak, rounding), input_gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """W (G(k x) - 1) / k + b."""
        return torch.as_tensor(self.layer((self.code(self.gain * x) - 1) / self.gain))


@typed
def add_bias_neurons(net: nn.Module, leak: float) -> None:
    r"""Give every layer of a ReLU network the bias from which training with the code can start.

    G(x) is about x + 1. A bias of :math:`(b - \sum_j w_j)/G(1)` cancels the 1 (inside a padded
    image), and the network with the code begins as the ReLU network, up to rounding. Without it
    every unit has an offset that only its weights could take back: LeNet-5 for ``digits``, which
    has no biases, then starts at chance. The layers' biases are changed, or added.

    Parameters
    ----------
    net : torch.nn.Module
        Is changed.
    leak : float
        L in steps.
    """
    one = TemporalSynapses(nn.Identity(), leak).one
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            with torch.no_grad():
                offset = layer.weight.flatten(1).sum(dim=1)
                bias = 0.0 if layer.bias is None else layer.bias
                layer.bias = nn.Parameter((bias - offset) / one)


@typed
def temporal_network(
    net: nn.Module,
    leak: float,
    mode: Literal["finetune", "compensate"] = "finetune",
    rounding: Literal["up", "nearest"] = "up",
    input_gain: float = 1.0,
) -> nn.Module:
    """The network with G before every synapse layer; it shares its parameters with ``net``.

    Parameters
    ----------
    net : torch.nn.Module
        Of convolutions, fully connected layers, ReLUs and poolings, all of them modules.
    leak : float
        L in steps.
    mode : {"finetune", "compensate"}
        How the trained network is to be converted: the paper's way, or with bias neurons that
        cancel the offset of G. Only in the latter may there be batch normalisations.
    rounding : {"up", "nearest"}
        Nearest only with ``mode="compensate"``.
    input_gain : float
        k: pixels are coded this many times as large. Other than 1 only with ``mode="compensate"``.

    Returns
    -------
    torch.nn.Module
        Training it trains ``net``.

    Raises
    ------
    InputError
        Naming what has no form in a temporal code.
    """
    if mode not in ("finetune", "compensate") or (mode == "finetune" and rounding != "up"):
        raise InputError(
            "mode is 'finetune', with rounding='up', or 'compensate';"
            f" got {mode!r} with rounding={rounding!r}"
        )
    if not (math.isfinite(input_gain) and input_gain > 0):
        raise InputError(f"input_gain must be a number > 0, but is {input_gain}")
    if mode == "finetune" and input_gain != 1:
        raise InputError("input_gain needs mode='compensate'; leave it out")
    others = OTHERS if mode == "finetune" else (*OTHERS, *NORMS)
    graph = fx.symbolic_trace(net)
    modules = dict(graph.named_modules())
    # What holds pixels, and what a norm makes of them: the next weights take that in.
    pixels, normed = _pixels(graph.graph, modules)
    for node in graph.graph.nodes:
        layer = modules.get(str(node.target)) if node.op == "call_module" else None
        if layer is not None and not isinstance(layer, (*SYNAPSES, *others)):
            kind = type(layer).__name__
            raise InputError(
                f"layer {node.target!r} ({kind}) has no form in a temporal code; fold a"
                " BatchNorm2d into the layer before it, and train with ReLU and pooling modules"
            )
        if node.op == "call_function" and "pool" in str(node.target):
            raise InputError(
                f"the function {node.name!r} pools without a module; use nn.AvgPool2d or"
                " nn.MaxPool2d, so that the temporal code can be put before it"
            )
        if is_arithmetic(node, [m for m in node.all_input_nodes if m.op != "get_attr"]):
            raise InputError(
                f"the forward computes {node.name!r} between the layers, which cannot be trained"
                " with the temporal code; use a batch normalisation, or scale the images yourself"
            )
        first = bool(node.args) and node.args[0] in pixels
        coded = isinstance(layer, SYNAPSES) and node.args[0] not in normed
        if isinstance(layer, nn.Module) and (coded or (first and isinstance(layer, NORMS))):
            name = f"temporal_{str(node.target).replace('.', '_')}"
            graph.add_submodule(
                name,
                TemporalSynapses(layer, leak)
                if mode == "finetune"
                else CompensatedSynapses(layer, leak, rounding, input_gain if first else 1.0),
            )
            node.target = name
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def _pixels(graph: fx.Graph, modules: dict[str, nn.Module]) -> tuple[set[fx.Node], set[fx.Node]]:
    """Nodes that hold pixels, up to the first layer, and those that hold normalised ones."""
    passing = (nn.MaxPool2d, nn.AdaptiveMaxPool2d, nn.Flatten, nn.Dropout, nn.Identity, nn.ReLU)
    pixels: set[fx.Node] = set()
    normed: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op == "placeholder":
            pixels.add(node)
        elif node.op == "call_module" and node.args[0] in pixels | normed:
            layer = modules[str(node.target)]
            if isinstance(layer, NORMS) or (isinstance(layer, passing) and node.args[0] in normed):
                normed.add(node)
            elif isinstance(layer, passing):
                pixels.add(node)
    return pixels, normed
