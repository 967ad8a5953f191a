"""A study that takes seconds: 20 images of 4 x 4 pixels, a network of 11 units, NumPy."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

NET = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
"""

TINY = """
name = "tiny"
data = "pictures.npz"
images = "0-4,7"
seeds = [0, 3]
device = "numpy"

[calibration]
images = 10

[[network]]
name = "tiny_study_net:make"

[[method]]
name = "rate"
codings = ["analog", "poisson"]
duration = "8ms"

[[method]]
name = "dsnn"
codings = ["uniform"]
duration = "10ms"
max_rate = "500Hz"
options = {sigma = 0.3}

[[perturbation]]
name = "membrane_noise"
levels = [0, 0.3]

[[perturbation]]
name = "blur"
levels = [0.7]

[[perturbation]]
name = "synaptic_failure"
label = "failure_with_leak"
levels = [0.2]
with = [{name = "membrane_leak", level = "20Hz"}]
"""


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory):
    """Folder with ``tiny.toml``, its images and its network."""
    folder = tmp_path_factory.mktemp("study")
    random = np.random.default_rng(0)
    np.savez(
        folder / "pictures.npz",
        images=random.uniform(size=(20, 1, 4, 4)).astype(np.float32),
        labels=random.integers(0, 3, 20),
    )
    (folder / "tiny_study_net.py").write_text(NET)
    (folder / "tiny.toml").write_text(TINY)
    return folder


@pytest.fixture
def there(study_folder, monkeypatch):
    """The folder, as the current one."""
    monkeypatch.chdir(study_folder)
    return study_folder


@pytest.fixture(scope="session")
def whole(study_folder):
    """The tiny study's table, run in one go; its folder is ``whole``."""
    before = Path.cwd()
    os.chdir(study_folder)
    try:
        from bionet import study

        return study.run("tiny.toml", "whole", jobs=1)
    finally:
        os.chdir(before)


@pytest.fixture(scope="session")
def command(study_folder):
    """Starts ``bionet study tiny.toml`` in a process of its own."""

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "bionet.cli", "study", "tiny.toml", "--no-progress", *arguments],
            cwd=study_folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start
