r"""Threshold search: spikes drawn from pixels, constant leak and floor, thresholds by feedback.

A spike generation layer turns every pixel of every colour channel into a spike train of its own: a
pixel spikes in a step where :math:`u < c\,x`, with u uniform on (0, 1). Every layer keeps the
network's own weights; its units have a constant leak and a floor
(:mod:`bionet.equations.constant_leak`):

.. math::

    v(t) = \max(v_{min},\ v(t - 1) + L + X(t)), \qquad
    \text{spike and } v = 0 \text{ if } v \ge \theta_l

One threshold for each layer is found by :mod:`bionet.conversion.searching.feedback`. The source
network is adjusted: ReLU, average pooling, no biases.

==================  =======  =====================================================
symbol              unit     meaning
==================  =======  =====================================================
``x``               1        value of a pixel, in [0, 1]
``c``               1        spikes a step of a pixel of value 1, in (0, 1]
``leak``            1        L, added to every potential in a step
``floor``           1        v_min, below which no potential falls
:math:`\theta_l`    1        threshold of layer l
==================  =======  =====================================================

References
----------
Y. Shang, Y. Li, F. You: An SNN construction method based on CNN conversion and threshold setting
(2020), Section III.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from brian2 import Quantity, ms, second
from torch import nn

from bionet.conversion.dsnn import with_metadata
from bionet.conversion.searching.feedback import (
    checked_labels,
    each_threshold,
    feedback_search,
    true_class_share,
)
from bionet.conversion.searching.greedy import answers_of
from bionet.conversion.steps.assemble import READOUT, assemble
from bionet.conversion.steps.layers import population_records
from bionet.conversion.steps.pixels import spiking_pixels
from bionet.conversion.tracing.activations import activations, as_images
from bionet.conversion.tracing.records import Records, Weighted
from bionet.conversion.tracing.trace import trace
from bionet.equations import constant_leak
from bionet.errors import InputError
from bionet.network import Simulation, SpikingNetwork

__all__ = ["convert_threshold_search"]

PERCENTILE = 99.9
FIRST = 4.0  # chosen on training images: python -m benchmarks.start_factor


def convert_threshold_search(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any = None,
    *,
    labels: Any = None,
    thresholds: float | Mapping[str, float] | None = None,
    start: float | Mapping[str, float] | Literal["activations"] = 0.1,
    step: float = 0.8,
    least_step: float = 0.05,
    budget: int = 100,
    c: float = 1.0,
    leak: float = 0.0,
    floor: float = 0.0,
    duration: Quantity = 200 * ms,
    dt: Quantity = 1 * ms,
    readout: Literal["MS", "MP", "FS"] = "MS",
    device: str = "cpp_standalone",
    seed: int = 0,
) -> SpikingNetwork:
    """Convert a network of ReLU layers without biases, its thresholds found by feedback.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed.
    input_shape : tuple of int
    calibration : array or tensor (n, *input_shape)
        Images of the search, one or more of each class; not needed where ``thresholds`` is given.
    labels : int array (n,), optional
        Classes of the calibration images; the network's own answers where they are not given.
    thresholds : float or mapping of str to float, optional
        Skip the search: one threshold for all populations, or one for each.
    start : float, mapping of str to float, or "activations"
        Where the search starts: 0.1 in the paper. ``"activations"`` gives every layer a start of
        its own, the ratio of its activations' 99.9th percentile to that of the layer before, times
        4 in the first layer, whose many input spikes would else exceed its threshold by most.
    step, least_step, budget
        See :func:`bionet.conversion.searching.feedback.feedback_search`.
    c : float
        Spikes a step of a pixel of value 1, in (0, 1]; of the largest of the calibration where that
        is more.
    leak, floor : float
        Constant leak and least potential.
    duration, dt : Quantity
        Length of a presentation and simulation step, in units of time; the network keeps them as
        the defaults of its simulation.
    readout : {"MS", "MP", "FS"}
        Most spikes in the paper.
    device, seed
        Of the simulations of the search; see :func:`bionet.simulate`.

    Returns
    -------
    SpikingNetwork
        ``metadata["thresholds"]``, and ``metadata["search"]`` with every run of the search, its
        move, objective and whether it was accepted.

    Raises
    ------
    InputError
        If the network has biases or a value does not fit.

    References
    ----------
    Shang et al. 2020, Section III.
    """
    if not 0 < c <= 1:
        raise InputError(f"c must lie in (0, 1], the spikes a step of a white pixel, but is {c}")
    for name, value in (("duration", duration), ("dt", dt)):
        if not isinstance(value, Quantity) or not value.has_same_dimensions(second):
            raise InputError(f"{name} must be a quantity such as 200*ms, but got {value!r}")
        if not value > 0 * second:
            raise InputError(f"{name} must be positive, but is {value}")
    traced = trace(net, input_shape)
    images = None if calibration is None else as_images(calibration, traced.input_shape)
    largest, signed, notes = spiking_pixels(images, "c")
    c = c / largest
    records = population_records(
        traced.records, nonnegative_input=not signed, input_shape=traced.input_shape
    )
    _check_biases(records)
    metadata = {
        "options": {"c": float(c * largest), "leak": float(leak), "floor": float(floor)},
    }
    simulation = Simulation(
        float(duration),
        float(dt),
        max_rate=float(c / dt),
        gain=1.0,
        signed_input=signed,
        largest_input=largest if largest > 1 else None,
    )
    model = constant_leak(leak, floor=floor)
    shape = traced.input_shape
    bare = assemble(
        records, model, shape, readout, "threshold_search", metadata, "poisson",
        simulation=simulation, notes=(*traced.notes, *notes),
    )  # fmt: skip
    names = [record.name for record in records]

    def network(values: Mapping[str, float]) -> SpikingNetwork:
        return _with_thresholds(bare, records, values, c)

    if thresholds is not None:
        return network(each_threshold(thresholds, names, "thresholds"))
    if calibration is None:
        raise InputError(
            "the threshold search needs images: pass calibration=images, one or more training"
            " images of each class, or give thresholds, such as thresholds=0.5"
        )
    assert images is not None
    target = answers_of(net, images) if labels is None else labels
    output = bare.readout.spikes
    target = checked_labels(target, len(images), bare.population(output).size)
    pixels = images.numpy().astype(np.float32)

    def objective(values: Mapping[str, float]) -> float:
        from bionet.running.simulate import simulate

        run = simulate(network(values), pixels, device=device, seed=seed)
        return float(true_class_share(run, output, target).mean())

    if isinstance(start, str):
        start = _balanced(net, bare, images, records, c, start)
    first = each_threshold(start, names, "start")
    search = feedback_search(objective, first, step, least_step, budget)
    return with_metadata(network(search.thresholds), search=search.plain())


def _with_thresholds(
    bare: SpikingNetwork, records: Records, thresholds: Mapping[str, float], c: float
) -> SpikingNetwork:
    """The network with these thresholds, and what a rate of one spike a step stands for."""
    gain = {"input": c}
    snn = bare
    for record in records:
        # Exact for reset by subtraction; reset to zero loses what exceeds the threshold.
        gain[record.name] = gain[record.inputs[0]] / thresholds[record.name]
        snn = snn.with_population(record.name, parameters={"theta": thresholds[record.name]})
    scales = {record.name: 1.0 / gain[record.name] for record in records}
    scales[READOUT] = 1.0 / gain[records[-1].inputs[0]]
    origin = replace(snn.origin, scales=scales, options={"thresholds": dict(thresholds)})
    snn = replace(snn, origin=origin)
    return with_metadata(snn, thresholds=dict(thresholds))


def _balanced(
    net: nn.Module, bare: SpikingNetwork, images: Any, records: Records, c: float, start: str
) -> dict[str, float]:
    """Theta = lambda_l / lambda_(l-1), a rate of a / lambda in every layer; FIRST c lambda_1."""
    if start != "activations":
        raise InputError(f"start is a number, a mapping or 'activations', but got {start!r}")
    level = {"input": 1.0 / c}
    for name, values in activations(net, images, bare).items():
        level[name] = float(np.percentile(np.maximum(values, 0.0), PERCENTILE)) or 1.0
    thresholds = {r.name: level[r.name] / level[r.inputs[0]] for r in records}
    thresholds[records[0].name] *= FIRST
    return thresholds


def _check_biases(records: Records) -> None:
    for record in records:
        if isinstance(record, Weighted) and np.any(record.bias):
            raise InputError(
                f"{record.place} has a bias, and the units of method 'threshold_search' have none:"
                " train the network with bias=False and without batch normalisation"
            )
