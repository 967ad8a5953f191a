"""How far a study is, seen from outside, and ending it from there.

Everything is read from the study's folder: its cells' files, and the lock that the process holds
which runs it. The rate is that of the last cells; a request to end is a file that the running
process looks for after each cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bionet.errors import BioNetError, InputError
from bionet.kinds import typed
from bionet.study.cells import CELLS, read_study

__all__ = ["Status", "cancel", "end_if_cancelled", "status"]

LOCK, CANCEL = ".lock", "cancel"
RECENT = 20  # cells whose ends give the rate


@dataclass(frozen=True)
class Status:
    """A study's progress.

    Attributes
    ----------
    name : str
    cells, finished : int
        All cells, and those whose results are there.
    running : bool
        Whether a process has the folder in hand.
    per_minute : float or None
        Rate of the last twenty cells; None where fewer than two have ended.
    """

    name: str
    cells: int
    finished: int
    running: bool
    per_minute: float | None

    @property
    def minutes_left(self) -> float | None:
        """At the rate of the last cells, while it runs."""
        if not self.running or not self.per_minute:
            return None
        return (self.cells - self.finished) / self.per_minute

    def __str__(self) -> str:
        what = "running" if self.running else "not running"
        if self.finished == self.cells:
            what = "finished"
        text = f"{self.name}: {self.finished:,} of {self.cells:,} cells, {what}"
        if self.running and self.per_minute:
            text += f", {self.per_minute:,.1f} cells a minute"
        if self.minutes_left:
            text += f", about {self.minutes_left:,.0f} min left"
        return text


@typed
def status(folder: str | Path) -> Status:
    """How far a study is; nothing is written.

    Parameters
    ----------
    folder : path
        Of the study's results.

    Raises
    ------
    InputError
        If the folder holds no study.
    """
    folder = Path(folder)
    plain = read_study(folder)
    paths = (folder / CELLS / f"{key}.json" for key in plain["cells"])
    ends = sorted(path.stat().st_mtime for path in paths if path.is_file())
    recent = ends[-RECENT:]
    passed = recent[-1] - recent[0] if len(recent) > 1 else 0.0
    return Status(
        name=str(plain["study"].get("name") or folder.resolve().name),
        cells=len(plain["cells"]),
        finished=len(ends),
        running=is_running(folder),
        per_minute=60 * (len(recent) - 1) / passed if passed > 0 else None,
    )


@typed
def cancel(folder: str | Path) -> None:
    """Ask the process that runs a study to end after the cell in hand; results are kept.

    Raises
    ------
    InputError
        If the folder holds no study, or none that runs.
    """
    folder = Path(folder)
    read_study(folder)
    if not is_running(folder):
        raise InputError(f"no process runs the study in {folder}: there is nothing to cancel")
    (folder / CANCEL).touch()


def end_if_cancelled(folder: Path) -> None:
    """Called by the running process after each cell.

    Raises
    ------
    BioNetError
        If someone has asked for the end.
    """
    if (folder / CANCEL).exists():
        raise BioNetError(
            f"the study was cancelled; what is finished is kept in {folder}, and the same command"
            " goes on"
        )


def is_running(folder: Path) -> bool:
    """Whether a process holds the folder's lock."""
    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
