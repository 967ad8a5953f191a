"""The same spikes on every device, for any number of lanes and processes.

Sums are formed in the same order everywhere, so integrate-and-fire networks agree bit for bit. A
leaky unit multiplies by exp(-dt/tau), which NumPy and the C library may round differently in the
last bit: its potentials agree to 1e-12 (float64), its spikes as long as none is nearer to theta.
"""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

from bionet.equations import integrate_and_fire, integrator, leaky_integrate_and_fire
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import AveragePool2d, Conv2d, Dense, OneToOne
from bionet.running.simulate import simulate

# As in tests/analytic/test_rate_equation.py: one program serves both.
ANALOG = {
    "dtype": "float64",
    "record": {"conv2": ["spikes", "v"]},
    "final_potentials": True,
}


@pytest.fixture(scope="module")
def analog_run(four_layers, four_layer_images):
    return simulate(four_layers, four_layer_images, 60 * ms, device="numpy", lanes=1, **ANALOG)


@pytest.mark.parametrize("lanes", [3, 7, 50])
def test_lanes_do_not_matter(four_layers, four_layer_images, analog_run, assert_same, lanes):
    run = simulate(four_layers, four_layer_images, 60 * ms, device="numpy", lanes=lanes, **ANALOG)
    assert_same(run, analog_run)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_cpp_standalone_with_processes(
    four_layers, four_layer_images, analog_run, assert_same, processes
):
    run = simulate(four_layers, four_layer_images, 60 * ms, lanes=3, processes=processes, **ANALOG)
    assert run.parameters["device"] == "cpp_standalone"
    assert_same(run, analog_run)


@pytest.fixture(scope="module")
def signed_network():
    """Convolution, refractory pooling after a delay of two steps, a readout of what lowers it."""
    rng = np.random.default_rng(2)
    bias = {"I": rng.uniform(-0.1, 0.2, 3)[:, None, None]}
    tired = integrate_and_fire("zero", floor=0.0, refractory=2 * ms)
    populations = (
        Population("conv", (3, 4, 4), integrate_and_fire(threshold=0.9), bias),
        Population("pool", (3, 2, 2), tired),
        Population("readout", (4,), integrator(), {"I": 0.25}),
    )
    projections = (
        Projection("input", "conv", Conv2d(rng.normal(0.2, 0.4, (3, 2, 2, 3)), padding=(0, 1))),
        Projection("conv", "pool", AveragePool2d(2), delay=2),
        Projection("pool", "readout", Dense(rng.normal(size=(4, 12))), sign=-1),
    )
    return SpikingNetwork(populations, projections, (2, 5, 4), Readout("pool", "readout"))


@pytest.fixture(scope="module")
def signed_images():
    return np.random.default_rng(6).uniform(size=(5, 2, 5, 4)).astype(np.float32)


POISSON = {"coding": "poisson", "max_rate": 600 * Hz, "seed": 11}


@pytest.mark.parametrize("device", ["cython", "cpp_standalone"])
def test_poisson_trains_and_all_that_follows(signed_network, signed_images, assert_same, device):
    run = simulate(signed_network, signed_images, 40 * ms, device=device, lanes=2, **POISSON)
    slow = simulate(signed_network, signed_images, 40 * ms, device="numpy", lanes=1, **POISSON)
    assert_same(run, slow)
    assert set(run.counts) == {"input", "conv", "pool"}
    assert run.counts["pool"].sum() > 50
    assert (np.diff(run.output_potential, axis=1) <= 0.25).all()  # nothing but the drive raises


@pytest.fixture(scope="module")
def leaky_network():
    """Leaky, refractory and floored units behind a uniform code, and spikes sent back."""
    rng = np.random.default_rng(9)
    leaky = leaky_integrate_and_fire(12 * ms, threshold=0.8, floor=-0.5)
    tired = integrate_and_fire("zero", threshold=1.2, floor=-0.4, refractory=3 * ms)
    return SpikingNetwork(
        (
            Population("leaky", (6,), leaky, {"I": 0.05}),
            Population("tired", (6,), tired, {"I": rng.uniform(0, 0.1, 6)}),
            Population("readout", (2,), integrator()),
        ),
        (
            Projection("input", "leaky", Dense(rng.normal(0.2, 0.5, (6, 5)))),
            Projection("input", "tired", Dense(rng.normal(0.2, 0.5, (6, 5)))),
            Projection("leaky", "readout", Dense(rng.normal(size=(2, 6)))),
            Projection("tired", "leaky", OneToOne(rng.normal(size=6)), delay=1),
        ),
        (5,),
        Readout("tired", "readout"),
        coding="uniform",
    )


def test_leaky_and_refractory_units(leaky_network):
    images = np.random.default_rng(3).uniform(size=(5, 5))
    options = {"dtype": "float64", "record": {"leaky": ["spikes", "v"], "tired": ["spikes", "v"]}}
    slow = simulate(leaky_network, images, 50 * ms, device="numpy", lanes=1, **options)
    run = simulate(leaky_network, images, 50 * ms, lanes=4, **options)
    for name in ("input", "leaky", "tired"):
        np.testing.assert_array_equal(run.counts[name], slow.counts[name], err_msg=name)
        assert slow.counts[name].sum() > 100
    np.testing.assert_array_equal(
        run.recorded_potentials["tired"], slow.recorded_potentials["tired"]
    )
    np.testing.assert_allclose(
        run.recorded_potentials["leaky"], slow.recorded_potentials["leaky"], rtol=0, atol=1e-12
    )
    np.testing.assert_array_equal(run.recorded_spikes["leaky"], slow.recorded_spikes["leaky"])


@pytest.mark.devices
@pytest.mark.parametrize("coding", ["analog", "poisson", "uniform"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_device_for_every_coding(four_layers, four_layer_images, assert_same, coding, dtype):
    def run(**options):
        return simulate(
            four_layers, four_layer_images, 30 * ms, coding=coding, dtype=dtype, seed=5,
            record={"conv1": ["spikes"], "conv2": {"v": [5, 0, 7]}}, **options,
        )  # fmt: skip

    slow = run(device="numpy", lanes=1)
    assert_same(run(device="cython", lanes=4), slow)
    for lanes in (1, 4, 50):
        assert_same(run(device="cpp_standalone", lanes=lanes), slow)


@pytest.mark.devices
@pytest.mark.parametrize("device", ["cython", "cpp_standalone"])
def test_analog_input_with_delay_and_sign(signed_network, signed_images, assert_same, device):
    first, *rest = signed_network.projections
    parts = [replace(first, sign=sign, delay=delay) for sign, delay in ((1, 3), (-1, 1))]
    snn = replace(signed_network, projections=(*parts, *rest))
    options = {"coding": "analog", "record": {"conv": "v"}}
    run = simulate(snn, signed_images - 0.5, 20 * ms, device=device, lanes=2, **options)
    slow = simulate(snn, signed_images - 0.5, 20 * ms, device="numpy", lanes=1, **options)
    assert_same(run, slow)
