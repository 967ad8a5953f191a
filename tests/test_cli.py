"""The command line: what it writes, and one clear line for whatever it can't use."""

import gzip
import importlib
import json
import pickle
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from brian2 import DimensionMismatchError, mV

import bionet
from bionet import cli
from bionet.network import Origin, SpikingNetwork
from bionet.results.curves import Curves
from bionet.results.run_json import KEYS
from bionet.sources import converted_source

# `bionet.simulate` is the function; its module is reached by name only.
SIMULATION = importlib.import_module("bionet.running.simulate")
ROOT = Path(__file__).parents[1]
COMMANDS = (
    *("demo", "train", "convert", "simulate", "audit", "diagnose", "compare", "figure", "study"),
    *("reproduce", "report", "eject", "info", "f-i", "explore"),
)
QUICK = "--device numpy --no-progress"

NETWORKS = """
import torch
from torch import nn

def small():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))

def recurrent():
    return nn.Sequential(nn.Flatten(), nn.LSTM(64, 3))

def broken():
    raise ValueError("no such thing")

def number():
    return 7
"""


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder with a user's module, images, and a converted network; nothing changes it."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "cli_networks.py").write_text(NETWORKS)
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(8, 1, 8, 8)).astype(np.float32)
    labels = np.arange(8) % 3
    np.savez(folder / "good.npz", images=images, labels=labels)
    np.savez(folder / "nan.npz", images=np.where(images > 0.9, np.nan, images), labels=labels)
    np.savez(folder / "wide.npz", images=2 * images, labels=labels)
    np.savez(folder / "shape.npz", images=images[:, :, :7], labels=labels)
    np.savez(folder / "bytes.npz", images=(255 * images).astype(np.uint8), labels=labels)
    np.savez(folder / "labels.npz", images=images, labels=labels + 1)
    np.savez(folder / "few.npz", images=images, labels=labels[:4])
    np.savez(folder / "alone.npz", images=images)
    np.savez(folder / "object.npz", images=images, labels=np.array([None] * 8))
    (folder / "cut.npz").write_bytes((folder / "good.npz").read_bytes()[:300])
    (folder / "file").touch()
    (folder / "pickle.pt").write_bytes(pickle.dumps({}))
    torch.save({}, folder / "archive.safetensors")
    (folder / "damaged.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all.")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_line("convert cli_networks:small --data good.npz --out small.snn") == 0
    return folder


@pytest.fixture
def here(shared, tmp_path, monkeypatch):
    """A folder of one test that holds links to the shared files."""
    for path in shared.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIONET_DATA", str(tmp_path))
    return tmp_path


def run_line(line: str) -> int:
    return cli.main(shlex.split(line))


def refused(line: str, capsys, code: int = 2) -> str:
    """Run a bad command; its one line on standard error."""
    before = set(Path().rglob("*"))
    capsys.readouterr()
    assert run_line(line) == code
    errors = capsys.readouterr().err
    assert errors.startswith("bionet: ") and errors.count("\n") == 1, errors
    assert set(Path().rglob("*")) - before <= set(Path().rglob("__pycache__/**"))
    return errors


def run_json(path: Path, command: str) -> dict:
    found = json.loads(path.read_text())
    assert set(KEYS) <= set(found)
    assert found["command"] == command
    assert found["versions"]["bionet"] == bionet.__version__
    assert "seed" in found["arguments"]
    return found


def test_version(capsys):
    assert run_line("--version") == 0
    assert capsys.readouterr().out == f"bionet {bionet.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_seed_and_out(command, capsys):
    assert run_line(f"{command} --help") == 0
    text = capsys.readouterr().out
    assert "--seed" in text and "--out" in text and "--help" in text


def test_the_commands_are_those_of_this_list(capsys):
    assert run_line("--help") == 0
    text = capsys.readouterr().out
    assert all(f" {command} " in text for command in COMMANDS)
    assert len(cli.app.registered_commands) == len(COMMANDS)


def test_from_a_network_to_figures(here, capsys):
    """Convert a user's network, simulate, draw, audit, describe."""
    assert run_line(
        f"simulate small.snn --data good.npz --images 2 --duration 5ms --seed 3 {QUICK}"
        " --record all:spikes,v --record-images 0,1 --out runs/x"
    ) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert "SNN accuracy" in out and "none: analog currents" in out
    found = run_json(here / "runs/x/run.json", "simulate")
    assert (found["steps"], found["images"], found["seed"]) == (5, 2, 3)
    assert (found["network"], found["method"], found["coding"]) == ("small.snn", "rate", "analog")
    assert found["device"] == "numpy" and found["dt_ms"] == 1
    assert found["accuracy_ann"] is None  # no network of the zoo: its code is not imported
    run = bionet.Recording.load(here / "runs/x")
    assert found["spikes_per_image"] == sum(run.n_spikes.values())
    for kind, more in (("raster", "--image 1"), ("potentials", "--units 0-3"), ("accuracy", "")):
        assert run_line(f"figure {kind} runs/x {more}") == 0
        assert (here / f"runs/x/{kind}.png").stat().st_size > 1000
        run_json(here / f"runs/x/{kind}.run.json", "figure")
    assert run_line("info runs/x") == 0
    assert "recorded images: 2 of 2" in capsys.readouterr().out


def test_an_audit_and_its_figure(here, capsys):
    audit = f"audit cli_networks:small small.snn --data good.npz --images 4 {QUICK}"
    assert run_line(f"{audit} --duration 40ms --out runs/audit") == 0
    out = capsys.readouterr().out
    found = run_json(here / "runs/audit/run.json", "audit")
    assert found["verdict"] in out
    assert 0 <= found["accuracy_ann"] <= 1
    assert run_line("figure rates runs/audit --out rates.pdf") == 0
    assert (here / "rates.pdf").read_bytes().startswith(b"%PDF")
    run_json(here / "rates.run.json", "figure")
    rows = json.loads((here / "runs/audit/audit.json").read_text())["rows"]
    assert "readout" in [row["population"] for row in rows]


def test_info_of_the_machine_and_of_a_network(here, capsys):
    assert run_line("info --out runs/info") == 0
    out = capsys.readouterr().out
    assert "1,000 test images" in out and "program cache" in out
    found = run_json(here / "runs/info/run.json", "info")
    assert "data mnist" in found["found"]
    assert run_line("info small.snn") == 0
    assert "SpikingNetwork(method='rate')" in capsys.readouterr().out


def test_a_network_of_the_zoo_is_known_again(here):
    """The network's own accuracy comes with that of the spiking network converted from it."""
    assert run_line("convert lenet5 --weights digits --calibration-images 5 --out five.snn") == 0
    assert run_json(here / "five.run.json", "convert")["images"] == 5
    line = f"simulate five.snn --images 1 --duration 2ms {QUICK} --out x"
    assert run_line(line) == 0
    assert run_json(here / "x/run.json", "simulate")["accuracy_ann"] == 1


def test_methods_side_by_side(here, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    for options in ("augmapping -O gain=4 -O bound=9", "termapping"):
        method = options.split()[0]
        line = f"convert lenet5 --weights digits --calibration-images 5 --method {options}"
        assert run_line(f"{line} --out {method}.snn") == 0
    assert SpikingNetwork.load("augmapping.snn").metadata["options"]["bound"] == 9
    line = f"compare augmapping.snn termapping.snn --images 3 --duration 6ms {QUICK}"
    assert run_line(f"{line} --out runs/c") == 0
    rows = run_json(Path("runs/c/run.json"), "compare")["rows"]
    assert [row["method"] for row in rows] == ["augmapping", "termapping"]
    for row in rows:
        found = Curves.load(f"runs/c/{row['name']}.curves.safetensors")
        assert found.predictions.shape == (3, 6)
        assert row["accuracy_snn"] == found.accuracy()[-1]
        assert row["early_decision"] == [d._asdict() for d in found.early_decisions()]
        assert row["events_per_image"] == pytest.approx(found.events_so_far()[-1])
    assert "T at <1 %" in capsys.readouterr().out
    assert run_line(f"compare small.snn --data good.npz --duration 5ms {QUICK}") == 0
    assert run_json(Path("runs/compare/run.json"), "compare")["accuracy_ann"] is None


def test_options_reach_the_conversion(here):
    line = "convert cli_networks:small --data good.npz --out own.snn -O normalisation=max"
    assert run_line(f"{line} -O channelwise=true -O reset=zero --input-shape 1,8,8") == 0
    options = bionet.SpikingNetwork.load(here / "own.snn").metadata["options"]
    given = {"normalisation": "max", "percentile": None, "channelwise": True, "reset": "zero"}
    assert given.items() <= options.items()
    assert (options["pool_tau_ms"], options["softmax_hz"]) == (None, None)
    assert run_line(f"{line} -O channelwise=true -O pool_tau=20ms -O softmax=200Hz --force") == 0
    options = bionet.SpikingNetwork.load(here / "own.snn").metadata["options"]
    assert (options["pool_tau_ms"], options["softmax_hz"]) == (20, 200)
    assert run_line(f"{line} -O normalisation=none --force") == 0
    options = bionet.SpikingNetwork.load(here / "own.snn").metadata["options"]
    assert options["normalisation"] is None


def test_training_writes_weights_and_provenance(here, monkeypatch):
    from bionet.train import TrainResult

    def quickly(network, data, out, **settings):
        assert (network, data, settings["epochs"], settings["seed"]) == ("lenet5", "digits", 1, 4)
        Path(out).mkdir(parents=True)
        return TrainResult(0.9, 0.8, 1, 2.0, (), Path(out) / "lenet5-digits.safetensors")

    monkeypatch.setattr("bionet.train.train_zoo", quickly)
    assert run_line("train lenet5 --data digits --epochs 1 --seed 4 --out w") == 0
    found = run_json(here / "w/run.json", "train")
    assert found["accuracy_ann"] == 0.8 and found["weights"] == "w/lenet5-digits.safetensors"


SIMULATE = f"simulate small.snn --data good.npz {QUICK} --out new/run"
CONVERT = "convert cli_networks:small --data good.npz --out new/own.snn"
LENET = "convert lenet5 --out new/own.snn --weights"

BAD = {
    "nothing": ("", "Missing command"),
    "command": ("frobnicate", "No such command 'frobnicate'"),
    "option": ("info --frobnicate", "No such option: --frobnicate"),
    "argument": ("simulate", "Missing argument"),
    "choice": (
        f"{SIMULATE} --coding morse",
        "unknown input coding 'morse'; known are analog, poisson, uniform",
    ),
    "image shape": (f"{SIMULATE} --data shape.npz", r"must have the shape \(n_images, 1, 8, 8\)"),
    "NaN pixels": (f"{SIMULATE} --data nan.npz", "holds NaN or infinity"),
    "pixels and Poisson": (
        f"{SIMULATE} --data wide.npz --coding poisson",
        "the poisson coding needs pixels between 0 and 1",
    ),
    "bytes": (f"{SIMULATE} --data bytes.npz", "divide bytes by 255"),
    "labels": (f"{SIMULATE} --data labels.npz", "expected 0 to 2, .* got 1 to 3"),
    "number of labels": (f"{SIMULATE} --data few.npz", "labels must be 8 whole numbers"),
    "no labels": (f"{SIMULATE} --data alone.npz", "needs arrays 'images' and 'labels'"),
    "objects": (f"{SIMULATE} --data object.npz", "is damaged or no .npz file of plain arrays"),
    "cut npz": (f"{SIMULATE} --data cut.npz", "is damaged or no .npz file"),
    "no npz": (f"{SIMULATE} --data none.npz", "there is no file none.npz"),
    "data": (f"{SIMULATE} --data letters", "--data: expected one of digits, mnist"),
    "no data": (f"{SIMULATE} --data mnist", "data set 'mnist': folder .* not found"),
    "images": (f"{SIMULATE} --images 9", "--images: expected 1 to 8"),
    "no images": (f"{SIMULATE} --images 0", "--images: expected 1 to 8"),
    "negative duration": (f"{SIMULATE} --duration -5ms", "duration must be positive"),
    "unitless duration": (f"{SIMULATE} --duration 100", "--duration: .* '100' has no unit"),
    "unit of duration": (f"{SIMULATE} --duration 5Hz", "--duration: expected a time .* '5Hz'"),
    "unitless dt": (f"{SIMULATE} --dt 1", "--dt: expected a time .* '1' has no unit"),
    "dt": (f"{SIMULATE} --duration 1ms --dt 2ms", r"dt \(2. ms\) must not be larger"),
    "rate": (f"{SIMULATE} --coding poisson --max-rate 10", "--max-rate: .* '10' has no unit"),
    "lanes": (f"{SIMULATE} --lanes 0", "lanes must be a whole number >= 1, but is 0"),
    "record": (f"{SIMULATE} --record conv1", "--record: expected NAME:spikes"),
    "recorded population": (f"{SIMULATE} --record conv9:v", "no population is called 'conv9'"),
    "recorded images": (f"{SIMULATE} --record all:v --record-images x", "--record-images: "),
    "weights of a file": (f"{SIMULATE} --weights digits", "small.snn is a file"),
    "no file": ("simulate none.snn", "there is no file none.snn"),
    "no network": ("simulate damaged.safetensors", "is damaged or not a safetensors file"),
    "layer": (f"{CONVERT} cli_networks:recurrent".replace("cli_networks:small ", ""), "LSTM"),
    "module": ("convert nowhere:make --data good.npz", "No module named 'nowhere'"),
    "function": ("convert cli_networks:none --data good.npz", "has no attribute 'none'"),
    "raising": ("convert cli_networks:broken --data good.npz", "ValueError: no such thing"),
    "no module": ("convert cli_networks:number --data good.npz", "must return a torch.nn.Module"),
    "method": (f"{CONVERT} --method magic", "unknown method 'magic'; known are rate"),
    "input shape": (f"{CONVERT} --input-shape 8x8", "--input-shape: expected sizes such as"),
    "percentile 0": (f"{CONVERT} -O percentile=0", "percentile must be above 0 and at most 100"),
    "percentile 101": (f"{CONVERT} -O percentile=101", "percentile must be above 0"),
    "calibration": (f"{CONVERT} --calibration-images 0", "the calibration set is empty"),
    "zoo": ("convert resnet --weights digits", "network: expected one of lenet5, .*got 'resnet'"),
    "untrained": ("convert lenet5", "lenet5 is untrained without --weights"),
    "weights": (f"{LENET} letters", "weights of 'lenet5': expected one of digits"),
    "damaged weights": (f"{LENET} damaged.safetensors", "is damaged or not a safetensors file"),
    "pickled weights": (f"{LENET} pickle.pt", "pickles are never loaded"),
    "torch archive": (f"{LENET} archive.safetensors", "which bionet never loads"),
    "training data": ("train lenet5 --data cifar10", "training: expected one of lenet5 on digits"),
    "epochs": ("train lenet5 --epochs 0", "epochs: expected an integer >= 1"),
    "twins": ("compare small.snn small.snn --data good.npz", "two networks are called 'small'"),
    "no run": ("figure raster none", "is not a recording"),
    "no audit": ("figure rates .", "holds no audit; make one with 'bionet audit"),
    "seed": (f"{SIMULATE} --seed -1", "Invalid value for '--seed'"),
    "demo": ("demo --images 1001 --out new", "--images: expected 1 to 1000"),
}
UNWRITABLE = {
    "demo": "demo",
    "train": "train lenet5",
    "convert": "convert cli_networks:small --data good.npz",
    "simulate": "simulate small.snn --data good.npz",
    "audit": "audit cli_networks:small small.snn --data good.npz",
    "compare": "compare small.snn --data good.npz",
    "figure": "figure accuracy runs",
    "info": "info",
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(case, here, capsys):
    line, message = BAD[case]
    errors = refused(line, capsys)
    assert re.search(message, errors), errors


@pytest.mark.parametrize("command", UNWRITABLE)
def test_an_unwritable_folder(command, here, capsys):
    # Below a regular file: the superuser may write everywhere else.
    errors = refused(f"{UNWRITABLE[command]} --out file/below/x.png", capsys)
    assert "--out: cannot write to the folder file/below" in errors


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (bytes([0, 0, 9, 3]) + bytes(12), "magic number must be 00000803"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28]), "but 0 follow"),
    ],
)
def test_idx_files_that_are_foreign_or_truncated(header, message, here, capsys):
    (here / "mnist").mkdir()
    with gzip.open(here / "mnist/t10k-images-idx3-ubyte.gz", "wb") as file:
        file.write(header)
    with gzip.open(here / "mnist/t10k-labels-idx1-ubyte.gz", "wb") as file:
        file.write(bytes([0, 0, 8, 1, 0, 0, 0, 1, 0]))
    assert message in refused(f"{SIMULATE} --data mnist", capsys)


def test_rates_over_two_conductances_are_written(here, capsys):
    short = "--points 4 --settle 20ms --duration 60ms --dt 0.5ms --no-progress --out s"
    line = f"f-i lif --synapse conductance:0mV,-80mV,5ms,5ms {short}"
    assert run_line(line) == 0
    rows = (here / "s/surface.csv").read_text().splitlines()
    assert rows[0] == "g_e (S),g_i (S),rate (Hz)" and len(rows) == 17
    assert run_json(here / "s/run.json", "f-i")["unit"] == "S"
    assert "leave out --kind" in refused(f"{line} --kind onset --force", capsys)
    other = f"f-i lif --synapse alpha:5ms {short} --force"
    assert "must be a Conductance, but is" in refused(other, capsys)


def test_a_dry_run_of_a_simulation_writes_nothing(here, capsys):
    line = f"simulate small.snn --data good.npz --duration 2ms {QUICK} --dry-run --out dry"
    assert run_line(line) == 0
    printed = capsys.readouterr().out
    assert "8 images, 2 steps" in printed and "memory: about" in printed
    assert "time: about" in printed and not (here / "dry").exists()


def test_a_run_without_labels_or_audit_is_damaged(here, capsys):
    line = f"simulate small.snn --data good.npz --images 1 --duration 2ms {QUICK} --out x"
    assert run_line(line) == 0
    (here / "x/labels.safetensors").unlink()
    assert "there is no file" in refused("figure accuracy x", capsys)
    assert "no spikes were recorded" in refused("figure raster x", capsys)
    assert "a figure of potentials shows one" in refused("figure potentials x", capsys)
    (here / "x/run.json").write_text("{")
    assert "run.json is damaged" in refused("info x", capsys)
    (here / "x/run.json").write_text("[]")
    assert "it holds no object" in refused("info x", capsys)
    (here / "x/run.json").unlink()
    (here / "x/audit.json").write_text('{"rows": [{}]}')
    (here / "x/audit.safetensors").write_bytes((here / "small.snn").read_bytes())
    assert "audit.json is damaged" in refused("figure rates x", capsys)
    (here / "x/labels.safetensors").write_bytes((here / "small.snn").read_bytes())
    assert "holds no labels" in refused("figure accuracy x", capsys)


def test_an_interrupted_simulation_leaves_nothing(here, capsys, monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(SIMULATION, "simulate", interrupted)
    assert "interrupted" in refused(SIMULATE, capsys, code=130)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (bionet.BioNetError("the compiler\nis broken"), 1),
        (OSError("the disk is full"), 1),
        (DimensionMismatchError("duration must be a time", mV.dim), 2),
    ],
)
def test_failures_are_one_line(error, code, here, capsys, monkeypatch):
    def failing(*arguments, **settings):
        raise error

    monkeypatch.setattr(SIMULATION, "simulate", failing)
    refused(SIMULATE, capsys, code)


def test_a_programming_error_keeps_its_traceback(here, monkeypatch):
    def wrong(*arguments, **settings):
        raise ZeroDivisionError

    monkeypatch.setattr(SIMULATION, "simulate", wrong)
    with pytest.raises(ZeroDivisionError):
        run_line(SIMULATE)


def test_another_networks_weights_are_not_taken_for_its_own(here):
    """A spiking network that notes changed weights, or code, gets no accuracy of a network."""
    snn = bionet.SpikingNetwork.load("small.snn")
    for noted in (
        {"network": "cli_networks:small", "weights": None},
        {"network": "lenet5", "weights": "digits", "sha256": "0"},
        {"network": "lenet5", "weights": "gone.safetensors", "sha256": "0"},
        {},
    ):
        assert converted_source(replace(snn, origin=Origin(**noted))) is None


@pytest.mark.slow
def test_the_demo(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_line("demo --no-progress") == 0
    assert "images per second" in capsys.readouterr().out
    found = run_json(tmp_path / "runs/demo/run.json", "demo")
    assert found["images"] == 1000 and found["verdict"] == "no bad layer"
    assert abs(found["accuracy_snn"] - found["accuracy_ann"]) <= 0.005
    names = {path.name for path in (tmp_path / "runs/demo").iterdir()}
    assert {"raster.png", "potentials.png", "accuracy.png", "rates.png"} <= names
    # The recorded images ran on another device: their spikes are those of the whole run.
    run = bionet.Recording.load(tmp_path / "runs/demo")
    for name, table in run.recorded_spikes.items():
        for image in run.recorded_images:
            spikes = table[table[:, 0] == image, 2]
            counts = np.bincount(spikes, minlength=run.counts[name][image].size)
            np.testing.assert_array_equal(counts, run.counts[name][image].ravel())
