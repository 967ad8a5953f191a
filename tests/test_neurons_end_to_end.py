"""From a ReLU network to neurons in mV on the command line, as a user goes: every command once."""

import json
from dataclasses import replace

import numpy as np
import pytest

import bionet
from bionet import cli, datasets
from bionet.train import epochs as training_epochs

N = 60


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Few of the digits, in an empty folder."""
    whole = {split: datasets.load("digits", split) for split in ("train", "test")}
    some = {s: replace(d, images=d.images[:N], labels=d.labels[:N]) for s, d in whole.items()}
    monkeypatch.setattr(datasets, "load", lambda name, split="train", data_dir=None: some[split])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line):
    assert cli.main(line.split()) == 0, line


@pytest.mark.slow
def test_train_resume_convert_simulate_audit_eject(few, monkeypatch, capsys):
    train = "train lenet5 --activation f-i --neuron lif --epochs 2 --threads 1 --no-progress"
    run(f"{train} --out whole.safetensors")
    saved = training_epochs.save_checkpoint

    def interrupted(*arguments):
        saved(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as once:
        once.setattr(training_epochs, "save_checkpoint", interrupted)
        assert cli.main(f"{train} --checkpoint c.ckpt --out x.safetensors".split()) != 0
    assert (few / "c.ckpt").is_file() and not (few / "x.safetensors").exists()
    run(f"{train} --checkpoint c.ckpt --out x.safetensors")
    one, other = (bionet.zoo.read_weights(few / f"{name}.safetensors") for name in ("whole", "x"))
    for name, tensor in one[0].items():
        np.testing.assert_array_equal(tensor, other[0][name])
    assert other[1]["activation"]["neuron"] == "lif"
    options = "-O neuron=lif -O passes=0 -O duration=20ms -O readout_from=5ms -O dale=relay"
    run(f"convert lenet5 --weights x.safetensors --method biophysical {options} --out n.snn")
    snn = bionet.SpikingNetwork.load(few / "n.snn")
    assert snn.is_dale() and snn.population("conv1").model.current == "I"
    quick = "--images 2 --device numpy --no-progress"
    run(f"simulate n.snn {quick} --record fc1:spikes,v --out s")
    run(f"audit lenet5 n.snn {quick} --out a")
    # The network of rates reads the images, not the ReLU network that has other weights.
    for folder in ("s", "a"):
        found = json.loads((few / folder / "run.json").read_text())
        assert found["accuracy_ann"] == 1.0
    rows = json.loads((few / "a/audit.json").read_text())["rows"]
    assert [row["population"] for row in rows] == ["conv1", "conv2", "fc1"]
    capsys.readouterr()
    assert cli.main(["eject", "n.snn", "--out", "n.py", "--images", "1"]) == 2
    assert "give --force" in capsys.readouterr().err
    run("eject n.snn --out n.py --images 1 --force")
    assert "dI_syn/dt = -I_syn/tau_syn : amp" in (few / "n.py").read_text()
