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

Fewer steps, without training. Each of these is an option, and they go together:

- ``initial_potential``: a presentation begins at that share of the threshold. With 1/2, a constant
  drive a gives :math:`N = \lfloor a T + 1/2 \rfloor` spikes: rounded to nearest, not down.
- ``normalisation="least_squares"``: scales that lose least of the activations in T steps.
- ``bias_correction``: biases that make up for the mean of what clipping and rounding lose.
- ``signed``: a unit takes back a spike that came too early; counts no longer depend on the order
  of the input (:mod:`bionet.equations.signed`).
- ``max_pooling="count"``: a pool's unit follows the largest count of its pool
  (:mod:`bionet.equations.largest_count`).
- ``fold_pooling``: an average pooling goes into the weights of the layer after it, so that its
  units don't round once more.
- ``late_readout``: the output is read from a later step on, when the rates have settled.

``preset="fast"`` sets them for a wanted T, ``steps``. A network with QCFS activations
(:class:`bionet.conversion.QCFS`) has its scales in itself: :math:`\lambda` is the activation's own
and a presentation begins at half the threshold.

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
spiking convolutional neural networks. arXiv:1612.04052 (2016), Eqs. 1-6 and Section 3. For fewer
steps: T. Bu et al., AAAI (2022); Y. Li et al., ICML (2021); Y. Wang et al., IJCAI (2022); for QCFS:
T. Bu et al., ICLR (2022).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from brian2 import Hz, Quantity, ms
from torch import nn

from bionet.conversion.steps.assemble import assemble
from bionet.conversion.steps.fold_pooling import fold_pooling as without_average_pooling
from bionet.conversion.steps.in_steps import Shifts, corrected_biases, least_squares_scales
from bionet.conversion.steps.layers import gated_trace, population_records
from bionet.conversion.steps.scales import (
    Scales,
    activation_scales,
    check_percentile,
    normalise_weights,
    unit_scales,
    with_ceilings,
)
from bionet.conversion.tracing.activations import as_images
from bionet.conversion.tracing.records import AveragePool, Records
from bionet.conversion.tracing.trace import Trace
from bionet.conversion.variants.corrections import (
    check_share,
    with_initial_potential,
    with_signed_correction,
)
from bionet.conversion.variants.interneurons import with_interneurons
from bionet.conversion.variants.softmax import with_softmax
from bionet.equations import integrate_and_fire
from bionet.errors import InputError
from bionet.network import Simulation, SpikingNetwork

__all__ = ["FAST", "convert_rate"]

# What preset="fast" sets, and what holds without it, where nothing is given.
FAST: dict[str, Any] = {
    "normalisation": "least_squares",
    "channelwise": True,
    "initial_potential": 0.5,
    "bias_correction": True,
    "signed": True,
    "max_pooling": "count",
    "fold_pooling": True,
}
PLAIN: dict[str, Any] = {
    "normalisation": "percentile",
    "channelwise": False,
    "initial_potential": None,
    "bias_correction": False,
    "signed": False,
    "max_pooling": "gate",
    "fold_pooling": False,
}


def convert_rate(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any = None,
    *,
    preset: Literal["fast"] | None = None,
    steps: int | None = None,
    normalisation: Literal["percentile", "max", "least_squares"] | None = "percentile",
    percentile: float = 99.9,
    channelwise: bool | None = None,
    reset: Literal["subtract", "zero"] = "subtract",
    initial_potential: float | None = None,
    bias_correction: bool | None = None,
    signed: bool | None = None,
    lower_bound: float = 0.0,
    late_readout: int = 0,
    max_pooling: Literal["gate", "count"] | None = None,
    fold_pooling: bool | None = None,
    readout: Literal["MP", "MS", "FS"] = "MP",
    pool_tau: Quantity | None = None,
    softmax: Quantity | None = None,
    dale: Literal["relay"] | bool | None = None,
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
    preset : {"fast"}, optional
        Sets normalisation, channelwise, initial_potential, bias_correction, signed,
        max_pooling and fold_pooling for few steps, where they are not given (or are the plain
        ``normalisation="percentile"``); needs ``steps``.
    steps : int, optional
        Steps that the network is made for; it keeps them, of 1 ms, as the default of its
        simulation. Needed for ``normalisation="least_squares"`` and ``bias_correction``.
    normalisation : {"percentile", "max", "least_squares", None}
        What of a layer's activations becomes one spike a step; None leaves the weights alone.
    percentile : float
        In (0, 100], of all activations of the layer, zeros included.
    channelwise : bool, optional
        A scale for every channel instead of every layer (the output layer keeps one scale). False
        where it is not given, as the next options are, but with the preset.
    reset : {"subtract", "zero"}
        What a spike does to the potential.
    initial_potential : float, optional
        Share of the threshold, in [0, 1), at which a presentation begins: 0, and 0.5 for a
        network with QCFS activations, where it is not given.
    bias_correction : bool, optional
        Biases that make up for the mean of what clipping and rounding lose, layer by layer.
    signed : bool, optional
        A unit takes back a spike that came too early; with ``reset="subtract"``.
    lower_bound : float
        With ``signed``: the potential below which a spike is taken back, in thresholds, <= 0.
    late_readout : int
        Step from which on potential and spikes of the output count.
    readout : {"MP", "MS", "FS"}
        Maximal potential, most spikes or first spike: the network's default.
    max_pooling : {"gate", "count"}, optional
        A max pooling passes the spikes of the unit with the most spikes so far, others' too until
        it is known which that is; or its unit follows the largest count of the pool. A gate where
        it is not given, but with the preset.
    fold_pooling : bool, optional
        Take average poolings into the weights of the layer after them: no units that round once
        more, for more additions (:mod:`bionet.conversion.steps.fold_pooling`).
    pool_tau : Quantity, optional
        Of a gate: with a time constant, in units of time, older spikes count exponentially less.
    softmax : Quantity, optional
        Rate of a Poisson generator; each of its spikes makes one output unit fire, drawn from the
        softmax of the potentials. Without it the output units fire like all others.
    dale : {"relay", True}, optional
        Keep Dale's principle: interneurons repeat the spikes of a population whose weights have
        both signs, and inhibit in its place.

    Raises
    ------
    InputError
        If an option is unknown, the calibration set is missing or does not fit, or the network
        has a part that cannot be converted.

    References
    ----------
    Rueckauer et al. 2016, Section 3; the others as in :mod:`bionet.conversion.rate`.
    """
    if preset is not None and steps is None:
        raise InputError("preset='fast' is for a number of steps: add steps=32, for example")
    defaults = PLAIN if preset is None else FAST
    if normalisation == "percentile":
        normalisation = defaults["normalisation"]
    given: dict[str, Any] = {
        "channelwise": channelwise,
        "initial_potential": initial_potential,
        "bias_correction": bias_correction,
        "signed": signed,
        "max_pooling": max_pooling,
        "fold_pooling": fold_pooling,
    }
    asked = _Options(
        steps=steps,
        normalisation=normalisation,
        percentile=percentile,
        reset=reset,
        lower_bound=lower_bound,
        late_readout=late_readout,
        pool_tau=pool_tau,
        softmax=softmax,
        dale=dale,
        **{name: defaults[name] if v is None else v for name, v in given.items()},
    )
    asked.check(calibration is not None)
    traced, images, records = _traced(net, input_shape, calibration, asked.fold_pooling)
    ceilings = any(record.ceiling is not None for record in records)
    start = asked.initial_potential
    share = (0.5 if ceilings else 0.0) if start is None else float(start)
    scales = _scales(traced, records, images, asked, share)
    if ceilings:
        scales = with_ceilings(records, scales)
    shifts: Shifts = {}
    if asked.bias_correction and images is not None and asked.steps is not None:
        records, shifts = corrected_biases(traced, records, images, scales, asked.steps, share)
    snn = assemble(
        normalise_weights(records, scales),
        integrate_and_fire(reset),
        traced.input_shape,
        readout,
        "rate",
        {
            "options": {"preset": preset} | asked.plain(share),
            "calibration_images": 0 if images is None else len(images),
        },
        pool_tau=pool_tau,
        scales=plain(scales, records),
        simulation=None if steps is None else Simulation(steps * 1e-3, 1e-3),
        max_pooling=asked.max_pooling,
        notes=traced.notes,
        shifts=shifts,
    )
    return _varied(snn, asked, share)


@dataclass(frozen=True)
class _Options:
    """The options of the method, in the order in which the network notes them."""

    steps: int | None
    normalisation: Literal["percentile", "max", "least_squares"] | None
    percentile: float
    channelwise: bool
    reset: Literal["subtract", "zero"]
    initial_potential: float | None
    bias_correction: bool
    signed: bool
    lower_bound: float
    late_readout: int
    max_pooling: Literal["gate", "count"]
    fold_pooling: bool
    pool_tau: Quantity | None
    softmax: Quantity | None
    dale: Literal["relay"] | bool | None

    def check(self, has_images: bool) -> None:
        """Refuse numbers out of range, and options that do not go together."""
        check_percentile(self.percentile)
        if not has_images and self.normalisation is not None:
            raise InputError(
                f"normalisation={self.normalisation!r} needs images to measure activations on: pass"
                " calibration=images (a few hundred training images), or normalisation=None"
            )
        least_squares = self.normalisation == "least_squares"
        _check_steps(self.steps, self.late_readout, least_squares or self.bias_correction)
        if self.initial_potential is not None:
            check_share(self.initial_potential)
        if self.bias_correction and not has_images:
            raise InputError("bias_correction needs images: pass calibration=images")
        reset = self.reset
        if (self.signed or self.bias_correction or least_squares) and reset != "subtract":
            raise InputError(
                "least_squares, bias_correction and signed are closed forms of reset='subtract',"
                f" but reset is {reset!r}"
            )
        if self.pool_tau is not None and self.max_pooling == "count":
            raise InputError("pool_tau belongs to max_pooling='gate': a count forgets nothing")
        if self.lower_bound and not self.signed:
            raise InputError(f"lower_bound={self.lower_bound:g} belongs to signed=True; add it")

    def plain(self, share: float) -> dict[str, Any]:
        """As the network notes them."""
        percentile = float(self.percentile) if self.normalisation == "percentile" else None
        return {
            "steps": self.steps,
            "normalisation": self.normalisation,
            "percentile": percentile,
            "channelwise": bool(self.channelwise),
            "reset": self.reset,
            "initial_potential": share,
            "bias_correction": bool(self.bias_correction),
            "signed": bool(self.signed),
            "lower_bound": float(self.lower_bound),
            "late_readout": int(self.late_readout),
            "max_pooling": self.max_pooling,
            "fold_pooling": bool(self.fold_pooling),
            "pool_tau_ms": None if self.pool_tau is None else float(self.pool_tau / ms),
            "softmax_hz": None if self.softmax is None else float(self.softmax / Hz),
            "dale": "relay" if self.dale else None,
        }


def _traced(
    net: nn.Module, input_shape: tuple[int, ...], calibration: Any, fold_pooling: bool
) -> tuple[Trace, torch.Tensor | None, Records]:
    """The traced network, the calibration images, and a record for each population to be."""
    traced = gated_trace(net, input_shape)
    images = None if calibration is None else as_images(calibration, traced.input_shape)
    rectified_input = images is not None and bool((images >= 0).all())
    records = population_records(
        traced.records,
        rectified_input,
        max_pooling=True,
        branches=True,
        pairs=True,
        bounds=True,
        quantised=True,
        nonnegative_input=images is None or rectified_input,
        input_shape=traced.input_shape,
    )
    return traced, images, without_average_pooling(records) if fold_pooling else records


def _scales(
    traced: Trace, records: Records, images: torch.Tensor | None, asked: _Options, share: float
) -> Scales:
    """What of each population's activations becomes one spike a step."""
    if images is None or asked.normalisation is None:
        return unit_scales(records)
    check_pooled_input(records, images)
    level = 100.0 if asked.normalisation != "percentile" else float(asked.percentile)
    scales = activation_scales(traced, records, images, level, asked.channelwise)
    if asked.normalisation != "least_squares" or asked.steps is None:
        return scales
    return least_squares_scales(
        traced, records, images, scales, asked.steps, share, asked.channelwise
    )


def _varied(snn: SpikingNetwork, asked: _Options, share: float) -> SpikingNetwork:
    """The network with the variants that change neurons, readout and output."""
    if share:
        snn = with_initial_potential(snn, share)
    if asked.signed:
        snn = with_signed_correction(snn, asked.lower_bound)
    if asked.late_readout:
        snn = replace(snn, readout=replace(snn.readout, since=int(asked.late_readout)))
    if asked.softmax is not None:
        snn = with_softmax(snn, asked.softmax)
    return with_interneurons(snn) if asked.dale else snn


def _check_steps(steps: Any, late_readout: Any, needed: bool) -> None:
    """Refuse numbers of steps that are none, and options that need them without."""
    for name, value, least in (("steps", steps, 1), ("late_readout", late_readout, 0)):
        if value is not None and value < least:
            raise InputError(f"{name} is a whole number of steps >= {least}, but got {value!r}")
    if needed and steps is None:
        raise InputError(
            "least_squares and bias_correction are for a number of steps: add steps=32, for example"
        )
    if steps is not None and late_readout >= steps:
        raise InputError(
            f"late_readout={late_readout} leaves nothing of {steps} steps to read; make it smaller"
        )


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
