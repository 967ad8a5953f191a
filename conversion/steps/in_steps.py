r"""Activations as integrate-and-fire units can show them in T steps, in closed form.

A unit that starts at the share s of its threshold and gets the constant drive z shows

.. math::

    q(z) = \frac{\lambda}{T} \operatorname{clip}\left(
        \left\lfloor \frac{z T}{\lambda} + s \right\rfloor, 0, T \right)

for the scale :math:`\lambda` of its channel: clipped at one spike a step, rounded to whole spikes.
Two steps of the conversion are closed forms over q, without a simulation.

*Scales by least squares.* :math:`\lambda_c` minimises, over the activations a of channel c on the
calibration set, the mean of :math:`(a - q(a))^2`: a small scale clips the few large activations, a
large one rounds the many small ones coarsely, and the balance depends on T.

*Bias correction.* Layer by layer, :math:`b_c \to b_c + \overline{a_c - a'_c}`, with a' the
activation computed through the clipped and rounded layers before it, their biases already
corrected. The mean runs over images and positions.

==================  =====  ==========================================================
symbol              unit   meaning
==================  =====  ==========================================================
a, z                1      activation, and what it is before the ReLU
:math:`\lambda`     1      activation that fires in every step
s                   1      share of the threshold at which a presentation begins
T                   steps  length of a presentation
==================  =====  ==========================================================

References
----------
Y. Li, S. Deng, X. Dong, R. Gong, S. Gu: A free lunch from ANN: towards efficient, accurate spiking
neural networks calibration. ICML (2021), Sections 4.1 and 4.2. T. Bu et al., AAAI (2022).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from bionet.conversion.steps.assemble import drive
from bionet.conversion.steps.scales import Scales, output_records, pool_gain
from bionet.conversion.tracing.activations import see_values
from bionet.conversion.tracing.records import (
    AveragePool,
    MaxPool,
    Record,
    Records,
    Sum,
    Weighted,
    per_channel,
)
from bionet.conversion.tracing.trace import Trace

__all__ = ["Shifts", "corrected_biases", "least_squares_scales", "shown"]

Shifts = dict[str, np.ndarray]

MAX_VALUES = 2**20  # of a layer that its scales are fitted to
CANDIDATES = np.linspace(0.02, 1.0, 99)  # shares of a channel's largest activation
FINER = np.linspace(-0.009, 0.009, 19)


def shown(
    drive: torch.Tensor, scale: torch.Tensor | float, steps: int, share: float
) -> torch.Tensor:
    """What units show of a constant drive in so many steps: q(z).

    Parameters
    ----------
    drive : tensor
        z, on the network's own scale.
    scale : tensor that broadcasts with it, or float
        Lambda.
    steps : int
        T.
    share : float
        Of the threshold, at which a presentation begins.
    """
    spikes = torch.floor(drive * (steps / scale) + share).clamp(0, steps)
    return spikes * (scale / steps)


def least_squares_scales(
    traced: Trace,
    records: Records,
    calibration: torch.Tensor,
    scales: Scales,
    steps: int,
    share: float,
    channelwise: bool,
) -> Scales:
    """Scales that lose least of the activations in so many steps.

    Parameters
    ----------
    traced : Trace
    records : tuple of Record
        The populations to be.
    calibration : tensor (n, *input_shape)
    scales : dict of str to array () or (channels,)
        The largest activations, as :func:`activation_scales` gives them for percentile 100. The
        output layer keeps its own: only its potential is read.
    steps, share
        T and s.
    channelwise : bool
        A scale for every channel, else one for every layer.

    Returns
    -------
    dict of str to array () or (channels,)
        An average pooling, which rounds once more, gets the scales of its source times one factor
        that loses least; a max pooling passes spikes on and has its source's.
    """
    kept = output_records(records)
    fitted: Scales = dict(scales)
    samples = _samples(traced, [r for r in records if r.name not in kept], calibration)
    for record in records:
        name = record.name
        if isinstance(record, MaxPool):
            fitted[name] = fitted[record.source]
        elif isinstance(record, AveragePool):
            fitted[name] = fitted[record.source] * pool_gain(record)
            if name in samples:
                values = samples[name] / per_channel(fitted[name], 2)
                factor = float(_fit(values.reshape(1, -1), steps, share)[0])
                fitted[name] = fitted[name] * (factor or 1.0)
        elif name in samples:
            rows = samples[name] if channelwise else samples[name].reshape(1, -1)
            best = _fit(rows, steps, share)
            # A layer that no calibration image reaches, such as half of a pair: any scale will do.
            best = np.where(best > 0, best, best.max() or scales[name].max())
            fitted[name] = best if channelwise else best[0]
    return fitted


def corrected_biases(
    traced: Trace,
    records: Records,
    calibration: torch.Tensor,
    scales: Scales,
    steps: int,
    share: float,
) -> tuple[Records, Shifts]:
    """The records with biases that make up for the mean of what clipping and rounding lose.

    Parameters
    ----------
    traced : Trace
    records : tuple of Record
        On the network's own scale, not yet normalised.
    calibration : tensor (n, *input_shape)
    scales, steps, share
        Lambda, T and s.

    Returns
    -------
    records : tuple of Record
        The output layer corrects its scores; a layer without weights cannot be corrected.
    shifts : dict of str to array (channels,)
        What has been added to the drive of each corrected population, in thresholds a step.
    """
    shifts: Shifts = {}
    means = _means(traced, records, calibration)
    values: dict[str, torch.Tensor] = {"input": calibration.to(torch.float32)}
    done: list[Record] = []
    for number, record in enumerate(records):
        last = number == len(records) - 1
        scale = torch.tensor(_spread(scales[record.name], record), dtype=torch.float32)
        drives = _drive(record, values)

        def answer(
            z: torch.Tensor,
            record: Record = record,
            scale: torch.Tensor = scale,
            last: bool = last,
        ) -> torch.Tensor:
            if isinstance(record, MaxPool):
                return z
            if last:
                return z.relu() if record.rectified else z
            return shown(z, scale, steps, share)

        if isinstance(record, Weighted) or (isinstance(record, Sum) and _weighted(record)):
            axes = (0, *range(2, drives.ndim))
            lost = means[record.name] - answer(drives).double().mean(axes).numpy()
            record = _shifted(record, lost)
            shifts[record.name] = lost / np.asarray(scales[record.name])
            drives = drives + torch.tensor(_spread(lost, record), dtype=torch.float32)
        values[record.name] = answer(drives)
        done.append(record)
        for name in list(values):
            if all(name not in later.inputs for later in records[number + 1 :]):
                del values[name]
    return tuple(done), shifts


def _samples(
    traced: Trace, records: list[Record], calibration: torch.Tensor
) -> dict[str, np.ndarray]:
    """Activations of each layer by channel, array (channels, n): all, or evenly chosen ones."""
    parts: dict[str, list[torch.Tensor]] = {r.name: [] for r in records}
    strides = {r.name: _stride(r.shape, len(calibration)) for r in records}

    def see(record: Record, values: torch.Tensor) -> None:
        flat = values.clamp(min=0).flatten(2) if values.ndim > 2 else values.clamp(min=0)[..., None]
        by_channel = flat.transpose(0, 1).reshape(flat.shape[1], -1)
        parts[record.name].append(by_channel[:, :: strides[record.name]].clone())

    see_values(traced.graph, calibration, records, see)
    return {name: torch.cat(part, dim=1).numpy() for name, part in parts.items()}


def _stride(shape: tuple[int, ...], n_images: int) -> int:
    """Every how many values of a channel one is kept, so that all positions are met alike.

    A stride that the width divides would only ever meet one column, such as the border.
    """
    stride = -(-math.prod(shape) * n_images // MAX_VALUES)
    while math.gcd(stride, math.prod(shape[1:])) > 1:
        stride += 1
    return stride


def _fit(rows: np.ndarray, steps: int, share: float) -> np.ndarray:
    """The scale of each row of activations that loses least, array (rows,); 0 for a silent one."""
    best = np.zeros(len(rows))
    for number, row in enumerate(rows):
        values = torch.from_numpy(np.ascontiguousarray(row[row > 0]))
        if not len(values):
            continue
        largest = float(values.max())

        def loss(scale: float, values: torch.Tensor = values) -> float:
            return float(((values - shown(values, scale, steps, share)) ** 2).sum())

        coarse = min(CANDIDATES, key=lambda x: loss(largest * x))
        best[number] = largest * min(coarse + FINER, key=lambda x: loss(largest * x))
    return best


def _means(traced: Trace, records: Records, calibration: torch.Tensor) -> dict[str, np.ndarray]:
    """Mean activation of every channel over images and positions."""
    sums: dict[str, np.ndarray] = {}

    def see(record: Record, values: torch.Tensor) -> None:
        # Half of a pair stands for the positive or the negative part of a signed value.
        shown = values.relu() if record.rectified else values
        mean = shown.double().mean((0, *range(2, shown.ndim))).numpy() * len(shown)
        sums[record.name] = sums.get(record.name, 0.0) + mean / len(calibration)

    see_values(traced.graph, calibration, records, see)
    return sums


def _drive(record: Record, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """W x + b of a layer on the network's own scale."""
    total = sum(kernel.mapped(values[source]) for source, kernel in record.projections)
    bias = torch.tensor(np.asarray(drive(record)), dtype=torch.float32)
    return (total + bias).reshape(-1, *record.shape)


def _spread(values: np.ndarray, record: Record) -> np.ndarray:
    """Values of the channels in a shape that broadcasts with the layer's."""
    return per_channel(np.asarray(values), len(record.shape))


def _weighted(record: Sum) -> bool:
    return any(isinstance(branch, Weighted) for branch in record.branches)


def _shifted(record: Record, shift: np.ndarray) -> Record:
    """The layer with a bias that is larger by so much for each channel."""
    if isinstance(record, Sum):
        first = next(i for i, b in enumerate(record.branches) if isinstance(b, Weighted))
        branches = list(record.branches)
        branches[first] = _shifted(branches[first], shift)
        return replace(record, branches=tuple(branches))
    if not isinstance(record, Weighted):
        return record
    return replace(record, bias=record.bias + per_channel(shift, record.bias.ndim))
