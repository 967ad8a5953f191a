"""Figures of runs: one kind a file. They take data first, draw into ``ax`` and return the Axes."""

from bionet.figures.accuracy import accuracy_over_time, wilson_interval
from bionet.figures.conversion_loss import (
    accuracy_against,
    early_decision,
    error_over_events,
    error_over_steps,
    similarity,
)
from bionet.figures.potentials import potentials
from bionet.figures.raster import raster
from bionet.figures.rates import rate_against_activation
from bionet.figures.style import save, style

__all__ = [
    "accuracy_against",
    "accuracy_over_time",
    "early_decision",
    "error_over_events",
    "error_over_steps",
    "potentials",
    "raster",
    "rate_against_activation",
    "save",
    "similarity",
    "style",
    "wilson_interval",
]
