"""Leak-aware conversion: intervals by the closed form, counts by units without leak."""

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.conversion.variants.leak_compensation import compensate_leak, steps_between_spikes
from bionet.equations import leaky_integrate_and_fire
from bionet.errors import InputError
from bionet.network import Population, Readout, SpikingNetwork

TAU, THETA = 20.0, 0.8  # in steps of 1 ms; threshold


def run_cells(drive, compensated, steps=400):
    """Units of reset to zero under constant drives."""
    model = leaky_integrate_and_fire(TAU * ms, "zero", threshold=THETA)
    population = Population("cells", (len(drive),), model, {"I": drive})
    witness = Population("witness", (1,), model, {"I": 0.0})
    readout = Readout("cells", "cells")
    snn = SpikingNetwork((population, witness), (), (1,), readout)
    snn = compensate_leak(snn, 1 * ms) if compensated else snn
    return bionet.simulate(
        snn, np.zeros((1, 1)), steps * ms, 1 * ms, device="numpy", dtype="float64",
        record={"cells": ["spikes"]},
    )  # fmt: skip


@pytest.mark.parametrize("compensated", [True, False])
def test_intervals_are_those_of_the_closed_form(compensated):
    drive = np.linspace(0.005, 0.5, 34)
    # A drive acts within the step, an input spike at its end: the same x_infinity = tau I / dt.
    x = drive * TAU * -np.expm1(-1 / TAU)
    steps = steps_between_spikes(x, THETA, 1 / TAU, compensated)
    run = run_cells(drive, compensated)
    spikes = run.spikes("cells")
    assert np.isinf(steps).any() and np.isfinite(steps).sum() > 20
    for unit, expected in enumerate(steps):
        times = spikes.step[spikes.unit == unit]
        if np.isinf(expected):
            assert not times.size
        else:
            assert abs(expected - round(expected)) > 1e-6  # rounding decides nothing here
            np.testing.assert_array_equal(np.diff(times, prepend=-1), np.ceil(expected))


def test_the_error_is_of_second_order_with_the_drive_and_of_first_without():
    n0 = 7.0
    for decay, tolerance in ((0.02, 0.02), (0.005, 0.005)):
        # x that a unit without leak needs n0 steps for, as the mean over a step of the decay.
        x = THETA / n0 * -np.expm1(-decay) / decay
        with_drive = steps_between_spikes(x, THETA, decay, True) / n0 - 1
        without = steps_between_spikes(x, THETA, decay, False) / n0 - 1
        assert with_drive == pytest.approx((n0 * decay) ** 2 / 12, rel=tolerance)
        assert without == pytest.approx(n0 * decay / 2, rel=20 * tolerance)


def test_a_unit_without_input_stays_silent_at_half_its_threshold():
    run = run_cells([0.0, -0.01], True)
    assert run.counts["cells"].sum() == 0
    assert run.output_potential[0, -1, 0] == pytest.approx(THETA / 2, rel=1e-6)
    assert run.output_potential[0, -1, 1] == pytest.approx(THETA / 2 - 0.01 * TAU, rel=1e-6)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(2)
    net = nn.Sequential(nn.Linear(12, 20, bias=False), nn.ReLU(), nn.Linear(20, 6, bias=False))
    with torch.no_grad():
        for layer in (net[0], net[2]):
            layer.weight.add_(0.1)
    return net


def test_counts_come_back_to_those_without_leak(net):
    images = np.random.default_rng(1).uniform(0, 1, (5, 12)).astype(np.float32)
    common = {"input_shape": (12,), "sigma": 0.3, "duration": 400 * ms}

    def counts(**options):
        snn = bionet.convert(net, "dsnn", **common, **options)
        run = bionet.simulate(snn, images, device="numpy")
        return np.concatenate([c.reshape(5, -1).astype(float) for c in run.counts.values()], axis=1)

    still = counts()
    leaky, compensated = (counts(tau=50 * ms, compensate_leak=c) for c in (False, True))
    lost, left = (np.abs(c - still).sum() / still.sum() for c in (leaky, compensated))
    assert lost > 0.1
    assert left < lost / 4


def test_dsnn_takes_the_option_and_says_so(net):
    options = {"input_shape": (12,), "sigma": 0.3, "tau": 20 * ms}
    plain = bionet.convert(net, "dsnn", **options)
    snn = bionet.convert(net, "dsnn", compensate_leak=True, **options)
    assert snn.metadata["options"]["compensate_leak"] is True
    for population in plain.populations:
        old, new = population.parameters["I"], snn.population(population.name).parameters["I"]
        theta = population.parameters.get("theta", 0.0)  # the readout has none, and no drive
        np.testing.assert_allclose(new, old + theta / 40)
    assert float(snn.population("readout").parameters["I"]) == 0


def test_nothing_to_compensate_is_refused(net):
    with pytest.raises(InputError, match="no population leaks.*tau=20"):
        bionet.convert(net, "dsnn", input_shape=(12,), sigma=0.3, compensate_leak=True)
