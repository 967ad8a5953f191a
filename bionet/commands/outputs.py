"""What commands write: folders that appear whole, labels, audits."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bionet.errors import InputError
from bionet.interruption import check_interrupted

if TYPE_CHECKING:
    from bionet.audits.table import Audit

__all__ = ["check_writable", "load_audit", "load_labels", "save_audit", "save_labels", "staged"]

LABELS = "labels.safetensors"
AUDIT = "audit.json"
AUDIT_SAMPLES = "audit.safetensors"


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


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move into ``folder`` when the block ends without an error."""
    check_writable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield part
        check_interrupted()
        folder.mkdir(exist_ok=True)
        # run.json last: where it stands, all the rest does.
        for file in sorted(part.iterdir(), key=lambda path: path.name == "run.json"):
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def save_labels(folder: Path, labels: np.ndarray) -> None:
    """Write the classes of a run's images, for accuracies and figures."""
    from bionet.files import write_tensors

    write_tensors(folder / LABELS, {"labels": np.asarray(labels, dtype=np.int64)}, {})


def load_labels(folder: Path) -> np.ndarray:
    """The labels written by :func:`save_labels`."""
    from bionet.files import read_tensors

    arrays, _ = read_tensors(folder / LABELS)
    if "labels" not in arrays:
        raise InputError(f"{folder / LABELS} holds no labels; simulate again")
    return arrays["labels"]


def save_audit(folder: Path, audit: Audit) -> None:
    """Write an audit: the table as JSON, the sampled pairs as arrays."""
    from bionet.files import atomic, write_tensors

    write_tensors(folder / AUDIT_SAMPLES, audit.samples, {})
    with atomic(folder / AUDIT) as part:
        part.write_text(json.dumps(audit.to_dict(), indent=1) + "\n")


def load_audit(folder: Path) -> Audit:
    """The audit written by :func:`save_audit`.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    from bionet.audits.table import Audit, LayerAudit
    from bionet.audits.temporal_audit import TemporalAudit, TemporalRow
    from bionet.files import read_tensors

    if not (folder / AUDIT).is_file():
        raise InputError(
            f"{folder} holds no audit; make one with 'bionet audit NETWORK SNN --out {folder}'"
        )
    samples, _ = read_tensors(folder / AUDIT_SAMPLES)
    try:
        plain = json.loads((folder / AUDIT).read_text())
        rows = [dict(row) for row in plain["rows"]]
        for row in rows:
            if row["correlation"] is None:
                row["correlation"] = float("nan")
        timed = plain.get("code") == "time"
        layers = tuple((TemporalRow if timed else LayerAudit)(**row) for row in rows)
        # The file has the arrays in alphabetical order; figures show them in the network's.
        pairs = {row.population: samples[row.population] for row in layers}
        return (TemporalAudit if timed else Audit)(
            layers, plain["n_images"], plain["n_steps"], pairs
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / AUDIT} is damaged ({error}); audit again") from error
