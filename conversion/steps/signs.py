r"""Pairs of units, on and off, for values of both signs where a unit fires for one sign only.

A layer whose output x has both signs (a linear bottleneck, a LeakyReLU, a pooling of signed
images) becomes two populations,

.. math:: x^{+} = \max(0, W y + b), \qquad x^{-} = \max(0, -W y - b), \qquad x = x^{+} - x^{-}

and what follows gets each of them, the second one with the opposite sign. A LeakyReLU of slope s
has s times those weights in the second. Nothing is lost by it: each is a ReLU of the network.

References
----------
On and off cells of the retina: S. W. Kuffler, J. Neurophysiol. 16 (1953) 37-68.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from bionet.conversion.steps.branches import is_nonnegative, summed
from bionet.conversion.tracing.records import (
    AveragePool,
    Conv,
    Identity,
    Linear,
    Mapped,
    MaxPool,
    Record,
    Records,
    Sum,
    Weighted,
    per_channel,
)

__all__ = ["OFF", "as_branch", "from_pairs", "scaled", "split_signs"]

OFF = "_off"


def split_signs(
    records: Records, nonnegative_input: bool = True, input_shape: tuple[int, ...] = ()
) -> Records:
    """A pair of populations for every layer but the last whose output may be negative.

    Parameters
    ----------
    records : tuple of Record
        The populations to be, some of them signed; no gate has a signed source.
    nonnegative_input : bool
        Whether the images hold nothing negative.
    input_shape : tuple of int
        Shape of one image.
    """
    names = {r.name for r in records}
    shapes = {"input": input_shape, **{r.name: r.shape for r in records}}
    halves: list[Record] = []
    off: dict[str, str] = {}
    for number, record in enumerate(records):
        signed = not is_nonnegative(records, record, nonnegative_input)
        record = from_pairs(record, off, shapes)
        if signed and isinstance(record, AveragePool):
            record = as_branch(record, shapes)
        if not signed or number == len(records) - 1:
            halves.append(record)
            continue
        name = record.name + OFF
        while name in names:
            name += "_"
        names.add(name)
        off[record.name] = name
        slope = record.slope if record.rectified else 1.0
        halves.append(replace(record, rectified=True, slope=0.0))
        mirrored = scaled(record, -np.asarray(slope))
        node = f"-{record.node}"
        halves.append(replace(mirrored, name=name, node=node, rectified=True, slope=0.0))
    return tuple(halves)


def from_pairs(record: Record, off: dict[str, str], shapes: dict[str, tuple[int, ...]]) -> Record:
    """The record with a second branch from the off half of each of its sources that has one."""
    if not any(source in off for source in record.inputs):
        return record
    branches = list(record.branches) if isinstance(record, Sum) else [as_branch(record, shapes)]
    for branch in tuple(branches):
        if branch.source in off:
            mirrored = scaled(branch, np.asarray(-1.0))
            if isinstance(mirrored, Weighted):
                mirrored = replace(mirrored, bias=np.zeros_like(mirrored.bias))
            branches.append(
                replace(mirrored, name=f"{branch.name}{OFF}", inputs=(off[branch.source],))
            )
    return summed(record, tuple(branches))


def as_branch(record: Record, shapes: dict[str, tuple[int, ...]]) -> Record:
    """The record as one summand of a sum; a pooling as a map of units."""
    if isinstance(record, AveragePool):
        return _mapped_pool(record, shapes[record.source])
    if isinstance(record, MaxPool):
        raise TypeError(f"{record.place}: a gate compares spikes of one sign")
    return replace(record, rectified=False, slope=0.0, bound=np.inf)


def _mapped_pool(pool: AveragePool, source: tuple[int, ...]) -> Mapped:
    """An average pooling as a map of units, whose weights may differ between channels."""
    return Mapped(
        name=pool.name,
        inputs=pool.inputs,
        shape=pool.shape,
        node=pool.node,
        place=pool.place,
        weights=sparse.csr_array(pool.kernel.as_sparse(source).matrix()),
        bias=np.zeros(pool.shape[0]),
    )


def scaled(record: Record, factor: np.ndarray) -> Record:
    """The record with its weights and bias times a factor, () or (channels,)."""
    if isinstance(record, Sum):
        return replace(record, branches=tuple(scaled(b, factor) for b in record.branches))
    n = len(record.shape)
    if isinstance(record, Conv | Linear):
        rows = factor.reshape(-1, *[1] * (record.weights.ndim - 1)) if factor.ndim else factor
        bias = record.bias * (per_channel(factor, record.bias.ndim) if factor.ndim else factor)
        return replace(record, weights=record.weights * rows, bias=bias)
    whole = np.broadcast_to(per_channel(factor, n), record.shape)
    if isinstance(record, Mapped):
        bias = per_channel(record.bias, n) * whole
        return replace(record, weights=scaled_rows(record.weights, whole), bias=bias)
    if isinstance(record, Identity):
        return replace(record, weight=record.weight * (whole if factor.ndim else float(factor)))
    raise TypeError(f"{record.place} ({record.kind}) cannot be multiplied")


def scaled_rows(matrix: Any, factors: np.ndarray) -> Any:
    """A sparse matrix with each row times its factor."""
    return sparse.csr_array(sparse.diags_array(np.ravel(factors)) @ matrix)
