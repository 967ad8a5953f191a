"""f-I curves of models; threshold sweeps and robustness from tables."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from brian2 import ms

import bionet.figures as figures
from bionet.equations import integrate_and_fire, leaky_integrate_and_fire
from bionet.errors import InputError
from bionet.figures.kinds.frequency_current import closed_form_rate, simulated_rate
from bionet.figures.kinds.robustness import by_level
from bionet.results.metrics import wilson_interval


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax, label):
    return next(found for found in ax.lines if found.get_label().startswith(label))


# ---------------------------------------------------------------- f-I curves

MODELS = {
    "subtract": integrate_and_fire(threshold=2.0),
    "zero": integrate_and_fire("zero"),
    "subtract, refractory": integrate_and_fire(refractory=4 * ms),
    "zero, refractory": integrate_and_fire("zero", refractory=3 * ms, floor=-1.0),
    "leaky": leaky_integrate_and_fire(20 * ms, "zero"),
    "leaky, refractory": leaky_integrate_and_fire(15 * ms, "zero", refractory=2 * ms),
}


@pytest.fixture(scope="module")
def simulated():
    drives = np.array([0.0, 0.03, 0.11, 0.26, 0.43, 0.61, 0.97, 1.3])
    rates = {}
    for name, model in MODELS.items():
        theta = float(model.parameters["theta"])
        rates[name] = drives * theta, simulated_rate(model, drives * theta, 600 * ms, 1 * ms)
    return rates


@pytest.mark.parametrize("name", MODELS)
def test_the_closed_form_is_what_brian_simulates(name, simulated):
    drives, rate = simulated[name]
    closed = closed_form_rate(MODELS[name], drives, 1 * ms)
    assert (rate > 0).sum() >= 5
    # The simulation counts whole spikes: less than two in 0.6 s.
    np.testing.assert_allclose(rate, closed, atol=2 / 0.6)


def test_no_closed_form_is_invented():
    drives = np.array([0.5])
    assert closed_form_rate(leaky_integrate_and_fire(20 * ms), drives, 1 * ms) is None
    slower = replace(
        integrate_and_fire(),
        equations="dv/dt = 0.5*I/dt : 1\nI : 1 (constant)\ntheta : 1 (constant)",
    )
    assert closed_form_rate(slower, drives, 1 * ms) is None


def test_f_i_curve():
    models = {"IF": MODELS["zero"], "leaky": leaky_integrate_and_fire(20 * ms)}
    ax = figures.f_i_curve(models, max_drive=1.2, duration=100 * ms)
    assert texts(ax) == ["IF", "leaky (simulated only)"]
    rate = line(ax, "IF")
    drive = rate.get_xdata()
    assert drive[-1] == 1.2 and rate.get_ydata()[-1] == 1000
    # Ten times 0.1 is a little less than 1, so drives that divide the threshold are left out.
    drive, hertz = drive[1:], rate.get_ydata()[1:]
    clear = np.abs(1 / drive - np.rint(1 / drive)) > 1e-6
    assert clear.sum() > 30
    np.testing.assert_array_equal(hertz[clear], np.floor(100 / np.ceil(1 / drive[clear])) * 10)
    assert len(ax.lines) == 3  # one closed form
    assert ax.get_xlabel() == "drive I (thresholds per step)"
    assert ax.get_ylabel() == "firing rate (Hz)"
    assert "100 ms" in ax.get_legend().get_title().get_text()


# ---------------------------------------------------------------- thresholds


def test_threshold_sweep():
    table = pd.DataFrame(
        {
            "population": ["a", "a", "b"],
            "sigma": [1.0, 0.1, 0.2],
            "accuracy": [0.5, 0.9, 0.7],
            "n_images": 100,
            "accepted": [False, True, False],
        }
    )
    ax = figures.threshold_sweep(table)
    assert ax.get_xscale() == "log"
    np.testing.assert_allclose(line(ax, "a").get_xdata(), [0.1, 1.0])
    np.testing.assert_allclose(line(ax, "a").get_ydata(), [90, 50])
    filled = [m for m in ax.lines if m.get_marker() == "o" and m.get_markerfacecolor() != "white"]
    np.testing.assert_allclose(filled[0].get_xdata(), [0.1])
    assert texts(ax) == ["a", "b"]
    assert ax.get_xlabel() == "threshold σ (units of the largest input of a step)"
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(100 * float(wilson_interval(0.5, 100)[0]))
    other = figures.threshold_sweep(table[["accuracy"]].assign(threshold=[1, 2, 3]))
    assert other.get_xlabel() == "threshold θ (units of the weights)"


def test_search_table(tiny):
    def trial(conv1, fc, score, accepted):
        return {"sigmas": {"conv1": conv1, "fc": fc}, "score": score, "accepted": accepted}

    search = [
        trial(1.0, 1.0, 0.2, False),
        trial(0.3, 0.3, 0.8, True),
        trial(0.6, 0.3, 0.7, False),
        trial(0.15, 0.3, 0.9, True),
        trial(0.15, 0.6, 0.5, False),
    ]
    table = figures.search_table(replace(tiny, metadata={"search": search}))
    assert table["population"].tolist() == ["all layers", "all layers", "conv1", "conv1", "fc"]
    assert table["sigma"].tolist() == [1.0, 0.3, 0.6, 0.15, 0.6]
    assert table["accuracy"].tolist() == [0.2, 0.8, 0.7, 0.9, 0.5]
    with pytest.raises(InputError, match="holds no threshold search"):
        figures.search_table(tiny)


# ---------------------------------------------------------------- robustness


def study():
    rows = [
        (coding, perturbation, level, unit, seed, 50, correct - 10 * int(level > 0) - seed)
        for coding, correct in (("analog", 48), ("poisson", 40))
        for perturbation, unit in (("jitter", "ms"), ("synaptic_failure", "%"))
        for level in (0.0, 2.0, 4.0)
        for seed in range(2)
    ]
    columns = ["coding", "perturbation", "level", "unit", "seed", "n_images", "correct"]
    return pd.DataFrame(rows, columns=columns)


def test_seeds_are_averaged_with_intervals_over_the_images_of_one():
    table = by_level(study())
    assert len(table) == 12
    row = table[(table.coding == "poisson") & (table.level == 2)].iloc[0]
    assert (row.n_images, row.accuracy) == (50, 0.59)
    assert (row.low, row.high) == tuple(map(float, wilson_interval(0.59, 50)))
    assert row.spread == pytest.approx(np.std([0.6, 0.58], ddof=1))


def test_a_rows_own_interval_is_kept():
    table = study().query("seed == 0").assign(low=0.1, high=0.9)
    assert (by_level(table)[["low", "high"]] == (0.1, 0.9)).all().all()


def test_the_table_of_a_study_is_understood():
    """It says images for n_images, and one coding may occur under two methods."""
    both = pd.concat([study().assign(method="rate"), study().assign(method="dsnn", correct=7)])
    table = by_level(both.rename(columns={"n_images": "images"}))
    assert len(table) == 24
    assert set(table["coding"]) == {
        f"{coding} ({method})" for coding in ("analog", "poisson") for method in ("rate", "dsnn")
    }
    assert (table[table.coding == "analog (dsnn)"]["accuracy"] == 0.14).all()


def test_robustness_panels():
    axes = figures.accuracy_against_perturbation(study())
    assert [ax.get_xlabel() for ax in axes] == ["jitter (ms)", "synaptic failure (%)"]
    drawn = line(axes[0], "analog")
    np.testing.assert_allclose(drawn.get_xdata(), [0, 2, 4])
    np.testing.assert_allclose(drawn.get_ydata(), [95, 75, 75])
    assert {line(axes[0], name).get_marker() for name in ("analog", "poisson")} == {"o", "s"}
    (legend,) = axes[0].figure.legends
    notes = ["95 % interval over images", "one seed"]
    assert [t.get_text() for t in legend.get_texts()] == ["analog", "poisson", *notes]
    dots = next(drawn for drawn in axes[0].lines if drawn.get_marker() == ".")
    np.testing.assert_allclose(dots.get_ydata(), [96, 94, 76, 74, 76, 74])
    (alone,) = figures.accuracy_against_perturbation(study(), ["jitter"], axes=[plt.subplots()[1]])
    assert texts(alone) == ["analog", "poisson", *notes]
