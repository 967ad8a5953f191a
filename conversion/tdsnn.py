r"""TDSNN: one spike for each unit, its time the code (Zhang et al. 2019).

The larger a value, the later its spike: :math:`T(x) = \lceil L \ln(x + 1) \rceil`. Layers take
their integration windows one after another; see :mod:`bionet.equations.temporal` for the neurons
and :mod:`bionet.conversion.temporal.closed_form` for the closed form. A layer ``conv1`` becomes
three populations:

===============  ==========================================================================
population       what it does
===============  ==========================================================================
``conv1_bias``   bias neuron: cancels the offset of the code and adds the layer's bias
``conv1_tick``   ticking neuron: releases the layer at the end of its window, then ticks
``conv1``        temporal-coding neurons with the negated weights of the layer
===============  ==========================================================================

The population ``onset`` starts the first window. A max pooling becomes one population of last-spike
neurons, in the windows of its neighbours. The readout integrates the weights themselves, not
negated, so that its potential :math:`v = A e^{-T_{il}/L}` is largest for the largest class score.

References
----------
L. Zhang, S. Zhou, T. Zhi, Z. Du, Y. Chen: TDSNN: from deep neural networks to deep spike neural
networks with temporal coding. AAAI 33 (2019) 1319-1326. The ``compensate`` way is not in the paper;
its thresholds are, with ``rounding="up", bias_correction=False``.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from brian2 import Quantity, ms, second
from torch import nn

from bionet.conversion.first_spike.input import shifted_input
from bionet.conversion.steps.branches import merge_sums
from bionet.conversion.steps.fold_pooling import fold_input_pooling
from bionet.conversion.steps.layers import (
    OTHERS,
    absorb_relu,
    check_rectified,
    fold_batchnorm,
    merge_linear,
    refuse_bounds,
    refuse_kind,
    remove_flatten,
)
from bionet.conversion.steps.pixels import coded_range
from bionet.conversion.steps.unit_maps import fold_maps
from bionet.conversion.temporal.closed_form import (
    Mode,
    Rounding,
    closed_form,
    rounding_shifts,
    shifted,
)
from bionet.conversion.temporal.layers import TOLERANCE, Builder
from bionet.conversion.temporal.rounding_loss import CORRECTION_IMAGES, warn_of_loss
from bionet.conversion.temporal.ticking_pool import ticking_pool
from bionet.conversion.tracing.activations import as_images
from bionet.conversion.tracing.operations import NO_BRANCHES
from bionet.conversion.tracing.records import (
    Add,
    AveragePool,
    LeakyReLU,
    MaxPool,
    Quantised,
    Record,
    Records,
    Sum,
    Weighted,
)
from bionet.conversion.tracing.trace import Trace, precision, trace
from bionet.errors import InputError
from bionet.network import SpikingNetwork

__all__ = ["convert_tdsnn", "temporal_records"]

CHOICES = {
    "mode": ("compensate", "finetune"),
    "window": ("static", "dynamic"),
    "rounding": ("up", "nearest"),
    "max_pooling": ("last-spike", "ticking"),
    "readout": ("MP", "LS"),
    "dtype": tuple(TOLERANCE),
}
BATCH = 100


def convert_tdsnn(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any = None,
    *,
    leak: Quantity = 10 * ms,
    dt: Quantity = 1 * ms,
    mode: Mode = "compensate",
    window: Literal["static", "dynamic"] = "static",
    margin: float = 1.5,
    rounding: Rounding | None = None,
    max_pooling: Literal["last-spike", "ticking"] = "last-spike",
    readout: Literal["MP", "LS"] = "MP",
    dtype: Literal["float32", "float64"] = "float64",
    input_gain: float = 1.0,
    input_range: tuple[float, float] | None = None,
    bias_correction: bool | None = None,
    pipelined: bool = False,
) -> SpikingNetwork:
    """Convert a network of ReLU layers to a TDSNN.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed.
    input_shape : tuple of int
    calibration : array or tensor (n, *input_shape)
        Images that the lengths of the windows are measured on.
    leak : Quantity
        L as a time constant, in units of time: the finer the code, the longer the windows.
    dt : Quantity
        Simulation step.
    mode : {"compensate", "finetune"}
        ``compensate`` takes the weights of any ReLU network; ``finetune`` those of a network
        trained with the code in place (``bionet train --activation tdsnn --leak L``).
    window : {"static", "dynamic"}
        A constant T_il for every layer, or one that ends with the last presynaptic spike.
    margin : float
        Windows have room for activations this many times the largest of the calibration.
    rounding : {"up", "nearest"}, optional
        To which step values are rounded: up, as in the paper, or to the nearest one, by thresholds
        that lie half a step lower. Rounding up shifts every value to larger ones. "nearest" by
        default; "up" with ``mode="finetune"`` and ``max_pooling="ticking"``.
    max_pooling : {"last-spike", "ticking"}
        ``ticking`` makes it a layer with weights, where they exist; they rarely do, see
        :mod:`bionet.conversion.temporal.closed_form.ticking_pool`.
    readout : {"MP", "LS"}
        Potential at the end of the output layer's window, or latest spike (one window longer).
    dtype : {"float32", "float64"}
        Precision that the thresholds are for. In float32 a spike may be a step off.
    input_gain : float
        Pixels are coded this many times as large, and the first layer's weights are as much
        smaller (ours, not in the paper; ``mode="compensate"`` only). With 1 a pixel has only
        ceil(L ln 2) + 1 values; a larger gain tells more of them apart, the more so the darker
        they are, for a longer first window: ceil(L ln(gain + 1)) steps.
    input_range : pair of float, optional
        Least and largest pixel: pixels are coded by their share of it, and biases take back the
        shift (ours; ``mode="compensate"`` only). By default 0 to 1, or that of the calibration
        images where they reach beyond.
    bias_correction : bool, optional
        Add to every bias what rounding takes from its layer's sums on the average, as measured on
        the first 200 calibration images (Nagel et al. 2019; not in the paper,
        ``mode="compensate"`` only, and there the default).
    pipelined : bool
        Let simulations present the next image to a layer as soon as this one has left it, unless
        they say otherwise. Static windows only.

    Returns
    -------
    SpikingNetwork
        Its ``code``: leak in steps, layers with their windows, clocks.

    Warns
    -----
    UserWarning
        If the code changes the answers to more than 1 % of the calibration images (of 100 or more,
        by its closed form); it names the options that mend it.

    Raises
    ------
    InputError
        If a time is no positive quantity, or the network or the images cannot be coded.

    References
    ----------
    Zhang et al. 2019 (TDSNN), Sections 3 and 4.
    """
    # Chosen by benchmarks.tdsnn_defaults on six networks: the paper's form loses up to 26 points.
    if rounding is None:
        rounding = "up" if mode == "finetune" or max_pooling == "ticking" else "nearest"
    if bias_correction is None:
        bias_correction = mode != "finetune"
    _check_options(
        leak,
        dt,
        margin,
        input_gain,
        mode=mode,
        window=window,
        rounding=rounding,
        max_pooling=max_pooling,
        readout=readout,
        dtype=dtype,
    )
    if mode == "finetune":
        _refuse_bias_neurons(
            input_gain=input_gain != 1,
            bias_correction=bias_correction,
            input_range=input_range is not None,
        )
        input_range = (0.0, 1.0)
    _check_combinations(rounding, max_pooling, window, pipelined)

    traced = trace(net, input_shape)
    pixels = _calibration_images(traced, calibration, input_gain)
    low, high, notes = coded_range(pixels, input_range)
    _check_pixels(pixels, low, high)
    gain = input_gain / (high - low)
    images = (pixels - low) * gain
    records = temporal_records(traced.records, input_gain, traced.input_shape, low, high)

    steps, tolerance = float(leak / dt), TOLERANCE[dtype]
    warn_of_loss(
        records,
        images,
        partial(_outputs, traced.graph, low),
        gain,
        {
            "leak": steps,
            "mode": mode,
            "tolerance": tolerance,
            "rounding": rounding,
            "bias_correction": bias_correction,
        },
    )
    shifts = {}
    if bias_correction:
        some = images[:CORRECTION_IMAGES]
        shifts = rounding_shifts(records, some, steps, tolerance, rounding)
        records = shifted(records, shifts)
    largest = _largest_values(records, images, steps, mode, tolerance, rounding)
    if max_pooling == "ticking":
        records = tuple(
            _ticking(record, largest, margin, steps, mode, input_gain) for record in records
        )
    builder = Builder(
        records, traced.input_shape, leak, steps, mode, window, dtype, rounding, input_gain,
        (low, high), (*traced.notes, *notes),
    )  # fmt: skip
    for record in records:
        builder.add(record, largest, margin)
    return builder.network(dt, readout, largest, margin, pipelined, shifts)


def _refuse_bias_neurons(**asked: bool) -> None:
    """Refuse options that need bias neurons, which ``mode="finetune"`` has not."""
    for name, is_asked in asked.items():
        if is_asked:
            raise InputError(
                f"{name} needs the bias neurons of mode='compensate'; leave it out, or convert"
                " weights that were trained by bionet train --activation rounded"
            )


def _check_combinations(rounding: Rounding, max_pooling: str, window: str, pipelined: bool) -> None:
    """Refuse options that exclude one another."""
    if max_pooling == "ticking" and rounding == "nearest":
        raise InputError(
            "max_pooling='ticking' needs rounding='up', which the weights of its units are for"
            " (Zhang et al. 2019); leave rounding out, or use max_pooling='last-spike'"
        )
    if pipelined and window == "dynamic":
        raise InputError(
            "pipelined needs window='static': with window='dynamic' the layers do not know"
            " beforehand when the next image may enter"
        )


def _calibration_images(traced: Trace, calibration: Any, input_gain: float) -> torch.Tensor:
    """The images that windows are measured on; where there are none, the network comes first."""
    if calibration is not None:
        return as_images(calibration, traced.input_shape)
    temporal_records(traced.records, input_gain, traced.input_shape)  # may refuse it
    raise InputError(
        "method 'tdsnn' measures the lengths of its windows on images: pass"
        " calibration=images (a few hundred training images)"
    )


def _outputs(graph: torch.fx.GraphModule, low: float, images: torch.Tensor) -> torch.Tensor:
    """What the source network answers to images without their least pixel's value."""
    outputs: torch.Tensor = graph((images + low).to(precision(graph)))
    return outputs


def temporal_records(
    records: Records,
    input_gain: float = 1.0,
    input_shape: tuple[int, ...] = (),
    low: float = 0.0,
    high: float = 1.0,
) -> Records:
    """One record for each population to be; a ReLU after a max pooling moves before it.

    Parameters
    ----------
    records : tuple of Record
        Of a traced network.
    input_gain : float
        How many times as large the pixels are; the first weights are as many times smaller.
    input_shape : tuple of int
        Shape of one image, where maps of units may take it apart.
    low, high : float
        Range of the pixels, whose share of it is coded.
    """
    refuse_kind(records, LeakyReLU, "LeakyReLU", f"train with ReLU, or {OTHERS}")
    refuse_bounds(records)
    refuse_kind(records, Add, "sum", NO_BRANCHES)
    refuse_kind(records, Quantised, "QCFS activation", "use method='rate', or train with ReLU")
    records = absorb_relu(fold_batchnorm(remove_flatten(records)))
    records = merge_linear(fold_maps(records, input_shape))
    records = merge_sums(records, input_shape or None)
    refuse_kind(records, Sum, "sum", NO_BRANCHES)
    if low:
        if isinstance(records[0], MaxPool):
            raise InputError(
                f"{records[0].place} takes the maximum of images with negative pixels; pool the"
                " images before they are presented"
            )
        records = shifted_input(fold_input_pooling(records, input_shape), input_shape, low)
    check_rectified(records)
    if not isinstance(records[-1], Weighted):
        raise InputError(f"the network ends with {records[-1].place}; end it with a Linear")
    return _attenuated(records, input_gain / (high - low))


def _attenuated(records: Records, gain: float) -> Records:
    """Records whose first weights are divided by a gain; a max pooling passes on what it gets."""
    first = next(i for i, record in enumerate(records) if not isinstance(record, MaxPool))
    record = records[first]
    if isinstance(record, Weighted):
        record = replace(record, weights=record.weights / gain)
    elif isinstance(record, AveragePool):
        record = replace(record, scale=record.scale / gain)
    return (*records[:first], record, *records[first + 1 :])


def _ticking(
    record: Record,
    largest: dict[str, float],
    margin: float,
    leak: float,
    mode: Mode,
    input_gain: float,
) -> Record:
    """A max pooling as a layer with weights; any other record as it is."""
    if not isinstance(record, MaxPool):
        return record
    if mode == "finetune":
        raise InputError(
            f"{record.place}: a ticking max pooling needs the bias neurons of mode='compensate';"
            " use max_pooling='last-spike'"
        )
    largest_value = input_gain if record.source == "input" else margin * largest[record.source]
    return ticking_pool(record, leak, math.ceil(leak * math.log1p(largest_value)))


def _largest_values(
    records: Records,
    images: torch.Tensor,
    leak: float,
    mode: Mode,
    tolerance: float,
    rounding: Rounding,
) -> dict[str, float]:
    """Largest value of every population over the calibration images."""
    largest: dict[str, float] = {"input": float(images.max())}
    for batch in torch.split(images, BATCH):
        values, _ = closed_form(records, batch, leak, mode, tolerance, rounding)
        for record in records:
            # A max pooling passes on what it gets.
            value = largest[record.source] if isinstance(record, MaxPool) else 0.0
            if record.name in values:
                value = max(0.0, float(values[record.name].max()))
            largest[record.name] = max(largest.get(record.name, 0.0), value)
    return largest


def _check_pixels(images: torch.Tensor, low: float, high: float) -> None:
    if bool((images < low).any()) or bool((images > high).any()):
        raise InputError(
            f"the calibration images hold pixels below {low:g} or above {high:g}, for which the"
            " reverse coding has no spike; leave input_range out for their own range, with"
            " mode='compensate', or scale them to lie between 0 and 1"
        )


def _check_options(
    leak: Quantity, dt: Quantity, margin: float, input_gain: float, **choices: str
) -> None:
    """Refuse times, numbers and words that there are not."""
    for name, value in (("leak", leak), ("dt", dt)):
        if not isinstance(value, Quantity) or not value.has_same_dimensions(second):
            raise InputError(f"{name} must be a quantity such as 10*ms, but got {value!r}")
        if not value > 0 * second:
            raise InputError(f"{name} must be positive, but is {value}")
    if leak < dt:
        raise InputError(
            f"the leak ({leak}) must last at least one step of {dt}: with L = {float(leak / dt):g}"
            " steps one step would more than double the decoded value; use a smaller dt"
        )
    for name, value in choices.items():
        if value not in CHOICES[name]:
            words = ", ".join(repr(choice) for choice in CHOICES[name])
            raise InputError(f"{name} of method 'tdsnn' is one of {words}, but got {value!r}")
    if not (math.isfinite(margin) and margin >= 1):
        raise InputError(f"margin must be a number >= 1, but is {margin}")
    if not (math.isfinite(input_gain) and input_gain > 0):
        raise InputError(f"input_gain must be a number > 0, but is {input_gain}")
