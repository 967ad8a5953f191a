"""The cells of a study, what they have in common, and the files in which they end.

A cell's key is a hash of all that determines its numbers: the network's weights, the images and
labels, method, coding, perturbation, level, seed, settings, and BioNet's version. Its result is
one small file named by the key, written whole or not at all. A study that was killed therefore
goes on where it stood: what has a file is done, all else is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from bionet.errors import InputError
from bionet.files import output_folder
from bionet.json_files import Content, read_json, write_json
from bionet.study.specification import Study, source_of
from bionet.versions import VERSION

__all__ = [
    "Cell",
    "cells_of",
    "digest",
    "finished",
    "open_folder",
    "read_cell",
    "read_study",
    "write_cell",
]

STUDY, CELLS = "study.json", "cells"


Key = Annotated[str, Field(pattern=r"^\w+$")]  # part of a path


class StudyPart(Content):
    """What is read of a study that stands in its folder."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")] | None = None


class StudyJson(Content):
    """The file of a study's folder: the study, and the keys of its cells."""

    study: StudyPart
    cells: list[Key]


class Row(Content):
    """A cell's result: what tables, figures and reports read of it."""

    network: str = ""
    method: str = ""
    coding: str
    perturbation: str
    level: Annotated[float, Field(allow_inf_nan=False)]
    unit: str = "1"
    seed: int
    images: Annotated[int, Field(ge=1)]
    correct: Annotated[int, Field(ge=0)] = 0
    accuracy: Annotated[float, Field(ge=0, le=1)] = 0.0
    latency_ms: float = 0.0
    spikes_per_image: float = 0.0
    synaptic_events_per_image: float = 0.0
    steps: Annotated[int, Field(ge=1)] = 1
    run_seconds: float = 0.0


@dataclass(frozen=True)
class Cell:
    """One point of a study.

    Attributes
    ----------
    key : str
        Hash of the content.
    content : mapping
        All that determines the result, as plain JSON.
    network : str
        Key of the converted network that the cell perturbs and simulates.
    """

    key: str
    content: Mapping[str, Any]
    network: str


def digest(content: Any) -> str:
    """A hash of plain JSON, 24 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def cells_of(study: Study, weights: Mapping[str, str], images: str) -> tuple[Cell, ...]:
    """All cells in the order of the study's axes.

    Parameters
    ----------
    study : Study
    weights : mapping of str to str
        Hash of each network's weights, by :func:`digest` of its entry.
    images : str
        Hash of the images, labels and calibration images.
    """
    from bionet.conversion import options

    cells = []
    for network, method, coding, perturbation, level, seed in _points(study):
        converted = {
            "network": source_of(network),
            "weights": weights[digest(source_of(network))],
            "images": images,
            "method": method["name"],
            "options": dict(method["options"]),
            "bionet": VERSION,
        }
        if "coding" in options(method["name"]) and "coding" not in method["options"]:
            converted["options"]["coding"] = coding
        content = {
            "converted": converted,
            "method": {key: value for key, value in method.items() if key != "codings"},
            "coding": coding,
            "perturbation": {k: v for k, v in perturbation.items() if k != "levels"},
            "level": level,
            "seed": seed,
            "settings": dict(study.settings),
        }
        cells.append(Cell(digest(content), content, digest(converted)))
    return tuple(cells)


def _points(study: Study) -> Iterator[tuple[Any, ...]]:
    for network in study.networks:
        wanted = network.get("methods")
        for method in study.methods:
            if wanted is not None and method["label"] not in wanted:
                continue
            for coding in method["codings"]:
                for perturbation in study.perturbations:
                    for level in perturbation["levels"]:
                        for seed in study.seeds:
                            yield network, method, coding, perturbation, level, seed


def check_folder(folder: Path, study: Study, cells: tuple[Cell, ...], extend: bool = False) -> None:
    """Refuse a folder that holds something else, or another study; nothing is written.

    Parameters
    ----------
    folder : Path
    study : Study
    cells : tuple of Cell
        Those of the study.
    extend : bool
        Allow a folder with a part of these cells.

    Raises
    ------
    InputError
        Naming the first key in which the two studies differ.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"--out: {folder} is a file; choose a folder")
    if not (folder / STUDY).is_file():
        if any(folder.iterdir()):
            raise InputError(f"--out: {folder} holds files but no study; choose another folder")
        return
    saved = read_study(folder)
    plain, keys = saved["study"], saved["cells"]
    mine = json.loads(json.dumps(study.plain()))
    different = [k for k in mine if k != "description" and plain.get(k) != mine[k]]
    larger = set(keys) < {cell.key for cell in cells}
    if extend and larger:
        return
    if different or keys != [cell.key for cell in cells]:
        what = f"{different[0]!r}" if different else "the weights, the images or BioNet's version"
        remedy = "choose another folder"
        if larger:
            remedy = f"{remedy}, or keep its cells and simulate the new ones: --extend"
        elif extend and {"data", "split", "images", "calibration"} & set(different):
            remedy = f"{remedy} with --out: a cell holds the answers to all images of its study,"
            remedy += " so other images make every cell new, and --extend only adds cells"
        elif extend:
            remedy = f"{remedy}: an extended study keeps every cell that the folder has"
        raise InputError(
            f"--out: {folder} holds the results of another study, which differs in {what}; {remedy}"
        )


def open_folder(folder: Path, study: Study, cells: tuple[Cell, ...], extend: bool = False) -> None:
    """Make a study's folder, or make sure that it belongs to this study."""
    check_folder(folder, study, cells, extend)
    output_folder(folder / CELLS)
    for left in (folder / CELLS).glob(".*"):  # files that were being written when a run was killed
        left.unlink(missing_ok=True)
    keys = [cell.key for cell in cells]
    if not (folder / STUDY).is_file() or _keys(folder) != keys:
        plain = {"format": 1, "study": study.plain(), "cells": keys}
        write_json(folder / STUDY, plain)


def read_study(folder: Path) -> dict[str, Any]:
    """The file of a study's folder: ``study`` and ``cells``, its keys.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    if not (folder / STUDY).is_file():
        raise InputError(f"{folder} holds no study (there is no {STUDY}); make one: bionet study")
    return read_json(folder / STUDY, StudyJson, "run the study again in another folder")


def _keys(folder: Path) -> list[str]:
    keys: list[str] = read_study(folder)["cells"]
    return keys


def finished(folder: Path, cells: tuple[Cell, ...]) -> set[str]:
    """Keys of the cells whose result is there."""
    there = {path.stem for path in (folder / CELLS).glob("*.json")}
    return there & {cell.key for cell in cells}


def write_cell(folder: Path, key: str, row: Mapping[str, Any]) -> None:
    """Write one result, with the key of its cell, whole or not at all."""
    write_json(folder / CELLS / f"{key}.json", {**row, "key": key}, indent=None)


def read_cell(folder: Path, key: str) -> dict[str, Any]:
    """One result.

    Raises
    ------
    InputError
        If its file is damaged or that of another cell.
    """
    path, remedy = folder / CELLS / f"{key}.json", "remove it and run the study again"
    row = read_json(path, Row, remedy)
    if row.pop("key", key) != key:  # older files have none
        raise InputError(f"{path} is damaged: it is the file of another cell; {remedy}")
    return row


def hash_arrays(*arrays: np.ndarray) -> str:
    """A hash of arrays: types, shapes and values."""
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(f"{array.dtype} {array.shape}".encode())
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()[:24]
