"""Networks whose forward returns several tensors: one of them is the network's answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import fx, nn

from bionet.errors import InputError

__all__ = ["OneOutput", "with_one_output"]


class OneOutput(nn.Module):
    """A network of which one output counts.

    Parameters
    ----------
    net : torch.nn.Module
        Returns a tuple, a list or a dict of tensors.
    output : int or str
        Place or name of the one that counts.
    """

    def __init__(self, net: nn.Module, output: int | str) -> None:
        super().__init__()
        self.net, self.output = net, output

    def forward(self, *images: Any) -> Any:
        """That output."""
        return self.net(*images)[self.output]


def with_one_output(graph: fx.GraphModule, output: int | str) -> fx.GraphModule:
    """The graph that returns one of its outputs, without what leads to the others alone.

    Raises
    ------
    InputError
        If there is no such output.
    """
    node = next(n for n in graph.graph.nodes if n.op == "output")
    returned: Any = node.args[0]
    try:
        several = isinstance(returned, Mapping | tuple | list)
        answer = returned[output] if several else None
    except (KeyError, IndexError, TypeError):
        answer = None
    if not isinstance(answer, fx.Node):
        raise InputError(f"the forward has no output {output!r}; {described(returned)}")
    node.args = (answer,)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def described(returned: Any) -> str:
    """What a forward returns, and how to choose from it."""
    if isinstance(returned, Mapping):
        names = ", ".join(repr(name) for name in returned)
        return f"it returns {names}; choose one: output={next(iter(returned), None)!r}"
    if isinstance(returned, tuple | list):
        return f"it returns {len(returned)} values; choose one: output=0"
    return "it returns one tensor: leave output out"
