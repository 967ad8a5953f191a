"""``bionet figure KIND`` draws every kind of a saved run, as PNG, SVG or PDF by the suffix."""

import shlex

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from bionet import cli
from bionet.commands.drawings import KINDS
from bionet.equations import integrator, izhikevich
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import Dense

NETWORKS = """
import torch
from torch import nn

def small():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3, bias=False)
    )
"""
SIMULATE = "--data eight.npz --duration 20ms --device numpy --no-progress --record all:spikes"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figure")
    (folder / "figure_networks.py").write_text(NETWORKS)
    images = np.random.default_rng(0).uniform(size=(8, 1, 8, 8)).astype(np.float32)
    np.savez(folder / "eight.npz", images=images, labels=np.arange(8) % 3)
    net = "figure_networks:small"
    rows = [("analog", "jitter", level, 50, 40 - 5 * level) for level in (0, 1, 2)]
    columns = ["coding", "perturbation", "level", "n_images", "correct"]
    (folder / "study").mkdir()
    pd.DataFrame(rows, columns=columns).to_csv(folder / "study/results.csv", index=False)
    sweep = pd.DataFrame({"sigma": [1.0, 0.3, 0.1], "accuracy": [0.3, 0.8, 0.6]})
    sweep.to_csv(folder / "sweep.csv", index=False)
    ladder = pd.DataFrame({"rung": ["network", "spikes"], "accuracy": [0.9, 0.8]})
    ladder.to_csv(folder / "ladder.csv", index=False)
    two = Population("cells", (1,), izhikevich())
    SpikingNetwork(
        (two, Population("readout", (1,), integrator())),
        (Projection("cells", "readout", Dense(np.ones((1, 1)))),),
        (1,),
        Readout("cells", "readout"),
    ).save(folder / "izhikevich.snn")
    lines = [
        f"convert {net} --data eight.npz --out small.snn",
        f"simulate small.snn {SIMULATE} --record conv0:v --record-images 0,3 --out runs/one",
        f"simulate small.snn {SIMULATE} --coding poisson --out runs/two",
        f"audit {net} small.snn --data eight.npz --images 8 --duration 20ms --device numpy"
        " --no-progress --out runs/audit",
    ]
    before = mpl.get_backend()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in lines:
            assert cli.main(shlex.split(line)) == 0, line
        mpl.use("Agg")  # the command's own choice
        yield folder
    mpl.use(before)


COMMANDS = {
    "raster": "raster runs/one --image 3 --out a.svg",
    "potentials": "potentials runs/one --units 0,5 --out a.pdf",
    "accuracy": "accuracy runs/one --readout MS --out a.png",
    "rates": "rates runs/audit --population conv0 --out a.svg",
    "feature-maps": "feature-maps runs/audit --trust --image 2 --out a.svg",
    "latency": "latency runs/one --with runs/two --out a.svg",
    "events": "events runs/one --with runs/two --out a.svg",
    "confusion": "confusion runs/two --out a.png",
    "histograms": "histograms runs/audit --out a.png",
    "spike-times": "spike-times runs/two --out a.pdf",
    "codings": "codings runs/one --image 7 --out a.svg",
    "f-i": "f-i small.snn --population conv0 --out a.svg",
    "thresholds": "thresholds sweep.csv --out a.svg",
    "animation": "animation runs/one --out a.gif",
    "energy": "energy runs/one --with runs/two --out a.svg",
    "intervals": "intervals runs/two --out a.svg",
    "kernels": "kernels small.snn --out a.svg",
    "network": "network runs/one --width 180 --out a.svg",
    "phase-plane": "phase-plane izhikevich.snn --out a.svg",
    "population-rate": "population-rate runs/two --out a.svg",
    "realism-ladder": "realism-ladder ladder.csv --out a.svg",
    "receptive-fields": "receptive-fields runs/one --population conv0 --out a.svg",
    "spike-distances": "spike-distances runs/one --population conv0 --out a.svg",
    "traces": "traces runs/one --out a.svg",
    "robustness": "robustness study --population jitter --out a.svg",
}
STARTS = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG", "gif": b"GIF8"}


def test_every_kind_has_a_command_here():
    assert set(COMMANDS) == set(KINDS)


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_kind_is_drawn(kind, runs):
    arguments = shlex.split(COMMANDS[kind])
    assert cli.main(["figure", *arguments]) == 0
    path = runs / arguments[-1]
    assert path.read_bytes().startswith(STARTS[path.suffix[1:]])
    path.unlink()


def test_names_in_the_legend_are_those_of_the_folders(runs):
    assert cli.main(shlex.split("figure latency runs/one --with runs/two --out names.svg")) == 0
    text = (runs / "names.svg").read_text()
    assert "one: " in text and "two: " in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("feature-maps runs/one", "the PyTorch network of this run is not known"),
        ("codings runs/one --image 9", "--image must lie between 0 and 7, but is 9"),
        ("robustness runs", "is no table: give a .csv or .parquet file"),
        ("robustness sweep.csv", "the table has no column 'coding'"),
        ("thresholds small.snn", "the network holds no threshold search"),
        ("pie runs/one", "unknown figure 'pie'; known are "),
    ],
)
def test_bad_input_is_one_line(arguments, message, runs, capsys):
    assert cli.main(["figure", *shlex.split(arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_beside_a_file_and_inside_a_folder(runs):
    assert cli.main(shlex.split("figure thresholds sweep.csv")) == 0
    assert (runs / "sweep.thresholds.png").is_file()
    assert cli.main(shlex.split("figure confusion runs/one")) == 0
    assert (runs / "runs/one/confusion.png").is_file()
