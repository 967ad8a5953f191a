r"""TerMapping: an activation becomes a rate of ternary spikes; thresholds from calibration images.

Units are :func:`~bionet.equations.ternary` neurons with the network's own weights. Algorithm 1
takes from every layer its largest weight and, over a calibration set, its largest activation:

.. math::

    s_l = \max(\max |w^l|, \max |z^l|), \qquad s_0 = 1, \qquad \lambda_l = s_l / s_{l-1}

and scales the thresholds of AugMapping, slope :math:`\alpha_P` above 0 and :math:`\alpha_N` below:

.. math::

    \theta_P = \lambda_l / \alpha_P, \qquad \theta_N = -\lambda_l / \alpha_N, \qquad
    r^l \approx z^l / s_l

A bias enters as the constant drive :math:`b^l / s_{l-1}`. Where branches with different scales
meet, the scale of the first one takes the place of :math:`s_{l-1}` and the weights of the others
are multiplied by theirs over it.

==================  =======  ==========================================================
symbol              unit     meaning
==================  =======  ==========================================================
``w``               1        the network's weights; 1/(kernel size) in a pooling
``z``               1        activation of the source network
``s``               1        activation that fires in every step
:math:`\alpha`      1        slope of the activation function
==================  =======  ==========================================================

References
----------
Q. Yu, C. Ma, S. Song, G. Zhang, J. Dang, K. C. Tan: Constructing accurate and efficient deep
spiking neural networks with double-threshold and augmented schemes. IEEE TNNLS (2020), Section
II-B and Algorithm 1. Sums of branches and biases are ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from bionet.conversion.augmapping import (
    check_readout,
    negative_slope,
    negative_thresholds,
    signed_records,
)
from bionet.conversion.steps.assemble import assemble, drive
from bionet.conversion.tracing.activations import as_images, see_values
from bionet.conversion.tracing.records import (
    AveragePool,
    Identity,
    Mapped,
    Record,
    Records,
    Sum,
    Weighted,
)
from bionet.conversion.tracing.trace import Trace, trace
from bionet.equations import ternary
from bionet.errors import InputError
from bionet.network import SpikingNetwork

__all__ = ["convert_termapping", "largest_values"]


def convert_termapping(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any = None,
    *,
    negative_spikes: bool = True,
    readout: Literal["MS", "MP", "FS"] = "MS",
) -> SpikingNetwork:
    """Convert a network of ReLU or LeakyReLU layers to ternary neurons.

    Populations are those of :func:`~bionet.conversion.augmapping.convert_augmapping`.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed.
    input_shape : tuple of int
        (channels, height, width) or (features,) of an image.
    calibration : array or tensor (n, *input_shape)
        Images that activations are measured on; the paper takes the whole training set.
    negative_spikes : bool
        False takes every negative threshold away, to see what it is good for.
    readout : {"MS", "MP", "FS"}
        Largest firing rate (signed sum of the spikes), maximal potential or first spike.

    Raises
    ------
    InputError
        If the calibration set is missing or does not fit, or the network has a part that cannot
        be converted.

    References
    ----------
    Yu et al. 2020, Section II-B and Algorithm 1.
    """
    check_readout(readout)
    if calibration is None:
        raise InputError(
            "method 'termapping' needs images to measure activations on: pass"
            " calibration=images (training images), or convert by method='augmapping'"
        )
    traced = trace(net, input_shape, gates=False)
    images = as_images(calibration, traced.input_shape)
    records = signed_records(traced, images)
    scales = largest_values(traced, records, images)
    scaled = tuple(_scaled(record, scales) for record in records)
    slopes = [negative_slope(record) for record in records]
    models = [ternary(1.0, -1.0 if np.any(slope) and negative_spikes else None) for slope in slopes]
    snn = assemble(
        scaled,
        models,
        traced.input_shape,
        readout,
        "termapping",
        scales={record.name: scales[record.name] for record in records},
        metadata={
            "options": {"negative_spikes": bool(negative_spikes)},
            "calibration_images": len(images),
        },
        notes=traced.notes,
    )
    for record, model in zip(scaled, models, strict=True):
        factor = scales[record.name] / scales[record.inputs[0]]
        thresholds = {"theta_p": factor, "theta_n": factor * negative_thresholds(record)}
        parameters = {name: v for name, v in thresholds.items() if name in model.parameters}
        snn = snn.with_population(record.name, parameters={**parameters, "I": drive(record)})
    # The readout population stands for the class scores over the scale of its source.
    outputs = {**snn.scales, "readout": scales[records[-1].inputs[0]]}
    origin = replace(snn.origin, scales=outputs, negative_spikes=bool(negative_spikes))
    return replace(snn, origin=origin)


def largest_values(traced: Trace, records: Records, images: torch.Tensor) -> dict[str, float]:
    """S of every layer: its largest absolute weight or activation (Algorithm 1).

    Parameters
    ----------
    traced : Trace
    records : tuple of Record
        The populations to be.
    images : tensor (n, *input_shape)

    Returns
    -------
    dict of str to float
        By record, and 1 for ``"input"``.
    """
    scales = {"input": 1.0, **{r.name: _largest_weight(r) for r in records}}

    def see(name: str, values: torch.Tensor) -> None:
        scales[name] = max(scales[name], float(values.abs().max()))

    see_values(traced.graph, images, records, lambda r, values: see(r.name, values))
    for record in records:
        if np.isfinite(record.bound):  # one spike in every step is the most that it may be
            scales[record.name] = record.bound
        if not scales[record.name] > 0:
            raise InputError(
                f"every weight and activation of {record.place} is 0, so that it has no scale;"
                " calibrate with images as the network was trained on"
            )
    return scales


def _largest_weight(record: Record) -> float:
    if isinstance(record, Sum):
        return max(_largest_weight(branch) for branch in record.branches)
    if isinstance(record, Weighted):
        weights = record.weights.data if isinstance(record, Mapped) else record.weights
        return float(np.abs(weights).max(initial=0.0))
    if isinstance(record, Identity):
        return float(np.abs(record.weight).max())
    if isinstance(record, AveragePool):
        rows, columns = record.pool
        return record.scale / (record.divisor_override or rows * columns)
    return 0.0


def _scaled(record: Record, scales: dict[str, float]) -> Record:
    """The record with its bias, and the branches that are not its first, in the first's scale."""
    first = scales[record.inputs[0]]
    if isinstance(record, Sum):
        branches = tuple(_branch(b, scales[b.source], first) for b in record.branches)
        return replace(record, branches=branches)
    if isinstance(record, Weighted):
        return replace(record, bias=record.bias / first)
    return record


def _branch(branch: Record, scale: float, first: float) -> Record:
    if isinstance(branch, Identity):
        return replace(branch, weight=branch.weight * scale / first)
    if isinstance(branch, Weighted):
        return replace(branch, weights=branch.weights * (scale / first), bias=branch.bias / first)
    return branch
