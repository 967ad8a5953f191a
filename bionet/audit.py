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
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bionet.comparison import Comparison, Tally
from bionet.errors import InputError
from bionet.network import SpikingNetwork
from bionet.recording import Recording

__all__ = ["Audit", "LayerAudit", "audit"]

Values = Mapping[str, np.ndarray]
Activations = Callable[[Any, np.ndarray, SpikingNetwork], Values]

MIN_CORRELATION = 0.9
MAX_SATURATED = 0.05
MAX_SILENT = 0.5
MAX_MISMATCH = 0.01
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}

REMEDIES = {
    "simulation": "the spikes do not follow the neuron's equation: the recording does not belong"
    " to this network and these images, or the simulation is wrong",
    "conversion": "its weights do not reproduce the ANN's layer: look at the order of units at a"
    " flatten, at biases and at the scales",
    "negative part": "its negative spikes were left out (negative_spikes=False)",
    "saturation": "activations exceed lambda: raise the percentile of the normalisation",
    "silence": "too few steps for such low rates: simulate longer, or lower the scale",
    "input noise": "the input's spikes scatter: simulate longer, raise max_rate, or use the analog"
    " coding",
    "transient": "spikes come late or unevenly: simulate longer",
    "reset": "reset to zero loses what exceeds the threshold: reset by subtraction",
    "leak": "the leak loses charge: lengthen the time constant",
}


@dataclass(frozen=True)
class LayerAudit:
    """One row of an audit: a population against its ANN layer.

    Attributes
    ----------
    population : str
    n_units : int
    decoded : {"rate", "potential"}
        What is compared with the activation: spikes/T or, of units that never fire, v(T)/T.
    correlation : float
        Pearson's, over all pairs of image and unit; NaN where both sides are constant, 0
        where one is.
    mean_error, max_error : float
        Of abs(r - a), in spikes per step.
    saturated : float
        Share with a > 1, of the pairs whose a exceeds 1/T, the smallest rate but 0.
    silent : float
        Share without a spike, of the pairs whose a exceeds 1/T.
    dead : float
        Share of units with a <= 0 and no spike for any image.
    residual : float or None
        Largest violation of the closed form over theta; None where it does not apply or the
        final potentials were not recorded.
    mismatch : float or None
        Mean abs(f(W a + I) - a) over mean abs(a): how far the weights, given the ANN's own
        activations, are from the ANN's layer. None where the kernels are not linear.
    errors : mapping of str to float
        Mean absolute error by origin: propagated, saturation, silence, remainder.
    cause : str
        Main cause of the error: a key of ``REMEDIES``, ``"propagated from NAME"`` or ``"none"``.
    bad : bool
    """

    population: str
    n_units: int
    decoded: str
    correlation: float
    mean_error: float
    max_error: float
    saturated: float
    silent: float
    dead: float
    residual: float | None
    mismatch: float | None
    errors: Mapping[str, float]
    cause: str
    bad: bool


@dataclass(frozen=True)
class Audit:
    """The result of :func:`audit`.

    Attributes
    ----------
    rows : tuple of LayerAudit
        In the order of the populations; the input first where it spikes.
    n_images, n_steps : int
    samples : mapping of str to float32 array (2, n_pairs)
        Activation/lambda and decoded value of random pairs of image and unit, those at rest
        on both sides left out; for :func:`bionet.figures.rate_against_activation`.
    """

    rows: tuple[LayerAudit, ...]
    n_images: int
    n_steps: int
    samples: Values = field(default_factory=dict, compare=False, repr=False)

    @property
    def first_bad(self) -> str | None:
        """Name of the first bad population, or None. See :func:`audit` for the rules."""
        return next((row.population for row in self.rows if row.bad), None)

    def row(self, population: str) -> LayerAudit:
        """The row of a population, or an InputError that lists the names."""
        for row in self.rows:
            if row.population == population:
                return row
        known = ", ".join(row.population for row in self.rows)
        raise InputError(f"the audit has no population {population!r}; it has {known}")

    def cells(self) -> list[tuple[str, ...]]:
        """The table as text, the header first."""
        return [HEADER, *(_cells(row, row.population == self.first_bad) for row in self.rows)]

    def verdict(self) -> str:
        """One line: the first bad layer, why it is bad and what to do; or that all is well."""
        if self.first_bad is None:
            return "no bad layer"
        cause = self.row(self.first_bad).cause
        remedy = REMEDIES.get(cause, "the error has grown layer by layer: simulate longer")
        return f"first bad layer: {self.first_bad} ({cause}); {remedy}"

    def __str__(self) -> str:
        table = self.cells()
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        lines = [f"Audit of {self.n_images:,} images, {self.n_steps:,} steps"]
        for number, row in enumerate(table):
            # Text is read from the left, numbers are compared from the right.
            cells = [
                text.ljust(width) if i in (0, len(row) - 1) else text.rjust(width)
                for i, (text, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  " + "  ".join(cells).rstrip())
            if number == 0:
                lines.append("  " + "  ".join("-" * width for width in widths))
        return "\n".join([*lines, self.verdict()])

    def to_dict(self) -> dict[str, Any]:
        """A plain description for JSON; NaN becomes None."""
        rows = [{**vars(row), "errors": dict(row.errors)} for row in self.rows]
        for row in rows:
            if np.isnan(row["correlation"]):
                row["correlation"] = None
        return {
            "n_images": self.n_images,
            "n_steps": self.n_steps,
            "first_bad": self.first_bad,
            "verdict": self.verdict(),
            "rows": rows,
        }


HEADER = (
    "population", "units", "correlation", "mean error", "max error", "saturated", "silent", "dead",
    "residual", "cause of the error",
)  # fmt: skip


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

    A layer is bad if its residual exceeds 1e-9 (float64) or 1e-4 (float32), if its mismatch
    exceeds 1 %, its correlation is below 0.9, more than 5 % of its active pairs are saturated
    or more than half are silent. The first of them, from the input on, is the one to repair.

    Parameters
    ----------
    net : torch.nn.Module
        The network that was converted.
    snn : SpikingNetwork
        With ``metadata["scales"]``: lambda of every population, a number or one per channel.
    run : Recording
        Of ``snn`` on ``images``; with final potentials the residual is computed too.
    images : array (n_images, *input_shape)
    activations : callable, optional
        ``activations(net, images, snn)`` gives the ANN's activations by population, arrays
        (n_images, *shape); :func:`bionet.conversion.activations` by default.
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
    images = _check(snn, run, images, batch)
    if "temporal" in snn.metadata:
        from bionet.temporal_audit import temporal_audit  # it builds on this module

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
            tally.add_residual(sides.residual(name, shown, part))
    if not tallies:
        raise InputError(
            "nothing to audit: the network's activations and metadata['scales'] name none of its"
            f" populations ({', '.join(snn.names[1:])})"
        )
    rows: dict[str, LayerAudit] = {}
    for name, tally in tallies.items():
        rows[name] = _row(name, tally, sides, rows)
    samples = {name: np.concatenate(tally.samples, axis=1) for name, tally in tallies.items()}
    return Audit(tuple(rows.values()), run.n_images, run.n_steps, samples)


def _check(snn: SpikingNetwork, run: Recording, images: np.ndarray, batch: int) -> np.ndarray:
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
    if not snn.metadata.get("scales") and "temporal" not in snn.metadata:
        raise InputError(
            "the network's metadata has no 'scales', so rates and activations cannot be compared;"
            " convert it with bionet.convert, or add the scale of every population"
        )
    return images


def _row(
    name: str, tally: Tally, sides: Comparison, earlier: Mapping[str, LayerAudit]
) -> LayerAudit:
    """A population's row; ``earlier`` holds the rows of the populations before it."""
    active = tally.n_active or 1
    limit = TOLERANCE.get(str(sides.run.parameters.get("dtype")), TOLERANCE["float32"])
    # Rounding adds up as a random walk.
    limit *= max(1.0, np.sqrt(sides.run.n_steps / 1000))
    # Written so that NaN counts as broken.
    broken = tally.residual is not None and not tally.residual <= limit
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
        cause = _broken_by(name, sides, earlier, limit)
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
    )


def _broken_by(
    name: str, sides: Comparison, earlier: Mapping[str, LayerAudit], limit: float
) -> str:
    """The cause of a residual: wrong spikes of a source break its target's closed form too."""
    for source in sides.sources(name):
        row = earlier.get(source)
        if row is not None and row.bad and (row.residual is None or not row.residual <= limit):
            return f"propagated from {source}"
    return "simulation"


def _main_part(
    name: str, tally: Tally, sides: Comparison, earlier: Mapping[str, LayerAudit]
) -> str:
    """The name of the largest part of the error."""
    part = max(tally.parts, key=lambda key: tally.parts[key])
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


def _cells(row: LayerAudit, first: bool) -> tuple[str, ...]:
    return (
        row.population,
        f"{row.n_units:,}",
        f"{row.correlation:.4f}",
        f"{row.mean_error:.2g}",
        f"{row.max_error:.2g}",
        f"{100 * row.saturated:.1f} %",
        f"{100 * row.silent:.1f} %",
        f"{100 * row.dead:.1f} %",
        "-" if row.residual is None else f"{row.residual:.1e}",
        row.cause + (" <- first bad layer" if first else " (bad)" if row.bad else ""),
    )
