"""Pages from their templates, every value escaped."""

from __future__ import annotations

from typing import Any

from bionet import templates
from bionet.versions import VERSION

__all__ = ["rendered"]


def rendered(template: str, **values: Any) -> str:
    """The text of a template of this package, with BioNet's version and these values."""
    return templates.rendered("bionet.pages", template, escaped=True, version=VERSION, **values)
