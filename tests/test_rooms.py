"""Who may import whom: the table that keeps the rooms of the package apart."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOPS = {
    "bionet": "bionet",
    "equations": "bionet.equations",
    "conversion": "bionet.conversion",
    "figures": "bionet.figures",
}
# What every room may import.
COMMON = {
    "annotations", "errors", "files", "interruption", "json_files", "kinds", "notebook",
    "progress", "quantities", "registry", "templates", "versions",
}  # fmt: skip
EVERYTHING_BUT = {
    "study": {"pages", "figures", "train", "commands", "cli", "reproduce", "docs"},
    "reproduce": {"study", "pages", "commands", "cli", "docs"},
    "commands": {"cli", "docs"},
    "cli": {"docs"},
    "__main__": {"docs"},
    "docs": set(),
}
MAY_IMPORT = {
    "errors": set(),
    "files": set(),
    "json_files": set(),
    "annotations": set(),
    "kinds": {"annotations", "errors"},
    "notebook": set(),
    "interruption": set(),
    "quantities": set(),
    "progress": set(),
    "templates": set(),
    "versions": set(),
    "synapse": {"equations"},
    "registry": {"errors"},
    "equations": set(),
    "options": {"equations", "firing"},
    "firing": {"equations"},
    "network": {"equations"},
    "results": {"equations", "network"},
    "perturbations": {"equations", "options", "network"},
    "inputs": {"network", "results"},
    "brian": {"equations", "network"},
    "running": {"equations", "network", "inputs", "brian", "results"},
    "zoo": {"conversion"},  # weights trained with QCFS activations have their scales
    "datasets": set(),
    "image_folder": set(),
    "evaluation": {"datasets"},
    "sources": {"datasets", "network", "zoo", "firing"},
    "conversion": {"equations", "options", "firing", "network", "results", "evaluation", "running"},
    "train": {"zoo", "datasets", "evaluation", "conversion", "firing"},
    "audits": {"network", "results", "conversion", "firing", "running"},
    "exchange": {"equations", "network", "results"},
    "figures": {"network", "results", "audits", "running", "equations"},
    "pages": {"results", "audits", "figures"},
}
# The public names of `import bionet`, for the rooms above all others.
USES_PUBLIC_NAMES = {"reproduce", "cli", "docs"}
# A method is a closed form; only these search by simulation.
MAY_SIMULATE = {
    "bionet.conversion.biophysical",
    "bionet.conversion.dsnn",
    "bionet.conversion.threshold_search",
    "bionet.conversion.searching.greedy",
    "bionet.conversion.searching.feedback",
}


def _modules() -> dict[str, Path]:
    modules = {}
    for top, package in TOPS.items():
        for path in (ROOT / top).rglob("*.py"):
            parts = [package, *path.relative_to(ROOT / top).with_suffix("").parts]
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


MODULES = _modules()


def _imports(path: Path) -> set[str]:
    targets = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            targets |= {m if m in MODULES else node.module for m in members}
    return {t for t in targets if t.partition(".")[0] == "bionet"}


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "bionet"


IMPORTS = {module: _imports(path) for module, path in MODULES.items()}
ROOMS = sorted({_room(module) for module in MODULES} - {"bionet"})


def test_every_room_is_in_the_table():
    assert set(ROOMS) == set(MAY_IMPORT) | set(EVERYTHING_BUT)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room):
    if room in EVERYTHING_BUT:
        allowed = set(ROOMS) - EVERYTHING_BUT[room]
    else:
        allowed = MAY_IMPORT[room] | COMMON
    allowed |= {"bionet"} if room in USES_PUBLIC_NAMES else set()
    wrong = [
        f"{module} imports {target}"
        for module, targets in IMPORTS.items()
        for target in targets
        if _room(module) == room and _room(target) not in allowed | {room}
    ]
    assert not wrong


def test_only_the_searches_simulate_while_converting():
    simulating = {
        module
        for module, targets in IMPORTS.items()
        if _room(module) == "conversion" and any(_room(t) == "running" for t in targets)
    }
    assert simulating <= MAY_SIMULATE


def test_rooms_import_one_another_without_circles():
    needs = {
        room: {_room(t) for m, ts in IMPORTS.items() if _room(m) == room for t in ts}
        - {room, "bionet"}
        for room in ROOMS
    }
    while free := {room for room, others in needs.items() if not others & needs.keys()}:
        needs = {room: others for room, others in needs.items() if room not in free}
    assert not needs, "these rooms import one another in a circle"


def test_the_description_loads_neither_brian2_nor_torch():
    code = (
        "import sys, bionet.network\n"
        "assert not {'brian2', 'torch', 'pydantic', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_variables_say_what_they_hold():
    """No name that would fit any value: scales, spike_counts, names rather than found or known."""
    empty = {"found", "known", "own", "chosen"}
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {name}"
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Name, ast.arg))
        if (name := node.id if isinstance(node, ast.Name) else node.arg) in empty
    ]
    assert not wrong
