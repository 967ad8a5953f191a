r"""The audit of neurons with units: simulated rates against the network of rates.

With y the rates of the network of rates and r the simulated ones, both in units of the reference
rate, the error of a layer is split at the rate that its curve gives for what it really received,

.. math::

    r_l - y_l = \underbrace{[\varphi(W r_{l-1} + b) - \varphi(W y_{l-1} + b)]}_{\text{propagated}}
              + \underbrace{[r_l - \varphi(W r_{l-1} + b)]}_{\text{the layer's own}}

and the layer's own part, for each pair of image and unit, belongs to

============  ==================================================================
rate limit    where the curve is at its end: the neuron cannot fire faster
too short     where it is less than one spike in the presentation
fluctuation   where the neuron fires more than its mean input makes it
adaptation    where it fires less: it adapts, or its input comes late
============  ==================================================================
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from bionet.audits.table import MIN_CORRELATION, Audit, LayerAudit
from bionet.network import SpikingNetwork
from bionet.results.recording import Recording

__all__ = ["firing_audit"]

MAX_ERROR = 0.25  # of a layer's mean error, relative to its mean rate among the units that fire
SATURATED = 0.97  # of the largest rate


def firing_audit(
    net: Any,
    snn: SpikingNetwork,
    run: Recording,
    images: np.ndarray,
    *,
    max_samples: int = 3000,
) -> Audit:
    """Compare every layer's rates with those of the network of rates.

    A layer is bad if its correlation is below 0.9, or its mean error exceeds a quarter of the mean
    rate of the units that are to fire. Rates are shown in spikes per step.

    Parameters
    ----------
    net : torch.nn.Module
        From ``bionet.fine_tune``: the network that was converted.
    snn, run, images
        As for :func:`bionet.audit`.
    max_samples : int
        Pairs of wanted and simulated rate that are kept of each population.
    """
    import torch

    from bionet.conversion.physical.calibration import drives_of
    from bionet.firing.twin import activations_of

    graph = copy.deepcopy(net).eval()
    curves = activations_of(graph)
    reference = next(iter(curves.values())).reference_hz
    seconds = run.n_steps * float(run.parameters["dt_ms"]) / 1000
    unit = reference * seconds  # spikes of a presentation at the reference rate
    pixels = torch.as_tensor(np.asarray(images, dtype=np.float32))
    layers = {node: name for name, node in snn.origin.layers.items() if name in run.counts}
    rates = {node: run.counts[name] / unit for node, name in layers.items()}
    wanted_drives = drives_of(graph, pixels)
    drives = drives_of(graph, pixels, rates)
    per_step = unit / run.n_steps
    rows: list[LayerAudit] = []
    samples = {}
    for node, z in wanted_drives.items():
        activation = curves[node]
        wanted = activation(torch.from_numpy(z)).numpy()
        received = activation(torch.from_numpy(drives[node])).numpy()
        row, pairs = _row(
            layers[node], wanted, received, rates[node], 1 / unit, activation, rows, per_step
        )
        rows.append(row)
        sampled = np.linspace(0, pairs.shape[1] - 1, min(max_samples, pairs.shape[1])).astype(int)
        samples[row.population] = (pairs[:, sampled] * per_step).astype(np.float32)
    return Audit(tuple(rows), run.n_images, run.n_steps, samples)


def _row(
    name: str,
    wanted: np.ndarray,
    received: np.ndarray,
    rates: np.ndarray,
    one_spike: float,
    activation: Any,
    earlier: list[LayerAudit],
    per_step: float,
) -> tuple[LayerAudit, np.ndarray]:
    """A layer's row, and pairs (wanted, simulated) of rate, those at rest on both sides left out.

    All rates in units of the reference; ``one_spike`` is that of one spike in a presentation.
    """
    error, against_received = rates - wanted, rates - received
    saturated = wanted > SATURATED * float(activation.table.max())
    short = (np.abs(against_received) <= one_spike) & ~saturated
    clear = ~saturated & ~short
    parts = {
        "propagated": np.abs(received - wanted).mean(),
        "rate limit": np.abs(against_received[saturated]).sum() / against_received.size,
        "too short": np.abs(against_received[short]).sum() / against_received.size,
        "fluctuation": against_received[clear & (against_received > 0)].sum()
        / against_received.size,
        "adaptation": -against_received[clear & (against_received < 0)].sum()
        / against_received.size,
    }
    firing = wanted > one_spike
    active = max(int(firing.sum()), 1)
    mean_error = float(np.abs(error).mean())
    spread = wanted.std() * rates.std()
    correlation = float(np.corrcoef(wanted.ravel(), rates.ravel())[0, 1]) if spread else 0.0
    mean_rate = float(wanted[firing].mean()) if firing.any() else 0.0
    relative = float(np.abs(error[firing].mean())) / mean_rate if mean_rate else 0.0
    bad = correlation < MIN_CORRELATION or relative > MAX_ERROR
    cause = max(parts, key=lambda part: parts[part])
    if cause == "propagated":
        cause = f"propagated from {earlier[-1].population if earlier else 'input'}"
    alive = (wanted > one_spike / 10).any(axis=0) | (rates > 0).any(axis=0)
    shown = (wanted > one_spike / 10) | (rates > 0)
    row = LayerAudit(
        population=name,
        n_units=int(np.prod(wanted.shape[1:])),
        decoded="rate",
        correlation=correlation,
        mean_error=mean_error * per_step,
        max_error=float(np.abs(error).max()) * per_step,
        saturated=float(saturated.sum()) / active,
        silent=float((firing & (rates == 0)).sum()) / active,
        dead=float((~alive).mean()),
        residual=None,
        mismatch=None,
        errors={part: float(value) * per_step for part, value in parts.items()},
        cause=cause,
        bad=bool(bad),
    )
    return row, np.stack([wanted[shown], rates[shown]])
