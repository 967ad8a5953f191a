"""Which nodes of a forward are arithmetic of one layer's output and a constant."""

from __future__ import annotations

import operator

import torch
from torch import fx

__all__ = ["IN_PLACE", "is_arithmetic"]

IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv)
FUNCTIONS = (
    *IN_PLACE,
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.neg),
    *(torch.add, torch.sub, torch.mul, torch.div, torch.neg),
)
NAMES = ("add", "sub", "mul", "div", "neg")
METHODS = (*NAMES, *(f"{name}_" for name in NAMES))


def is_arithmetic(node: fx.Node, data: list[fx.Node]) -> bool:
    """Whether a node adds, subtracts, multiplies or divides one layer's output and a constant."""
    table = METHODS if node.op == "call_method" else FUNCTIONS
    if node.op not in ("call_method", "call_function") or node.target not in table:
        return False
    given = [*node.args, *node.kwargs.values()]
    return len(data) == 1 and sum(value is data[0] for value in given) == 1
