r"""The temporal code in closed form, on layer records: what a ``tdsnn`` network must compute.

With x the values of a layer's inputs and G(x) what their spikes stand for in the next layer,

.. math::

    T(x) = \lceil L \ln(x + 1) \rceil, \quad G(x) = e^{T(x)/L}, \quad
    A = \sum_j w_j G(x_j) + c, \quad x' = A

with T = 0, G = 1 for x <= 0. The bias neuron contributes c: :math:`b - \sum_j w_j` (``compensate``:
the offset of G(x), which is about x + 1, is cancelled, at a padded border over the inputs that are
there) or :math:`b\,G(1)` (``finetune``: the network was trained with G; an average pooling, which
has nothing to train, is compensated there too).

Weights often cancel exactly, and a value that comes from one input alone lies on the code's grid:
there a ceiling would depend on the last bit of a sum. So in the layers
:math:`T = \lceil L \ln((A + 1)/(1 + \eta)) \rceil`, with a tolerance eta. With
:math:`1 + \eta = e^{1/2L}`, and the same in the input, values are rounded to the nearest step, not
up.

========  =====  =========================================================
symbol    unit   meaning
========  =====  =========================================================
L         steps  leak, tau/dt
A         1      activation of a unit, before its ReLU
w, b      1      weights and bias of the source network's layer
c         1      contribution of the layer's bias neuron
eta       1      tolerance, above the rounding of the precision used
========  =====  =========================================================

What rounding changes on the average, :func:`rounding_shifts` measures, so that biases can take it
back.

References
----------
Zhang et al. 2019 (TDSNN), Eqs. 10-11; ``compensate`` is not in the paper.
M. Nagel et al.: Data-free quantization through weight equalization and bias correction. ICCV (2019)
1325-1334, Section 4.2 (bias correction).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional as F

from bionet.conversion.tracing.records import (
    AveragePool,
    Conv,
    Linear,
    Mapped,
    MaxPool,
    Record,
    Records,
    Weighted,
    per_channel,
)
from bionet.errors import InputError

__all__ = [
    "Mode",
    "Rounding",
    "bias_contribution",
    "bias_value",
    "closed_form",
    "effective_tolerance",
    "linear",
    "rounding_shifts",
    "shifted",
    "spike_times",
]

Mode = Literal["compensate", "finetune"]
Rounding = Literal["up", "nearest"]


def spike_times(values: torch.Tensor, leak: float, tolerance: float = 0.0) -> torch.Tensor:
    """T(x) = ceil(L ln((x + 1)/(1 + tolerance))) as floats; 0 for x <= tolerance."""
    times = leak * (torch.log1p(values.clamp(min=0)) - math.log1p(tolerance))
    return torch.ceil(times.clamp(min=0))


def effective_tolerance(leak: float, rounding: Rounding, tolerance: float) -> float:
    """eta: the tolerance, or half a step."""
    return tolerance if rounding == "up" else math.expm1(0.5 / leak)


def linear(record: Record, x: torch.Tensor) -> torch.Tensor:
    """What a record's synapses add up to, without its bias: tensor (n, *record.shape).

    Parameters
    ----------
    record : Record
        Conv, Linear, Mapped or AveragePool.
    x : float64 tensor (n, *source shape)
    """
    if isinstance(record, Mapped) or (isinstance(record, Conv | AveragePool) and x.ndim == 3):
        return torch.from_numpy(record.kernel.apply(x.numpy()))
    if isinstance(record, Conv):
        weights = torch.as_tensor(record.weights, dtype=torch.float64)
        return F.conv2d(
            x, weights, None, record.stride, record.padding, record.dilation, record.groups
        )
    if isinstance(record, Linear):
        weights = torch.as_tensor(record.weights, dtype=torch.float64)
        return F.linear(x.flatten(1), weights)
    if isinstance(record, AveragePool):
        pooled = F.avg_pool2d(
            x,
            record.pool,
            record.stride,
            record.padding,
            record.ceil_mode,
            record.count_include_pad,
            record.divisor_override,
        )
        return pooled * record.scale
    raise InputError(f"{record.place} ({record.kind}) has no form in a temporal code")


def bias_value(mode: Mode) -> float:
    """The constant value that a bias neuron codes: 0 spikes with the window's first step."""
    return 0.0 if mode == "compensate" else 1.0


def bias_contribution(
    record: Record, source_shape: tuple[int, ...], leak: float, mode: Mode
) -> np.ndarray:
    """c: what the bias neuron adds to A of each unit, float64 array of the record's shape."""
    bias = per_channel(getattr(record, "bias", np.zeros(1)), len(record.shape)).astype(np.float64)
    if mode == "finetune" and not isinstance(record, AveragePool):
        return np.broadcast_to(bias * math.exp(math.ceil(leak * math.log(2)) / leak), record.shape)
    offset = linear(record, torch.ones((1, *source_shape), dtype=torch.float64))[0].numpy()
    return np.asarray(bias - offset)


def closed_form(
    records: Records,
    images: torch.Tensor,
    leak: float,
    mode: Mode = "compensate",
    tolerance: float = 1e-9,
    rounding: Rounding = "up",
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Activations and spike steps of every layer.

    Parameters
    ----------
    records : tuple of Record
        A chain of populations to be.
    images : tensor (n, *input_shape)
    leak : float
        L in steps.
    mode : {"compensate", "finetune"}
    tolerance : float
        eta where spikes are rounded up; of A + 1, in the layers but not in the input.
    rounding : {"up", "nearest"}

    Returns
    -------
    activations : dict of str to float64 tensor (n, *shape)
        A of every population but the max poolings.
    steps : dict of str to float64 tensor (n, *shape)
        T of every population, the input included.
    """
    activations: dict[str, torch.Tensor] = {}
    eta = effective_tolerance(leak, rounding, tolerance)
    steps = {"input": spike_times(images.double(), leak, eta if rounding == "nearest" else 0.0)}
    for record in records:
        before = steps[record.source]
        if isinstance(record, MaxPool):
            steps[record.name] = _largest(record, before)
            continue
        shape = tuple(before.shape[1:])
        constant = torch.tensor(bias_contribution(record, shape, leak, mode))
        total = linear(record, torch.exp(before / leak)) + constant
        activations[record.name] = total
        steps[record.name] = spike_times(total, leak, eta)
    return activations, steps


def rounding_shifts(
    records: Records,
    images: torch.Tensor,
    leak: float,
    tolerance: float = 1e-9,
    rounding: Rounding = "up",
) -> dict[str, np.ndarray]:
    """What a layer's sums lose by the rounding of all layers before it, on the average.

    Layer by layer, the shift of a channel is the mean of exact sum less coded sum over its units
    and all images, the layers before it having been shifted by theirs.

    Parameters
    ----------
    records : tuple of Record
        Of ``mode="compensate"``.
    images : tensor (n, *input_shape)
    leak, tolerance, rounding
        See :func:`closed_form`.

    Returns
    -------
    dict of str to float64 array (channels,)
        For every layer with weights.

    References
    ----------
    Nagel et al. 2019, Section 4.2 (for quantised activations).
    """
    eta = effective_tolerance(leak, rounding, tolerance)
    exact = {"input": images.double()}
    steps = {"input": spike_times(exact["input"], leak, eta if rounding == "nearest" else 0.0)}
    shifts: dict[str, np.ndarray] = {}
    for record in records:
        values, before = exact[record.source], steps[record.source]
        if isinstance(record, MaxPool):
            exact[record.name], steps[record.name] = (_largest(record, x) for x in (values, before))
            continue
        ones = bias_contribution(record, tuple(before.shape[1:]), leak, "compensate")
        coded = linear(record, torch.exp(before / leak)) + torch.tensor(ones)
        # A value of x is coded as x + 1; the bias neuron cancels the 1.
        whole = linear(record, values + 1) + torch.tensor(ones)
        if isinstance(record, Weighted):
            others = tuple(d for d in range(whole.ndim) if d != 1)
            shift = (whole - coded).mean(dim=others)
            shifts[record.name] = shift.numpy()
            coded += torch.tensor(per_channel(shifts[record.name], coded.ndim - 1))
        exact[record.name] = whole.clamp(min=0)
        steps[record.name] = spike_times(coded, leak, eta)
    return shifts


def shifted(records: Records, shifts: Mapping[str, Any]) -> Records:
    """The records with shifts of their channels added to their biases."""
    corrected = []
    for record in records:
        if isinstance(record, Weighted) and record.name in shifts:
            shift = np.asarray(shifts[record.name], dtype=np.float64)
            shift = per_channel(shift, 3) if record.bias.ndim > 1 else shift
            record = replace(record, bias=record.bias + shift)
        corrected.append(record)
    return tuple(corrected)


def _largest(record: MaxPool, x: torch.Tensor) -> torch.Tensor:
    options = (record.pool, record.stride, record.padding)
    return F.max_pool2d(x, *options, ceil_mode=record.ceil_mode)
