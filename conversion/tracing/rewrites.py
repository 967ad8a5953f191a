"""Rewriting a traced graph into one that computes the same from convertible operations."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from bionet.conversion.preparing.quantised_activation import QCFS

__all__ = [
    "MAX_POOLS",
    "RELUS",
    "is_call",
    "normalise_after_pooling",
    "pool_means",
    "rectify_before_maximum",
]

RELUS = (nn.ReLU, functional.relu, torch.relu, torch.relu_, "relu", "relu_")
MAX_POOLS = (nn.MaxPool2d, functional.max_pool2d, torch.max_pool2d)
MEANS = (torch.mean, "mean")
NORMS = (nn.BatchNorm2d,)
WEIGHTED = (nn.Conv2d, nn.Linear, functional.conv2d, functional.linear)
IMAGE_DIMS = 4  # (n, channels, height, width)


def is_call(graph: fx.GraphModule, node: fx.Node, kinds: tuple[Any, ...]) -> bool:
    """Whether a node calls a module type, function or method of these."""
    if node.op == "call_module":
        return type(graph.get_submodule(str(node.target))) in kinds
    return node.op in ("call_function", "call_method") and node.target in kinds


def rectify_before_maximum(graph: fx.GraphModule) -> fx.GraphModule:
    """Exchange a max pooling and the ReLU that follows it: max(0, max x) = max of max(0, x).

    So for a QCFS activation, which never falls either. A spiking unit rectifies, so the layer
    before the pooling has to be the rectified one.
    """
    for relu in [node for node in graph.graph.nodes if is_call(graph, node, (*RELUS, QCFS))]:
        pool = relu.args[0] if relu.args else relu.kwargs.get("input")
        if not isinstance(pool, fx.Node) or not is_call(graph, pool, MAX_POOLS):
            continue
        if len(pool.users) > 1 or not pool.args or not isinstance(pool.args[0], fx.Node):
            continue
        with graph.graph.inserting_before(pool):
            if is_call(graph, relu, (QCFS,)):
                before = graph.graph.call_module(str(relu.target), (pool.args[0],))
            else:
                before = graph.graph.call_function(torch.relu, (pool.args[0],))
        pool.replace_input_with(pool.args[0], before)
        relu.replace_all_uses_with(pool)
        graph.graph.erase_node(relu)
    graph.recompile()
    return graph


def normalise_after_pooling(graph: fx.GraphModule) -> fx.GraphModule:
    """Exchange a batch normalisation and the pooling that follows it, where that is exact.

    A mean of affine values is the affine value of their mean; so is a maximum, if no scale is
    negative. The normalisation can then be folded into the layer after the pooling. One that
    follows a layer with weights is left where it is: it is folded into those.
    """
    norms = [node for node in graph.graph.nodes if is_call(graph, node, NORMS)]
    while norms:
        norm = norms.pop()
        before = norm.args[0] if norm.args else None
        pool = next(iter(norm.users), None)
        if not isinstance(before, fx.Node) or is_call(graph, before, WEIGHTED):
            continue
        if len(norm.users) != 1 or pool is None or not _pools_alike(graph, pool, norm):
            continue
        pool.replace_input_with(norm, before)
        pool.replace_all_uses_with(norm)
        norm.replace_input_with(before, pool)
        pool.append(norm)
        norms.append(norm)  # there may be another pooling
    graph.recompile()
    return graph


def _pools_alike(graph: fx.GraphModule, pool: fx.Node, norm: fx.Node) -> bool:
    """Whether pooling normalised values is normalising pooled ones."""
    if pool.op != "call_module" or pool.args[:1] != (norm,):
        return pool.op == "call_function" and pool.target is functional.adaptive_avg_pool2d
    layer = graph.get_submodule(str(pool.target))
    if isinstance(layer, nn.MaxPool2d):
        weight: Any = graph.get_submodule(str(norm.target)).weight
        return weight is None or bool((weight > 0).all())
    if isinstance(layer, nn.AvgPool2d):
        padded = layer.padding not in (0, (0, 0)) or layer.ceil_mode
        return not padded and layer.divisor_override is None
    return isinstance(layer, nn.AdaptiveAvgPool2d)


def pool_means(graph: fx.GraphModule) -> fx.GraphModule:
    """Write a mean over height and width as the global average pooling that it is."""
    for mean in [node for node in graph.graph.nodes if is_call(graph, node, MEANS)]:
        arguments = dict(zip(("input", "dim", "keepdim"), mean.args, strict=False)) | mean.kwargs
        if set(arguments) - {"input", "dim", "keepdim"} or not _is_spatial(arguments.get("dim")):
            continue
        with graph.graph.inserting_before(mean):
            pooled = graph.graph.call_function(
                functional.adaptive_avg_pool2d, (arguments["input"], 1)
            )
            if not arguments.get("keepdim", False):
                pooled = graph.graph.call_function(torch.flatten, (pooled, 1))
        mean.replace_all_uses_with(pooled)
        graph.graph.erase_node(mean)
    graph.recompile()
    return graph


def _is_spatial(dim: Any) -> bool:
    """Whether these are the last two of the dimensions (n, channels, height, width)."""
    if not isinstance(dim, list | tuple) or not all(isinstance(d, int) for d in dim):
        return False
    return sorted(d % IMAGE_DIMS for d in dim) == [2, 3]
