"""simulate: presentations, delays, order of units, and what it refuses."""

import tempfile
from dataclasses import replace

import numpy as np
import pytest
from brian2 import DimensionMismatchError, Hz, ms, mV, nA, second
from brian2.core.variables import ArrayVariable

import bionet
import bionet.running.memory
from bionet.equations import NeuronModel, integrate_and_fire, integrator
from bionet.errors import InputError
from bionet.network import Population, Projection, Readout, Simulation, SpikingNetwork
from bionet.network.kernels import AveragePool2d, Conv2d, Dense
from bionet.running.arguments import make_plan
from bionet.running.simulate import simulate

HERE = {"device": "numpy", "dtype": "float64"}


def test_the_order_of_images_does_not_matter(tiny, tiny_images):
    order = np.array([3, 0, 4, 1, 2])
    run = simulate(tiny, tiny_images, 20 * ms, lanes=2, **HERE)
    shuffled = simulate(tiny, tiny_images[order], 20 * ms, lanes=3, **HERE)
    for name, counts in run.counts.items():
        np.testing.assert_array_equal(shuffled.counts[name], counts[order])
    np.testing.assert_array_equal(shuffled.output_potential, run.output_potential[order])
    np.testing.assert_array_equal(shuffled.output_spikes, run.output_spikes[order])


@pytest.mark.parametrize("coding", ["analog", "uniform"])
def test_a_presentation_leaves_nothing_behind(tiny, tiny_images, coding):
    """The same image again and again, every potential recorded, after a delay in every layer."""
    delayed = [replace(q, delay=2) for q in tiny.projections]
    snn = replace(tiny, projections=delayed, coding=coding)
    record = {name: ["spikes", "v"] for name in ("conv", "output")}
    bright = np.ones_like(tiny_images[:1])
    images = np.concatenate([tiny_images[:1], bright, tiny_images[:1], tiny_images[:1]])
    run = simulate(snn, images, 15 * ms, lanes=1, record=record, **HERE)
    for again in (2, 3):
        for name in record:
            np.testing.assert_array_equal(run.potential(name, again), run.potential(name, 0))
            for mine, theirs in zip(run.spikes(name, again), run.spikes(name, 0), strict=True):
                np.testing.assert_array_equal(mine, theirs)
    assert (run.output_potential[1] != run.output_potential[0]).any()
    alone = simulate(snn, bright, 15 * ms, lanes=1, record=record, **HERE)
    np.testing.assert_array_equal(run.potential("output", 1), alone.potential("output"))


@pytest.mark.parametrize("lanes", [1, 2, 4, 5, 64])
def test_incomplete_batches_of_lanes(tiny, tiny_images, lanes):
    options = {"record": {"conv": ["spikes", "v"]}, "final_potentials": True, **HERE}
    run = simulate(tiny, tiny_images, 12 * ms, lanes=lanes, **options)
    assert run.n_images == 5 and run.n_steps == 12
    for image in range(5):
        alone = simulate(tiny, tiny_images[image : image + 1], 12 * ms, **options)
        np.testing.assert_array_equal(run.counts["conv"][image], alone.counts["conv"][0])
        np.testing.assert_array_equal(run.output_potential[image], alone.output_potential[0])
        np.testing.assert_array_equal(run.potential("conv", image), alone.potential("conv"))


@pytest.mark.parametrize("delay", [0, 1, 2, 5, 30])
def test_spikes_arrive_exactly_a_delay_later(delay):
    """A unit that fires in steps 3, 7, 11, ...: what it has sent by step t is what it fired by
    t - delay, whatever the presentation before has left in the queue."""
    snn = SpikingNetwork(
        (Population("pacer", (1,), integrate_and_fire()), Population("sink", (1,), integrator())),
        (
            Projection("input", "pacer", Dense([[0.25]])),
            Projection("pacer", "sink", Dense([[-2.0]]), delay=delay),
        ),
        (1,),
        Readout("pacer", "sink"),
    )
    run = simulate(snn, np.ones((3, 1)), 16 * ms, lanes=1, record={"pacer": "spikes"}, **HERE)
    steps = np.arange(16)
    for image in range(3):
        np.testing.assert_array_equal(run.spikes("pacer", image).step, [3, 7, 11, 15])
        arrived = np.maximum(steps - delay + 1, 0) // 4
        np.testing.assert_array_equal(run.output_potential[image, :, 0], -2.0 * arrived)


@pytest.mark.parametrize("coding", ["uniform", "analog"])
def test_raising_and_lowering_pathways_add_up(tiny, tiny_images, coding):
    """An integrator behind both pathways of a signed input has what one whole pathway gives."""
    kernel = tiny.projections[0].kernel
    sums = {}
    for signs in ((0,), (1,), (-1,), (1, -1)):
        snn = SpikingNetwork(
            (Population("a", (2, 3, 2), integrator()), Population("b", (1,), integrate_and_fire())),
            [Projection("input", "a", kernel, sign=sign) for sign in signs],
            (2, 4, 3),
            Readout("b", "a"),
            simulation=Simulation(signed_input=True),
        )
        run = simulate(snn, tiny_images * 2 - 1, 20 * ms, coding=coding, **HERE)
        sums[signs] = run.output_potential
    assert (np.diff(sums[1,], axis=1) >= 0).all() and (np.diff(sums[-1,], axis=1) <= 0).all()
    np.testing.assert_allclose(sums[1,] + sums[-1,], sums[0,], rtol=0, atol=1e-12)
    np.testing.assert_allclose(sums[1, -1], sums[0,], rtol=0, atol=1e-12)


def test_a_pathway_can_lower_before_it_raises():
    """Delays T for what lowers and 2T for what raises (Zhang et al. 2019, fold)."""
    kernel = Dense(np.array([[1.0, -1.0]]))
    snn = SpikingNetwork(
        (Population("a", (1,), integrator()), Population("b", (1,), integrate_and_fire())),
        (
            Projection("input", "a", kernel, sign=-1, delay=4),
            Projection("input", "a", kernel, sign=1, delay=8),
        ),
        (2,),
        Readout("b", "a"),
        coding="uniform",
    )
    v = simulate(snn, np.ones((1, 2)), 12 * ms, **HERE).output_potential[0, :, 0]
    np.testing.assert_array_equal(v, [0, 0, 0, 0, -1, -2, -3, -4, -4, -4, -4, -4])


@pytest.mark.parametrize("before", ["conv", "pool", "input"])
def test_flatten_keeps_pytorchs_order(before, torch_kernel):
    """A dense layer after (channels, height, width): row-major order of the units, as torch."""
    rng = np.random.default_rng(1)
    shape = {"conv": (7, 2, 5), "pool": (7, 1, 3), "input": (3, 4, 7)}[before]
    conv = Conv2d(rng.uniform(-0.1, 0.3, (7, 3, 3, 3)))
    dense = Dense(rng.normal(size=(4, np.prod(shape))))
    populations = [Population("conv", (7, 2, 5), integrate_and_fire(threshold=8.0))]
    projections = [Projection("input", "conv", conv)]
    if before == "pool":
        populations.append(Population("pool", shape, integrate_and_fire(threshold=0.7)))
        projections.append(Projection("conv", "pool", AveragePool2d((2, 1), (2, 2))))
    populations.append(Population("readout", (4,), integrator()))
    projections.append(Projection(before, "readout", dense))
    snn = SpikingNetwork(populations, projections, (3, 4, 7), Readout("conv", "readout"))
    images = rng.uniform(size=(2, 3, 4, 7))
    run = simulate(snn, images, 25 * ms, **HERE)
    sent = images * 25 if before == "input" else run.counts[before].astype(float)
    assert len(np.unique(sent[0])) > 3
    np.testing.assert_allclose(
        run.output_potential[:, -1], torch_kernel(dense, sent), rtol=1e-9, atol=1e-9
    )


def test_the_readout_is_in_pytorchs_order_too():
    """An output of shape (channels, height, width) is flattened as torch does."""
    populations = (Population("a", (2, 3, 2), integrator()),)
    populations += (Population("b", (2, 3, 2), integrate_and_fire()),)
    kernel = Conv2d(np.ones((2, 2, 1, 1)) * np.eye(2)[..., None, None])
    projections = [Projection("input", name, kernel) for name in ("a", "b")]
    snn = SpikingNetwork(populations, projections, (2, 3, 2), Readout("b", "a"))
    images = np.random.default_rng(0).uniform(size=(1, 2, 3, 2))
    run = simulate(snn, images, 9 * ms, **HERE)
    np.testing.assert_allclose(run.output_potential[0, -1], 9 * images.reshape(-1), rtol=1e-12)
    counts = run.output_spikes.sum(axis=1).reshape(run.counts["b"].shape)
    np.testing.assert_array_equal(counts, run.counts["b"])


def test_counts_are_as_narrow_as_the_steps_allow(tiny, tiny_images):
    bright = tiny_images[:1] * 100
    for steps, dtype in ((255, np.uint8), (256, np.uint16)):
        run = simulate(tiny, bright, steps * ms, **HERE)
        assert run.counts["conv"].dtype == dtype
        assert run.counts["conv"].max() == steps


def test_images_may_be_integers_or_narrow_floats(tiny, tiny_images):
    images = (tiny_images > 0.5).astype(np.uint8)
    expected = simulate(tiny, images.astype(float), 10 * ms, **HERE)
    for dtype in (np.uint8, bool, np.int64, np.float16, np.float32):
        run = simulate(tiny, images.astype(dtype), 10 * ms, **HERE)
        np.testing.assert_array_equal(run.output_potential, expected.output_potential)


def test_arguments_are_left_alone(tiny, tiny_images):
    images, before = tiny_images.copy(), tiny.hash()
    simulate(tiny, images, 5 * ms, **HERE)
    np.testing.assert_array_equal(images, tiny_images)
    assert tiny.hash() == before


NAN = np.full((1, 2, 4, 3), np.nan)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.ones((5, 2, 3, 4))}, r"shape \(n_images, 2, 4, 3\), but have \(5, 2, 3, 4"),
        ({"images": np.ones((2, 4, 3))}, r"but have \(2, 4, 3\)"),
        ({"images": np.ones((0, 2, 4, 3))}, "images is empty"),
        ({"images": np.full((1, 2, 4, 3), "a")}, "images must be an array of numbers"),
        ({"images": NAN}, "image 0 holds NaN or infinity"),
        ({"images": np.full((1, 2, 4, 3), np.inf)}, "image 0 holds NaN or infinity"),
        ({"images": np.full((1, 2, 4, 3), 1.5), "coding": "poisson"}, "poisson .* between 0 and 1"),
        ({"images": np.full((1, 2, 4, 3), -0.5), "coding": "uniform"}, "lie between -0.5 and -0.5"),
        ({"duration": -5 * ms}, "duration must be positive, but is -5"),
        ({"duration": 0 * ms}, "duration must be positive"),
        ({"duration": np.inf * second}, "duration"),
        ({"duration": np.nan * second}, "duration must be positive"),
        ({"dt": 0 * ms}, "dt must be positive"),
        ({"dt": -1 * ms}, "dt must be positive"),
        ({"dt": 20 * ms}, r"dt \(20. ms\) must not be larger than the duration \(10. ms\)"),
        ({"dt": 3 * ms}, r"duration \(10. ms\) must be a multiple of dt \(3. ms\)"),
        ({"coding": "burst"}, "unknown input coding 'burst'; known are analog, poisson, uniform"),
        ({"device": "cuda"}, "unknown device 'cuda'; known are cpp_standalone, cython, numpy"),
        ({"readout": "softmax"}, "unknown readout 'softmax'; known are MP, MS, FS"),
        ({"dtype": "float16"}, "dtype is 'float32' or 'float64', but got 'float16'"),
        ({"lanes": 0}, "lanes must be a whole number >= 1, but is 0"),
        ({"lanes": 2.5}, "lanes must be a whole number or None, but is 2.5"),
        ({"threads": 2}, "expected no threads, .* give processes=N"),
        ({"processes": 0, "device": "cpp_standalone"}, "processes must be a whole number >= 1"),
        ({"seed": -1}, "seed must be a whole number from 0 to"),
        ({"coding": "poisson", "max_rate": 2000 * Hz}, "gives 2 spikes a step, .* at most 1000 Hz"),
        ({"coding": "poisson", "max_rate": 0 * Hz}, "max_rate must be positive"),
        ({"record": {"conv9": "v"}}, "no population is called 'conv9'; there are conv, output, r"),
        ({"record": {"conv": ["w"]}}, r"record\['conv'\] takes 'spikes', 'v', but got 'w'"),
        ({"record": {"input": ["v"]}}, r"record\['input'\] takes 'spikes', but got 'v'"),
        ({"record": {"input": ["spikes"]}}, "input"),
        ({"record": {"readout": ["spikes"]}}, "'readout' never fires"),
        ({"record": {"conv": {"v": [0, 12]}}}, "there is no unit 12; units are 0 to 11"),
        ({"record": {"conv": {"v": [-1]}}}, "there is no unit -1"),
        ({"record": {"conv": {"v": []}}}, r"record\['conv'\]"),
        ({"record": {"conv": "v"}, "record_images": [5]}, "record_images must name .* from 0 to 4"),
        ({"record": {"conv": "v"}, "record_images": []}, "record_images must name images"),
    ],
)
def test_bad_input_is_refused_in_one_line(tiny, tiny_images, changes, message):
    arguments = {"images": tiny_images, "duration": 10 * ms, "dt": 1 * ms, **HERE}
    with pytest.raises(InputError, match=message) as caught:
        simulate(tiny, **arguments | changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["duration", "dt"])
@pytest.mark.parametrize("value", [10, 10 * mV])
def test_a_time_without_its_unit_is_refused(tiny, tiny_images, name, value):
    with pytest.raises(DimensionMismatchError, match=f"unit second for argument '{name}'"):
        simulate(tiny, tiny_images, **{name: value}, **HERE)


def test_a_rate_without_its_unit_is_refused(tiny, tiny_images):
    with pytest.raises(DimensionMismatchError, match="argument 'max_rate'"):
        simulate(tiny, tiny_images, coding="poisson", max_rate=100, **HERE)


def test_a_recording_that_cannot_fit_is_refused(tiny, tiny_images, monkeypatch):
    monkeypatch.setattr(bionet.running.memory, "available_memory", lambda: 20_000)
    with pytest.raises(
        InputError, match=r"about .* MB, but 20 kB .* potentials of conv .*: record"
    ):
        simulate(tiny, tiny_images, 1 * second, record={"conv": "v"}, **HERE)
    simulate(tiny, tiny_images, 10 * ms, **HERE)
    lanes = {"device": "cython", "lanes": 1000}
    with pytest.raises(InputError, match=r"largest part is state of .* take fewer lanes .now"):
        simulate(tiny, tiny_images, 10 * ms, **lanes)
    lanes = {"lanes": 1000, "processes": 3}
    with pytest.raises(InputError, match=r"fewer lanes .now 1000. and fewer processes .now 3."):
        simulate(tiny, tiny_images, 10 * ms, **lanes)
    many = np.repeat(tiny_images, 2000, axis=0)
    with pytest.raises(InputError, match=r"simulate fewer images at a time .now 10000"):
        simulate(tiny, many, 10 * ms, **HERE)
    monkeypatch.setattr(bionet.running.memory, "available_memory", lambda: 500)
    with pytest.raises(InputError, match=r"largest part is weights .* machine with more memory"):
        simulate(tiny, tiny_images[:1], 1 * ms, **HERE)


@pytest.mark.parametrize(
    "synapse", [None, bionet.synapse.conductance(0 * mV, -80 * mV, 5 * ms, 5 * ms)]
)
def test_the_estimate_of_memory_covers_the_state(synapse):
    """What Brian2's groups hold is what was estimated before."""
    model = bionet.equations.adex() if synapse is None else synapse.on(bionet.equations.adex())
    base = Population("cells", (500,), model, {"I": np.linspace(0, 1, 500) * nA})
    read = Population("readout", (2,), bionet.equations.integrator())
    silent = Projection("input", "readout", Dense(np.zeros((2, 1))))
    snn = SpikingNetwork((base, read), (silent,), (1,), Readout("cells", "readout"))
    _, groups = bionet.build(snn, np.zeros((3, 1)), 5 * ms, 1 * ms, dtype="float64")
    variables = groups["cells"].variables.values()
    held = sum(v.get_value().nbytes for v in variables if isinstance(v, ArrayVariable))
    plan = make_plan(
        snn, duration=5 * ms, dt=1 * ms, coding=None, max_rate=None, lanes=3, dtype="float64",
        record=None,
    )  # fmt: skip
    state = bionet.running.memory.estimate(snn, plan, 3, 0)["state of cells"]
    assert 0.9 * held <= state <= 1.5 * held


@pytest.mark.parametrize(
    "delayed", [{"delay": 40}, {"delay": 40 * ms}, {"delay": 5 * ms, "jitter": 2 * ms}]
)
def test_the_estimate_of_memory_covers_the_queue(delayed):
    """A delay of steps takes what the same delay as a time takes: what the synapses hold."""
    cells = Population("cells", (5000,), integrate_and_fire())
    read = Population("readout", (2,), bionet.equations.integrator())
    wires = Projection("input", "cells", Dense(np.zeros((5000, 1))))
    out = Projection("cells", "readout", Dense(np.zeros((2, 5000))))
    totals = []
    for projection in (out, replace(out, **delayed)):
        snn = SpikingNetwork((cells, read), (wires, projection), (1,), Readout("cells", "readout"))
        plan = make_plan(
            snn, duration=50 * ms, dt=1 * ms, coding=None, max_rate=None, lanes=3,
            dtype="float32", record=None,
        )  # fmt: skip
        totals.append(bionet.running.memory.estimate(snn, plan, 3, 0)["state of cells"])
    _, groups = bionet.build(snn, np.zeros((3, 1)), 50 * ms, 1 * ms)
    queue = groups["readout_synapses"].variables
    held = sum(queue[name].get_value().nbytes for name in ("_waiting", "_delays", "_due"))
    assert 0.9 * held <= totals[1] - totals[0] <= 1.5 * held


def test_the_estimate_of_memory_covers_the_recording(tiny, tiny_images):
    """What stays in memory at the end is no more than what was estimated before."""
    record = {"conv": ["spikes", "v"], "readout": "v"}
    run = simulate(tiny, tiny_images, 40 * ms, record=record, final_potentials=True, **HERE)
    plan = make_plan(
        tiny, duration=40 * ms, dt=1 * ms, coding=None, max_rate=None, lanes=5,
        dtype="float64", record=record, final_potentials=("conv", "output", "readout"),
    )  # fmt: skip
    parts = bionet.running.memory.estimate(tiny, plan, 5, 5)
    kept = {
        "spike counts": sum(a.nbytes for a in run.counts.values()),
        "readout": run.output_potential.nbytes + run.output_spikes.nbytes,
        "potentials of conv": run.recorded_potentials["conv"].nbytes,
        "potentials of readout": run.recorded_potentials["readout"].nbytes,
        "final potentials of conv": run.final_potentials["conv"].nbytes,
    }
    for name, size in kept.items():
        assert size <= parts[name] <= 6 * size + 100, name
    assert "spikes of conv" in parts


def test_a_forecast_says_what_a_simulation_takes(tiny, tiny_images):
    same = {"record": {"conv": ["v"]}, "record_images": [1]} | HERE
    told = bionet.forecast(tiny, tiny_images, 40 * ms, lanes=2, seed=3, **same)
    assert (told.images, told.steps, told.lanes, told.processes) == (5, 40, 2, 1)
    # Every image once, with monitors or without; one state variable in each unit.
    assert told.seconds == pytest.approx(tiny.n_units * 40 * 5 / 2e6)
    assert told.compile_seconds == 0
    assert told.total == sum(told.memory.values()) > told.memory["potentials of conv"] > 0
    assert "5 images, 40 steps, 2 side by side" in str(told)
    assert "time: about 0.0018 s, and 0 s to compile" in str(told)
    slower = bionet.forecast(tiny, tiny_images, 40 * ms, lanes=1777)
    assert slower.compile_seconds > 0
    with pytest.raises(InputError, match="unknown device 'gpu'"):
        bionet.forecast(tiny, tiny_images, device="gpu")


def test_analog_input_needs_a_drive():
    """A model without I cannot take a constant current: refused by the name of the population."""
    model = NeuronModel("no drive", "dv/dt = -v/(10*ms) : 1", "v > 1", "v = 0", method="exact")
    snn = SpikingNetwork(
        (Population("a", (1,), model),),
        (Projection("input", "a", Dense([[1.0]])),),
        (1,),
        Readout("a", "a"),
    )
    with pytest.raises(InputError, match="input->a: model 'no drive' has no constant current"):
        simulate(snn, np.ones((1, 1)), 5 * ms, **HERE)
    run = simulate(snn, np.ones((1, 1)), 5 * ms, coding="uniform", **HERE)
    assert run.output_potential[0, 0, 0] == 1.0


def test_a_refusal_leaves_no_folder_behind(tiny, tiny_images, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(InputError):
        simulate(tiny, tiny_images, 10 * ms, lanes=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"duration": [10, 20] * ms}, r"duration: expected one value, got 2; .*inputs\.static"),
        ({"duration": 10 * ms, "dt": [1, 2] * ms}, "dt: expected one value, got 2"),
        ({"coding": "poisson", "max_rate": [1, 2] * Hz}, "max_rate: expected one value, got 2"),
    ],
)
def test_several_quantities_where_one_is_meant_are_refused(tiny, tiny_images, options, message):
    with pytest.raises(InputError, match=message):
        simulate(tiny, tiny_images, **options, **HERE)


def test_progress_counts_on_from_one_part_of_the_images_to_the_next(tiny, tiny_images, monkeypatch):
    """Recorded images run after the others: the number that is shown never falls."""
    shown = []
    monkeypatch.setattr("bionet.progress.Log.update", lambda _, done: shown.append(done))
    simulate(tiny, tiny_images, 10 * ms, lanes=1, record={"conv": ["spikes"]},
             record_images=[1, 3], progress=True, **HERE)  # fmt: skip
    assert shown == sorted(shown)
    assert shown[-1] == len(tiny_images)


def test_the_interpreted_devices_count_spikes_beyond_what_waits(tiny, tiny_images, monkeypatch):
    """Counted at every step or at the end of a presentation: the same."""
    run = simulate(tiny, tiny_images, 20 * ms, lanes=2, **HERE)
    monkeypatch.setattr("bionet.brian.presentation.MOST_UNCOUNTED", 0)
    at_once = simulate(tiny, tiny_images, 20 * ms, lanes=2, **HERE)
    for name, counts in run.counts.items():
        assert counts.any()
        np.testing.assert_array_equal(at_once.counts[name], counts)
