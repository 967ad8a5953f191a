"""An ejected script runs without BioNet and gives every spike of ``bionet.simulate``."""

import os
import subprocess
import sys
from dataclasses import replace

import brian2
import numpy as np
import pytest
import torch
from brian2 import Hz, ms, mV, nA, nS, pA
from torch import nn

import bionet
from bionet import cli
from bionet.equations import (
    adex,
    integrate_and_fire,
    integrator,
    leaky_integrate_and_fire,
    lif,
)
from bionet.errors import InputError
from bionet.network import Population, Projection, Readout, Simulation, SpikingNetwork
from bionet.network.kernels import Dense, Kernel, OneToOne
from bionet.perturbations import CurrentNoise, MembraneNoise
from bionet.running.eject_parts import number

STEPS = 25
# Every script in one process, in which importing bionet fails.
RUNNER = """
import runpy, sys
sys.modules["bionet"] = None
for script, image, spikes in zip(*[iter(sys.argv[1:])] * 3):
    sys.argv = [script, "--image", image, "--spikes", spikes]
    runpy.run_path(script, run_name="__main__")
"""


def limited():
    """Refractory period, floor, leak, reset to zero; parameters of single units; odd names."""
    rng = np.random.default_rng(8)
    slow = leaky_integrate_and_fire(15 * ms, floor=-0.5, refractory=2 * ms)
    zero = integrate_and_fire("zero", threshold=0.8)
    refractory = integrate_and_fire(floor=-1.0, refractory=3 * ms)
    populations = (
        Population("lambda", (12,), slow, {"theta": rng.uniform(0.5, 1.5, 12), "I": 0.2}),
        Population("order", (2, 3, 2), zero, {"I": rng.normal(0, 0.2, (2, 1, 1))}),
        Population("step", (4,), refractory, {"t_ref": np.array([1, 2, 3, 4]) * ms}),
        Population("readout", (4,), integrator()),
    )
    dense = Dense(rng.normal(0.1, 0.5, (4, 12)))
    projections = (
        Projection("input", "lambda", Dense(rng.normal(0.1, 0.4, (12, 6)))),
        Projection("lambda", "order", Dense(rng.normal(0.1, 0.5, (12, 12)))),
        Projection("step", "order", Dense(rng.normal(0, 0.5, (12, 4))), delay=1),
        Projection("order", "order", OneToOne(-0.3), delay=3),
        Projection("order", "step", dense),
        Projection("order", "readout", dense),
    )
    return SpikingNetwork(populations, projections, (6,), Readout("step", "readout"))


def in_volts():
    """Exponential currents and conductances, with gains, refractory periods, a delay."""
    rng = np.random.default_rng(4)
    currents = bionet.synapse.exponential(5 * ms).on(lif(t_ref=2 * ms))
    opened = bionet.synapse.conductance(0 * mV, -80 * mV, 5 * ms, 10 * ms).on(adex())
    populations = (
        Population("first", (8,), currents, {"I": rng.uniform(50, 250, 8) * pA}),
        Population("second", (5,), opened, {"I": 900 * pA}),
        Population("output", (3,), integrate_and_fire()),
        Population("readout", (3,), integrator()),
    )
    weights = rng.normal(0, 1, (5, 8))
    dense = Dense(rng.normal(0.3, 0.5, (3, 5)))
    projections = (
        Projection("input", "first", Dense(rng.normal(0.5, 0.5, (8, 6))), gain=0.2 * nA),
        Projection("first", "second", Dense(weights.clip(0)), sign=1, gain=20 * nS, delay=2),
        Projection("first", "second", Dense(weights.clip(None, 0)), sign=-1, gain=5 * nS),
        Projection("second", "output", dense),
        Projection("second", "readout", dense),
    )
    return SpikingNetwork(populations, projections, (6,), Readout("output", "readout"))


def folded():
    """DSNN-fold of a small network, with pixels below 0."""
    torch.manual_seed(1)  # the module's fixtures are made before those of a test
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, bias=False), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(36, 4, bias=False),
    )  # fmt: skip
    return bionet.convert(
        net, method="dsnn", input_shape=(2, 8, 6), sigma=0.2, fold=True,
        max_rate=200 * Hz, duration=30 * ms,
    )  # fmt: skip


def noisy():
    return bionet.NeuronModel(
        "noisy", "dv/dt = I/dt + sigma*xi/ms**0.5 : 1\nI : 1 (constant)\ntheta : 1 (constant)\n"
        "sigma : 1 (constant)", "v >= theta + 0.1*rand_shared()", "v -= theta",
        parameters={"I": 0.2, "theta": 1.0, "sigma": 0.2}, method="euler",
    )  # fmt: skip


def with_noise():
    """Coloured currents, common to the cells in part, white noise, failures, delays that differ."""
    travels = [{"delay": 3 * ms, "delay_spread": 2 * ms}, {"delay": 1 * ms, "delay_spread": ms}]
    snn = in_volts()
    queued = {1: travels[0], 2: travels[0], 3: travels[1]}
    projections = [replace(q, **queued.get(k, {})) for k, q in enumerate(snn.projections)]
    back = Projection("output", "output", OneToOne(-0.3), **travels[1] | {"delay": 4 * ms})
    snn = replace(snn, projections=(*projections, back))
    snn = snn.with_population("output", model=noisy())
    current = CurrentNoise(40 * pA, populations=("first", "second"), shared=0.3)
    return bionet.perturb(snn, [current, MembraneNoise(0.02, populations=("first",))], seed=2)


@pytest.fixture(scope="module")
def cases(four_layers, four_layer_images):
    rng = np.random.default_rng(2)
    signed = rng.uniform(-1, 1, (2, 2, 8, 6)).astype(np.float32)
    delays = {"conv2": 2, "output": 1}
    projections = [replace(q, delay=delays.get(q.target, 0)) for q in four_layers.projections]
    delayed = replace(four_layers, projections=projections)
    # An analog input gives the mean of the trains that the thresholds are for.
    own = Simulation(duration=0.04, dt=0.001, max_rate=700.0, gain=1.0)
    trained = replace(four_layers, simulation=own)
    images = four_layer_images[:2]
    return {
        "analog": (four_layers, images, {}),
        "narrow": (trained, images, {"dtype": "float32"}),
        "poisson": (delayed, images, {"coding": "poisson", "max_rate": 600 * Hz, "seed": 3}),
        "uniform": (delayed, images, {"coding": "uniform", "dtype": "float32"}),
        "limited": (limited(), rng.uniform(size=(2, 6)), {}),
        "half_steps": (limited(), rng.uniform(size=(2, 6)), {"dt": 0.5 * ms}),
        "volts": (in_volts(), rng.uniform(size=(2, 6)), {"dt": 0.5 * ms, "duration": 60 * ms}),
        "noise": (with_noise(), rng.uniform(size=(2, 6)), {"dt": 0.5 * ms, "duration": 60 * ms}),
        "fold": (folded(), signed, {"duration": 150 * ms}),
    }


@pytest.fixture(scope="module")
def ejected(cases, tmp_path_factory):
    """Spikes of image 1 from every script, by case."""
    folder = tmp_path_factory.mktemp("eject")
    arguments = []
    torch_seed = np.random.get_state()
    for name, (snn, images, options) in cases.items():
        files = bionet.eject(snn, folder / f"{name}.py", images, **own_times(options))
        assert [file.suffix for file in files] == [".py", ".npz"]
        arguments += [str(files[0]), "1", str(folder / f"{name}_spikes.npz")]
    np.random.set_state(torch_seed)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, done


def own_times(options):
    dt = options.get("dt", 1 * ms)
    return {"duration": STEPS * dt, "dt": dt} | options


NAMES = (
    "analog",
    "narrow",
    "poisson",
    "uniform",
    "limited",
    "half_steps",
    "volts",
    "noise",
    "fold",
)


@pytest.mark.parametrize("name", NAMES)
def test_every_spike_is_that_of_bionet(name, cases, ejected):
    snn, images, options = cases[name]
    fires = [p.name for p in snn.populations if p.model.threshold is not None]
    fires += ["input"] if options.get("coding", snn.coding) != "analog" else []
    run = bionet.simulate(
        snn, images, device="numpy", record={name: "spikes" for name in fires},
        **{"dtype": "float64"} | own_times(options),
    )  # fmt: skip
    with np.load(ejected[0] / f"{name}_spikes.npz", allow_pickle=False) as found:
        assert set(found) == set(fires)
        for population in fires:
            spikes = run.spikes(population, image=1)
            expected = np.stack([spikes.step, spikes.unit], axis=1)
            assert len(expected) > 5, population
            np.testing.assert_array_equal(found[population], expected, err_msg=population)


def test_the_script_prints_the_answers(cases, ejected):
    snn, images, _ = cases["analog"]
    run = bionet.simulate(snn, images, STEPS * ms, device="numpy", dtype="float64")
    lines = ejected[1].stdout.splitlines()
    potential = run.output_potential[1, -1].argmax()
    assert lines[4] == f"largest potential (MP): class {potential}"
    assert lines[5] == f"most spikes (MS): class {run.output_spikes[1].sum(axis=0).argmax()}"


def test_nothing_is_complained_about(ejected):
    assert "WARNING" not in ejected[1].stderr
    assert "Traceback" not in ejected[1].stderr


def test_the_scripts_read_well(ejected):
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "100"]
    done = subprocess.run([*command, str(ejected[0])], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for name in NAMES:
        text = (ejected[0] / f"{name}.py").read_text()
        assert "import bionet" not in text and "allow_pickle=False" in text
        assert max(map(len, text.splitlines())) <= 100, name


def test_what_a_script_says(ejected):
    text = (ejected[0] / "limited.py").read_text()
    assert "# order: 2 x 3 x 2 = 12 units, integrate-and-fire, reset to zero" in text
    assert "dv/dt = I/dt - v/tau : 1 (unless refractory)" in text or "dv/dt = -v/tau" in text
    assert "lambda_units.tau = 15 * ms" in text
    assert "# step -> order: all to all, 48 synapses" in text
    assert "delay=3 * defaultclock.dt" not in text  # back to itself: the next step comes anyway
    assert "delay=2 * defaultclock.dt" in text


def test_arrays_hold_every_synapse(four_layers, ejected):
    with np.load(ejected[0] / "analog.npz", allow_pickle=False) as arrays:
        n = sum(arrays[name].size for name in arrays if name.endswith("_w"))
        assert arrays["images"].shape == (2, 2, 9, 8)
    assert n == four_layers.n_synapses


def test_large_networks_are_refused_unless_forced(four_layers, tmp_path, monkeypatch):
    monkeypatch.setattr(bionet_eject(), "MAX_SYNAPSES", four_layers.n_synapses)
    assert bionet.eject(four_layers, tmp_path / "small.py")
    monkeypatch.setattr(bionet_eject(), "MAX_SYNAPSES", four_layers.n_synapses - 1)
    with pytest.raises(InputError, match="has 4,680 synapses.*above 4,679 give --force"):
        bionet.eject(four_layers, tmp_path / "large.py")
    assert not (tmp_path / "large.py").exists()
    assert bionet.eject(four_layers, tmp_path / "large.py", force=True)[0].is_file()


def graded():
    model = integrate_and_fire()
    return replace(
        model, equations=model.equations + "\no : 1", reset="o = v\nv -= theta", amplitude="o"
    )


class Own(Kernel):
    kind = "own"

    def target_shape(self, source):
        return source


@pytest.mark.parametrize(
    ("model", "kernel", "fields", "message"),
    [
        (
            graded,
            Dense(np.eye(3)),
            {"delay": 2 * ms, "delay_spread": ms},
            "delays spikes whose amplitude varies",
        ),
        (graded, Dense(np.eye(3)), {"delay": 2}, "delays spikes whose amplitude varies"),
        (integrate_and_fire, Own(), {}, "has the kernel 'own'"),
    ],
)
def test_what_plain_brian_cannot_repeat_is_refused(model, kernel, fields, message, tmp_path):
    cells = Population("cells", (3,), model())
    projection = Projection("cells", "readout", kernel, **fields)
    populations = (cells, Population("readout", (3,), integrator()))
    snn = SpikingNetwork(populations, (projection,), (2,), Readout("cells", "readout"))
    if isinstance(kernel, Own):
        object.__setattr__(kernel, "n_synapses", lambda source: 3)
    with pytest.raises(InputError, match=message):
        bionet.eject(snn, tmp_path / "script.py")


def test_a_delayed_analog_input_is_refused(tmp_path):
    populations = (
        Population("cells", (3,), integrate_and_fire()),
        Population("readout", (3,), integrator()),
    )
    projections = (
        Projection("input", "cells", Dense(np.eye(3)), delay=2),
        Projection("cells", "readout", Dense(np.eye(3))),
    )
    snn = SpikingNetwork(populations, projections, (3,), Readout("cells", "readout"))
    with pytest.raises(InputError, match="input->cells delays an analog input"):
        bionet.eject(snn, tmp_path / "script.py")


def test_a_field_that_the_script_does_not_know_is_refused(four_layers, tmp_path, monkeypatch):
    monkeypatch.setitem(bionet_eject().KNOWN_FIELDS, "Projection", "source target kernel")
    with pytest.raises(InputError, match="Projection 'pool->conv2' sets 'delay'"):
        delayed = [replace(q, delay=int(q.target == "conv2")) for q in four_layers.projections]
        bionet.eject(replace(four_layers, projections=delayed), tmp_path / "script.py")


def bionet_eject():
    import importlib

    return importlib.import_module("bionet.running.eject")


def test_the_name_ends_in_py(four_layers, tmp_path):
    with pytest.raises(InputError, match="ends in .py, such as script.py"):
        bionet.eject(four_layers, tmp_path / "script")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.02, "second", "20 * ms"),
        (0.0005, "second", "0.5 * ms"),
        (1 / 3e3, "second", "0.0003333333333333333 * second"),
        (100.0, "hertz", "100 * Hz"),
        (0.1, "1", "0.1"),
        (1 / 3, "1", "0.3333333333333333"),
    ],
)
def test_numbers_are_exact(value, unit, text):
    assert number(value, unit) == text
    units = {"ms": brian2.ms, "second": brian2.second, "Hz": brian2.Hz}
    assert float(eval(text, units)) == value


def test_the_command_writes_a_script_that_runs(four_layers, four_layer_images, tmp_path):
    snn = four_layers.save(tmp_path / "net.snn")
    data = tmp_path / "data.npz"
    np.savez(data, images=four_layer_images, labels=np.zeros(7, dtype=int))
    arguments = ["eject", str(snn), "--data", str(data), "--images", "2", "--duration", "10ms"]
    assert cli.main([*arguments, "--out", str(tmp_path / "out" / "net.py")]) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["net.npz", "net.py", "net.run.json"]
    with np.load(tmp_path / "out" / "net.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["images"], four_layer_images[:2].astype(np.float32))


def test_without_images_the_script_asks_for_them(four_layers, tmp_path):
    script, _ = bionet.eject(four_layers, tmp_path / "bare.py", duration=5 * ms)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "brings no images along: give --images FILE.npz" in done.stderr
