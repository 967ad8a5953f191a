r"""The doctor for neurons with units: what a layer's firing rates lose against its curve.

A layer of the network of rates that receives the rates r of the layers before fires at
:math:`\varphi(W r + b)`; the simulated one fires at other rates, for one of these causes:

===============  =======================================================================
cause            pairs of image and unit
===============  =======================================================================
``dead``         of units that never fire for any image, though they should
``weights``      all, where simulated rates hardly follow those of the curve
``rate limit``   where the curve is at its end: the neuron cannot fire faster
``too short``    that differ by less than one spike in the presentation
``fluctuation``  where the neuron fires more than its mean input makes it
``adaptation``   where it fires less: it adapts, or its input comes late
===============  =======================================================================

The pairs of a cause are given their simulated rates one cause after another, from the first layer
to the last, the layers behind them answering by their curves. What accuracy is lost at each switch
is what the cause costs, so that all costs add up to the loss. What is left to the simulated answers
is that of the ``readout``: the output's own fluctuations, and input that has not arrived.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from bionet.audits.diagnosis import Diagnosis
from bionet.audits.firing_audit import SATURATED
from bionet.conversion.physical.calibration import drives_of, outputs_of
from bionet.firing.twin import activations_of
from bionet.network import SpikingNetwork
from bionet.results.recording import Recording

__all__ = ["FIRING_OPTIONS", "diagnose_firing"]

# What mends a cause: an option of method biophysical, or of the simulation.
FIRING_OPTIONS: Mapping[str, str] = {
    "dead": "convert again from the network: weights or currents of these units are wrong",
    "weights": "convert again from the network: look at the order of units at a flatten",
    "rate limit": "fine-tune with a larger rate_cost, or a neuron that fires faster",
    "too short": "a longer duration, or a higher reference rate",
    "fluctuation": "calibration=images, which matches gains with what the layers fire",
    "adaptation": "calibration=images, or fine-tune for presentations of this length",
    "readout": "a longer duration",
}
LEAST_CORRELATION = 0.5


def diagnose_firing(
    net: Any, snn: SpikingNetwork, run: Recording, images: np.ndarray, truth: np.ndarray
) -> Diagnosis:
    """Split the loss of a network of physical neurons into causes.

    Parameters
    ----------
    net : torch.fx.GraphModule
        The network of rates that was converted (``bionet.fine_tune``).
    snn : SpikingNetwork
        Of method ``biophysical``.
    run : Recording
        Of ``snn`` on ``images``.
    images : array (n_images, *input_shape)
    truth : int array (n_images,)
        Classes that count as right.
    """
    graph = copy.deepcopy(net).eval()
    curves = activations_of(graph)
    reference = next(iter(curves.values())).reference_hz
    unit = reference * run.n_steps * float(run.parameters["dt_ms"]) / 1000
    pixels = torch.as_tensor(np.asarray(images, dtype=np.float32))
    layers = {node: name for name, node in snn.origin.layers.items() if name in run.counts}
    given: dict[str, np.ndarray] = {}
    source = accuracy = _right(outputs_of(graph, pixels), truth)
    costs: dict[tuple[str, str], float] = {}
    for node, drive in drives_of(graph, pixels).items():
        drive = drives_of(graph, pixels, given)[node] if given else drive
        on_curve = curves[node](torch.from_numpy(drive)).numpy()
        name = layers[node]
        real = (run.counts[name] / unit).reshape(on_curve.shape).astype(np.float32)
        for cause, rates in _switched(on_curve, real, 1 / unit, float(curves[node].table.max())):
            given[node] = rates
            now = _right(outputs_of(graph, pixels, given), truth)
            costs[name, cause] = accuracy - now
            accuracy = now
    network = float((run.predictions() == truth).mean())
    costs[snn.readout.potential or snn.readout.spikes, "readout"] = accuracy - network
    return Diagnosis(costs, source, network, len(truth), run.n_steps, FIRING_OPTIONS)


def _switched(
    on_curve: np.ndarray, real: np.ndarray, one_spike: float, highest: float
) -> Iterator[tuple[str, np.ndarray]]:
    """Each cause, with the rates of a layer once it and those before it are switched on."""
    rates = on_curve.copy()
    off = real - on_curve
    dead = np.broadcast_to(
        (real == 0).all(0) & (on_curve >= 1.5 * one_spike).any(0), on_curve.shape
    )
    alive = ~dead & ((on_curve > one_spike) | (real > one_spike))
    saturated, short = on_curve > SATURATED * highest, np.abs(off) <= one_spike
    parts = (
        ("dead", dead),
        ("weights", np.full(on_curve.shape, _unlike(on_curve, real, alive))),
        ("rate limit", saturated),
        ("too short", short),
        ("fluctuation", off > 0),
        ("adaptation", off < 0),
    )
    for cause, where in parts:
        now = np.where(where, real, rates)
        if not np.array_equal(now, rates):
            rates = now
            yield cause, rates


def _unlike(on_curve: np.ndarray, real: np.ndarray, alive: np.ndarray) -> bool:
    """Whether simulated rates hardly follow those of the curve, over all pairs and in most units.

    Units of different gains spoil the former alone, rates of a few spikes the latter.
    """
    varied = alive.any() and on_curve[alive].std() > 0 and real[alive].std() > 0
    if not varied or np.corrcoef(on_curve[alive], real[alive])[0, 1] >= LEAST_CORRELATION:
        return False
    a, b = (x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(0) for x in (on_curve, real))
    spread = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    varying = spread > 0
    each = (a * b).sum(0)[varying] / spread[varying]
    return bool(varying.any() and np.median(each) < LEAST_CORRELATION)


def _right(scores: torch.Tensor, truth: np.ndarray) -> float:
    """Share of the images whose class is right; of a single output whether it is positive."""
    flat = scores.reshape(len(scores), -1)
    answers = flat.argmax(1) if flat.shape[1] > 1 else (flat[:, 0] > 0).long()
    return float((answers.numpy() == truth).mean())
