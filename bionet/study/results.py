"""The tidy table of a study: one row per cell, from the cells' files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bionet.errors import InputError
from bionet.files import CHECKSUM, atomic
from bionet.kinds import typed
from bionet.results.columns import check_numbers, table_checksum
from bionet.study.cells import CELLS, read_cell, read_study

__all__ = ["TIMING", "table", "write_tables"]

# All else is the same whoever ran the study, and in how many parts.
TIMING = ("images_per_second", "run_seconds", "compile_seconds")


@typed
def table(folder: str | Path) -> pd.DataFrame:
    """The finished cells of a study's folder, in the order of its axes.

    Parameters
    ----------
    folder : path

    Returns
    -------
    pandas.DataFrame
        ``attrs["cells"]`` is the number of cells of the whole study.

    Raises
    ------
    InputError
        If the folder holds no study, or a file is damaged.
    """
    folder = Path(folder)
    keys = read_study(folder)["cells"]
    rows = [read_cell(folder, k) for k in keys if (folder / CELLS / f"{k}.json").is_file()]
    frame = pd.DataFrame(rows)
    frame.attrs["cells"] = len(keys)
    return frame


def write_tables(results: pd.DataFrame, folder: Path) -> None:
    """Write ``results.parquet`` and ``results.csv``, each whole or not at all.

    The first has a checksum among its attributes; the second is for people, and has none.
    """
    noted = results.copy()
    noted.attrs = {**results.attrs, CHECKSUM: table_checksum(results)}
    with atomic(folder / "results.parquet") as part:
        noted.to_parquet(part, index=False)
    with atomic(folder / "results.csv") as part:
        results.to_csv(part, index=False)


@typed
def summary(results: pd.DataFrame) -> Any:
    """Accuracy over all seeds, for people: one row per method, coding, perturbation and level.

    Returns
    -------
    pandas.DataFrame
        ``accuracy``: the mean over ``seeds``; ``low`` and ``high``: its 95 % interval over the
        ``images`` of one seed; ``spread``: the standard deviation over the seeds
        (:mod:`bionet.results.over_seeds`).

    Raises
    ------
    InputError
        If a column is missing.
    """
    from bionet.results.over_seeds import over_seeds

    axes = ["network", "method", "coding", "perturbation", "level", "unit"]
    costs = ["latency_ms", "spikes_per_image", "synaptic_events_per_image"]
    for column in [*axes, "images", "accuracy", *costs]:
        if column not in results:
            raise InputError(f"the study's table has no column {column!r}; run the study again")
    check_numbers(results, ["level", "images", "accuracy", *costs])
    grouped = results.groupby(axes, sort=False, dropna=False)
    short = grouped.agg(
        images=("images", "min"),
        shares=("accuracy", list),
        latency_ms=("latency_ms", "mean"),
        spikes=("spikes_per_image", "mean"),
        events=("synaptic_events_per_image", "mean"),
    ).reset_index()
    accuracies = [over_seeds(s, int(n)) for s, n in zip(short.shares, short.images, strict=True)]
    for number, name in enumerate(("accuracy", "low", "high", "spread", "seeds")):
        short.insert(len(axes) + number, name, [getattr(a, name) for a in accuracies])
    return short.drop(columns="shares")
