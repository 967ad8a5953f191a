"""Ctrl-C ends what is running, whatever it runs through: a library, a device, a callback.

Python turns SIGINT into a KeyboardInterrupt, which can be lost: Brian2 takes the first signal of a
run as a request to stop early, and would hand back a part of the results; Python drops an
exception in a destructor; a library may turn one into an error of its own.
:func:`interruptible` therefore raises it at once, and again where it was lost: at the next
:func:`check_interrupted`, at the latest at its end.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["check_interrupted", "interruptible", "postponed"]

Handler = Callable[[int, Any], Any]


class _Noting:
    """A handler that keeps in mind that another one has raised a KeyboardInterrupt."""

    def __init__(self, handler: Handler) -> None:
        # Brian2's handler takes the signal for itself while a network runs.
        self.handler: Handler = getattr(handler, "previous_handler", handler)
        self.interrupted = False

    def __call__(self, number: int, frame: Any) -> None:
        try:
            self.handler(number, frame)
        except KeyboardInterrupt:
            self.interrupted = True
            raise


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within the block no SIGINT that raises KeyboardInterrupt is lost.

    Signals reach the main thread alone; in another one, and where the user ignores or handles
    them otherwise, the block changes nothing.

    Raises
    ------
    KeyboardInterrupt
        Also at the end of the block, in place of whatever the interruption became.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    noting = _Noting(before)
    signal.signal(signal.SIGINT, noting)
    try:
        yield
    except BaseException as error:
        if noting.interrupted and not isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
        if isinstance(before, _Noting):
            before.interrupted |= noting.interrupted
    if noting.interrupted:
        raise KeyboardInterrupt


def check_interrupted() -> None:
    """Raise KeyboardInterrupt where the surrounding :func:`interruptible` has seen one.

    What is written for good asks before it appears.
    """
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, _Noting) and handler.interrupted:
        raise KeyboardInterrupt


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Within the block a SIGINT waits: starting a process and noting which are one act."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    arrived: list[tuple[int, Any]] = []
    signal.signal(signal.SIGINT, lambda number, frame: arrived.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if arrived:
            before(*arrived[0])
