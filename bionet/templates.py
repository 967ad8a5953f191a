"""Texts from the templates of a room: pages, scripts, C++."""

from __future__ import annotations

import functools
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["rendered"]


def rendered(
    package: str, template: str, *, escaped: bool = False, trimmed: bool = True, **values: Any
) -> str:
    """A template of a package, filled in; a value that is missing is an error.

    Parameters
    ----------
    package : str
        Its folder ``templates`` holds the template.
    template : str
        Name of the file.
    escaped : bool
        Whether values are escaped for HTML.
    trimmed : bool
        Whether lines that hold nothing but a statement vanish; else every newline stays.
    **values
        By their names in the template.
    """
    return _environment(package, escaped, trimmed).get_template(template).render(**values)


@functools.cache
def _environment(package: str, escaped: bool, trimmed: bool) -> Environment:
    return Environment(
        loader=PackageLoader(package, "templates"),
        undefined=StrictUndefined,
        autoescape=escaped,
        trim_blocks=trimmed,
        lstrip_blocks=trimmed,
        keep_trailing_newline=not trimmed,
    )
