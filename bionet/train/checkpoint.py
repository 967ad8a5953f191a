"""Weights and unfinished trainings in safetensors files, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import nn

from bionet.errors import InputError
from bionet.files import write_tensors
from bionet.kinds import typed
from bionet.versions import versions_of
from bionet.zoo import read_weights
from bionet.zoo.eight_bits import pack, rounded

__all__ = [
    "StoredType",
    "check_stored_type",
    "digest",
    "load_checkpoint",
    "round_weights",
    "save_checkpoint",
    "save_weights",
    "versions",
]

# Types that weights are stored in; int8 has a scale for each output channel.
StoredType = Literal["float32", "float16", "int8"]


@typed
def save_weights(
    net: nn.Module,
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any] | None = None,
    dtype: StoredType | None = None,
) -> None:
    """Write the weights of a network as a safetensors file, whole or not at all.

    Parameters
    ----------
    net : torch.nn.Module
        The network.
    path : path
        The file; one that is there is replaced.
    metadata : mapping of str to anything JSON can say, optional
        Where the weights come from; `bionet.zoo.provenance` gives it back.
    dtype : {"float32", "float16", "int8"}, optional
        Type to store them in; by default the one that they have. ``"int8"``: eight bits a weight
        with a scale for each output channel, see :mod:`bionet.zoo.eight_bits`.

    Raises
    ------
    InputError
        If the type is unknown, or the folder can't be written.
    """
    if dtype is not None:
        check_stored_type(dtype)
    tensors = net.state_dict()
    if dtype == "int8":
        tensors = pack(tensors)
    elif dtype is not None:
        tensors = {name: _as_float(tensor, dtype) for name, tensor in tensors.items()}
    _write(Path(path), tensors, dict(metadata or {}))


def check_stored_type(dtype: str) -> None:
    """Refuse a type that weights can't be stored in."""
    if dtype not in get_args(StoredType):
        raise InputError(f"dtype: expected one of {', '.join(get_args(StoredType))}, got {dtype!r}")


@typed
def round_weights(net: nn.Module, dtype: StoredType) -> None:
    """Give a network the values that its weights have once stored, each in its present type."""
    if dtype == "float16":
        values = {name: _as_float(tensor, dtype) for name, tensor in net.state_dict().items()}
    else:
        values = net.state_dict() if dtype == "float32" else rounded(net.state_dict())
    net.load_state_dict(values)


def _as_float(tensor: torch.Tensor, dtype: str) -> torch.Tensor:
    """A tensor in a floating-point type, or as it is if it holds integers."""
    kind = torch.float16 if dtype == "float16" else torch.float32
    return tensor.to(kind) if tensor.is_floating_point() else tensor


def _write(path: Path, tensors: Mapping[str, torch.Tensor], header: Mapping[str, Any]) -> None:
    """Tensors, and a JSON object under the header's key ``bionet``."""
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    write_tensors(path, arrays, {"bionet": json.dumps(header)})


def versions() -> dict[str, str]:
    """Versions of what trained weights depend on, by package."""
    packages = ("bionet", "torch", "numpy")
    missing = dict.fromkeys(packages, "not installed")
    return {"python": platform.python_version()} | missing | versions_of(*packages)


def digest(*tensors: torch.Tensor) -> str:
    """SHA-256 of shapes, types and values."""
    total = hashlib.sha256()
    for tensor in tensors:
        array = np.ascontiguousarray(tensor.cpu().numpy())
        total.update(f"{array.dtype} {array.shape}".encode())
        total.update(array.data)
    return total.hexdigest()


def save_checkpoint(
    path: Path,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    settings: Mapping[str, Any],
    history: list[dict[str, float]],
) -> None:
    """Write a training as it stands after an epoch.

    Parameters
    ----------
    path : pathlib.Path
        The file; one that is there is replaced.
    net : torch.nn.Module
        The network.
    optimiser : torch.optim.Optimizer
        One whose state consists of tensors, as AdamW's does.
    settings : mapping
        What a resumed training must have in common with this one.
    history : list of dict
        One for each finished epoch.
    """
    tensors = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in state.items()}
    _write(path, tensors, {"settings": dict(settings), "history": history})


def load_checkpoint(
    path: Path, net: nn.Module, optimiser: torch.optim.Optimizer, settings: Mapping[str, Any]
) -> list[dict[str, float]]:
    """Put a network and its optimiser where `save_checkpoint` left them.

    Returns
    -------
    list of dict
        The history: one for each finished epoch.

    Raises
    ------
    InputError
        If the file is damaged or belongs to another training; nothing is changed then.
    """
    tensors, header = read_weights(path)
    if set(header) != {"settings", "history"}:
        raise InputError(
            f"{path}: expected a checkpoint of an unfinished training, got other tensors; "
            "name another file"
        )
    theirs = header["settings"]
    different = [
        f"{name} {theirs.get(name)} there, {value} here"
        for name, value in settings.items()
        if theirs.get(name) != value
    ]
    if different:
        raise InputError(
            f"{path}: the checkpoint belongs to another training ({'; '.join(different)}); "
            "use the same settings, name another file, or remove this one"
        )
    expected = {f"net.{name}": tensor.shape for name, tensor in net.state_dict().items()}
    if any(name not in tensors or tensors[name].shape != expected[name] for name in expected):
        raise InputError(f"{path}: the checkpoint belongs to another network; name another file")
    net.load_state_dict({name.removeprefix("net."): tensors[name] for name in expected})
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    history: list[dict[str, float]] = header["history"]
    return history
