"""Arithmetic with constants in a forward, such as ``(x - mean) / std``, as a normalisation.

An operation between a layer's output and a constant is an affine map of every unit,
:math:`y = s x + t`. Its scale and shift are found by applying it to 0 and 1, and -1 and 2 tell
whether it is one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx

from bionet.conversion.tracing.operations import Operation, refuse
from bionet.conversion.tracing.records import BatchNorm

__all__ = ["IN_PLACE", "arithmetic", "is_arithmetic"]

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
    known = METHODS if node.op == "call_method" else FUNCTIONS
    if node.op not in ("call_method", "call_function") or node.target not in known:
        return False
    given = [*node.args, *node.kwargs.values()]
    return len(data) == 1 and sum(value is data[0] for value in given) == 1


def arithmetic(op: Operation, apply: Callable[[torch.Tensor], Any]) -> BatchNorm:
    """The normalisation that an operation with a constant is.

    Parameters
    ----------
    op : Operation
    apply : callable
        The operation on another input, float64 tensor (1, *source_shape).
    """
    unit = torch.ones((1, *op.source_shape), dtype=torch.float64)
    at = {x: apply(x * unit) for x in (-1, 0, 1, 2)}
    scale, shift = at[1] - at[0], at[0]
    affine = op.shape == op.source_shape and all(
        torch.allclose(y, scale * x + shift, rtol=1e-6, atol=1e-9) for x, y in at.items()
    )
    if not affine:
        refuse(op.label, op.place, "it is no factor and no offset of its input's units")
    scales, shifts = (_of_channels(value[0].numpy()) for value in (scale, shift))
    if scales.ndim > 1:
        refuse(op.label, op.place, "its factors differ within a channel; use one for each channel")
    return BatchNorm(**op.base, scale=scales, shift=shifts)


def _of_channels(values: np.ndarray) -> np.ndarray:
    """One value for each channel, (channels,), or all of them where they differ within one."""
    first = values.reshape(len(values), -1)[:, :1]
    # A scale is the difference of two values, whose last bit may vary.
    same = np.allclose(values.reshape(len(values), -1), first, rtol=1e-12, atol=0)
    return np.asarray(first[:, 0] if same else values)
