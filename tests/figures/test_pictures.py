"""One picture of every kind against the one that was looked at.

``BIONET_BASELINES=new pytest tests/figures/test_pictures.py`` draws the baselines anew.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brian2 import Hz, ms
from matplotlib.testing.compare import compare_images

import bionet.figures as figures
from bionet.equations import integrate_and_fire, leaky_integrate_and_fire
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import Dense

BASELINES = Path(__file__).with_name("baseline")
DPI = 72
TOLERANCE = 8.0
"""Root mean square of 255 levels: text by another FreeType gives 1 to 4, a missing curve more."""

LABELS = np.array([0, 1, 2, 0, 1, 0])


def pairs():
    rng = np.random.default_rng(1)
    activation = rng.exponential(0.3, 400)
    return {"conv1": (activation, np.floor(np.minimum(activation, 1) * 40) / 40)}


def network():
    neuron, dense = integrate_and_fire(), Dense(np.ones((3, 12)))
    populations = (Population("conv1", (2, 3, 2), neuron), Population("fc", (3,), neuron))
    projections = (Projection("conv1", "fc", dense),)
    return SpikingNetwork(populations, projections, (1, 4, 3), Readout("fc", "fc"))


def study():
    levels = np.tile([0.0, 1.0, 2.0], 4)
    return pd.DataFrame(
        {
            "coding": np.repeat(["analog", "poisson"], 6),
            "perturbation": np.tile(np.repeat(["jitter", "failure"], 3), 2),
            "level": levels,
            "unit": np.tile(np.repeat(["ms", "%"], 3), 2),
            "n_images": 100,
            "correct": 95 - 20 * levels - np.repeat([0, 12], 6),
        }
    )


def sweep():
    sigma = [1.0, 0.3, 0.1, 0.03, 0.2, 0.15]
    return pd.DataFrame(
        {
            "population": ["all layers"] * 4 + ["conv1"] * 2,
            "sigma": sigma,
            "accuracy": [0.2, 0.8, 0.9, 0.6, 0.85, 0.93],
            "n_images": 100,
            "accepted": [False, False, True, False, False, True],
        }
    )


def codings(run):
    image = np.linspace(0, 1, 12).reshape(1, 4, 3)
    runs = figures.input_recordings(image, duration=30 * ms, max_rate=500 * Hz)
    return figures.coding_schemes(runs, image)


def models():
    return {
        "to zero": integrate_and_fire("zero"),
        "leaky": leaky_integrate_and_fire(20 * ms, "zero", refractory=2 * ms),
    }


def maps(run):
    grid = np.linspace(0, 0.6, 36).reshape(6, 2, 3, 1) * np.ones(2)
    return figures.feature_maps(run, {"conv1": grid, "fc": grid[:, 0, :, 0]}, image=3)


KINDS = {
    "raster": lambda run: figures.raster(run),
    "potentials": lambda run: figures.potentials(run, "conv1", units=[2, 5]),
    "accuracy": lambda run: figures.accuracy_over_time(run, LABELS),
    "rates": lambda run: figures.rate_against_activation(pairs()),
    "feature-maps": maps,
    "latency": lambda run: figures.accuracy_latency({"one": (run, LABELS), "two": (run, LABELS)}),
    "events": lambda run: figures.accuracy_events({"one": (run, LABELS, network())}),
    "confusion": lambda run: figures.confusion_matrix(run, LABELS),
    "histograms": lambda run: figures.activation_histograms(pairs()),
    "spike-times": lambda run: figures.spike_time_histogram(run),
    "codings": codings,
    "f-i": lambda run: figures.f_i_curve(models(), duration=100 * ms),
    "thresholds": lambda run: figures.threshold_sweep(sweep()),
    "robustness": lambda run: figures.accuracy_against_perturbation(study()),
}


def draw(kind, run, path):
    drawn = KINDS[kind](run)
    ax = drawn.flat[0] if isinstance(drawn, np.ndarray) else drawn
    with figures.style():
        ax.figure.savefig(path, dpi=DPI)


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_is_the_one_looked_at(kind, run, tmp_path):
    baseline = BASELINES / f"{kind}.png"
    if os.environ.get("BIONET_BASELINES") == "new":
        BASELINES.mkdir(exist_ok=True)
        draw(kind, run, baseline)
    draw(kind, run, tmp_path / f"{kind}.png")
    problem = compare_images(str(baseline), str(tmp_path / f"{kind}.png"), TOLERANCE)
    assert problem is None, problem


def test_the_comparison_sees_a_missing_curve(run, tmp_path):
    import matplotlib.pyplot as plt

    for kind in ("latency", "spike-times", "robustness"):
        drawn = KINDS[kind](run)
        for ax in np.atleast_1d(drawn):
            for artist in [*ax.lines, *ax.patches, *ax.collections]:
                artist.remove()
        ax.figure.savefig(tmp_path / f"{kind}.png", dpi=DPI)
        plt.close("all")
        baseline = str(BASELINES / f"{kind}.png")
        assert compare_images(baseline, str(tmp_path / f"{kind}.png"), TOLERANCE), kind


def test_every_kind_of_the_command_line_has_a_picture():
    from bionet.commands import drawings

    assert set(KINDS) == set(drawings.KINDS) == {path.stem for path in BASELINES.glob("*.png")}
    assert all(path.stat().st_size < 40_000 for path in BASELINES.glob("*.png"))
