"""One self-contained HTML page of a study: accuracy against every perturbation, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bionet import figures
from bionet.errors import InputError
from bionet.figures.kinds.robustness import by_level
from bionet.files import atomic
from bionet.pages.rendered import rendered
from bionet.pages.run_page import drawing, embedded

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["study_report"]


def study_report(
    table: pd.DataFrame,
    path: str | Path,
    title: str = "BioNet study",
    description: Mapping[str, Any] | None = None,
    command: str | None = None,
) -> Path:
    """Write the report of a study as one HTML file.

    Parameters
    ----------
    table : DataFrame
        One row for each cell, as :func:`bionet.figures.accuracy_against_perturbation` takes it.
    path : str or Path
        Ending in ``.html``.
    title : str
    description : mapping, optional
        The content of ``run.json``.
    command : str, optional
        The command line that makes the study again.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the table or the name does not fit, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a report's name ends in .html, such as report.html, but is {path}")
    described = description or {}
    rows = by_level(table)
    units = dict(zip(table["perturbation"], table["unit"], strict=True)) if "unit" in table else {}
    rows["unit"] = [_unit(units.get(name)) for name in rows["perturbation"]]
    rows["seeds"] = rows["shares"].map(len)
    n_images = int(table["images" if "images" in table else "n_images"].sum())
    versions = ", ".join(f"{name} {v}" for name, v in (described.get("versions") or {}).items())
    provenance = {"versions": versions, **(described.get("arguments") or {})}
    with drawing():
        drawn = figures.accuracy_against_perturbation(table)
        text = rendered(
            "study.html.jinja",
            title=title,
            command=command,
            tiles=[
                ("cells", f"{len(table):,}", "rows of the table"),
                ("codings", f"{rows['coding'].nunique()}", ", ".join(rows["coding"].unique())),
                ("perturbations", f"{rows['perturbation'].nunique()}", "see below"),
                ("images", f"{n_images:,}", "presentations in all"),
            ],
            picture=embedded(drawn, "Accuracy of each coding against each perturbation"),
            rows=rows.to_dict("records"),
            provenance=[(name.replace("_", " "), str(v)) for name, v in provenance.items() if v],
        )
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def _unit(unit: Any) -> str:
    """The unit of a level, empty for a plain number or where the table has none."""
    return unit if isinstance(unit, str) and unit != "1" else ""
