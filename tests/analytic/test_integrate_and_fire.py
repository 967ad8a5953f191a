"""Integrate-and-fire under constant drive, against closed forms.

Rueckauer et al. 2016, Eqs. 1-4: v(t) = v(t-1) + a; reset by subtraction gives
N(T) = floor(a T / theta), reset to zero a period of ceil(theta / a) steps. Drives are multiples of
1/64: their sums are exact.
"""

import numpy as np
import pytest
from brian2 import Hz, ms

from bionet.equations import integrate_and_fire, integrator
from bionet.running.simulate import simulate

DYADIC = np.arange(65) / 64


@pytest.mark.parametrize("theta", [1.0, 0.75, 2.5])
@pytest.mark.parametrize("steps", [1, 37, 300])
def test_subtraction_fires_floor_a_t(driven, theta, steps):
    drive = DYADIC[: int(64 * min(theta, 1)) + 1]
    run = driven(integrate_and_fire(threshold=theta), drive, steps)
    np.testing.assert_array_equal(run.counts["cells"][0], np.floor(drive * steps / theta))


def test_subtraction_fires_floor_a_t_for_any_drive(driven):
    """Drives a = (k + 1/2) / T keep a T half a spike away from rounding."""
    steps = 200
    drive = (np.arange(steps) + 0.5) / steps
    for dtype in ("float32", "float64"):
        run = driven(integrate_and_fire(), drive, steps, dtype=dtype)
        np.testing.assert_array_equal(run.counts["cells"][0], np.arange(steps))


@pytest.mark.parametrize("dt", [1 * ms, 0.1 * ms])
def test_the_potential_keeps_what_is_left(driven, dt):
    """v(t) = a t - theta N(t), the same after each step whatever dt is."""
    run = driven(integrate_and_fire(threshold=0.75), DYADIC[:49], 40, dt=dt)
    t = np.arange(1, 41)[:, None]
    expected = DYADIC[:49] * t - 0.75 * np.floor(DYADIC[:49] * t / 0.75)
    np.testing.assert_array_equal(run.potential("cells"), expected)


@pytest.mark.parametrize("theta", [1.0, 0.75])
def test_reset_to_zero_fires_every_ceil_theta_over_a(driven, theta):
    run = driven(integrate_and_fire("zero", threshold=theta), DYADIC[1:], 200)
    spikes = run.spikes("cells")
    for unit, a in enumerate(DYADIC[1:]):
        steps = spikes.step[spikes.unit == unit]
        period = int(np.ceil(theta / a))
        np.testing.assert_array_equal(steps, np.arange(period - 1, 200, period))


def test_an_integrator_sums_and_never_fires(driven):
    """v(t) = a t."""
    run = driven(integrator(), [-0.5, 0.25, 3.0], 20)
    expected = np.arange(1, 21)[:, None] * [-0.5, 0.25, 3.0]
    np.testing.assert_array_equal(run.potential("cells"), expected)
    assert "cells" not in run.counts


def test_the_floor_stops_the_potential(driven):
    """v(t) = max(a t, v_min) for a <= 0."""
    run = driven(integrate_and_fire(floor=-1.25), [-0.5, -0.0625], 10)
    expected = np.maximum(np.arange(1, 11)[:, None] * [-0.5, -0.0625], -1.25)
    np.testing.assert_array_equal(run.potential("cells"), expected)


@pytest.mark.parametrize("refractory", [0, 1, 2, 5])
def test_refractory_period(driven, refractory):
    """A spike costs r - 1 steps (r >= 1): the period is ceil(theta/a) + max(r - 1, 0)."""
    model = integrate_and_fire("zero", refractory=refractory * ms)
    drive = DYADIC[4:]
    spikes = driven(model, drive, 120).spikes("cells")
    for unit, a in enumerate(drive):
        steps = spikes.step[spikes.unit == unit]
        integrate = int(np.ceil(1 / a))
        period = integrate + max(refractory - 1, 0)
        np.testing.assert_array_equal(steps, np.arange(integrate - 1, 120, period))


def test_the_refractory_period_is_a_time_not_a_number_of_steps(driven):
    """1 ms is 10 steps of 0.1 ms."""
    model = integrate_and_fire("zero", refractory=1 * ms)
    spikes = driven(model, [1.0], 50, dt=0.1 * ms).spikes("cells")
    np.testing.assert_array_equal(spikes.step, np.arange(0, 50, 10))


def test_synaptic_input_is_ignored_while_refractory(cells_network):
    """One spike of weight 1 a step, refractory 4 steps: a spike every 4 steps, v = 0 between."""
    snn = cells_network(integrate_and_fire(refractory=4 * ms), 1, weights=[[1.0]])
    run = simulate(
        snn, np.ones((1, 1)), 20 * ms, coding="uniform", max_rate=1000 * Hz,
        device="numpy", record={"cells": ["spikes", "v"]},
    )  # fmt: skip
    np.testing.assert_array_equal(run.spikes("cells").step, np.arange(0, 20, 4))
    assert not run.potential("cells").any()
