"""The mapping of four top folders into one import package."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]


def folder(package: str) -> Path:
    """Where a package's source lies: its own entry, or a folder of its parent's."""
    if package in SETUPTOOLS["package-dir"]:
        return ROOT / SETUPTOOLS["package-dir"][package]
    parent, _, name = package.rpartition(".")
    return folder(parent) / name


FOLDERS = {package: folder(package) for package in SETUPTOOLS["packages"]}
TOP_FOLDERS = [ROOT / path for path in SETUPTOOLS["package-dir"].values()]


@pytest.mark.parametrize("package", FOLDERS)
def test_every_listed_package_has_its_folder(package):
    assert (FOLDERS[package] / "__init__.py").is_file()


@pytest.mark.parametrize("top", TOP_FOLDERS, ids=lambda path: path.name)
def test_every_module_lies_in_a_listed_package(top):
    strays = [path for path in top.rglob("*.py") if path.parent not in FOLDERS.values()]
    assert not strays, "add their folders to tool.setuptools.packages"


def test_every_data_file_is_packaged():
    packaged = {
        path
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in FOLDERS[package].glob(pattern)
    }
    ignored = {".py", ".pyc"}
    data = {
        path
        for top in TOP_FOLDERS
        for path in top.rglob("*")
        if path.is_file() and path.suffix not in ignored and "gallery" not in path.parts
    }
    assert data <= packaged, "add a pattern to tool.setuptools.package-data"
    assert FOLDERS["bionet"] / "py.typed" in packaged


def test_every_dependency_is_pinned():
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pinned = {canonicalize_name(pin.name) for pin in pins}
    assert {canonicalize_name(Requirement(line).name) for line in wanted} <= pinned


def ruff(source: str, name: str) -> subprocess.CompletedProcess[str]:
    """Lint source text as if it were the file `name` of the repository."""
    command = [sys.executable, "-m", "ruff", "check", "--stdin-filename", name, "-"]
    return subprocess.run(command, cwd=ROOT, input=source, capture_output=True, text=True)


@pytest.mark.parametrize("package", ["equations", "conversion", "figures"])
@pytest.mark.parametrize("line", ["import {}", "import {}.model", "from {} import model"])
def test_bare_import_is_forbidden(package, line):
    result = ruff(line.format(package) + "\n", "bionet/example.py")
    assert result.returncode == 1
    assert f"TID251 `{package}` is banned: import bionet.{package} instead" in result.stdout


def test_full_import_is_allowed():
    source = '"""Example."""\n\nimport bionet.equations\n\nprint(bionet.equations)\n'
    result = ruff(source, "equations/example.py")
    assert result.returncode == 0, result.stdout


def test_the_conda_recipe_needs_what_the_wheel_needs():
    recipe = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text()
    run = recipe.partition("  run:\n")[2].partition("\n\n")[0]
    listed = {line.split()[1] for line in run.splitlines()} - {"python", "cxx-compiler"}
    conda = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    needed = {Requirement(r).name for r in PYPROJECT["project"]["dependencies"]}
    assert listed == {conda.get(name, name) for name in needed}
