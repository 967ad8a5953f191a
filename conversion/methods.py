"""The table of conversion methods: BioNet's own, and those of other installed packages.

A method is a function ``(net, input_shape, calibration, *, options...) -> SpikingNetwork``; its
keyword-only arguments are its options. In a new file of this folder it is entered by
``@METHODS.named("its name")``; another package names it in its entry points ``bionet.methods``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from bionet import options as declared
from bionet.errors import InputError, did_you_mean
from bionet.network import SpikingNetwork
from bionet.registry import Registry

__all__ = ["METHODS", "options_of"]


def _check(entry: Any) -> None:
    if not callable(entry):
        raise TypeError("must be a function (net, input_shape, calibration, *, options...)")


METHODS: Registry[Callable[..., SpikingNetwork]] = Registry(
    "method", "bionet.methods", "bionet.conversion", check=_check
)
"""Conversions by their names: functions from a network, calibration images and the method's own
options to a :class:`~bionet.SpikingNetwork`."""


def options_of(method: str, given: Iterable[str] = ()) -> dict[str, declared.Option]:
    """The options of a method, with their annotations, defaults and meanings.

    Parameters
    ----------
    method : str
    given : iterable of str
        Names of options that the method should have.

    Raises
    ------
    InputError
        If the method is unknown, or lacks one of them; other methods that have it are named.
    """
    takes = declared.options_of(METHODS.find(method))
    for name in sorted(set(given) - set(takes)):
        others = [other for other in METHODS if name in declared.options_of(METHODS[other])]
        hint = f", which is one of method {' and '.join(map(repr, others))}" if others else ""
        raise InputError(
            f"method {method!r} has no option {name!r}{hint}; its options are {', '.join(takes)}"
            + did_you_mean(name, takes)
        )
    return takes
