r"""AugMapping: an activation becomes a rate of augmented spikes, without any calibration data.

Units are :func:`~bionet.equations.augmented` neurons with the network's own weights. With the
activation :math:`z = \alpha h` of slope :math:`\alpha_P` above 0 and :math:`\alpha_N` below,

.. math::

    \theta_P = 1 / \alpha_P, \qquad \theta_N = -1 / \alpha_N

so that a ReLU (:math:`\alpha_N = 0`) has no negative threshold and a layer without activation,
such as an average pooling or the output, has the thresholds 1 and -1. The rate
:math:`r = \sum_t o(t) / T` then obeys the network's own equation up to a residual,

.. math::

    \theta\, r^l(T) = W^l r^{l-1}(T) + b^l - v^l(T) / T, \qquad \theta_N < v^l(T) < \theta_P

so r approaches the activation itself as T grows: nothing is normalised. How fast it does depends
on how large the activations are beside the thresholds. A ReLU or LeakyReLU network is positively
homogeneous, :math:`f(g x) = g f(x)`, so a gain g on the input's weights and on all biases makes
every activation g times as large, :math:`r \approx g z`, and changes no decision: fewer steps,
with larger spikes. The paper has no gain (g = 1).

==================  =======  ==========================================================
symbol              unit     meaning
==================  =======  ==========================================================
``W``, ``b``        1        the network's weights; bias, the constant drive ``I``
``o``               1        size of a spike, a signed integer
``r``               1        rate: signed sum of the sizes over the steps
``T``               steps    length of a presentation
:math:`\alpha`      1        slope of the activation function
==================  =======  ==========================================================

References
----------
Q. Yu, C. Ma, S. Song, G. Zhang, J. Dang, K. C. Tan: Constructing accurate and efficient deep
spiking neural networks with double-threshold and augmented schemes. IEEE TNNLS (2020), Section
II-D. Sums of branches and biases are ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from bionet.conversion.steps.assemble import assemble
from bionet.conversion.steps.layers import population_records
from bionet.conversion.steps.scales import normalise_weights
from bionet.conversion.tracing.activations import as_images
from bionet.conversion.tracing.records import Record, Records, per_channel
from bionet.conversion.tracing.trace import Trace, trace
from bionet.equations import NeuronModel, augmented
from bionet.errors import InputError
from bionet.network import SpikingNetwork

__all__ = [
    "check_readout",
    "convert_augmapping",
    "negative_slope",
    "negative_thresholds",
    "signed_records",
]

READOUTS = ("MS", "MP", "FS")
OUT_OF_REACH = 1e30  # a threshold that no potential falls to, in float32 too


def convert_augmapping(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any = None,
    *,
    bound: int | None = None,
    gain: float = 1.0,
    negative_spikes: bool = True,
    readout: Literal["MS", "MP", "FS"] = "MS",
) -> SpikingNetwork:
    """Convert a network of ReLU or LeakyReLU layers to augmented neurons.

    Every convolution, fully connected layer, average pooling and sum of two branches becomes a
    population of its name. The last one gets a second population, ``readout``, that integrates
    the same input and never fires.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed.
    input_shape : tuple of int
        (channels, height, width) or (features,) of an image.
    calibration : array or tensor (n, *input_shape), optional
        Not used, except that images without negative values make a ReLU on them nothing.
    bound : int, optional
        M_aug, the largest size of a spike.
    gain : float
        Factor on all activations: what a spike of size 1 in every step stands for is 1 / gain.
    negative_spikes : bool
        False takes every negative threshold away, to see what it is good for.
    readout : {"MS", "MP", "FS"}
        Largest firing rate (signed sum of the spikes), maximal potential or first spike.

    Raises
    ------
    InputError
        If an option is out of range or the network has a part that cannot be converted.

    References
    ----------
    Yu et al. 2020, Section II-D; Eq. 15 for the bound.
    """
    check_readout(readout)
    if not (np.isfinite(gain) and gain > 0):
        raise InputError(f"gain must be a number > 0, but is {gain}")
    traced = trace(net, input_shape, gates=False)
    images = None if calibration is None else as_images(calibration, traced.input_shape)
    records = signed_records(traced, images)
    scales = _scales(records, gain)
    models = [_model(record, gain, bound, negative_spikes) for record in records]
    metadata = {
        "options": {
            "bound": bound,
            "gain": float(gain),
            "negative_spikes": bool(negative_spikes),
        },
        "calibration_images": 0,
    }
    normalised = normalise_weights(records, scales)
    shape, shown = traced.input_shape, {r.name: float(scales[r.name]) for r in records}
    snn = assemble(
        normalised, models, shape, readout, "augmapping", metadata, scales=shown, notes=traced.notes
    )
    for record, model in zip(records, models, strict=True):
        if "theta_n" in model.parameters:
            thresholds = {"theta_n": negative_thresholds(record)}
            snn = snn.with_population(record.name, parameters=thresholds)
    return replace(snn, origin=replace(snn.origin, negative_spikes=bool(negative_spikes)))


def signed_records(traced: Trace, images: torch.Tensor | None) -> Records:
    """One record for each population of units that fire above and below 0."""
    rectified_input = images is not None and bool((images >= 0).all())
    return population_records(
        traced.records,
        rectified_input,
        branches=True,
        signed=True,
        bounds=True,
        input_shape=traced.input_shape,
    )


def negative_slope(record: Record) -> float | np.ndarray:
    """Slope of what follows a layer, below 0: 1 where nothing does."""
    return record.slope if record.rectified else 1.0


def check_readout(readout: str) -> None:
    """Refuse an unknown readout."""
    if readout not in READOUTS:
        raise InputError(f"readout is one of {', '.join(READOUTS)}, but got {readout!r}")


def _model(record: Record, gain: float, bound: int | None, negative_spikes: bool) -> NeuronModel:
    negative = -1.0 if np.any(negative_slope(record)) and negative_spikes else None
    sizes = [n for n in (bound, largest_size(record, gain)) if n is not None]
    return augmented(1.0, negative, min(sizes, default=None))


def largest_size(record: Record, gain: float) -> int | None:
    """Size of the spike that stands for a layer's bound; None where it has none."""
    return max(1, round(record.bound * gain)) if np.isfinite(record.bound) else None


def negative_thresholds(record: Record) -> np.ndarray:
    """-1 / slope, () or one for each channel; out of reach where the slope is 0."""
    slopes = np.asarray(negative_slope(record), dtype=np.float64)
    thresholds = -1 / np.where(slopes > 0, slopes, 1 / OUT_OF_REACH)
    return per_channel(thresholds, len(record.shape))


def _scales(records: Records, gain: float) -> dict[str, np.ndarray]:
    """What a spike of size 1 in every step stands for: 1 / gain, or a share of a bound."""
    sizes = {record.name: largest_size(record, gain) for record in records}
    return {"input": np.array(1.0)} | {
        r.name: np.array(1.0 / gain if (size := sizes[r.name]) is None else r.bound / size)
        for r in records
    }
