"""Training of networks by their classification error, reproducible and resumable.

The loss is the cross-entropy of the softmax of the outputs, minimised by AdamW [1]_ with the
learning rate of `bionet.train.recipes`. Every epoch is seeded by (seed, epoch) alone, so a training
resumed from a checkpoint ends with the same weights as an uninterrupted one. On the CPU equal
weights need an equal number of threads too, because it sets the order in which PyTorch adds.

References
----------
.. [1] I. Loshchilov, F. Hutter: Decoupled weight decay regularization. ICLR (2019).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from bionet import datasets, zoo
from bionet.conversion.preparing.quantised_activation import quantised_network
from bionet.conversion.preparing.temporal_activation import add_bias_neurons, temporal_network
from bionet.errors import InputError
from bionet.evaluation import Arrays, as_tensors, check_network, device_of, evaluate, find_device
from bionet.files import output_folder
from bionet.kinds import typed
from bionet.train.checkpoint import (
    StoredType,
    check_stored_type,
    round_weights,
    save_weights,
    versions,
)
from bionet.train.epochs import Epoch, Job, run_epochs
from bionet.train.recipes import (
    RECIPES,
    Recipe,
    erase_randomly,
    flip_randomly,
    one_cycle,
    recipe_for,
    shift_randomly,
)
from bionet.zoo.entries import PICKLE_SUFFIXES

__all__ = [
    "MODES",
    "RECIPES",
    "Epoch",
    "Recipe",
    "TrainResult",
    "erase_randomly",
    "evaluate",
    "flip_randomly",
    "one_cycle",
    "save_weights",
    "shift_randomly",
    "train",
    "train_zoo",
]

Mode = Literal["finetune", "compensate"]
# Training images that the scales of QCFS activations begin from.
SCALE_IMAGES = 500
MODES: Mapping[str, Mode] = {"tdsnn": "finetune", "rounded": "compensate"}
"""Activation of a training (``bionet train --activation``) and the ``mode`` of method ``tdsnn``
that converts weights trained with it."""


@dataclass(frozen=True)
class TrainResult:
    """What a training reached.

    Parameters
    ----------
    accuracy_train : float
        Correct share in [0, 1] of the training images after the last epoch.
    accuracy_test : float or None
        The same of the test images; None where there were none.
    epochs : int
        Passes over the training images.
    seconds : float
        Time spent on the epochs, those before a resumption included.
    history : tuple of Epoch
        One for each epoch.
    weights : pathlib.Path or None
        Where `train_zoo` wrote the weights.
    """

    accuracy_train: float
    accuracy_test: float | None
    epochs: int
    seconds: float
    history: tuple[Epoch, ...]
    weights: Path | None = None


@typed
def train(
    net: nn.Module,
    data_train: Arrays,
    data_test: Arrays,
    epochs: int,
    seed: int,
    batch_size: int = 100,
    learning_rate: float = 2e-3,
    device: str = "cpu",
    augment: int = 0,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    weight_decay: float = 0.01,
    flip: bool = False,
    channels_last: bool = False,
    label_smoothing: float = 0.0,
    precision: Literal["float32", "bfloat16"] = "float32",
    erase: int = 0,
    extra: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Train a network in place, from the weights it has; its mode and device stay as they are.

    Parameters
    ----------
    net : torch.nn.Module
        From images to (n, classes).
    data_train, data_test : Dataset, or pair of images (n, ...) and labels (n,)
        The test data are looked at once, after the last epoch.
    epochs, batch_size, learning_rate, augment, weight_decay, flip, channels_last, \
label_smoothing, precision, erase
        See `Recipe`.
    seed : int
        Of the order of the images, their shifts and dropout.
    device : str
        Where to compute: ``"cpu"``, ``"cuda"``.
    progress : bool
        Show epoch, rate and time left on the standard error stream.
    checkpoint : path, optional
        A safetensors file, replaced after every epoch. If it is there, training goes on from it.
    extra : mapping, optional
        What else a checkpoint must have in common with this training, as plain JSON.

    Returns
    -------
    TrainResult

    Raises
    ------
    InputError
        If data, settings or checkpoint don't fit.
    BioNetError
        If the loss stops being a number.
    """
    check_seed(seed)
    recipe = Recipe(
        epochs,
        batch_size,
        learning_rate,
        weight_decay,
        augment,
        flip,
        channels_last,
        label_smoothing,
        precision,
        erase,
    )
    job = Job(*as_tensors(data_train, "data_train"), recipe, seed, extra=extra or {})
    test = as_tensors(data_test, "data_test")
    check_trainable(net, job)
    check_network(net, *test)
    home, there = device_of(net), find_device(device)
    try:
        net.to(there)
        history = run_epochs(net, job, progress, None if checkpoint is None else Path(checkpoint))
        accuracy_train = evaluate(net, job.images, job.labels)
        accuracy_test = evaluate(net, *test)
    finally:
        net.to(home)
        if channels_last:
            net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    seconds = sum(epoch.seconds for epoch in history)
    return TrainResult(accuracy_train, accuracy_test, epochs, seconds, tuple(history))


def check_seed(seed: int) -> None:
    """Refuse what can't seed a random generator."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed: expected an integer >= 0, got {seed!r}")


def check_trainable(net: nn.Module, job: Job) -> None:
    """Refuse a network and images that can't be trained with."""
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise InputError(
            "net: expected a network with parameters to train, got none that requires_grad"
        )
    check_network(net, job.images, job.labels)
    recipe = job.recipe
    square = recipe.augment or recipe.flip or recipe.erase or recipe.channels_last
    if square and job.images.ndim != 4:
        raise InputError(
            "augment: shifts, flips, erasing and channels_last need images (n, channels, height,"
            f" width), got {tuple(job.images.shape)}; use augment=0, flip=False, erase=0,"
            " channels_last=False"
        )


@typed
def train_zoo(
    network: str = "lenet5",
    data: str = "mnist",
    epochs: int | None = None,
    learning_rate: float | None = None,
    start: str | os.PathLike[str] | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    threads: int = 2,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    leak: float | None = None,
    mode: Mode = "finetune",
    input_gain: float = 1.0,
    dtype: StoredType = "float32",
    levels: int | None = None,
    precision: Literal["float32", "bfloat16"] | None = None,
    erase: int | None = None,
) -> TrainResult:
    """Train a network of the zoo by its recipe and write its weights with their provenance.

    Parameters
    ----------
    network : str
        One of `bionet.zoo.names`.
    data : str
        One of `bionet.datasets.names`.
    epochs : int, optional
        Passes over the training images; the recipe's by default.
    learning_rate : float, optional
        Largest rate of the cycle; the recipe's by default.
    start : path, optional
        Weights to start from, of this network or of the one that it was adjusted from; random
        ones by default. See `bionet.zoo.start_from`.
    seed : int
        Of the initial weights and the training. The split of ``digits`` is always 0.
    out : path, optional
        A file ending in .safetensors, or a folder for ``NETWORK-DATA.safetensors``; the current
        folder by default.
    data_dir : path, optional
        See `bionet.datasets.load`.
    device, progress, checkpoint
        See `train`.
    threads : int
        For PyTorch on the CPU. Another number gives slightly other weights.
    leak : float, optional
        Train on, from the shipped weights, with the temporal code of method ``tdsnn`` in place, for
        a leak of so many steps.
    mode : {"finetune", "compensate"}
        How these weights are to be converted: the paper's way, or with bias neurons that cancel the
        offset of the code and values rounded to the nearest step.
    input_gain : float
        With ``mode="compensate"``: pixels are coded this many times as large.
    dtype : {"float32", "float16", "int8"}
        Type that the weights are stored in; int8 with a scale for each output channel. The
        accuracies are those of the stored values.
    levels : int, optional
        Train with QCFS activations of so many levels in place of ReLUs
        (:class:`bionet.conversion.QCFS`), from the shipped weights where there are some. The
        file then holds their scales too.
    precision : {"float32", "bfloat16"}, optional
        Type of the products while training, see `Recipe`; the recipe's by default.
    erase : int, optional
        Side of the square that is erased in each training image, pixels; the recipe's by default.

    Returns
    -------
    TrainResult
        ``weights`` is the file.

    Raises
    ------
    InputError
        If an argument is unknown or out of range, data are missing, or ``out`` can't be written.
    """
    zoo.entry(network)
    recipe = recipe_for(network, data)
    if levels is not None and leak is not None:
        raise InputError(
            "levels and leak are of two activations, QCFS and a temporal code; give one"
        )
    check_stored_type(dtype)
    given: dict[str, Any] = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "precision": precision,
        "erase": erase,
    }
    recipe = dataclasses.replace(recipe, **{k: v for k, v in given.items() if v is not None})
    check_seed(seed)
    data_train = datasets.load(data, "train", data_dir)
    data_test = datasets.load(data, "test", data_dir)
    path = weights_path(out, network, data)
    with torch_threads(threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        shipped = levels is not None and data in zoo.entry(network).data
        net = _initial(network, data, start, leak is not None or shipped)
        if levels is not None:
            some = torch.as_tensor(data_train.images[:SCALE_IMAGES])
            net = quantised_network(net, levels, some)
        trained = net if leak is None else _in_the_code(net, leak, mode, input_gain)
        result = train(
            trained,
            data_train,
            data_test,
            seed=seed,
            device=device,
            progress=progress,
            checkpoint=checkpoint,
            extra={} if levels is None else {"levels": levels},
            **dataclasses.asdict(recipe),
        )
        if dtype != "float32":
            round_weights(net, dtype)
            result = dataclasses.replace(
                result,
                accuracy_train=evaluate(trained, *data_train),
                accuracy_test=evaluate(trained, *data_test),
            )
    command = _command(
        f"bionet train {network} --data {data} --seed {seed}",
        {
            "from": None if start is None else Path(start).name,
            **{name.replace("_", "-"): value for name, value in given.items()},
            "device": device if device != "cpu" else None,
            "threads": threads if threads != 2 else None,
            "dtype": dtype if dtype != "float32" else None,
        },
        leak,
        mode,
        input_gain,
        levels,
    )
    metadata = {
        "network": network,
        "data": data,
        "accuracy": result.accuracy_test,
        "accuracy_train": result.accuracy_train,
        "seed": seed,
        "epochs": recipe.epochs,
        "recipe": dataclasses.asdict(recipe),
        "device": device,
        "threads": threads,
        "start": None if start is None else Path(start).name,
        "before": [] if start is None else _commands(start),
        "command": command,
        "versions": versions(),
    }
    if levels is not None:
        metadata["activation"] = {"kind": "qcfs", "levels": levels}
    save_weights(net, path, metadata, dtype)
    return dataclasses.replace(result, weights=path)


def _commands(weights: str | os.PathLike[str]) -> list[str]:
    """The commands that made a file of weights, the first one first; none of other people's."""
    told = zoo.provenance(weights)
    before = told.get("before")
    commands = [*(before if isinstance(before, list) else []), told.get("command")]
    return [command for command in commands if isinstance(command, str)]


def _initial(
    network: str, data: str, start: str | os.PathLike[str] | None, shipped: bool
) -> nn.Module:
    """The network with the weights that its training begins from: given, shipped or random."""
    if start is None and shipped:
        return zoo.load(network, data).train()
    net = zoo.entry(network).make()
    if start is not None:
        zoo.start_from(net, start)
    return net


def _in_the_code(net: nn.Module, leak: float, mode: Mode, input_gain: float) -> nn.Module:
    """What is trained in place of a network, so that its weights fit the temporal code."""
    if mode == "finetune":
        trained = temporal_network(net, leak, input_gain=input_gain)
        add_bias_neurons(net, leak)
        return trained
    return temporal_network(net, leak, mode, "nearest", input_gain)


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """PyTorch's number of threads for a while."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise InputError(f"threads: expected an integer >= 1, got {n!r}")
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def weights_path(out: str | os.PathLike[str] | None, network: str, data: str) -> Path:
    """The file that ``out`` means, in a folder that can be written."""
    path = weights_name(out, network, data)
    output_folder(path.parent)
    return path


def weights_name(out: str | os.PathLike[str] | None, network: str, data: str) -> Path:
    """The file that ``out`` means; nothing is made."""
    path = Path("." if out is None else out)
    if path.suffix.lower() in PICKLE_SUFFIXES:
        raise InputError(
            f"out: weights are safetensors files, got '{path}'; end it in .safetensors"
        )
    if path.suffix != ".safetensors":
        path = path / f"{network}-{data}.safetensors"
    if path.is_dir():
        raise InputError(f"out: expected a file, but {path} is a folder; choose another name")
    return path


def _command(
    command: str,
    flags: Mapping[str, Any],
    leak: float | None,
    mode: Mode,
    input_gain: float,
    levels: int | None,
) -> str:
    """The command line that trains these weights again; flags that are None are left out."""
    command += "".join(f" --{name} {value}" for name, value in flags.items() if value is not None)
    if levels is not None:
        command += f" --activation qcfs --levels {levels}"
    if leak is None:
        return command
    activation = {name: value for value, name in MODES.items()}[mode]
    command += f" --activation {activation} --leak {leak:g}ms"
    return command if input_gain == 1 else f"{command} --input-gain {input_gain:g}"
