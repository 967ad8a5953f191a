"""Studies: network x method x coding x perturbation x level x seed, from one TOML file.

:func:`run` simulates every cell, on this machine or a Dask cluster, and goes on where an earlier
run was ended; :func:`table` gives one row per cell. See ``docs/studies.md``.
"""

from __future__ import annotations

from bionet.study.results import summary, table
from bionet.study.running import run
from bionet.study.specification import Study, load, ready_studies

__all__ = ["Study", "load", "ready_studies", "run", "summary", "table"]
