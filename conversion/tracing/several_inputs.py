"""Networks whose forward takes several tensors: one image holds them all.

The traced graph gets one input and takes it apart again; what it slices and reshapes is a map of
units, which goes into the weights of the layers behind it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from bionet.errors import InputError
from bionet.network.joined_inputs import joined_shape

__all__ = ["OneInput", "with_defaults", "with_one_input"]

Shape = tuple[int, ...]


class OneInput(nn.Module):
    """A network of several inputs as one that takes them joined.

    Parameters
    ----------
    net : torch.nn.Module
        Its forward takes several tensors, or one list of them.
    shapes : sequence of tuple of int
        Of one image of each, in the order of the forward.
    """

    def __init__(self, net: nn.Module, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.net, self.shapes = net, tuple(tuple(int(n) for n in shape) for shape in shapes)

    @property
    def takes_list(self) -> bool:
        """Whether the forward takes one list, not several tensors."""
        parameters = inspect.signature(self.net.forward).parameters.values()
        return len(parameters) == 1 and next(iter(parameters)).kind.name.startswith("POSITIONAL")

    def forward(self, images: torch.Tensor) -> Any:
        """What the network makes of images (n, ...) as :func:`bionet.inputs.joined` makes them."""
        parts, start = [], 0
        for shape in self.shapes:
            size = part_size(shape, self.shapes)
            part = images.narrow(1, start, size)
            parts.append(part if is_side_by_side(self.shapes) else part.reshape(-1, *shape))
            start += size
        return self.net(parts) if self.takes_list else self.net(*parts)


def is_side_by_side(shapes: Sequence[Shape]) -> bool:
    """Whether the inputs are channels of one image, or features of one row."""
    whole = joined_shape(shapes)
    return all(len(shape) == len(whole) for shape in shapes)


def part_size(shape: Shape, shapes: Sequence[Shape]) -> int:
    """Channels or numbers of one input in the joined image."""
    return shape[0] if is_side_by_side(shapes) else int(np.prod(shape))


def with_defaults(net: nn.Module, n_inputs: int | None) -> nn.Module:
    """The network with its forward's further arguments, such as a flag, at their defaults.

    Parameters
    ----------
    net : torch.nn.Module
        A copy of the user's: its class is changed.
    n_inputs : int, optional
        Number of tensors that it is given; as many as have no default where it is not known.
    """
    if isinstance(net, fx.GraphModule):
        return net
    forward = type(net).forward
    parameters = list(inspect.signature(net.forward).parameters.values())
    plain = [p for p in parameters if p.kind.name in ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")]
    if n_inputs is None:
        n_inputs = sum(p.default is p.empty for p in plain) or 1
    unset = [p for p in plain[n_inputs:] if p.default is p.empty]
    if len(plain) <= n_inputs or unset or n_inputs not in FORWARDS:
        return net
    # torch.fx reads the arguments of the class's forward.
    made = FORWARDS[n_inputs](forward)
    net.__class__ = type(type(net).__name__, (type(net),), {"forward": made})
    return net


FORWARDS: dict[int, Any] = {
    1: lambda call: lambda self, images: call(self, images),
    2: lambda call: lambda self, images, second: call(self, images, second),
    3: lambda call: lambda self, images, second, third: call(self, images, second, third),
}


def with_one_input(graph: fx.GraphModule, shapes: Sequence[Shape]) -> fx.GraphModule:
    """The graph with one input in place of several.

    Raises
    ------
    InputError
        If it takes another number of inputs.
    """
    given = [node for node in graph.graph.nodes if node.op == "placeholder"]
    needed = [node for node in given if not node.args]
    if not len(needed) <= len(shapes) <= len(given):
        names = ", ".join(node.name for node in given)
        raise InputError(
            f"input_shape names {len(shapes)} inputs, but the forward takes {len(given)} ({names})"
        )
    with graph.graph.inserting_before(given[0]):
        images = graph.graph.placeholder("images")
    start = 0
    with graph.graph.inserting_after(given[-1]):
        anchor = graph.graph.call_function(torch.narrow, (images, 1, 0, 1))
    for node, shape in zip(given, shapes, strict=False):
        size = part_size(shape, shapes)
        with graph.graph.inserting_before(anchor):
            part = graph.graph.call_function(torch.narrow, (images, 1, start, size))
            if not is_side_by_side(shapes):
                part = graph.graph.call_function(torch.reshape, (part, (-1, *shape)))
        node.replace_all_uses_with(part)
        start += size
    graph.graph.erase_node(anchor)
    for node in given[: len(shapes)]:
        graph.graph.erase_node(node)
    graph.recompile()
    return graph
