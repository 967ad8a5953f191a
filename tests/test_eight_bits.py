"""Weights of eight bits: what is lost, what is exact, what a file says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from bionet import zoo
from bionet.errors import InputError
from bionet.train import save_weights
from bionet.zoo.eight_bits import pack, unpack


def network() -> nn.Sequential:
    """Layers of every rank, with a dead channel."""
    torch.manual_seed(3)
    net = nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 4, 2)),
        *(nn.Conv1d(4, 2, 3, groups=2), nn.Linear(5, 6)),
    )
    with torch.no_grad():
        net[0].weight[2] = 0
        net[0].weight[3] *= 1e-6
    return net


def test_a_weight_is_at_most_half_a_step_of_its_own_channel_away(tmp_path: Path) -> None:
    net = network()
    save_weights(net, tmp_path / "x.safetensors", {"network": "mine"}, dtype="int8")
    read, header = zoo.read_weights(tmp_path / "x.safetensors")
    assert header == {"network": "mine"}
    for name, tensor in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            assert name not in read
        elif tensor.ndim < 2:
            assert torch.equal(read[name], tensor)
        else:
            step = tensor.flatten(1).abs().amax(1) / 127 * (1 + 2**-16)
            error = (read[name] - tensor).flatten(1).abs().amax(1)
            assert bool((error <= step / 2 + 1e-12).all()), name
            assert read[name].dtype == torch.float32
    stored = load_file(tmp_path / "x.safetensors")
    assert stored["0.weight"].dtype == torch.int8
    assert stored["0.weight:scale"].shape == (8,)


def test_weights_that_are_stored_again_are_the_same_bits() -> None:
    once = unpack(pack(network().state_dict()), "once")
    twice = unpack(pack(once), "twice")
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_resnet20_fits_in_300_kilobytes(tmp_path: Path) -> None:
    net = zoo.load("resnet20")
    save_weights(net, tmp_path / "x.safetensors", dtype="int8")
    assert (tmp_path / "x.safetensors").stat().st_size < 300_000
    zoo.load("resnet20", tmp_path / "x.safetensors")


@pytest.mark.parametrize("without", ["weights", "channels", "type"])
def test_scales_without_their_weights_are_refused_and_written_again(
    tmp_path: Path, without: str
) -> None:
    path, net = tmp_path / "x.safetensors", network()
    save_weights(net, path, dtype="int8")
    stored = load_file(path)
    if without == "weights":
        del stored["0.weight"]
    elif without == "channels":
        stored["0.weight:scale"] = stored["0.weight:scale"][:3].clone()
    else:
        stored["0.weight"] = stored["0.weight"].float()
    save_file(stored, path)
    with pytest.raises(InputError, match=r"the scales '0.weight:scale' .* write the file again by"):
        zoo.load_weights(net, path)
    save_weights(net, path, dtype="int8")
    zoo.load_weights(net, path)


def test_an_unknown_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dtype: expected one of float32, float16, int8, got 'b'"):
        save_weights(network(), tmp_path / "x.safetensors", dtype="b")
