"""Input codings against their statistics: uniform floor(rate T), Poisson mean and variance."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

from bionet.equations import integrator
from bionet.network import Simulation
from bionet.running.simulate import simulate


def input_train(cells_network, pixels, steps, coding, signed=False, **options):
    """Recording of the input population, presented ``pixels`` (n_images, n_units)."""
    n = pixels.shape[1]
    snn = cells_network(integrator(), n, weights=np.eye(n))
    if signed:
        snn = replace(snn, simulation=Simulation(signed_input=True))
    options = {"device": "numpy", "dtype": "float64", "record": {"input": "spikes"}} | options
    return simulate(snn, pixels, steps * ms, coding=coding, **options)


@pytest.mark.parametrize("max_rate", [1000, 250, 100])
def test_uniform_coding_fires_floor_rate_t(cells_network, max_rate):
    """N(T) = floor(x max_rate T), first spike at the end of the first period."""
    pixels = np.arange(33)[None] / 32
    run = input_train(cells_network, pixels, 96, "uniform", max_rate=max_rate * Hz)
    per_step = pixels[0] * max_rate / 1000
    np.testing.assert_array_equal(run.counts["input"][0], np.floor(per_step * 96 + 1e-9))
    spikes = run.spikes("input")
    for unit in np.flatnonzero(per_step * 96 >= 1):
        steps = spikes.step[spikes.unit == unit]
        k = np.arange(1, steps.size + 1)
        np.testing.assert_array_equal(steps, np.ceil(k / per_step[unit] - 1e-6) - 1)


@pytest.mark.parametrize("coding", ["uniform", "poisson"])
def test_the_mean_input_does_not_depend_on_the_rate(cells_network, coding):
    """Amplitude 1/(max_rate dt): a spike counts for the steps between two spikes of value 1."""
    run = input_train(cells_network, np.ones((1, 2)), 40, coding, max_rate=250 * Hz)
    spikes = run.counts["input"][0].astype(float)
    np.testing.assert_allclose(run.output_potential[0, -1], 4 * spikes, rtol=1e-12)


@pytest.mark.parametrize("max_rate", [1000, 300])
def test_poisson_mean_and_variance(cells_network, max_rate):
    """A spike in a step with probability p: binomial, mean T p, variance T p (1 - p).

    400 trains of a pixel; both moments within four standard errors. That of the variance s^2 is
    s^2 sqrt((kurtosis - 1) / n), where a binomial has the kurtosis
    3 + (1 - 6 p (1 - p)) / (T p (1 - p)).
    """
    steps, trains = 200, 400
    x = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    pixels = np.repeat(x[None], trains, axis=0)
    run = input_train(
        cells_network, pixels, steps, "poisson", max_rate=max_rate * Hz, lanes=trains, seed=3
    )
    counts = run.counts["input"].astype(float)
    p = x * max_rate / 1000
    variance = steps * p * (1 - p)
    assert (abs(counts.mean(axis=0) - steps * p) <= 4 * np.sqrt(variance / trains)).all()
    excess = (1 - 6 * p * (1 - p))[variance > 0] / variance[variance > 0]
    error = variance[variance > 0] * np.sqrt((2 + excess) / trains)
    assert (
        abs(counts.var(axis=0, ddof=1)[variance > 0] - variance[variance > 0]) < 4 * error
    ).all()
    assert (counts[:, x == 0] == 0).all()
    if max_rate == 1000:
        assert (counts[:, x == 1] == steps).all()


def test_poisson_intervals_are_geometric(cells_network):
    """P(interval = k) = p (1 - p)^(k - 1): mean 1/p, within four standard errors."""
    p, trains = 0.2, 100
    run = input_train(cells_network, np.full((1, trains), p), 1000, "poisson", seed=1)
    spikes = run.spikes("input")
    intervals = np.concatenate([np.diff(spikes.step[spikes.unit == u]) for u in range(trains)])
    error = np.sqrt((1 - p) / p**2 / intervals.size)
    assert abs(intervals.mean() - 1 / p) < 4 * error
    assert abs((intervals == 1).mean() - p) < 4 * np.sqrt(p * (1 - p) / intervals.size)


@pytest.mark.parametrize("coding", ["uniform", "poisson"])
def test_a_negative_pixel_emits_negative_spikes(cells_network, coding):
    """The train of abs(x), with amplitude -1."""
    pixels = np.array([[0.25, 0.75, 1.0]])
    plus = input_train(cells_network, pixels, 64, coding, signed=True)
    minus = input_train(cells_network, -pixels, 64, coding, signed=True)
    np.testing.assert_array_equal(plus.counts["input"], minus.counts["input"])
    np.testing.assert_array_equal(plus.output_potential, -minus.output_potential)
    assert (minus.output_potential[0, -1] == -plus.counts["input"][0].astype(float)).all()
    assert minus.output_potential[0, -1, 0] < 0


def test_analog_input_is_a_constant_current(cells_network):
    """v(t) = x t for any real x."""
    pixels = np.array([[-2.5, 0.0, 0.75, 3.0]])
    run = input_train(cells_network, pixels, 10, "analog", record=None)
    expected = np.arange(1, 11)[:, None] * pixels
    np.testing.assert_array_equal(run.output_potential[0], expected)
    assert "input" not in run.counts
