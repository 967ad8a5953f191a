"""How well a network classifies, and checks of networks against images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from bionet.datasets import Dataset
from bionet.errors import InputError
from bionet.kinds import told, typed

__all__ = ["Arrays", "as_tensors", "check_network", "device_of", "evaluate", "find_device", "mode"]

Arrays = Dataset | tuple[Any, Any]


@contextmanager
def mode(net: nn.Module, training: bool) -> Iterator[None]:
    """Training or evaluation mode for a while; each module then gets its own back."""
    before = {module: module.training for module in net.modules()}
    net.train(training)
    try:
        yield
    finally:
        for module, was in before.items():
            module.training = was


def device_of(net: nn.Module) -> torch.device:
    """Where a network computes: the device of its first parameter, the CPU if it has none."""
    parameter = next(net.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def find_device(name: str) -> torch.device:
    """The device of this name, if tensors can be made there.

    Raises
    ------
    InputError
        If PyTorch finds none.
    """
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device: expected 'cpu' or a device that PyTorch finds, got '{name}' ({reason})"
        ) from error


def as_tensors(data: Arrays, what: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels as tensors, checked.

    Parameters
    ----------
    data : Dataset, or pair of arrays or tensors
        Images (n, ...), floating point, and labels (n,), integer.
    what : str
        What an error calls them.

    Returns
    -------
    images : tensor (n, ...), float32
    labels : tensor (n,), int64

    Raises
    ------
    InputError
        If types or shapes are others, there are no images, or a pixel is not finite.
    """
    if not isinstance(data, Dataset | tuple | list) or len(data := tuple(data)) != 2:
        raise InputError(
            f"{what}: expected a Dataset or a pair of images and labels, got {told(data)}"
        )
    images, labels = (_tensor(array, what) for array in data)
    if images.ndim < 2 or not images.numel() or labels.shape != images.shape[:1]:
        raise InputError(
            f"{what}: expected images (n, ...) with n >= 1 and labels (n,), "
            f"got {tuple(images.shape)} and {tuple(labels.shape)}"
        )
    if not images.is_floating_point() or labels.is_floating_point():
        raise InputError(
            f"{what}: expected floating-point images and integer labels, "
            f"got {images.dtype} and {labels.dtype}; divide bytes by 255"
        )
    if not bool(torch.isfinite(images).all()):
        raise InputError(f"{what}: pixels must be finite, got NaN or infinity")
    return images.to(torch.float32), labels.to(torch.int64)


def _tensor(array: Any, what: str) -> torch.Tensor:
    try:
        return torch.as_tensor(array)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{what}: expected arrays or tensors of numbers, got {told(array)}"
        ) from error


def check_network(net: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Refuse a network that doesn't take the images or has no output for a label.

    Parameters
    ----------
    net : torch.nn.Module
        It sees the first image, in evaluation mode.
    images : tensor (n, ...)
        As from `as_tensors`.
    labels : tensor (n,)
        As from `as_tensors`.

    Raises
    ------
    InputError
        If they don't fit.
    """
    shape = tuple(images.shape[1:])
    try:
        with mode(net, training=False), torch.no_grad():
            outputs = net(images[:1].to(device_of(net)))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"net: can't take images of shape {shape} ({reason}); change one of them"
        ) from error
    low, high = int(labels.min()), int(labels.max())
    if outputs.ndim != 2 or low < 0 or high >= max(2, outputs.shape[1]):
        raise InputError(
            f"net: outputs must be (n, classes) with a class for each label ({low} to {high}), "
            f"got (n, {', '.join(map(str, outputs.shape[1:]))})"
        )


def answers_of(outputs: torch.Tensor) -> torch.Tensor:
    """The class of every image: the largest output, or of a single one whether it is positive."""
    outputs = outputs.reshape(len(outputs), -1)  # one score may come without its axis
    return (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(1)


@typed
def evaluate(net: nn.Module, images: Any, labels: Any, batch_size: int = 500) -> float:
    """Share of images whose largest output is that of their label, in [0, 1].

    Parameters
    ----------
    net : torch.nn.Module
        From images to (n, classes). It runs in evaluation mode and gets its own mode back.
    images : array or tensor (n, ...), floating point
        As the network takes them.
    labels : array or tensor (n,), integer
        Class of each image.
    batch_size : int
        Images at a time.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If there are no images, not one label for each, or the network doesn't take them.
    """
    if batch_size < 1:
        raise InputError(f"batch_size: expected an integer >= 1, got {batch_size!r}")
    images, labels = as_tensors((images, labels), "evaluate")
    check_network(net, images, labels)
    device, right = device_of(net), 0
    with mode(net, training=False), torch.no_grad():
        for some, wanted in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            right += int((answers_of(net(some.to(device))).cpu() == wanted).sum())
    return right / len(images)
