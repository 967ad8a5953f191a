r"""What a reproduction is made of: settings, rows beside the paper's values, a figure.

Accuracies are shares of n images, given in percent with Wilson's 95 % interval
(:func:`bionet.results.metrics.wilson_interval`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from bionet import datasets, zoo
from bionet.errors import InputError
from bionet.network import SpikingNetwork
from bionet.results.metrics import wilson_interval
from bionet.results.recording import Recording
from bionet.running.simulate import simulate

__all__ = ["Item", "Result", "Row", "Settings", "accuracy", "count", "markdown"]

CALIBRATION_IMAGES = 500


@dataclass(frozen=True)
class Settings:
    """How items are run.

    Parameters
    ----------
    quick : bool
        Few images, in minutes; the result says so.
    images : int, optional
        Test images, instead of the item's own number.
    weights : mapping of str to path
        Weights of a network by its name, where others than the shipped ones are meant.
    data_dir : path, optional
        See :func:`bionet.datasets.load`.
    seed : int
        Of calibration images, Poisson trains and searches.
    progress : bool
    device : str
        Of :func:`bionet.simulate`; the spikes are the same on all.
    folder : path, optional
        Where an item that takes long keeps its finished parts.
    """

    quick: bool = False
    images: int | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    data_dir: Path | None = None
    seed: int = 0
    progress: bool = False
    device: str = "cpp_standalone"
    folder: Path | None = None

    def number(self, full: int, quick: int) -> int:
        """Test images of an item: its own number in full or quick, or the one asked for."""
        return self.images if self.images is not None else quick if self.quick else full

    def test(self, data: str, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The first n test images and labels of a data set."""
        loaded = datasets.load(data, "test", self.data_dir)
        return loaded.images[:n], loaded.labels[:n]

    def calibration(self, data: str, n: int = CALIBRATION_IMAGES) -> tuple[np.ndarray, np.ndarray]:
        """Training images and labels, drawn by the seed."""
        loaded = datasets.load(data, "train", self.data_dir)
        some = np.random.default_rng(self.seed).permutation(len(loaded.labels))[:n]
        return loaded.images[some], loaded.labels[some]

    def simulate(
        self, snn: SpikingNetwork, images: np.ndarray, *times: Any, **options: Any
    ) -> Recording:
        """A run of :func:`bionet.simulate` with the settings' seed, device and progress."""
        options = {"seed": self.seed, "device": self.device, "progress": self.progress} | options
        return simulate(snn, images, *times, **options)

    def network(self, name: str, data: str) -> nn.Module:
        """A network of the zoo with its weights for a data set.

        Raises
        ------
        InputError
            If no weights are there, with the command that trains them.
        """
        if name in self.weights:
            return zoo.load(name, self.weights[name])
        if data not in zoo.entry(name).data:
            raise InputError(
                f"no weights of {name} for {data} come with the package; train some (bionet train"
                f" {name} --data {data} --out {name}.safetensors) and pass"
                f" --weights {name}={name}.safetensors"
            )
        return zoo.load(name, data)

    def other_network(self, name: str, data: str, kind: str) -> nn.Module | None:
        """A network of the zoo with weights of a kind such as ``qcfs``, None without any.

        They are those of ``--weights NAME-KIND=FILE``, or the file ``NAME-DATA-KIND.safetensors``
        in a folder of weights (:func:`bionet.zoo.added_weights`).
        """
        given = self.weights.get(f"{name}-{kind}") or zoo.added_weights(name, f"{data}-{kind}")
        return None if given is None else zoo.load(name, given)


@dataclass(frozen=True)
class Row:
    """One value beside the paper's.

    Parameters
    ----------
    label : str
    value : float
        Ours, in the unit.
    paper : float, optional
        The paper's, in the unit.
    low, high : float, optional
        95 % interval of ours.
    n : int, optional
        Images.
    unit : str
    """

    label: str
    value: float
    paper: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = "%"


@dataclass(frozen=True)
class Result:
    """What an item gave.

    Parameters
    ----------
    rows : tuple of Row
    notes : tuple of str
        One line each: settings, causes of differences.
    figures : mapping of str to callable
        File name without suffix -> draws the figure and returns it or its axes.
    tables : mapping of str to pandas.DataFrame
        File name without suffix -> what is written as CSV.
    text : str
        Tables in Markdown of an item that has more than one value in a row.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True)
class Item:
    """A table or figure of a paper.

    Parameters
    ----------
    paper, name : str
        As on the command line.
    title : str
        What it shows.
    source : str
        The paper's own name of it.
    run : callable
        Settings to Result.
    alone : bool
        Run only where it is named, not with all items of its paper: it needs what few have.
    """

    paper: str
    name: str
    title: str
    source: str
    run: Callable[[Settings], Result]
    alone: bool = False


def accuracy(
    label: str, right: np.ndarray | int, n: int | None = None, paper: float | None = None
) -> Row:
    """A row of correct answers: a boolean for each image, or their number and n."""
    if n is None:
        right, n = int(np.sum(right)), len(np.atleast_1d(right))
    share = int(right) / n
    low, high = wilson_interval(share, n)
    return Row(label, 100 * share, paper, 100 * float(low), 100 * float(high), n)


def count(net: nn.Module, images: np.ndarray, labels: np.ndarray) -> int:
    """How many images a network classifies right."""
    import torch

    from bionet.evaluation import evaluate

    return round(evaluate(net, torch.from_numpy(images), torch.from_numpy(labels)) * len(labels))


def markdown(item: Item, result: Result, command: str) -> str:
    """An item's result as a Markdown section.

    Parameters
    ----------
    item : Item
    result : Result
    command : str
        The command that gives it again.
    """
    lines = [
        f"## {item.paper} {item.name}: {item.title}",
        "",
        f"{item.source}. `{command}`",
        "",
    ]
    if result.rows:
        lines += [
            "| | ours | 95 % interval | paper | difference | images |",
            "|---|---|---|---|---|---|",
        ]
    for row in result.rows:
        unit, form = (" %", ".2f") if row.unit == "%" else (f" {row.unit}".rstrip(), ".4g")
        interval = "" if row.low is None else f"{row.low:{form}} to {row.high:{form}}"
        paper = "" if row.paper is None else f"{row.paper:g}{unit}"
        difference = "" if row.paper is None else f"{row.value - row.paper:+{form}}"
        number = "" if row.n is None else f"{row.n:,}"
        lines.append(
            f"| {row.label} | {row.value:{form}}{unit} | {interval} | {paper}"
            f" | {difference} | {number} |"
        )
    lines += result.text.splitlines()
    lines += ["", *(f"- {note}" for note in result.notes)]
    return "\n".join(lines).rstrip() + "\n"
