"""Packages that only an exchange needs, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from bionet.errors import InputError

__all__ = ["required"]


def required(module: str, extra: str) -> Any:
    """The module, or an InputError that says how to install it.

    Parameters
    ----------
    module : str
        Name of the import.
    extra : str
        BioNet's optional extra that brings it.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise InputError(
            f"this needs the package {package}, which is not installed:"
            f' pip install "bionet[{extra}]"'
        ) from error
