"""Ternary and augmented neurons against their rule written out, closed forms and symmetries."""

import numpy as np
import pytest
from brian2 import Hz, ms

from bionet.equations import augmented, ternary
from bionet.errors import InputError
from bionet.network import Dense, Population, Projection, Readout, SpikingNetwork
from bionet.running.simulate import simulate

STEPS = 60
MODELS = {
    "ternary": (ternary(0.7, -1.3), 0.7, -1.3, 1),
    "augmented": (augmented(0.7, -1.3), 0.7, -1.3, np.inf),
    "bounded": (augmented(0.3, -0.45, 3), 0.3, -0.45, 3),
    "positive": (augmented(0.7, None, 4), 0.7, None, 4),
    "positive ternary": (ternary(0.4, None), 0.4, None, 1),
}
DRIVE = np.linspace(-0.4, 0.5, 8)
WEIGHTS = np.random.default_rng(1).normal(0, 0.8, (8, 5))


def size_of_spikes(v, positive, negative, bound):
    """o of Eqs. 4 and 15, unit by unit, from the definition."""
    sizes = np.zeros_like(v)
    for i, potential in enumerate(v):
        if potential >= positive:
            sizes[i] = min(bound, potential // positive)
        elif negative is not None and potential <= negative:
            sizes[i] = -min(bound, potential // negative)
    return sizes


def simulated(cells_network, model, device="numpy", weights=WEIGHTS, dtype="float64"):
    snn = cells_network(model, 8, DRIVE, weights)
    images = np.random.default_rng(2).uniform(size=(2, 5))
    record = {"input": "spikes", "cells": ["spikes", "v"]}
    options = {"coding": "poisson", "max_rate": 400 * Hz, "dtype": dtype, "record": record}
    return simulate(snn, images, STEPS * ms, device=device, **options)


@pytest.fixture(scope="module")
def runs(cells_network):
    return {name: simulated(cells_network, model) for name, (model, *_) in MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
def test_spikes_and_potentials_follow_the_rule(runs, name):
    run, (_, positive, negative, bound) = runs[name], MODELS[name]
    sizes_seen = set()
    for image in range(2):
        received = np.zeros((STEPS, 5))
        received[run.spikes("input", image).step, run.spikes("input", image).unit] = 1 / 0.4
        v, total, expected, fired = np.zeros(8), np.zeros(8), [], []
        for t in range(STEPS):
            v = v + DRIVE + WEIGHTS @ received[t]
            o = size_of_spikes(v, positive, negative, bound)
            v = v - np.where(o > 0, o * positive, 0) - np.where(o < 0, -o * (negative or 0), 0)
            total += o
            expected.append(v)
            fired += [(t, unit, o[unit]) for unit in np.flatnonzero(o)]
        np.testing.assert_allclose(run.potential("cells", image), expected, rtol=0, atol=1e-10)
        spikes = run.spikes("cells", image)
        assert list(zip(spikes.step, spikes.unit, spikes.amplitude, strict=True)) == fired
        np.testing.assert_array_equal(run.final_values["cells", "total"][image], total)
        np.testing.assert_array_equal(run.rates("cells")[image], total / STEPS)
        np.testing.assert_array_equal(run.events[image], np.bincount(spikes.step, minlength=STEPS))
        sizes_seen |= set(spikes.amplitude)
    assert (min(sizes_seen) < 0) == (negative is not None)
    assert max(sizes_seen) == bound if bound < np.inf else max(sizes_seen) > 3


@pytest.mark.parametrize("bound", [1, 2, None])
def test_a_constant_drive_gives_its_rate(driven, bound):
    drive = np.array([0.0, 0.313, -0.377, 1.737, -1.719, 2.631])
    run = driven(augmented(0.5, -2.0, bound), drive, 200)
    threshold = np.where(drive > 0, 0.5, 2.0)
    limit = np.inf if bound is None else bound
    expected = np.clip(np.trunc(drive * 200 / threshold) / 200, -limit, limit)
    np.testing.assert_allclose(run.rates("cells")[0], expected, atol=1 / 200 + 1e-9)
    if bound is None:
        residual = drive * 200 - threshold * run.final_values["cells", "total"][0]
        np.testing.assert_allclose(run.potential("cells")[-1], residual, atol=1e-9)
        assert (residual < 0.5).all() and (residual > -2.0).all()


def test_augmented_spikes_of_at_most_one_are_ternary(cells_network):
    one, other = (
        simulated(cells_network, m) for m in (augmented(0.6, -0.6, 1), ternary(0.6, -0.6))
    )
    np.testing.assert_array_equal(one.recorded_spikes["cells"], other.recorded_spikes["cells"])
    sizes = one.recorded_amplitudes["cells"]
    np.testing.assert_array_equal(sizes, other.recorded_amplitudes["cells"])
    assert set(sizes) == {-1, 1}


@pytest.mark.parametrize("model", [ternary(0.6, -0.6), augmented(0.6, -0.6)])
def test_negated_input_gives_the_mirrored_train(cells_network, model):
    snn = cells_network(model, 8, DRIVE, WEIGHTS)
    mirrored = cells_network(model, 8, -DRIVE, -WEIGHTS)
    images = np.random.default_rng(2).uniform(size=(2, 5))
    both = [
        simulate(n, images, 40 * ms, device="numpy", dtype="float64", record={"cells": ["spikes"]})
        for n in (snn, mirrored)
    ]
    np.testing.assert_array_equal(*(run.recorded_spikes["cells"] for run in both))
    np.testing.assert_array_equal(
        both[0].recorded_amplitudes["cells"], -both[1].recorded_amplitudes["cells"]
    )
    assert len(both[0].recorded_amplitudes["cells"]) > 100


@pytest.mark.devices
@pytest.mark.parametrize("device", ["cython", "cpp_standalone"])
@pytest.mark.parametrize("name", ["ternary", "bounded"])
def test_all_devices_agree_in_single_precision(cells_network, name, device):
    model = MODELS[name][0]
    one = simulated(cells_network, model, dtype="float32")
    other = simulated(cells_network, model, device, dtype="float32")
    for what in ("recorded_spikes", "recorded_amplitudes"):
        np.testing.assert_array_equal(getattr(one, what)["cells"], getattr(other, what)["cells"])
    # NumPy and the compiled code round the product of size and threshold differently.
    potentials = (run.recorded_potentials["cells"] for run in (one, other))
    np.testing.assert_allclose(*potentials, rtol=0, atol=2e-5)
    for what in ("events", "output_spikes"):
        np.testing.assert_array_equal(getattr(one, what), getattr(other, what))
    total = ("cells", "total")
    np.testing.assert_array_equal(one.final_values[total], other.final_values[total])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ternary(0.0), "positive threshold must be above 0, but is 0"),
        (lambda: augmented(1.0, 0.5), "negative threshold must be below 0, but is 0.5"),
        (lambda: augmented(bound=0), "bound must be a whole number >= 1, or None, but is 0"),
        (lambda: augmented(bound=1.5), "bound must be a whole number"),
    ],
)
def test_bad_parameters_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("weight", "dtype", "message"),
    [
        (3e7, "float32", r"population 'a': .* add up to 9e\+07, and from 16,777,216 .*'float64'"),
        (3e9, "float64", "population 'a': .* from 2,147,483,647 on whole numbers .*lower the wei"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_sizes_that_are_no_whole_numbers_any_more_are_refused(weight, dtype, message):
    snn = SpikingNetwork(
        (Population("a", (1,), augmented()), Population("readout", (1,), augmented())),
        (
            Projection("input", "a", Dense(np.array([[weight]]))),
            Projection("a", "readout", Dense(np.ones((1, 1)))),
        ),
        (1,),
        Readout("readout", "readout"),
    )
    with pytest.raises(InputError, match=message):
        simulate(snn, np.ones((1, 1)), 3 * ms, device="numpy", dtype=dtype)
    if dtype == "float32":
        run = simulate(snn, np.ones((1, 1)), 3 * ms, device="numpy", dtype="float64")
        assert (run.output_spikes == weight).all()
