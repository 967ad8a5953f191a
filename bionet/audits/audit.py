r"""The audit: layer by layer, what the spikes say against what the network's activations are.

A population stands for an ANN layer whose activation, divided by the population's scale
lambda, it should show as its rate. With a = activation/lambda (positive part), r = spikes/T,
layer l driven by d = W r_{l-1} + I, the error of a layer splits into

.. math::

    r_l - a_l = \underbrace{[f(W a_{l-1} + I) - a_l]}_{\text{conversion}}
              + \underbrace{[f(d) - f(W a_{l-1} + I)]}_{\text{propagated}}
              + \underbrace{[r_l - f(d)]}_{\text{the layer's own}},
    \qquad f(d) = \max(0, d)/\theta

and the layer's own part belongs to *saturation* where f(d) > 1 (one spike a step is the most
that can be shown), to *silence* where f(d) > 0 but no spike came, and to the *remainder*
elsewhere. With reset by subtraction and no leak the simulation must obey the closed form

.. math:: \theta r_l = W r_{l-1} + I - (v_l(T) - v_l(0))/T

to rounding; its largest violation, in units of theta, is the *residual*.

A population that never fires (readout MP) shows v(T)/T, signed, in place of a rate, and is
compared with the signed activation. A population that fires where the ANN has logits can show
their positive part only, and is compared with that.

=========  ====  ===========================================================
symbol     unit  meaning
=========  ====  ===========================================================
a          1     ANN activation / lambda
r          1     decoded rate, spikes per step
T          1     steps of a presentation
I, theta   1     drive per step, threshold
v          1     membrane potential
=========  ====  ===========================================================

References
----------
Rueckauer, Lungu, Hu, Pfeiffer 2016, Eqs. 3-6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bionet.audits.rate_comparison import Comparison, Tally
from bionet.audits.table import MIN_CORRELATION, Audit, LayerAudit, Values
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import FirstSpikeCode, SpikingNetwork, TemporalCode
from bionet.network.joined_inputs import as_one
from bionet.results.recording import Recording

__all__ = ["audit"]

Activations = Callable[[Any, np.ndarray, SpikingNetwork], Values]

MAX_SATURATED = 0.05
MAX_SILENT = 0.5
MAX_MISMATCH = 0.01


@typed
def audit(
    net: Any,
    snn: SpikingNetwork,
    run: Recording,
    images: np.ndarray,
    *,
    activations: Activations | None = None,
    batch: int = 100,
    max_samples: int = 3000,
) -> Audit:
    """Compare every population's decoded rate with its ANN layer's activation.

    A layer is bad if its residual exceeds what the rounding of its sums explains, if its mismatch
    exceeds 1 %, its correlation is below 0.9, more than 5 % of its active pairs are saturated
    or more than half are silent. The first of them, from the input on, is the one to repair.

    Parameters
    ----------
    net : torch.nn.Module
        The network that was converted.
    snn : SpikingNetwork
        With ``scales``: lambda of every population, a number or one per channel.
    run : Recording
        Of ``snn`` on ``images``; with final potentials the residual is computed too.
    images : array (n_images, *input_shape)
    activations : callable, optional
        ``activations(net, images, snn)`` gives the ANN's activations by population, arrays
        (n_images, *shape); :func:`bionet.conversion.tracing.activations` by default.
    batch : int
        Images held in memory at a time.
    max_samples : int
        Pairs of activation and rate that are kept of each population.

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        If images, recording and network do not fit together, or the network has no scales.
    """
    of_rates = not snn.scales and snn.code is None and _is_network_of_rates(net)
    images = _check(snn, run, as_one(snn, images), batch, of_rates)
    result = _audited(net, snn, run, images, of_rates, activations, batch, max_samples)
    return replace(result, notes=snn.origin.notes)


def _audited(
    net: Any,
    snn: SpikingNetwork,
    run: Recording,
    images: np.ndarray,
    of_rates: bool,
    activations: Activations | None,
    batch: int,
    max_samples: int,
) -> Audit:
    """The audit of the network's kind of code."""
    if of_rates:
        from bionet.audits.firing_audit import firing_audit

        return firing_audit(net, snn, run, images, max_samples=max_samples)
    if isinstance(snn.code, FirstSpikeCode):
        from bionet.audits.first_spike_audit import first_spike_audit

        return first_spike_audit(net, snn, run, images, batch=batch, max_samples=max_samples)
    if isinstance(snn.code, TemporalCode):
        from bionet.audits.temporal_audit import temporal_audit

        return temporal_audit(net, snn, run, images, batch=batch, max_samples=max_samples)
    if activations is None:
        # The conversion needs torch, which takes seconds to import.
        from bionet.conversion import activations as activations_of_torch

        activations = activations_of_torch
    sides = Comparison(snn, run)
    tallies: dict[str, Tally] = {}
    for start in range(0, run.n_images, batch):
        part = slice(start, min(start + batch, run.n_images))
        ideal = sides.ideal(activations(net, images[part], snn), images[part])
        shown = sides.shown(images[part], part)
        n_samples = -(-max_samples * (part.stop - start) // run.n_images)
        for name in sides.audited(ideal, shown):
            tally = tallies.setdefault(name, Tally(run.n_steps, sides.limited(name)))
            tally.add(ideal[name], shown[name], *sides.expected(name, ideal, shown), n_samples)
            if (residual := sides.residual(name, shown, part)) is not None:
                tally.add_residual(residual, sides.uncertainty(name, shown, part))
    if not tallies:
        raise InputError(
            "nothing to audit: the network's activations and scales name none of its"
            f" populations ({', '.join(snn.names[1:])})"
        )
    rows: dict[str, LayerAudit] = {}
    for name, tally in tallies.items():
        rows[name] = _row(name, tally, sides, rows)
    samples = {name: np.concatenate(tally.samples, axis=1) for name, tally in tallies.items()}
    return Audit(tuple(rows.values()), run.n_images, run.n_steps, samples)


def _is_network_of_rates(net: Any) -> bool:
    """Whether neurons with units were made from it: it has f-I curves for activations."""
    from torch import nn

    from bionet.firing.twin import is_twin

    return isinstance(net, nn.Module) and is_twin(net)


def _check(
    snn: SpikingNetwork, run: Recording, images: np.ndarray, batch: int, of_rates: bool
) -> np.ndarray:
    images = np.asarray(images)
    expected = (run.n_images, *snn.input_shape)
    if images.shape != expected:
        raise InputError(
            f"images must have the shape {expected}, the recording's number of images and the"
            f" network's input shape, but have {images.shape}; give the images that were simulated"
        )
    if batch < 1:
        raise InputError(f"batch must be at least 1 image, but is {batch}")
    for name in snn.names[1:]:
        if name in run.counts and run.counts[name].shape != (run.n_images, *snn.shape(name)):
            raise InputError(
                f"the recording's counts of {name!r} have the shape {run.counts[name].shape},"
                f" but the network's population needs {(run.n_images, *snn.shape(name))};"
                " give the network that was simulated"
            )
    if not snn.scales and not of_rates and not isinstance(snn.code, FirstSpikeCode | TemporalCode):
        if snn.method == "biophysical":
            raise InputError(
                "a biophysical network is audited against the network of rates that it was made"
                " from: give the one that bionet.fine_tune returned, not the ReLU network"
            )
        raise InputError(
            "the network's origin has no scales, so rates and activations cannot be compared;"
            " convert it with bionet.convert, or add the scale of every population"
        )
    return images


def _row(
    name: str, tally: Tally, sides: Comparison, earlier: Mapping[str, LayerAudit]
) -> LayerAudit:
    """A population's row; ``earlier`` holds the rows of the populations before it."""
    active = tally.n_active or 1
    # Written so that NaN counts as broken.
    broken = tally.residual is not None and not tally.excess <= 1
    unlike = tally.mismatch is not None and tally.mismatch > MAX_MISMATCH
    bad = (
        broken
        or unlike
        or tally.correlation < MIN_CORRELATION
        or tally.n_saturated > MAX_SATURATED * active
        or tally.n_silent > MAX_SILENT * active
    )
    small = tally.error / tally.n <= tally.least
    if broken:
        cause = _broken_by(name, sides, earlier)
    elif unlike:
        cause = sides.unlike(name)
    elif small and not bad:
        cause = "none"
    else:
        cause = _main_part(name, tally, sides, earlier)
    return LayerAudit(
        population=name,
        n_units=int(np.prod(sides.snn.shape(name))),
        decoded=sides.decoded(name),
        correlation=tally.correlation,
        mean_error=tally.error / tally.n,
        max_error=tally.max_error,
        saturated=tally.n_saturated / active,
        silent=tally.n_silent / active,
        dead=0.0 if tally.alive is None else float((~tally.alive).mean()),
        residual=tally.residual,
        mismatch=tally.mismatch,
        errors={part: total / tally.n for part, total in tally.parts.items()},
        cause=cause,
        bad=bad,
        excess=None if tally.residual is None else tally.excess,
    )


def _broken_by(name: str, sides: Comparison, earlier: Mapping[str, LayerAudit]) -> str:
    """The cause of a residual: wrong spikes of a source break its target's closed form too."""
    for source in sides.sources(name):
        row = earlier.get(source)
        if row is not None and row.bad and (row.excess is None or not row.excess <= 1):
            return f"propagated from {source}"
    return "simulation"


def _main_part(
    name: str, tally: Tally, sides: Comparison, earlier: Mapping[str, LayerAudit]
) -> str:
    """The name of the largest part of the error."""
    part = max(tally.parts, key=lambda key: tally.parts[key])
    if part == "remainder" and tally.uncertainty > 1 / sides.run.n_steps:
        return "rounding"
    if part == "remainder" or name == "input":
        return sides.loss(name)
    if part != "propagated":
        return part
    sources = sides.sources(name)
    if sources == ["input"]:
        return "input noise"
    # Of several sources, the one with the largest error.
    errors = {source: earlier[source].mean_error for source in sources if source in earlier}
    return f"propagated from {max(errors, key=lambda key: errors[key]) if errors else sources[0]}"
