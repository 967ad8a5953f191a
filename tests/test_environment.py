"""What surrounds BioNet does not leak in: cache, compiler, working folder, names, wrappers."""

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.errors import BioNetError, InputError
from bionet.running import compiled_program
from bionet.running.compiled_program import COMPILER, manifest_of
from bionet.running.compiler import compile_arguments, compiler
from bionet.running.program_cache import cache_folder, cache_size, writable_cache


def test_a_relative_cache_is_below_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIONET_CACHE", "mine")
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.setenv("BIONET_CACHE", "~/mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert writable_cache() == tmp_path / "mine" and (tmp_path / "mine").is_dir()


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BIONET_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="cannot keep compiled programs in .*set BIONET_CACHE"):
        writable_cache()


def test_a_cache_that_goes_while_a_program_is_compiled_is_one_line(
    tiny, tiny_images, tmp_path, monkeypatch
):
    def removing(command):
        shutil.rmtree(tmp_path / "cache")
        return 0, ""

    monkeypatch.setenv("BIONET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(compiled_program, "_run_with_children", removing)
    monkeypatch.setattr(compiled_program, "missing_flags", tuple)
    with pytest.raises(
        BioNetError, match="removed or changed while a program was compiled .*again"
    ):
        bionet.simulate(tiny, tiny_images, 5 * ms)


def test_the_size_of_a_cache_in_which_a_folder_vanishes(tmp_path, monkeypatch):
    monkeypatch.setenv("BIONET_CACHE", str(tmp_path))
    for name in ("a", "b", "part.c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    scan = os.scandir

    def vanishing(path="."):
        if str(path).endswith("part.c"):
            shutil.rmtree(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert cache_size() == (2, 4)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: (folder / "manifest.json").write_text("[]"),
        lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "main").unlink(),
        lambda folder: (folder / "main").write_text("cut"),
        lambda folder: (folder / "main").chmod(0o644),
    ],
)
def test_a_damaged_program_counts_as_none(tmp_path, damage):
    (tmp_path / "main").write_text("a program")
    (tmp_path / "main").chmod(0o755)
    manifest = {"size": 9, "variables": {}, "watched": []}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert manifest_of(tmp_path) == manifest
    damage(tmp_path)
    assert manifest_of(tmp_path) is None


def test_the_compiler_may_have_arguments_and_may_be_missing(monkeypatch):
    monkeypatch.setenv("CXX", "env LANG=C g++ -pipe")
    assert compiler() == "env LANG=C g++ -pipe" and "-O3" in compile_arguments()
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    with pytest.raises(InputError, match="there is no 'no-such-compiler': install g"):
        compiler()


def test_modules_of_the_working_folder_are_not_taken(tmp_path, monkeypatch):
    """The compilation is a process of its own, which starts in the user's folder."""
    for name in ("json", "numpy", "bionet"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('of the working folder')")
    command = [sys.executable, *COMPILER, tmp_path / "nothing"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "there is no file" in done.stderr and "working folder" not in done.stderr


def net_of(*names):
    torch.manual_seed(0)
    conv, linear = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(120, 3)
    first, last = names
    return nn.Sequential(
        OrderedDict([(first, conv), ("r", nn.ReLU()), ("f", nn.Flatten()), (last, linear)])
    )


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((8, 1, 6, 5), dtype=np.float32)


def test_a_folder_of_the_package_s_name_beside_a_script(tmp_path):
    """An installed package wins; what is installed from a checkout needs a line in a .pth file."""
    (tmp_path / "bionet").mkdir()
    first = (Path(__file__).parents[1] / "packaging" / "bionet_first.pth").read_text()
    (tmp_path / "script.py").write_text(f"{first}import bionet\nprint(bionet.__version__)\n")
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.strip() == bionet.__version__, done.stderr


@pytest.mark.parametrize(
    ("names", "populations"),
    [
        (("conv 1", "a-b"), ["conv_1", "a_b", "readout"]),
        (("größe", "conv:1"), ["grosse", "conv_1", "readout"]),
        (("Layer", "layer"), ["Layer", "layer_2", "readout"]),
        (("層", "輸出"), ["conv", "linear", "readout"]),
    ],
)
def test_layers_may_have_any_name(images, names, populations):
    snn = bionet.convert(net_of(*names), calibration=images)
    assert [p.name for p in snn.populations] == populations
    assert list(bionet.conversion.activations(net_of(*names), images, snn)) == populations


def test_wrapped_networks_are_unwrapped(images):
    net = net_of("conv", "linear")
    snn = bionet.convert(net, calibration=images)
    for wrapped in (
        nn.DataParallel(net),
        torch.optim.swa_utils.AveragedModel(net),
        torch.compile(nn.DataParallel(net)),
    ):
        assert bionet.convert(wrapped, calibration=images) == snn


@pytest.mark.parametrize("options", [{}, {"input_shape": (1, 6, 5)}])
def test_a_data_loader_or_one_image_is_refused(images, options):
    net = net_of("conv", "linear")
    with pytest.raises(InputError, match="calibration must be an array .* is a DataLoader"):
        bionet.convert(net, calibration=torch.utils.data.DataLoader(images), **options)
    with pytest.raises(InputError, match="calibration must have the shape|has the shape"):
        bionet.convert(net, calibration=images[0, 0, 0], **options)


def test_numpy_s_error_state_is_not_the_user_s(tiny, tiny_images):
    expected = bionet.simulate(tiny, tiny_images, 5 * ms, device="numpy")
    with np.errstate(all="raise"):
        run = bionet.simulate(tiny, tiny_images, 5 * ms, device="numpy")
        assert np.geterr()["over"] == "raise"
    assert (run.output_potential == expected.output_potential).all()


def test_networks_and_results_can_be_sent_to_other_processes(tiny, tiny_images, images, tmp_path):
    """Pickle, deep copies and joblib."""
    snn = bionet.convert(net_of("conv", "linear"), calibration=images)
    run = bionet.simulate(tiny, tiny_images, 5 * ms, device="numpy")
    for value in (snn, tiny, run, snn.populations[0].model, snn.populations[0]):
        for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
            assert again == value and type(again) is type(value)
        assert joblib.load(joblib.dump(value, tmp_path / "value")[0]) == value
    again = pickle.loads(pickle.dumps(snn)).populations[0]
    with pytest.raises((TypeError, ValueError)):
        again.parameters["I"] = 1
    assert not any(array.flags.writeable for array in again.parameters.values())
