"""Progress: what is done, rate, time left; as a bar in a terminal, as lines in a log file."""

from __future__ import annotations

import sys
import time
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

__all__ = ["Log", "Progress", "duration_text", "shows_bars"]

LINE_SECONDS = 30.0


def shows_bars() -> bool:
    """Whether standard error is a terminal or a notebook, which a bar can be drawn in."""
    console = Console(stderr=True)
    return console.is_terminal or console.is_jupyter


def duration_text(seconds: float) -> str:
    """A time for people: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class Log:
    """A line on standard error every half minute, for files in which bars would be lost.

    Parameters
    ----------
    show : bool
        Nothing is written without it, nor where a bar can be drawn.
    unit : str
        What is counted, in the plural.
    """

    def __init__(self, show: bool, unit: str) -> None:
        self.show = show and not shows_bars()
        self._unit, self._what, self._total = unit, "", 0
        self._start = self._last = time.monotonic()
        self._first = self._done = 0

    def begin(self, what: str, total: int | None = None, done: int = 0) -> None:
        """Something new begins; rates count from here."""
        self._what, self._total = what, self._total if total is None else total
        self._start, self._first, self._done = time.monotonic(), done, done

    def update(self, done: int) -> None:
        """Set what is done; writes a line if the last one is half a minute old."""
        self._done = done
        if self.show and time.monotonic() - self._last >= LINE_SECONDS:
            self.say(f"{self._what}: {done:,} of {self._total:,} {self._unit}, {self.rate()}")

    def rate(self) -> str:
        """Rate and time left, as text."""
        done = self._done - self._first
        speed = done / max(time.monotonic() - self._start, 1e-9)
        if not speed:
            return "no rate yet"
        left = duration_text(max(self._total - self._done, 0) / speed)
        return f"{speed:,.1f} {self._unit}/s, {left} left"

    def say(self, text: str) -> None:
        """Write a line at once."""
        if self.show:
            self._last = time.monotonic()
            print(text, file=sys.stderr, flush=True)


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
            disable=not (show and shows_bars()),
        )
        self._task = self._bar.add_task("preparing", total=total)
        self._log = Log(show, "images")
        self._log.begin("preparing", total)

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
        self._log.begin(text)

    def update(self, done: int) -> None:
        """Set the number of images presented so far."""
        self._bar.update(self._task, completed=done)
        self._log.update(done)

    def watch(self, source: Callable[[], int]) -> None:
        """Take the number of images from here when Brian2 reports."""
        self._source = source

    def brian_report(self, elapsed: object, fraction: float, start: object, total: object) -> None:
        """What ``Network.run(report=...)`` calls."""
        del elapsed, start, total
        if self._source is not None and fraction > 0:
            self._bar.update(self._task, description="simulating")
            self.update(self._source())
