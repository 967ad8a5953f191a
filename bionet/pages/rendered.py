"""Pages from their templates, every value escaped."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["rendered"]


def rendered(template: str, **values: Any) -> str:
    """The text of a template of this package, with BioNet's version and these values."""
    environment = Environment(
        loader=PackageLoader("bionet.pages", "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    version = metadata.version("bionet")
    return environment.get_template(template).render(version=version, **values)
