"""build: real Brian2 objects with readable names, for anything that simulate does not do."""

import brian2
import numpy as np
import pytest
from brian2 import Hz, ms

import bionet
from bionet.brian.channel_last import torch_index
from bionet.brian.synapses import SharedSynapses
from bionet.errors import InputError
from bionet.running.build import build
from bionet.running.simulate import simulate

pytestmark = pytest.mark.usefixtures("numpy_target")


@pytest.fixture
def built(tiny, tiny_images):
    return build(tiny, tiny_images[:2], 20 * ms)


def test_objects_have_readable_names(built):
    network, groups = built
    assert isinstance(network, brian2.Network)
    expected = {"input", "conv", "output", "readout", "presentation"}
    expected |= {"conv_synapses", "output_synapses", "readout_synapses"}
    expected |= {"conv_spikes", "output_spikes"}
    assert expected <= groups.keys()
    for name, group in groups.items():
        assert group.name == name
        assert group in network.objects
    assert isinstance(groups["conv_synapses"], SharedSynapses)


def test_groups_have_the_equations_of_their_models(built, tiny):
    _, groups = built
    for population in tiny.populations:
        group = groups[population.name]
        assert isinstance(group, brian2.NeuronGroup)
        assert len(group) == 2 * population.size
        for name, equation in population.model.brian().items():
            mine = group.user_equations[name]
            assert (mine.type, mine.dim, mine.expr) == (equation.type, equation.dim, equation.expr)
    assert groups["conv"].events == {"spike": "v >= theta"}
    assert groups["conv"].event_codes == {"spike": "v -= theta"}


def test_a_run_gives_the_spikes_of_simulate(built, tiny, tiny_images):
    network, groups = built
    monitors = {name: brian2.SpikeMonitor(groups[name]) for name in ("conv", "output")}
    network.add(*monitors.values())
    network.run(20 * ms)
    run = simulate(tiny, tiny_images[:2], 20 * ms, device="numpy", dtype="float64")
    for name, monitor in monitors.items():
        shape = tiny.shape(name)
        for image in range(2):
            mine = np.asarray(monitor.count).reshape(2, -1)[image]
            # Lane after lane, channel-last in each.
            expected = run.counts[name][image].reshape(shape)
            expected = np.moveaxis(expected, 0, -1) if len(shape) == 3 else expected
            np.testing.assert_array_equal(mine, expected.reshape(-1))


def test_spike_monitors_keep_their_counts(built, tiny, tiny_images):
    """After one presentation ``conv_spikes.count`` holds the spikes of that presentation."""
    network, groups = built
    network.run(20 * ms)
    run = simulate(tiny, tiny_images[:2], 20 * ms, device="numpy", dtype="float64")
    assert run.counts["conv"].sum() > 0
    assert groups["conv_spikes"].count[:].sum() == run.counts["conv"].sum(dtype=int)


def test_a_user_can_add_a_monitor_and_run_step_by_step(built):
    network, groups = built
    monitor = brian2.StateMonitor(groups["conv"], "v", record=[0, 5], when="end")
    network.add(monitor)
    for _ in range(4):
        network.run(5 * ms)
    assert monitor.v.shape == (2, 20)
    assert monitor.v[:].any()


def test_images_are_presented_again_from_the_start(built):
    network, groups = built
    monitor = brian2.StateMonitor(groups["readout"], "v", record=True, when="end")
    network.add(monitor)
    network.run(60 * ms)
    v = monitor.v[:].reshape(-1, 3, 20)
    np.testing.assert_array_equal(v[:, 1], v[:, 0])
    np.testing.assert_array_equal(v[:, 2], v[:, 0])
    assert (v[:, 0, -1] != v[:, 1, 0]).all()


def test_layers_are_synchronous(built):
    """A spike of the input reaches the last layer within its step."""
    network, groups = built
    slots = network.schedule
    for before, after in (("conv", "output"), ("output", "readout")):
        assert slots.index(f"reset_{before}") < slots.index(f"deliver_{after}")
    assert slots.index("deliver_conv") < slots.index("threshold_conv") < slots.index("reset_conv")


def test_record_makes_monitors(tiny, tiny_images):
    record = {"conv": ["spikes", "v"], "output": {"v": [2, 0]}}
    network, groups = build(tiny, tiny_images[:2], 20 * ms, record=record)
    network.run(20 * ms)
    run = simulate(tiny, tiny_images[:2], 20 * ms, device="numpy", dtype="float64", record=record)
    assert groups["conv_potentials"].v.shape == (24, 20)
    v = groups["output_potentials"].v[:].reshape(2, 2, 20)
    for image in range(2):
        np.testing.assert_array_equal(v[image].T, run.potential("output", image))
    assert groups["conv_spikes"].num_spikes == run.counts["conv"].sum(dtype=int)


def test_spiking_codings_can_be_built(tiny, tiny_images):
    options = {"coding": "poisson", "max_rate": 500 * Hz, "seed": 2}
    network, groups = build(tiny, tiny_images[:2], 30 * ms, **options)
    spikes = brian2.SpikeMonitor(groups["input"], name="my_spikes")
    network.add(spikes)
    network.run(30 * ms)
    run = simulate(tiny, tiny_images[:2], 30 * ms, device="numpy", dtype="float64", **options)
    assert spikes.num_spikes == run.counts["input"].sum(dtype=int) > 0


def test_bad_input_is_refused(tiny, tiny_images):
    with pytest.raises(InputError, match="images must have the shape"):
        build(tiny, tiny_images[0])
    with pytest.raises(InputError, match="dt .* must not be larger than the duration"):
        build(tiny, tiny_images, 1 * ms, 2 * ms)


def test_the_function_is_public():
    assert bionet.build is build
    assert bionet.simulate is simulate


def test_another_device_is_refused_instead_of_seeing_no_image(tiny, monkeypatch):
    from brian2.devices.device import Device

    monkeypatch.setattr("bionet.running.build.get_device", Device)
    with pytest.raises(InputError, match="runtime device and for cpp_standalone, but another"):
        bionet.build(tiny, np.zeros((1, *tiny.input_shape)))


@pytest.mark.devices
def test_a_program_of_one_s_own_gives_the_spikes_of_simulate(tiny, tiny_images, tmp_path):
    """Two of three images side by side would be batches; here all, and again from the start."""
    options = {"coding": "poisson", "record": {"conv": ["spikes"]}}
    want = bionet.simulate(tiny, tiny_images[:3], 10 * ms, 1 * ms, device="numpy", dtype="float64",
                           **options)  # fmt: skip
    name = "codegen.cpp.extra_compile_args_gcc"
    before = brian2.prefs[name]
    brian2.set_device("cpp_standalone", build_on_run=False, directory=str(tmp_path / "program"))
    try:
        brian2.prefs[name] = ["-O2", "-ffp-contract=off"]
        network, groups = bionet.build(tiny, tiny_images[:3], 10 * ms, 1 * ms, **options)
        network.run(20 * ms, namespace={})
        brian2.device.build(directory=str(tmp_path / "program"), with_output=False)
        monitor = groups["conv_spikes"]
        step, index = np.rint(np.asarray(monitor.t / ms)).astype(int), np.asarray(monitor.i)
    finally:
        brian2.prefs[name] = before
        brian2.device.reinit()
        brian2.set_device("runtime")
    size = tiny.population("conv").size
    order = torch_index(tiny.shape("conv"))
    for start in (0, 10):
        shown = (step >= start) & (step < start + 10)
        rows = zip(
            index[shown] // size, step[shown] - start, order[index[shown] % size], strict=True
        )
        assert sorted(rows) == sorted(map(tuple, want.recorded_spikes["conv"]))
