import numpy as np
import pytest
from brian2 import second

import bionet.figures as figures
from bionet.errors import InputError
from bionet.results.early_exit import EarlyExit

LABELS = np.arange(6) % 3


def line(ax, words):
    return next(x for x in ax.lines if words in x.get_label())


def test_the_lines_are_the_accuracies_after_every_step_in_percent(run):
    ax = figures.accuracy_over_time(run, LABELS)
    assert [x.get_label() for x in ax.lines] == [
        "maximal potential (MP): 100.0 %",
        "most spikes (MS): 100.0 %",
        "first spike (FS): 100.0 %",
    ]
    for readout in ("MP", "MS", "FS"):
        drawn = line(ax, readout)
        assert np.allclose(drawn.get_xdata(), 0.5 * np.arange(1, 21))
        assert np.allclose(drawn.get_ydata(), 100 * run.accuracy_over_time(LABELS, readout))
    # MP knows after step 5, MS after step 10; before that every answer is class 0.
    assert line(ax, "MP").get_ydata()[3:5].tolist() == pytest.approx([100 / 3, 100])
    assert line(ax, "MS").get_ydata()[8:10].tolist() == pytest.approx([100 / 3, 100])
    assert ax.get_xlabel() == "time since image onset (ms)"
    assert ax.get_ylabel() == "accuracy (%), 6 images"
    assert len({x.get_linestyle() + str(x._dash_pattern) for x in ax.lines}) == 3


def test_the_bands_are_wilson_intervals(run):
    ax = figures.accuracy_over_time(run, LABELS, readouts=["MP"])
    (band,) = ax.collections
    drawn = band.get_paths()[0].vertices
    lower, upper = figures.wilson_interval(1.0, 6)
    last = drawn[np.isclose(drawn[:, 0], 10.0), 1]
    assert last.min() == pytest.approx(100 * lower)
    assert last.max() == pytest.approx(100 * upper)


def test_the_ann_is_a_dashed_line(run):
    ax = figures.accuracy_over_time(run, LABELS, ann_accuracy=0.987)
    drawn = line(ax, "trained network")
    assert drawn.get_label() == "trained network: 98.7 %"
    assert drawn.is_dashed()
    assert np.allclose(drawn.get_ydata(), 98.7)
    assert [t.get_text() for t in ax.get_legend().get_texts()][0] == "trained network: 98.7 %"


def test_early_exits_are_a_line_of_answers_so_far(run):
    early = EarlyExit(np.array([3, 3, 8, 8, 12, 20]), np.array([0, 1, 2, 0, 1, 0]))
    ax = figures.accuracy_over_time(run, LABELS, readouts=["MP"], early=early)
    drawn = line(ax, "early exit")
    assert drawn.get_label() == "early exit: 83.3 %"
    expected = np.array([0, 200, 400, 500, 500]) / 6  # the last answer is wrong
    assert np.allclose(drawn.get_ydata()[[1, 2, 7, 11, 19]], expected)


def test_it_draws_into_the_given_axes_in_the_given_unit(run):
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2)
    ax = figures.accuracy_over_time(run, LABELS, ax=axes[1], time_unit=second)
    assert ax is axes[1]
    assert ax.get_xlim() == (0, 0.01)
    assert ax.get_xlabel() == "time since image onset (s)"


def test_wilson_interval_has_the_published_values():
    # Newcombe 1998, Table I: 81 of 263 and 0 of 20 (method 3).
    lower, upper = figures.wilson_interval(81 / 263, 263)
    assert (lower, upper) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))
    lower, upper = figures.wilson_interval(0.0, 20)
    assert (lower, upper) == (0, pytest.approx(0.1611, abs=1e-4))


def test_wilson_interval_of_an_array_contains_it():
    share = np.linspace(0, 1, 11)
    lower, upper = figures.wilson_interval(share, 10)
    assert ((lower <= share + 1e-12) & (share <= upper + 1e-12)).all()
    assert lower.min() >= 0 and upper.max() <= 1


def test_refusals(run):
    with pytest.raises(InputError, match="labels must be an array of 6 classes"):
        figures.accuracy_over_time(run, LABELS[:4])
    with pytest.raises(InputError, match="unknown readout 'XX'"):
        figures.accuracy_over_time(run, LABELS, readouts=["XX"])
    with pytest.raises(InputError, match=r"ann_accuracy is a share in \[0, 1\], but is 98.7"):
        figures.accuracy_over_time(run, LABELS, ann_accuracy=98.7)
    with pytest.raises(InputError, match="at least 1 trial"):
        figures.wilson_interval(0.5, 0)
