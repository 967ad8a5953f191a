"""``bionet explore``: a page on which the spikes of a saved run can be watched and asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bionet.commands.options import NoSeed
from bionet.commands.outputs import LABELS, check_writable, load_labels
from bionet.errors import BioNetError
from bionet.results.run_json import describe, read_run, write_run

__all__ = ["explore"]


def explore(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Folder of a run with recorded spikes.")],
    seed: NoSeed = 0,
    out: Annotated[
        Path | None, typer.Option(help="File ending in .html.  [default: RUN/explorer.html]")
    ] = None,
) -> None:
    """Write one HTML page: image, layers, spikes over time, and any unit's potential and field."""
    from bionet.commands.run_sources import run_sources
    from bionet.network.reach import reach
    from bionet.pages.explorer_page import explorer
    from bionet.results.recording import Recording

    out = out or run / "explorer.html"
    check_writable(out.parent)
    recording, before = Recording.load(run), read_run(run)
    parts: dict[str, Any] = {}
    if (run / LABELS).is_file():
        parts["labels"] = load_labels(run)
    try:
        sources = run_sources(run, recording)
    except BioNetError as error:
        typer.echo(f"without pictures and receptive fields: {error}")
    else:
        parts |= {"fields": reach(sources.snn), "images": sources.images.images}
    title = str(before.get("network") or run.resolve().name)
    file = explorer(recording, out, title=title, **parts)
    same = ("network", "method", "coding", "device", "dt_ms", "steps", "images")
    inherited = {name: before.get(name) for name in same}
    described = describe("explore", context.params, **inherited, files=[file])
    write_run(out.with_suffix(".run.json"), described)
    typer.echo(f"written to {file} ({file.stat().st_size / 1e6:.1f} MB)")
