"""Winner-take-all: never two spikes within the inhibition period, and a slow reference for it."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms, mV

import bionet
from bionet.brian.inhibition import LateralInhibition
from bionet.conversion import winner_take_all
from bionet.equations import (
    NeuronModel,
    constant_leak,
    integrate_and_fire,
    integrator,
    leaky_integrate_and_fire,
)
from bionet.errors import InputError
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import Dense

SHAPE, STEPS = (2, 3, 4), 60
MODELS = {
    "subtract": integrate_and_fire("subtract"),
    "zero": integrate_and_fire("zero"),
    "leaky": leaky_integrate_and_fire(10 * ms),
    "refractory": leaky_integrate_and_fire(10 * ms, "zero", refractory=3 * ms),
    "floor": constant_leak(leak=-0.05, floor=-0.5),
}


def network(model, drive, coding="analog"):
    """A population ``cells`` driven by the image, and a readout that counts its spikes."""
    weights = np.random.default_rng(5).normal(0.1, 0.4, (24, 6))
    populations = (
        Population("cells", SHAPE, model, {"I": drive}),
        Population("out", (1,), integrate_and_fire()),
        Population("readout", (1,), integrator()),
    )
    projections = (
        Projection("input", "cells", Dense(weights)),
        Projection("cells", "out", Dense(np.full((1, 24), 0.1))),
        Projection("cells", "readout", Dense(np.ones((1, 24)))),
    )
    readout = Readout("out", "readout")
    return SpikingNetwork(populations, projections, (6,), readout, coding=coding)


def simulate(snn, images, **options):
    options = {"device": "numpy", "dtype": "float64", **options}
    return bionet.simulate(snn, images, STEPS * ms, record={"cells": ["spikes", "v"]}, **options)


@pytest.fixture(scope="module")
def drive():
    return np.random.default_rng(6).uniform(-0.2, 0.7, SHAPE)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(7).uniform(0, 1, (4, 6))


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("period", [1, 2, 7])
def test_never_two_spikes_within_the_period(model, period, drive, images):
    plain = network(model, drive, "poisson")
    run = simulate(winner_take_all(plain, "cells", period * ms), images, lanes=3)
    table = run.recorded_spikes["cells"]
    for image in range(len(images)):
        steps = run.spikes("cells", image).step
        assert len(steps) > 4  # there is something to inhibit, and it goes on after a period
        assert np.diff(steps).min() >= period
    # Without inhibition units do fire together, so the property is not one of the drive.
    free = simulate(plain, images).recorded_spikes["cells"]
    assert len(free) > 2 * len(table)


def reference(drive, received, period, reset):
    """Spikes (step, unit) of integrate-and-fire units with winner-take-all, one lane."""
    v, until, spikes = np.zeros(drive.size), 0, []
    for step in range(STEPS):
        v = v + drive.ravel() + received
        fired = np.flatnonzero(v >= 1)
        if step < until:
            v[:] = 0
        elif fired.size:
            winner = fired[np.argmax(v[fired])]  # the first of equal ones: lowest number
            spikes.append((step, winner))
            kept = v[winner] - 1 if reset == "subtract" else 0.0
            v[:] = 0
            v[winner] = kept
            until = step + period
    return np.array(spikes)


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("period", [1, 4])
def test_every_spike_is_that_of_a_slow_reference(reset, period, drive, images):
    snn = winner_take_all(network(MODELS[reset], drive), "cells", period * ms)
    run = simulate(snn, images, lanes=2)
    weights = snn.projections[0].kernel.weights
    for number, image in enumerate(images):
        spikes = run.spikes("cells", number)
        found = np.stack([spikes.step, spikes.unit], axis=1)
        np.testing.assert_array_equal(found, reference(drive, weights @ image, period, reset))


def test_of_equal_units_the_lowest_number_wins():
    # Inside, units are channel-last: unit 5 (channel 0, pixel 5) stands after unit 12 (channel 1,
    # pixel 0) there, but before it in PyTorch's order, which is what counts.
    drive = np.zeros(24)
    drive[[5, 12, 20]] = 0.5
    run = simulate(
        winner_take_all(network(MODELS["zero"], drive.reshape(SHAPE)), "cells", 2 * ms),
        np.zeros((1, 6)),
    )
    assert set(run.spikes("cells").unit) == {5}


def test_the_highest_potential_wins_and_the_others_start_again_from_rest():
    drive = np.zeros(24)
    drive[[3, 8]] = 0.6, 0.7
    snn = winner_take_all(network(MODELS["zero"], drive.reshape(SHAPE)), "cells", 5 * ms)
    run = simulate(snn, np.zeros((1, 6)))
    np.testing.assert_array_equal(run.spikes("cells").unit, np.full(len(run.spikes("cells")[0]), 8))
    # Step 1 crosses, steps 2 to 5 are inhibited, steps 6 and 7 integrate to 1.4 again.
    np.testing.assert_array_equal(run.spikes("cells").step[:3], [1, 7, 13])
    np.testing.assert_array_equal(run.potential("cells")[1:6, [3, 8]], 0)
    np.testing.assert_allclose(run.potential("cells")[6, [3, 8]], [0.6, 0.7])


def test_a_beaten_unit_is_not_refractory():
    # Both cross together in step 1; the beaten one fires as soon as the inhibition ends, though
    # its refractory period is long.
    drive = np.zeros(24)
    drive[[3, 8]] = 0.6, 0.7
    model = integrate_and_fire("zero", refractory=30 * ms)
    snn = winner_take_all(network(model, drive.reshape(SHAPE)), "cells", 2 * ms)
    spikes = simulate(snn, np.zeros((1, 6))).spikes("cells")
    assert list(zip(spikes.step[:2], spikes.unit[:2], strict=True)) == [(1, 8), (4, 3)]


def test_presentations_do_not_inhibit_each_other(drive, images):
    snn = winner_take_all(network(MODELS["zero"], drive), "cells", 50 * ms)
    together = simulate(snn, images, lanes=1)
    for number in range(len(images)):
        alone = simulate(snn, images[number : number + 1])
        expected = alone.spikes("cells").step
        np.testing.assert_array_equal(together.spikes("cells", number).step, expected)


@pytest.mark.parametrize(
    ("device", "model"),
    [
        pytest.param("cython", "refractory", marks=pytest.mark.devices),
        pytest.param("cython", "subtract", marks=pytest.mark.devices),
        pytest.param("cpp_standalone", "refractory", marks=pytest.mark.devices),
        pytest.param("cpp_standalone", "subtract", marks=pytest.mark.devices),
    ],
)
def test_devices_and_lanes_agree_to_the_last_bit(device, model, drive, images):
    snn = winner_take_all(network(MODELS[model], drive, "poisson"), "cells", 3 * ms)
    one = simulate(snn, images, lanes=1)
    for lanes in (1, 3) if device == "cpp_standalone" else (3,):
        other = simulate(snn, images, lanes=lanes, device=device)
        np.testing.assert_array_equal(other.recorded_spikes["cells"], one.recorded_spikes["cells"])
        np.testing.assert_array_equal(other.potential("cells"), one.potential("cells"))
        np.testing.assert_array_equal(other.counts["out"], one.counts["out"])


def test_the_output_layer_as_a_decision_circuit(drive, images):
    # With a period as long as the presentation one unit answers: the first to fire.
    plain = network(MODELS["zero"], drive)
    plain = replace(plain, readout=Readout("cells", "readout"))
    first = simulate(plain, images).spikes("cells", 0).step[0]
    run = simulate(winner_take_all(plain, "cells", STEPS * ms), images)
    assert [c.sum() for c in run.counts["cells"]] == [1] * len(images)
    assert run.spikes("cells", 0).step[0] == first


def test_the_network_is_kept_and_saved_with_its_inhibition(drive, tmp_path):
    plain = network(MODELS["leaky"], drive)
    snn = winner_take_all(plain, "cells", 3 * ms)
    assert plain.population("cells").model.inhibition is None
    assert bionet.SpikingNetwork.load(snn.save(tmp_path / "wta.snn")) == snn
    assert r"\text{winner takes all for }" in snn.population("cells").model.latex()
    again = winner_take_all(snn, "cells", 8 * ms)
    assert again.population("cells").model == snn.population("cells").model
    assert float(again.population("cells").parameters["t_inh"]) == 0.008


def test_the_inhibition_is_a_brian2_object(drive, images):
    snn = winner_take_all(network(MODELS["zero"], drive), "cells", 3 * ms)
    _, groups = bionet.build(snn, images[:2])
    inhibition = groups["cells_inhibition"]
    assert isinstance(inhibition, LateralInhibition)
    assert inhibition.when == "threshold_cells" and inhibition.order == 1
    np.testing.assert_array_equal(inhibition.until[:], [0, 0])


def test_bad_input_is_refused(drive):
    snn = network(MODELS["zero"], drive)
    with pytest.raises(InputError, match="'readout' never fires.*'out' holds"):
        winner_take_all(snn, "readout", 5 * ms)
    with pytest.raises(InputError, match="no population is called 'fc9'"):
        winner_take_all(snn, "fc9", 5 * ms)
    with pytest.raises(InputError, match="period must be positive, but is 0"):
        winner_take_all(snn, "cells", 0 * ms)
    with pytest.raises(Exception, match="inhibition"):
        winner_take_all(snn, "cells", 5 * mV)
    with pytest.raises(InputError, match="'t_inh' must be a parameter in seconds"):
        NeuronModel("x", "dv/dt = I/dt : 1\nI : 1", threshold="v > 1", inhibition="t_inh")
    with pytest.raises(InputError, match="no threshold or no potential"):
        NeuronModel("x", "v : 1\nt_inh : second (constant)", inhibition="t_inh")
    uneven = snn.with_population(
        "cells",
        model=winner_take_all(snn, "cells", 5 * ms).population("cells").model,
        parameters={"t_inh": np.full(SHAPE, 5) * ms},
    )
    with pytest.raises(InputError, match="one value for the whole population"):
        bionet.build(uneven, np.zeros((1, 6)))
    _, groups = bionet.build(snn, np.zeros((1, 6)))
    with pytest.raises(InputError, match="has no parameter 't_inh'"):
        LateralInhibition(groups["cells"], SHAPE)
    with pytest.raises(InputError, match="has 24 units, but 2 lanes"):
        _, groups = bionet.build(winner_take_all(snn, "cells", 5 * ms), np.zeros((1, 6)))
        LateralInhibition(groups["cells"], SHAPE, lanes=2)
