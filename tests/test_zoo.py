"""The zoo: LeNet-5, its shipped weights, and weights that must be refused."""

import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from bionet import datasets, zoo
from bionet.errors import InputError
from bionet.train import evaluate, save_weights

SHIPPED = [(found.name, data) for found in zoo.ENTRIES.values() for data in found.data]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_weights(zoo.lenet5(), path, {"network": "lenet5", "accuracy": 0.5})
    return path


def test_lenet5_has_the_layers_of_the_paper() -> None:
    net = zoo.lenet5()
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert shapes == {
        "conv1.weight": (20, 1, 5, 5),
        "conv2.weight": (50, 20, 5, 5),
        "fc1.weight": (500, 800),
        "fc2.weight": (10, 500),
    }
    kinds = [
        type(module).__name__ for module in net.children() if not isinstance(module, nn.Dropout)
    ]
    block = ["Conv2d", "ReLU", "AvgPool2d"]
    assert kinds == [*block, *block, "Flatten", "Linear", "ReLU", "Linear"]
    assert net.training
    assert net(torch.zeros(2, *zoo.entry("lenet5").input_shape)).shape == (2, 10)


@pytest.mark.parametrize(("network", "data"), SHIPPED)
def test_shipped_weights_load_in_evaluation_mode_and_say_where_they_come_from(
    network: str, data: str
) -> None:
    net = zoo.load(network, data)
    assert not any(module.training for module in net.modules())
    tensors, header = zoo.read_weights(zoo.shipped(network, data))
    weights = [tensor for tensor in tensors.values() if tensor.is_floating_point()]
    assert {tensor.dtype for tensor in weights} <= {torch.float32, torch.float16}
    assert zoo.shipped(network, data).stat().st_size < (16e6 if network == "net6" else 5e6)
    assert header == zoo.provenance(f"{network}-{data}")
    assert header == zoo.provenance(zoo.shipped(network, data))
    images, _, kind = data.partition("-") if data != "fashion-mnist" else (data, "", "")
    assert f"--activation {kind}" in header["command"] if kind else "--activ" not in str(header)
    assert header["command"].startswith(f"bionet train {network} --data {images} --seed 0")
    assert (header["network"], header["data"], header["seed"]) == (network, images, 0)
    # Trained on: the weights that it started from are there too, or the commands that made them.
    start = header.get("start")
    if start and not (zoo.shipped(network, data).parent / start).is_file():
        assert header["before"]
        assert all(line.startswith(f"bionet train {network} ") for line in header["before"])
    assert header["versions"].keys() == {"python", "bionet", "torch", "numpy"}


def test_digits_weights_reach_their_stated_accuracy() -> None:
    accuracy = evaluate(zoo.lenet5("digits"), *datasets.load("digits"))
    assert accuracy >= 0.98
    assert accuracy == pytest.approx(zoo.provenance("lenet5-digits")["accuracy"], abs=0.0011)


@pytest.mark.skipif(not os.environ.get("BIONET_DATA"), reason="BIONET_DATA names no data folder")
@pytest.mark.parametrize(("data", "least"), [("mnist", 0.994), ("fashion-mnist", 0.90)])
def test_other_weights_reach_their_stated_accuracy(data: str, least: float) -> None:
    accuracy = evaluate(zoo.lenet5(data), *datasets.load(data))
    assert accuracy >= least
    assert accuracy == pytest.approx(zoo.provenance(f"lenet5-{data}")["accuracy"], abs=0.0003)


@pytest.mark.skipif(not os.environ.get("BIONET_DATA"), reason="BIONET_DATA names no data folder")
@pytest.mark.parametrize(
    ("network", "data", "least"),
    [
        ("net1", "mnist", 0.9877),
        ("net2", "mnist", 0.9935),
        ("net4", "fashion-mnist", 0.9211),
        ("lenet5_original", "mnist", 0.9905),
        pytest.param("net5_small", "cifar10", 0.90, marks=pytest.mark.slow),
        pytest.param("net6", "cifar10", 0.917, marks=pytest.mark.slow),
        pytest.param("resnet20", "cifar10", 0.90, marks=pytest.mark.slow),
        pytest.param("net5_leaky", "cifar10", 0.74, marks=pytest.mark.slow),
        pytest.param("shang", "cifar10", 0.75, marks=pytest.mark.slow),
        pytest.param("rueckauer", "cifar10", 0.878, marks=pytest.mark.slow),
        pytest.param("cifar10_quick_original", "cifar10", 0.75, marks=pytest.mark.slow),
    ],
)
def test_networks_reach_the_accuracy_of_the_paper(network: str, data: str, least: float) -> None:
    accuracy = evaluate(zoo.load(network, data), *datasets.load(data))
    assert accuracy >= least
    assert accuracy == pytest.approx(zoo.provenance(f"{network}-{data}")["accuracy"], abs=0.0003)


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="network: expected one of lenet5, .* got 'vgg'"):
        zoo.load("vgg")
    with pytest.raises(
        InputError, match="one of digits, mnist, fashion-mnist, or a .* got 'cifar10'"
    ):
        zoo.lenet5("cifar10")
    with pytest.raises(
        InputError, match="one of lenet5-digits, .* or a safetensors file, got 'vgg'"
    ):
        zoo.provenance("vgg")
    with pytest.raises(InputError, match="there is no file"):
        zoo.read_weights(tmp_path / "nothing.safetensors")
    with pytest.raises(InputError, match="there is no file"):
        zoo.lenet5(tmp_path)


def test_weights_of_a_file_go_into_the_network(weights: Path) -> None:
    net = zoo.lenet5(weights)
    assert not net.training
    for name, tensor in load_file(weights).items():
        torch.testing.assert_close(net.state_dict()[name], tensor, rtol=0, atol=0)
    assert zoo.provenance(weights) == {"network": "lenet5", "accuracy": 0.5}


def test_load_weights_leaves_the_mode(weights: Path) -> None:
    net = zoo.lenet5()
    zoo.load_weights(net, weights)
    assert net.training


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda w: w.pop("fc2.weight"),
            "weights of another network, without fc2.weight, with unknown no",
        ),
        (lambda w: w.update(bias=torch.zeros(1)), "without nothing, with unknown bias; use"),
        (
            lambda w: w.update({"fc2.weight": torch.zeros(11, 500)}),
            r"'fc2.weight' must have shape \(10, 500\), got \(11, 500\)",
        ),
        (
            lambda w: w.update({"fc2.weight": torch.full((10, 500), torch.nan)}),
            "'fc2.weight' holds NaN or infinity",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(
    weights: Path, change: object, match: str
) -> None:
    tensors = load_file(weights)
    change(tensors)  # type: ignore[operator]
    save_file(tensors, weights)
    net = zoo.lenet5()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(InputError, match=match) as error:
        zoo.load_weights(net, weights)
    assert "\n" not in str(error.value)
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


class Bomb:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "name", ["weights.pt", "weights.PTH", "weights.pkl", "weights.safetensors"]
)
def test_pickles_are_refused_unread(tmp_path: Path, name: str) -> None:
    path, trace = tmp_path / name, tmp_path / "was-read"
    path.write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(InputError, match=r"pickle.*never load.*safetensors\.torch\.save_file"):
        zoo.lenet5(path)
    assert not trace.exists()


def test_a_file_of_torch_save_has_another_name(tmp_path: Path) -> None:
    torch.save(zoo.lenet5().state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"never load.*safetensors\.torch\.save_file"):
        zoo.lenet5(tmp_path / "weights.safetensors")


@pytest.mark.parametrize("form", ["plain", "half", "checkpoint", "parallel", "old"])
def test_a_state_dict_of_torch_save_is_loaded(tmp_path: Path, form: str) -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    state: dict[str, Any] = dict(net.state_dict())
    saved: Any = state
    if form == "half":
        saved = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    elif form == "checkpoint":
        saved = {"epoch": 3, "state_dict": state, "args": "x"}
    elif form == "parallel":
        saved = {f"module.{name}": tensor for name, tensor in state.items()}
    elif form == "old":
        saved = {k: v for k, v in state.items() if "num_batches" not in k}
    torch.save(saved, tmp_path / "weights.pth")
    copied = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    zoo.load_weights(copied, tmp_path / "weights.pth")
    for name, tensor in copied.state_dict().items():
        torch.testing.assert_close(tensor, state[name], atol=1e-3 if form == "half" else 0, rtol=0)


def test_a_state_dict_must_fit_and_hold_tensors(tmp_path: Path) -> None:
    net, path = torch.nn.Linear(3, 2), tmp_path / "weights.pth"
    torch.save({f"layer{n}.weight": torch.zeros(1) for n in range(9)}, path)
    with pytest.raises(InputError, match=r"weight, layer3\.weight and 5 more; use") as error:
        zoo.load_weights(net, path)
    assert "\n" not in str(error.value)
    torch.save({"weight": torch.zeros(3, 2), "bias": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=r"'weight' must have shape \(2, 3\), got \(3, 2\)"):
        zoo.load_weights(net, path)
    torch.save({"weight": torch.zeros(2, 3), "bias": 1.0}, path)
    with pytest.raises(InputError, match="'bias' is no tensor; write the weights alone"):
        zoo.load_weights(net, path)
    torch.save([torch.zeros(2)], path)
    with pytest.raises(InputError, match="expected a state_dict, .* got a list"):
        zoo.load_weights(net, path)
    with pytest.raises(InputError, match="there is no such file"):
        zoo.load_weights(net, tmp_path / "other.pth")


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights_are_refused(weights: Path, keep: int) -> None:
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(InputError, match="damaged or not a safetensors file") as error:
        zoo.lenet5(weights)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("provenance", "match"), [("{", "header is damaged"), ("[1]", r"must be an object, got \[1\]")]
)
def test_damaged_provenance_is_refused(weights: Path, provenance: str, match: str) -> None:
    save_file(load_file(weights), weights, {"bionet": provenance})
    with pytest.raises(InputError, match=match):
        zoo.provenance(weights)


def test_foreign_headers_are_given_as_they_are(weights: Path) -> None:
    save_file(load_file(weights), weights, {"format": "pt"})
    assert zoo.provenance(weights) == {"format": "pt"}


@pytest.mark.parametrize("low_bytes", [b"\x80\x04", b"PK"])
def test_a_header_whose_length_looks_like_a_pickle_is_read(weights: Path, low_bytes: bytes) -> None:
    # Every 32nd header is 128 + 256 k bytes long: the file begins with 0x80, as a pickle does.
    whole = weights.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.dumps(json.loads(whole[8 : 8 + length])).encode()
    padded = header.ljust(int.from_bytes(low_bytes, "little"))
    assert len(padded) > len(header)
    weights.write_bytes(struct.pack("<Q", len(padded)) + padded + whole[8 + length :])
    assert zoo.provenance(weights)["network"] == "lenet5"


def test_weights_of_a_type_without_numbers_in_numpy_are_refused(weights: Path) -> None:
    save_file({name: tensor.bfloat16() for name, tensor in load_file(weights).items()}, weights)
    with pytest.raises(InputError, match="can't be read .*bfloat16.*; save it as float32"):
        zoo.lenet5(weights)


def test_a_file_of_tensors_may_have_any_name(tmp_path):
    path = tmp_path / "x.ckpt"
    save_weights(zoo.lenet5(), path)
    assert "conv1.weight" in zoo.read_weights(path)[0]
    path.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(InputError, match="pickles are never loaded"):
        zoo.read_weights(path)
