r"""DSNN: spike trains of uniform or Poisson rate, one threshold per layer, found by a search.

Unit i of layer l is a leaky integrate-and-fire unit with the network's own weights:

.. math::

    \frac{dv_i^l}{dt} = -\frac{v_i^l}{\tau}, \qquad
    v_i^l \to v_i^l + \sum_j w_{ij}^l o_j^{l-1}, \qquad
    \text{spike and reset if } v_i^l \ge \theta_l

with :math:`\tau = \infty` (integrate-and-fire) by default. Thresholds (Algorithm 1):

.. math::

    \theta_l = \sigma_l M_l, \qquad M_l = \max_i \sum_j \max(w_{ij}^l, 0)

:math:`\sigma` is one number for all layers at first, the best of a list on the calibration set;
a greedy search then multiplies it layer by layer by factors near 1 and keeps what agrees with more
of the answers. With a rate p of spikes a step for an input of value 1, a layer's rate is
:math:`p\,a^l / \prod_{k \le l} \theta_k`, and a bias enters as the constant drive
:math:`p\,b^l / \prod_{k < l} \theta_k`.

==================  =======  ==========================================================
symbol              unit     meaning
==================  =======  ==========================================================
``v``               1        membrane potential
``w``               1        the network's own weights; 1/(kernel size) in a pooling
:math:`\theta_l`    1        threshold of layer l
:math:`\sigma_l`    1        threshold in units of the largest possible input of a step
``tau``             second   membrane time constant
==================  =======  ==========================================================

References
----------
L. Zhang, Z. Du, L. Li, Y. Chen: DSNNs: learning transfer from deep neural networks to spiking
neural networks. High Technology Letters 26 (2019), Section 2 and Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from brian2 import Hz, Quantity, ms, second
from torch import nn

from bionet.conversion.searching.greedy import Trial, agreement_with, search_thresholds
from bionet.conversion.steps.assemble import READOUT, assemble, drive
from bionet.conversion.steps.layers import population_records, refuse_pooled_images
from bionet.conversion.steps.pixels import spiking_pixels
from bionet.conversion.steps.scales import pool_gain
from bionet.conversion.tracing.activations import as_images
from bionet.conversion.tracing.records import (
    AveragePool,
    Mapped,
    MaxPool,
    Record,
    Records,
    Weighted,
)
from bionet.conversion.tracing.trace import trace
from bionet.conversion.variants import leak_compensation as leak
from bionet.conversion.variants.fold import fold as folded
from bionet.conversion.variants.fold import window_sigmas
from bionet.equations import integrate_and_fire, leaky_integrate_and_fire, leaky_integrator
from bionet.errors import InputError
from bionet.network import Simulation, SpikingNetwork

__all__ = ["convert_dsnn", "largest_input", "with_metadata", "with_thresholds"]

# Finer than the powers of ten of the paper: a deep network works only within a factor of two.
SIGMAS = (1.0, 0.5, 0.3, 0.2, 0.1, 0.03, 0.01)


def convert_dsnn(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any = None,
    *,
    labels: Any = None,
    sigma: float | Mapping[str, float] | Literal["window"] | None = None,
    sigmas: Sequence[float] = SIGMAS,
    factors: Sequence[float] = (0.5, 0.7, 1.4, 2.0),
    tau: Quantity | None = None,
    compensate_leak: bool = False,
    reset: Literal["subtract", "zero"] = "subtract",
    coding: Literal["uniform", "poisson"] = "uniform",
    max_rate: Quantity = 100 * Hz,
    duration: Quantity = 500 * ms,
    dt: Quantity = 1 * ms,
    fold: bool = False,
    drain: Quantity = 0 * ms,
    rounding: Literal["down", "nearest"] = "down",
    fill: float = 0.8,
    readout: Literal["MP", "MS", "FS"] = "MP",
) -> SpikingNetwork:
    """Convert a network of ReLU layers to a DSNN.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed.
    input_shape : tuple of int
    calibration : array or tensor (n, *input_shape)
        Images of the threshold search; not needed where ``sigma`` is given.
    labels : int array (n,), optional
        Classes of the calibration images; without them the search asks for agreement with the
        network's own answers.
    sigma : float, mapping of str to float or "window", optional
        Skip the search: one sigma for all populations, or one for each; "window", in a fold, makes
        the busiest unit of every layer emit in the share ``fill`` of a window's steps.
    sigmas, factors : sequence of float
        Candidates for the common sigma, and for the greedy refinement (none: no refinement).
    tau : Quantity, optional
        Membrane time constant in units of time; None for integrate-and-fire.
    compensate_leak : bool
        Give leaky units the drive that makes up for the mean of their leak; see
        :mod:`bionet.conversion.variants.leak_compensation`.
    reset : {"subtract", "zero"}
    coding : {"uniform", "poisson"}
    max_rate, duration, dt : Quantity
        Rate of an input of value 1 (in Hz; of the largest pixel of the calibration where that is
        more), length of a presentation and simulation step; the
        network keeps them as the defaults of its simulation.
    fold : bool
        Deliver what lowers the potential before what raises it; see
        :mod:`bionet.conversion.variants.fold`.
        Max pooling is possible only so: which unit of a pool spikes most is known after a window.
    drain : Quantity
        What a window of the fold lasts beyond ``duration``, in units of time.
    rounding : {"down", "nearest"}
        Of counts in a fold; see :mod:`bionet.conversion.variants.fold`.
    fill : float
        In (0, 1], with ``sigma="window"``; units of other images may be busier.
    readout : {"MP", "MS", "FS"}

    Returns
    -------
    SpikingNetwork
        ``metadata["thresholds"]`` and ``metadata["search"]``: every threshold, every trial.

    Raises
    ------
    InputError
        If neither calibration images nor a sigma are given, or a value does not fit.

    References
    ----------
    Zhang et al. 2019 (DSNN), Algorithm 1.
    """
    _check_rates(coding, max_rate, duration, dt)
    traced = trace(net, input_shape)
    images = None if calibration is None else as_images(calibration, traced.input_shape)
    largest, signed, notes = spiking_pixels(images, "max_rate")
    records = population_records(
        traced.records,
        max_pooling=fold,
        nonnegative_input=not signed,
        input_shape=traced.input_shape,
    )
    refuse_pooled_images(records)
    model = integrate_and_fire(reset) if tau is None else leaky_integrate_and_fire(tau, reset)
    rate = float(max_rate) / largest
    metadata = {
        "options": {
            "tau_ms": None if tau is None else float(tau / ms),
            "compensate_leak": bool(compensate_leak),
            "reset": reset,
        },
    }
    simulation = Simulation(
        float(duration),
        float(dt),
        max_rate=rate,
        gain=1.0,
        signed_input=True,
        largest_input=largest if largest > 1 else None,
    )
    shape = traced.input_shape
    bare = assemble(
        records, model, shape, readout, "dsnn", metadata, coding, simulation=simulation,
        notes=(*traced.notes, *notes),
    )  # fmt: skip
    bare = replace(bare, origin=replace(bare.origin, leak_compensated=bool(compensate_leak)))
    if tau is not None:
        bare = bare.with_population(READOUT, model=leaky_integrator(tau))
    if fold:
        bare = folded(bare, round(float(duration / dt)), round(float(drain / dt)), rounding)
    elif rounding != "down" or sigma == "window":
        raise InputError("rounding='nearest' and sigma='window' belong to a fold; add fold=True")
    per_step = rate * float(dt)

    def network(sigmas: Mapping[str, float]) -> SpikingNetwork:
        snn = with_thresholds(bare, records, sigmas, per_step)
        return leak.compensate_leak(snn, dt) if compensate_leak else snn

    if isinstance(sigma, str):
        if sigma != "window" or calibration is None:
            raise InputError(
                f"sigma must be a number, a mapping, or 'window' with calibration images; got"
                f" {sigma!r}{'' if sigma != 'window' else ' without images'}"
            )
        assert images is not None
        most = {record.name: largest_input(record) for record in records}
        return network(window_sigmas(bare, images.numpy(), most, per_step, fill))
    if sigma is not None:
        return network(_each_sigma(sigma, records))
    if calibration is None:
        raise InputError(
            "the threshold search of method 'dsnn' needs images: pass calibration=images"
            " (a few hundred training images), or give sigma, such as sigma=0.3"
        )
    assert images is not None
    objective = agreement_with(net, images, labels)
    names = searched(records)
    best, trials = search_thresholds(names, network, objective, sigmas, factors)
    return with_metadata(network(best), search=[_plain(trial) for trial in trials])


def largest_input(record: Record) -> float:
    """M: the largest sum of positive input weights of any unit (Algorithm 1)."""
    if isinstance(record, AveragePool):
        return pool_gain(record)
    if isinstance(record, MaxPool):
        return 1.0
    if not isinstance(record, Weighted):
        raise InputError(f"{record.place} has no weights; give its threshold a sigma by hand")
    if isinstance(record, Mapped):
        return float(record.weights.maximum(0).sum(axis=1).max()) or 1.0
    positive = np.maximum(record.weights, 0.0).reshape(len(record.weights), -1).sum(axis=1)
    return float(positive.max()) or 1.0


def searched(records: Records) -> list[str]:
    """Names of the populations whose threshold is free."""
    return [record.name for record in records if not isinstance(record, MaxPool)]


def with_thresholds(
    bare: SpikingNetwork, records: Records, sigmas: Mapping[str, float], per_step: float
) -> SpikingNetwork:
    """The network with theta = sigma M in every layer, and drives that fit to it.

    Parameters
    ----------
    bare : SpikingNetwork
        With any thresholds.
    records : tuple of Record
    sigmas : mapping of str to float
    per_step : float
        Spikes a step of an input of value 1.
    """
    # A max pooling only passes spikes on, so its threshold stays one spike.
    thresholds = {r.name: sigmas.get(r.name, 1.0) * largest_input(r) for r in records}
    before, gain = {"input": 1.0}, 1.0
    for record in records:
        gain = before[record.inputs[0]]
        before[record.name] = gain / thresholds[record.name]
    snn = bare
    for record in records:
        bias = np.asarray(drive(record)) * per_step * before[record.inputs[0]]
        parameters = {"theta": thresholds[record.name], "I": bias}
        snn = snn.with_population(record.name, parameters=parameters)
    snn = snn.with_population(READOUT, parameters={"I": bias})
    # What a rate of one spike a step stands for, in units of the activation: see the audit.
    scales = {r.name: 1.0 / (per_step * before[r.name]) for r in records}
    scales[READOUT] = 1.0 / (per_step * before[records[-1].inputs[0]])
    origin = replace(snn.origin, scales=scales, options={"sigma": dict(sigmas)})
    snn = replace(snn, origin=origin)
    return with_metadata(snn, thresholds=thresholds, sigmas=dict(sigmas))


def with_metadata(snn: SpikingNetwork, **entries: Any) -> SpikingNetwork:
    """The network with further entries of its metadata."""
    return replace(snn, metadata={**snn.metadata, **entries})


def _each_sigma(sigma: float | Mapping[str, float], records: Records) -> dict[str, float]:
    names = searched(records)
    each = dict(sigma) if isinstance(sigma, Mapping) else dict.fromkeys(names, sigma)
    if set(each) != set(names):
        raise InputError(f"sigma must name the populations {', '.join(names)}; got {list(each)}")
    if wrong := [name for name, value in each.items() if not value > 0]:
        raise InputError(f"sigma of {wrong[0]} must be positive, but is {each[wrong[0]]}")
    return {name: float(value) for name, value in each.items()}


def _check_rates(coding: str, max_rate: Quantity, duration: Quantity, dt: Quantity) -> None:
    if coding not in ("uniform", "poisson"):
        raise InputError(f"coding of method 'dsnn' is 'uniform' or 'poisson', but got {coding!r}")
    for name, value, unit in (
        ("max_rate", max_rate, Hz),
        ("duration", duration, second),
        ("dt", dt, second),
    ):
        if not isinstance(value, Quantity) or not value.has_same_dimensions(unit):
            raise InputError(f"{name} must be a quantity such as 100*Hz or 500*ms, got {value!r}")
        if not value > 0 * unit:
            raise InputError(f"{name} must be positive, but is {value}")


def _plain(trial: Trial) -> dict[str, Any]:
    return {"sigmas": dict(trial.sigmas), "score": trial.score, "accepted": trial.accepted}
