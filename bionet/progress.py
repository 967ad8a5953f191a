"""Progress of a simulation: images done, rate, time left."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

__all__ = ["Progress"]


class RateColumn(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s")


class Progress:
    """A progress bar on standard error, or nothing at all.

    Parameters
    ----------
    total : int
        Number of images.
    show : bool
    """

    def __init__(self, total: int, show: bool) -> None:
        self.show = show
        self._source: Callable[[], int] | None = None
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("images"),
            RateColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not show,
        )
        self._task = self._bar.add_task("preparing", total=total)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        """Say what is being done; the rate and the time left count from here."""
        self._bar.reset(self._task, description=text)

    def update(self, done: int) -> None:
        """Set the number of images presented so far."""
        self._bar.update(self._task, completed=done)

    def watch(self, source: Callable[[], int]) -> None:
        """Take the number of images from here when Brian2 reports."""
        self._source = source

    def brian_report(self, elapsed: object, fraction: float, start: object, total: object) -> None:
        """What ``Network.run(report=...)`` calls."""
        del elapsed, start, total
        if self._source is not None and fraction > 0:
            self._bar.update(self._task, description="simulating", completed=self._source())
