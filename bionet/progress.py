"""Progress: what is done, rate, time left; as a bar in a terminal, as lines in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar

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

__all__ = ["Log", "Progress", "duration_text", "shows_bars", "tracked"]

LINE_SECONDS = 30.0
Item = TypeVar("Item")


def plain_console(stderr: bool = False) -> Console:
    """A console that shows names and texts as they are: ``[bold]`` in one is no markup."""
    return Console(stderr=stderr, markup=False, emoji=False)


def shows_bars() -> bool:
    """Whether standard error is a terminal or a notebook, which a bar can be drawn in."""
    console = plain_console(stderr=True)
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
    """What is done a second; a minute, of long things."""

    def __init__(self, per_minute: bool) -> None:
        super().__init__()
        self._per_minute = per_minute

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None:
            return Text("")
        return Text(f"{60 * speed:,.1f}/min" if self._per_minute else f"{speed:,.1f}/s")


class Progress:
    """A bar on standard error, lines where none can be drawn, or nothing at all.

    Parameters
    ----------
    total : int or None
        How many there are; None while that is not known.
    show : bool
    unit : str
        What is counted, in the plural.
    per_minute : bool
        Whether rates are by the minute.
    """

    def __init__(
        self, total: int | None, show: bool, unit: str = "images", per_minute: bool = False
    ) -> None:
        self._source: Callable[[], int] | None = None
        self._before = 0
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            RateColumn(per_minute),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=plain_console(stderr=True),
            disable=not (show and shows_bars()),
            speed_estimate_period=3600.0 if per_minute else 30.0,
        )
        self._task = self._bar.add_task("preparing", total=total)
        self._log = Log(show, unit)
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

    def begin(self, text: str, total: int | None = None, done: int = 0) -> None:
        """Say what is being done; the rate and the time left count from here.

        Parameters
        ----------
        text : str
        total : int, optional
            How many there are now; as before where it is not given.
        done : int
            How many of them are done already.
        """
        done += self._before
        self._bar.reset(self._task, description=text, total=total, completed=done)
        self._log.begin(text, total, done)
        self._log.update(done)

    def part_done(self, number: int) -> None:
        """So many are done for good: what is counted from here on comes on top of them."""
        self._before += number

    def describe(self, text: str) -> None:
        """Another word beside the bar, which goes on."""
        self._bar.update(self._task, description=text)

    def say(self, text: str) -> None:
        """A line with the rate, where no bar is drawn."""
        self._log.say(f"{text}, {self._log.rate()}")

    def update(self, done: int) -> None:
        """Set how many are done, of the part in hand."""
        done += self._before
        self._bar.update(self._task, completed=done)
        self._log.update(done)

    def each(self, items: Iterable[Item], done: int = 0) -> Iterator[Item]:
        """The items one by one, each counted as it comes; ``done`` were there before."""
        for number, item in enumerate(items, done + 1):
            self.update(number)
            yield item

    def watch(self, source: Callable[[], int]) -> None:
        """Take the number of images from here when Brian2 reports."""
        self._source = source

    def brian_report(self, elapsed: object, fraction: float, start: object, total: object) -> None:
        """What ``Network.run(report=...)`` calls."""
        del elapsed, start, total
        if self._source is not None and fraction > 0:
            self.describe("simulating")
            self.update(self._source())


def tracked(items: Sequence[Item], unit: str, show: bool) -> Iterator[Item]:
    """Things that take minutes, one by one, each counted when it is done."""
    with Progress(len(items), show, unit, per_minute=True) as bar:
        bar.begin(unit)
        for number, item in enumerate(items, 1):
            yield item
            bar.update(number)
