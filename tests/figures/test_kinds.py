"""What every kind of figure draws: its data, limits, labels and units."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from brian2 import Hz, ms, mV
from matplotlib.colors import to_rgba

import bionet.figures as figures
from bionet.audit import Audit, LayerAudit
from bionet.equations import integrate_and_fire, integrator, leaky_integrate_and_fire
from bionet.errors import InputError
from bionet.figures.accuracy_events import events_over_time
from bionet.figures.accuracy_latency import latency_step
from bionet.figures.feature_maps import mosaic
from bionet.figures.frequency_current import closed_form_rate, simulated_rate
from bionet.figures.robustness import pooled
from bionet.kernels import Dense
from bionet.metrics import synaptic_events, wilson_interval
from bionet.network import Population, Projection, Readout, SpikingNetwork

LABELS = np.array([0, 1, 2, 0, 1, 0])


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax, label):
    return next(found for found in ax.lines if found.get_label().startswith(label))


# ---------------------------------------------------------------- latency


@pytest.mark.parametrize(
    ("accuracy", "margin", "step"),
    [([0.1, 0.5, 0.9, 0.9], 0, 3), ([0.9, 0.5, 0.9], 0, 3), ([0.8, 0.9], 0.1, 1), ([1.0], 0, 1)],
)
def test_latency_is_where_the_accuracy_stays(accuracy, margin, step):
    assert latency_step(np.array(accuracy), margin) == step


def test_latency_curves(run):
    late = replace(run, output_potential=np.roll(run.output_potential, 4, axis=1))
    late.output_potential[:, :4] = 0
    ax = figures.accuracy_latency({"early": (run, LABELS), "late": (late, LABELS)})
    expected = 100 * run.accuracy_over_time(LABELS)
    drawn = line(ax, "early")
    np.testing.assert_allclose(drawn.get_ydata(), expected)
    np.testing.assert_allclose(drawn.get_xdata(), 0.5 * np.arange(1, 21))
    assert texts(ax) == ["early: 83.3 %, 2.5 ms", "late: 83.3 %, 4.5 ms"]
    assert [float(m.get_xdata()[0]) for m in ax.lines[1::2]] == [2.5, 4.5]
    assert ax.get_xlim() == (0, 10)
    assert ax.get_xlabel() == "time since image onset (ms)"
    assert ax.get_ylabel() == "accuracy (%)"
    low, _ = wilson_interval(expected / 100, run.n_images)
    assert ax.collections[0].get_paths()[0].vertices[:, 1].min() == pytest.approx(100 * low.min())


# ---------------------------------------------------------------- events


@pytest.fixture
def network(run):
    """The network of the recording: conv1 (12 units) to fc and readout (3 units each)."""
    neuron = integrate_and_fire()
    populations = (
        Population("conv1", (2, 3, 2), neuron),
        Population("fc", (3,), neuron),
        Population("readout", (3,), integrator()),
    )
    dense = Dense(np.ones((3, 12)))
    projections = (
        Projection("input", "conv1", Dense(np.ones((12, 12)))),
        Projection("conv1", "fc", dense),
        Projection("conv1", "readout", dense),
    )
    return SpikingNetwork(populations, projections, (1, 4, 3), Readout("fc", "readout"))


def test_events_over_time_are_spikes_times_fan_out(run, network):
    course = events_over_time(network, run)
    per_step = np.bincount(run.recorded_spikes["conv1"][:, 1], minlength=20) / 2
    np.testing.assert_allclose(course, 6 * np.cumsum(per_step))
    total = sum(events.mean() for events in synaptic_events(network, run).values())
    assert course[-1] == pytest.approx(total)


def test_events_curve_and_point(run, network):
    bare = replace(run, recorded_spikes={})
    runs = {"whole": (run, LABELS, network), "end": (bare, LABELS, network)}
    ax = figures.accuracy_events(runs)
    total = events_over_time(network, run)[-1]
    assert texts(ax) == [f"whole: 83.3 %, {total:,.0f} events", f"end: 83.3 %, {total:,.0f} events"]
    curves = [drawn for drawn in ax.lines if len(drawn.get_xdata()) == 20]
    (curve,) = curves
    np.testing.assert_allclose(curve.get_ydata(), 100 * run.accuracy_over_time(LABELS))
    assert ax.get_xlim()[0] == 0
    assert ax.get_xlabel() == "synaptic events per image"


# ---------------------------------------------------------------- confusion


def test_confusion_matrix(run):
    ax = figures.confusion_matrix(run, LABELS, names=["cat", "dog", "owl"])
    answers = np.arange(6) % 3
    expected = np.zeros((3, 3))
    np.add.at(expected, (LABELS, answers), 1)
    share = 100 * expected / expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ax.images[0].get_array(), share)
    written = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in ax.texts}
    assert written == {
        (r, c): f"{expected[r, c]:.0f}" for r in range(3) for c in range(3) if expected[r, c]
    }
    assert ax.get_title() == "83.3 % of 6 images right (MP)"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["cat", "dog", "owl"]
    assert ax.images[0].colorbar.ax.get_ylabel() == "share of the true class (%)"


# ---------------------------------------------------------------- histograms


def test_histograms_hold_every_pair():
    rng = np.random.default_rng(0)
    samples = {"conv1": np.stack([rng.uniform(0, 2, 500), rng.uniform(0, 1, 500)])}
    samples["fc"] = np.stack([rng.normal(size=100), rng.normal(size=100)])
    numbers = dict.fromkeys(("correlation", "mean_error", "max_error"), 0.0)
    rest = (0.0, 0.0, 0.0, None, None, {}, "none", False)
    rows = tuple(LayerAudit(n, 1, "rate", *numbers.values(), *rest) for n in samples)
    axes = figures.activation_histograms(Audit(rows, 5, 10, samples))
    assert [ax.get_title() for ax in axes] == ["conv1", "fc"]
    for ax, name in zip(axes, samples, strict=True):
        activation, rate = ax.patches
        assert activation.get_data().values.sum() == pytest.approx(100)
        assert rate.get_data().values.sum() == pytest.approx(100)
        edges = activation.get_data().edges
        assert edges[-1] == max(samples[name].max(), 1.0)
        assert ax.get_yscale() == "log"
        assert ax.lines[0].get_xdata() == [1, 1]
    assert axes[0].get_ylabel() == "share of pairs (%)"
    assert axes[-1].get_xlabel() == "activation / λ, spikes per step"
    assert texts(axes[0]) == ["ANN activation / λ", "SNN rate"]


# ---------------------------------------------------------------- spike times


def test_spike_times_are_rates_per_unit(run):
    ax = figures.spike_time_histogram(run)
    by_label = {patch.get_label(): patch.get_data() for patch in ax.patches}
    assert set(by_label) == {"conv1", "fc"}
    counts = np.bincount(run.recorded_spikes["conv1"][:, 1], minlength=20)
    np.testing.assert_allclose(by_label["conv1"].values, counts / (12 * 2 * 0.5e-3))
    np.testing.assert_allclose(by_label["conv1"].edges, np.arange(21) * 0.5)
    assert ax.get_ylabel() == "firing rate per unit (Hz), 2 images"
    assert ax.get_xlabel() == "time since image onset (ms)"


def test_spike_times_of_one_image_in_wider_bins(run):
    ax = figures.spike_time_histogram(run, image=0, populations=["fc"], bin_width=2 * ms)
    (patch,) = ax.patches
    np.testing.assert_allclose(patch.get_data().values, np.array([0, 0, 3, 4, 4]) / (3 * 2e-3))
    assert ax.get_ylabel() == "firing rate per unit (Hz), image 0"


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


def test_search_table(network):
    def trial(conv1, fc, score, accepted):
        return {"sigmas": {"conv1": conv1, "fc": fc}, "score": score, "accepted": accepted}

    search = [
        trial(1.0, 1.0, 0.2, False),
        trial(0.3, 0.3, 0.8, True),
        trial(0.6, 0.3, 0.7, False),
        trial(0.15, 0.3, 0.9, True),
        trial(0.15, 0.6, 0.5, False),
    ]
    table = figures.search_table(replace(network, metadata={"search": search}))
    assert table["population"].tolist() == ["all layers", "all layers", "conv1", "conv1", "fc"]
    assert table["sigma"].tolist() == [1.0, 0.3, 0.6, 0.15, 0.6]
    assert table["accuracy"].tolist() == [0.2, 0.8, 0.7, 0.9, 0.5]
    with pytest.raises(InputError, match="holds no threshold search"):
        figures.search_table(network)


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


def test_seeds_are_pooled_with_wilson_intervals():
    table = pooled(study())
    assert len(table) == 12
    row = table[(table.coding == "poisson") & (table.level == 2)].iloc[0]
    assert (row.n_images, row.accuracy) == (100, 0.59)
    assert (row.low, row.high) == tuple(map(float, wilson_interval(0.59, 100)))


def test_a_rows_own_interval_is_kept():
    table = study().query("seed == 0").assign(low=0.1, high=0.9)
    assert (pooled(table)[["low", "high"]] == (0.1, 0.9)).all().all()


def test_the_table_of_a_study_is_understood():
    """It says images for n_images, and one coding may occur under two methods."""
    both = pd.concat([study().assign(method="rate"), study().assign(method="dsnn", correct=7)])
    table = pooled(both.rename(columns={"n_images": "images"}))
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
    assert [t.get_text() for t in legend.get_texts()] == ["analog", "poisson"]
    (alone,) = figures.accuracy_against_perturbation(study(), ["jitter"], axes=[plt.subplots()[1]])
    assert texts(alone) == ["analog", "poisson"]


# ---------------------------------------------------------------- codings


@pytest.fixture(scope="module")
def coded():
    image = np.linspace(0, 1, 12, dtype=np.float32).reshape(1, 4, 3)
    return image, figures.input_recordings(image, duration=20 * ms, max_rate=500 * Hz)


def test_codings_side_by_side(coded):
    image, runs = coded
    assert list(runs) == ["analog", "poisson", "uniform"]
    axes = figures.coding_schemes(runs, image)
    assert [ax.get_title() for ax in axes] == ["analog", "poisson", "uniform"]
    np.testing.assert_allclose(axes[0].images[0].get_array().ravel(), image.ravel())
    ticks = np.array(axes[2].collections[0].get_segments())
    per_pixel = np.bincount(np.rint(ticks[:, :, 1].mean(axis=1)).astype(int), minlength=12)
    # 10 steps' worth of spikes for the brightest pixel: floor(x 500 Hz 20 ms).
    np.testing.assert_array_equal(per_pixel, np.floor(image.ravel() * 10 + 1e-6))
    assert all(ax.get_xlim() == (0, 20) for ax in axes)
    assert axes[0].get_ylabel() == "pixel value (12 of 12 pixels)"
    assert axes[0].get_yticklabels()[-1].get_text() == "1.00"


def test_few_pixels_of_evenly_spread_values(coded):
    image, runs = coded
    (ax,) = figures.coding_schemes({"uniform": runs["uniform"]}, image, max_pixels=4)
    assert ax.get_ylabel() == "pixel value (4 of 12 pixels)"
    labels = [float(t.get_text()) for t in ax.get_yticklabels()]
    assert labels[0] == 0 and labels[-1] == 1


# ---------------------------------------------------------------- feature maps


def test_feature_maps(run):
    rng = np.random.default_rng(0)
    activations = {"conv1": rng.random((6, 2, 3, 2)), "fc": rng.random((6, 3))}
    axes = figures.feature_maps(run, activations, image=2)
    assert axes.shape == (2, 2)
    left, right = (ax.images[0].get_array() for ax in axes[0])
    np.testing.assert_allclose(left[:, :2], activations["conv1"][2, 0])
    np.testing.assert_allclose(left[:, 3:], activations["conv1"][2, 1])
    assert np.isnan(np.ma.filled(left, np.nan)[:, 2]).all()
    np.testing.assert_allclose(right[:, :2], run.counts["conv1"][2, 0] / 20)
    np.testing.assert_allclose(axes[1, 1].images[0].get_array()[0], run.counts["fc"][2] / 20)
    assert axes[0, 0].images[0].get_clim() == axes[0, 1].images[0].get_clim()
    assert axes[0, 0].get_title() == "ANN activation / λ"
    assert axes[0, 0].get_ylabel() == "conv1\n2 x 3 x 2"
    assert "spikes per step" in [ax.get_ylabel() for ax in axes[0, 0].figure.axes]


def test_the_most_active_channels_are_shown(run):
    values = np.zeros((6, 2, 3, 2))
    values[:, 1] = 1.0
    axes = figures.feature_maps(run, {"conv1": values}, max_channels=1)
    assert (axes[0, 0].images[0].get_array() == 1).all()
    assert axes[0, 0].get_ylabel() == "conv1\n2 x 3 x 2\n1 of 2 channels"


def test_a_mosaic_keeps_every_value():
    values = np.arange(5 * 2 * 3.0).reshape(5, 2, 3)
    picture = mosaic(values)
    assert sorted(picture[~np.isnan(picture)]) == list(range(30))
    flat = mosaic(np.arange(50.0))
    assert flat.shape == (5, 10) and flat[1, 0] == 10


# ---------------------------------------------------------------- all kinds

REFUSALS = {
    "no runs": (lambda run: figures.accuracy_latency({}), "runs must map names"),
    "margin": (
        lambda run: figures.accuracy_latency({"a": (run, LABELS)}, margin=2),
        r"margin is a share in \[0, 1\), but is 2",
    ),
    "labels": (lambda run: figures.confusion_matrix(run, LABELS + 1), "between 0 and 2, one class"),
    "names": (lambda run: figures.confusion_matrix(run, LABELS, names="ab"), "3 classes.* 2 names"),
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
    with pytest.raises(AttributeError, match="no attribute 'pie_chart'"):
        figures.pie_chart  # noqa: B018


def test_lines_can_be_told_apart_without_colour(run):
    runs = {str(k): (run, LABELS) for k in range(3)}
    drawn = figures.accuracy_latency(runs).lines[::2]
    assert len({str(found.get_linestyle()) + str(found._dash_pattern) for found in drawn}) == 3
    assert len({to_rgba(found.get_color()) for found in drawn}) == 3
