r"""Rate coding: an activation becomes a firing rate.

Unit i of layer l integrates its input and fires at the threshold 1:

.. math::

    v_i^l(t) = v_i^l(t - 1) + \sum_j W_{ij}^l o_j^{l-1}(t) + b_i^l, \qquad
    o_i^l(t) = [v_i^l(t) \ge 1]

with reset by subtraction, :math:`v \to v - 1`, or to zero. With subtraction the rates
:math:`r = \sum_t o(t) / T` obey the network's own equation up to what is left in the potential:

.. math::

    r^l = W^l r^{l-1} + b^l - v^l(T) / T

so that r approaches the ReLU activation a, as long as a is at most 1. The weights are therefore
normalised layer by layer, with :math:`\lambda_l` the maximum or a high percentile of layer l's
activations over a calibration set and :math:`\lambda_0 = 1`:

.. math::

    W^l \to W^l \lambda_{l-1} / \lambda_l, \qquad b^l \to b^l / \lambda_l, \qquad
    r^l \approx a^l / \lambda_l

==================  =======  ==================================================
symbol              unit     meaning
==================  =======  ==================================================
``v``               1        membrane potential
``W``, ``b``        1        normalised weights; bias, the constant drive ``I``
``o``               1        spike of a step, 0 or 1
:math:`\lambda`     1        activation that fires in every step
``T``               steps    length of a presentation
==================  =======  ==================================================

References
----------
B. Rueckauer, I.-A. Lungu, Y. Hu, M. Pfeiffer: Theory and tools for the conversion of analog to
spiking convolutional neural networks. arXiv:1612.04052 (2016), Eqs. 1-6 and Section 3.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from brian2 import Hz, Quantity, ms
from torch import nn

from bionet.conversion.steps.assemble import assemble
from bionet.conversion.steps.layers import gates_need_trees, population_records
from bionet.conversion.steps.scales import (
    Scales,
    activation_scales,
    check_percentile,
    normalise_weights,
    unit_scales,
)
from bionet.conversion.tracing.activations import as_images
from bionet.conversion.tracing.records import AveragePool, Records
from bionet.conversion.tracing.trace import trace
from bionet.conversion.variants.softmax import with_softmax
from bionet.equations import integrate_and_fire
from bionet.errors import InputError
from bionet.network import SpikingNetwork

__all__ = ["convert_rate"]

NORMALISATIONS = ("percentile", "max", None)
READOUTS = ("MP", "MS", "FS")


def convert_rate(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any = None,
    *,
    normalisation: Literal["percentile", "max"] | None = "percentile",
    percentile: float = 99.9,
    channelwise: bool = False,
    reset: Literal["subtract", "zero"] = "subtract",
    readout: Literal["MP", "MS", "FS"] = "MP",
    pool_tau: Quantity | None = None,
    softmax: Quantity | None = None,
) -> SpikingNetwork:
    """Convert a network of ReLU layers to integrate-and-fire units whose rates are activations.

    Every convolution and fully connected layer, with its batch normalisation and ReLU, becomes a
    population of its name, and so does every average pooling and every sum of two branches
    (with the convolutions that lead to it alone). The last layer gets a second
    population, ``readout``, that integrates the same input and never fires.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed.
    input_shape : tuple of int
        (channels, height, width) or (features,) of an image.
    calibration : array or tensor (n, *input_shape)
        Images that the scales are measured on; needed for a normalisation.
    normalisation : {"percentile", "max", None}
        What of a layer's activations becomes one spike a step; None leaves the weights alone.
    percentile : float
        In (0, 100], of all activations of the layer, zeros included.
    channelwise : bool
        A scale for every channel instead of every layer (the output layer keeps one scale).
    reset : {"subtract", "zero"}
        What a spike does to the potential.
    readout : {"MP", "MS", "FS"}
        Maximal potential, most spikes or first spike: the network's default.
    pool_tau : Quantity, optional
        A max pooling passes the spikes of the unit with the most spikes so far. With a time
        constant, in units of time, older spikes count exponentially less.
    softmax : Quantity, optional
        Rate of a Poisson generator; each of its spikes makes one output unit fire, drawn from the
        softmax of the potentials. Without it the output units fire like all others.

    Raises
    ------
    InputError
        If an option is unknown, the calibration set is missing or does not fit, or the network
        has a part that cannot be converted.

    References
    ----------
    Rueckauer et al. 2016, Section 3.
    """
    if normalisation not in NORMALISATIONS:
        known = "'percentile', 'max' or None"
        raise InputError(f"normalisation is {known}, but got {normalisation!r}")
    if readout not in READOUTS:
        raise InputError(f"readout is one of {', '.join(READOUTS)}, but got {readout!r}")
    check_percentile(percentile)
    if calibration is None and normalisation is not None:
        raise InputError(
            f"normalisation={normalisation!r} needs images to measure activations on: pass"
            " calibration=images (a few hundred training images), or normalisation=None"
        )
    model = integrate_and_fire(reset)
    traced = trace(net, input_shape)
    images = None if calibration is None else as_images(calibration, traced.input_shape)
    rectified_input = images is not None and bool((images >= 0).all())
    nonnegative = images is None or rectified_input
    if gates_need_trees(traced.records):
        traced = trace(net, input_shape, gates=False)
    records = population_records(
        traced.records,
        rectified_input,
        max_pooling=True,
        branches=True,
        pairs=True,
        bounds=True,
        nonnegative_input=nonnegative,
        input_shape=traced.input_shape,
    )
    options = {
        "normalisation": normalisation,
        "percentile": float(percentile) if normalisation == "percentile" else None,
        "channelwise": bool(channelwise),
        "reset": reset,
        "pool_tau_ms": None if pool_tau is None else float(pool_tau / ms),
        "softmax_hz": None if softmax is None else float(softmax / Hz),
    }
    if images is None or normalisation is None:
        scales = unit_scales(records)
    else:
        check_pooled_input(records, images)
        level = 100.0 if normalisation == "max" else float(percentile)
        scales = activation_scales(traced, records, images, level, channelwise)
    snn = assemble(
        normalise_weights(records, scales),
        model,
        traced.input_shape,
        readout,
        "rate",
        {
            "options": options,
            "calibration_images": 0 if images is None else len(images),
            "notes": list(traced.notes),
        },
        pool_tau=pool_tau,
        scales=plain(scales, records),
    )
    return snn if softmax is None else with_softmax(snn, softmax)


def check_pooled_input(records: Records, images: torch.Tensor) -> None:
    """Refuse images whose pooling no spiking unit can represent: above 1.

    Elsewhere a pooling gets rates, which are within [0, 1]; directly on the input it gets pixels.

    Raises
    ------
    InputError
        Naming the pooling and the range of the images.
    """
    for record in records:
        if isinstance(record, AveragePool) and record.source == "input":
            low, high = float(images.min()), float(images.max())
            if high > 1:
                raise InputError(
                    f"{record.place} pools the images, which reach from {low:.3g} to {high:.3g};"
                    " its units fire at rates in [0, 1]: scale the images to [0, 1], or pool them"
                    " before they are presented"
                )


def plain(scales: Scales, records: Records) -> dict[str, Any]:
    """The scales of the populations as numbers and lists, as a network's origin holds them."""
    return {record.name: np.asarray(scales[record.name]).tolist() for record in records}
