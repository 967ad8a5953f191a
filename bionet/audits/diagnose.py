"""A diagnosis of a network and its images, and the network mended by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from brian2 import second
from torch import nn

from bionet.audits.diagnosis import Diagnosis, diagnose_run
from bionet.conversion import convert, with_initial_potential, with_signed_correction
from bionet.conversion.tracing.activations import activations
from bionet.conversion.tracing.several_inputs import OneInput
from bionet.errors import InputError
from bionet.firing.twin import is_twin
from bionet.kinds import typed
from bionet.network import FirstSpikeCode, Fold, SpikingNetwork, TemporalCode
from bionet.network.joined_inputs import as_one
from bionet.results.recording import Recording
from bionet.running.simulate import simulate

__all__ = ["diagnose", "mended"]

BATCH = 200
# Causes that only converting again can mend, with the options of rate that do.
AGAIN: dict[str, dict[str, Any]] = {
    "weights": {},
    "dead": {},
    "clipping": {"normalisation": "least_squares", "channelwise": True, "reset": "subtract"},
    "reset": {"reset": "subtract"},
}


@typed
def diagnose(
    net: nn.Module,
    snn: SpikingNetwork,
    images: np.ndarray,
    labels: np.ndarray | None = None,
    run: Recording | None = None,
    **simulation: Any,
) -> Diagnosis:
    """What each layer of a spiking network loses to what, and the option that mends it.

    Parameters
    ----------
    net : torch.nn.Module
        The network that was converted.
    snn : SpikingNetwork
        With a rate code, of spike times (methods ``ttfs`` and ``tdsnn``), or of physical neurons
        (method ``biophysical``), whose ``net`` is the network of rates (``bionet.fine_tune``).
    images : array (n_images, *input_shape)
    labels : int array (n_images,), optional
        Without them the source network's answers count as right.
    run : Recording, optional
        Of ``snn`` on ``images``; it is simulated where it is not given.
    **simulation
        Options of :func:`bionet.simulate`: duration, coding, device.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
        If the network has another code, or images, labels and recording do not fit together.

    See Also
    --------
    bionet.audits.diagnosis : the causes, and how they are told apart.
    bionet.audits.first_spike_diagnosis : those of method ``ttfs``.
    bionet.audits.temporal_diagnosis : those of method ``tdsnn``.
    bionet.audits.firing_diagnosis : those of method ``biophysical``.
    """
    images = as_one(snn, images)
    if snn.origin.inputs and not isinstance(net, OneInput):
        net = OneInput(net, snn.origin.inputs)
    if run is None:
        kept = {"final_potentials": True} if isinstance(snn.code, FirstSpikeCode) else {}
        run = simulate(snn, images, **{**kept, **simulation})
    if run.n_images != len(images) or (labels is not None and len(labels) != len(images)):
        raise InputError(
            f"the recording has {run.n_images} images and there are {len(images)} images and"
            f" {len(images) if labels is None else len(labels)} labels; give those that belong"
            " together"
        )
    with torch.no_grad():
        parts = torch.as_tensor(np.asarray(images), dtype=torch.float32).split(BATCH)
        net = net.eval()
        kind = next(net.parameters()).dtype
        scores = torch.cat([net(part.to(kind)).reshape(len(part), -1) for part in parts])
    answers = (scores.argmax(1) if scores.shape[1] > 1 else (scores[:, 0] > 0).long()).numpy()
    truth = answers if labels is None else np.asarray(labels)
    if isinstance(snn.code, TemporalCode):
        from bionet.audits.temporal_diagnosis import TemporalLadder

        return TemporalLadder(net, snn, run, images, truth).climb(float((answers == truth).mean()))
    if snn.code is None and not snn.scales and is_twin(net):
        from bionet.audits.firing_diagnosis import diagnose_firing

        return diagnose_firing(net, snn, run, images, truth)
    return diagnose_run(activations(net, images, snn), snn, run, images, truth, answers)


@typed
def mended(
    net: nn.Module, snn: SpikingNetwork, diagnosis: Diagnosis, calibration: np.ndarray
) -> SpikingNetwork:
    """The network with the options that mend what a diagnosis has found to cost accuracy.

    Parameters
    ----------
    net : torch.nn.Module
    snn : SpikingNetwork
    diagnosis : Diagnosis
    calibration : array (n, *input_shape)
        Training images.

    Returns
    -------
    SpikingNetwork
        Converted again where weights, scales or the reset cost something; in any case with an
        initial potential where rounding does, and with the signed correction where unevenness
        does. Of a network that was not made by ``rate`` the thresholds stay. One of method
        ``ttfs`` is converted again: with twice the margin where values were clipped, with exact
        spikes where they were rounded; one of method ``tdsnn`` with values rounded to the nearest
        and corrected biases where rounding costs something, or with twice the leak where it had
        these. Physical neurons get presentations of twice the length where those were too short.
    """
    if isinstance(snn.code, TemporalCode):
        return _mended_late_spikes(net, snn, snn.code, diagnosis, calibration)
    if isinstance(snn.code, FirstSpikeCode):
        return _mended_first_spikes(net, snn, snn.code, diagnosis, calibration)
    if snn.code is None and not snn.scales and is_twin(net):
        short = any(diagnosis.cost(c) > 0 for c in ("too short", "readout"))
        last = 2 * diagnosis.n_steps * float(snn.times()[1] / second)
        return replace(snn, simulation=replace(snn.simulation, duration=last)) if short else snn
    costly = [c for c in ("weights", "dead", "clipping", "reset") if diagnosis.cost(c) > 0]
    if costly and snn.method == "rate":
        later = ("initial_potential", "signed", "lower_bound")  # where they mend something, below
        options = {k: v for k, v in snn.origin.options.items() if k not in later}
        options["steps"] = options.get("steps") or diagnosis.n_steps
        for cause in costly:
            options |= AGAIN[cause]
        made = convert(net, "rate", calibration, snn.input_shape, **options)
        snn = replace(made, coding=snn.coding, simulation=snn.simulation)
    if isinstance(snn.code, Fold):  # its counts do not depend on the order of spikes
        return with_initial_potential(snn) if diagnosis.cost("rounding") > 0 else snn
    firing = [p.model for p in snn.populations if p.model.threshold is not None]
    plain = all(m.resets == "subtract" and not m.leaks and m.spike == "unit" for m in firing)
    uneven = diagnosis.cost("unevenness") + diagnosis.cost("saturated") > 0
    if plain and (diagnosis.cost("rounding") > 0 or uneven):
        snn = with_initial_potential(snn)
    return with_signed_correction(snn) if plain and uneven else snn


def _mended_first_spikes(
    net: nn.Module,
    snn: SpikingNetwork,
    code: FirstSpikeCode,
    diagnosis: Diagnosis,
    calibration: np.ndarray,
) -> SpikingNetwork:
    """The network converted again, with room for its values and exact spikes where they cost."""
    if not any(diagnosis.cost(c) > 0 for c in ("weights", "dead", "clipping", "rounding")):
        return snn
    options = dict(snn.origin.options)
    options |= {"tau": code.tau * second, "dt": code.dt * second, "dtype": snn.simulation.dtype}
    options |= {"readout": snn.readout.default}
    if diagnosis.cost("clipping") > 0:
        options["margin"] = 2 * options.get("margin", 1.5)
    if diagnosis.cost("rounding") > 0:
        options["interpolate"] = True
    return convert(net, "ttfs", calibration, snn.input_shape, **options)


def _mended_late_spikes(
    net: nn.Module,
    snn: SpikingNetwork,
    code: TemporalCode,
    diagnosis: Diagnosis,
    calibration: np.ndarray,
) -> SpikingNetwork:
    """The network converted again, with a finer code where rounding costs something."""
    if not diagnosis.cost("weights") > 0 and not diagnosis.cost("rounding") > 0:
        return snn
    options: dict[str, Any] = {
        **snn.origin.options,
        **{"readout": snn.readout.default},
        **{"leak": code.tau * second, "dt": snn.times()[1], "dtype": snn.simulation.dtype},
        **{"mode": code.mode, "window": code.window, "margin": code.margin},
        **{"rounding": code.rounding, "bias_correction": bool(code.shifts)},
        **{"input_gain": code.input_gain, "input_range": (code.low, code.high)},
    }
    if diagnosis.cost("rounding") > 0:
        if code.rounding == "nearest" and code.shifts:
            options["leak"] = 2 * options["leak"]
        options |= {"rounding": "nearest", "bias_correction": True}
    return convert(net, "tdsnn", calibration, snn.input_shape, **options)
