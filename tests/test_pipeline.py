"""Pipelined simulation: the same spikes for every image, at a higher rate."""

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.results.costs import operations
from bionet.running.pipeline_schedule import activities

SHAPE = (2, 6, 5)
RECORD = {
    "input": ["spikes"],
    "conv0": ["spikes", "v"],
    "maxpool2": ["spikes"],
    "linear4_tick": ["spikes"],
    "linear8": ["spikes"],
    "readout": ["v"],
}


def deep_network():
    torch.manual_seed(8)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(18, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3),
    ).double()  # fmt: skip
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(2.5)
        net[-1].bias.add_(1.5)
    return net


@pytest.fixture(scope="module")
def net():
    return deep_network()


@pytest.fixture(scope="module")
def images():
    """Five images, so that two or three lanes are left over at the end; one is black."""
    pixels = np.random.default_rng(7).uniform(size=(5, *SHAPE))
    pixels[3] = 0
    return pixels


@pytest.fixture(scope="module")
def simulated(net, images):
    """Network and recording by readout, way of presentation, lanes and device, made once."""
    networks, made = {}, {}

    def run(readout="MP", pipelined=False, lanes=5, device="numpy", record=RECORD):
        key = readout, pipelined, lanes, device, record is RECORD
        if readout not in networks:
            networks[readout] = bionet.convert(net, "tdsnn", images, leak=6 * ms, readout=readout)
        if key not in made:
            made[key] = bionet.simulate(
                networks[readout], images, pipelined=pipelined, lanes=lanes, device=device,
                record=record, processes=1,
            )  # fmt: skip
        return networks[readout], made[key]

    return run


def assert_same_spikes(run, reference):
    for group in ("spike_steps", "releases", "counts", "recorded_spikes"):
        for name, values in getattr(reference, group).items():
            np.testing.assert_array_equal(getattr(run, group)[name], values, err_msg=name)
    for name in ("output_potential", "output_spikes", "events"):
        np.testing.assert_array_equal(getattr(run, name), getattr(reference, name), err_msg=name)
    np.testing.assert_array_equal(run.predictions(), reference.predictions())


@pytest.mark.parametrize(("readout", "lanes"), [("MP", 1), ("MP", 5), ("LS", 2), ("LS", 3)])
def test_pipelined_equals_sequential(simulated, readout, lanes):
    _, reference = simulated(readout)
    _, run = simulated(readout, True, lanes)
    assert_same_spikes(run, reference)
    assert len(reference.recorded_spikes["conv0"]) == 5 * 90
    assert len(np.unique(reference.spike_steps["linear6"])) > 3


def test_the_period_is_the_longest_pair_of_windows(simulated):
    snn, run = simulated("LS", True, 2)
    windows = [layer.window for layer in snn.code.layers]
    last = run.n_steps - 1 - sum(windows)  # in which the output layer spikes
    pairs = np.array([*windows, last])[:-1] + np.array([*windows, last])[1:]
    assert run.parameters["schedule"]["period"] == pairs.max() + 1 < run.n_steps
    assert run.parameters["pipelined"]


def test_the_schedule_says_when_each_population_works(simulated):
    snn, run = simulated("LS")
    active = run.parameters["schedule"]["active"]
    assert run.parameters["schedule"]["period"] == run.n_steps
    for name in ("conv0", "linear4", "linear6", "linear8"):
        first, last = active[name]
        release = int(run.releases[name][0])
        own = activities(snn, run.n_steps)[name]
        assert (own.first, own.last, own.emits) == (first, last, release)
        assert run.spike_steps[name].max() + release <= last
    # A layer begins when the one before it is released, and ends when the next one is.
    assert active["linear6"][0] == run.releases["linear4"][0]
    assert active["linear4"][1] == run.releases["linear6"][0]


def test_potentials_are_those_of_the_own_image_and_nan_elsewhere(simulated):
    _, reference = simulated("LS")
    _, run = simulated("LS", True, 2)
    for name in ("conv0", "readout"):
        found = run.recorded_potentials[name]
        first, last = run.parameters["schedule"]["active"][name]
        inside = np.zeros(run.n_steps, dtype=bool)
        inside[first : last + 1] = True
        assert np.isnan(found[:, ~inside]).all()
        expected = reference.recorded_potentials[name][:, inside]
        np.testing.assert_array_equal(found[:, inside], expected)
        assert np.abs(expected).max() > 0


def test_a_network_converted_for_it_is_pipelined(net, images, simulated):
    snn = bionet.convert(net, "tdsnn", images, leak=6 * ms, pipelined=True)
    run = bionet.simulate(snn, images, device="numpy")
    assert run.parameters["pipelined"]
    assert_same_spikes(run, bionet.simulate(snn, images, device="numpy", pipelined=False))


def test_operations_do_not_depend_on_the_way_of_presentation(simulated):
    snn, reference = simulated("MP")
    _, run = simulated("MP", True, 5)
    assert operations(snn, run) == operations(snn, reference)


def test_what_has_no_schedule_is_refused(net, images, tiny, tiny_images):
    with pytest.raises(bionet.InputError, match="pipelined needs window='static'"):
        bionet.convert(net, "tdsnn", images, window="dynamic", pipelined=True)
    dynamic = bionet.convert(net, "tdsnn", images, leak=6 * ms, window="dynamic")
    with pytest.raises(bionet.InputError, match="this network has a dynamic window"):
        bionet.simulate(dynamic, images, device="numpy", pipelined=True)
    with pytest.raises(bionet.InputError, match="this network has method 'custom'"):
        bionet.simulate(tiny, tiny_images, 10 * ms, device="numpy", pipelined=True)


def test_final_potentials_belong_to_the_next_images(simulated, images):
    snn, _ = simulated("MP")
    with pytest.raises(bionet.InputError, match="leave final_potentials out"):
        bionet.simulate(snn, images, device="numpy", pipelined=True, final_potentials=True)


@pytest.mark.devices
@pytest.mark.parametrize("pipelined", [True, False])
def test_compiled_programs_agree(simulated, pipelined):
    """Their populations rest outside their windows, those on NumPy do not."""
    record = {"conv0": ["spikes"], "linear8": ["spikes"]}
    _, reference = simulated("LS", record=record)
    _, run = simulated("LS", pipelined, 2, "cpp_standalone", record)
    assert_same_spikes(run, reference)


@pytest.mark.devices
def test_cython_agrees():
    torch.manual_seed(4)
    net = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    images = np.random.default_rng(7).uniform(size=(5, 8))
    snn = bionet.convert(net.double(), "tdsnn", images, leak=6 * ms)
    reference = bionet.simulate(snn, images, device="numpy")
    run = bionet.simulate(snn, images, device="cython", lanes=2, pipelined=True)
    assert run.parameters["schedule"]["period"] < run.n_steps
    assert_same_spikes(run, reference)
