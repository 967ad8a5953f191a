r"""Maps of units go into the layers beside them: most of them need no population of their own.

A layer that follows a map :math:`y = \sum_k M_k x_k + c` and is linear itself takes it in,

.. math:: W y + b = \sum_k (W M_k)\, x_k + (W c + b)

and becomes a sum of branches, one for each source. The product keeps its form where it can:

- a map between channels, :math:`M = P \otimes 1` (a concatenation, a channel shuffle, a slice of
  channels), before a convolution gives a convolution with the weights :math:`W P`;
- a map that only surrounds the image with zeros gives a convolution with more padding;
- a choice of units before a fully connected layer gives a fully connected layer;
- a map before a map gives their product, unless that has many more connections than both.

A map that follows a layer without a ReLU between goes into that layer's weights likewise, in
:mod:`bionet.conversion.steps.branches`. What is left becomes a population whose units pass on what
they get.

=======  =====================================================
symbol   meaning
=======  =====================================================
M_k, c   the map's matrix for its source k, and its constant
P        matrix between channels, (n_out, n_in)
W, b     weights and bias of the layer that follows
=======  =====================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional

from bionet.conversion.tracing.records import (
    Add,
    Affine,
    BatchNorm,
    Conv,
    Linear,
    Record,
    Records,
    consumers,
    find,
    per_channel,
)

__all__ = [
    "ChannelMap",
    "as_affine",
    "channel_map",
    "convolution_matrix",
    "fold_maps",
    "identity_map",
]

MAX_CONNECTIONS = 4 * 10**6  # of a convolution that is written out
GROWTH = 2.0  # connections of a product over those of its factors, at most


class ChannelMap(NamedTuple):
    """A map of units that is one between channels, at shifted places of an image.

    Attributes
    ----------
    weights : array (n_out, n_in)
    before, after : tuple of int
        What it adds before and after the image along each axis; negative where it cuts.
    """

    weights: np.ndarray
    before: tuple[int, ...]
    after: tuple[int, ...]


def identity_map(shape: tuple[int, ...]) -> Any:
    """Unit i to unit i, csr_array."""
    return sparse.csr_array(sparse.eye_array(int(np.prod(shape)), format="csr"))


def as_affine(record: Record, records: Records, input_shape: tuple[int, ...]) -> Affine:
    """An addition or a normalisation as a map of units."""
    if isinstance(record, Affine):
        return record
    shape = record.shape
    base: dict[str, Any] = {
        "name": record.name,
        "inputs": record.inputs,
        "shape": shape,
        "node": record.node,
        "place": record.place,
        "rectified": record.rectified,
        "slope": record.slope,
        "bound": record.bound,
    }
    if isinstance(record, Add):
        maps = tuple(identity_map(shape) for _ in record.inputs)
        return merged_inputs(Affine(**base, maps=maps, constant=np.zeros(shape)))
    if isinstance(record, BatchNorm):
        scales, shifts = (
            np.broadcast_to(per_channel(v, len(shape)), shape) for v in (record.scale, record.shift)
        )
        matrix = sparse.diags_array(scales.reshape(-1)).tocsr()
        return Affine(**base, maps=(matrix,), constant=np.array(shifts, dtype=np.float64))
    raise TypeError(f"a {record.kind} is no map of units")


def merged_inputs(record: Affine) -> Affine:
    """The map with every source once."""
    names = tuple(dict.fromkeys(record.inputs))
    if len(names) == len(record.inputs):
        return record
    pairs = list(zip(record.inputs, record.maps, strict=True))
    maps = tuple(sparse.csr_array(sum(m for i, m in pairs if i == name)) for name in names)
    return replace(record, inputs=names, maps=maps)


def fold_maps(records: Records, input_shape: tuple[int, ...]) -> Records:
    """Let every layer that can take in the map before it do so.

    Parameters
    ----------
    records : tuple of Record
        With flattenings removed, normalisations folded and ReLUs absorbed.
    input_shape : tuple of int

    Returns
    -------
    tuple of Record
    """
    shapes = {"input": input_shape, **{r.name: r.shape for r in records}}
    records = tuple(
        as_affine(r, records, input_shape)
        if isinstance(r, Add) and any(_is_map(records, i) for i in r.inputs)
        else r
        for r in records
    )
    while True:
        folded = _fold_one(records, shapes)
        if folded is None:
            return records
        records = folded


def _is_map(records: Records, name: str) -> bool:
    return name != "input" and isinstance(find(records, name), Affine)


def _fold_one(records: Records, shapes: dict[str, tuple[int, ...]]) -> Records | None:
    """The records with one map less, or None where none can be folded."""
    for record in records[:-1]:
        if not isinstance(record, Affine) or record.rectified:
            continue
        after = consumers(records, record.name)
        taken = [_taken_in(record, layer, shapes) for layer in after]
        if not after or any(t is None for t in taken):
            continue
        new = {layer.name: t for layer, t in zip(after, taken, strict=True)}
        kept: list[Record] = []
        for r in records:
            if r is not record:
                kept.extend(new.get(r.name) or (r,))
        for r in kept:
            shapes[r.name] = r.shape
        return tuple(kept)
    return None


def _taken_in(
    before: Affine, layer: Record, shapes: dict[str, tuple[int, ...]]
) -> Sequence[Record] | None:
    """The records that a layer becomes when it takes in the map before it; None if it cannot."""
    if isinstance(layer, Affine):
        product = _product(before, layer)
        return None if product is None else (product,)
    if isinstance(layer, Add):
        return _taken_in(before, as_affine(layer, (), ()), shapes)
    if isinstance(layer, Linear):
        if not _chooses(before):
            return None
        weights = [layer.weights @ m for m in before.maps]
        constant = layer.weights @ before.constant.reshape(-1)
        branches = [replace(layer, weights=np.asarray(w)) for w in weights]
        return _as_branches(layer, before.inputs, branches, layer.bias + constant)
    if isinstance(layer, Conv):
        return _before_convolution(before, layer, shapes)
    return None


def _product(before: Affine, layer: Affine) -> Affine | None:
    inputs: list[str] = []
    maps: list[Any] = []
    constant = np.array(layer.constant, dtype=np.float64)
    size = 0
    for name, matrix in zip(layer.inputs, layer.maps, strict=True):
        if name != before.name:
            inputs.append(name)
            maps.append(matrix)
            continue
        constant += (matrix @ before.constant.reshape(-1)).reshape(layer.shape)
        for source, first in zip(before.inputs, before.maps, strict=True):
            inputs.append(source)
            maps.append(sparse.csr_array(matrix @ first))
            size += maps[-1].nnz
    factors = sum(m.nnz for m in (*before.maps, *layer.maps))
    if size > GROWTH * factors and not _chooses(before):
        return None
    record = replace(layer, inputs=tuple(inputs), maps=tuple(maps), constant=constant)
    return merged_inputs(record)


def _chooses(record: Affine) -> bool:
    """Whether every unit of a map gets one source unit at most."""
    return bool(np.all(sum(np.diff(m.indptr) for m in record.maps) <= 1))


def _as_branches(
    layer: Conv | Linear,
    sources: Sequence[str],
    branches: Sequence[Conv | Linear],
    bias: np.ndarray,
) -> Sequence[Record]:
    """One layer of the new weights, or one for each source and the addition of them."""
    if len(branches) == 1:
        return (replace(branches[0], inputs=(sources[0],), bias=bias),)
    plain: dict[str, Any] = {"rectified": False, "slope": 0.0, "bound": np.inf}
    parts = [
        replace(
            branch,
            **plain,
            name=f"{layer.name}_of_{source}",
            inputs=(source,),
            bias=bias if number == 0 else np.zeros_like(layer.bias),
        )
        for number, (source, branch) in enumerate(zip(sources, branches, strict=True))
    ]
    total = Add(
        name=layer.name,
        inputs=tuple(part.name for part in parts),
        shape=layer.shape,
        node=layer.node,
        place=layer.place,
        rectified=layer.rectified,
        slope=layer.slope,
        bound=layer.bound,
    )
    return (*parts, total)


def _before_convolution(
    before: Affine, layer: Conv, shapes: dict[str, tuple[int, ...]]
) -> Sequence[Record] | None:
    """A convolution with the map of channels, or the border of zeros, before it in its weights."""
    branches = []
    for source, matrix in zip(before.inputs, before.maps, strict=True):
        between = channel_map(matrix, shapes[source], before.shape)
        branch = None if between is None else _convolved(layer, between, shapes[source])
        if branch is None:
            return _as_map(before, layer)
        branches.append(branch)
    bias = layer.bias
    if np.any(before.constant):
        bias = per_channel(bias, len(layer.shape)) + convolved(layer, before.constant)
    return _as_branches(layer, before.inputs, branches, bias)


def _as_map(before: Affine, layer: Conv) -> Sequence[Record] | None:
    """The convolution of chosen units as a map of its own, if it has few connections."""
    if not _chooses(before) or layer.kernel.n_synapses(before.shape) > MAX_CONNECTIONS:
        return None
    constant = convolved(layer, before.constant) + per_channel(layer.bias, len(layer.shape))
    whole = convolution_matrix(layer, before.shape)
    fields = ("name", "shape", "node", "place", "rectified", "slope", "bound")
    return (
        Affine(
            **{name: getattr(layer, name) for name in fields},
            inputs=before.inputs,
            maps=tuple(sparse.csr_array(whole @ m) for m in before.maps),
            constant=np.array(np.broadcast_to(constant, layer.shape)),
        ),
    )


def convolution_matrix(layer: Conv, source: tuple[int, ...]) -> Any:
    """Every connection of a convolution, csr_array (n_target, n_source)."""
    return sparse.csr_array(layer.kernel.as_sparse(source).matrix())


def convolved(layer: Conv, values: np.ndarray) -> np.ndarray:
    """What a convolution makes of one image (channels, ...), without its bias."""
    flat = values.ndim == 2
    image = torch.from_numpy(np.array(values[:, None] if flat else values, dtype=np.float64))
    made = functional.conv2d(
        image[None], torch.from_numpy(layer.weights).double(), None,
        layer.stride, layer.padding, layer.dilation, layer.groups,
    )[0].numpy()  # fmt: skip
    return np.asarray(made[:, 0] if flat else made)


def _convolved(layer: Conv, between: ChannelMap, source: tuple[int, ...]) -> Conv | None:
    weights, groups = layer.weights, layer.groups
    n_in = between.weights.shape[1]
    square = between.weights.shape[0] == n_in
    if not (square and np.array_equal(between.weights, np.eye(n_in))):
        if groups > 1:
            return None
        weights = np.einsum("oikl,ij->ojkl", weights, between.weights)
    before, after = between.before, between.after
    if len(source) == 2:
        before, after = (0, *before), (0, *after)
    return _padded(replace(layer, weights=weights), before, after)


def _padded(layer: Conv, before: tuple[int, ...], after: tuple[int, ...]) -> Conv | None:
    """The convolution of an image that is surrounded by further zeros, as one with more padding.

    A kernel pads both ends alike; where they differ, it gets zeros at the end that has less.
    """
    weights, padding, dilation = layer.weights, list(layer.padding), list(layer.dilation)
    for axis, (first, last) in enumerate(zip(before, after, strict=True)):
        if min(first, last) < 0:
            return None
        if first != last:
            step, size = dilation[axis], weights.shape[2 + axis]
            shape = list(weights.shape)
            shape[2 + axis] = step * (size - 1) + 1 + abs(first - last)
            spread = np.zeros(shape)
            start = max(0, last - first)
            places = slice(start, start + step * (size - 1) + 1, step)
            np.moveaxis(spread, 2 + axis, 0)[places] = np.moveaxis(weights, 2 + axis, 0)
            weights, dilation[axis] = spread, 1
        padding[axis] += max(first, last)
    return replace(
        layer,
        weights=weights,
        padding=(padding[0], padding[1]),
        dilation=(dilation[0], dilation[1]),
    )


def channel_map(matrix: Any, source: tuple[int, ...], target: tuple[int, ...]) -> ChannelMap | None:
    """The map between channels that a map of units is; None if it is none."""
    if len(source) != len(target) or len(source) < 2:
        return None
    entries = matrix.tocoo()
    weights = np.zeros((target[0], source[0]))
    sizes, places = target[1:], source[1:]
    if entries.nnz == 0:
        return ChannelMap(weights, (0,) * len(sizes), tuple(np.subtract(sizes, places)))
    where = np.stack(np.unravel_index(entries.row, target))
    origin = np.stack(np.unravel_index(entries.col, source))
    shift = (where - origin)[1:]
    if (shift != shift[:, :1]).any():
        return None
    before = shift[:, 0]
    overlap = np.minimum(sizes, places + before) - np.maximum(0, before)
    weights[where[0], origin[0]] = entries.data
    pairs = np.zeros(weights.shape, dtype=np.int64)
    np.add.at(pairs, (where[0], origin[0]), 1)
    whole = int(np.prod(overlap))
    if not np.isin(pairs, (0, whole)).all():
        return None
    if not np.array_equal(weights[where[0], origin[0]], entries.data):
        return None
    after = np.subtract(sizes, places) - before
    return ChannelMap(weights, tuple(map(int, before)), tuple(map(int, after)))
