r"""Codes for comparison: `phase` and `burst`, rate codes whose spikes have sizes.

Both take the weights of the ReLU network in the scales :math:`\lambda_l` of method ``rate``. What
differs is the neuron (:mod:`bionet.equations.weighted_spikes`) and so what one step can carry:

=========  ==========================================  =======================================
method     a unit's value                              largest value
=========  ==========================================  =======================================
``phase``  K binary digits, one in each step           :math:`\lambda` a period of K steps
``burst``  up to M spikes in a step, or growing ones   :math:`M \lambda` a step, or any
=========  ==========================================  =======================================

With :math:`r = \sum o / T` both obey the closed form of a rate code,

.. math:: r^l = W^l r^{l-1} + I^l - \frac{v^l(T) - v^l(0)}{\theta T}

References
----------
Kim et al. 2018 (phase); Li, Zeng 2022, and Park et al. 2019 (burst).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from torch import nn

from bionet.conversion.methods import METHODS
from bionet.conversion.steps.assemble import READOUT, drive
from bionet.conversion.steps.layers import gated_trace, population_records
from bionet.conversion.steps.scales import activation_scales, normalise_weights
from bionet.conversion.tracing.activations import as_images
from bionet.conversion.tracing.records import MaxPool, Records
from bionet.equations import NeuronModel, integrator
from bionet.equations.weighted_spikes import burst, growing_burst, largest_sum, phase
from bionet.errors import InputError
from bionet.network import (
    MaxPool2d,
    Origin,
    PhaseCode,
    Population,
    Projection,
    Readout,
    Simulation,
    SpikingNetwork,
)

__all__ = ["convert_burst", "convert_phase"]

READOUTS = ("MP", "MS", "FS")


@METHODS.named("phase")
def convert_phase(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any = None,
    *,
    period: int = 8,
    periods: int = 4,
    percentile: float = 99.9,
    readout: Literal["MP", "MS"] = "MP",
) -> SpikingNetwork:
    """Convert a network of ReLU layers to units whose spikes are weighted by their phase.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed.
    input_shape : tuple of int
    calibration : array or tensor (n, *input_shape)
        Images that the scales are measured on.
    period : int
        K, steps of a period: binary digits of a value.
    periods : int
        Periods of a presentation. In each a value is sent anew, with what the last one left.
    percentile : float
        In (0, 100], of a layer's activations: the largest value of a period.
    readout : {"MP", "MS"}

    Returns
    -------
    SpikingNetwork

    Raises
    ------
    InputError
        If an option is out of range, or the network has a part that cannot be converted.

    References
    ----------
    Kim et al. 2018.
    """
    for name, value in (("period", period), ("periods", periods)):
        _whole("phase", name, value)
    # A period's digits sum to 1 - 2^-K at most, which is to be the scale.
    room = 1.0 - 2.0**-period
    snn = _converted(
        net, input_shape, calibration, "phase", phase(period), percentile, readout, period, room
    )
    return replace(
        snn,
        coding="phase",
        code=PhaseCode(period),
        simulation=Simulation(period * periods * 1e-3, 1e-3),
        metadata={**snn.metadata} | {"options": {"period": period, "periods": periods}},
    )


@METHODS.named("burst")
def convert_burst(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any = None,
    *,
    kind: Literal["count", "growing"] = "count",
    most: int = 5,
    beta: float = 2.0,
    steps: int = 32,
    percentile: float = 99.9,
    readout: Literal["MP", "MS", "FS"] = "MP",
) -> SpikingNetwork:
    """Convert a network of ReLU layers to units that fire in bursts.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed.
    input_shape : tuple of int
    calibration : array or tensor (n, *input_shape)
        Images that the scales are measured on.
    kind : {"count", "growing"}
        Up to ``most`` spikes in a step, or one spike a step, each ``beta`` times as large as the
        last one while the burst goes on.
    most : int
        M, with ``kind="count"``.
    beta : float
        With ``kind="growing"``.
    steps : int
        Steps, of 1 ms, of a presentation.
    percentile : float
        In (0, 100], of a layer's activations: what one spike a step stands for.
    readout : {"MP", "MS", "FS"}

    Returns
    -------
    SpikingNetwork

    Raises
    ------
    InputError
        If an option is out of range, or the network has a part that cannot be converted.

    References
    ----------
    Li, Zeng 2022; Park et al. 2019.
    """
    if kind not in ("count", "growing"):
        raise InputError(f"kind is 'count' or 'growing', but got {kind!r}")
    for name, value in (("most", most), ("steps", steps)):
        _whole("burst", name, value)
    model = burst(most) if kind == "count" else growing_burst(beta)
    snn = _converted(net, input_shape, calibration, "burst", model, percentile, readout)
    options = {"kind": kind, "most": most, "beta": float(beta), "steps": steps}
    return replace(
        snn,
        simulation=Simulation(steps * 1e-3, 1e-3),
        metadata={**snn.metadata} | {"options": options},
    )


def _converted(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any,
    method: str,
    model: NeuronModel,
    percentile: float,
    readout: str,
    period: int = 1,
    room: float = 1.0,
) -> SpikingNetwork:
    """The network of one neuron model; a value takes ``period`` steps, and is ``room`` at most."""
    if readout not in READOUTS:
        raise InputError(f"readout is one of {', '.join(READOUTS)}, but got {readout!r}")
    if calibration is None:
        raise InputError(
            f"method {method!r} measures scales on images: pass calibration=images (a few hundred"
            " training images)"
        )
    traced = gated_trace(net, input_shape)
    images = as_images(calibration, traced.input_shape)
    nonnegative = bool((images >= 0).all())
    records = population_records(
        traced.records, nonnegative, max_pooling=True, branches=True, pairs=True,
        nonnegative_input=nonnegative, input_shape=traced.input_shape,
    )  # fmt: skip
    if isinstance(records[-1], MaxPool):
        raise InputError(f"the network ends with {records[-1].place}; end it with a Linear")
    scales = activation_scales(traced, records, images, percentile)
    scales = {name: s / (1.0 if name == "input" else room) for name, s in scales.items()}
    shown = {r.name: float(scales[r.name]) * period for r in records}
    last = records[-1]
    origin = Origin(
        {record.name: record.node for record in records} | {READOUT: last.node},
        shown | {READOUT: shown[last.name]},
        notes=traced.notes,
    )
    return _network(
        normalise_weights(records, scales), model, traced.input_shape, method, readout, period,
        origin, {"calibration_images": len(images)},
    )  # fmt: skip


def _network(
    records: Records,
    model: NeuronModel,
    input_shape: tuple[int, ...],
    method: str,
    readout: str,
    period: int,
    origin: Origin,
    metadata: dict[str, Any],
) -> SpikingNetwork:
    """One population for each record, and the readout."""
    populations: list[Population] = []
    projections: list[Projection] = []
    for record in (*records, records[-1]):
        name = READOUT if populations and record.name == populations[-1].name else record.name
        if isinstance(record, MaxPool):
            geometry = (record.pool, record.stride, record.padding, record.ceil_mode)
            kernel = MaxPool2d(*geometry, estimate="total", rule="count")
            populations.append(Population(name, record.shape, largest_sum()))
            projections.append(Projection(record.source, name, kernel))
            continue
        kind = integrator() if name == READOUT else model
        bias = {"I": np.asarray(drive(record)) / period}
        populations.append(Population(name, record.shape, kind, bias))
        projections += [Projection(source, name, kernel) for source, kernel in record.projections]
    return SpikingNetwork(
        tuple(populations), tuple(projections), input_shape,
        Readout(records[-1].name, READOUT, readout), method, "analog", metadata, origin=origin,
    )  # fmt: skip


def _whole(method: str, name: str, value: Any) -> None:
    number = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not number or value < 1 or not math.isfinite(value):
        raise InputError(f"{name} of method {method!r} is a whole number >= 1, but is {value!r}")
