"""Figures of runs: one kind a file. They take data first, draw into ``ax`` and return the Axes."""

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bionet.figures.accuracy import accuracy_over_time, wilson_interval
    from bionet.figures.accuracy_events import accuracy_events
    from bionet.figures.accuracy_latency import accuracy_latency
    from bionet.figures.codings import coding_schemes, input_recordings
    from bionet.figures.confusion import confusion_matrix
    from bionet.figures.conversion_loss import (
        accuracy_against,
        early_decision,
        error_over_events,
        error_over_steps,
        similarity,
    )
    from bionet.figures.feature_maps import feature_maps
    from bionet.figures.frequency_current import f_i_curve
    from bionet.figures.histograms import activation_histograms
    from bionet.figures.leak import loss_and_operations
    from bionet.figures.potentials import potentials
    from bionet.figures.raster import raster
    from bionet.figures.rates import rate_against_activation
    from bionet.figures.robustness import accuracy_against_perturbation
    from bionet.figures.spike_times import spike_time_histogram
    from bionet.figures.style import save, style
    from bionet.figures.thresholds import search_table, threshold_sweep

__all__ = [
    "accuracy_against",
    "accuracy_against_perturbation",
    "accuracy_events",
    "accuracy_latency",
    "accuracy_over_time",
    "activation_histograms",
    "coding_schemes",
    "confusion_matrix",
    "early_decision",
    "error_over_events",
    "error_over_steps",
    "f_i_curve",
    "feature_maps",
    "input_recordings",
    "loss_and_operations",
    "potentials",
    "raster",
    "rate_against_activation",
    "save",
    "search_table",
    "similarity",
    "spike_time_histogram",
    "style",
    "threshold_sweep",
    "wilson_interval",
]

# A figure's module is loaded when it is first drawn: the models and pandas take a while.
_HOME = {
    "accuracy_against": "conversion_loss",
    "accuracy_against_perturbation": "robustness",
    "accuracy_events": "accuracy_events",
    "accuracy_latency": "accuracy_latency",
    "accuracy_over_time": "accuracy",
    "activation_histograms": "histograms",
    "coding_schemes": "codings",
    "confusion_matrix": "confusion",
    "early_decision": "conversion_loss",
    "error_over_events": "conversion_loss",
    "error_over_steps": "conversion_loss",
    "f_i_curve": "frequency_current",
    "feature_maps": "feature_maps",
    "input_recordings": "codings",
    "loss_and_operations": "leak",
    "potentials": "potentials",
    "raster": "raster",
    "rate_against_activation": "rates",
    "save": "style",
    "search_table": "thresholds",
    "similarity": "conversion_loss",
    "spike_time_histogram": "spike_times",
    "style": "style",
    "threshold_sweep": "thresholds",
    "wilson_interval": "accuracy",
}


class _Package(types.ModuleType):
    """The package, in which a function is not hidden by the submodule of the same name."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing bionet.figures.raster sets the attribute `raster` of the package to the module.
        if not (name in _HOME and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"bionet.figures.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'bionet.figures' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
