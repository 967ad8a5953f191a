"""Figures of spike trains and weights against closed forms."""

import sys
from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from brian2 import ms, mV, pA, pjoule
from matplotlib.colors import to_hex
from matplotlib.contour import ContourSet

import bionet.figures as figures
from bionet.equations import adex, integrate_and_fire
from bionet.errors import InputError
from bionet.figures import kinds
from bionet.figures.kinds import KINDS
from bionet.figures.kinds.interval_histogram import intervals, variation
from bionet.figures.kinds.receptive_fields import spike_triggered_average
from bionet.figures.kinds.spike_distances import van_rossum
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import Dense


def trains(run, *rows):
    """The recording with other spikes of ``fc``: rows of image, step, unit."""
    table = np.array(sorted(rows), dtype=np.int32).reshape(-1, 3)
    return replace(run, recorded_spikes={"fc": table})


def dense():
    neuron = integrate_and_fire()
    populations = (Population("conv1", (2, 3, 2), neuron), Population("fc", (3,), neuron))
    weights = np.arange(-18, 18, dtype=float).reshape(3, 12)
    projections = (Projection("conv1", "fc", Dense(weights)),)
    return SpikingNetwork(populations, projections, (1, 4, 3), Readout("fc", "fc"))


def test_van_rossum_has_its_closed_forms(run):
    shift = 1 - np.exp(-4 * 0.5 / 10)
    for rows, expected in (
        ([(0, 2, 1), (3, 2, 1)], 0),
        ([(0, 2, 1)], 0.5),
        ([(0, 2, 1), (3, 6, 1)], shift),
        ([(0, 2, 1), (3, 2, 2)], 1),
    ):
        distance = van_rossum(trains(run, *rows), "fc", 10 * ms)
        assert distance == pytest.approx(np.array([[0, expected], [expected, 0]]), abs=1e-12)


def test_the_distances_are_drawn_by_class(run):
    ax = figures.spike_distances(run, "conv1", np.array([1, 1, 1, 0, 1, 1]))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["3 (0)", "0 (1)"]
    with pytest.raises(InputError, match=r"labels must have the shape \(6,\)"):
        figures.spike_distances(run, "conv1", np.zeros(2))
    with pytest.raises(InputError, match="tau must be a positive time"):
        figures.spike_distances(run, "conv1", tau=0 * ms)


def test_a_clock_has_no_variation_and_two_intervals_a_known_one(run):
    clock = trains(run, *((0, step, 0) for step in range(0, 20, 3)))
    assert variation(intervals(clock, "fc")) == (0.0, 1)
    uneven = trains(run, (0, 0, 0), (0, 2, 0), (0, 8, 0), (0, 5, 1), (3, 1, 0), (3, 2, 0))
    assert [train.tolist() for train in intervals(uneven, "fc")] == [[2, 6], [1]]
    assert variation(intervals(uneven, "fc")) == (pytest.approx(0.5), 1)  # std 2, mean 4
    (ax,) = figures.interval_histogram(uneven)
    assert ax.get_title() == "fc\nCV 0.50, 1 trains"
    assert ax.patches[0].get_data().values.sum() == pytest.approx(100)


def test_the_population_rate_is_a_mean_with_its_standard_error(run):
    spikes = trains(run, (0, 0, 0), (0, 1, 1), (3, 1, 2))
    (ax,) = figures.population_rate(spikes, bin_width=1 * ms)
    rates = np.array([2, 1]) / 3 / 1e-3  # three units, a bin of 1 ms
    assert ax.patches[0].get_data().values[0] == pytest.approx(rates.mean())
    error = np.ptp(ax.collections[0].get_segments()[0][:, 1]) / 2
    assert error == pytest.approx(rates.std(ddof=1) / np.sqrt(2))


def test_the_spike_triggered_average_is_that_of_its_spikes(run):
    images = np.random.default_rng(0).uniform(size=(6, 1, 4, 3))
    counts = run.counts["fc"].astype(float)
    average = spike_triggered_average(run, images, "fc")
    weights = counts[:, 1] / counts[:, 1].sum()
    expected = np.einsum("m,mchw->chw", weights, images) - images.mean(axis=0)
    assert average[1] == pytest.approx(expected)
    with pytest.raises(InputError, match=r"images must have the shape \(6, 1, 4, 3\)"):
        figures.receptive_fields(run, images[:2], "fc")
    with pytest.raises(InputError, match="'readout' has no spikes; those that fire: input"):
        figures.receptive_fields(run, images, "readout")
    with pytest.raises(InputError, match="'fc' has 3 units, and no unit 9"):
        figures.receptive_fields(run, images, "fc", [9])
    with pytest.raises(InputError, match="no unit of 'input' fired"):
        figures.receptive_fields(run, images, "input")
    with pytest.raises(InputError, match="2 units need as many axes, but got 1"):
        figures.receptive_fields(run, images, "fc", [0, 1], axes=[plt.subplots()[1]])


def test_kernels_of_dense_weights_on_an_image_are_images():
    (ax,) = figures.kernels(dense())
    assert ax.get_title() == "conv1 to fc\n3 units"
    assert ax.images[0].get_array().shape == (3, 12)  # the image is too small to be one
    with pytest.raises(InputError, match="no projection to conv1 has weights"):
        figures.kernels(dense(), ["conv1"])
    with pytest.raises(InputError, match="there is no population 'x'"):
        figures.kernels(dense(), ["x"])
    with pytest.raises(InputError, match="max_shown must be at least 1"):
        figures.kernels(dense(), max_shown=0)
    with pytest.raises(InputError, match="1 projections need as many axes, but got 0"):
        figures.kernels(dense(), axes=[])


def test_the_diagram_tells_units_synapses_and_signs():
    words = " ".join(text.get_text() for text in figures.network_diagram(dense()).texts)
    for told in ("conv1: 2 x 3 x 2 = 12 units", "fc: 3 units", "dense, 36 synapses", "49 % excite"):
        assert told in words


def test_energy_is_events_times_that_of_one(run):
    fired = int(run.counts["conv1"].sum()) / run.n_images
    ax = figures.energy_bars({"one": (run, dense())}, per_event=1 * pjoule)
    (bar,) = ax.patches
    assert bar.get_width() == pytest.approx(3 * fired)
    assert ax.get_xlabel() == "energy of an image (pJ)"
    with pytest.raises(InputError, match="per_event must be positive"):
        figures.energy_bars({"one": (run, dense())}, per_event=0 * pjoule)


def test_a_rung_tells_what_it_costs():
    table = pd.DataFrame({"rung": ["network", "spikes"], "accuracy": [0.9, 0.85]})
    ax = figures.realism_ladder(table)
    assert [text.get_text() for text in ax.texts] == ["90.0 %", "85.0 % (\N{MINUS SIGN}5.0)"]
    with pytest.raises(InputError, match="columns 'rung' and 'accuracy'"):
        figures.realism_ladder(table.drop(columns="rung"))
    with pytest.raises(InputError, match="accuracy must lie in"):
        figures.realism_ladder(table.assign(accuracy=2))


def test_the_nullcline_of_the_adaptation_is_its_straight_line():
    ax = figures.phase_plane(adex("tonic"), drive=300 * pA, duration=50 * ms)
    lines = [drawn for drawn in ax.collections if isinstance(drawn, ContourSet)]
    points = np.concatenate([path.vertices for path in lines[-1].get_paths()])
    assert points[:, 1] == pytest.approx(2 * (points[:, 0] + 70), abs=0.5)  # a = 2 nS, E_L = -70 mV
    with pytest.raises(InputError, match="has 1 variables .* needs the potential and one more"):
        figures.phase_plane(integrate_and_fire())


def test_traces_show_the_recorded_values_and_spikes(run):
    (ax,) = figures.traces(run, {"conv1": [2, 5]}, image=3)
    assert ax.lines[1].get_ydata() == pytest.approx(run.potential("conv1", 3)[:, 5])
    assert len(ax.collections[0].get_segments()) == 20 // 3
    with pytest.raises(InputError, match="v of unit 99 of 'conv1' was not recorded"):
        figures.traces(run, {"conv1": [99]})
    with pytest.raises(InputError, match="no potentials were recorded"):
        figures.traces(replace(run, recorded_potentials={}))
    with pytest.raises(InputError, match="unit of time"):
        figures.traces(run, time_unit=mV)


def test_an_animation_is_a_gif_or_a_page(run, tmp_path):
    drawn = figures.animation(run, 0, np.zeros((1, 4, 3)), max_frames=2)
    for name, start in (("a.gif", b"GIF8"), ("a.html", b"<!DOCTYPE html>")):
        assert figures.save(drawn, tmp_path / name) == [tmp_path / name]
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(
        InputError, match=r"suffix of an animation is .gif, .html, .mp4, but is '.png'"
    ):
        figures.save(drawn, tmp_path / "a.png")
    with pytest.raises(InputError, match="max_frames and interval must be at least 1"):
        figures.animation(run, max_frames=0)


def test_an_animation_is_a_film(run, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs the extra 'video'")
    path = tmp_path / "a.MP4"
    assert figures.save(figures.animation(run, 0, max_frames=4, interval=100), path) == [path]
    frames, seconds = ffmpeg.count_frames_and_secs(str(path))
    assert (frames, seconds) == (4, pytest.approx(0.4))
    assert [file.name for file in tmp_path.iterdir()] == ["a.MP4"]


def test_a_film_without_ffmpeg_is_refused_in_a_line(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with (
        mpl.rc_context({"animation.ffmpeg_path": "no-such-ffmpeg"}),
        pytest.raises(InputError, match=r"a film needs FFmpeg.*bionet\[video\].*or write .gif"),
    ):
        figures.save(figures.animation(run, max_frames=1), tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_settings_of_the_user_stay(run):
    with mpl.rc_context({"font.size": 14.0, "axes.spines.top": False, "lines.linewidth": 3.0}):
        ax = figures.spike_time_histogram(run)
    assert ax.xaxis.label.get_fontsize() == 14
    with figures.style({"figure.figsize": (4, 1)}):
        assert figures.raster(run).figure.get_size_inches()[0] == 4


def test_colours_and_markers_are_keywords(run):
    labels = np.arange(6) % 3
    ax = figures.accuracy_latency({"a": (run, labels)}, colors=["#123456"], markers=["*"])
    assert {to_hex(line.get_color()) for line in ax.lines} == {"#123456"}
    assert ax.lines[1].get_marker() == "*"
    assert "colors : sequence of colors" in figures.accuracy_latency.__doc__
    for options, message in (
        ({"colors": ["blau"]}, "colors: 'blau' is no colour"),
        ({"colors": []}, "colors is empty"),
        ({"markers": ["circle"]}, "markers: 'circle' is no marker"),
    ):
        with pytest.raises(InputError, match=message):
            figures.raster(run, **options)
    with pytest.raises(InputError, match="no such setting"), figures.style({"axes.colour": 1}):
        pass


def test_a_new_file_is_a_new_kind(tmp_path, monkeypatch):
    file = "from bionet.figures.kinds import KINDS\nKINDS.add('sketch', print)\n"
    (tmp_path / "sketch.py").write_text(file)
    assert "raster" in KINDS  # all files are loaded: what a test imports first stays in the table
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    monkeypatch.setattr(KINDS, "_complete", False)
    monkeypatch.setattr(KINDS, "_entries", dict(KINDS._entries))
    assert KINDS.find("sketch") is print
