"""The table of connectivity kernels: BioNet's own, and those of other installed packages."""

from __future__ import annotations

from typing import Any

from bionet.network.kernel_base import Kernel
from bionet.registry import Registry

__all__ = ["KERNELS", "entered"]


def _check(entry: Any) -> None:
    if not (isinstance(entry, type) and issubclass(entry, Kernel)):
        raise TypeError("must be a subclass of bionet.network.Kernel")


KERNELS: Registry[type[Kernel]] = Registry(
    "kernel", "bionet.kernels", "bionet.network.kernels", check=_check
)
"""Classes of kernels by their ``kind`` in files."""


def entered(kernel: type[Kernel]) -> type[Kernel]:
    """Decorator: enter a kernel under its ``kind``."""
    return KERNELS.add(kernel.kind, kernel)
