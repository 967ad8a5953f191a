"""A NIR graph as flat lists of nodes and edges: subgraphs opened, order of a step, names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bionet.errors import InputError

__all__ = ["FlatGraph", "flattened", "identifier"]

Edge = tuple[str, str]


@dataclass(frozen=True)
class FlatGraph:
    """Nodes by their full names and the edges between them, without subgraphs.

    Attributes
    ----------
    nodes : mapping of str to NIRNode
        In the order of a step: a node comes after those it hears, but for edges that close a loop.
    edges : tuple of (str, str)
    input, outputs : str and tuple of str
        Names of the graph's own Input node and Output nodes.
    """

    nodes: Mapping[str, Any]
    edges: tuple[Edge, ...]
    input: str
    outputs: tuple[str, ...]

    def before(self, name: str) -> list[str]:
        """Nodes with an edge to this one, in the order of the edges."""
        return [a for a, b in self.edges if b == name]

    def after(self, name: str) -> list[str]:
        """Nodes that this one has an edge to, in the order of the edges."""
        return [b for a, b in self.edges if a == name]


def flattened(graph: Any) -> FlatGraph:
    """Open the subgraphs of a NIR graph.

    Raises
    ------
    InputError
        If the graph has no input or output, several inputs, or an edge to a node that is not there.
    """
    nodes: dict[str, Any] = {}
    edges: list[Edge] = []
    _gather("", graph, nodes, edges)
    inputs = [n for n, node in graph.nodes.items() if type(node).__name__ == "Input"]
    outputs = tuple(n for n, node in graph.nodes.items() if type(node).__name__ == "Output")
    if len(inputs) != 1:
        raise InputError(
            f"the NIR graph has {len(inputs)} Input nodes ({', '.join(inputs) or 'none'}), but a"
            " network has one input; join them in one node"
        )
    if not outputs:
        raise InputError("the NIR graph has no Output node; add one after the last neurons")
    order = _order(inputs[0], nodes, edges)
    return FlatGraph({n: nodes[n] for n in order}, tuple(edges), inputs[0], outputs)


def _gather(prefix: str, graph: Any, nodes: dict[str, Any], edges: list[Edge]) -> None:
    """Add a graph's nodes and edges under a prefix; edges of a subgraph meet its ends."""
    ends: dict[str, tuple[list[str], list[str]]] = {}
    for name, node in graph.nodes.items():
        full = prefix + name
        if type(node).__name__ != "NIRGraph":
            nodes[full] = node
            ends[name] = [full], [full]
            continue
        _gather(f"{full}.", node, nodes, edges)
        kinds = {n: type(x).__name__ for n, x in node.nodes.items()}
        first, last = ([f"{full}.{n}" for n in kinds if kinds[n] == k] for k in ("Input", "Output"))
        if len(first) != 1 or len(last) != 1:
            raise InputError(
                f"subgraph {full!r} of the NIR graph has {len(first)} inputs and {len(last)}"
                " outputs, but needs one of each"
            )
        ends[name] = first, last
    for a, b in dict.fromkeys((str(a), str(b)) for a, b in graph.edges):
        for name in (a, b):
            if name not in ends:
                raise InputError(
                    f"the NIR graph has an edge to {prefix + name!r}, but no such node"
                )
        edges += [(p, q) for p in ends[a][1] for q in ends[b][0]]


def _order(start: str, nodes: Mapping[str, Any], edges: Iterable[Edge]) -> list[str]:
    """Depth first, finished last first: sources before targets, but for edges that close a loop."""
    after: dict[str, list[str]] = {n: [] for n in nodes}
    for a, b in edges:
        after[a].append(b)
    finished: list[str] = []
    seen = {start}
    stack = [(start, iter(after[start]))]
    while stack:
        name, targets = stack[-1]
        target = next((t for t in targets if t not in seen), None)
        if target is None:
            finished.append(name)
            stack.pop()
        else:
            seen.add(target)
            stack.append((target, iter(after[target])))
    unreached = [n for n in nodes if n not in seen]
    if unreached:
        raise InputError(f"node {unreached[0]!r} of the NIR graph gets no input")
    return finished[::-1]


def identifier(name: str, taken: Iterable[str]) -> str:
    """A population's name for a node: letters, digits, underscores, and not taken yet."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "node"
    plain = f"node_{plain}" if plain[0].isdigit() or plain in RESERVED else plain
    names, number = set(taken), 1
    while (text := plain if number == 1 else f"{plain}_n{number}") in names:
        number += 1
    return text


# Names of other objects of a built network; see SpikingNetwork.
RESERVED = ("input", "presentation", "presentation_end")
