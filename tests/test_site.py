"""The documentation site holds every public name and every page."""

import re
from pathlib import Path

import bionet

DOCS = Path(__file__).parents[1] / "docs"


def test_every_public_name_is_in_the_reference():
    listed = set(re.findall(r"^   ([\w.]+)$", (DOCS / "api.rst").read_text(), re.M))
    assert set(bionet.__all__) <= listed


def test_every_page_is_in_the_table_of_contents():
    listed = set(re.findall(r"^([\w/-]+)$", (DOCS / "index.md").read_text(), re.M))
    pages = {path.stem for path in DOCS.iterdir() if path.suffix in {".md", ".rst"}}
    pages |= {f"tutorials/{path.stem}" for path in (DOCS / "tutorials").glob("*.py")}
    assert pages - {"index"} <= listed


def test_the_reference_is_written_in_the_language_that_it_is_read_in():
    """Autosummary writes reStructuredText with the first suffix; in Markdown it is plain text."""
    suffixes = re.search(r"source_suffix = \{(.*)\}", (DOCS / "conf.py").read_text())
    assert suffixes and suffixes[1].startswith('".rst"')
