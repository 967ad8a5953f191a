r"""Branches that meet in a sum: a residual block becomes one population with several projections.

.. math:: z = f\big(W_1 * x_1 + b_1 + x_2\big)

is a unit that integrates the spikes of :math:`x_1` through :math:`W_1` and those of :math:`x_2`
one to one, with the drive :math:`b_1`; a convolution on the shortcut is its kernel. Populations
run in the order of the graph within one step, so both branches' spikes arrive in the same step,
however many layers either has.

=========  ====  ==================================================
symbol     unit  meaning
=========  ====  ==================================================
f          1     ReLU, LeakyReLU or nothing
x1, x2     1     outputs of the populations where the branches begin
=========  ====  ==================================================

References
----------
K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition. CVPR (2016).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from scipy import sparse

from bionet.conversion.steps.unit_maps import channel_map
from bionet.conversion.tracing.records import (
    Add,
    Affine,
    Conv,
    Identity,
    Linear,
    Mapped,
    Record,
    Records,
    Sum,
    Weighted,
    consumers,
    find,
    per_channel,
)

__all__ = ["is_nonnegative", "kind_of", "merge_sums", "own_population", "summed"]

R = TypeVar("R", bound=Record)


def kind_of(records: Records, kind: type[R]) -> list[R]:
    """The records of one kind, in order."""
    return [r for r in records if isinstance(r, kind)]


def merge_sums(records: Records, input_shape: tuple[int, ...] | None = None) -> Records:
    """Make one record of every addition and the layers that lead to it alone.

    A convolution or fully connected layer without a ReLU whose only consumer is the addition
    becomes a branch of it; any other summand is passed on one to one. An addition that leads to
    another addition alone is part of that one. A map of units is an addition whose branches are
    maps: those that only scale and choose channels go into the layer before them.

    Parameters
    ----------
    records : tuple of Record
        With ReLUs absorbed.
    input_shape : tuple of int, optional
        Of one image, where a map of the images may change it.

    Returns
    -------
    tuple of Record
        Without :class:`Add` and :class:`Affine`.
    """
    for record in records:
        if isinstance(record, Add | Affine):
            merged, used = _merged(records, record, input_shape)
            kept = tuple(merged if r is record else r for r in records if r.name not in used)
            return merge_sums(kept, input_shape)
    return records


def _merged(
    records: Records, add: Add | Affine, input_shape: tuple[int, ...] | None
) -> tuple[Record, set[str]]:
    """The sum that an addition becomes, and the names of the records that became its branches."""
    branches: list[Record] = []
    used: set[str] = set()
    maps = add.maps if isinstance(add, Affine) else (None,) * len(add.inputs)
    for source, matrix in zip(add.inputs, maps, strict=True):
        before = None if source == "input" else find(records, source)
        alone = before is not None and len(consumers(records, source)) == 1
        plain = before is not None and not before.rectified and add.inputs.count(source) == 1
        taken = _through(before, matrix, add) if alone and plain and before is not None else None
        if taken is None:
            shape = input_shape if before is None else before.shape
            branches.append(_identity(add, source, matrix, shape in (None, add.shape)))
        else:
            branches.extend(taken)
            used.add(source)
    if isinstance(add, Affine) and np.any(add.constant):
        branches[0] = with_constant(branches[0], add.constant)
    return summed(add, tuple(branches)), used


def _through(before: Record, matrix: Any, add: Record) -> list[Record] | None:
    """The branches that a layer and the map after it become; None if the map stays its own."""
    if isinstance(before, Sum):
        each = [_through(branch, matrix, add) for branch in before.branches]
        return None if any(e is None for e in each) else [b for e in each for b in e or ()]
    if matrix is None:
        return [before] if isinstance(before, Conv | Linear | Mapped | Identity) else None
    if isinstance(before, Identity):
        diagonal = np.broadcast_to(before.weight, before.shape).reshape(1, -1)
        same = before.shape == add.shape
        return [_identity(add, before.source, sparse.csr_array(matrix * diagonal), same)]
    if isinstance(before, Mapped):
        product = sparse.csr_array(matrix @ before.weights)
        bias = matrix @ np.broadcast_to(
            per_channel(before.bias, len(before.shape)), before.shape
        ).reshape(-1)
        shape = add.shape
        return [replace(before, weights=product, bias=bias.reshape(shape), shape=shape)]
    if isinstance(before, Linear) and len(add.shape) == 1:
        weights = np.asarray(matrix @ before.weights)
        return [replace(before, weights=weights, bias=matrix @ before.bias, shape=add.shape)]
    if isinstance(before, Conv) and before.groups == 1 and before.bias.ndim == 1:
        between = channel_map(matrix, before.shape, add.shape)
        if between is None or any(between.before) or any(between.after):
            return None
        weights = np.einsum("oi,ijkl->ojkl", between.weights, before.weights)
        if len(between.weights) > len(before.weights) and len(add.inputs) > 1:
            return None  # a concatenation: most of the new channels would get nothing from here
        bias = between.weights @ before.bias
        return [replace(before, weights=weights, bias=bias, shape=add.shape)]
    return None


def summed(record: Record, branches: tuple[Record, ...]) -> Record:
    """The record whose branches these are: a sum, or its one layer itself."""
    if len(branches) == 1 and isinstance(branches[0], Weighted):
        fields = ("name", "shape", "node", "place", "rectified", "slope", "bound")
        return replace(branches[0], **{name: getattr(record, name) for name in fields})
    return _sum(record, branches)


def with_constant(branch: Record, constant: np.ndarray) -> Record:
    """A branch that adds a constant of the sum's shape too."""
    if isinstance(branch, Weighted):
        bias = per_channel(branch.bias, constant.ndim) + constant
        return replace(branch, bias=bias)
    if isinstance(branch, Identity):
        diagonal = np.broadcast_to(np.asarray(branch.weight, dtype=np.float64), constant.shape)
        return _mapped(branch, sparse.diags_array(diagonal.reshape(-1)).tocsr(), constant)
    raise TypeError(f"{branch.place} ({branch.kind}) has no bias")


def own_population(relu: Record) -> Sum:
    """A ReLU as a population: the sum of one branch, one to one."""
    return replace(_sum(relu, (_identity(relu, relu.source, None),)), rectified=True)


def is_nonnegative(records: Records, record: Record, nonnegative_input: bool = True) -> bool:
    """Whether the output of a record holds nothing negative, the images being so or not."""
    if record.rectified:
        return not np.any(record.slope)
    if isinstance(record, Sum):
        return all(is_nonnegative(records, b, nonnegative_input) for b in record.branches)
    if isinstance(record, Conv | Linear):
        return False
    if isinstance(record, Mapped) and np.any(np.asarray(record.weights.data) < 0):
        return False
    if isinstance(record, Mapped) and (record.bias < 0).any():
        return False
    if isinstance(record, Identity) and np.any(np.asarray(record.weight) < 0):
        return False
    return all(
        nonnegative_input
        if i == "input"
        else is_nonnegative(records, find(records, i), nonnegative_input)
        for i in record.inputs
    )


def _identity(record: Record, source: str, matrix: Any, same_shape: bool = True) -> Record:
    """A branch that passes a source on, by a map where there is one."""
    if matrix is not None and not (same_shape and _is_diagonal(matrix)):
        return _mapped(_identity(record, source, None), matrix, np.zeros(record.shape[0]))
    diagonal = None if matrix is None else matrix.diagonal()
    weight: float | np.ndarray = 1.0
    if diagonal is not None:
        same = (diagonal == diagonal[0]).all()
        weight = float(diagonal[0]) if same else diagonal.reshape(record.shape)
    return Identity(
        name=f"{record.name}_{source}",
        inputs=(source,),
        shape=record.shape,
        node=record.node,
        place=record.place,
        weight=weight,
    )


def _is_diagonal(matrix: Any) -> bool:
    entries = matrix.tocoo()
    return matrix.shape[0] == matrix.shape[1] and bool((entries.row == entries.col).all())


def _mapped(branch: Record, matrix: Any, constant: np.ndarray) -> Mapped:
    return Mapped(
        name=branch.name,
        inputs=branch.inputs,
        shape=branch.shape,
        node=branch.node,
        place=branch.place,
        weights=matrix,
        bias=constant,
    )


def _sum(record: Record, branches: tuple[Record, ...]) -> Sum:
    return Sum(
        name=record.name,
        inputs=tuple(branch.source for branch in branches),
        shape=record.shape,
        node=record.node,
        place=record.place,
        rectified=record.rectified,
        slope=record.slope,
        bound=record.bound,
        ceiling=record.ceiling,
        branches=branches,
    )
