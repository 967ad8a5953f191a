r"""Average poolings within the weights of the layer that follows: no units that round once more.

A pooling is linear, so that a layer W after it is the one layer

.. math:: W' = W P, \qquad y = W (P x) = W' x

Kernel tap k of a convolution with dilation d after pools of stride s reads tap p of the pool at
:math:`s d k + p`: its kernel is the sum of the shifted ones over the pool's size, and its stride
and padding are s times as large. A spike then reaches as many units as its pool's did, one pool's
spikes being as many as those of all its units: fewer roundings, for more additions.

=======  ====  ==================================
symbol   unit  meaning
=======  ====  ==================================
P        1     average over the units of each pool
W        1     weights of the layer after it
=======  ====  ==================================
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from bionet.conversion.tracing.operations import OTHERS
from bionet.conversion.tracing.records import (
    AveragePool,
    Conv,
    Linear,
    Record,
    Records,
    consumers,
    find,
    removed,
)
from bionet.errors import InputError

__all__ = ["fold_input_pooling", "fold_pooling"]


def fold_pooling(records: Records) -> Records:
    """The records without those average poolings that one layer with weights follows.

    Parameters
    ----------
    records : tuple of Record
        The populations to be.

    Returns
    -------
    tuple of Record
        A pooling of the images, of padded pools or of pools over the edge before a convolution,
        and one with an activation of its own, stays.
    """
    for pool in records:
        after = consumers(records, pool.name)
        if not isinstance(pool, AveragePool) or pool.rectified or len(after) != 1:
            continue
        if pool.source == "input":
            continue
        folded = _folded(pool, after[0], find(records, pool.source).shape)
        if folded is not None:
            kept = tuple(folded if r.name == folded.name else r for r in records)
            return fold_pooling(removed(kept, pool.name))
    return records


def fold_input_pooling(records: Records, input_shape: tuple[int, ...]) -> Records:
    """The records with poolings of the images in the weights of the layer after them.

    Raises
    ------
    InputError
        Where that is not exact: units of a pooling would rectify what is negative.
    """
    for pool in records:
        if not isinstance(pool, AveragePool) or pool.source != "input":
            continue
        after = consumers(records, pool.name)
        folded = _folded(pool, after[0], input_shape) if len(after) == 1 else None
        if folded is None:
            raise InputError(
                f"{pool.place} pools images with negative pixels, which units of this method would"
                f" rectify: pool the images before they are presented, or {OTHERS}"
            )
        kept = tuple(folded if r.name == folded.name else r for r in records)
        return fold_input_pooling(removed(kept, pool.name), input_shape)
    return records


def _folded(pool: AveragePool, layer: Record, shape: tuple[int, ...]) -> Record | None:
    """The layer with the pooling in its weights, or None where that is no layer of its kind."""
    if isinstance(layer, Linear):
        return replace(layer, weights=_pulled_back(pool, shape, layer.weights))
    if isinstance(layer, Conv) and len(shape) == 3 and _exact(pool, shape, layer):
        return _convolution(pool, layer)
    return None


def _pulled_back(pool: AveragePool, shape: tuple[int, ...], weights: np.ndarray) -> np.ndarray:
    """W P: each weight spread over the units of its pool, the transpose of the pooling."""
    rows = torch.from_numpy(np.ascontiguousarray(weights)).reshape(len(weights), *pool.shape)
    source = torch.zeros((len(weights), *shape), dtype=rows.dtype, requires_grad=True)
    with torch.enable_grad():
        (spread,) = torch.autograd.grad(pool.kernel.mapped(source), source, rows)
    return np.asarray(spread.reshape(len(weights), -1).numpy())


def _exact(pool: AveragePool, shape: tuple[int, ...], layer: Conv) -> bool:
    """Whether pools lie within the image and, where the convolution pads, tile it."""
    sizes = zip(shape[1:], pool.shape[1:], pool.pool, pool.stride, strict=True)
    left = [n - ((m - 1) * s + k) for n, m, k, s in sizes]
    tiled = pool.pool == pool.stride and not any(left)
    return not any(pool.padding) and min(left) >= 0 and (tiled or not any(layer.padding))


def _convolution(pool: AveragePool, layer: Conv) -> Conv:
    """The convolution of the unpooled image; see the module's equation."""
    (rows, columns), (down, right) = pool.pool, pool.stride
    step = (down * layer.dilation[0], right * layer.dilation[1])
    n_out, n_in, height, width = layer.weights.shape
    size = (step[0] * (height - 1) + rows, step[1] * (width - 1) + columns)
    weights = np.zeros((n_out, n_in, *size))
    for y in range(rows):
        for x in range(columns):
            stop = (y + step[0] * (height - 1) + 1, x + step[1] * (width - 1) + 1)
            weights[:, :, y : stop[0] : step[0], x : stop[1] : step[1]] += layer.weights
    return replace(
        layer,
        weights=weights * (pool.scale / (pool.divisor_override or rows * columns)),
        stride=(layer.stride[0] * down, layer.stride[1] * right),
        padding=(layer.padding[0] * down, layer.padding[1] * right),
        dilation=(1, 1),
    )
