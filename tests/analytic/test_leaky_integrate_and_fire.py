"""Leaky integrate-and-fire against v(t2) = v(t1) exp(-(t2 - t1)/tau) (Zhang et al. 2019, Sect. 2).

Potentials are compared to 1e-12: one step multiplies by exp(-dt/tau), rounded to 1e-16, and there
are some hundred steps.
"""

import numpy as np
import pytest
from brian2 import ms, second

from bionet.equations import leaky_integrate_and_fire, leaky_integrator
from bionet.running.simulate import simulate


@pytest.mark.parametrize("tau", [3 * ms, 20 * ms])
@pytest.mark.parametrize("dt", [1 * ms, 0.25 * ms])
def test_decay_between_spikes(cells_network, tau, dt):
    """One input spike of weight 0.8 at step 9, then free decay."""
    snn = cells_network(leaky_integrate_and_fire(tau), 1, weights=[[0.8]])
    image = np.full((1, 1), 0.1)  # one spike in ten steps
    run = simulate(
        snn, image, 19 * dt, dt, coding="uniform", device="numpy", dtype="float64",
        record={"cells": "v"},
    )  # fmt: skip
    v = run.potential("cells")[:, 0]
    assert not v[:9].any()
    expected = 0.8 * np.exp(-np.arange(10) * float(dt / tau))
    np.testing.assert_allclose(v[9:], expected, rtol=1e-12)


def test_approach_to_the_steady_state(driven):
    """v(n) = a (tau/dt) (1 - exp(-n dt/tau)) under the constant drive a."""
    drive, ratio = np.array([0.02, -0.3]), 7.0
    run = driven(leaky_integrator(7 * ms), drive, 100)
    n = np.arange(1, 101)[:, None]
    expected = drive * ratio * (1 - np.exp(-n / ratio))
    np.testing.assert_allclose(run.potential("cells"), expected, rtol=1e-12)


@pytest.mark.parametrize("theta", [1.0, 0.6])
def test_period_under_constant_drive(driven, theta):
    """Reset to zero: period ceil(-(tau/dt) ln(1 - theta/v_inf)) steps, v_inf = a tau/dt."""
    ratio = 10.0
    drive = np.array([0.05, 0.11, 0.2, 0.35])
    model = leaky_integrate_and_fire(10 * ms, "zero", threshold=theta)
    spikes = driven(model, drive, 200).spikes("cells")
    for unit, final in enumerate(drive * ratio):
        steps = spikes.step[spikes.unit == unit]
        if final <= theta:
            assert not steps.size
            continue
        period = int(np.ceil(-ratio * np.log(1 - theta / final)))
        np.testing.assert_array_equal(steps, np.arange(period - 1, 200, period))
    assert not (spikes.unit == 0).any()


def test_refractory_and_floor_hold_for_leaky_units(driven):
    """A floor of -0.4 below a decay, and a period of ceil(...) + r - 1 steps."""
    model = leaky_integrate_and_fire(10 * ms, "zero", refractory=6 * ms, floor=-0.4)
    run = driven(model, [0.2, -0.2], 80)
    period = int(np.ceil(-10 * np.log(1 - 1 / 2.0)))
    spikes = run.spikes("cells")
    np.testing.assert_array_equal(spikes.step, np.arange(period - 1, 80, period + 5))
    v = run.potential("cells")[:, 1]
    np.testing.assert_allclose(v[:2], [-2 * (1 - np.exp(-0.1)), -2 * (1 - np.exp(-0.2))], 1e-12)
    assert (v[3:] == -0.4).all()


def test_an_endless_time_constant_is_integrate_and_fire(driven):
    """tau -> infinity: N(T) = floor(a T)."""
    drive = (np.arange(50) + 0.5) / 50
    run = driven(leaky_integrate_and_fire(1e9 * second), drive, 50)
    np.testing.assert_array_equal(run.counts["cells"][0], np.arange(50))
