"""Images and networks by their names: what a command or a study is given."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bionet.errors import InputError
from bionet.files import read_npz

if TYPE_CHECKING:
    from torch import nn

    from bionet.network import SpikingNetwork

from bionet.quantities import shape

__all__ = [
    "Images",
    "Source",
    "converted_source",
    "load_images",
    "source_network",
    "with_its_source",
    "with_source",
]


@dataclass(frozen=True, eq=False)
class Images:
    """Images and labels that a command works on.

    Parameters
    ----------
    name : str
        The data set, or the file.
    images : float array (n, ...), or a Stimulus in its place
        They are checked against a network where one gets them.
    labels : int64 array (n,)
        Empty where there are none.
    """

    name: str
    images: Any
    labels: np.ndarray

    def first(self, n: int | None, option: str) -> Images:
        """The first n images; all of them where n is None."""
        if n is None:
            return self
        if not 1 <= n <= len(self.images):
            raise InputError(
                f"{option}: expected 1 to {len(self.images)}, the images of {self.name}, got {n}"
            )
        return Images(self.name, self.images[:n], self.labels[:n])

    def drawn(self, n: int, seed: int, option: str) -> Images:
        """At most n images, drawn at random without repetition."""
        if n < 1:
            raise InputError(f"{option}: the calibration set is empty; give at least 1, not {n}")
        positions = np.random.default_rng(seed).permutation(len(self.images))[:n]
        return Images(self.name, self.images[positions], self.labels[positions])

    def check_classes(self, n_classes: int) -> None:
        """Refuse a label that the network has no output for."""
        low, high = int(self.labels.min()), int(self.labels.max())
        n_classes = max(2, n_classes)  # a single output tells two classes apart by its sign
        if low < 0 or high >= n_classes:
            raise InputError(
                f"labels of {self.name}: expected 0 to {n_classes - 1}, one for each output of"
                f" the network, got {low} to {high}"
            )


def load_images(data: str, split: str, data_dir: Path | None) -> Images:
    """A data set by its name, or the images and labels of an ``.npz`` file."""
    from bionet import datasets

    if data.lower().endswith(".npz"):
        return _load_npz(Path(data))
    if data not in datasets.names():
        names = ", ".join(datasets.names())
        raise InputError(f"--data: expected one of {names}, or an .npz file, got {data!r}")
    # The split of `digits` stays that of the shipped weights, whatever the seed of the command.
    dataset = datasets.load(data, split, data_dir)
    return Images(data, dataset.images, dataset.labels)


def _load_npz(path: Path) -> Images:
    """Arrays ``images`` and ``labels``; nothing is unpickled."""
    if not path.is_file():
        raise InputError(f"--data: there is no file {path}")
    try:
        arrays = read_npz(path)
    except InputError as error:
        remedy = "write it with numpy.savez(path, images=..., labels=...)"
        raise InputError(f"{error}; {remedy}") from error
    if missing := sorted({"images", "labels"} - set(arrays)):
        raise InputError(f"{path}: needs arrays 'images' and 'labels': there is no {missing[0]!r}")
    images, labels = arrays["images"], arrays["labels"]
    if images.dtype.kind != "f" or images.ndim < 2 or not images.size:
        raise InputError(
            f"{path}: images must be floating-point pixels (n, channels, height, width), got"
            f" {images.dtype} {images.shape}; divide bytes by 255"
        )
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise InputError(
            f"{path}: labels must be {len(images)} whole numbers, one for each image, got"
            f" {labels.dtype} {labels.shape}"
        )
    return Images(str(path), images.astype(np.float32), labels.astype(np.int64))


@dataclass(frozen=True, eq=False)
class Source:
    """A PyTorch network that a command was given.

    Parameters
    ----------
    name : str
        Of the zoo, or ``module:function``.
    net : torch.nn.Module
        In evaluation mode.
    input_shape : tuple of int or None
        Shape of one image, where it is known.
    noted : dict
        What a spiking network's origin says of it: network, weights, sha256.
    """

    name: str
    net: nn.Module
    input_shape: tuple[int, ...] | None
    noted: dict[str, Any]


def source_network(
    name: str, weights: str | None, input_shape: str | None = None, neuron: str | None = None
) -> Source:
    """A network of the zoo, or what a user's ``module:function`` returns, with weights.

    Weights that were fine-tuned through a neuron's curve give the network of rates.

    Parameters
    ----------
    name : str
    weights : str, optional
        A data set that weights come with the package for, or a file.
    input_shape : str, optional
        As ``1,28,28``.
    neuron : str, optional
        ``module:function``, where the weights were trained with a neuron of the user's own.

    Raises
    ------
    InputError
        If there is no such network, it can't be made, or the weights don't fit.
    """
    from bionet import zoo

    given = None if input_shape is None else shape(input_shape, "--input-shape")
    noted = {"network": name, "weights": weights}
    if ":" in name:
        net = _call(name)
        if weights is not None:
            zoo.load_weights(net, weights)
        return Source(name, _network_of_rates(net.eval(), weights, neuron), given, noted)
    entry = zoo.entry(name)
    if weights is None:
        data_sets = ", ".join(entry.data)
        raise InputError(
            f"{name} is untrained without --weights: expected one of {data_sets}, or a file"
        )
    net = _network_of_rates(zoo.load(name, weights), weights, neuron)
    noted["sha256"] = _digest(name, weights)
    return Source(name, net, given or entry.input_shape, noted)


def converted_source(snn: SpikingNetwork) -> Source | None:
    """The network of the zoo that a spiking network was converted from, if it is still there.

    Only the zoo's: a spiking network that somebody sent must not choose which code is run.
    """
    from bionet import zoo

    name, weights = snn.origin.network, snn.origin.weights
    if name not in zoo.names() or not isinstance(weights, str):
        return None
    try:
        if _digest(name, weights) != snn.origin.sha256:
            return None
        return source_network(name, weights)
    except (InputError, OSError):
        return None


def with_its_source(
    network: str, snn: Path, weights: str | None, images: Images
) -> tuple[SpikingNetwork, Source, Images]:
    """A spiking network, the network that it was converted from, and images for both.

    Parameters
    ----------
    network : str
        As for :func:`source_network`.
    snn : Path
    weights : str, optional
        Those that were converted, where they are not given.
    images : Images

    Raises
    ------
    InputError
        If the labels of the images are no classes of the network.
    """
    from bionet.network import SpikingNetwork

    spiking = SpikingNetwork.load(snn)
    if weights is None and spiking.origin.network == network:
        weights = spiking.origin.weights
    images.check_classes(spiking.population(spiking.readout.potential).size)
    return spiking, source_network(network, weights), images


def with_source(snn: SpikingNetwork, source: Source) -> SpikingNetwork:
    """The spiking network, its origin naming the network and the weights."""
    return replace(snn, origin=replace(snn.origin, **source.noted))


def _network_of_rates(net: nn.Module, weights: str | None, neuron: str | None) -> nn.Module:
    """The network of rates, where weights were fine-tuned through a neuron's curve."""
    from bionet import zoo

    if weights is None or not str(weights).endswith(".safetensors"):
        return net
    made_of = zoo.provenance(weights).get("activation")
    if not isinstance(made_of, dict) or "neuron" not in made_of:
        return net
    from bionet.firing.named import activation_of, is_built_in
    from bionet.firing.twin import twin

    theirs = str(made_of["neuron"])
    if not is_built_in(theirs) and neuron != theirs:
        raise InputError(
            f"{weights}: trained through the curve of {theirs!r}, a neuron of somebody's own; no"
            f" file chooses what is imported: convert with -O neuron={theirs} if you trust it"
        )
    return twin(net, activation_of(made_of)).eval()


def _digest(name: str, weights: str) -> str:
    from bionet import zoo

    path = zoo.shipped(name, weights) if weights in zoo.entry(name).data else Path(weights)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _call(name: str) -> nn.Module:
    """Import ``module:function`` from the current folder or the environment, and call it."""
    from torch import nn

    module, _, function = name.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        make: Callable[[], Any] = getattr(importlib.import_module(module), function)
        net = make()
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{name}: expected module:function that returns a torch.nn.Module, but"
            f" {type(error).__name__}: {reason}"
        ) from error
    if not isinstance(net, nn.Module):
        raise InputError(f"{name} must return a torch.nn.Module, but returned {type(net).__name__}")
    return net
