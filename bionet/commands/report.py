"""``bionet report``: everything about a saved run on one HTML page."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bionet.commands.options import NoSeed, Trust
from bionet.commands.outputs import AUDIT, LABELS, check_writable, load_audit, load_labels
from bionet.errors import BioNetError
from bionet.results.run_json import describe, read_run, write_run

if TYPE_CHECKING:
    from bionet.pages.run_page import Material

__all__ = ["material", "report"]


def report(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Folder of a run or of a study.")],
    audit: Annotated[
        bool,
        typer.Option(
            help="Audit the layers where the folder holds no audit but its network is there."
        ),
    ] = True,
    trust: Trust = False,
    seed: NoSeed = 0,
    out: Annotated[
        Path | None, typer.Option(help="File ending in .html.  [default: RUN/report.html]")
    ] = None,
) -> None:
    """Write one HTML page about a run or a study: figures, audit, a browser of the images."""
    out = out or run / "report.html"
    check_writable(out.parent)
    notes: tuple[str, ...] = ()
    before = read_run(run)
    # Of the context that is given: typer may carry a click of its own, whose current context
    # click itself does not know.
    commands: Mapping[str, Any] = getattr(context.find_root().command, "commands", {})
    if _is_study(run):
        from bionet.commands.drawings import read_table
        from bionet.pages.study_page import study_report

        title, table = f"Study {_study_name(run)}", read_table(run)
        if len(table) < table.attrs.get("cells", 0):
            notes = (f"unfinished: {len(table)} of {table.attrs['cells']} cells",)
            title += f" ({notes[0]})"
        file = study_report(table, out, title, before, _command(before, commands))
    else:
        from bionet.pages.run_page import html_report

        page = material(run, audit, commands, trust)
        file, notes = html_report(page, out), page.notes
    same = ("network", "method", "coding", "device", "dt_ms", "steps", "images")
    inherited = {name: before.get(name) for name in same}
    described = describe("report", context.params, **inherited, files=[file], notes=notes)
    write_run(out.with_suffix(".run.json"), described)
    for note in notes:
        typer.echo(note)
    typer.echo(f"written to {file} ({file.stat().st_size / 1e6:.1f} MB)")


def _is_study(folder: Path) -> bool:
    """Whether a folder holds a study or its table, and no recording."""
    from bionet.results.recording import DESCRIPTION

    tables = [folder / name for name in ("results.csv", "results.parquet", "study.json")]
    return not (folder / DESCRIPTION).is_file() and any(table.is_file() for table in tables)


def material(
    folder: Path,
    with_audit: bool = True,
    commands: Mapping[str, Any] | None = None,
    trusted: bool = False,
) -> Material:
    """What the folder of a run, and the network and images it notes, give for a report.

    ``commands``, those of the command line by name, are what shows the line that made the run;
    ``trusted`` lets code that the run names be imported.
    """
    from bionet.commands.run_sources import run_sources
    from bionet.pages.run_page import Material
    from bionet.results.recording import Recording

    run, description = Recording.load(folder), read_run(folder)
    notes: list[str] = []
    parts: dict[str, Any] = {}
    if (folder / LABELS).is_file():
        parts["labels"] = load_labels(folder)
    else:
        notes.append("The folder holds no labels, so the report states no accuracy.")
    if (audited := _audited(folder, description)) is not None:
        parts["audit"] = load_audit(audited)
        if audited != folder:
            notes.append(f"The audit is that of {audited}, of the same network and images.")
    try:
        sources = run_sources(folder, run, trusted)
    except BioNetError as error:
        notes.append(f"Without pictures of the images: {error}.")
    else:
        parts["images"] = sources.images.images
        if with_audit and "audit" not in parts and sources.source is not None:
            from bionet.audits.audit import audit

            parts["audit"] = audit(sources.source.net, sources.snn, run, sources.images.images)
    title = " on ".join(
        str(text)
        for text in (description.get("network"), (description.get("arguments") or {}).get("data"))
        if text
    )
    return Material(
        run,
        diagnosis=_diagnosis(folder, description),
        description=description,
        command=_command(description, commands or {}),
        title=title or folder.resolve().name,
        notes=tuple(notes),
        **parts,
    )


def _audited(folder: Path, description: Mapping[str, Any]) -> Path | None:
    """The folder, or one beside it, that holds an audit of the same simulation."""
    if (folder / AUDIT).is_file():
        return folder
    if description.get("network_hash") is None:
        return None
    mine = _simulation(description)
    for other in sorted(folder.resolve().parent.glob(f"*/{AUDIT}")):
        with contextlib.suppress(BioNetError):
            if _simulation(read_run(other.parent)) == mine:
                return other.parent
    return None


def _simulation(description: Mapping[str, Any]) -> list[Any]:
    """What determines the spikes, in a ``run.json``."""
    same = ("network_hash", "coding", "dt_ms", "steps", "images", "seed")
    arguments = description.get("arguments") or {}
    return [description.get(name) for name in same] + [
        arguments.get(name) for name in ("data", "split", "max_rate", "dtype")
    ]


def _command(description: dict[str, Any], commands: Mapping[str, Any]) -> str | None:
    """The command line of a run, where its command is known."""
    from bionet.pages.run_page import command_line

    name = str(description.get("command"))
    return command_line(description, commands[name].params) if name in commands else None


def _study_name(folder: Path) -> str:
    """What the study calls itself; of a folder with a table alone, the folder's name."""
    from bionet.study.cells import STUDY, read_study

    told = read_study(folder)["study"] if (folder / STUDY).is_file() else {}
    return str(told.get("name") or folder.resolve().name)


def _diagnosis(folder: Path, description: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The doctor's result in the run's folder or in ``diagnose`` below it, where there is one."""
    told = description.get("diagnosis")
    if told is None:
        told = read_run(folder / "diagnose").get("diagnosis")
    return told if isinstance(told, Mapping) else None
