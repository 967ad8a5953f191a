"""Puts what ``bionet reproduce`` wrote into docs/results.md, and its figures into the gallery.

    bionet reproduce dsnn table1-mnist
    python -m benchmarks.results runs/reproduce

Only the part between the two marks of docs/results.md is written; a result that is there already
and has no folder in this call stays.
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
GALLERY = ROOT / "figures" / "gallery"
START, END = "<!-- results -->", "<!-- end of results -->"


def main() -> None:
    """Write the page from one or more folders of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="runs/reproduce, or another --out")
    folders = parser.parse_args().folders
    missing = [folder for folder in folders if not folder.is_dir()]
    if missing:
        parser.error(f"{missing[0]} is no folder; run bionet reproduce first")
    head, rest = PAGE.read_text().split(START)
    old, tail = rest.split(END)
    sections = sections_of(old)
    for folder in folders:
        for result in sorted(folder.glob("*/result.md")):
            sections.update(sections_of(with_figures(result)))
    text = "\n\n".join(sections[title] for title in sorted(sections))
    PAGE.write_text(f"{head}{START}\n\n{text}\n\n{END}{tail}")
    print(f"{len(sections)} results in {PAGE.relative_to(ROOT)}")


def sections_of(text: str) -> dict[str, str]:
    """The sections of a page by their titles."""
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0]: f"## {part.strip()}" for part in parts}


def with_figures(result: Path) -> str:
    """A result's table, with its figures copied to the gallery."""
    text = result.read_text().rstrip()
    for figure in sorted(result.parent.glob("*.png")):
        name = f"{result.parent.name}-{figure.name}"
        shutil.copyfile(figure, GALLERY / name)
        text += f"\n\n![{result.parent.name}: {figure.stem}](../figures/gallery/{name})"
    return text


if __name__ == "__main__":
    main()
