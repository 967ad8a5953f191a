"""Networks that torch.fx cannot trace, through torch.export, in the functions that fx would give.

A forward that asserts a shape, loops over a dimension or asks ``isinstance`` cannot be traced with
symbols. :mod:`torch.export` runs it on tensors that have a shape but no values, so that every
question about shapes has an answer, and leaves calls of ATen operations. Here these get the names
under which a forward calls them, so that the rest of the conversion sees one kind of graph.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

__all__ = ["exported"]

BATCH = 3
# ATen's name -> the function that takes the same arguments in the same order.
TORCH: dict[str, Any] = {
    **{
        name: getattr(functional, name)
        for name in (
            *("conv1d", "conv2d", "conv3d"),
            *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
            *("linear", "leaky_relu", "prelu", "hardtanh", "relu6", "hardsigmoid", "threshold"),
            *("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d"),
            *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "softshrink", "gelu", "silu", "elu"),
        )
    },
    **{
        name: getattr(torch, name)
        for name in (
            *("relu", "clamp", "clamp_min", "clamp_max", "sigmoid", "tanh", "softmax", "abs"),
            *("log_softmax", "flatten", "reshape", "cat", "maximum", "minimum", "amax", "mean"),
            *("dropout", "sub", "mul", "div", "neg", "permute", "transpose"),
        )
    },
    "add": operator.add,
    "view": torch.reshape,
    "adaptive_max_pool1d": functional.adaptive_max_pool1d,
    "adaptive_max_pool2d": functional.adaptive_max_pool2d,
    "adaptive_max_pool3d": functional.adaptive_max_pool3d,
}
PAIRS = ("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")


def exported(net: nn.Module, shapes: Sequence[tuple[int, ...]]) -> fx.GraphModule:
    """The graph of a network in evaluation mode, for any batch size where that is possible.

    Raises
    ------
    Exception
        Whatever torch.export says of the forward.
    """
    dtype = next((p.dtype for p in net.parameters() if p.is_floating_point()), torch.float32)
    images = tuple(torch.zeros(BATCH, *shape, dtype=dtype) for shape in shapes)
    dynamic = tuple({0: torch.export.Dim.AUTO} for _ in shapes)
    program = torch.export.export(net, images, dynamic_shapes=dynamic, strict=False)
    graph = program.module(check_guards=False)
    assert isinstance(graph, fx.GraphModule)
    for node in list(graph.graph.nodes):
        _renamed(node)
        if node.op == "call_function":
            _in_torch(node)
        elif node.op == "output" and len(node.args[0]) == 1:
            node.args = (node.args[0][0],)
    graph.graph.eliminate_dead_code()
    graph.graph.set_codegen(fx.graph.CodeGen())
    # A new module: the program's own checks what it is called with, by hooks.
    return fx.GraphModule(graph, graph.graph)


def _renamed(node: fx.Node) -> None:
    """Give a node the name of the layer that it comes from."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    if node.op != "call_function" or not stack:
        return
    path, kind = stack[-1][0], str(stack[-1][1])
    if path and "torch.nn.modules" in kind:
        node._rename(path.replace(".", "_"))


def _in_torch(node: fx.Node) -> None:
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.name.startswith("aten::"):
        return
    name = schema.name.removeprefix("aten::").rstrip("_")
    if name == "sym_size":
        node.op, node.target = "call_method", "size"
    elif name.startswith(("_assert", "sym_constrain")):
        node.graph.erase_node(node)
    elif name == "batch_norm":
        x, weight, bias, mean, variance, training, momentum, eps, *_ = node.args
        node.target = functional.batch_norm
        node.args = (x, mean, variance, weight, bias, training, momentum, eps)
    elif name == "max" and "other" not in str(node.target):
        node.target = torch.max
    elif name in PAIRS:
        for user in [u for u in node.users if u.target is operator.getitem and u.args[1] == 0]:
            user.replace_all_uses_with(node)
            node.graph.erase_node(user)
        node.target = TORCH[name]
    elif name in TORCH and not (name == "add" and "alpha" in node.kwargs):
        node.target = TORCH[name]
        node.kwargs = {k: v for k, v in node.kwargs.items() if k != "dtype" or v is not None}
