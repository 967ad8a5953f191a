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
from typing import TypeVar

from bionet.conversion.tracing.records import (
    Add,
    Conv,
    Identity,
    Linear,
    Record,
    Records,
    Sum,
    Weighted,
    consumers,
    find,
)

__all__ = ["is_nonnegative", "kind_of", "merge_sums", "own_population"]

R = TypeVar("R", bound=Record)


def kind_of(records: Records, kind: type[R]) -> list[R]:
    """The records of one kind, in order."""
    return [r for r in records if isinstance(r, kind)]


def merge_sums(records: Records) -> Records:
    """Make one record of every addition and the layers that lead to it alone.

    A convolution or fully connected layer without a ReLU whose only consumer is the addition
    becomes a branch of it; any other summand is passed on one to one. An addition that leads to
    another addition alone is part of that one.

    Parameters
    ----------
    records : tuple of Record
        With ReLUs absorbed.

    Returns
    -------
    tuple of Record
        Without :class:`Add`.
    """
    for record in records:
        if isinstance(record, Add):
            merged, used = _merged(records, record)
            kept = tuple(merged if r is record else r for r in records if r.name not in used)
            return merge_sums(kept)
    return records


def _merged(records: Records, add: Add) -> tuple[Sum, set[str]]:
    """The sum that an addition becomes, and the names of the records that became its branches."""
    branches: list[Record] = []
    used: set[str] = set()
    for source in add.inputs:
        before = None if source == "input" else find(records, source)
        alone = before is not None and len(consumers(records, source)) == 1
        plain = before is not None and not before.rectified and add.inputs.count(source) == 1
        if alone and plain and isinstance(before, Conv | Linear):
            branches.append(before)
            used.add(source)
        elif alone and plain and isinstance(before, Sum):
            branches.extend(before.branches)
            used.add(source)
        else:
            branches.append(_identity(add, source))
    return _sum(add, tuple(branches)), used


def own_population(relu: Record) -> Sum:
    """A ReLU as a population: the sum of one branch, one to one."""
    return replace(_sum(relu, (_identity(relu, relu.source),)), rectified=True, slope=relu.slope)


def is_nonnegative(records: Records, record: Record) -> bool:
    """Whether the output of a record holds nothing negative, the images being so."""
    if record.rectified:
        return record.slope == 0
    if isinstance(record, Weighted):
        return False
    if isinstance(record, Sum) and any(isinstance(b, Weighted) for b in record.branches):
        return False
    return all(i == "input" or is_nonnegative(records, find(records, i)) for i in record.inputs)


def _identity(record: Record, source: str) -> Identity:
    return Identity(
        name=f"{record.name}_{source}",
        inputs=(source,),
        shape=record.shape,
        node=record.node,
        place=record.place,
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
        branches=branches,
    )
