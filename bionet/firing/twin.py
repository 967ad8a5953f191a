r"""The network of firing rates: a ReLU network with a neuron's f-I curve at each ReLU.

The layer that takes the pixels is driven by constant currents, which do not fluctuate: its curve
has neither blur nor noise.

It begins from the ReLU network's weights in the scales of the neuron. With :math:`\lambda_l` a
high percentile of layer l's activations, and :math:`z_{top}` the current at which the neuron fires
at the rate :math:`y_{top}` (in units of the reference), a hidden layer gets

.. math::

    W_l \to W_l\, \frac{z_{top}}{\lambda_l} \frac{\lambda_{l-1}}{y_{l-1}}, \qquad
    b_l \to b_l\, \frac{z_{top}}{\lambda_l}, \qquad y_0 = \lambda_0 = 1, \quad
    y_{l > 0} = y_{top}

and the output layer only the second fraction: its scores stay the ReLU network's, as far as a
straight line through the curve goes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from bionet.errors import InputError
from bionet.firing.activation import FrequencyActivation

__all__ = ["activations_of", "is_twin", "normalised", "relu_network", "twin"]

WEIGHTED = (nn.Conv2d, nn.Linear)
POOLINGS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
PASSING = (nn.Flatten, nn.Dropout, nn.Identity, *POOLINGS)
TOP = 0.8  # rate of the percentile at the start, in units of the reference
PERCENTILE = 99.9
BATCH = 250


class _Tracer(fx.Tracer):
    """An activation is one operation."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, FrequencyActivation) or super().is_leaf_module(
            m, module_qualified_name
        )


def activations_of(graph: fx.GraphModule) -> dict[str, FrequencyActivation]:
    """The activations of a twin, by the names of their nodes."""
    modules = dict(graph.named_modules())
    layers = {}
    for node in graph.graph.nodes:
        layer = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, FrequencyActivation):
            layers[node.name] = layer
    return layers


def is_twin(net: nn.Module) -> bool:
    """Whether a network has f-I curves for activations."""
    return any(isinstance(module, FrequencyActivation) for module in net.modules())


def twin(net: nn.Module, activation: FrequencyActivation) -> fx.GraphModule:
    """A copy of a network with the activation in place of every ReLU; weights as they are.

    Parameters
    ----------
    net : torch.nn.Module
        Of convolutions, fully connected layers, ReLUs, average poolings and batch normalisations
        (which go into the layers before them). Is not changed.
    activation : FrequencyActivation

    Returns
    -------
    torch.fx.GraphModule
        Its weights have the names that they have in ``net``.

    Raises
    ------
    InputError
        If the network cannot be traced, or has a max pooling or no ReLU.
    """
    graph = _without_norms(_traced(net))
    modules = dict(graph.named_modules())
    rectified = 0
    fluctuating: set[fx.Node] = set()  # nodes that spikes have reached
    for node in list(graph.graph.nodes):
        _refuse_maximum(node, modules)
        if fluctuating.intersection(node.all_input_nodes):
            fluctuating.add(node)
        if not _is_relu(node, modules):
            continue
        name = f"{_free_name(graph, node)}"
        copied = copy.deepcopy(activation) if node in fluctuating else activation.sharp()
        graph.add_submodule(name, copied)
        with graph.graph.inserting_after(node):
            new = graph.graph.call_module(name, (node.args[0],))
        node.replace_all_uses_with(new)
        graph.graph.erase_node(node)
        fluctuating.add(new)
        rectified += 1
    if not rectified:
        raise InputError("the network has no ReLU whose place a firing rate could take")
    graph.delete_all_unused_submodules()
    graph.recompile()
    # Traced again, its nodes have the names that a trace of its weights gives them.
    return fx.GraphModule(graph, _Tracer().trace(graph))


def relu_network(net: nn.Module) -> nn.Module:
    """A copy of a twin with ReLUs in place of the activations, for what reads weights alone."""
    copied = copy.deepcopy(net)
    for module in list(copied.modules()):
        for name, child in module._modules.items():
            if isinstance(child, FrequencyActivation):
                setattr(module, name, nn.ReLU().train(child.training))
    return copied


def normalised(net: nn.Module, activation: FrequencyActivation, images: torch.Tensor) -> Any:
    """The twin of a ReLU network, in the scales of the neuron (see the module's equation).

    Parameters
    ----------
    net : torch.nn.Module
        Trained with ReLUs. Is not changed.
    activation : FrequencyActivation
    images : tensor (n, ...)
        That the percentiles are measured on.

    Raises
    ------
    InputError
        If a layer is silent, or branches of different scales meet.
    """
    graph = twin(net, activation)
    top, top_rate = activation.inverse(TOP), TOP
    percentiles = _percentiles(graph, images)
    modules = dict(graph.named_modules())
    scale: dict[fx.Node, float] = {}  # a node's values are those of the ReLU network times this
    for node in graph.graph.nodes:
        if node.op == "output":
            continue
        sources = [scale[n] for n in node.all_input_nodes if n in scale]
        layer = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, FrequencyActivation):
            scale[node] = top_rate / percentiles[node.name]
        elif isinstance(layer, WEIGHTED):
            follower = _rectifier(node, modules)
            here = 1.0 if follower is None else top / percentiles[follower.name]
            with torch.no_grad():
                layer.weight.mul_(here / sources[0])
                if layer.bias is not None:
                    layer.bias.mul_(here)
            scale[node] = here
        elif sources and not np.allclose(sources, sources[0]):
            raise InputError(
                f"the branches that meet at {node.name!r} have firing rates of different scales;"
                " put a convolution (1 x 1) with its own weights into each branch"
            )
        else:
            scale[node] = sources[0] if sources else 1.0
    return graph


def _traced(net: nn.Module) -> fx.GraphModule:
    """A copy as a graph, in evaluation mode, dropouts kept as modules."""
    if not isinstance(net, nn.Module):
        raise InputError(f"the network must be a torch.nn.Module, but is a {type(net).__name__}")
    copied = relu_network(net).eval()
    try:
        return fx.GraphModule(copied, _Tracer().trace(copied))
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"torch.fx cannot trace {type(net).__name__}: {reason[0]}; write its forward without"
            " conditions and loops that depend on the data"
        ) from error


def _without_norms(graph: fx.GraphModule) -> fx.GraphModule:
    """Batch normalisations go into the layer before them."""
    modules = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        norm = modules.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            continue
        before = node.args[0]
        layer = modules.get(str(before.target)) if before.op == "call_module" else None
        if not isinstance(layer, WEIGHTED) or len(before.users) > 1:
            raise InputError(
                f"the batch normalisation {node.target!r} does not follow a layer with weights"
                " directly, so it cannot become a part of one; train without it"
            )
        fuse: Any = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
        graph.add_submodule(str(before.target), fuse(layer, norm))
        modules = dict(graph.named_modules())
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
    graph.recompile()
    return graph


def _is_relu(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], nn.ReLU)
    if node.op == "call_function":
        return node.target in (torch.relu, torch.relu_, nn.functional.relu, nn.functional.relu_)
    return node.op == "call_method" and node.target in ("relu", "relu_")


def _refuse_maximum(node: fx.Node, modules: Mapping[str, nn.Module]) -> None:
    layer = modules.get(str(node.target)) if node.op == "call_module" else None
    if isinstance(layer, nn.MaxPool2d | nn.AdaptiveMaxPool2d) or (
        node.op == "call_function" and "max_pool" in getattr(node.target, "__name__", "")
    ):
        raise InputError(
            f"the max pooling {node.name!r} compares rates, which no synapse does: replace it"
            " (bionet.conversion.to_average_pooling) and train again"
        )


def _rectifier(node: fx.Node, modules: Mapping[str, nn.Module]) -> fx.Node | None:
    """The activation that a layer's output ends in: through poolings and sums, but no weights."""
    for user in node.users:
        if user.op == "output":
            return None
        layer = modules.get(str(user.target)) if user.op == "call_module" else None
        if isinstance(layer, FrequencyActivation):
            return user
        if isinstance(layer, WEIGHTED):
            continue
        if (ahead := _rectifier(user, modules)) is not None:
            return ahead
    return None


def _free_name(graph: fx.GraphModule, node: fx.Node) -> str:
    """The name of the ReLU's module, or of the node where it has none."""
    name = str(node.target) if node.op == "call_module" else f"rate_{node.name}"
    uses = [n for n in graph.graph.nodes if n.op == "call_module" and str(n.target) == name]
    return name if len(uses) <= 1 and "." not in name else f"rate_{node.name}"


class _Percentiles(fx.Interpreter):
    """Runs a twin as the ReLU network that it comes from; keeps a percentile of each ReLU."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.highest: dict[str, list[float]] = {}

    def run_node(self, n: fx.Node) -> Any:
        """A ReLU in place of an activation."""
        layer = dict(self.module.named_modules()).get(str(n.target))
        if n.op != "call_module" or not isinstance(layer, FrequencyActivation):
            return super().run_node(n)
        values = torch.relu(self.fetch_args_kwargs_from_env(n)[0][0])
        level = float(np.percentile(values.numpy(), PERCENTILE))
        self.highest.setdefault(n.name, []).append(level)
        return values


def _percentiles(graph: fx.GraphModule, images: torch.Tensor) -> dict[str, float]:
    """Percentile of each ReLU's values: the mean of those of batches of images."""
    runner = _Percentiles(graph)
    with torch.no_grad():
        for batch in images[: 4 * BATCH].split(BATCH):
            runner.run(batch)
    levels = {name: float(np.mean(values)) for name, values in runner.highest.items()}
    for name, level in levels.items():
        if not level > 0:
            raise InputError(
                f"no image makes the ReLU {name!r} fire, so its layer has no scale; give images"
                " that the network was trained on"
            )
    return levels
