"""Runs of a small network, made by the command line, that the tests of reports share."""

import shlex

import numpy as np
import pytest

from bionet import cli
from bionet.commands.outputs import load_labels
from bionet.results.recording import Recording

NETWORKS = """
import torch
from torch import nn

def small():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
"""


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder with a simulation, an audit and their reports, made by the command line."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "report_networks.py").write_text(NETWORKS)
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(8, 1, 8, 8)).astype(np.float32)
    np.savez(folder / "eight.npz", images=images, labels=np.arange(8) % 3)
    net = "report_networks:small"
    lines = [
        f"convert {net} --data eight.npz --out small.snn",
        "simulate small.snn --data eight.npz --duration 30ms --device numpy --no-progress"
        " --record all:spikes --record conv0:v --record-images 0,3 --seed 2 --out runs/plain",
        f"audit {net} small.snn --data eight.npz --images 8 --duration 30ms --device numpy"
        " --no-progress --out runs/audit",
        "report runs/plain",
        "report runs/audit --trust --out runs/audit.html",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in lines:
            assert cli.main(shlex.split(line)) == 0, line
        yield folder


@pytest.fixture(scope="session")
def plain(runs):
    return Recording.load(runs / "runs/plain"), load_labels(runs / "runs/plain")
