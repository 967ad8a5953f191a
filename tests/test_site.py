"""The documentation site holds every public name and every page."""

import importlib
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

import bionet

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]


def test_every_public_name_is_in_the_reference():
    listed = set(re.findall(r"^   ([\w.]+)$", (DOCS / "api.rst").read_text(), re.M))
    assert set(bionet.__all__) <= listed


@pytest.mark.parametrize("package", sorted({*PACKAGES} - {"bionet", "bionet.docs"}))
def test_public_names_of_packages_are_in_the_reference(package):
    """Those of a module that it lists; `make docs` refuses a name whose text is missing there."""
    listed = re.findall(r"^   ([a-z_.]+)$", (DOCS / "api.rst").read_text(), re.M)
    modules = [importlib.import_module(f"bionet.{m}") for m in listed if find_spec(f"bionet.{m}")]
    described = {id(getattr(m, name)) for m in [bionet, *modules] for name in m.__all__}
    module = importlib.import_module(package)
    things = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    missing = {name for name, thing in things.items() if id(thing) not in described}
    assert not {name for name in missing if not isinstance(things[name], ModuleType)}


def test_every_page_is_in_the_table_of_contents():
    listed = set(re.findall(r"^([\w/-]+)$", (DOCS / "index.md").read_text(), re.M))
    pages = {path.stem for path in DOCS.iterdir() if path.suffix in {".md", ".rst"}}
    pages |= {f"tutorials/{path.stem}" for path in (DOCS / "tutorials").glob("*.py")}
    assert pages - {"index"} <= listed


def test_the_reference_is_written_in_the_language_that_it_is_read_in():
    """Autosummary writes reStructuredText with the first suffix; in Markdown it is plain text."""
    suffixes = re.search(r"source_suffix = \{(.*)\}", (DOCS / "conf.py").read_text())
    assert suffixes and suffixes[1].startswith('".rst"')


@pytest.mark.parametrize(
    "page", [*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("tutorials/*.py"))], ids=lambda p: p.stem
)
def test_a_page_has_one_title(page):
    """Screen readers go by it; a second would make two chapters of one page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    head = r"^# # " if page.suffix == ".py" else r"^# "
    assert len(re.findall(head, text, re.M)) == 1 or "changelog" in page.stem


def test_every_built_page_has_one_title():
    built = sorted((DOCS / "_build" / "html").rglob("*.html"))
    if not built:
        pytest.skip("needs the site: make docs")
    titles = {str(page.relative_to(DOCS)): page.read_text().count("<h1") for page in built}
    assert {page: n for page, n in titles.items() if n != 1} == {}
