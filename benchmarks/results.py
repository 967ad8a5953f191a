"""Puts what ``bionet reproduce`` wrote into docs/results.md, and its figures into the gallery.

    bionet reproduce dsnn table2-mnist
    bionet study coding-robustness
    python -m benchmarks.results runs/reproduce --study runs/study/coding-robustness

A study's table gives mean and spread over its seeds, and Wilson's 95 % interval over the images.

Only the part between the two marks of docs/results.md is written, of docs/codes.md and
docs/ttfs.md for the results of these names; a result that is there already and has no folder in
this call stays.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path

import pandas as pd

from bionet import figures
from bionet.results.over_seeds import over_seeds

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
# Pages of their own, by what bionet reproduce calls the paper.
PAGES = {name: ROOT / "docs" / f"{name}.md" for name in ("codes", "ttfs")}
GALLERY = ROOT / "figures" / "gallery"
START, END = "<!-- results -->", "<!-- end of results -->"


def main() -> None:
    """Write the page from one or more folders of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="runs/reproduce, or another --out")
    parser.add_argument("--study", type=Path, action="append", default=[], help="a study's folder")
    options = parser.parse_args()
    folders, studies = options.folders, options.study
    missing = [folder for folder in [*folders, *studies] if not folder.is_dir()]
    if missing:
        parser.error(f"{missing[0]} is no folder; run bionet reproduce first")
    made: dict[str, str] = {}
    for folder in folders:
        for result in sorted(folder.glob("*/result.md")):
            made.update(sections_of(with_figures(result)))
    for study in studies:
        made.update(sections_of(of_study(study)))
    pages: dict[Path, dict[str, str]] = {}
    for title, section in made.items():
        pages.setdefault(PAGES.get(title.split()[0], PAGE), {})[title] = section
    for page, ours in pages.items():
        put(page, ours)


def put(page: Path, made: dict[str, str]) -> None:
    """Write sections between the marks of a page, beside those that stay."""
    head, after = page.read_text().split(START)
    old, tail = after.split(END)
    sections = sections_of(old) | made
    text = "\n\n".join(sections[title] for title in sorted(sections))
    page.write_text(f"{head}{START}\n\n{text}\n\n{END}{tail}")
    print(f"{len(sections)} results in {page.relative_to(ROOT)}")


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


def of_study(folder: Path) -> str:
    """Accuracy for every perturbation and level, a column for each coding."""
    table = pd.read_csv(folder / "results.csv")
    name = json.loads((folder / "study.json").read_text())["study"]["name"]
    usual_coding = table["method"] == table["coding"]
    table["code"] = table["coding"].where(usual_coding, table["method"] + ", " + table["coding"])
    codes = list(dict.fromkeys(table["code"]))
    seeds, images = table["seed"].nunique(), int(table["images"].iloc[0])
    lines = [
        f"## study {name}",
        "",
        f"`bionet study {name}`: {len(table)} cells, {images} images, {seeds} seeds; accuracy in %"
        " as mean over the seeds, with Wilson's 95 % interval over the images of one seed,"
        " and +- the standard deviation over the seeds.",
        "",
        f"| perturbation | level | {' | '.join(codes)} |",
        "|---" * (2 + len(codes)) + "|",
    ]
    for (perturbation, level), cells in table.groupby(["perturbation", "level"], sort=False):
        texts = []
        for code in codes:
            mean = over_seeds(cells.loc[cells["code"] == code, "accuracy"], images)
            spread = f" +- {100 * mean.spread:.1f}" if mean.seeds > 1 else ""
            interval = f"{100 * mean.low:.1f} to {100 * mean.high:.1f}"
            texts.append(f"{100 * mean.accuracy:.1f} ({interval}){spread}")
        lines.append(f"| {perturbation} | {level:g} | {' | '.join(texts)} |")
    picture = f"study-{name}.png"
    figures.save(figures.accuracy_against_perturbation(table), GALLERY / picture)
    lines += ["", f"![study {name}](../figures/gallery/{picture})"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
