"""The command line as a user runs it: results, run.json, exit codes, one-line refusals."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from bionet.cli import main

KEYS = {
    "network", "method", "coding", "device", "dt_ms", "steps", "images", "accuracy_ann",
    "accuracy_snn", "spikes_per_image", "synaptic_events_per_image", "images_per_second",
    "seconds", "seed", "versions", "arguments",
}  # fmt: skip
SIMULATE = ["simulate", "lenet5", "--weights", "digits", "--images", "2", "--device", "numpy"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with lenet5.snn and a short run of two images."""
    folder = tmp_path_factory.mktemp("cli")
    snn = folder / "lenet5.snn"
    assert main(["convert", "lenet5", "--weights", "digits", "--out", str(snn)]) == 0
    arguments = ["--images", "2", "--duration", "5ms", "--device", "numpy", "--no-progress"]
    arguments += ["--record", "conv1:spikes,v", "--out", str(folder / "run")]
    assert main(["simulate", str(snn), *arguments]) == 0
    return folder


def test_a_simulation_writes_its_run_json(folder):
    found = json.loads((folder / "run" / "run.json").read_text())
    assert set(found) >= KEYS
    assert (found["images"], found["steps"], found["dt_ms"]) == (2, 5, 1.0)
    assert (found["method"], found["coding"], found["device"]) == ("rate", "analog", "numpy")


@pytest.mark.parametrize("kind", ["raster", "potentials", "accuracy"])
def test_figures_are_drawn_from_a_saved_run(folder, kind, tmp_path):
    out = tmp_path / "figure.png"
    arguments = ["--population", "conv1"] if kind == "potentials" else []
    assert main(["figure", kind, str(folder / "run"), *arguments, "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_an_audit_names_every_layer(folder, tmp_path, capsys):
    arguments = ["audit", "lenet5", str(folder / "lenet5.snn"), "--weights", "digits"]
    arguments += ["--images", "2", "--device", "numpy", "--duration", "10ms"]
    assert main([*arguments, "--out", str(tmp_path / "audit")]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("conv1", "pool2", "fc2"))


@pytest.mark.parametrize("what", [[], ["lenet5.snn"], ["run"]])
def test_info_describes_the_installation_a_network_and_a_run(folder, what, capsys):
    assert main(["info", *(str(folder / name) for name in what)]) == 0
    assert ("lenet5" if what else "cpp_standalone") in capsys.readouterr().out.lower() or what


def npz(path, images):
    np.savez(path, images=np.asarray(images, dtype=np.float32), labels=np.zeros(len(images), int))
    return str(path)


def bad_inputs(path):
    """Name -> (arguments, what the line says)."""
    torch.save({"a": torch.ones(2)}, path / "weights.pt")
    save_file({"a": np.ones(2)}, path / "other.safetensors")
    (path / "damaged.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{half")
    for part in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (path / "mnist").mkdir(exist_ok=True)
        (path / "mnist" / part).write_bytes(b"\0\0\x09\x03 wrong magic")
    (path / "file").write_text("a file, not a folder")
    nan = np.full((1, 1, 28, 28), np.nan)
    convert = ["convert", "lenet5", "--weights", "digits", "--out", str(path / "x.snn")]
    data = [*SIMULATE[:4], "--device", "numpy", "--data"]
    return {
        "wrong image shape": ([*data, npz(path / "a.npz", np.zeros((2, 1, 5, 5)))], "shape"),
        "NaN pixels": ([*data, npz(path / "b.npz", nan)], "NaN"),
        "pixels outside [0, 1]": (
            [*data, npz(path / "c.npz", np.full((1, 1, 28, 28), 3.0)),
             "--coding", "poisson"],
            "pixels between 0 and 1",
        ),
        "negative duration": ([*SIMULATE, "--duration", "-5ms"], "positive"),
        "duration without a unit": ([*SIMULATE, "--duration", "100"], "has no unit"),
        "dt above the duration": ([*SIMULATE, "--duration", "1ms", "--dt", "5ms"], "larger"),
        "lanes 0": ([*SIMULATE, "--lanes", "0"], "lanes"),
        "unknown method": ([*convert, "--method", "magic"], "unknown method 'magic'"),
        "percentile 0": ([*convert, "--percentile", "0"], "percentile"),
        "percentile 101": ([*convert, "--percentile", "101"], "percentile"),
        "empty calibration": ([*convert, "--calibration-images", "0"], "calibration"),
        "unknown network": (["convert", "lenet6", "--out", str(path / "x.snn")], "lenet6"),
        "a pickle as weights": ([*convert[:3], str(path / "weights.pt"), *convert[4:]], "pickle"),
        "damaged weights": (
            [*convert[:3], str(path / "damaged.safetensors"), *convert[4:]], "damaged",
        ),
        "other weights": ([*convert[:3], str(path / "other.safetensors"), *convert[4:]], "other"),
        "wrong magic": ([*data, "mnist", "--data-dir", str(path)], "idx3-ubyte"),
        "unwritable folder": ([*SIMULATE, "--out", str(path / "file" / "x")], "cannot write"),
        "missing network": (["simulate", str(path / "none.snn")], "none.snn"),
    }  # fmt: skip


def test_bad_input_gets_one_line_and_exit_code_2(tmp_path, capsys):
    for name, (arguments, says) in bad_inputs(tmp_path).items():
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        assert main(arguments) == 2, name
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and says in lines[0], (name, lines)
        assert sorted(tmp_path.rglob("*")) == before, name


def test_a_layer_that_cannot_be_converted_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "mymodels.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sigmoid(), nn.Flatten(),"
        " nn.Linear(1352, 10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    arguments = ["convert", "mymodels:make", "--input-shape", "1,28,28"]
    assert main([*arguments, "--out", str(tmp_path / "x.snn")]) == 2
    assert "igmoid" in capsys.readouterr().err


def test_unknown_options_and_commands_are_usage_errors(capsys):
    assert main(["simulate", "--nonsense"]) == 2
    assert main(["fly"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2
