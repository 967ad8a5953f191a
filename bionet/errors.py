"""The exceptions that BioNet raises.

Every message is one line that says the object and attribute, what was expected, what came, and
what to do.
"""

import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from types import TracebackType
from typing import Any

__all__ = ["BioNetError", "ExchangeWarning", "InputError", "did_you_mean"]


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


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the known one that is most like it, if any."""
    # What stands for what in a name: a user rarely knows whether it is written with a dash.
    plain = {n.lower().replace("-", "_"): n for n in reversed(list(names))}
    near = get_close_matches(str(name).lower().replace("-", "_"), plain, 1)
    return f"; did you mean {plain[near[0]]!r}?" if near else ""


def _without_report(hook: Callable[..., Any]) -> Callable[..., Any]:
    """An exception hook that shows BioNet's own errors in Python's way, others as before."""

    def show(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        writer = sys.__excepthook__ if issubclass(kind, BioNetError) else hook
        writer(kind, error, at)

    return show
