"""Versions of installed packages, as provenance notes them."""

from __future__ import annotations

import functools
from importlib import metadata

__all__ = ["VERSION", "versions_of"]

VERSION = "0.1.0"
"""BioNet's own; the package takes it from here when it is built."""


def versions_of(*packages: str) -> dict[str, str]:
    """Versions of packages by name; those that are not installed are left out."""
    installed = {}
    for name in packages:
        try:
            installed[name] = _version(name)
        except metadata.PackageNotFoundError:  # run from a checkout that is not installed
            continue
    return installed


@functools.cache
def _version(package: str) -> str:
    """Version of the package that this process has found first; looking takes milliseconds."""
    return metadata.version(package)
