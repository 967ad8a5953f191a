"""Shared steps of the conversions: pure functions from layer records to layer records.

A method is a short composition of them::

    records = remove_flatten(traced.records)    # units keep their numbers: nothing to permute
    records = fold_batchnorm(records)           # scale and shift go into weights and bias
    records = absorb_relu(records)              # a ReLU becomes a mark on the layer before it
    records = merge_linear(records)             # layers without a ReLU between become one
    records = merge_sums(records)               # an addition and the layers before it become one
    check_rectified(records)                    # what is left can be populations

Each returns new records and leaves its argument alone.

References
----------
Rueckauer, Lungu, Hu, Pfeiffer 2016, Section 3 (batch normalisation, average pooling).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse
from torch import nn

from bionet.conversion.steps.branches import is_nonnegative, kind_of, merge_sums, own_population
from bionet.conversion.steps.fold_pooling import fold_input_pooling
from bionet.conversion.steps.signs import split_signs
from bionet.conversion.steps.unit_maps import as_affine, convolved, fold_maps
from bionet.conversion.tracing.operations import AVERAGE_POOLING, NO_BRANCHES, OTHERS
from bionet.conversion.tracing.records import (
    Add,
    Affine,
    AveragePool,
    BatchNorm,
    Conv,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool,
    Quantised,
    Record,
    Records,
    ReLU,
    Sum,
    consumers,
    find,
    per_channel,
    removed,
    replaced,
)
from bionet.conversion.tracing.trace import Trace, trace
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network.kernel_base import as_image

__all__ = [
    "absorb_relu",
    "check_rectified",
    "gated_trace",
    "gates_need_trees",
    "fold_batchnorm",
    "merge_linear",
    "per_input",
    "population_records",
    "OTHERS",
    "refuse_bounds",
    "refuse_kind",
    "refuse_pooled_images",
    "remove_flatten",
]


@typed
def population_records(
    records: Records,
    rectified_input: bool = False,
    max_pooling: bool = False,
    *,
    branches: bool = False,
    signed: bool = False,
    pairs: bool = False,
    bounds: bool = False,
    nonnegative_input: bool = True,
    input_shape: tuple[int, ...] = (),
    quantised: bool = False,
) -> Records:
    """All the steps of this module: one record for each population to be.

    Parameters
    ----------
    records : tuple of Record
        As traced.
    rectified_input : bool
        Whether the images are known to hold nothing negative, so that a ReLU on them is nothing.
    max_pooling : bool
        Whether the method has a population for a max pooling; otherwise it is refused.
    branches : bool
        Whether the method has populations with several sources; otherwise sums are refused.
    signed : bool
        Whether the method's units fire below 0 too; otherwise a LeakyReLU is refused, and a
        hidden layer without a ReLU.
    pairs : bool
        Whether such layers become pairs of populations instead
        (:mod:`bionet.conversion.steps.signs`).
    bounds : bool
        Whether the method's units have a largest rate; otherwise a ReLU6 is refused.
    nonnegative_input : bool
        Whether no image holds a negative value; True where they are not known.
    input_shape : tuple of int
        Shape of one image.
    quantised : bool
        Whether the method's units show a QCFS activation; otherwise one is refused.

    Returns
    -------
    tuple of Record
        Convolutions, fully connected layers, poolings and sums. Unless ``signed``, each but the
        last of them is rectified.
    """
    if not max_pooling:
        refuse_kind(records, MaxPool, "max pooling", AVERAGE_POOLING)
    if not (signed or pairs):
        refuse_kind(records, LeakyReLU, "LeakyReLU", f"train with ReLU, or {OTHERS}")
    if not bounds:
        refuse_bounds(records)
    if not quantised:
        refuse_kind(records, Quantised, "QCFS activation", "use method='rate', or train with ReLU")
    if not branches:
        refuse_kind(records, Add, "sum", NO_BRANCHES)
    records = fold_batchnorm(remove_flatten(records))
    records = absorb_relu(records, rectified_input)
    records = merge_linear(fold_maps(records, input_shape))
    records = merge_sums(records, input_shape or None)
    if not branches:
        refuse_kind(records, Sum, "sum", NO_BRANCHES)
    if pairs:
        records = split_signs(records, nonnegative_input, input_shape)
    elif not signed and not nonnegative_input:
        records = fold_input_pooling(records, input_shape)
    check_rectified(records, signed or pairs)
    return records


def refuse_kind(records: Records, kind: type[Record], what: str, remedy: str) -> None:
    """Refuse every record of a kind.

    Raises
    ------
    InputError
        Naming the first one, with the remedy.
    """
    for record in kind_of(records, kind):
        raise InputError(
            f"the {what} at {record.place} cannot be converted by this method: {remedy}"
        )


def refuse_bounds(records: Records) -> None:
    """Refuse a ReLU with a bound, such as ReLU6.

    Raises
    ------
    InputError
        Naming the first one.
    """
    bounded = tuple(r for r in records if np.isfinite(r.bound))
    refuse_kind(bounded, ReLU, "bounded ReLU", f"train with ReLU, or {OTHERS}")


def gated_trace(net: nn.Module, input_shape: Sequence[int]) -> Trace:
    """The traced network, its max poolings as gates where each of them can be one.

    A gate passes on spikes of one sign. Whether a pooling sees such is known once all records are,
    so that only a network in which one does not is traced a second time, with trees in their place.
    """
    traced = trace(net, input_shape)
    return trace(net, input_shape, gates=False) if gates_need_trees(traced.records) else traced


def gates_need_trees(records: Records) -> bool:
    """Whether a max pooling compares images or values of both signs, not spikes of one sign.

    Parameters
    ----------
    records : tuple of Record
        As traced.
    """

    def fires(name: str) -> bool:
        """Whether a record's output is that of units that fire, none of it negative."""
        if name == "input":
            return False
        record = find(records, name)
        if isinstance(record, ReLU):
            return True
        if isinstance(record, AveragePool | MaxPool | Flatten | Add):
            return all(fires(i) for i in record.inputs)
        if isinstance(record, Affine):
            positive = all((m.data >= 0).all() for m in record.maps)
            return positive and not (record.constant < 0).any() and all(map(fires, record.inputs))
        return False

    return any(isinstance(r, MaxPool) and not fires(r.source) for r in records)


def refuse_pooled_images(records: Records) -> None:
    """Refuse a max pooling of the images: there are no spikes yet that could be counted.

    Raises
    ------
    InputError
        Naming the pooling.
    """
    for record in records:
        if isinstance(record, MaxPool) and record.source == "input":
            raise InputError(
                f"{record.place} takes the maximum of pixels, but only spikes can be compared;"
                " pool the images before they are presented"
            )


def remove_flatten(records: Records) -> Records:
    """Leave flattenings out: a fully connected kernel takes units of any shape in C order."""
    for record in kind_of(records, Flatten):
        records = removed(records, record.name)
    return records


@typed
def fold_batchnorm(records: Records) -> Records:
    r"""Fold every batch normalisation into the weights beside it.

    After a weighted layer, :math:`W' = s W, b' = s b + t` with scale s and shift t of the output
    channel. Elsewhere (on the input, after a ReLU or a pooling) into the layer that follows:
    :math:`W'_{ij} = W_{ij} s_j, b' = b + \sum_j W_{ij} t_j`. Padding comes after the
    normalisation and is not shifted: where there is any, the sum is over the inputs that a unit
    really has, and every unit gets a bias of its own.

    Raises
    ------
    InputError
        Where neither is exact.

    References
    ----------
    Rueckauer et al. 2016, Section 3 (batch normalisation).
    """
    while norms := kind_of(records, BatchNorm):
        norm = norms[0]
        before = None if norm.source == "input" else find(records, norm.source)
        after = consumers(records, norm.name)
        if (
            isinstance(before, Conv | Linear)
            and len(norm.scale) == len(before.weights)
            and len(consumers(records, before.name)) == 1
        ):
            folded: Record = fold_back(before, norm)
        elif len(after) == 1 and isinstance(after[0], Conv | Linear):
            folded = fold_forward(after[0], norm)
        elif len(after) == 1 and isinstance(after[0], BatchNorm):
            folded = both_norms(norm, after[0])
        elif (
            isinstance(before, Affine | Add)
            and len(consumers(records, before.name)) == 1
            and not before.rectified
        ):
            folded = replace(_times(before, norm), node=norm.node)
        else:
            # A map of its own, which later steps take into what follows.
            records = tuple(as_affine(r, records, ()) if r is norm else r for r in records)
            continue
        records = tuple(folded if r.name == folded.name else r for r in records)
        records = removed(records, norm.name)
    return records


def fold_back(layer: Conv | Linear, norm: BatchNorm) -> Conv | Linear:
    """The layer with the normalisation of its output in its weights."""
    scale = norm.scale.reshape(-1, *[1] * (layer.weights.ndim - 1))
    scales, shifts, n = norm.scale, norm.shift, len(layer.shape)
    if layer.bias.ndim > 1 or shifts.ndim > 1:
        scales, shifts = per_channel(scales, n), per_channel(shifts, n)
    bias = scales * (per_channel(layer.bias, n) if shifts.ndim > 1 else layer.bias) + shifts
    return replace(layer, weights=layer.weights * scale, bias=bias, node=norm.node)


def both_norms(first: BatchNorm, second: BatchNorm) -> BatchNorm:
    """Two normalisations in a row as one."""
    n = len(first.shape) if max(first.shift.ndim, second.shift.ndim) > 1 else 1
    scale, shift = per_channel(second.scale, n), per_channel(first.shift, n)
    return replace(
        second, scale=second.scale * first.scale, shift=scale * shift + per_channel(second.shift, n)
    )


def fold_forward(layer: Conv | Linear, norm: BatchNorm) -> Conv | Linear:
    """The layer with the normalisation of its input in its weights."""
    weights = layer.weights * per_input(layer, norm.scale)
    of_units = norm.shift.ndim > 1
    if isinstance(layer, Conv) and (of_units or (any(layer.padding) and np.any(norm.shift))):
        n = len(norm.shape)
        shifted = convolved(layer, np.broadcast_to(per_channel(norm.shift, n), norm.shape))
        return replace(layer, weights=weights, bias=per_channel(layer.bias, n) + shifted)
    shift = layer.weights * per_input(layer, norm.shift)
    return replace(layer, weights=weights, bias=layer.bias + shift.reshape(len(shift), -1).sum(1))


def per_input(layer: Conv | Linear, values: np.ndarray) -> np.ndarray:
    """Values of the input's channels, in a shape that multiplies the layer's weights.

    Parameters
    ----------
    layer : Conv or Linear
    values : array () or (channels,)
        One for all, one for each channel of the source, or one for each source unit; before a
        Linear also (channels, height, width).

    Returns
    -------
    array that broadcasts with ``layer.weights``
    """
    if values.ndim == 0:
        return values
    if isinstance(layer, Linear):
        if values.ndim > 1:
            return values.reshape(1, -1)
        # A channel of a flattened image is a run of columns: C order of (channels, height, width).
        return np.repeat(values, layer.weights.shape[1] // len(values))[np.newaxis]
    n_out, n_in = layer.weights.shape[:2]
    group = np.arange(n_out) // (n_out // layer.groups)
    channel = group[:, np.newaxis] * n_in + np.arange(n_in)
    return np.asarray(values[channel][:, :, np.newaxis, np.newaxis])


def absorb_relu(records: Records, rectified_input: bool = False) -> Records:
    """Turn every ReLU, LeakyReLU and QCFS activation into a mark on the layer before it.

    That layer's output is then the ReLU's. Where something else takes its output as well, the
    ReLU becomes a sum of one branch, a population of its own. A ReLU on the input does nothing to
    images without negative values and is left out for those.

    Raises
    ------
    InputError
        If a ReLU on the input may change the images.
    """
    while relus := [r for r in records if isinstance(r, ReLU | LeakyReLU | Quantised)]:
        relu = relus[0]
        before = None if relu.source == "input" else find(records, relu.source)
        if before is None:
            if isinstance(relu, Quantised):
                raise InputError(
                    f"{relu.place} clips and rounds the images, for which there are no units;"
                    " remove this activation and train again"
                )
            if not rectified_input:
                raise InputError(
                    f"{relu.place} rectifies the images; it is left out only where a calibration"
                    " set shows that they hold nothing negative: pass calibration=images >= 0, or"
                    " remove this ReLU"
                )
        elif len(consumers(records, before.name)) > 1 or _bends_twice(before, relu):
            records = tuple(own_population(r) if r is relu else r for r in records)
            continue
        else:
            slope = relu.slope * (before.slope if before.rectified else 1.0)
            bound = min(relu.bound, before.bound)
            changes = {"rectified": True, "slope": slope, "bound": bound, "node": relu.node}
            changes["ceiling"] = _lower(before.ceiling, relu.ceiling)
            records = replaced(records, before.name, **changes)
        records = removed(records, relu.name)
    return records


def _bends_twice(before: Record, after: Record) -> bool:
    """Whether the second of two rectifications does more than scale the first one's branches."""
    return before.rectified and (
        (np.isfinite(before.bound) and bool(np.any(after.slope)))
        or (np.isfinite(after.bound) and bool(np.any(before.slope)))
    )


def _times(before: Affine | Add, norm: BatchNorm) -> Affine:
    """The map with the normalisation of its output in its weights."""
    n = len(before.shape)
    affine = as_affine(before, (), ())
    scale, shift = (
        np.broadcast_to(per_channel(v, n), before.shape) for v in (norm.scale, norm.shift)
    )
    diagonal = sparse.diags_array(scale.reshape(-1))
    maps = tuple(sparse.csr_array(diagonal @ m) for m in affine.maps)
    return replace(affine, maps=maps, constant=scale * affine.constant + shift)


def _lower(first: float | None, second: float | None) -> float | None:
    """The lower of two ceilings, of which either may be missing."""
    return min((c for c in (first, second) if c is not None), default=None)


def merge_linear(records: Records) -> Records:
    """Make one layer of two that follow each other without a ReLU between, where it is exact.

    Linear, Linear becomes one Linear; Conv2d, AvgPool2d becomes one Conv2d with a larger kernel
    and stride (before its ReLU, if there is one).

    Raises
    ------
    InputError
        For other pairs.
    """
    for record in records:
        after = consumers(records, record.name)
        if not isinstance(record, Conv | Linear) or record.rectified or len(after) != 1:
            continue
        if isinstance(record, Linear) and isinstance(after[0], Linear):
            merged: Record = merged_linear(record, after[0])
        elif (
            isinstance(record, Conv)
            and isinstance(after[0], AveragePool)
            and _pools_inside(record, after[0])
        ):
            merged = merged_pooling(record, after[0])
        else:
            continue
        kept = [r for r in removed(records, record.name) if r.name != after[0].name]
        position = records.index(record)
        kept.insert(position, merged)
        renamed = tuple(
            replace(r, inputs=tuple(merged.name if i == after[0].name else i for i in r.inputs))
            for r in kept
        )
        return merge_linear(renamed)
    return records


def merged_linear(first: Linear, second: Linear) -> Linear:
    """W2 (W1 x + b1) + b2 as one layer, named after the second."""
    bias = second.weights @ first.bias + second.bias
    return replace(second, weights=second.weights @ first.weights, bias=bias, inputs=first.inputs)


def merged_pooling(conv: Conv, pool: AveragePool) -> Conv:
    """An average over the outputs of a convolution as one convolution, named after it.

    Pool tap p and kernel tap k read the input at stride p + dilation k, so the merged kernel is
    the sum of the kernel shifted by the convolution's stride, divided by the pool's size.
    """
    (rows, columns), (down, right) = pool.pool, pool.stride
    whole = as_image(pool.shape)
    taps = zip(conv.weights.shape[2:], conv.dilation, conv.stride, pool.pool, strict=True)
    size = [d * (k - 1) + 1 + s * (p - 1) for k, d, s, p in taps]
    weights = np.zeros((*conv.weights.shape[:2], *size))
    for row in range(rows):
        for column in range(columns):
            y, x = row * conv.stride[0], column * conv.stride[1]
            y_stop = y + conv.dilation[0] * (conv.weights.shape[2] - 1) + 1
            x_stop = x + conv.dilation[1] * (conv.weights.shape[3] - 1) + 1
            window = np.s_[:, :, y : y_stop : conv.dilation[0], x : x_stop : conv.dilation[1]]
            weights[window] += conv.weights
    share = pool.scale / (pool.divisor_override or rows * columns)
    bias = conv.bias * rows * columns
    if bias.ndim > 1:
        image = conv.bias.reshape(as_image(conv.shape))
        taken = [
            image[:, y : y + down * whole[1] : down, x : x + right * whole[2] : right]
            for y in range(rows)
            for x in range(columns)
        ]
        bias = np.sum(taken, axis=0).reshape(pool.shape)
    return replace(
        conv,
        weights=weights * share,
        bias=bias * share,
        stride=(conv.stride[0] * down, conv.stride[1] * right),
        dilation=(1, 1),
        shape=pool.shape,
        node=pool.node,
        rectified=pool.rectified,
        slope=pool.slope,
        bound=pool.bound,
        ceiling=pool.ceiling,
    )


def _pools_inside(conv: Conv, pool: AveragePool) -> bool:
    """Whether no pool reaches outside the image, so that all have one size."""
    n_out, height, width = as_image(conv.shape)
    (rows, columns), (down, right) = pool.pool, pool.stride
    whole = (n_out, (height - rows) // down + 1, (width - columns) // right + 1)
    return not any(pool.padding) and as_image(pool.shape) == whole


def check_rectified(records: Records, signed: bool = False) -> None:
    """Refuse a layer without a ReLU, unless it is the last or units fire below 0 too.

    Raises
    ------
    InputError
        Naming the layer and what follows it; also if nothing but poolings is left.
    """
    if not records:
        raise InputError("the network has no layers, so there is nothing to convert")
    for record in () if signed else records[:-1]:
        if not is_nonnegative(records, record):
            after = ", ".join(r.place for r in consumers(records, record.name))
            raise InputError(
                f"{record.place} is followed by {after} without a ReLU between; a spiking unit"
                " of this method rectifies its output: convert by rate, ttfs, augmapping or"
                " termapping, or put a ReLU after it and train again"
            )
