"""What a worker does: perturb, simulate, measure, and write one cell."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bionet.brian.plan import Plan
from bionet.errors import BioNetError, InputError
from bionet.network import SpikingNetwork
from bionet.perturbations import ImagePerturbation, noted, perturb, relays
from bionet.results import metrics
from bionet.results.latency import latency
from bionet.results.readout import answers
from bionet.results.recording import Recording
from bionet.results.run_json import versions
from bionet.running.arguments import make_plan
from bionet.study.cells import CELLS, STUDY, Cell, digest, read_cell, write_cell
from bionet.study.materials import disturbances, read_images, read_network
from bionet.study.specification import quantities

__all__ = ["check_cells", "compile_cell", "plan_of", "prepared", "run_cell"]

# Brian2 keeps its device and preferences for the whole process.
ONE_AT_A_TIME = threading.Lock()

_network = functools.lru_cache(maxsize=4)(read_network)
_images = functools.lru_cache(maxsize=2)(read_images)


def run_cell(folder: Path, task: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a cell, simulated if it is not there yet.

    Parameters
    ----------
    folder : Path
        Of the study; every worker must see it.
    task : mapping
        ``key``, ``network``, ``content`` of a :class:`~bionet.study.cells.Cell`, and
        ``accuracy_ann``.

    Raises
    ------
    BioNetError
        If the folder is not there, or the simulation fails; the message names the cell.
    """
    if not (folder / STUDY).is_file():
        raise BioNetError(
            f"the worker on {socket.gethostname()} does not see the study's folder {folder};"
            " put it where all workers can read and write"
        )
    if (folder / CELLS / f"{task['key']}.json").is_file():
        return read_cell(folder, task["key"])
    with ONE_AT_A_TIME, _scratch(folder), _named(task["content"]):
        row = _simulated(folder, task)
        write_cell(folder, task["key"], row)
    return row


def compile_cell(folder: Path, task: Mapping[str, Any]) -> None:
    """Compile the program of a cell, which others share, if the cache does not hold it."""
    from bionet.running.compiled_program import ready_program

    with ONE_AT_A_TIME, _named(task["content"]):
        snn, _ = prepared(_network(folder, task["network"]), task["content"])
        ready_program(snn, plan_of(snn, task["content"]))


def check_cells(cells: Sequence[Cell], network: Callable[[str], SpikingNetwork]) -> None:
    """Refuse what a method cannot have before anything is compiled; seeds make no difference.

    ``network`` gives the converted network of a key.

    Raises
    ------
    InputError
        Naming the method and its coding, or the perturbation and its level.
    """
    checked = set()
    for cell in cells:
        content = cell.content
        main = content["perturbation"]
        method, coding = content["method"]["label"], content["coding"]
        plain = {**content, "perturbation": {**main, "name": "none", "with": []}}
        where = f"method {method!r}, coding {coding!r}"
        what = f"perturbation {main['label']!r}, level {content['level']:g}, with {where}"
        for key, text, tried in (
            ((cell.network, digest(plain["method"]), coding), where, plain),
            ((cell.network, digest([content["method"], main]), coding, content["level"]), what,
             content),
        ):  # fmt: skip
            if key in checked:
                continue
            checked.add(key)
            try:
                snn, _ = prepared(network(cell.network), tried)
                plan_of(snn, tried)
            except InputError as error:
                raise InputError(f"{text}: {error}") from error


def prepared(snn: SpikingNetwork, content: Mapping[str, Any]) -> tuple[SpikingNetwork, list[Any]]:
    """A cell's network, perturbed, and the perturbations that its images need."""
    given = quantities(content["method"])
    times: dict[str, Any] = {key: float(given[key]) for key in ("duration", "dt") if key in given}
    snn = replace(snn, simulation=replace(snn.simulation, **times))
    wanted = disturbances(content)
    of_images = [p for p in wanted if isinstance(p, ImagePerturbation)]
    of_network = [p for p in wanted if p not in of_images]
    snn = perturb(snn, of_network, content["seed"], content["coding"])
    return noted(snn, of_images, content["seed"]), of_images


def plan_of(snn: SpikingNetwork, content: Mapping[str, Any]) -> Plan:
    """How :func:`bionet.simulate` simulates a cell's network."""
    duration, dt = snn.times()
    return make_plan(
        snn,
        duration=duration,
        dt=dt,
        coding=content["coding"],
        max_rate=quantities(content["method"]).get("max_rate"),
        lanes=None,
        dtype=content["settings"]["dtype"],
        record=None,
    )


def _simulated(folder: Path, task: Mapping[str, Any]) -> dict[str, Any]:
    from bionet.running.simulate import simulate

    content = task["content"]
    images, labels = _images(folder)
    snn, of_images = prepared(_network(folder, task["network"]), content)
    for change in of_images:
        images = change.apply(images, content["seed"])
    settings = content["settings"]
    run = simulate(
        snn,
        images,
        coding=content["coding"],
        max_rate=quantities(content["method"]).get("max_rate"),
        device=settings["device"],
        dtype=settings["dtype"],
        readout=settings["readout"],
        seed=content["seed"],
        processes=1,
    )
    return _row(task, snn, run, labels)


def _row(
    task: Mapping[str, Any], snn: SpikingNetwork, run: Recording, labels: np.ndarray
) -> dict[str, Any]:
    content, parameters = task["content"], run.parameters
    network = content["converted"]["network"]
    predicted = run.predictions()
    correct = int((predicted == labels).sum())
    low, high = metrics.wilson_interval(correct / run.n_images, run.n_images)
    settled, decided = latencies(run, labels)
    passing = relays(snn)
    events = metrics.synaptic_events(snn, run)
    # A relay's own input is no synapse of the network, and its spikes are its origin's.
    inner = {q.name for q in snn.projections if q.target in passing}
    spikes = {n: c for n, c in run.n_spikes.items() if n != "input" and n not in passing}
    numbers = versions()
    return {
        "network": network["name"],
        "weights": network["weights"],
        "method": content["method"]["label"],
        "coding": content["coding"],
        "perturbation": content["perturbation"]["label"],
        "level": content["level"],
        "unit": unit_of(content),
        "measure": _measure(content),
        "seed": content["seed"],
        "images": run.n_images,
        "correct": correct,
        "accuracy": correct / run.n_images,
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "accuracy_ann": task["accuracy_ann"],
        "ties": int(run.ties().sum()),
        "latency_ms": settled * parameters["dt_ms"],
        "decision_ms": decided * parameters["dt_ms"],
        "spikes_per_image": sum(spikes.values()),
        "input_spikes_per_image": run.n_spikes.get("input", 0.0),
        "synaptic_events_per_image": float(
            sum(e.mean() for name, e in events.items() if name not in inner)
        ),
        "dt_ms": parameters["dt_ms"],
        "steps": parameters["steps"],
        "readout": parameters["readout"],
        "device": parameters["device"],
        "dtype": parameters["dtype"],
        "lanes": parameters["lanes"],
        "images_per_second": parameters["images_per_second"],
        "run_seconds": parameters["run_seconds"],
        "compile_seconds": parameters["compile_seconds"],
        "network_hash": parameters["network"],
        **{f"version_{name}": numbers.get(name) for name in ("bionet", "brian2", "numpy")},
        "cell": task["key"],
    }


def unit_of(content: Mapping[str, Any]) -> str:
    """The unit of a cell's level."""
    from bionet import perturbations

    name = content["perturbation"]["name"]
    return "1" if name == "none" else perturbations.find(name).unit


def _measure(content: Mapping[str, Any]) -> str:
    """What the level of a cell counts, where it has no unit."""
    from bionet import perturbations

    name = content["perturbation"]["name"]
    return "" if name == "none" else perturbations.find(name).measure


def latencies(run: Recording, labels: np.ndarray) -> tuple[int, float]:
    """Steps until the accuracy has settled, and mean steps until an image's answer has.

    The first is the latency (:mod:`bionet.results.latency`); an answer has settled when it does
    not change any more.
    """
    classes, _ = answers(run.parameters["readout"], run.output_potential, run.output_spikes)
    settled = latency((classes == labels[:, None]).mean(axis=0)) or run.n_steps
    other = classes != classes[:, -1:]
    last = np.where(other.any(axis=1), run.n_steps - other[:, ::-1].argmax(axis=1), 0)
    return settled, float((last + 1).mean())


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[None]:
    """A folder of this worker's own for the files of its simulations."""
    folder_here = folder / "workers" / f"{socket.gethostname()}-{os.getpid()}"
    folder_here.mkdir(parents=True, exist_ok=True)
    before, tempfile.tempdir = tempfile.tempdir, str(folder_here)
    try:
        yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder_here, ignore_errors=True)


@contextlib.contextmanager
def _named(content: Mapping[str, Any]) -> Iterator[None]:
    """Say which cell an error belongs to."""
    try:
        yield
    except BioNetError as error:
        kind = InputError if isinstance(error, InputError) else BioNetError
        where = ", ".join(
            [
                content["converted"]["network"]["name"],
                content["method"]["label"],
                content["coding"],
                f"{content['perturbation']['label']} {content['level']:g}",
                f"seed {content['seed']}",
            ]
        )
        raise kind(f"cell ({where}): {error}") from error
