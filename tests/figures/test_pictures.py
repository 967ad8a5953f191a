"""One picture of every kind against the one that was looked at; no text cut or on another.

``BIONET_BASELINES=new pytest tests/figures/test_pictures.py`` draws the baselines anew.
"""

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from brian2 import Hz, ms, pA
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text

import bionet.figures as figures
from bionet.equations import integrate_and_fire, izhikevich, leaky_integrate_and_fire
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import Conv2d, Dense

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


def signed():
    """The input through a convolution, then dense weights of both signs."""
    neuron, rng = integrate_and_fire(), np.random.default_rng(2)
    populations = (Population("conv1", (2, 3, 2), neuron), Population("fc", (3,), neuron))
    conv = Conv2d(rng.normal(size=(2, 1, 2, 2)))
    projections = (
        Projection("input", "conv1", conv),
        Projection("conv1", "fc", Dense(rng.normal(size=(3, 12)))),
    )
    return SpikingNetwork(populations, projections, (1, 4, 3), Readout("fc", "fc"))


def pixels():
    return np.random.default_rng(3).uniform(size=(6, 1, 4, 3))


def ladder():
    return pd.DataFrame(
        {
            "rung": ["trained network", "spikes", "Dale's principle", "delays"],
            "accuracy": [0.98, 0.97, 0.97, 0.9],
            "n_images": 1000,
            "chance": 0.1,
        }
    )


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


KINDS |= {
    "population-rate": lambda run: figures.population_rate(run),
    "intervals": lambda run: figures.interval_histogram(run),
    "traces": lambda run: figures.traces(run),
    "kernels": lambda run: figures.kernels(signed()),
    "receptive-fields": lambda run: figures.receptive_fields(run, pixels(), "conv1"),
    "network": lambda run: figures.network_diagram(signed()),
    "phase-plane": lambda run: figures.phase_plane(izhikevich(), 100 * pA, 200 * ms),
    "spike-distances": lambda run: figures.spike_distances(run, "conv1", LABELS),
    "energy": lambda run: figures.energy_bars({"one": (run, network()), "two": (run, network())}),
    "realism-ladder": lambda run: figures.realism_ladder(ladder()),
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

    assert (
        set(KINDS)
        == set(drawings.KINDS) - {"animation"}
        == {path.stem for path in BASELINES.glob("*.png")}
    )
    assert all(path.stat().st_size < 40_000 for path in BASELINES.glob("*.png"))


def texts(figure):
    """Every text that is drawn, with its box in pixels."""
    figure.draw_without_rendering()
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (high - low)
            for tick in axis.get_major_ticks() + axis.get_minor_ticks():
                if not ax.axison or not low - slack <= tick.get_loc() <= high + slack:
                    hidden |= {tick.label1, tick.label2}
    drawn = [text for text in figure.findobj(Text) if text.get_visible() and text not in hidden]
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn]
    return [(words, box) for words, box in boxes if words.strip() and box.width > 0]


def problems(figure):
    """Texts that are cut, and pairs that overlap by more than a pixel."""
    drawn, edge = texts(figure), figure.bbox
    for number, (words, box) in enumerate(drawn):
        if min(box.x0, box.y0, edge.x1 - box.x1, edge.y1 - box.y1) < -0.5:
            yield f"cut: {words!r}"
        for others, other in drawn[number + 1 :]:
            width = min(box.x1, other.x1) - max(box.x0, other.x0)
            if width > 1 and min(box.y1, other.y1) - max(box.y0, other.y0) > 1:
                yield f"{words!r} on {others!r}"


@pytest.mark.parametrize("width", [85, 180])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"codings", "f-i"}))
def test_no_text_is_cut_or_lies_on_another(kind, width, run):
    with figures.style({"figure.figsize": (width / 25.4, 1)}):
        drawn = KINDS[kind](run)
    figure = (drawn.flat[0] if isinstance(drawn, np.ndarray) else drawn).figure
    assert figure.get_size_inches()[0] == pytest.approx(width / 25.4)
    with figures.style():
        assert list(problems(figure)) == []


def test_the_comparison_sees_a_cut_and_an_overlap():
    figure = mpl.figure.Figure(figsize=(2, 2))
    for place, words in ((0.1, "first"), (0.12, "second"), (0.9, "far too long to fit")):
        figure.text(place, 0.5 if place < 0.5 else 0.1, words)
    assert list(problems(figure)) == ["'first' on 'second'", "cut: 'far too long to fit'"]
