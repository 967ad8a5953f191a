r"""Time to first spike: one spike for each unit at most, exact, without training.

A value x of layer l is one spike at :math:`t = t_{max}^l - \tau x / \lambda_l`: the larger, the
earlier, and none for 0. Layers take their windows one after another. While layer l spikes, layer
l + 1 adds up a slope for each spike that has arrived, so that at the end of the window its
potential is its activation,

.. math::

    \tau \frac{dv}{dt} = \sum_j w_{ij} H(t - t_j), \qquad v(0) = b, \qquad
    v(t_{max}^l) = b_i + \sum_j w_{ij} x_j = A_i

and then it ramps to its threshold and spikes itself: :math:`x_i = \max(0, A_i)`. A spike carries as
its amplitude what v has exceeded the threshold by, so that the step of the clock loses nothing: the
network answers what its source network answers, to rounding, for any dt.

==================  =======  ==============================================================
symbol              unit     meaning
==================  =======  ==============================================================
``v``               1        membrane potential
``tau``             second   time for a value of 1
:math:`\lambda`     1        scale: activation for which a potential of 1 stands
:math:`t_{max}`     second   end of a layer's window, and begin of the next one's
``A``               1        activation of a unit before its ReLU
==================  =======  ==============================================================

A layer with ReLU becomes a population of its name, with two pathways from each of its sources:
one delivers amplitudes to v, the other, of the event ``arrival``, weights to ``slope``. A max
pooling's unit passes on the first spike it gets, in the window of its source. An average pooling
goes into the weights of the layer after it. With ``synapse="falling"`` a spike carries what is left
of its window, and there is the first pathway only. See :mod:`bionet.equations.first_spike`.

References
----------
A. Stanojevic, S. Wozniak, G. Bellec, G. Cherubini, A. Pantazi, W. Gerstner: An exact mapping from
ReLU networks to spiking neural networks. Neural Networks 168 (2023) 74-88.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from brian2 import Quantity, ms
from torch import nn

from bionet.conversion.first_spike.input import shifted_input, with_input_pairs
from bionet.conversion.first_spike.windows import Schedule, schedule
from bionet.conversion.methods import METHODS
from bionet.conversion.steps.assemble import READOUT, drive, operations_of
from bionet.conversion.steps.fold_pooling import fold_pooling as without_average_pooling
from bionet.conversion.steps.layers import gated_trace, population_records
from bionet.conversion.steps.pixels import coded_range
from bionet.conversion.steps.scales import activation_scales, normalise_weights
from bionet.conversion.tracing.activations import as_images
from bionet.conversion.tracing.records import MaxPool, Record, Records
from bionet.equations import first_input, first_spike, slope_integrator
from bionet.equations.first_spike import ARRIVAL
from bionet.errors import InputError
from bionet.network import (
    AveragePool2d,
    FirstSpikeCode,
    Kernel,
    MaxPool2d,
    Origin,
    Population,
    Projection,
    Readout,
    Simulation,
    SpikingNetwork,
)

__all__ = ["convert_ttfs"]

# More than the rounding of a sum; smaller values count as 0.
EPSILON = {"float64": 1e-12, "float32": 2e-6}
CHOICES = {
    "synapse": ("slope", "falling"),
    "input": ("latency", "analog", "pairs"),
    "readout": ("MP", "FS"),
    "dtype": tuple(EPSILON),
}


@METHODS.named("ttfs")
def convert_ttfs(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any = None,
    *,
    tau: Quantity = 16 * ms,
    dt: Quantity = 1 * ms,
    interpolate: bool = True,
    synapse: Literal["slope", "falling"] = "slope",
    margin: float = 1.5,
    input: Literal["latency", "analog", "pairs"] = "latency",
    input_range: tuple[float, float] | None = None,
    fold_pooling: bool = True,
    readout: Literal["MP", "FS"] = "MP",
    dtype: Literal["float32", "float64"] = "float64",
) -> SpikingNetwork:
    """Convert a network of ReLU layers to one in which each unit spikes once at most.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed.
    input_shape : tuple of int
    calibration : array or tensor (n, *input_shape)
        Images that the largest value of every layer is measured on.
    tau : Quantity
        Time that stands for a value of 1, in units of time: windows last from half of it to all.
    dt : Quantity
        Simulation step. With ``interpolate`` it changes nothing but the number of steps.
    interpolate : bool
        Whether a spike carries how late the clock saw it, so that values are exact. Without it
        they are rounded to the nearest multiple of dt/tau, and spikes are alike.
    synapse : {"slope", "falling"}
        A spike begins a slope; or the effect of a synapse falls with the time since the window of
        its source began, and a spike delivers at once what is left: the same values, for two
        operations a spike and synapse instead of three, and in half of BioNet's time. It needs
        ``interpolate``.
    margin : float
        Windows have room for values this many times the largest of the calibration. A larger
        value is clipped, and said so.
    input : {"latency", "analog", "pairs"}
        Pixels spike once, the earlier the brighter; or drive the first layer by constant
        currents, of either sign; or drive pairs of units, on and off, that spike.
    input_range : pair of float, optional
        Least and largest pixel of the latency coding; a least pixel other than 0 is a shift that
        biases take back. By default 0 to 1, or ``margin`` times the range of the calibration
        images where they reach beyond.
    fold_pooling : bool
        Take average poolings into the weights of the layer after them: fewer windows, for more
        additions. A pooling that stays is a layer of its own.
    readout : {"MP", "FS"}
        Potential at the end of the last window, or the first spike of the output layer, one
        window more: the class is known with it.
    dtype : {"float32", "float64"}
        Precision that the network is for.

    Returns
    -------
    SpikingNetwork
        Its ``code`` holds every population's window, scale and threshold.

    Raises
    ------
    InputError
        If an option is out of range, images are missing or cannot be coded, or the network has a
        part that cannot be converted.

    References
    ----------
    Stanojevic et al. 2023; the amplitudes, scales and delays are not in the paper.
    """
    _checked(
        tau, dt, margin, input_range, input=input, readout=readout, dtype=dtype, synapse=synapse
    )
    if synapse == "falling" and not interpolate:
        raise InputError(
            "synapse='falling' delivers exact values: leave interpolate out, or use synapse='slope'"
        )
    traced = gated_trace(net, input_shape)
    if calibration is None:
        raise InputError(
            "method 'ttfs' measures the largest value of every layer on images: pass"
            " calibration=images (a few hundred training images)"
        )
    images = as_images(calibration, traced.input_shape)
    low, high, notes = 0.0, 1.0, _notes(input)
    if input == "latency":
        low, high, notes = coded_range(images, input_range, margin)
        _check_pixels(images, low, high)
    nonnegative = bool((images >= 0).all())
    records = population_records(
        traced.records,
        nonnegative,
        max_pooling=True,
        branches=True,
        pairs=True,
        bounds=True,
        nonnegative_input=nonnegative,
        input_shape=traced.input_shape,
    )
    costs = operations_of(records, traced.input_shape)
    if fold_pooling:
        records = without_average_pooling(records)
    if isinstance(records[-1], MaxPool):
        raise InputError(f"the network ends with {records[-1].place}; end it with a Linear")
    scales = activation_scales(traced, records, images, 100.0)
    largest = {name: float(np.max(scale)) for name, scale in scales.items()}
    if input == "latency":
        records = shifted_input(records, traced.input_shape, low)
    elif input == "pairs":
        node = next(n.name for n in traced.graph.graph.nodes if n.op == "placeholder")
        records = with_input_pairs(records, traced.input_shape, node)
        largest |= dict.fromkeys((r.name for r in records[:2]), float(images.abs().max()) or 1.0)
    plan = schedule(records, largest, margin, float(dt / tau), interpolate)
    code = FirstSpikeCode(
        tau=float(tau),
        dt=float(dt),
        windows=tuple(w for n, w in plan.windows.items() if n != "input" or input == "latency"),
        end=plan.windows[records[-1].name].start,
        exact=interpolate,
        low=low,
        high=high,
        epsilon=EPSILON[dtype],
        falling=synapse == "falling",
    )
    units = {name: np.array(window.scale) for name, window in plan.windows.items()}
    # What a pixel adds to v: its share of the range, or a current for the length of a window.
    drives = 1 / (plan.ends["input"] * code.step)
    units["input"] = np.array(high - low if input == "latency" else drives)
    records = normalise_weights(records, units)
    metadata = {
        "options": {
            **{"tau_ms": float(tau / ms), "interpolate": bool(interpolate), "synapse": synapse},
            **{"margin": margin},
            **{"input": input, "input_range": [low, high], "fold_pooling": bool(fold_pooling)},
        },
        "calibration_images": len(images),
    }
    snn = _network(records, plan, code, tau, traced.input_shape, input, readout, dtype, metadata)
    origin = replace(snn.origin, operations=costs[0], macs=costs[1])
    return replace(snn, origin=replace(origin, notes=(*traced.notes, *notes)))


def _network(
    records: Records,
    plan: Schedule,
    code: FirstSpikeCode,
    tau: Quantity,
    input_shape: tuple[int, ...],
    input: str,
    readout: str,
    dtype: str,
    metadata: Mapping[str, Any],
) -> SpikingNetwork:
    """The populations and projections of records whose weights are in their final scales."""
    last = records[-1]
    neuron = first_spike(tau, code.exact, code.epsilon, code.falling)
    # Nobody listens to the output layer, whose spikes are counted as they are.
    kept = (code.carried,) if code.exact else ()
    output = replace(neuron, amplitude=None, events={}, final=kept, name=f"{neuron.name}, output")
    pool = first_input(code.exact, code.falling)
    populations, projections = [], []
    for record in records:
        name, window = record.name, plan.windows[record.name]
        if isinstance(record, MaxPool):
            populations.append(Population(name, record.shape, pool))
            projections.append(Projection(record.source, name, _pooling(record, code)))
            continue
        values = {
            **{"b": drive(record), "theta": code.threshold(window)},
            **{"start": float(window.start), "stop": float(window.start + window.ramp)},
        }
        model = output if record is last else neuron
        populations.append(Population(name, record.shape, model, values))
        projections += _pathways(record, name, plan, code, input != "latency")
    start = plan.windows[last.name].start
    values = {"b": drive(last), "start": float(start)}
    populations.append(Population(READOUT, last.shape, slope_integrator(tau, code.falling), values))
    shown = replace(plan, windows={**plan.windows, READOUT: plan.windows[last.name]})
    projections += _pathways(last, READOUT, shown, code, input != "latency")
    steps = plan.ends[last.name] if readout == "FS" else start
    return SpikingNetwork(
        tuple(populations),
        tuple(projections),
        input_shape,
        Readout(last.name, READOUT, readout),
        "ttfs",
        "latency" if input == "latency" else "analog",
        metadata,
        Simulation(duration=steps * code.dt, dt=code.dt, dtype=dtype),
        code,
        Origin({record.name: record.node for record in records} | {READOUT: last.node}),
    )


def _pathways(
    record: Record, target: str, plan: Schedule, code: FirstSpikeCode, current: bool
) -> list[Projection]:
    """From each source amplitudes to the potential, weights to the slope, or both."""
    pathways = []
    for source, kernel in record.projections:
        if source == "input" and current:
            # A current flows until the target's window begins, which later layers have later.
            share = plan.ends[source] / plan.windows[target].start
            pathways.append(Projection(source, target, kernel, gain=share))
            continue
        delay = plan.delay(source, target)
        if code.exact:
            pathways.append(Projection(source, target, kernel, delay, variable="v"))
        if code.falling:
            continue
        event = ARRIVAL if code.exact else "spike"
        pathways.append(Projection(source, target, kernel, delay, variable="slope", event=event))
    return pathways


def _pooling(record: MaxPool, code: FirstSpikeCode) -> Kernel:
    """To a pool's unit: the largest of what the first spikes carry, or their number."""
    geometry = (record.pool, record.stride, record.padding, record.ceil_mode)
    if code.exact:
        return MaxPool2d(*geometry, estimate=code.carried, rule="count")
    return AveragePool2d(*geometry, divisor_override=1)


def _notes(input: str) -> tuple[str, ...]:
    """What is to be said of pixels that are no spikes of a share."""
    if input == "pairs":
        return ("a pixel is a pair of units, on and off, one for either sign",)
    return ("pixels of either sign are constant currents",)


def _checked(tau: Any, dt: Any, margin: Any, input_range: Any, **choices: str) -> None:
    """Refuse options out of range."""
    for name, value in choices.items():
        if value not in CHOICES[name]:
            raise InputError(f"{name} is one of {CHOICES[name]}, but got {value!r}")
    for name, time in (("tau", tau), ("dt", dt)):
        if not isinstance(time, Quantity) or time.dim is not ms.dim or not float(time) > 0:
            raise InputError(f"{name} must be a time > 0 such as 16*ms, but got {time!r}")
    if float(dt) > float(tau):
        raise InputError(f"dt ({dt}) must not be longer than tau ({tau}), the time of a window")
    if not (math.isfinite(margin) and margin > 0):
        raise InputError(f"margin must be a number > 0, but is {margin!r}")
    if input_range is not None and choices["input"] != "latency":
        raise InputError(
            f"input_range belongs to input='latency'; input={choices['input']!r} takes any pixels"
        )


def _check_pixels(images: torch.Tensor, low: float, high: float) -> None:
    """Refuse images outside the range, naming the first."""
    outside = ((images < low) | (images > high)).flatten(1).any(1)
    if not bool(outside.any()):
        return
    number = int(outside.to(torch.uint8).argmax())
    least, most = float(images[number].min()), float(images[number].max())
    raise InputError(
        f"calibration: image {number} holds pixels from {least:.4g} to {most:.4g}, but those of the"
        f" latency coding lie between {low:g} and {high:g}; scale the images, give input_range="
        f"({float(images.min()):.4g}, {float(images.max()):.4g}), or input='analog' or 'pairs'"
    )
