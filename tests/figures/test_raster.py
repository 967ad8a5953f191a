import numpy as np
import pytest
from brian2 import mV, second

import bionet.figures as figures
from bionet.errors import InputError
from bionet.figures.kinds.raster import INHIBITORY as RED

INHIBITORY = tuple(int(RED[k : k + 2], 16) / 255 for k in (1, 3, 5))


def segments(ax, population):
    found = [c for c in ax.collections if c.get_label() == population]
    assert len(found) == 1
    return np.array(found[0].get_segments())


def test_every_spike_is_a_tick_at_its_time_in_its_population_s_band(run):
    ax = figures.raster(run, image=3)
    ticks = segments(ax, "conv1")
    spikes = run.spikes("conv1", 3)
    assert len(ticks) == len(spikes.step)
    assert np.allclose(ticks[:, 0, 0], spikes.step * 0.5)  # ms
    assert np.array_equal(ticks[:, 0, 0], ticks[:, 1, 0])
    assert (ticks[:, :, 1] > 0).all() and (ticks[:, :, 1] < 1).all()
    # The units of a band stand in order, at equal distances.
    middle = ticks[:, :, 1].mean(axis=1)
    height = [middle[spikes.unit == unit].mean() for unit in range(12)]
    assert np.allclose(np.diff(height), height[1] - height[0])
    assert height[1] > height[0]


def test_the_populations_stand_in_the_network_s_order_from_the_bottom(run):
    ax = figures.raster(run)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["conv1\n(12)", "fc\n(3)"]
    ticks = segments(ax, "fc")
    assert (ticks[:, :, 1] > 1).all() and (ticks[:, :, 1] < 2).all()
    assert ax.get_ylim() == (0, 2)


def test_an_image_without_spikes_has_an_empty_band(run):
    assert len(segments(figures.raster(run, image=3), "fc")) == 0


def test_time_axis_has_the_duration_and_the_unit(run):
    ax = figures.raster(run)
    assert ax.get_xlim() == (0, 10)
    assert ax.get_xlabel() == "time (ms)"
    ax = figures.raster(run, time_unit=second)
    assert ax.get_xlim() == (0, 0.01)
    assert ax.get_xlabel() == "time (s)"


def test_a_subsample_is_stated_and_spans_the_population(run):
    ax = figures.raster(run, max_units=4, populations=["conv1"])
    assert ax.get_yticklabels()[0].get_text() == "conv1\n(4 of 12)"
    rows = np.unique(segments(ax, "conv1")[:, 0, 1].round(9))
    assert len(rows) == 4
    # A drawn unit keeps all of its spikes.
    n_ticks = len(segments(ax, "conv1"))
    counts = run.counts["conv1"][0].ravel().reshape(4, 3)
    assert counts.min(axis=1).sum() <= n_ticks <= counts.max(axis=1).sum()


def test_large_layers_are_labelled_with_thousands_and_rasterised(run):
    shapes = dict(run.shapes) | {"conv1": (20, 24, 24)}
    object.__setattr__(run, "shapes", shapes)
    ax = figures.raster(run)
    assert ax.get_yticklabels()[0].get_text() == "conv1\n(128 of 11,520)"
    assert all(c.get_rasterized() for c in ax.collections)
    ax = figures.raster(run, max_units=None)
    assert ax.get_yticklabels()[0].get_text() == "conv1\n(11,520)"
    assert len(segments(ax, "conv1")) == len(run.spikes("conv1", 0).step)


def test_it_draws_into_the_given_axes(run):
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2)
    assert figures.raster(run, ax=axes[1]) is axes[1]
    assert not axes[0].collections
    assert len(plt.get_fignums()) == 1


def test_refusals(run):
    with pytest.raises(InputError, match="image 1 was not recorded; recorded are 0, 3"):
        figures.raster(run, image=1)
    with pytest.raises(InputError, match="spikes of 'input' were not recorded"):
        figures.raster(run, populations=["input"])
    with pytest.raises(InputError, match="max_units must be at least 1"):
        figures.raster(run, max_units=0)
    with pytest.raises(InputError, match="time_unit must be a unit of time"):
        figures.raster(run, time_unit=mV)
    object.__setattr__(run, "recorded_spikes", {})
    with pytest.raises(InputError, match="no spikes were recorded"):
        figures.raster(run)


def test_inhibitory_cells_have_a_colour_of_their_own(run):
    run.parameters["signs"] = {"conv1": [1] * 9 + [-1] * 3, "fc": -1}
    ax = figures.raster(run)
    spikes = run.spikes("conv1", 0)
    assert len(segments(ax, "conv1")) == (spikes.unit < 9).sum()
    assert len(segments(ax, "conv1, inhibitory")) == (spikes.unit >= 9).sum()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["conv1\n(12, 3 inhibitory)", "fc\n(3, inhibitory)"]
    red = {c.get_label() for c in ax.collections if np.allclose(c.get_color()[0][:3], INHIBITORY)}
    assert red == {"conv1, inhibitory", "fc"}
