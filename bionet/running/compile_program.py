"""Generate and compile one program; run as ``python -m bionet.running.compile_program FOLDER``.

The folder holds ``network.snn``, ``plan.json`` and ``structure.json``; it receives the sources and
the key of their program, and where no folder beside it bears that key, ``main`` and
``manifest.json``.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import brian2
import numpy as np
from brian2 import prefs, second
from brian2.core.variables import ArrayVariable, DynamicArrayVariable
from brian2.devices.device import get_device

from bionet.brian.assemble import assemble, recorded
from bionet.brian.plan import Plan
from bionet.network import SpikingNetwork

__all__ = ["COMPILE_ARGUMENTS", "MANIFEST", "PROGRAM_KEY", "main", "program_key"]

MANIFEST, PROGRAM_KEY = "manifest.json", "program_key.txt"

COMPILE_ARGUMENTS = (
    "-O3",
    "-march=native",
    "-std=c++17",
    "-fno-math-errno",
    "-ffp-contract=off",
    "-w",
)

# The program stops by itself after the last image; this is only an end that it never reaches.
ENDLESS = 2**40


# Brian2's makefile reads the same headers anew for every one of some forty small files, twice;
# compiled once in advance they cost a quarter of the time.
COMMON_HEADER = """#include "objects.h"
#include "run.h"
#include "brianlib/common_math.h"
#include "brianlib/stdint_compat.h"
#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
"""


def compile_sources(folder: Path, sources: list[str], openmp: bool) -> None:
    """Compile and link the sources into ``folder/main``, as many at once as there are cores.

    Raises
    ------
    RuntimeError
        With the compiler's message.
    """
    compiler = [os.environ.get("CXX", "g++"), *COMPILE_ARGUMENTS, "-I."]
    compiler += ["-fopenmp"] if openmp else []

    def call(*arguments: str) -> None:
        done = subprocess.run(
            [*compiler, *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)

    def compile_one(source: str) -> str:
        target = str(Path(source).with_suffix(".o"))
        # Loading and writing arrays is not worth optimising, and slow to optimise.
        level = ["-O3"] if source.startswith("code_objects") else ["-O1"]
        call(*level, "-include", "common.h", "-c", source, "-o", target)
        return target

    (folder / "common.h").write_text(COMMON_HEADER)
    call("-x", "c++-header", "common.h", "-o", "common.h.gch")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, sources))
    call(*objects, "-o", "main")
    for name in [*objects, "common.h.gch"]:
        (folder / name).unlink()


def main(folder: Path) -> None:
    """Compile the network described in ``folder``."""
    snn = SpikingNetwork.load(folder / "network.snn")
    plan = Plan.from_dict(json.loads((folder / "plan.json").read_text()))
    prefs.core.default_float_dtype = np.dtype(plan.dtype).type
    prefs.codegen.cpp.extra_compile_args_gcc = list(COMPILE_ARGUMENTS)
    prefs.codegen.cpp.extra_compile_args = list(COMPILE_ARGUMENTS)
    prefs.devices.cpp_standalone.openmp_threads = plan.threads if plan.threads > 1 else 0
    brian2.set_device("cpp_standalone", build_on_run=False, directory=str(folder))
    built = assemble(snn, plan)
    built.network.run(ENDLESS * plan.dt * second, namespace={})
    device = get_device()
    device.build(directory=str(folder), compile=False, run=False, with_output=False)
    variables = {}
    for variable in device.arrays:
        if isinstance(variable, ArrayVariable) and not isinstance(variable, DynamicArrayVariable):
            owner = getattr(variable.owner, "name", "")
            variables[f"{owner}.{variable.name}"] = [np.dtype(variable.dtype).name, variable.size]
    monitors = {}
    for name in plan.spikes:
        monitor = built.groups[f"{name}_spikes"]
        monitors[f"{name}.spikes"] = {
            v: device.get_array_filename(monitor.variables[v])
            for v in ("i", "t", *recorded(monitor))
        }
    for name in plan.potentials:
        monitor = built.groups[f"{name}_potentials"]
        monitors[f"{name}.v"] = {"v": device.get_array_filename(monitor.variables["v"])}
    watched = [[population, variable] for population, _, variable in built.end.watched]
    manifest = {"variables": variables, "monitors": monitors, "watched": watched}
    key = program_key(folder, manifest)
    (folder / PROGRAM_KEY).write_text(key)
    if (folder.parent / key / MANIFEST).exists():
        return  # the same code, compiled before
    compile_sources(folder, sorted(device.writer.source_files), plan.threads > 1)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def program_key(folder: Path, manifest: Mapping[str, Any]) -> str:
    """Name of a program: a hash of its structure, of its code and of what can be set in it."""
    digest = hashlib.sha256((folder / "structure.json").read_bytes())
    digest.update(json.dumps(manifest, sort_keys=True).encode())
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".cpp", ".h", ".hpp"}:
            text = path.read_text().replace(str(folder), "")
            digest.update(str(path.relative_to(folder)).encode() + text.encode())
    return digest.hexdigest()[:24]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
