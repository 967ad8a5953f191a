"""Another installed package adds one of each kind; nothing of BioNet is touched."""

import importlib
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import have_same_dimensions, ms, mV

import bionet
from bionet import cli, conversion, perturbations
from bionet.equations import NEURONS, neuron
from bionet.errors import InputError
from bionet.figures.kinds import KINDS
from bionet.files import read_tensors, write_tensors
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import KERNELS, OneToOne
from bionet.registry import Registry

MODULE = '''
"""One of each."""
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from brian2 import Mohm, mV, ms, pA

from bionet.equations import NeuronModel
from bionet.network import Kernel, Sparse
from bionet.perturbations import NetworkPerturbation


def early(gain=1.0):
    return NeuronModel(
        name="early", equations="x : 1 (constant)", threshold="step == int(10*(1 - x))", input="x",
    )


def halved(net, input_shape, calibration=None, *, share: float = 0.5):
    """The method rate, with thresholds that are a share of its own."""
    from bionet.conversion.rate import convert_rate

    snn = convert_rate(net, input_shape, calibration)
    for p in snn.populations:
        if "theta" in p.parameters:
            snn = snn.with_population(p.name, parameters={"theta": share})
    return replace(snn, method="halved")


@dataclass(frozen=True, eq=False)
class Mirror(Kernel):
    """Unit i projects to unit n - 1 - i."""

    weight: float = 1.0
    kind: ClassVar[str] = "mirror"

    def target_shape(self, source):
        return source

    def as_sparse(self, source):
        n = int(np.prod(source))
        weights = np.full(n, self.weight)
        return Sparse(np.arange(n + 1), np.arange(n)[::-1], weights, source)


@dataclass(frozen=True)
class Scaled(NetworkPerturbation):
    """Thresholds times the level."""

    name: ClassVar[str] = "scaled"

    def apply(self, snn, seed):
        for p in snn.populations:
            if "theta" in p.parameters:
                changed = {"theta": p.parameters["theta"] * self.number}
                snn = snn.with_population(p.name, parameters=changed)
        return snn


def cable(tau=10 * ms):
    """A neuron with a potential in millivolt, of another name."""
    return NeuronModel(
        name="cable",
        equations="du/dt = -u/tau : volt\\ntau : second (constant)",
        threshold="u > 1*mV",
        reset="u = 0*mV",
        parameters={"tau": tau},
        input="u",
        potential="u",
        resets="zero",
        leaks=True,
    )


def fibre(tau=10 * ms):
    """A neuron that a current drives."""
    return NeuronModel(
        name="fibre",
        equations="""
            du/dt = (R*I - u)/tau : volt
            R : ohm (constant)
            I : amp (constant)
            tau : second (constant)
        """,
        threshold="u > 10*mV",
        reset="u = 0*mV",
        method="exact",
        parameters={"tau": tau, "R": 100 * Mohm, "I": 0 * pA},
        potential="u",
        resets="to",
        leaks=True,
    )


def dots(asked):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    ax.plot(asked.run.counts["linear1"].sum(axis=1))
    return ax
'''
POINTS = """
[bionet.codings]
early = outside_bionet:early
[bionet.methods]
halved = outside_bionet:halved
[bionet.kernels]
mirror = outside_bionet:Mirror
[bionet.perturbations]
scaled = outside_bionet:Scaled
[bionet.neurons]
cable = outside_bionet:cable
fibre = outside_bionet:fibre
[bionet.figures]
dots = outside_bionet:dots
gone = outside_bionet:gone
"""
NETWORK = """
import torch
from torch import nn

def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A package with entry points, as pip would have installed it, and a folder to work in."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "outside_bionet.py").write_text(MODULE)
    (folder / "outside_networks.py").write_text(NETWORK)
    info = folder / "outside_bionet-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-bionet\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    images = np.random.default_rng(0).uniform(size=(8, 1, 3, 4)).astype(np.float32)
    np.savez(folder / "data.npz", images=images, labels=np.arange(8) % 3)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield importlib.import_module("outside_bionet"), images
    sys.path.remove(str(folder))
    for name in ("outside_bionet", "outside_networks"):
        sys.modules.pop(name, None)
    tables = KERNELS, NEURONS, KINDS, conversion.METHODS, perturbations.PERTURBATIONS
    left = {"mirror", "cable", "fibre", "dots", "halved", "scaled"}
    assert not [name for table in tables for name in table if name in left]


def test_from_python(installed, tiny, tiny_images, tmp_path, assert_same):
    outside, images = installed
    own = {"device": "numpy", "duration": 20 * ms}
    run = bionet.simulate(tiny, tiny_images, coding="early", **own)
    assert run.counts["input"].max() == 1
    net = importlib.import_module("outside_networks").small()
    snn = bionet.convert(net, "halved", images, share=0.25)
    assert snn.population("linear1").parameters["theta"] == 0.25
    scaled = bionet.perturb(snn, [perturbations.find("scaled")(2.0)])
    assert scaled.population("linear1").parameters["theta"] == 0.5
    assert neuron("cable", tau=5 * ms).parameters["tau"] == 5 * ms
    cells = bionet.equations.integrate_and_fire()
    mirrored = SpikingNetwork(
        (Population("a", (2, 3), cells), Population("b", (2, 3), cells)),
        (Projection("input", "a", outside.Mirror(0.5)), Projection("a", "b", outside.Mirror())),
        (2, 3),
        Readout("b", "b"),
    )
    loaded = SpikingNetwork.load(mirrored.save(tmp_path / "mirror.snn"))
    assert loaded == mirrored
    pixels = np.random.default_rng(1).uniform(size=(2, 2, 3))
    run = bionet.simulate(loaded, pixels, **own, record={"a": "spikes"})
    steps = np.floor(20 * 0.5 * pixels.astype(np.float32) + 1e-4).astype(int)
    np.testing.assert_array_equal(run.counts["a"], steps[:, ::-1, ::-1])
    np.testing.assert_array_equal(run.counts["b"], steps)


def test_neuron_with_a_unit_and_figure_from_python_and_the_command_line(installed):
    """u <- 0.9 u + 0.3 mV a step, Euler's rule for tau = 10 ms, until it exceeds 1 mV."""
    snn = SpikingNetwork(
        (Population("cells", (1, 3, 4), neuron("cable")),),
        (Projection("input", "cells", OneToOne(), gain=0.3 * mV),),
        (1, 3, 4),
        Readout("cells", "cells"),
        coding="uniform",
    )
    run = bionet.simulate(
        snn, np.ones((1, 1, 3, 4)), 8 * ms, device="numpy", record={"cells": ["u"]}
    )
    expected = np.array([0.3, 0.57, 0.813, 0, 0.3, 0.57, 0.813, 0])
    np.testing.assert_allclose(run.potential("cells")[:, 0] / mV, expected, rtol=1e-5)
    drawn = KINDS.find("dots")(SimpleNamespace(run=SimpleNamespace(counts={"linear1": np.eye(2)})))
    np.testing.assert_array_equal(drawn.lines[0].get_ydata(), [1, 1])
    snn.save("cable.snn")
    simulate = "simulate cable.snn --data data.npz --images 1 --duration 8ms --device numpy"
    record = "--record cells:u --no-progress --out cable"
    assert cli.main([*simulate.split(), *record.split()]) == 0
    again = bionet.Recording.load("cable").potential("cells")
    assert again.shape == (8, 12) and have_same_dimensions(again, mV)
    assert cli.main([*simulate.split(), "--record", "all:w", "--out", "none"]) == 2


def test_from_the_command_line(installed, capsys):
    convert = "convert outside_networks:small --data data.npz --method halved -O share=0.25"
    assert cli.main([*convert.split(), "--input-shape", "1,3,4", "--out", "own.snn"]) == 0
    assert SpikingNetwork.load("own.snn").method == "halved"
    capsys.readouterr()
    assert cli.main(["convert", "any", "--options-of", "halved"]) == 0
    assert capsys.readouterr().out == "-O share=0.5  (float)\n"
    simulate = "simulate own.snn --data data.npz --coding early --device numpy --no-progress"
    assert cli.main([*simulate.split(), "--out", "run"]) == 0
    with open("run/run.json") as file:
        assert json.load(file)["coding"] == "early"
    assert cli.main(["figure", "dots", "run", "--out", "dots.png"]) == 0
    assert cli.main(["figure", "gone", "run", "--out", "gone.png"]) == 2
    assert "figure 'gone' could not be imported from outside_bionet:gone" in capsys.readouterr().err
    assert cli.main(["figure", "smudge", "run", "--out", "smudge.png"]) == 2
    assert "unknown figure 'smudge'; known are accuracy" in capsys.readouterr().err


STUDY = """
name = "outside"
data = "data.npz"
images = 4
device = "numpy"
[calibration]
images = 4
[[network]]
name = "outside_networks:small"
input_shape = [1, 3, 4]
[[method]]
name = "halved"
codings = ["early"]
duration = "10ms"
options = {share = 0.25}
[[perturbation]]
name = "scaled"
levels = [1, 4]
"""


def test_kernel_neuron_and_perturbation_from_the_command_line(installed, tmp_path):
    outside, _ = installed
    cells = bionet.equations.integrate_and_fire()
    SpikingNetwork(
        (Population("a", (1, 3, 4), cells), Population("b", (1, 3, 4), cells)),
        (Projection("input", "a", outside.Mirror(0.5)), Projection("a", "b", outside.Mirror())),
        (1, 3, 4),
        Readout("b", "b"),
    ).save("mirror.snn")
    simulate = "simulate mirror.snn --data data.npz --images 2 --device numpy --no-progress"
    assert cli.main([*simulate.split(), "--duration", "10ms", "--out", "mirrored"]) == 0
    counts = bionet.Recording.load("mirrored").counts
    np.testing.assert_array_equal(counts["a"][..., ::-1, ::-1], counts["b"])
    assert counts["b"].any()
    curve = "f-i fibre:tau=5ms --dt 1ms --duration 60ms --settle 20ms --points 8 --no-progress"
    assert cli.main([*curve.split(), "--out", "f-i"]) == 0
    with open("f-i/run.json") as file:
        assert json.load(file)["rheobase"] == pytest.approx(1e-10, rel=0.05)
    (tmp_path / "outside.toml").write_text(STUDY)
    study = ["study", str(tmp_path / "outside.toml"), "--jobs", "1", "--no-progress"]
    assert cli.main([*study, "--out", str(tmp_path / "study")]) == 0
    rows = bionet.study.table(tmp_path / "study")
    rates = rows.set_index("level")["spikes_per_image"]
    assert rates[1] > rates[4]  # a threshold four times as high


def test_what_is_no_entry_is_refused(installed, tiny, tmp_path):
    path = tiny.save(tmp_path / "net.snn")
    arrays, header = read_tensors(path)
    description = json.loads(header["bionet"])
    description["projections"][0]["kernel"] = "os:system"
    write_tensors(path, arrays, {"bionet": json.dumps(description)})
    with pytest.raises(InputError, match="unknown kernel 'os:system'; known are dense.* install"):
        SpikingNetwork.load(path)
    with pytest.raises(InputError, match="kernel 'outside_bionet:early' must be a subclass of bio"):
        KERNELS.find("outside_bionet:early")
    with pytest.raises(InputError, match="method 'outside_bionet:mV' must be a function"):
        conversion.METHODS.find("outside_bionet:mV")
    with pytest.raises(InputError, match="neuron 'outside_bionet:np' must return a NeuronModel"):
        neuron("outside_bionet:np")
    with pytest.raises(KeyError):
        Registry("thing", "bionet.things")["none"]


def test_a_table_whose_loading_was_interrupted_is_loaded_again(tmp_path, monkeypatch):
    home = tmp_path / "half_loaded"
    home.mkdir()
    (home / "__init__.py").write_text(
        "from bionet.registry import Registry\n"
        "TABLE = Registry('thing', 'bionet.things', 'half_loaded')\n"
    )
    (home / "first.py").write_text("from half_loaded import TABLE\nTABLE.add('first', 1)\n")
    (home / "second.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    table = importlib.import_module("half_loaded").TABLE
    with pytest.raises(KeyboardInterrupt):
        list(table)
    (home / "second.py").write_text("from half_loaded import TABLE\nTABLE.add('second', 2)\n")
    importlib.invalidate_caches()
    assert list(table) == ["first", "second"]


def test_what_bionet_defines_is_found_without_looking_at_other_packages(monkeypatch):
    def looked(**_):
        raise AssertionError("all installed packages were read")

    list(KERNELS)
    monkeypatch.setattr("bionet.registry.metadata.entry_points", looked)
    assert KERNELS.find("dense") is KERNELS["dense"]
    with pytest.raises(AssertionError, match="all installed packages were read"):
        KERNELS.find("of_another_package")
