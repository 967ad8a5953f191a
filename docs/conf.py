"""Settings of the documentation site: ``make docs`` builds it into docs/_build/html.

Sphinx rather than MkDocs: docstrings are numpydoc with mathematics and cross-references in
reStructuredText, as in Brian2 and NumPy, to whose own sites names are linked.
"""

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

project = "BioNet"
author = "The BioNet developers"
copyright = author
version = release = metadata.version("bionet")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
# The first suffix is that of the pages which autosummary writes, in reStructuredText.
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}
exclude_patterns = ["_build", "conf.py"]
templates_path = ["_templates"]
master_doc = "index"

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
myst_fence_as_directive = ["math"]  # the fence that GitHub shows as an equation

# Tutorials are Python files with cells, which are notebooks too. They run when the site is built,
# in a folder of their own, and an error in one is an error of the site; what has not changed is
# taken from the cache.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_output_stderr = "remove"
nb_merge_streams = True

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_preprocess_types = False

html_theme = "furo"
html_static_path = ["_static"]
html_js_files = ["accessible.js"]
html_title = f"BioNet {version}"
html_copy_source = False
html_show_sourcelink = False
# Types such as "array (n_images, n_units)" are words, not references.
suppress_warnings = ["ref.python"]

DOCS = Path(__file__).parent
# Modules of the reference by their full names.
REFERENCE = re.findall(r"^   ([a-z_.]+)$", (DOCS / "api.rst").read_text(), re.M)
REFERENCE = [f"bionet.{name}" for name in REFERENCE if find_spec(f"bionet.{name}")]

SHAPE = re.compile(r"(?<=[(, ])\*(?=[\w ]+[,)])")


def _shapes(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Let ``(n, *shape)`` be a shape: reStructuredText takes the star for emphasis."""
    lines[:] = [SHAPE.sub(r"\\*", line) for line in lines]


def public_names() -> Iterator[tuple[str, Any]]:
    """Every public name of BioNet and of its packages, with what it is; the shortest come first.

    Yields
    ------
    tuple of str and object
        Such as ``bionet.conversion.METHODS``.
    """
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())
    packages = {*project["tool"]["setuptools"]["packages"], *REFERENCE}
    packages.remove("bionet.docs")  # makes pages of this site
    for module in map(importlib.import_module, sorted(packages, key=lambda n: (n.count("."), n))):
        for name in getattr(module, "__all__", ()):
            yield f"{module.__name__}.{name}", getattr(module, name)


def _once(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Leave out of a module what a shorter name describes: ``bionet.Dense`` in bionet.network."""
    module = app.env.docname.rpartition("/")[2]
    first = next((full for full, other in public_names() if other is thing), "")
    described = first.rpartition(".")[0] in {"bionet", *REFERENCE}
    return True if what == "module" and described and first != f"{module}.{name}" else None


def _tables(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Describe a module's tables, such as METHODS, by the text beside their definition.

    Autodoc leaves out the data that a package takes over from its modules.
    """
    for table in filter(str.isupper, getattr(thing, "__all__", ()) if what == "module" else ()):
        entries = getattr(thing, table)
        modules = [key for key in sys.modules if key.startswith("bionet.")]
        homes = [key for key in modules if vars(sys.modules[key]).get(table) is entries]
        texts = [ModuleAnalyzer.for_module(home).find_attr_docs() for home in homes]
        text = next((text["", table] for text in texts if ("", table) in text), [])
        if not text or ("", table) in ModuleAnalyzer.for_module(name).find_attr_docs():
            continue  # without a text it is missing; in its own module it is described
        if isinstance(entries, Mapping):
            keys = (key if isinstance(key, str) else " ".join(key) for key in entries)
            text = [*text, "", ", ".join(f"``{key}``" for key in keys)]
        lines += ["", f".. py:data:: {table}", "", *(f"   {line}" for line in text), ""]


def _every_public_name(app: Any, env: Any) -> None:
    """Warn, which ends ``make docs``, of a public name that the reference doesn't describe."""
    domain = env.get_domain("py")
    described = {*domain.objects, *domain.modules}
    names = [(name, thing) for name, thing in public_names() if not isinstance(thing, ModuleType)]
    things = {id(thing) for name, thing in names if name in described}
    missing = [
        name for name, thing in names if id(thing) not in things and name != "bionet.__version__"
    ]
    if missing:
        logging.getLogger(__name__).warning("no reference of %s", ", ".join(missing))


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("env-check-consistency", _every_public_name)
    app.connect("autodoc-process-docstring", _shapes, priority=1)
    app.connect("autodoc-process-docstring", _tables, priority=1)
    app.connect("autodoc-skip-member", _once)
