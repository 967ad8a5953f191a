"""Figures of runs: one kind a file. They take data first, draw into ``ax`` and return the Axes."""

import importlib
import pkgutil
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bionet.figures.accuracy import accuracy_over_time as accuracy_over_time
    from bionet.figures.accuracy import wilson_interval as wilson_interval
    from bionet.figures.accuracy_events import accuracy_events as accuracy_events
    from bionet.figures.accuracy_latency import accuracy_latency as accuracy_latency
    from bionet.figures.animation import animation as animation
    from bionet.figures.codings import coding_schemes as coding_schemes
    from bionet.figures.codings import input_recordings as input_recordings
    from bionet.figures.compared_codes import compared_codes as compared_codes
    from bionet.figures.confusion import confusion_matrix as confusion_matrix
    from bionet.figures.conversion_loss import accuracy_against as accuracy_against
    from bionet.figures.conversion_loss import early_decision as early_decision
    from bionet.figures.conversion_loss import error_over_events as error_over_events
    from bionet.figures.conversion_loss import error_over_steps as error_over_steps
    from bionet.figures.conversion_loss import similarity as similarity
    from bionet.figures.energy_bars import energy_bars as energy_bars
    from bionet.figures.feature_maps import feature_maps as feature_maps
    from bionet.figures.frequency_current import f_i_curve as f_i_curve
    from bionet.figures.histograms import activation_histograms as activation_histograms
    from bionet.figures.interval_histogram import interval_histogram as interval_histogram
    from bionet.figures.kernels import kernels as kernels
    from bionet.figures.leak import loss_and_operations as loss_and_operations
    from bionet.figures.network_diagram import network_diagram as network_diagram
    from bionet.figures.phase_plane import phase_plane as phase_plane
    from bionet.figures.population_rate import population_rate as population_rate
    from bionet.figures.potentials import potentials as potentials
    from bionet.figures.raster import raster as raster
    from bionet.figures.rates import rate_against_activation as rate_against_activation
    from bionet.figures.realism_ladder import realism_ladder as realism_ladder
    from bionet.figures.realism_spikes import realism_spikes as realism_spikes
    from bionet.figures.receptive_fields import receptive_fields as receptive_fields
    from bionet.figures.robustness import (
        accuracy_against_perturbation as accuracy_against_perturbation,
    )
    from bionet.figures.spike_distances import spike_distances as spike_distances
    from bionet.figures.spike_times import spike_time_histogram as spike_time_histogram
    from bionet.figures.style import save as save
    from bionet.figures.style import style as style
    from bionet.figures.thresholds import search_table as search_table
    from bionet.figures.thresholds import threshold_sweep as threshold_sweep
    from bionet.figures.traces import traces as traces

# A figure's module is loaded when it is first drawn: the models and pandas take a while. Functions
# that are not called as their file:
_HOME = {
    "accuracy_against": "conversion_loss",
    "accuracy_against_perturbation": "robustness",
    "accuracy_over_time": "accuracy",
    "activation_histograms": "histograms",
    "coding_schemes": "codings",
    "confusion_matrix": "confusion",
    "early_decision": "conversion_loss",
    "error_over_events": "conversion_loss",
    "error_over_steps": "conversion_loss",
    "f_i_curve": "frequency_current",
    "input_recordings": "codings",
    "loss_and_operations": "leak",
    "rate_against_activation": "rates",
    "save": "style",
    "search_table": "thresholds",
    "similarity": "conversion_loss",
    "spike_time_histogram": "spike_times",
    "threshold_sweep": "thresholds",
    "wilson_interval": "accuracy",
}
# Files that hold no figure of their name.
_SHARED = {"kinds", "panels", "style", "windows", "legends", *_HOME.values()} - set(_HOME)
_HOME |= {
    module.name: module.name
    for module in pkgutil.iter_modules(__path__)
    if not module.ispkg and module.name not in _SHARED
}
_HOME["style"] = "style"

__all__ = sorted(_HOME)  # noqa: PLE0605


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
