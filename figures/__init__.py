"""Figures of runs: one kind a file. They take data first, draw into ``ax`` and return the Axes."""

from bionet.figures.accuracy import accuracy_over_time, wilson_interval
from bionet.figures.leak import loss_and_operations
from bionet.figures.potentials import potentials
from bionet.figures.raster import raster
from bionet.figures.rates import rate_against_activation
from bionet.figures.style import save, style

__all__ = [
    "accuracy_over_time",
    "loss_and_operations",
    "potentials",
    "raster",
    "rate_against_activation",
    "save",
    "style",
    "wilson_interval",
]
