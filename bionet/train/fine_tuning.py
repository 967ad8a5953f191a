r"""Training through a neuron's own f-I curve, with a cost on firing rates.

.. math::

    L = H(\mathrm{softmax}\, s, \mathrm{label}) + c \sum_l \overline{y_l^2}

with s the scores, H the cross-entropy, y the rates of the hidden layers in units of the reference
and c the ``rate_cost``: a mean over units and images for each layer, so that a layer counts the
same whatever its size. Few spikes at high rates cost more than many at low ones, which keeps rates
in the range of cortical neurons.

With ``dale`` each unit (of a convolution: each channel) of the hidden layers is excitatory or
inhibitory from the start. Weights begin as those of the ReLU network with the wrong sign set to
0, and after each step of the optimiser what has crossed 0 is set back to it.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bionet import datasets, zoo
from bionet.errors import InputError
from bionet.evaluation import as_tensors, device_of, evaluate, find_device
from bionet.firing.activation import FrequencyActivation
from bionet.firing.signs import Signs
from bionet.firing.twin import is_twin, normalised
from bionet.kinds import typed
from bionet.train.checkpoint import save_weights, versions
from bionet.train.epochs import Job, run_epochs
from bionet.train.recipes import Recipe, recipe_for
from bionet.train.training import (
    TrainResult,
    check_seed,
    check_trainable,
    torch_threads,
    weights_path,
)

__all__ = ["fine_tune", "fine_tune_zoo"]


@typed
def fine_tune(
    net: nn.Module,
    activation: FrequencyActivation,
    images: Any,
    labels: Any,
    epochs: int = 3,
    rate_cost: float = 0.05,
    *,
    dale: float | None = None,
    learning_rate: float = 1e-3,
    batch_size: int = 100,
    augment: int = 0,
    flip: bool = False,
    seed: int = 0,
    device: str = "cpu",
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
) -> nn.Module:
    """Train a ReLU network on with a neuron's f-I curve in place of its ReLUs.

    Parameters
    ----------
    net : torch.nn.Module
        Trained with ReLUs, or the result of a fine-tuning, which then goes on. Is not changed.
    activation : FrequencyActivation
        ``bionet.f_i(neuron, synapse).activation()``.
    images : array or tensor (n, ...)
    labels : array or tensor (n,)
    epochs : int
        Passes over the images.
    rate_cost : float
        c of the module's equation; 0 leaves rates as they come.
    dale : float, optional
        Share of inhibitory units in each hidden layer, in (0, 1); each unit's weights then keep
        one sign (``convert(..., dale="train")``). By default weights are free.
    learning_rate, batch_size, augment, flip
        See :class:`bionet.train.Recipe`.
    seed : int
        Of the order of the images, of noise and dropout, and of which units are inhibitory.
    device : str
        Where to compute: ``"cpu"``, ``"cuda"``.
    progress : bool
        Show epoch, rate and time left on the standard error stream.
    checkpoint : path, optional
        A safetensors file, replaced after every epoch. If it is there, training goes on from it.

    Returns
    -------
    torch.nn.Module
        The network of firing rates, in evaluation mode. Its ``fine_tuning`` is a
        :class:`~bionet.train.TrainResult` whose test accuracy is None.

    Raises
    ------
    InputError
        If an argument is out of range, or the network has a part without a biological form.
    """
    check_seed(seed)
    if not (isinstance(rate_cost, int | float) and math.isfinite(rate_cost) and rate_cost >= 0):
        raise InputError(f"rate_cost must be a number >= 0, got {rate_cost!r}")
    if not isinstance(activation, FrequencyActivation):
        raise InputError(
            "fine_tune needs the activation of a neuron, bionet.f_i(neuron).activation(), got"
            f" {activation!r}"
        )
    pixels, classes = as_tensors((images, labels), "images and labels")
    recipe = Recipe(epochs, batch_size, learning_rate, 0.0, augment, flip)
    graph: Any = normalised(net, activation, pixels) if not is_twin(net) else copy.deepcopy(net)
    signs = None if dale is None else Signs.drawn(graph, dale, seed)
    if signs is not None:
        signs.apply()
    curves = [m for m in graph.modules() if isinstance(m, FrequencyActivation)]

    def cost() -> torch.Tensor:
        rates = [curve.last for curve in curves]
        return rate_cost * torch.stack([r.square().mean() for r in rates if r is not None]).sum()

    told = {
        "rate_cost": float(rate_cost),
        "dale": dale,
        "activation": [activation.reference_hz, activation.sigma, activation.noise],
        "curve": activation.table.double().sum().item(),
    }
    job = Job(
        pixels,
        classes,
        recipe,
        seed,
        cost if rate_cost else None,
        None if signs is None else signs.apply,
        told,
    )
    check_trainable(graph, job)
    home, there = device_of(graph), find_device(device)
    try:
        graph.to(there)
        history = run_epochs(graph, job, progress, None if checkpoint is None else Path(checkpoint))
        accuracy = evaluate(graph, pixels, classes)
    finally:
        graph.to(home)
    seconds = sum(epoch.seconds for epoch in history)
    graph.eval()
    graph.fine_tuning = TrainResult(accuracy, None, epochs, seconds, tuple(history))
    return graph


def fine_tune_zoo(
    network: str,
    data: str,
    activation: FrequencyActivation,
    *,
    made_of: Mapping[str, Any],
    epochs: int | None = None,
    rate_cost: float = 0.05,
    dale: float | None = None,
    learning_rate: float | None = None,
    start: str | os.PathLike[str] | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    threads: int = 2,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Fine-tune a network of the zoo and write its weights with their provenance.

    Parameters
    ----------
    network, data, seed, out, data_dir, device, threads, progress, checkpoint
        See :func:`bionet.train.train_zoo`.
    activation, epochs, rate_cost, dale, learning_rate
        See :func:`fine_tune`; three epochs by default.
    made_of : mapping
        How the activation was made, as plain JSON: with it ``bionet convert`` makes it again.
    start : path, optional
        Weights of the ReLU network; those that are shipped by default.

    Returns
    -------
    TrainResult
        ``weights`` is the file.
    """
    net = zoo.load(network, data if start is None else str(start))
    recipe = recipe_for(network, data)
    train_data = datasets.load(data, "train", data_dir)
    path = weights_path(out, network, data)
    with torch_threads(threads):
        graph = fine_tune(
            net,
            activation,
            train_data.images,
            train_data.labels,
            3 if epochs is None else epochs,
            rate_cost,
            dale=dale,
            learning_rate=1e-3 if learning_rate is None else learning_rate,
            augment=recipe.augment,
            flip=recipe.flip,
            seed=seed,
            device=device,
            progress=progress,
            checkpoint=checkpoint,
        )
    trained: Any = graph.fine_tuning
    accuracy = evaluate(graph, *datasets.load(data, "test", data_dir))
    result = dataclasses.replace(trained, accuracy_test=accuracy, weights=path)
    metadata = {
        "network": network,
        "data": data,
        "accuracy": accuracy,
        "accuracy_train": trained.accuracy_train,
        "seed": seed,
        "epochs": trained.epochs,
        "activation": {**made_of, "rate_cost": rate_cost, "dale": dale},
        "versions": versions(),
    }
    save_weights(graph, path, metadata)
    return result
