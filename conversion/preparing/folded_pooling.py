r"""An average pooling as a part of the layer after it, so that no unit stands for a pool.

A pool's average is linear, and so is the layer that takes it. Pool tap p of stride s and kernel
tap k of dilation d read the source at p + s d k, so that

.. math::

    \tilde W_{\,p + s d k} = \sum W_k / |pool|, \qquad
    \tilde{stride} = s \cdot stride, \qquad \tilde{padding} = s \cdot padding

A convolution that pads is one convolution of the pooling's source only if the pools do not overlap
and leave nothing over: a padded pool then lies on padded units alone. A fully connected layer takes
any pooling.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from bionet.conversion.steps.branches import kind_of
from bionet.conversion.tracing.records import (
    AveragePool,
    Conv,
    Linear,
    Record,
    Records,
    Sum,
    consumers,
    find,
    removed,
)
from bionet.errors import InputError

__all__ = ["fold_pooling"]


def fold_pooling(records: Records) -> Records:
    """The records with poolings folded into the layers after them, where that is exact.

    A pooling that cannot be folded stays a record.

    Raises
    ------
    InputError
        If a pooling is the last layer.
    """
    for pool in kind_of(records, AveragePool):
        users = consumers(records, pool.name)
        if not users:
            raise InputError(
                f"{pool.place} is the last layer; the output must be a fully connected layer or a"
                " convolution, whose units can be neurons"
            )
        shape = _source_shape(records, pool)
        if shape is None or not all(_is_exact(pool, shape, user) for user in users):
            continue
        folded = {user.name: _folded(pool, shape, user) for user in users}
        return fold_pooling(removed(tuple(folded.get(r.name, r) for r in records), pool.name))
    return records


def _source_shape(records: Records, pool: AveragePool) -> tuple[int, ...] | None:
    """Shape of what a pooling takes; None for the images, whose shape no record holds."""
    return None if pool.source == "input" else find(records, pool.source).shape


def _branches(pool: AveragePool, user: Record) -> list[Record]:
    """The layers of a record that take the pooling's output."""
    parts = user.branches if isinstance(user, Sum) else (user,)
    return [part for part in parts if pool.name in part.inputs]


def _is_exact(pool: AveragePool, shape: tuple[int, ...], user: Record) -> bool:
    return all(_layer_is_exact(pool, shape, layer) for layer in _branches(pool, user))


def _layer_is_exact(pool: AveragePool, shape: tuple[int, ...], layer: Record) -> bool:
    if isinstance(layer, Linear):
        return True
    if not isinstance(layer, Conv) or any(pool.padding):
        return False
    for axis in (0, 1):
        size, window, stride = shape[1 + axis], pool.pool[axis], pool.stride[axis]
        whole = (size - window) // stride + 1
        if pool.shape[1 + axis] != whole:  # a pool reaches over the edge (ceil_mode)
            return False
        if layer.padding[axis] and (stride != window or size % window):
            return False
    return True


def _folded(pool: AveragePool, shape: tuple[int, ...], user: Record) -> Record:
    if isinstance(user, Sum):
        branches = tuple(
            _folded(pool, shape, branch) if pool.name in branch.inputs else branch
            for branch in user.branches
        )
        inputs = tuple(pool.source if name == pool.name else name for name in user.inputs)
        return replace(user, branches=branches, inputs=inputs)
    if isinstance(user, Linear):
        return replace(user, weights=_through(pool, shape, user.weights), inputs=(pool.source,))
    if isinstance(user, Conv):
        return _folded_convolution(pool, user)
    raise InputError(f"{user.place} ({user.kind}) takes no pooling")


def _through(pool: AveragePool, shape: tuple[int, ...], weights: np.ndarray) -> np.ndarray:
    """The weights of a fully connected layer times the pooling's matrix: its transpose by torch."""
    rows = torch.from_numpy(np.asarray(weights, dtype=np.float64))
    source = torch.zeros((len(rows), *shape), dtype=torch.float64, requires_grad=True)
    pooled = functional.avg_pool2d(
        source,
        pool.pool,
        pool.stride,
        pool.padding,
        pool.ceil_mode,
        pool.count_include_pad,
        pool.divisor_override,
    )
    (gradient,) = torch.autograd.grad(pooled, source, rows.reshape(pooled.shape))
    return np.asarray(gradient.reshape(len(rows), -1).numpy() * pool.scale)


def _folded_convolution(pool: AveragePool, conv: Conv) -> Conv:
    strides = tuple(s * d for s, d in zip(pool.stride, conv.dilation, strict=True))
    taps = zip(conv.weights.shape[2:], strides, pool.pool, strict=True)
    size = [(k - 1) * step + window for k, step, window in taps]
    weights = np.zeros((*conv.weights.shape[:2], *size))
    rows, columns = conv.weights.shape[2:]
    for row in range(pool.pool[0]):
        for column in range(pool.pool[1]):
            weights[
                :,
                :,
                row : row + (rows - 1) * strides[0] + 1 : strides[0],
                column : column + (columns - 1) * strides[1] + 1 : strides[1],
            ] += conv.weights
    share = pool.scale / (pool.divisor_override or pool.pool[0] * pool.pool[1])
    return replace(
        conv,
        inputs=(pool.source,),
        weights=weights * share,
        stride=(conv.stride[0] * pool.stride[0], conv.stride[1] * pool.stride[1]),
        padding=(conv.padding[0] * pool.stride[0], conv.padding[1] * pool.stride[1]),
        dilation=(1, 1),
    )
