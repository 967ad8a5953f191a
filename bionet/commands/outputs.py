"""What commands write: folders that appear whole, labels, audits."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from pydantic import Field, TypeAdapter, ValidationError

from bionet.errors import InputError
from bionet.files import temporary_folder
from bionet.interruption import check_interrupted, interruptible, postponed
from bionet.json_files import Content, read_json, write_json
from bionet.results.run_json import RunFile

if TYPE_CHECKING:
    from bionet.audits.table import Audit, LayerAudit

__all__ = [
    "check_replaced",
    "check_writable",
    "load_audit",
    "load_labels",
    "pages",
    "resumable",
    "save_audit",
    "save_labels",
    "staged",
]

LABELS = "labels.safetensors"
AUDIT = "audit.json"
AUDIT_SAMPLES = "audit.safetensors"
RESULTS = ("run.json", "result.json")
PARTS = ("recording.json", "recording.safetensors", LABELS, AUDIT, AUDIT_SAMPLES)


class AuditFile(Content):
    """The parts of an audit's file; its rows are those of the audit's own kind."""

    code: str | None = None
    n_images: Annotated[int, Field(ge=1)]
    n_steps: Annotated[int, Field(ge=1)]
    notes: list[str] = []
    rows: Annotated[list[dict[str, Any]], Field(min_length=1)]


def check_writable(path: Path) -> None:
    """Refuse a folder that could not be made or written; nothing is made yet.

    A command calls this before its work, so that hours of it are not lost at the end.
    """
    existing = path
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        reason = f"{existing} is a file"
    elif not os.access(existing, os.W_OK | os.X_OK):
        reason = f"no permission to write to {existing}"
    else:
        return
    raise InputError(f"--out: cannot write to the folder {path}: {reason}; choose another one")


def check_replaced(path: Path, force: bool) -> None:
    """Refuse a file, or a folder of results, that is there already, unless ``--force`` is given.

    Pages and pictures of a run are drawn again without it: nothing is lost.
    """
    there = path.is_file() or any((path / name).is_file() for name in RESULTS)
    if there and not force:
        what = "is there already" if path.is_file() else "holds earlier results"
        raise InputError(f"--out: {path} {what}; give --force to replace them, or another --out")


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move into ``folder`` when the block ends without an error.

    What an earlier run has left there goes, with the pages and pictures that show it.
    """
    check_writable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(f".{folder.name}.", folder.parent) as part:
        yield part
        check_interrupted()
        with postponed():
            folder.mkdir(exist_ok=True)
            for old in _earlier(folder):
                old.unlink(missing_ok=True)
            # run.json last: where it stands, all the rest does.
            for file in sorted(part.iterdir(), key=lambda path: path.name == "run.json"):
                file.replace(folder / file.name)


def _earlier(folder: Path) -> list[Path]:
    """The files of a folder that BioNet's commands wrote, what marks a run as whole first."""
    files = [folder / name for name in (*RESULTS, *PARTS)]
    if (folder / "diagnose" / "run.json").is_file():
        files += [folder / "diagnose" / "run.json", folder / "diagnose" / "mended.snn"]
    return [file for file in (*files, *pages(folder)) if file.is_file()]


def pages(folder: Path) -> list[Path]:
    """Pages and pictures of a folder's results, and the notes of how they were made."""
    files = []
    for note in folder.glob("*.run.json"):
        try:
            made = read_json(note, RunFile, "make the page again").get("files") or ()
        except InputError:
            made = ()
        files += [*(folder / Path(str(name)).name for name in made), note]
    return files


@contextlib.contextmanager
def resumable(kept: Path, what: str) -> Iterator[None]:
    """Where Ctrl-C ends the block, say that the same command goes on from what is kept.

    Raises
    ------
    typer.Abort
        With that sentence, if there is something in the file or folder.
    """
    try:
        with interruptible():
            yield
    except KeyboardInterrupt as error:
        if kept.is_file() or (kept.is_dir() and any(kept.iterdir())):
            text = f"finished {what} are kept in {kept}; the same command goes on"
            raise typer.Abort(text) from error
        raise


def save_labels(folder: Path, labels: np.ndarray) -> None:
    """Write the classes of a run's images, for accuracies and figures."""
    from bionet.files import write_tensors

    write_tensors(folder / LABELS, {"labels": np.asarray(labels, dtype=np.int64)}, {})


def load_labels(folder: Path) -> np.ndarray:
    """The labels written by :func:`save_labels`."""
    from bionet.files import read_tensors

    arrays, _ = read_tensors(folder / LABELS)
    labels = arrays.get("labels")
    if labels is None or labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise InputError(f"{folder / LABELS} holds no labels; simulate again")
    return labels


def save_audit(folder: Path, audit: Audit) -> None:
    """Write an audit: the table as JSON, the sampled pairs as arrays."""
    from bionet.files import write_tensors

    table = audit.to_dict()
    write_tensors(folder / AUDIT_SAMPLES, audit.samples, {"audit": _digest(table)})
    write_json(folder / AUDIT, table, nan=True)


def _digest(table: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def load_audit(folder: Path) -> Audit:
    """The audit written by :func:`save_audit`.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    from bionet.audits.first_spike_audit import FirstSpikeAudit, FirstSpikeRow
    from bionet.audits.table import Audit, LayerAudit
    from bionet.audits.temporal_audit import TemporalAudit, TemporalRow
    from bionet.files import read_tensors

    if not (folder / AUDIT).is_file():
        raise InputError(
            f"{folder} holds no audit; make one with 'bionet audit NETWORK SNN --out {folder}'"
        )
    samples, noted = read_tensors(folder / AUDIT_SAMPLES)
    plain = read_json(folder / AUDIT, AuditFile, "audit again")
    if noted.get("audit", _digest(plain)) != _digest(plain):  # older files note none
        raise InputError(f"{folder / AUDIT_SAMPLES} is that of another audit; audit again")
    kinds: dict[str | None, tuple[type[Audit], type[LayerAudit]]] = {
        None: (Audit, LayerAudit),
        TemporalAudit.code: (TemporalAudit, TemporalRow),
        FirstSpikeAudit.code: (FirstSpikeAudit, FirstSpikeRow),
    }
    code = plain.get("code")
    if code not in kinds:
        raise InputError(f"{folder / AUDIT} is an audit of {code!r}, which is unknown; audit again")
    audit, layer = kinds[code]
    layers = tuple(_layer(row, layer, folder / AUDIT) for row in plain["rows"])
    # The file has the arrays in alphabetical order; figures show them in the network's.
    pairs = {row.population: samples.get(row.population) for row in layers}
    for name, pair in pairs.items():
        if pair is None or pair.ndim != 2 or len(pair) != 2 or pair.dtype.kind != "f":
            raise InputError(f"{folder / AUDIT_SAMPLES} holds no pairs of {name!r}; audit again")
    notes = tuple(plain.get("notes", ()))
    whole = {name: pair for name, pair in pairs.items() if pair is not None}
    return audit(layers, plain["n_images"], plain["n_steps"], whole, notes)


def _layer(row: dict[str, Any], layer: type[LayerAudit], path: Path) -> LayerAudit:
    """A row of an audit's file, of which every value is what the row's own fields say."""
    undefined = float("nan") if row.get("correlation", 0.0) is None else None
    told = row if undefined is None else {**row, "correlation": undefined}
    try:
        # As JSON: a strict check takes a table for a dataclass from nothing else.
        made = TypeAdapter(layer).validate_json(json.dumps(told), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        what = f"{where}, which is {str(first['input'])[:40]!r}"
        raise InputError(f"{path} is damaged: in a row, {what}; audit again") from error
    return made
