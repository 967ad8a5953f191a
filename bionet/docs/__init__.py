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
    by_hand = {folder / name: _around(folder / name) for name in SECTIONS}  # refused before work
    texts = {
        folder / "commands.md": f"{BEGIN}\n\n{command_reference()}",
        folder / "networks.md": f"{BEGIN}\n\n{networks_page()}",
    }
    if operations:
        texts[folder / "operations.md"] = f"{BEGIN}\n\n{operations_page()}"
    for (path, around), methods in zip(by_hand.items(), SECTIONS.values(), strict=True):
        equations = "\n".join(equations_section(method) for method in methods)
        texts[path] = _with_generated(around, equations)
    return texts


def write(folder: Path) -> list[Path]:
    """Write the pages that differ from what they should be, and return them."""
    changed = []
    for path, text in pages(folder).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def _around(path: Path) -> tuple[str, str]:
    """What is written by hand before and after a page's generated part."""
    if not path.is_file():
        raise InputError(f"there is no page {path}; run python -m bionet.docs in the repository")
    before, begin, generated = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = generated.partition(END)
    if bool(begin) != bool(end):
        raise InputError(f"{path}: the generated part needs both its first and its last line")
    return before.rstrip(), after.strip()


def _with_generated(around: tuple[str, str], generated: str) -> str:
    """A page with its generated part between, or after, what is written by hand."""
    before, after = around
    end = f"\n{after}\n" if after else ""
    return f"{before}\n\n{BEGIN}\n\n{generated}\n{END}\n{end}"
