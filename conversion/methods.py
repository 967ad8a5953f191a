"""The table of conversion methods: BioNet's own, and those of other installed packages.

A method is a function ``(net, input_shape, calibration, *, options...) -> SpikingNetwork``; its
keyword-only arguments are its options. In a new file of this folder it is entered by
``@METHODS.named("its name")``; another package names it in its entry points ``bionet.methods``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bionet.network import SpikingNetwork
from bionet.registry import Registry

__all__ = ["METHODS"]


def _check(entry: Any) -> None:
    if not callable(entry):
        raise TypeError("must be a function (net, input_shape, calibration, *, options...)")


METHODS: Registry[Callable[..., SpikingNetwork]] = Registry(
    "method", "bionet.methods", "bionet.conversion", check=_check
)
