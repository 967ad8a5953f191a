"""Settings of the documentation site: ``make docs`` builds it into docs/_build/html.

Sphinx rather than MkDocs: docstrings are numpydoc with mathematics and cross-references in
reStructuredText, as in Brian2 and NumPy, to whose own sites names are linked.
"""

import re
from importlib import metadata
from typing import Any

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

SHAPE = re.compile(r"(?<=[(, ])\*(?=\w+[,)])")


def _shapes(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Let ``(n, *shape)`` be a shape: reStructuredText takes the star for emphasis."""
    lines[:] = [SHAPE.sub(r"\\*", line) for line in lines]


def _every_public_name(app: Any, env: Any) -> None:
    """Warn, which ends ``make docs``, of a public name that the reference doesn't describe."""
    import bionet

    domain = env.get_domain("py")
    described = {*domain.objects, *domain.modules}
    missing = [name for name in bionet.__all__ if f"bionet.{name}" not in described]
    missing.remove("__version__") if "__version__" in missing else None
    if missing:
        logging.getLogger(__name__).warning("no reference of %s", ", ".join(missing))


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("env-check-consistency", _every_public_name)
    app.connect("autodoc-process-docstring", _shapes, priority=1)
