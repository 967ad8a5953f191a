"""The networks of the papers, with weights trained on real data.

The table of the networks is :mod:`bionet.zoo.table`. Weights are safetensors files:
plain numbers with a header that says where they come from. Reading a pickle can run any code, so
that of a PyTorch file nothing but tensors is read.

References
----------
.. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document
   recognition. Proc. IEEE 86 (1998) 2278-2324.
.. [2] Q. Yu et al.: see :mod:`bionet.zoo.architectures`.
.. [3] Y. Jia et al.: Caffe: Convolutional architecture for fast feature embedding. ACM Multimedia
   (2014) 675-678.
.. [4] Y. Shang, Y. Li, F. You: An SNN construction method based on CNN conversion and threshold
   setting (2020).
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bionet.errors import InputError, did_you_mean
from bionet.files import read_tensors
from bionet.kinds import typed
from bionet.zoo import eight_bits
from bionet.zoo.table import ENTRIES, ZooEntry

__all__ = [
    "ENTRIES",
    "ZooEntry",
    "added_weights",
    "cifar10_quick",
    "cifar10_quick_original",
    "entry",
    "lenet5",
    "lenet5_original",
    "load",
    "load_weights",
    "names",
    "provenance",
    "read_weights",
    "rueckauer",
    "shang",
    "shipped",
    "start_from",
]

PACKAGED = Path(__file__).parent / "weights"
CHECKOUT = Path(__file__).resolve().parents[2] / "weights"
PICKLE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt")
# Under which a checkpoint holds the state_dict beside other things.
INSIDE = ("state_dict", "model_state_dict", "model", "net")


def names() -> tuple[str, ...]:
    """Names of the networks."""
    return tuple(ENTRIES)


@typed
def entry(name: str) -> ZooEntry:
    """What the zoo knows of a network.

    Raises
    ------
    InputError
        If there is no network of this name.
    """
    if name not in ENTRIES:
        raise InputError(
            f"network: expected one of {', '.join(ENTRIES)}, got '{name}'"
            + did_you_mean(name, ENTRIES)
        )
    return ENTRIES[name]


@typed
def load(name: str, weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """Make a network of the zoo.

    Parameters
    ----------
    name : str
        One of `names`.
    weights : str or path, optional
        A data set that weights come with the package for, a safetensors file, or the NAME of a file
        ``NETWORK-NAME.safetensors`` in the folder that the environment variable ``BIONET_WEIGHTS``
        names, or in ``weights/`` of a checkout. Without it the network is untrained: PyTorch's
        random initial weights, in training mode.

    Returns
    -------
    torch.nn.Module
        In evaluation mode if weights were loaded.

    Raises
    ------
    InputError
        If the name or weights are unknown, or the weights don't fit the network.
    """
    listed = entry(name)
    net = listed.make()
    if weights is None:
        return net
    if weights in listed.data:
        load_weights(net, shipped(listed.name, str(weights)))
    elif Path(weights).exists():
        load_weights(net, weights)
    elif (dropped := added_weights(listed.name, str(weights))) is not None:
        load_weights(net, dropped)
    else:
        data_sets = ", ".join(listed.data) or "no data set"
        raise InputError(
            f"weights of '{name}': expected one of {data_sets}, or a safetensors file, "
            f"got '{weights}', which is neither; train some with: bionet train {name}"
        )
    return net.eval()


@typed
def load_weights(net: nn.Module, path: str | os.PathLike[str]) -> None:
    """Copy the weights in a safetensors file into a network, whose mode stays as it is.

    Parameters
    ----------
    net : torch.nn.Module
        Any network; it is changed only if the whole file fits.
    path : path
        A safetensors file, or a state_dict that torch.save has written. Every tensor of the
        network must be there, under its name and with its shape.
        Biases that ``bionet train --activation tdsnn`` gave to layers without any are added, and
        QCFS activations take the place of ReLUs where ``--activation qcfs`` trained them.

    Raises
    ------
    InputError
        If the file can't be read or doesn't fit.
    """
    tensors, header = read_weights(path)
    expected = net.state_dict()
    added: dict[str, nn.Conv2d | nn.Linear] = {}
    if "--activation tdsnn" in str(header.get("command", "")):
        added = {
            f"{name}.bias": layer
            for name, layer in net.named_modules()
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is None
            if f"{name}.bias" in tensors
        }
    expected |= {name: layer.weight.flatten(1)[:, 0] for name, layer in added.items()}
    levels = _quantised_levels(header)
    if levels is not None:
        from bionet.conversion.preparing.quantised_activation import relu_names, replace_relus

        expected |= {f"{name}.scale": torch.zeros(()) for name in relu_names(net)}
    # Files older than this counter have none, and a network in evaluation does not read it.
    missing = [n for n in expected if n not in tensors and not n.endswith(eight_bits.COUNTER)]
    extra = [name for name in tensors if name not in expected]
    if missing or extra:
        raise InputError(
            f"{path}: weights of another network, without {_first(missing)}, "
            f"with unknown {_first(extra)}; use the network they were trained with"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise InputError(
                f"{path}: '{name}' must have shape {tuple(expected[name].shape)}, "
                f"got {tuple(tensor.shape)}; use the network that the weights were trained with"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{path}: '{name}' holds NaN or infinity; train the network again")
    for name, layer in added.items():
        layer.bias = nn.Parameter(tensors[name].clone())
    if levels is not None:
        replace_relus(net, levels)
    net.load_state_dict(tensors, strict=False)


def _first(names: list[str], most: int = 4) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "nothing"


def _quantised_levels(header: Mapping[str, Any]) -> int | None:
    """Levels of the QCFS activations that weights were trained with, None for ReLUs."""
    activation = header.get("activation")
    if not isinstance(activation, Mapping) or activation.get("kind") != "qcfs":
        return None
    return int(activation["levels"])


@typed
def start_from(net: nn.Module, path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Copy weights of this network, or of the one it was adjusted from, as a start of training.

    Parameters
    ----------
    net : torch.nn.Module
        Every tensor of it must be in the file, under its name and with its shape.
    path : path
        Biases that the network lacks may be there too.

    Returns
    -------
    tuple of str
        Names of the tensors that were left out.

    Raises
    ------
    InputError
        If the file can't be read or doesn't fit.
    """
    tensors, _ = read_weights(path)
    expected = net.state_dict()
    for name, tensor in expected.items():
        if name not in tensors and name.endswith(eight_bits.COUNTER):
            continue  # weights of eight bits have none: it counts anew
        if name not in tensors or tensors[name].shape != tensor.shape:
            shape = tuple(tensors[name].shape) if name in tensors else "nothing"
            raise InputError(
                f"{path}: '{name}' must have shape {tuple(tensor.shape)}, got {shape}; start from"
                " weights of the same network, or of the one that it was adjusted from"
            )
    left_out = tuple(name for name in tensors if name not in expected)
    if foreign := [name for name in left_out if not name.endswith(".bias")]:
        raise InputError(f"{path}: the network has no '{foreign[0]}'; only biases may be left out")
    net.load_state_dict(expected | {name: tensors[name] for name in expected if name in tensors})
    return left_out


@typed
def read_weights(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and provenance in a safetensors file.

    Parameters
    ----------
    path : path
        The file. Weights of eight bits (:mod:`bionet.zoo.eight_bits`) come as float32.

    Returns
    -------
    tensors : dict of str to torch.Tensor
        By name.
    provenance : dict of str to anything JSON can say
        What the header tells; empty if it tells nothing.

    Raises
    ------
    InputError
        If the file is missing, damaged, or a pickle.
    """
    path = Path(path)
    # A checkpoint may be called x.ckpt, and still be tensors: what is in a file counts.
    if path.suffix.lower() in PICKLE_SUFFIXES and not _begins_with_a_header(path):
        return _state_dict(path), {}
    try:
        arrays, header = read_tensors(path)
    except TypeError as error:  # NumPy has no bfloat16 and no 8-bit floats
        raise InputError(
            f"{path}: a tensor has a type that can't be read ({error}); save it as float32"
        ) from error
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return eight_bits.unpack(tensors, str(path)), _decode(header, path)


def _begins_with_a_header(path: Path) -> bool:
    """Whether a file begins as a safetensors file does: eight bytes, then JSON."""
    try:
        with path.open("rb") as file:
            return file.read(9)[8:] == b"{"
    except OSError:
        return False


def _state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The tensors in a file that torch.save has written, and nothing else of it."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; give that of a network's weights")
    try:
        _check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, for a damaged file too
        raise InputError(
            f"{path}: holds more than tensors, or is damaged; pickles are never loaded,"
            " because reading one can run any code: where you trust it, save its tensors alone,"
            " safetensors.torch.save_file(net.state_dict(), 'x.safetensors')"
        ) from error
    for name in INSIDE:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not content:
        raise InputError(
            f"{path}: expected a state_dict, names with their tensors, got a"
            f" {type(content).__name__}; write it by torch.save(net.state_dict(), FILE)"
        )
    tensors = {str(k): v for k, v in content.items() if isinstance(v, torch.Tensor)}
    if len(tensors) < len(content):
        other = next(k for k, v in content.items() if not isinstance(v, torch.Tensor))
        raise InputError(
            f"{path}: {other!r} is no tensor; write the weights alone by"
            " torch.save(net.state_dict(), FILE)"
        )
    if all(name.startswith("module.") for name in tensors):  # of DataParallel
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors


def _check_archive(path: Path) -> None:
    """Refuse an archive of torch.save in which a bit has flipped: torch.load does not look."""
    if not zipfile.is_zipfile(path):  # as torch.save wrote before version 1.6
        return
    with zipfile.ZipFile(path) as archive:
        # Without checksums, as torch.serialization.set_crc32_options(False) writes, all are 0.
        if any(part.CRC for part in archive.infolist()) and (part := archive.testzip()):
            raise ValueError(f"the checksum of {part} is not that of its content")


@typed
def provenance(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Where weights come from: network, data, accuracy, seed, epochs, command, versions.

    Parameters
    ----------
    source : str or path
        A safetensors file, or weights of the package by name: ``"lenet5-mnist"``.

    Returns
    -------
    dict
        What the file's header tells; empty if it tells nothing.

    Raises
    ------
    InputError
        If there are no such weights.
    """
    sources = {
        f"{network.name}-{data}": (network.name, data)
        for network in ENTRIES.values()
        for data in network.data
    }
    if source in sources:
        return read_weights(shipped(*sources[str(source)]))[1]
    if not Path(source).exists():
        raise InputError(
            f"weights: expected one of {', '.join(sources)}, or a safetensors file, got '{source}'"
        )
    return read_weights(source)[1]


@typed
def shipped(network: str, data: str) -> Path:
    """The file that holds a network's weights for a data set.

    The digits' weights are inside the package. All others stand in the folder ``weights/`` of the
    repository, which keeps the wheel small; an installed package finds them through the
    environment variable ``BIONET_WEIGHTS``.

    Raises
    ------
    InputError
        If the file is in none of these folders.
    """
    added = added_weights(network, data)
    if added is not None:
        return added
    raise InputError(
        f"the weights {network}-{data}.safetensors are not in this installation, which holds the"
        " digits' alone: set BIONET_WEIGHTS to the folder weights/ of BioNet's repository,"
        f" or train them with 'bionet train {network} --data {data}'"
    )


@typed
def added_weights(network: str, name: str) -> Path | None:
    """The file ``NETWORK-NAME.safetensors`` in a folder of weights, None where none has it.

    Whoever trains other weights puts their file there, and they are loaded by name.
    """
    if Path(name).name != name:  # a path is no name
        return None
    folders = [PACKAGED, CHECKOUT]
    if "BIONET_WEIGHTS" in os.environ:
        folders.insert(0, Path(os.environ["BIONET_WEIGHTS"]).expanduser())
    files = (folder / f"{network}-{name}.safetensors" for folder in folders)
    return next((file for file in files if file.is_file()), None)


def _decode(header: Mapping[str, str], path: Path) -> dict[str, Any]:
    """The provenance that `bionet.train.save_weights` wrote, or a foreign header as it is."""
    if "bionet" not in header:
        return dict(header)
    try:
        decoded = json.loads(header["bionet"])
    except (ValueError, RecursionError) as error:  # the latter of thousands of brackets
        raise InputError(f"{path}: the provenance in the header is damaged ({error})") from error
    if not isinstance(decoded, dict):
        raise InputError(f"{path}: the provenance in the header must be an object, got {decoded!r}")
    return decoded


@typed
def lenet5(weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """LeNet-5 as in Caffe (20c5-p2-50c5-p2-500-10), adjusted for conversion to spikes.

    ReLU after every layer but the last, average pooling, no bias.

    Parameters
    ----------
    weights : str or path, optional
        ``"digits"``, ``"mnist"``, ``"fashion-mnist"`` or a safetensors file; see `load`.

    Returns
    -------
    torch.nn.Sequential
        From images (n, 1, 28, 28) in [0, 1] to (n, 10); in evaluation mode if weights were loaded.
    """
    return load("lenet5", weights)


@typed
def lenet5_original(weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """LeNet-5 as in Caffe, with max pooling and biases; see `load`."""
    return load("lenet5_original", weights)


@typed
def cifar10_quick(weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """Caffe's cifar10_quick (32c5-p3s2-32c5-p3s2-64c5-p3s2-64-10), adjusted for spikes; see `load`.

    From images (n, 3, 32, 32) in [0, 1] to (n, 10).
    """
    return load("cifar10_quick", weights)


@typed
def cifar10_quick_original(weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """Caffe's cifar10_quick, with max pooling and biases; see `load`."""
    return load("cifar10_quick_original", weights)


@typed
def rueckauer(weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """Rueckauer's network for CIFAR-10, 32c3-32c3-p2-64c3-64c3-p2-512-10; see `load`.

    Batch normalisation, biases and max pooling; from images (n, 3, 32, 32) in [0, 1] to (n, 10).
    """
    return load("rueckauer", weights)


@typed
def shang(weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """The three-convolution network of Shang et al., adjusted (64c5-p2-64c5-p2-64c5-512-10).

    ReLU after every layer but the last, average pooling, no bias. The paper's figure of the
    network is not legible and its text gives the kinds of layers (conv1, pool1, conv2, pool2,
    conv3, ip1, ip2) and the number of synapses, about 14,200,000. Convolutions of 64 channels and
    5 x 5 kernels without padding give 14.17 to 14.20 million for any ip1 of 64 to 512 units, and
    14,200,064 (poolings included) for 512; Caffe's 32-32-64 with padding gives 12.7 million.

    Parameters
    ----------
    weights : str or path, optional
        ``"cifar10"``, or a safetensors file; see `load`.

    Returns
    -------
    torch.nn.Sequential
        From images (n, 3, 32, 32) in [0, 1] to (n, 10); in evaluation mode if weights were loaded.
    """
    return load("shang", weights)
