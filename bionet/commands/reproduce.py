"""``bionet reproduce``: the papers' tables and figures from our own runs."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bionet.commands.options import DataDir, Device, Force, ProgressBar, Seed
from bionet.commands.outputs import check_replaced, check_writable, resumable, staged
from bionet.errors import InputError
from bionet.results.run_json import tell

if TYPE_CHECKING:
    from bionet.reproduce import Item, Settings

__all__ = ["produce", "reproduce"]


def reproduce(
    paper: Annotated[str | None, typer.Argument(help="A paper of --list, such as dsnn.")] = None,
    item: Annotated[str | None, typer.Argument(help="One of its items.  [default: all]")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Say what can be reproduced.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Few images, in minutes.")] = False,
    images: Annotated[
        int | None, typer.Option(help="Test images.  [default: the item's]", min=1)
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="NETWORK=FILE: weights that do not ship with BioNet (repeatable)."),
    ] = None,
    device: Device = "cpp_standalone",
    data_dir: DataDir = None,
    seed: Seed = 0,
    progress: ProgressBar = True,
    out: Annotated[Path, typer.Option(help="Folder for tables and figures.")] = Path(
        "runs/reproduce"
    ),
    force: Force = False,
) -> None:
    """Reproduce a table or figure of a paper: a Markdown table beside the paper's values."""
    from bionet.reproduce import ITEMS, Settings, items_of

    if listed or paper is None:
        for entry in ITEMS:
            typer.echo(f"{entry.paper:16} {entry.name:14} {entry.title} ({entry.source})")
        if not listed:
            raise InputError("paper: name one of these papers, and an item if you like")
        return
    items = items_of(paper, item)
    settings = Settings(quick, images, _weights(weights or []), data_dir, seed, progress, device)
    check_writable(out)
    commands = [_command(i.paper, i.name, quick, images, weights or [], seed) for i in items]
    homes = [out / f"{item.paper}-{item.name}" for item in items]
    for home, command in zip(homes, commands, strict=True):
        check_item(home, command, force)
    for one_item, home, command in zip(items, homes, commands, strict=True):
        produce(one_item, settings, home, command)


def check_item(home: Path, command: str, force: bool) -> None:
    """Refuse the results of another command; the same one gives them again from their parts."""
    try:
        before = json.loads((home / "result.json").read_text())["command"]
    except (OSError, ValueError, KeyError, TypeError):
        before = None
    check_replaced(home, force or before == command)


def produce(item: Item, settings: Settings, home: Path, command: str) -> None:
    """Run an item, write its table, numbers and figures into a folder, and print the table."""
    from bionet import figures
    from bionet.reproduce import markdown

    # Before the work: what is finished of a long item is kept there too.
    with resumable(home / "parts", "parts"):
        result = item.run(dataclasses.replace(settings, folder=home / "parts"))
    text = markdown(item, result, command)
    with staged(home) as folder:
        (folder / "result.md").write_text(text)
        rows = [dataclasses.asdict(row) for row in result.rows]
        told = {"command": command, "rows": rows, "notes": result.notes}
        (folder / "result.json").write_text(json.dumps(told, indent=1) + "\n")
        for name, table in result.tables.items():
            table.to_csv(folder / f"{name}.csv", index=False)
        for name, draw in result.figures.items():
            figures.save(draw(), folder / name)
    tell(told)
    typer.echo(text)
    typer.echo(f"written to {home}\n")


def _weights(texts: list[str]) -> dict[str, Path]:
    """``NETWORK=FILE`` of each option."""
    files = {}
    for text in texts:
        name, separator, path = text.partition("=")
        if not separator or not name or not Path(path).is_file():
            raise InputError(f"--weights: expected NETWORK=FILE with a file, but got {text!r}")
        files[name] = Path(path)
    return files


def _command(
    paper: str, item: str, quick: bool, images: int | None, weights: list[str], seed: int
) -> str:
    """The command that gives this result again."""
    words = ["bionet", "reproduce", paper, item]
    words += ["--quick"] if quick else []
    words += ["--images", str(images)] if images is not None else []
    for text in weights:
        name, _, path = text.partition("=")
        words += ["--weights", f"{name}={Path(path).name}"]
    words += ["--seed", str(seed)] if seed else []
    return shlex.join(words)
