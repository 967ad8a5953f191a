r"""Maxima, limits and other functions of straight pieces, written as differences and ReLUs.

What a unit with a threshold computes is a ReLU. Everything made of straight pieces is a sum of
those, exactly:

===================  ===========================================================
operation            written as
===================  ===========================================================
max(a, b)            b + relu(a - b)
min(a, b)            a - relu(a - b)
abs(x)               relu(x) + relu(-x)
clamp(x, l, h)       l + hardtanh(x - l, 0, h - l)
hardsigmoid(x)       hardtanh(x + 3, 0, 6) / 6
softshrink(x, l)     relu(x - l) - relu(-x - l)
prelu(x), a < 0      relu(x) - a relu(-x)
max of many          a tree of max(a, b); a pooling first along one axis, then the next
===================  ===========================================================

The rewritten graph computes the same, so that every unit of a tree has an activation of the network
that it can be compared with.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

__all__ = ["in_pieces", "pieces", "shapes_of"]

Rule = Callable[[fx.GraphModule, fx.Node, dict[str, Any]], Any]  # the new node, or None

POOLS = {
    nn.MaxPool1d: 1, nn.MaxPool2d: 2, nn.MaxPool3d: 3,
    functional.max_pool1d: 1, functional.max_pool2d: 2, functional.max_pool3d: 3,
    torch.max_pool1d: 1, torch.max_pool2d: 2, torch.max_pool3d: 3,
}  # fmt: skip
ADAPTIVE = {
    nn.AdaptiveMaxPool1d: 1, nn.AdaptiveMaxPool2d: 2, nn.AdaptiveMaxPool3d: 3,
    functional.adaptive_max_pool1d: 1, functional.adaptive_max_pool2d: 2,
    functional.adaptive_max_pool3d: 3,
}  # fmt: skip
CONVOLUTIONS = {
    nn.Conv1d: functional.conv1d, nn.Conv2d: functional.conv2d, nn.Conv3d: functional.conv3d,
}  # fmt: skip


def shapes_of(graph: fx.GraphModule, input_shape: tuple[int, ...], gates: bool = True) -> bool:
    """Note the shape of every node's value for one image; False where the graph fails on blanks.

    What no image enters is noted as a constant.
    """

    class Shapes(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            value = super().run_node(n)
            if isinstance(value, torch.Tensor):
                n.meta["shape"] = tuple(value.shape)
                constant = n.op == "get_attr" or not n.all_input_nodes
                constant |= all("constant" in m.meta for m in n.all_input_nodes)
                if constant and n.op != "placeholder":
                    n.meta["constant"] = value
            return value

    if not any(_to_rewrite(graph, node, gates) for node in graph.graph.nodes):
        return False
    dtype = next((p.dtype for p in graph.parameters() if p.is_floating_point()), torch.float32)
    walk = Shapes(graph)
    walk.extra_traceback = False
    try:
        with torch.no_grad():
            walk.run(torch.zeros(2, *input_shape, dtype=dtype))
    except Exception:  # the walk that makes the records says where and why
        return False
    return True


def in_pieces(graph: fx.GraphModule, gates: bool = True) -> fx.GraphModule:
    """Write every function of straight pieces as the table of this module says.

    Parameters
    ----------
    graph : torch.fx.GraphModule
        With its shapes noted by :func:`shapes_of`.
    gates : bool
        Whether a max pooling without dilation along one or two axes stays as it is.
    """
    for node in list(graph.graph.nodes):
        rule = _rule(graph, node)
        if rule is None or "shape" not in node.meta and rule is not largest_along:
            continue
        arguments = _arguments(graph, node)
        if gates and rule is pooled_maximum and _has_gate(graph, node, arguments):
            continue
        with graph.graph.inserting_before(node):
            made = rule(graph, node, arguments)
        if made is not None and made is not node:
            made.meta.setdefault("shape", node.meta["shape"])
            node.replace_all_uses_with(made)
            graph.graph.erase_node(node)
    graph.graph.lint()
    graph.recompile()
    return graph


def pieces(graph: fx.GraphModule) -> set[str]:
    """Names of the nodes that :func:`in_pieces` has made: none of them is the user's."""
    return {node.name for node in graph.graph.nodes if "piece" in node.meta}


def _rule(graph: fx.GraphModule, node: fx.Node) -> Rule | None:
    kind: Any = node.target
    if node.op == "call_module":
        kind = type(graph.get_submodule(str(node.target)))
    elif node.op not in ("call_function", "call_method"):
        return None
    if kind in (torch.max, torch.min, "max", "min"):
        binary = isinstance(_second(node), fx.Node)
        return (maximum if binary else largest_along) if _name(kind) == "max" or binary else None
    return RULES.get(kind)


def _to_rewrite(graph: fx.GraphModule, node: fx.Node, gates: bool) -> bool:
    rule = _rule(graph, node)
    if rule is pooled_maximum and gates:
        return not _has_gate(graph, node, _arguments(graph, node))
    return rule is not None


def _second(node: fx.Node) -> Any:
    return node.args[1] if len(node.args) > 1 else node.kwargs.get("other")


def _name(kind: Any) -> str:
    return kind if isinstance(kind, str) else getattr(kind, "__name__", "")


def _arguments(graph: fx.GraphModule, node: fx.Node) -> dict[str, Any]:
    """The arguments of a call, or the attributes of its module, by name."""
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        return {**vars(module), "input": node.args[0], "module": module}
    kind = "max_pool" if node.target in POOLS else _name(node.target).strip("_")
    names = SIGNATURES.get(kind, ("input", "other"))
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}


def _call(node: fx.Node, function: Any, *args: Any, **kwargs: Any) -> Any:
    """A new call in a node's place, with its place in the network."""
    name = f"{node.name}_{_name(function)}"
    made = node.graph.create_node("call_function", function, args, kwargs, name)
    made.meta["piece"] = True
    if "nn_module_stack" in node.meta:
        made.meta["nn_module_stack"] = node.meta["nn_module_stack"]
    return made


def larger(node: fx.Node, a: Any, b: Any) -> Any:
    """max(a, b) = b + relu(a - b)."""
    difference = _call(node, operator.sub, a, b)
    return _call(node, operator.add, b, _call(node, torch.relu, difference))


def maximum(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> Any:
    """The larger or smaller of two values; a constant becomes an offset."""
    a, b = arguments["input"], arguments["other"]
    if "constant" in getattr(a, "meta", {}):
        a, b = b, a
    if _name(node.target) in ("minimum", "min", "fmin"):
        difference = _call(node, operator.sub, a, b)
        return _call(node, operator.sub, a, _call(node, torch.relu, difference))
    constant = getattr(b, "meta", {}).get("constant")
    if constant is not None and not constant.any():
        return _call(node, torch.relu, a)
    return larger(node, a, b)


def limited(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> Any:
    """Clamp, Hardtanh and Threshold with limits other than 0."""
    low = arguments.get("min", arguments.get("min_val"))
    high = arguments.get("max", arguments.get("max_val"))
    if _name(node.target) in ("hardtanh", "hardtanh_"):
        low, high = -1.0 if low is None else low, 1.0 if high is None else high
    if isinstance(low, fx.Node | torch.Tensor) or isinstance(high, fx.Node | torch.Tensor):
        return None
    if low == 0 and (high is None or high > 0):
        return None
    x = arguments["input"]
    if low is None:
        room = _call(node, torch.relu, _call(node, operator.sub, high, x))
        return _call(node, operator.sub, high, room)
    return _between(node, x, low, high)


def _between(node: fx.Node, x: Any, low: float, high: float | None) -> Any:
    shifted = _call(node, operator.sub, x, low)
    if high is None:
        rectified = _call(node, torch.relu, shifted)
    else:
        rectified = _call(node, functional.hardtanh, shifted, 0.0, float(high - low))
    return _call(node, operator.add, rectified, low)


def threshold(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> Any:
    """X above a threshold t, and t below it; another value below makes a step, which is refused."""
    at, value = arguments["threshold"], arguments["value"]
    return None if at != value or at == 0 else _between(node, arguments["input"], at, None)


def hard_sigmoid(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> Any:
    """relu6(x + 3) / 6."""
    shifted = _call(node, operator.add, arguments["input"], 3.0)
    return _call(node, operator.truediv, _call(node, functional.hardtanh, shifted, 0.0, 6.0), 6.0)


def absolute(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> Any:
    """relu(x) + relu(-x)."""
    x = arguments["input"]
    negative = _call(node, torch.relu, _call(node, operator.neg, x))
    return _call(node, operator.add, _call(node, torch.relu, x), negative)


def shrunk(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> Any:
    """relu(x - l) - relu(-x - l)."""
    x, width = arguments["input"], arguments.get("lambd", 0.5)
    above = _call(node, torch.relu, _call(node, operator.sub, x, width))
    negative = _call(node, operator.neg, x)
    below = _call(node, torch.relu, _call(node, operator.sub, negative, width))
    return _call(node, operator.sub, above, below)


def bent_down(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> Any:
    """relu(x) - a relu(-x), where a slope below 0 is negative."""
    if "negative_slope" in arguments or "weight" not in arguments and node.op != "call_module":
        slope: Any = arguments.get("negative_slope", 0.01)
        if not isinstance(slope, int | float) or slope >= 0:
            return None
    else:
        weight = arguments["module"].weight if "module" in arguments else arguments["weight"]
        if isinstance(weight, fx.Node):
            weight = weight.meta.get("constant")
        if weight is None or not (weight < 0).any():
            return None
        slopes = weight.detach().reshape(-1, *[1] * (len(node.meta["shape"]) - 2))
        slope = _buffer(graph, node, slopes)
    x = arguments["input"]
    negative = _call(node, torch.relu, _call(node, operator.neg, x))
    falling = _call(node, operator.mul, negative, slope)
    return _call(node, operator.sub, _call(node, torch.relu, x), falling)


def _buffer(graph: fx.GraphModule, node: fx.Node, value: torch.Tensor) -> Any:
    number = 0
    while hasattr(graph, f"_constant_{number}"):
        number += 1
    graph.register_buffer(f"_constant_{number}", value)
    return node.graph.get_attr(f"_constant_{number}")


def largest_along(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> Any:
    """The maximum along dimensions, as a tree over its slices."""
    x, dim = arguments["input"], arguments.get("dim", arguments.get("other"))
    shape = x.meta.get("shape")
    dims = dim if isinstance(dim, list | tuple) else (dim,)
    if shape is None or not dims or not all(isinstance(d, int) and d % len(shape) for d in dims):
        return None
    for d in dims:
        windows = np.arange(shape[d])[:, None]
        x = _over_windows(graph, node, x, d % len(shape), windows)
    if not arguments.get("keepdim", False):
        for d in sorted((d % len(shape) for d in dims), reverse=True):
            x = _call(node, torch.squeeze, x, d)
    if _name(node.target) == "amax":
        return x
    for user in list(node.users):  # .values, or the first of (values, indices)
        taken = user.op == "call_function" and user.target in (operator.getitem, getattr)
        if taken and user.args[1] in (0, "values"):
            user.replace_all_uses_with(x)
            graph.graph.erase_node(user)
    if node.users:
        return None
    graph.graph.erase_node(node)
    return None


def pooled_maximum(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> Any:
    """A max pooling, as a tree along one axis and then the next."""
    n = POOLS[_kind(graph, node)]
    x = arguments["input"]
    size, padding = arguments["kernel_size"], arguments.get("padding") or 0
    stride, dilation = arguments.get("stride") or size, arguments.get("dilation") or 1
    if arguments.get("return_indices") or "shape" not in x.meta:
        return None
    values = [[v] * n if isinstance(v, int) else list(v) for v in (size, stride, padding, dilation)]
    shape, result = x.meta["shape"], node.meta["shape"]
    for axis in range(n):
        k, s, p, d = (v[axis] for v in values)
        before, after = shape[axis - n], result[axis - n]
        places = np.arange(after)[None] * s - p + np.arange(k)[:, None] * d
        windows = _inside(places, before)
        x = _over_windows(graph, node, x, len(shape) - n + axis, windows)
    return x


def adapted_maximum(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> Any:
    """An adaptive max pooling: window i of m reaches from floor(i n / m) to ceil((i + 1) n / m)."""
    n, x = ADAPTIVE[_kind(graph, node)], arguments["input"]
    if arguments.get("return_indices") or "shape" not in x.meta:
        return None
    shape, result = x.meta["shape"], node.meta["shape"]
    for axis in range(n):
        before, after = shape[axis - n], result[axis - n]
        first = np.arange(after) * before // after
        last = -(-(np.arange(after) + 1) * before // after) - 1
        places = first + np.arange(int((last - first).max()) + 1)[:, None]
        windows = np.minimum(places, last)
        x = _over_windows(graph, node, x, len(shape) - n + axis, windows)
    return x


def _inside(places: np.ndarray, size: int) -> np.ndarray:
    """Places of a window with those outside the image replaced by one that is inside."""
    inside = (places >= 0) & (places < size)
    first = np.take_along_axis(places, inside.argmax(axis=0)[None], axis=0)
    return np.where(inside, places, first)


def _over_windows(
    graph: fx.GraphModule, node: fx.Node, x: Any, dim: int, windows: np.ndarray
) -> Any:
    """The maximum over members of windows, (members, windows), along a dimension."""
    members = []
    for row in np.unique(windows, axis=0):
        index = _buffer(graph, node, torch.from_numpy(row.astype(np.int64)))
        members.append(_call(node, torch.index_select, x, dim, index))
    while len(members) > 1:
        pairs = [members[i : i + 2] for i in range(0, len(members), 2)]
        members = [larger(node, *p) if len(p) == 2 else p[0] for p in pairs]
    return members[0]


def bordered(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> Any:
    """A convolution that pads by reflection, replication or a circle, after that padding."""
    module = arguments["module"]
    if module.padding_mode == "zeros":
        return None
    mode, border = module.padding_mode, module._reversed_padding_repeated_twice
    padded = _call(node, functional.pad, arguments["input"], tuple(border), mode)
    weight = node.graph.get_attr(f"{node.target}.weight")
    bias = node.graph.get_attr(f"{node.target}.bias") if module.bias is not None else None
    options = {"stride": module.stride, "dilation": module.dilation, "groups": module.groups}
    return _call(node, CONVOLUTIONS[type(module)], padded, weight, bias, **options)


def _kind(graph: fx.GraphModule, node: fx.Node) -> Any:
    if node.op == "call_module":
        return type(graph.get_submodule(str(node.target)))
    return node.target


def _has_gate(graph: fx.GraphModule, node: fx.Node, arguments: dict[str, Any]) -> bool:
    """Whether a kernel of gates has the geometry of a pooling."""
    kind = _kind(graph, node)
    plain = not arguments.get("return_indices") and kind in POOLS and POOLS[kind] < 3
    return plain and arguments.get("dilation", 1) in (1, (1,), (1, 1), [1, 1], [1])


SIGNATURES: dict[str, Sequence[str]] = {
    **dict.fromkeys(("clamp", "clip"), ("input", "min", "max")),
    "clamp_min": ("input", "min"),
    "clamp_max": ("input", "max"),
    "hardtanh": ("input", "min_val", "max_val"),
    "threshold": ("input", "threshold", "value"),
    "softshrink": ("input", "lambd"),
    "leaky_relu": ("input", "negative_slope"),
    "prelu": ("input", "weight"),
    "amax": ("input", "dim", "keepdim"),
    "max": ("input", "other", "keepdim"),
    "max_pool": (
        *("input", "kernel_size", "stride", "padding", "dilation"),
        *("ceil_mode", "return_indices"),
    ),
}
RULES: dict[Any, Rule] = {
    **dict.fromkeys(
        (torch.maximum, torch.minimum, torch.fmax, torch.fmin, "maximum", "minimum"), maximum
    ),
    **dict.fromkeys(
        (torch.clamp, torch.clip, torch.clamp_min, torch.clamp_max, functional.hardtanh), limited
    ),
    **dict.fromkeys(("clamp", "clip", "clamp_min", "clamp_max", nn.Hardtanh), limited),
    **dict.fromkeys((nn.Threshold, functional.threshold), threshold),
    **dict.fromkeys((nn.Hardsigmoid, functional.hardsigmoid), hard_sigmoid),
    **dict.fromkeys((torch.abs, "abs", operator.abs), absolute),
    **dict.fromkeys((nn.Softshrink, functional.softshrink), shrunk),
    **dict.fromkeys((nn.PReLU, functional.prelu, nn.LeakyReLU, functional.leaky_relu), bent_down),
    **dict.fromkeys((torch.amax, "amax"), largest_along),
    **dict.fromkeys(POOLS, pooled_maximum),
    **dict.fromkeys(ADAPTIVE, adapted_maximum),
    **dict.fromkeys(CONVOLUTIONS, bordered),
}
