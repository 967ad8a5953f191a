r"""Operations without a record of their own: scales and offsets of channels, or any affine map.

What an operation of a forward does to its input is asked of the operation itself (see
:mod:`bionet.conversion.tracing.unit_maps`): arithmetic with constants such as ``(x - mean) / std``
is a normalisation, :math:`y = s x + t` with s for each channel; what moves or mixes units is an
:class:`~bionet.conversion.tracing.records.Affine`; a convolution that is no Conv2d is built from
its taps,

.. math:: M = \sum_\tau W_\tau \otimes S_\tau

with the weights of a tap between channels and the matrix of ones of its positions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse

from bionet.conversion.tracing.operations import Operation, parameter, refuse
from bionet.conversion.tracing.records import Affine, BatchNorm, Record
from bionet.conversion.tracing.unit_maps import MAX_CONNECTIONS, unit_maps

__all__ = ["any_affine", "convolution_by_taps"]

ONE_BATCH = (
    "it takes one batch size only; keep the batch dimension: x.flatten(1) or x.view(x.size(0), -1)"
)


def any_affine(op: Operation) -> Record:
    """The record of an operation that is an affine map of units.

    Raises
    ------
    InputError
        If it is none.
    """
    affine = unit_maps(op.apply, op.source_shapes, op.shape)
    if affine is None:
        refuse(op.label, op.place, ONE_BATCH if _takes_one_batch_only(op) else "")
    maps, constant = affine
    if len(maps) == 1 and op.source_shapes[0] == op.shape and is_diagonal(maps[0]):
        scales = of_channels(maps[0].diagonal().reshape(op.shape))
        if scales.ndim == 1:
            shifts = of_channels(constant.reshape(op.shape))
            return BatchNorm(**op.base, scale=scales, shift=shifts)
    return Affine(**op.base, maps=maps, constant=constant.reshape(op.shape))


def _takes_one_batch_only(op: Operation) -> bool:
    """Whether an operation fails on another number of images than the trace's."""

    def fails(n: int) -> bool:
        try:
            op.apply([torch.zeros(n, *shape, dtype=torch.float64) for shape in op.source_shapes])
        except Exception:  # of any kind: it is asked whether there is one
            return True
        return False

    return fails(1) and not fails(3)


def convolution_by_taps(op: Operation, call: Any, axes: int, transposed: bool) -> Record:
    """A convolution along any number of axes, or a transposed one, as the map of units it is.

    Parameters
    ----------
    op : Operation
    call : callable
        ``call(x, weight)``: the convolution between one channel and one channel.
    axes : int
    transposed : bool
        Whether the weights are (n_in, n_out / groups, *kernel), not (n_out, n_in / groups, ...).
    """
    weights = parameter(op, "weight")
    groups = int(op.get("groups", 1))
    if transposed:  # (n_in, out) of each group, as (groups, out, in)
        n_in, per_out = weights.shape[:2]
        grouped = weights.reshape(groups, n_in // groups, per_out, *weights.shape[2:])
        grouped = grouped.swapaxes(1, 2)
    else:
        grouped = weights.reshape(groups, -1, *weights.shape[1:])
    source = op.source_shapes[0][1:]
    if len(source) != axes:
        refuse(op.label, op.place, f"its input has the shape {op.source_shapes[0]}")
    n_source, n_target = int(np.prod(source)), int(np.prod(op.shape[1:]))
    if weights.size * n_source > MAX_CONNECTIONS:
        refuse(op.label, op.place, f"it has {weights.size * n_source:,} connections, too many")
    numbers = torch.arange(1, n_source + 1, dtype=torch.float64).reshape(1, 1, *source)
    total = sparse.csr_array((int(np.prod(op.shape)), op.source_shapes[0][0] * n_source))
    for tap in np.ndindex(weights.shape[2:]):
        delta = torch.zeros(1, 1, *weights.shape[2:], dtype=torch.float64)
        delta[(0, 0, *tap)] = 1
        sources = np.rint(call(numbers, delta).reshape(-1).numpy()).astype(np.int64)
        rows = np.flatnonzero(sources)
        places = sparse.csr_array(
            (np.ones(len(rows)), (rows, sources[rows] - 1)), shape=(n_target, n_source)
        )
        channels = sparse.block_diag([g[(slice(None), slice(None), *tap)] for g in grouped])
        total = total + sparse.kron(channels, places, format="csr")
    bias = parameter(op, "bias", op.shape[0])
    constant = np.broadcast_to(bias.reshape(-1, *[1] * axes), op.shape)
    return Affine(**op.base, maps=(sparse.csr_array(total),), constant=np.array(constant))


def is_diagonal(matrix: Any) -> bool:
    """Whether a matrix connects unit i to unit i alone."""
    entries = matrix.tocoo()
    return matrix.shape[0] == matrix.shape[1] and bool((entries.row == entries.col).all())


def of_channels(values: np.ndarray) -> np.ndarray:
    """One value for each channel, (channels,), or all of them where they differ within one."""
    first = values.reshape(len(values), -1)[:, :1]
    # A scale is the difference of two values, whose last bit may vary.
    same = np.allclose(values.reshape(len(values), -1), first, rtol=1e-12, atol=0)
    return np.asarray(first[:, 0] if same else values)
