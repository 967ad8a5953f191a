"""Studies: network x method x coding x perturbation x level x seed, from one TOML file.

:func:`run` simulates every cell, on this machine or a Dask cluster, and goes on where an earlier
run was ended; :func:`table` gives one row per cell. See ``docs/studies.md``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bionet.study.results import summary, table
    from bionet.study.running import run
    from bionet.study.specification import Study, load, ready_studies
    from bionet.study.watching import Status, cancel, status

__all__ = [
    "Status",
    "Study",
    "cancel",
    "load",
    "ready_studies",
    "run",
    "status",
    "summary",
    "table",
]

# Loaded when first used: a list of the ready studies needs neither pandas nor Brian2.
_HOME = {
    "Status": "watching",
    "Study": "specification",
    "cancel": "watching",
    "load": "specification",
    "ready_studies": "specification",
    "run": "running",
    "status": "watching",
    "summary": "results",
    "table": "results",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bionet.study' has no attribute {name!r}")
    return getattr(importlib.import_module(f"bionet.study.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
