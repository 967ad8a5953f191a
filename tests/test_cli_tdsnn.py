"""The temporal code at the command line."""

import json

import numpy as np
import pytest

import bionet
from bionet import cli

NETWORKS = """
import torch
from torch import nn

def small():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a network and images."""
    (tmp_path / "temporal_networks.py").write_text(NETWORKS)
    images = np.random.default_rng(0).uniform(size=(8, 1, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "good.npz", images=images, labels=np.arange(8) % 3)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_convert_and_simulate(here):
    convert = "convert temporal_networks:small --data good.npz --method tdsnn -O leak=5ms"
    assert cli.main([*convert.split(), "-O", "window=dynamic", "--out", "one.snn"]) == 0
    snn = bionet.SpikingNetwork.load("one.snn")
    assert snn.code.leak == 5
    assert snn.metadata["options"]["window"] == "dynamic"
    simulate = "simulate one.snn --data good.npz --device numpy --no-progress --out run"
    assert cli.main(simulate.split()) == 0
    found = json.loads((here / "run/run.json").read_text())
    assert (found["method"], found["coding"], found["dt_ms"]) == ("tdsnn", "reverse", 1)
    assert found["steps"] == round(snn.simulation.duration * 1000)
    run = bionet.Recording.load("run")
    assert run.spike_steps["conv0"].shape == (8, 2, 6, 6)
    assert run.spike_steps["conv0"].min() == 0


def test_pipelined_networks_are_simulated_audited_and_ejected(here, capsys):
    convert = "convert temporal_networks:small --data good.npz --method tdsnn -O leak=20ms"
    assert cli.main([*convert.split(), "-O", "pipelined=true", "--out", "one.snn"]) == 0
    assert bionet.SpikingNetwork.load("one.snn").simulation.pipelined
    audit = "audit temporal_networks:small one.snn --data good.npz --images 3 --device numpy"
    assert cli.main([*audit.split(), "--no-progress", "--out", "audit"]) == 0
    found = json.loads((here / "audit/run.json").read_text())
    assert found["first_bad"] is None
    assert "no bad layer; 0 of" in capsys.readouterr().out
    assert bionet.Recording.load("audit").parameters["pipelined"]
    simulate = "simulate one.snn --data good.npz --images 3 --device numpy --no-progress"
    for option, expected in (("--pipelined", True), ("--one-by-one", False)):
        assert cli.main([*simulate.split(), option, "--force", "--out", "run"]) == 0
        assert bionet.Recording.load("run").parameters["pipelined"] is expected
    assert (
        cli.main(["eject", "one.snn", "--data", "good.npz", "--images", "2", "--out", "script.py"])
        == 0
    )
    assert 'on_event="release"' in (here / "script.py").read_text()


def test_a_leak_without_unit_is_refused(here, capsys):
    line = "convert temporal_networks:small --data good.npz --method tdsnn -O leak=5"
    assert cli.main(line.split()) == 2
    assert (
        "leak of method 'tdsnn' must be a quantity such as 20*ms, but is 5"
        in capsys.readouterr().err
    )


def test_the_temporal_code_in_training_needs_a_leak(capsys):
    for line in ("train lenet5 --activation tdsnn", "train lenet5 --leak 10ms"):
        assert cli.main(line.split()) == 2
        assert "belong together" in capsys.readouterr().err
    for line in ("train lenet5 --levels 4", "train lenet5 --activation f-i --levels 4"):
        assert cli.main(line.split()) == 2
        assert "--levels belongs to --activation qcfs" in capsys.readouterr().err


@pytest.mark.slow
def test_training_with_the_code(here):
    line = "train lenet5 --data digits --epochs 1 --activation tdsnn --leak 10ms --no-progress"
    assert cli.main([*line.split(), "--out", "coded.safetensors"]) == 0
    net = bionet.zoo.load("lenet5", "coded.safetensors")
    test = bionet.datasets.load("digits", "test")
    coded = bionet.conversion.temporal_network(net, 10)
    found = json.loads((here / "coded.run.json").read_text())
    assert bionet.train.evaluate(coded, test.images, test.labels) == found["accuracy_ann"]
    assert found["accuracy_ann"] > 0.5  # one epoch; the code shifts every input by 1
