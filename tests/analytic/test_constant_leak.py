"""The neuron with constant leak and floor: its equation step by step, and its period."""

import numpy as np
import pytest
from brian2 import ms

import bionet
from bionet.equations import constant_leak


def neuron(drive, theta, v_min, steps):
    """Eq. 1 in words that need no Brian2: potentials after each step, spikes."""
    v = np.zeros(drive.shape[1])
    potentials, spikes = np.zeros((steps, v.size)), np.zeros((steps, v.size), dtype=bool)
    for step in range(steps):
        v = np.maximum(v + drive[step], v_min)
        spikes[step] = v >= theta
        v = np.where(spikes[step], 0.0, v)
        potentials[step] = v
    return potentials, spikes


@pytest.mark.parametrize("leak", [0.0, -0.07, 0.04])
@pytest.mark.parametrize("floor", [0.0, -0.3])
def test_the_neuron_is_equation_1(leak, floor, cells_network):
    rng = np.random.default_rng(2)
    weights = rng.normal(0.05, 0.3, (9, 5))
    model = constant_leak(leak, threshold=0.8, floor=floor)
    snn = cells_network(model, 9, weights=weights)
    images = rng.uniform(0, 1, (1, 5))
    run = bionet.simulate(
        snn, images, 50 * ms, coding="poisson", device="numpy", dtype="float64",
        record={"input": ["spikes"], "cells": ["spikes", "v"]},
    )  # fmt: skip
    received = np.zeros((50, 5))
    spikes = run.spikes("input")
    received[spikes.step, spikes.unit] = 1
    v, fired = neuron(received @ weights.T + leak, 0.8, floor, 50)
    np.testing.assert_allclose(run.potential("cells"), v, atol=1e-12)
    found = run.spikes("cells")
    np.testing.assert_array_equal(np.argwhere(fired), np.stack([found.step, found.unit], axis=1))
    assert fired.sum() > 20 and (v == floor).any()  # threshold and floor were both reached


@pytest.mark.parametrize(("leak", "drive", "period"), [(0.0, 0.3, 4), (-0.05, 0.3, 4), (0.2, 0, 5)])
def test_a_constant_input_fires_every_ceil_theta_over_a_plus_leak_steps(
    leak, drive, period, driven
):
    run = driven(constant_leak(leak, threshold=1.0), [drive], 40)
    np.testing.assert_array_equal(np.diff(run.spikes("cells").step), period)


def test_a_leak_above_the_input_silences(driven):
    run = driven(constant_leak(-0.31, threshold=0.1), [0.3], 40)
    assert run.counts["cells"].sum() == 0
    assert (run.potential("cells") == 0).all()
