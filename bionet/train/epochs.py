"""The loop over epochs: AdamW on the cross-entropy, seeded epoch by epoch.

Each epoch's order, shifts and dropout come from (seed, epoch) alone, so that a checkpoint needs no
state of a random generator.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bionet.errors import BioNetError
from bionet.evaluation import device_of, mode
from bionet.files import output_folder
from bionet.progress import Progress
from bionet.train.checkpoint import digest, load_checkpoint, save_checkpoint
from bionet.train.recipes import (
    Recipe,
    erase_randomly,
    flip_randomly,
    one_cycle,
    shift_randomly,
)

__all__ = ["Epoch", "Job", "run_epochs"]

LATER_SETTINGS = ("flip", "label_smoothing", "precision", "erase")


@dataclass(frozen=True)
class Epoch:
    """One pass over the training images.

    Parameters
    ----------
    loss : float
        Mean over the images, with dropout and shifts.
    accuracy : float
        Correct share in [0, 1], with dropout and shifts.
    seconds : float
        Time spent.
    """

    loss: float
    accuracy: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Job:
    """What stays the same through all epochs.

    Parameters
    ----------
    images : tensor (n, ...)
        Training images.
    labels : tensor (n,)
        Class of each.
    recipe : Recipe
        Settings.
    seed : int
        Of the order of the images, their shifts and dropout.
    cost : callable, optional
        A further term of the loss, computed after each forward pass.
    after_step : callable, optional
        Called after each step of the optimiser: puts the weights where they may be.
    extra : mapping
        What else a checkpoint must have in common, as plain JSON.
    """

    images: torch.Tensor
    labels: torch.Tensor
    recipe: Recipe
    seed: int
    cost: Callable[[], torch.Tensor] | None = None
    after_step: Callable[[], None] | None = None
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """What a checkpoint must have in common with the training that goes on from it."""
        data = digest(self.images, self.labels)
        recipe = dataclasses.asdict(self.recipe)
        for field in dataclasses.fields(Recipe):
            # Checkpoints written before there was such a setting don't have it.
            if field.name in LATER_SETTINGS and recipe[field.name] == field.default:
                del recipe[field.name]
        return {**recipe, "seed": self.seed, "data": data, **self.extra}


def run_epochs(net: nn.Module, job: Job, progress: bool, checkpoint: Path | None) -> list[Epoch]:
    """Train through all epochs that a checkpoint doesn't already hold.

    Parameters
    ----------
    net : torch.nn.Module
        Trained in place, where it is; its mode stays as it is.
    job : Job
        Data and settings.
    progress : bool
        Show epoch, rate and time left on the standard error stream.
    checkpoint : pathlib.Path or None
        Where each epoch is saved, and where a started training is found.

    Returns
    -------
    list of Epoch
        Those before a resumption included.

    Raises
    ------
    InputError
        If the checkpoint can't be read or written, or is another training's.
    BioNetError
        If the loss stops being a number.
    """
    recipe = job.recipe
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    history: list[Epoch] = []
    settings: dict[str, Any] = {}
    if checkpoint is not None:
        output_folder(checkpoint.parent)
        settings = job.settings()
        if checkpoint.exists():
            before = load_checkpoint(checkpoint, net, optimiser, settings)
            history = [Epoch(**epoch) for epoch in before]
    if recipe.channels_last:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    device = device_of(net)
    left = len(job.images) * (recipe.epochs - len(history))
    with (
        Progress(left, progress) as bar,
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        mode(net, training=True),
    ):
        bar.begin("training")
        n_shown = 0

        def advance(images: int) -> None:
            nonlocal n_shown
            n_shown += images
            bar.update(n_shown)

        for number in range(len(history), recipe.epochs):
            epoch = f"epoch {number + 1}/{recipe.epochs}"
            bar.describe(epoch)
            history.append(_run_epoch(net, optimiser, job, number, advance))
            last = history[-1]
            bar.say(f"{epoch}: loss {last.loss:.4g}, {100 * last.accuracy:.2f} % right")
            if checkpoint is not None:
                done = [dataclasses.asdict(epoch) for epoch in history]
                save_checkpoint(checkpoint, net, optimiser, settings, done)
    return history


def _run_epoch(
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    job: Job,
    number: int,
    advance: Callable[[int], None],
) -> Epoch:
    """One pass over the images in random order; ``number`` counts from 0."""
    start = time.perf_counter()
    n, recipe, device = len(job.images), job.recipe, device_of(net)
    state = int(np.random.SeedSequence([job.seed, number]).generate_state(1)[0])
    generator = torch.Generator().manual_seed(state)
    torch.manual_seed(state)  # dropout takes the global generator, which the caller puts back
    batches = torch.randperm(n, generator=generator).split(recipe.batch_size)
    loss_sum, right = 0.0, 0
    for i, batch in enumerate(batches):
        fraction = (number + i / len(batches)) / recipe.epochs
        for group in optimiser.param_groups:
            group["lr"] = one_cycle(fraction, recipe.learning_rate)
        images, labels = job.images[batch], job.labels[batch].to(device)
        if recipe.augment:
            images = shift_randomly(images, recipe.augment, generator)
        if recipe.flip:
            images = flip_randomly(images, generator)
        if recipe.erase:
            images = erase_randomly(images, recipe.erase, generator)
        if recipe.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            outputs = net(images.to(device))
        outputs = outputs.float()
        loss = nn.functional.cross_entropy(outputs, labels, label_smoothing=recipe.label_smoothing)
        if job.cost is not None:
            loss = loss + job.cost()
        if not math.isfinite(loss.item()):
            raise BioNetError(
                f"training: the loss became {loss.item()} in epoch {number + 1}; "
                f"lower the learning rate (now {recipe.learning_rate:g})"
            )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if job.after_step is not None:
            job.after_step()
        loss_sum += loss.item() * len(batch)
        right += int((outputs.argmax(1) == labels).sum())
        advance(len(batch))
    return Epoch(loss_sum / n, right / n, time.perf_counter() - start)
