"""Figures of conversion loss show the curves that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bionet import figures
from bionet.errors import InputError
from bionet.results.curves import Curves


def run_of(right, n_images=10, n_right_ann=9):
    """Curves with ``right`` images correct after each step, two events a step and image."""
    image = np.arange(n_images)[:, None]
    predictions = (image >= np.asarray(right)).astype(np.int16)
    similarity = np.broadcast_to(np.linspace(0.5, 1, len(right)), predictions.shape)
    ann = (np.arange(n_images) >= n_right_ann).astype(int)
    events = np.full(predictions.shape, 2, np.int32)
    return Curves(predictions, events, similarity, np.zeros(n_images, int), ann)


@pytest.fixture
def runs():
    return {"augmapping": run_of([2, 8, 9, 9]), "termapping": run_of([0, 1, 5, 8])}


def test_errors_over_steps_and_events(runs):
    for draw, x in (
        (figures.error_over_steps, [1, 2, 3, 4]),
        (figures.error_over_events, [2, 4, 6, 8]),
    ):
        ax = draw(runs)
        lines = {line.get_label(): line for line in ax.lines}
        np.testing.assert_allclose(lines["augmapping"].get_xdata(), x)
        np.testing.assert_allclose(lines["augmapping"].get_ydata(), [80, 20, 10, 10])
        np.testing.assert_allclose(lines["termapping"].get_ydata(), [100, 90, 50, 20])
        assert lines["trained network: 10.00 %"].get_ydata()[0] == pytest.approx(10)


def test_an_error_of_zero_has_no_place_on_a_logarithmic_axis(runs):
    assert figures.error_over_events(runs).get_yscale() == "log"
    right = {f"run {k}": run_of([2, 5, 9 + (k > 0)], n_right_ann=10) for k in range(3)}
    ax = figures.error_over_events(right)
    assert ax.get_yscale() == "linear"
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1 - 1


def test_similarity(runs):
    ax = figures.similarity(runs)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.linspace(0.5, 1, 4))


def test_early_decision_marks_what_is_never_reached(runs):
    ax = figures.early_decision(runs)
    assert [bar.get_height() for bar in ax.containers[0]] == [3, 3, 3]
    assert np.isnan([bar.get_height() for bar in ax.containers[1]]).all()
    assert [text.get_text() for text in ax.texts].count("never") == 3
    low, high = ax.get_ylim()
    assert low == pytest.approx(1) and high == pytest.approx(6)  # a third of 3 to twice 3
    ax = figures.early_decision(runs, "events", losses=["0 %"])
    assert ax.containers[0][0].get_height() == 6


def test_accuracy_against_a_parameter():
    ax = figures.accuracy_against([1, 4, 16], {"net1": [0.5, 0.9, 1.0]})
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.5, 0.9, 1.0])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "4", "16"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda runs: figures.error_over_steps({}), "there are no runs to draw"),
        (lambda runs: figures.early_decision(runs, "energy"), "cost is 'steps' or 'events'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(runs, draw, message):
    with pytest.raises(InputError, match=message):
        draw(runs)
    plt.close("all")


def test_negative_spikes_are_grey_and_large_ones_tall(run):
    table = np.array([(0, 1, 0), (0, 2, 1), (0, 3, 2)], dtype=np.int32)
    sizes = {"fc": np.array([1, -1, 64], dtype=np.int32)}
    object.__setattr__(run, "recorded_spikes", {"fc": table})
    object.__setattr__(run, "recorded_amplitudes", sizes)
    ax = figures.raster(run)
    positive, negative = ax.collections[:2]
    assert positive.get_label() == "fc" and negative.get_label() == "fc, negative"
    heights = [np.ptp(path[:, 1]) for path in positive.get_segments()]
    assert heights[1] == pytest.approx(2 * heights[0])
    assert [path[0, 0] for path in negative.get_segments()] == [2 * 0.5]
    np.testing.assert_allclose(negative.get_colors()[0][:3], 0.45)
