"""The exceptions that BioNet raises.

Every message is one line that says the object and attribute, what was expected, what came, and
what to do.
"""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

__all__ = ["BioNetError", "ExchangeWarning", "InputError"]


class BioNetError(Exception):
    """Something failed while BioNet worked; base class of all its exceptions."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        # Brian2, once imported, asks for a report about every error that ends a script.
        if getattr(sys.excepthook, "__module__", "") == "brian2.utils.logger":
            sys.excepthook = _without_report(sys.excepthook)


class InputError(BioNetError, ValueError):
    """What was given to BioNet can't be used; the command line ends with exit code 2."""


class ExchangeWarning(UserWarning):
    """Something of a network that the format it is written to or read from does not say."""


def _without_report(hook: Callable[..., Any]) -> Callable[..., Any]:
    """An exception hook that shows BioNet's own errors in Python's way, others as before."""

    def show(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        own = sys.__excepthook__ if issubclass(kind, BioNetError) else hook
        own(kind, error, at)

    return show
