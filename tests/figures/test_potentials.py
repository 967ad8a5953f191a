import numpy as np
import pytest
from brian2 import second

import bionet.figures as figures
from bionet.errors import InputError


def line(ax, unit, population="conv1"):
    return next(x for x in ax.lines if x.get_label() == f"{population} unit {unit}")


def levels(ax):
    """Tick labels of each trace, from top to bottom: ((height, value), (height, value))."""
    pairs = [
        (height, float(label.get_text().replace("\N{MINUS SIGN}", "-")))
        for height, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
    ]
    pairs.sort(key=lambda pair: -pair[0])
    return [tuple(pairs[i : i + 2]) for i in range(0, len(pairs), 2)]


def read_off(ax, unit, row, population="conv1"):
    """The values of a trace as a reader takes them from the ticks."""
    (high, top), (low, bottom) = levels(ax)[row]
    height = line(ax, unit, population).get_ydata()
    return bottom + (height - low) / (high - low) * (top - bottom)


def test_traces_read_in_units_of_the_threshold(run):
    ax = figures.potentials(run, "conv1", image=3, units=[4, 7])
    assert np.allclose(line(ax, 4).get_xdata(), np.arange(20) * 0.5)
    for row, unit in enumerate([4, 7]):
        assert np.allclose(read_off(ax, unit, row), run.potential("conv1", 3)[:, unit] / 2.0)
    assert "units of the threshold" in ax.get_ylabel()
    assert ax.get_xlabel() == "time (ms)"
    assert ax.get_xlim() == (0, 10)


def test_the_threshold_is_a_dashed_line_at_1(run):
    ax = figures.potentials(run, "conv1", units=[4])
    dashed = [x for x in ax.lines if x.is_dashed()]
    assert len(dashed) == 1
    (high, top), _ = levels(ax)[0]
    assert top == 1
    assert np.allclose(dashed[0].get_ydata(), high)


def test_a_list_of_thresholds_gives_each_unit_its_own(run):
    run.parameters["thresholds"]["conv1"] = [float(k + 1) for k in range(12)]
    ax = figures.potentials(run, "conv1", units=[4])
    assert np.allclose(read_off(ax, 4, 0), run.potential("conv1", 0)[:, 4] / 5)


def test_spikes_rise_from_the_trace_at_their_times(run):
    ax = figures.potentials(run, "conv1", units=[4, 7])
    for unit in (4, 7):
        marks = next(c for c in ax.collections if c.get_label() == f"spikes of unit {unit}")
        ends = np.array(marks.get_segments())
        assert np.allclose(ends[:, 0, 0], 0.5 * np.arange(unit, 20, unit + 1))
        trace = line(ax, unit).get_ydata()
        assert np.allclose(ends[:, 0, 1], trace[np.arange(unit, 20, unit + 1)])
        assert ends[:, 1, 1].min() > trace.max()


def test_each_unit_is_named_with_its_place_and_count(run):
    ax = figures.potentials(run, "conv1", units=[7, 11])
    assert [t.get_text() for t in ax.texts] == [
        "conv1[1, 0, 1]\n2 spikes",
        "conv1[1, 2, 1]\n1 spike",
    ]


def test_units_of_different_rates_are_chosen(run):
    ax = figures.potentials(run, "conv1")
    units = [int(x.get_label().split()[-1]) for x in ax.lines if "unit" in x.get_label()]
    counts = run.counts["conv1"][0].ravel()[units]
    # Unit 0 fires in every step and unit 11 once: neither shows rise and reset.
    assert counts.tolist() == [10, 6, 5, 2]


def test_units_that_never_fire_are_drawn_where_there_are_no_others(run):
    run.counts["conv1"][:] = 0
    ax = figures.potentials(run, "conv1")
    assert len([x for x in ax.lines if "unit" in x.get_label()]) == 4


def test_without_a_threshold_the_units_are_those_of_the_weights(run):
    ax = figures.potentials(run, "readout", image=3)
    assert "units of the weights" in ax.get_ylabel()
    assert not [x for x in ax.lines if x.is_dashed()]
    assert [t.get_text() for t in ax.texts] == ["readout[0]", "readout[1]", "readout[2]"]
    assert np.allclose(read_off(ax, 0, 0, "readout"), run.potential("readout", 3)[:, 0])


def test_a_far_excursion_gets_a_tick_of_its_own_size(run):
    run.recorded_potentials["conv1"][0, :, 4] = np.linspace(0, -86, 20)
    ax = figures.potentials(run, "conv1", units=[4, 5])
    assert [value for _, value in levels(ax)[0]] == [0, -20]
    assert np.allclose(read_off(ax, 4, 0), np.linspace(0, -43, 20))
    assert [value for _, value in levels(ax)[1]] == [1, 0]


def test_a_trace_that_never_moves_is_drawn(run):
    run.recorded_potentials["readout"][:] = 0
    ax = figures.potentials(run, "readout", units=[1])
    assert np.allclose(read_off(ax, 1, 0, "readout"), 0)


def test_it_draws_into_the_given_axes_in_the_given_unit(run):
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2)
    ax = figures.potentials(run, "conv1", ax=axes[0], time_unit=second)
    assert ax is axes[0]
    assert ax.get_xlabel() == "time (s)"
    assert ax.get_xlim() == (0, 0.01)


def test_refusals(run):
    with pytest.raises(InputError, match="v of 'fc' were not recorded"):
        figures.potentials(run, "fc")
    with pytest.raises(InputError, match="image 1 was not recorded"):
        figures.potentials(run, "conv1", image=1)
    with pytest.raises(InputError, match="units of 'conv1' is empty"):
        figures.potentials(run, "conv1", units=[])
    with pytest.raises(InputError, match="unit 99 of 'conv1' was not recorded; 12 units were"):
        figures.potentials(run, "conv1", units=[2, 99])


def test_potentials_in_volts_show_the_threshold_and_leave_zero_out(run):
    run.parameters["units"] = {"conv1": ["v", [2, 1, -3, -1, 0, 0, 0]]}
    run.parameters["thresholds"]["conv1"] = -0.05
    run.recorded_potentials["conv1"][0, :, 4] = np.linspace(-0.07, -0.054, 20)
    ax = figures.potentials(run, "conv1", units=[4])
    assert "(mV)" in ax.get_ylabel()
    (high, top), (_, bottom) = levels(ax)[0]
    assert (top, bottom) == (-50, -70)
    assert np.allclose(read_off(ax, 4, 0), np.linspace(-70, -54, 20))
    dashed = [x for x in ax.lines if x.is_dashed()]
    assert np.allclose(dashed[0].get_ydata(), high)
    assert len(ax.lines) == 2  # the trace and the threshold: no line at 0 mV
    del run.parameters["thresholds"]["conv1"]
    ax = figures.potentials(run, "conv1", units=[4])
    assert [value for _, value in levels(ax)[0]] == [-55, -70]
