"""The parts of ``docs/`` that are made from the code: ``python -m bionet.docs`` writes them.

:func:`pages` makes the command reference, the list of networks and, on each method's page, its
equations. They are committed; a test compares them with what is made anew.
"""

from __future__ import annotations

from pathlib import Path

from bionet.docs.commands import command_reference
from bionet.docs.methods import SECTIONS, equations_section
from bionet.docs.networks import networks_page
from bionet.docs.operations import operations_page
from bionet.errors import InputError

__all__ = ["pages", "write"]

BEGIN = "<!-- made by python -m bionet.docs: edit the code, not this part -->"
END = "<!-- end of what python -m bionet.docs makes -->"


def pages(folder: Path, operations: bool = True) -> dict[Path, str]:
    """Every generated page as it should be; nothing is written.

    Parameters
    ----------
    folder : Path
        ``docs/`` of the repository; what is written by hand on a method's page stays.
    operations : bool
        Whether the table of operations is made, which takes some two hundred conversions.

    Returns
    -------
    dict of Path to str
        File -> text.
    """
    found = {
        folder / "commands.md": f"{BEGIN}\n\n{command_reference()}",
        folder / "networks.md": f"{BEGIN}\n\n{networks_page()}",
    }
    if operations:
        found[folder / "operations.md"] = f"{BEGIN}\n\n{operations_page()}"
    for name, methods in SECTIONS.items():
        path = folder / name
        made = "\n".join(equations_section(method) for method in methods)
        found[path] = _replaced(path, made)
    return found


def write(folder: Path) -> list[Path]:
    """Write the pages that differ from what they should be, and return them."""
    changed = []
    for path, text in pages(folder).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def _replaced(path: Path, made: str) -> str:
    """A page with the part between the two marks replaced, or added at its end."""
    if not path.is_file():
        raise InputError(f"there is no page {path}; run python -m bionet.docs in the repository")
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if bool(begin) != bool(end):
        raise InputError(f"{path}: the generated part needs both its first and its last line")
    kept = f"\n{after.lstrip()}" if after.strip() else ""
    return f"{before.rstrip()}\n\n{BEGIN}\n\n{made}\n{END}\n{kept}"
