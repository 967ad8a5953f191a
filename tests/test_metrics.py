"""Intervals and synaptic events against what is counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from bionet.errors import InputError
from bionet.results.metrics import (
    spikes_per_image,
    spikes_per_neuron,
    synaptic_events,
    wilson_interval,
)
from bionet.running.simulate import simulate


@pytest.fixture(scope="module", params=["analog", "poisson"])
def case(request, four_layers, four_layer_images):
    run = simulate(
        four_layers, four_layer_images, 12 * ms, coding=request.param, device="numpy", seed=2
    )
    return four_layers, run


@pytest.mark.parametrize(("right", "n"), [(0, 10), (3, 10), (984, 1000), (1000, 1000)])
def test_wilson_interval_is_scipys(right, n):
    expected = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    z = stats.norm.ppf(0.975)
    assert_allclose(wilson_interval(right / n, n, z), [expected.low, expected.high], atol=1e-12)


def test_wilson_interval_of_several_shares_and_its_refusals():
    low, high = wilson_interval(np.array([0.0, 0.5, 1.0]), 20)
    assert low.shape == high.shape == (3,)
    assert low[0] == 0 and high[2] == 1 and (low < high).all()
    with pytest.raises(InputError, match="at least 1 trial, but n is 0"):
        wilson_interval(0.5, 0)
    with pytest.raises(InputError, match=r"a share must lie in \[0, 1\]"):
        wilson_interval(98.4, 1000)


def test_events_are_spikes_times_the_synapses_they_reach(case, torch_kernel):
    """A kernel of ones in place of its weights counts the synapses of every spike."""
    snn, run = case
    events = synaptic_events(snn, run)
    assert list(events) == [q.name for q in snn.projections]
    for projection in snn.projections:
        if projection.source == "input" and run.parameters["coding"] == "analog":
            assert_array_equal(events[projection.name], 0)
            continue
        counts = run.counts[projection.source].astype(float)
        kernel = projection.kernel
        if kernel.kind != "average_pool2d":
            ones = replace(kernel, weights=np.ones_like(kernel.weights))
            expected = torch_kernel(ones, counts).reshape(run.n_images, -1).sum(axis=1)
        else:
            fan = kernel.fan_out(snn.shape(projection.source))
            expected = (counts * fan).reshape(run.n_images, -1).sum(axis=1)
        assert_array_equal(events[projection.name], np.rint(expected))
        assert expected.sum() > 0


def test_events_need_the_counts_of_this_network(case):
    snn, run = case
    fewer = {name: counts for name, counts in run.counts.items() if name != "pool"}
    with pytest.raises(InputError, match="counts of 'pool' must have the shape .* it has none"):
        synaptic_events(snn, replace(run, counts=fewer))


def test_spikes_leave_the_input_out(case):
    _, run = case
    inner = {name: counts for name, counts in run.counts.items() if name != "input"}
    total = sum(int(counts.sum(dtype=np.int64)) for counts in inner.values())
    assert_allclose(spikes_per_image(run), total / run.n_images)
    n_units = 4 * 9 * 6 + 4 * 5 * 3 + 6 * 4 * 2 + 5
    assert_allclose(spikes_per_neuron(run), total / run.n_images / n_units)
