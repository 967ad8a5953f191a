"""Generate and compile one program; run as ``python -m bionet.running.compile_program FOLDER``.

The folder holds ``network.outline`` (without the weights of dense kernels: a program is given
them), ``plan.json`` and ``structure.json``; it receives the sources and the key of their program,
and where no folder beside it bears that key, ``main`` and ``manifest.json``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import brian2
import numpy as np
from brian2 import prefs, second
from brian2.core.variables import ArrayVariable
from brian2.devices.device import get_device

from bionet.brian.assemble import assemble
from bionet.brian.plan import Plan
from bionet.network.storage import read_outline
from bionet.running.compiler import build_program
from bionet.running.program_frame import write_light_sources

__all__ = ["MANIFEST", "OUTLINE", "PROGRAM_KEY", "main", "program_key"]

MANIFEST, OUTLINE, PROGRAM_KEY = "manifest.json", "network.outline", "program_key.txt"

# The program stops by itself after the last image; this is only an end that it never reaches.
ENDLESS = 2**40


def main(folder: Path) -> None:
    """Compile the network described in ``folder``."""
    snn = read_outline(folder / OUTLINE)
    plan = Plan.from_dict(json.loads((folder / "plan.json").read_text()))
    prefs.core.default_float_dtype = np.dtype(plan.dtype).type
    # Brian2 would try each of its own flags on the compiler, for a makefile that nobody uses.
    for compiler in ("", "_gcc", "_msvc"):
        prefs[f"codegen.cpp.extra_compile_args{compiler}"] = []
    brian2.set_device("cpp_standalone", build_on_run=False, directory=str(folder))
    built = assemble(snn, plan)
    built.network.run(ENDLESS * plan.dt * second, namespace={})
    device = get_device()
    device.build(directory=str(folder), compile=False, run=False, with_output=False)
    code_objects = write_light_sources(device, folder)
    variables = {}
    for variable in device.arrays:
        if isinstance(variable, ArrayVariable):
            owner = getattr(variable.owner, "name", "")
            variables[f"{owner}.{variable.name}"] = [np.dtype(variable.dtype).name, variable.size]
    watched = [[population, variable] for population, _, variable in built.end.watched]
    manifest: dict[str, Any] = {"variables": variables, "watched": watched}
    key = program_key(folder, manifest)
    (folder / PROGRAM_KEY).write_text(key)
    if (folder.parent / key / MANIFEST).exists():
        return  # the same code, compiled before
    # Loading and writing arrays is not worth optimising, and slow to optimise.
    slow = ("code_objects/presentation",)
    sources = {name: "-O1" if name.startswith(slow) else "-O3" for name in code_objects}
    build_program(folder, sources | {"frame.cpp": "-O1"})
    manifest["size"] = (folder / "main").stat().st_size  # by which a damaged one is known
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
