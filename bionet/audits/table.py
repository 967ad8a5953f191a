"""The result of an audit: a table, a row for each layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bionet.errors import InputError, did_you_mean
from bionet.notebook import html_table
from bionet.results.equality import same_values

__all__ = ["HEADER", "MIN_CORRELATION", "REMEDIES", "Audit", "LayerAudit", "Values"]

Values = Mapping[str, np.ndarray]


MIN_CORRELATION = 0.9


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
    "rounding": "its sums are so large that their rounding costs whole spikes: simulate with"
    " dtype='float64'",
    "rate limit": "its neurons cannot fire faster: fine-tune with a higher rate_cost, or a lower"
    " reference",
    "too short": "its rates are within one spike in a presentation: simulate longer",
    "fluctuation": "its neurons fire more than their mean input makes them: fine-tune with a larger"
    " sigma, or match rates (calibration=images)",
    "adaptation": "its neurons fire less than their curve says: measure it as presented, or match"
    " rates (calibration=images)",
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
    excess : float or None
        Largest residual over what the rounding of its sum explains; above 1 the closed form is
        broken.
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
    excess: float | None = None


@dataclass(frozen=True, eq=False)
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
    notes : tuple of str
        What the conversion has noted, such as how negative pixels are coded.
    """

    rows: tuple[LayerAudit, ...]
    n_images: int
    n_steps: int
    samples: Values = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Audit) or type(self) is not type(other):
            return False
        # As plain values: a correlation may be NaN, which equals itself here.
        return same_values(self.to_dict(), other.to_dict()) and same_values(
            self.samples, other.samples
        )

    def __hash__(self) -> int:
        return hash((self.n_images, self.n_steps, len(self.rows)))

    @property
    def first_bad(self) -> str | None:
        """Name of the first bad population, or None. See :func:`audit` for the rules."""
        return next((row.population for row in self.rows if row.bad), None)

    def row(self, population: str) -> LayerAudit:
        """The row of a population, or an InputError that lists the names."""
        for row in self.rows:
            if row.population == population:
                return row
        names = ", ".join(row.population for row in self.rows)
        near = did_you_mean(population, [row.population for row in self.rows])
        raise InputError(f"the audit has no population {population!r}; it has {names}{near}")

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
        notes = (f"note: {note}" for note in self.notes)
        return "\n".join([*lines, *notes, self.verdict()])

    def _repr_html_(self) -> str:
        title = f"Audit of {self.n_images:,} images, {self.n_steps:,} steps"
        header, *rows = self.cells()
        return html_table(title, header, rows, self.verdict())

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
            "notes": list(self.notes),
            "rows": rows,
        }


HEADER = (
    "population", "units", "correlation", "mean error", "max error", "saturated", "silent", "dead",
    "residual", "cause of the error",
)  # fmt: skip


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
