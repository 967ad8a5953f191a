"""What every kind of figure draws: its data, limits, labels and units."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

import bionet.figures as figures
from bionet.audits.table import Audit, LayerAudit
from bionet.equations import integrate_and_fire, integrator
from bionet.figures.kinds.accuracy_events import events_over_time
from bionet.figures.kinds.feature_maps import mosaic
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import Dense
from bionet.results.latency import latency
from bionet.results.metrics import synaptic_events, wilson_interval

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
    assert latency(np.array(accuracy), loss=margin) == step


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


@pytest.mark.parametrize("n_images", range(1, 7))
def test_all_right_and_all_wrong_have_intervals(n_images, run, network):
    """The interval of 0 or 100 % misses it by rounding for some numbers of images."""
    part = {name: counts[:n_images] for name, counts in run.counts.items()}
    few = replace(run, counts=part, output_potential=run.output_potential[:n_images],
                  output_spikes=run.output_spikes[:n_images], recorded_spikes={})  # fmt: skip
    answers = few.predictions()
    runs = {"right": (few, answers, network), "wrong": (few, (answers + 1) % 3, network)}
    right, wrong = figures.accuracy_events(runs).containers
    for container, share in ((right, 1.0), (wrong, 0.0)):
        ends = container[2][0].get_segments()[0][:, 1]
        np.testing.assert_allclose(ends / 100, wilson_interval(share, n_images), atol=1e-12)


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
    assert ax.get_title() == "83.3 % of 6 images right\nreadout: maximal potential (MP)"
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
    for ax in axes:
        activation, rate = ax.patches
        assert activation.get_data().values.sum() == pytest.approx(100)
        assert rate.get_data().values.sum() == pytest.approx(100)
        edges = activation.get_data().edges
        assert edges[-1] == max(values.max() for values in samples.values())
        assert ax.get_yscale() == "log"
        assert ax.lines[0].get_xdata() == [1, 1]
    assert axes[0].get_ylabel() == "share of pairs (%)"
    assert axes[0].figure.get_supxlabel() == "activation / scale, spikes per step"
    legend = axes[0].figure.legends[0]
    assert [t.get_text() for t in legend.get_texts()] == ["trained network", "spiking network"]
    assert len({ax.get_xlim() + ax.get_ylim() for ax in axes}) == 1


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
    assert axes[0, 0].get_title() == "activation / scale"
    assert axes[0, 0].get_ylabel() == "conv1\n2 x 3 x 2"
    assert "spikes per step" in [ax.get_ylabel() for ax in axes[0, 0].figure.axes]


def test_the_most_active_channels_are_shown(run):
    values = np.zeros((6, 2, 3, 2))
    values[:, 1] = 1.0
    axes = figures.feature_maps(run, {"conv1": values}, max_channels=1)
    assert (axes[0, 0].images[0].get_array() == 1).all()
    assert axes[0, 0].get_ylabel() == "conv1\n2 x 3 x 2\n1 shown"


def test_a_mosaic_keeps_every_value():
    values = np.arange(5 * 2 * 3.0).reshape(5, 2, 3)
    picture = mosaic(values)
    assert sorted(picture[~np.isnan(picture)]) == list(range(30))
    flat = mosaic(np.arange(50.0))
    assert flat.shape == (5, 10) and flat[1, 0] == 10
