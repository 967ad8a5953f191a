"""Processor time that a study spends outside its simulations: ``python -m benchmarks.study``.

Runs a study (``coding-robustness``, or the one that is named) in this process, twice: what the
first run compiles is no part of the second. A simulation is a call of ``bionet.simulate``, its
programs included; what is left is reading, converting, perturbing and writing results.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from typing import Any

import bionet
import bionet.running.simulate as running


def seconds() -> float:
    """Processor seconds of this process and of its ended children."""
    used = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def main(name: str) -> None:
    """Print both shares."""
    simulate, inside = running.simulate, 0.0

    def timed(*values: Any, **options: Any) -> bionet.Recording:
        nonlocal inside
        before = seconds()
        try:
            return simulate(*values, **options)
        finally:
            inside += seconds() - before

    running.simulate = timed
    for label in ("compilations included", "programs at hand"):
        inside, before = 0.0, seconds()
        with tempfile.TemporaryDirectory() as folder:
            cells = len(bionet.study.run(name, folder, jobs=1))
        total = seconds() - before
        print(
            f"{name}, {cells} cells, {label}: {total:.1f} s of processor time,"
            f" {100 * (1 - inside / total):.1f} % outside the simulations",
            flush=True,
        )


if __name__ == "__main__":
    main(*[*sys.argv[1:], "coding-robustness"][:1])
