"""``bionet study``: many simulations from one TOML file."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from bionet.commands import options as o
from bionet.commands.outputs import check_writable, pages, resumable
from bionet.errors import InputError
from bionet.progress import duration_text, plain_console
from bionet.results.run_json import describe, tell, write_run

if TYPE_CHECKING:
    from bionet.study import Study
    from bionet.study.watching import Status

__all__ = ["study"]

LADDER = "realism"
STATUS, CANCEL = "status", "cancel"
WATCH_SECONDS = 2.0


def study(
    context: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY", help="A TOML file, or a name from --list; or status, or cancel."
        ),
    ] = None,
    folder_of: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Of status and cancel: a study's results."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results; a part is completed.  [default: runs/NAME]"),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes.  [default: as many as cores]")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, tcp://HOST:8786.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print cells, time and memory; simulate nothing.")
    ] = False,
    extend: Annotated[
        bool,
        typer.Option(
            "--extend", help="The study has more cells than the folder: simulate the new ones."
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Of status: go on until the study ends.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the ready studies.")] = False,
    images: Annotated[
        int | None, typer.Option(min=1, help="Of realism: test images.  [default: 500]")
    ] = None,
    data: Annotated[
        Literal["digits", "mnist"], typer.Option(help="Of realism: what LeNet-5 reads.")
    ] = "digits",
    data_dir: o.DataDir = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="Of realism; else noted in run.json: a study's seeds stand in its file."
        ),
    ] = 0,
    progress: o.ProgressBar = True,
    force: o.Force = False,
) -> None:
    """Run a study: network x method x coding x perturbation x level x seed."""
    if listed:
        _list()
        return
    if file is None:
        raise InputError("STUDY is missing: give a TOML file, or a name from bionet study --list")
    if file in (STATUS, CANCEL):
        _seen_from_outside(file, folder_of, watch)
        return
    if folder_of is not None:
        raise InputError(f"{folder_of}: only status and cancel take a folder; results go to --out")
    if file == LADDER:
        _climb(data, images, out, seed, dry_run, data_dir, progress, force)
        return
    if images is not None:
        raise InputError("--images belongs to the study realism; others name theirs in their file")
    from bionet import study as studies

    specification = studies.load(file)
    folder = out or Path("runs") / specification.name
    check_writable(folder)
    console = plain_console()
    if dry_run:
        _estimate(specification, folder, jobs, data_dir, extend, console)
        return
    before = {path.name for path in (folder / "cells").glob("*.json")}
    with resumable(folder / "cells", "cells"):
        results = studies.run(
            specification,
            folder,
            jobs=jobs,
            scheduler=scheduler,
            data_dir=data_dir,
            extend=extend,
            progress=progress,
        )
    if before != {path.name for path in (folder / "cells").glob("*.json")}:
        for page in pages(folder):  # they show a part of the results
            page.unlink(missing_ok=True)
    write_run(
        folder / "run.json",
        describe(
            "study",
            context.params | {"study": specification.plain()},
            network=", ".join(n["name"] for n in specification.networks),
            method=", ".join(m["label"] for m in specification.methods),
            device=specification.settings["device"],
            images=len(specification.images),
            seconds=float(results.run_seconds.sum()),
        ),
    )
    console.print(
        _table(studies.summary(results), f"{specification.name}: {specification.description}")
    )
    typer.echo(f"{len(results)} cells: {folder}/results.parquet, {folder}/results.csv")


def _climb(
    data: str,
    images: int | None,
    out: Path | None,
    seed: int,
    dry_run: bool,
    data_dir: Path | None,
    progress: bool,
    force: bool,
) -> None:
    """The ladder of realism: no cells of equal kind, but rungs that build on each other."""
    from bionet.commands.reproduce import check_item, produce
    from bionet.reproduce import Settings, items_of
    from bionet.reproduce.realism import RUNGS

    folder = out or Path("runs") / LADDER
    words = f"bionet study {LADDER} --data {data}"
    words += "" if images is None else f" --images {images}"
    words += f" --seed {seed}" if seed else ""
    check_writable(folder)
    check_item(folder, words, force)
    settings = Settings(images=images, data_dir=data_dir, seed=seed, progress=progress)
    if dry_run:
        settings.test(data, images or 1)  # refused where the data are missing
        table = Table("rung", "what it adds", box=None)
        for number, rung in enumerate(RUNGS, 1):
            table.add_row(f"{number}. {rung.name}", rung.adds)
        plain_console().print(table)
        return
    (item,) = items_of(LADDER, f"lenet5-{data}")
    produce(item, settings, folder, words)


def _seen_from_outside(what: str, folder: Path | None, watch: bool) -> None:
    """How far the study in a folder is, or the wish that it ends."""
    from bionet import study as studies

    if folder is None:
        raise InputError(f"{what} needs the folder of a study: bionet study {what} FOLDER")
    if what == CANCEL:
        studies.cancel(folder)
        typer.echo(f"the study in {folder} ends after the cells in hand")
        return
    state = studies.status(folder)
    _show(state)
    while watch and state.running:
        time.sleep(WATCH_SECONDS)
        before, state = state, studies.status(folder)
        if state != before:
            _show(state)


def _show(state: Status) -> None:
    """The line, or the JSON record, of how far a study is."""
    tell(dataclasses.asdict(state))
    typer.echo(str(state))


def _list() -> None:
    """The ready studies, with what their files say of them."""
    import tomllib

    from bionet.study.specification import ready_studies

    table = Table("study", "what it asks", box=None)
    for name, path in ready_studies().items():
        table.add_row(name, tomllib.loads(path.read_text(encoding="utf-8"))["description"])
    table.add_row(LADDER, "One biological constraint after another on LeNet-5: a ladder of rungs")
    plain_console().print(table)


def _estimate(
    specification: Study,
    folder: Path,
    jobs: int | None,
    data_dir: Path | None,
    extend: bool,
    console: Console,
) -> None:
    from bionet.running.arguments import available_cores
    from bionet.study.cells import check_folder
    from bionet.study.estimate import estimate
    from bionet.study.materials import gather

    materials = gather(specification, data_dir)
    check_folder(folder, materials.study, materials.cells, extend)
    jobs = jobs or available_cores()
    forecast = estimate(materials, folder, jobs)
    table = Table(
        "network", "method", "coding", "cells left", "steps", "a cell", title=specification.name
    )
    for row in forecast.rows:
        table.add_row(
            row["network"], row["method"], row["coding"], f"{row['cells']:,}", f"{row['steps']:,}",
            duration_text(row["seconds"]),
        )  # fmt: skip
    console.print(table)
    tell(dataclasses.asdict(forecast))
    source = "speed of the finished cells" if forecast.measured else "speed of LeNet-5"
    console.print(
        f"cells: {forecast.cells:,}, of which {forecast.done:,} are finished\n"
        f"programs to compile: {forecast.programs} at most\n"
        f"time: about {duration_text(forecast.seconds)} with {jobs} jobs ({source}), and the"
        " conversions\n"
        f"memory: about {forecast.memory / 1e9:.1f} GB"
    )


def _table(short: object, title: str) -> Table:
    """The summary, for people."""
    table = Table(
        title=title,
        title_justify="left",
        caption="accuracy: %, mean ± standard deviation over the seeds; 95 %: over images",
        caption_justify="left",
    )
    for name in (
        "method",
        "coding",
        "perturbation",
        "level",
        "accuracy",
        "95 %",
        "latency",
    ):
        left = name in ("method", "coding", "perturbation")
        # A name that is cut short could be another one.
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for row in short.itertuples():  # type: ignore[attr-defined]
        unit = "" if row.unit == "1" else f" {row.unit}"
        spread = f" ±{100 * row.spread:.1f}" if row.seeds > 1 else ""
        table.add_row(
            row.method, row.coding, row.perturbation, f"{row.level:g}{unit}",
            f"{100 * row.accuracy:.1f}{spread}", f"{100 * row.low:.0f} to {100 * row.high:.0f}",
            f"{row.latency_ms:.0f} ms",
        )  # fmt: skip
    return table
