"""Bad input to any figure gets one clear line; what all figures have in common."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from brian2 import ms, mV
from matplotlib.colors import to_rgba

import bionet.figures as figures
from bionet.equations import integrate_and_fire, integrator
from bionet.errors import InputError

LABELS = np.array([0, 1, 2, 0, 1, 0])


def study():
    """Two perturbations of one coding, two levels each."""
    return pd.DataFrame(
        {
            "coding": "analog",
            "perturbation": ["jitter", "jitter", "synaptic_failure", "synaptic_failure"],
            "level": [0.0, 1.0, 0.0, 1.0],
            "n_images": 50,
            "correct": [48, 30, 48, 20],
        }
    )


REFUSALS = {
    "no runs": (lambda run: figures.accuracy_latency({}), "runs must map names"),
    "margin": (
        lambda run: figures.accuracy_latency({"a": (run, LABELS)}, margin=2),
        r"margin is a share in \[0, 1\), but is 2",
    ),
    "labels": (lambda run: figures.confusion_matrix(run, LABELS + 1), "classes from 0 to 2"),
    "names": (
        lambda run: figures.confusion_matrix(run, LABELS, names=["a", "b"]),
        "3 classes.* 2 names",
    ),
    "population": (
        lambda run: figures.spike_time_histogram(run, populations=["x"]),
        "no population 'x'; there are conv1, fc",
    ),
    "no spikes": (
        lambda run: figures.spike_time_histogram(replace(run, recorded_spikes={})),
        "no spikes were recorded",
    ),
    "bin": (
        lambda run: figures.spike_time_histogram(run, bin_width=0.7 * ms),
        "bin_width must be a multiple of the step",
    ),
    "bin unit": (lambda run: figures.spike_time_histogram(run, bin_width=1 * mV), "unit of time"),
    "empty": (
        lambda run: figures.activation_histograms({"a": np.zeros(0)}),
        "'a' needs at least one activation",
    ),
    "silent model": (lambda run: figures.f_i_curve(integrator()), "has no threshold"),
    "no model": (lambda run: figures.f_i_curve({}), "no model to draw"),
    "drive": (
        lambda run: figures.f_i_curve(integrate_and_fire(), max_drive=0),
        "max_drive must be positive",
    ),
    "columns": (
        lambda run: figures.threshold_sweep(pd.DataFrame({"sigma": [1.0]})),
        "needs rows with the columns 'sigma' or 'threshold' and 'accuracy'",
    ),
    "sigma": (
        lambda run: figures.threshold_sweep(pd.DataFrame({"sigma": [0.0], "accuracy": [0.1]})),
        "sigma must be positive",
    ),
    "no column": (
        lambda run: figures.accuracy_against_perturbation(study().drop(columns="level")),
        "no column 'level'",
    ),
    "no rows": (
        lambda run: figures.accuracy_against_perturbation(study().iloc[:0]),
        "the table has no rows",
    ),
    "correct": (
        lambda run: figures.accuracy_against_perturbation(study().assign(correct=99)),
        "between 0 and n_images",
    ),
    "perturbation": (
        lambda run: figures.accuracy_against_perturbation(study(), ["heat"]),
        "no perturbation 'heat'; there are jitter, synaptic_failure",
    ),
    "axes": (
        lambda run: figures.accuracy_against_perturbation(study(), axes=[plt.subplots()[1]]),
        "2 panels need as many axes, but got 1",
    ),
    "no coding": (lambda run: figures.coding_schemes({}, np.zeros(3)), "no coding to draw"),
    "image shape": (
        lambda run: figures.coding_schemes({"a": run}, np.zeros(3)),
        r"images of shape \(1, 4, 3\), but pixels has \(3,\)",
    ),
    "image number": (
        lambda run: figures.feature_maps(run, {"fc": np.zeros((6, 3))}, image=6),
        "image must lie between 0 and 5",
    ),
    "activations": (
        lambda run: figures.feature_maps(run, {"fc": np.zeros((5, 3))}),
        r"activations of 'fc' must have the shape \(6, 3\)",
    ),
    "channels": (
        lambda run: figures.feature_maps(run, {"fc": np.zeros((6, 3))}, max_channels=0),
        "max_channels must be at least 1",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case, run):
    call, message = REFUSALS[case]
    with pytest.raises(InputError, match=message):
        call(run)


@pytest.mark.parametrize(
    "draw",
    [
        lambda run, ax: figures.accuracy_latency({"a": (run, LABELS)}, ax=ax),
        lambda run, ax: figures.confusion_matrix(run, LABELS, ax=ax),
        lambda run, ax: figures.spike_time_histogram(run, ax=ax),
        lambda run, ax: figures.threshold_sweep(
            pd.DataFrame({"sigma": [1.0], "accuracy": [0.1]}), ax=ax
        ),
    ],
)
def test_it_draws_into_the_given_axes(draw, run):
    figure, ax = plt.subplots()
    assert draw(run, ax) is ax
    assert ax.figure is figure


def test_every_public_name_is_there():
    for name in figures.__all__:
        assert callable(getattr(figures, name)), name
    with pytest.raises(AttributeError, match="No bionet.figures attribute pie_chart"):
        figures.pie_chart  # noqa: B018


def test_lines_can_be_told_apart_without_colour(run):
    runs = {str(k): (run, LABELS) for k in range(3)}
    drawn = figures.accuracy_latency(runs).lines[::2]
    assert len({str(found.get_linestyle()) + str(found._dash_pattern) for found in drawn}) == 3
    assert len({to_rgba(found.get_color()) for found in drawn}) == 3
