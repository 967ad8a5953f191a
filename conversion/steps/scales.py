r"""The scales of the layers, and the weights in those scales.

.. math::

    W_l \to W_l \frac{\lambda_{l-1}}{\lambda_l}, \qquad b_l \to \frac{b_l}{\lambda_l}, \qquad
    \lambda_0 = 1

The scale :math:`\lambda_l` of layer l is a high percentile (or the maximum) of its ReLU
activations over a calibration set, zeros included: an activation of :math:`\lambda_l` becomes
one spike in every step.

The percentile is exact. A percentile p of N values needs only the N (1 - p / 100) largest, so
these are all that is kept while the calibration set streams through in batches. Where even they
would be more than ``MAX_KEPT`` (a low percentile of a large layer), every s-th image is used,
with the smallest s that fits: exact over those images and the same every time.

References
----------
Rueckauer, Lungu, Hu, Pfeiffer 2016, Section 3. Diehl et al. 2015 (maximum).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from bionet.conversion.steps.layers import per_input
from bionet.conversion.tracing.activations import see_values
from bionet.conversion.tracing.piecewise import pieces
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
    find,
    per_channel,
)
from bionet.conversion.tracing.trace import Trace
from bionet.errors import InputError
from bionet.kinds import typed

__all__ = [
    "MAX_KEPT",
    "Scales",
    "activation_scales",
    "check_percentile",
    "normalise_weights",
    "unit_scales",
    "with_ceilings",
]

MAX_KEPT = 2**21

Scales = dict[str, np.ndarray]


@typed
def activation_scales(
    traced: Trace,
    records: Records,
    calibration: torch.Tensor,
    percentile: float = 99.9,
    channelwise: bool = False,
    batch_size: int | None = None,
) -> Scales:
    """Scale of every layer: a percentile of its rectified activations.

    Class scores without a ReLU may all be negative. Their scale is then the largest magnitude:
    the potential of the output layer is read all the same, though none of its units fires.

    Parameters
    ----------
    traced : Trace
    records : tuple of Record
        The populations to be, as :func:`~bionet.conversion.steps.layers.population_records`
        gives them.
    calibration : tensor (n, *input_shape)
        Checked by :func:`as_images`.
    percentile : float
        In (0, 100]; 100 is the maximum.
    channelwise : bool
        A scale for every channel, except in the output layer, whose units are compared with
        each other. A channel whose percentile is 0 (dead channels are common) gets the largest
        scale of its layer's channels: any scale keeps it silent, and this one lets no spike
        that comes after all count for too much.

    Returns
    -------
    dict of str to array () or (channels,)
        By record, and 1 for ``"input"``. A pooling has the scale of its source (times the
        factor by which a ``divisor_override`` makes more than an average of it).

    Raises
    ------
    InputError
        If the percentile is out of range or a whole layer is silent: a scale of 0 is none, and
        one made up would hide a dead layer or images that do not belong to the network.

    References
    ----------
    Rueckauer et al. 2016, Section 3.
    """
    check_percentile(percentile)
    shared = output_records(records)
    weighted = [r for r in records if isinstance(r, Weighted | Sum)]
    tallies = {
        r.name: Tally(r, len(calibration), percentile, channelwise and r.name not in shared)
        for r in weighted
    }
    see_values(traced.graph, calibration, weighted, lambda r, v: tallies[r.name].add(v), batch_size)
    made = pieces(traced.graph)
    scales: Scales = {"input": np.array(1.0)}
    for record in records:
        if isinstance(record, AveragePool):
            scales[record.name] = scales[record.source] * pool_gain(record)
        elif isinstance(record, MaxPool):
            scales[record.name] = scales[record.source]
        elif tallies[record.name].silent and (only_maps(record) or record.node in made):
            # A difference of a tree whose other side is always larger: any scale will do.
            scales[record.name] = np.array(max(float(scales[i].max()) for i in record.inputs))
        elif not tallies[record.name].silent or not (twin := twin_of(record, weighted)):
            scales[record.name] = tallies[record.name].scale()
        else:  # the half of a pair that no calibration image reaches: any scale will do
            scales[record.name] = tallies[twin].scale()
    return scales


def only_maps(record: Record) -> bool:
    """Whether a population has no layer's weights, so that its silence is no dead layer's."""
    branches = record.branches if isinstance(record, Sum) else (record,)
    return all(isinstance(branch, Mapped | Identity | AveragePool) for branch in branches)


def twin_of(record: Record, records: Sequence[Record]) -> str | None:
    """Name of the other half of a pair of populations, on or off."""
    node = record.node.removeprefix("-") if record.node.startswith("-") else f"-{record.node}"
    return next((r.name for r in records if r.node == node), None)


def check_percentile(percentile: Any) -> None:
    """Refuse a percentile that is no number in (0, 100]."""
    number = isinstance(percentile, (int, float, np.number)) and not isinstance(percentile, bool)
    if not number or not 0 < percentile <= 100:
        raise InputError(f"percentile must be above 0 and at most 100, but is {percentile!r}")


def unit_scales(records: Records) -> Scales:
    """A scale of 1 for every record: no normalisation. A bound is one spike in every step."""
    bounds = {r.name: np.array(r.bound if np.isfinite(r.bound) else 1.0) for r in records}
    return {"input": np.array(1.0), **bounds}


def with_ceilings(records: Records, scales: Scales) -> Scales:
    """The scales with those that QCFS activations have in themselves.

    Parameters
    ----------
    records : tuple of Record
    scales : dict of str to array () or (channels,)

    Returns
    -------
    dict of str to array () or (channels,)
        A pooling without an activation of its own has the scale of its source.
    """
    bounded: Scales = dict(scales)
    for record in records:
        if record.ceiling is not None:
            bounded[record.name] = np.array(record.ceiling)
        elif isinstance(record, AveragePool):
            bounded[record.name] = bounded[record.source] * pool_gain(record)
        elif isinstance(record, MaxPool):
            bounded[record.name] = bounded[record.source]
    return bounded


@typed
def normalise_weights(records: Records, scales: Scales) -> Records:
    """The records with weights and biases such that a layer's scale becomes 1.

    Parameters
    ----------
    records : tuple of Record
        The populations to be.
    scales : dict of str to array () or (channels,)
        By record, and for ``"input"``.

    References
    ----------
    Rueckauer et al. 2016, Section 3 (data-based normalisation).
    """
    return tuple(
        replace(record, branches=tuple(_normalised(b, scales, record) for b in record.branches))
        if isinstance(record, Sum)
        else _normalised(record, scales, record)
        for record in records
    )


def _normalised(record: Record, scales: Scales, target: Record) -> Record:
    """A layer, or a branch of a sum, between the scales of its source and of its target."""
    before, here = scales[record.source], scales[target.name]
    if isinstance(record, Identity):
        ratio = before / here
        whole = np.broadcast_to(ratio.reshape(-1, *[1] * (len(record.shape) - 1)), record.shape)
        return replace(record, weight=record.weight * (whole if ratio.ndim else float(ratio)))
    if isinstance(record, Mapped):
        return _normalised_map(record, before, here)
    if isinstance(record, AveragePool):
        # The scales of a pooling are those of its source, channel by channel, times one factor.
        return replace(record, scale=record.scale * float(np.mean(before / here)))
    if isinstance(record, MaxPool):
        return record
    if isinstance(record, Conv | Linear):
        column = here.reshape(-1, *[1] * (record.weights.ndim - 1)) if here.ndim else here
        weights = _rescaled(record.weights, per_input(record, before), column)
        scale = per_channel(here, record.bias.ndim) if here.ndim else here
        return replace(record, weights=weights, bias=record.bias / scale)
    raise InputError(f"{record.place} ({record.kind}) has no weights to normalise")


def _rescaled(weights: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights times the source's scales, divided by the target's, in the weights' own precision.

    A new array that nobody may write to, so that a kernel need not copy it.
    """
    if weights.dtype == np.float32 and source.ndim == target.ndim == 0:
        result = weights * np.float32(source / target)
    else:
        result = np.asarray(weights * source)
        result /= target
        result = result.astype(weights.dtype, copy=False)
    result.flags.writeable = False
    return result


def _normalised_map(record: Mapped, before: np.ndarray, here: np.ndarray) -> Mapped:
    n_target, n_source = record.weights.shape
    columns = np.repeat(before, n_source // before.size) if before.ndim else before
    rows = np.repeat(1 / here, n_target // here.size) if here.ndim else 1 / here
    weights = record.weights.copy()
    weights.data = weights.data * (columns[weights.indices] if columns.ndim else columns)
    weights.data *= np.repeat(rows, np.diff(weights.indptr)) if rows.ndim else rows
    bias = record.bias / (per_channel(here, record.bias.ndim) if here.ndim else here)
    return replace(record, weights=weights, bias=bias)


def output_records(records: Records) -> set[str]:
    """Names of the last layer with weights and of the poolings after it."""
    record = records[-1]
    names = {record.name}
    while isinstance(record, AveragePool | MaxPool) and record.source != "input":
        record = find(records, record.source)
        names.add(record.name)
    return names


def pool_gain(pool: AveragePool) -> float:
    """The most that a pooling can make of inputs of at most 1; an average makes 1."""
    area = pool.pool[0] * pool.pool[1]
    return max(1.0, area / (pool.divisor_override or area))


class Tally:
    """The largest activations of one layer, as many as its percentile needs.

    Parameters
    ----------
    record : Record
    n_images : int
        Images that will be added.
    percentile : float
    channelwise : bool
        Keep a percentile for every channel.
    """

    def __init__(self, record: Record, n_images: int, percentile: float, channelwise: bool) -> None:
        self.record = record
        self.percentile = percentile
        self.rows = record.shape[0] if channelwise else 1
        units = int(np.prod(record.shape)) // self.rows
        tail = self.rows * units * n_images * (1 - percentile / 100)
        self.stride = max(1, int(np.ceil(tail / MAX_KEPT)))
        total = units * len(range(0, n_images, self.stride))
        self.rank = (total - 1) * percentile / 100
        self.keep = total - int(self.rank)
        self.seen = 0
        self.kept = torch.empty(self.rows, 0)
        self.magnitude = 0.0

    def add(self, values: torch.Tensor) -> None:
        """Take in the layer's values for the next batch of images, tensor (n, *shape)."""
        first = -self.seen % self.stride
        self.seen += len(values)
        counted = values[first :: self.stride]
        if len(counted) == 0:
            return
        flat = counted.reshape(len(counted), self.rows, -1).transpose(0, 1).reshape(self.rows, -1)
        if not self.record.rectified:
            self.magnitude = max(self.magnitude, float(flat.abs().max()))
        flat = flat.clamp(min=0)
        if self.rows == 1 and self.kept.shape[1] == self.keep:
            # Most values cannot be among the largest any more; a comparison is cheaper than topk.
            flat = flat[flat > self.kept.min()][None]
        both = torch.cat([self.kept.to(flat.dtype), flat], dim=1)
        self.kept = both.topk(min(self.keep, both.shape[1]), dim=1, sorted=False).values

    @property
    def silent(self) -> bool:
        """Whether nothing above 0 has been seen."""
        return not self.magnitude > 0 and not float(self.kept.max()) > 0

    def scale(self) -> np.ndarray:
        """The percentile, array () or (channels,), interpolated linearly as NumPy does."""
        place, percentile = self.record.place, self.percentile
        maximum = float(self.kept.max())
        if maximum == 0 and self.magnitude > 0:
            return np.array(self.magnitude)
        if maximum == 0:
            raise InputError(
                f"every unit of {place} is silent over the whole calibration set, so that it has"
                " no scale; calibrate with images as the network was trained on"
            )
        rows = np.sort(self.kept.numpy().astype(np.float64), axis=1)
        upper = rows[:, min(1, self.keep - 1)]
        values = rows[:, 0] + (self.rank - int(self.rank)) * (upper - rows[:, 0])
        if self.rows == 1:
            if values[0] == 0:
                raise InputError(
                    f"percentile {percentile:g} of the activations of {place} is 0 (their maximum"
                    f" is {maximum:.3g}); choose a higher percentile"
                )
            return np.array(values[0])
        return np.where(values > 0, values, values.max() or maximum)
