"""``bionet figure``: one figure of a saved run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bionet.commands.inputs import numbers
from bionet.commands.options import NoSeed
from bionet.commands.outputs import check_writable, load_audit, load_labels
from bionet.errors import InputError
from bionet.report import describe, read_run, write_run

__all__ = ["draw", "figure"]


def figure(
    context: typer.Context,
    kind: Annotated[
        Literal["raster", "potentials", "accuracy", "rates"],
        typer.Argument(help="Spikes, potentials, accuracy over time, or rate against activation."),
    ],
    run: Annotated[Path, typer.Argument(help="Folder of a run (rates: of an audit).")],
    image: Annotated[int, typer.Option(help="Image, one of those recorded.")] = 0,
    population: Annotated[
        list[str] | None,
        typer.Option(help="Population to draw; may be repeated.  [default: all recorded]"),
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(help="Units to draw the potentials of, such as 0,7.  [default: four]"),
    ] = None,
    seed: NoSeed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="File ending in .png, .svg or .pdf.  [default: RUN/KIND.png]"),
    ] = None,
) -> None:
    """Draw one figure of a saved run."""
    out = out or run / f"{kind}.png"
    check_writable(out.parent)
    chosen = None if units is None else numbers(units, "--units")
    axes = draw(kind, run, image, population, chosen)
    from bionet.figures import save

    files = save(axes, out)
    before = read_run(run)
    same = ("network", "method", "coding", "device", "dt_ms", "steps", "images")
    inherited = {name: before.get(name) for name in same}
    found = describe("figure", context.params, **inherited, files=files)
    write_run(out.with_suffix(".run.json"), found)
    for file in files:
        typer.echo(f"written to {file}")


def draw(
    kind: str, folder: Path, image: int, populations: list[str] | None, units: list[int] | None
) -> Any:
    """The Axes of a figure of a run's folder."""
    import matplotlib

    matplotlib.use("Agg")  # to files only: no display is needed
    from bionet import figures
    from bionet.recording import Recording

    if kind == "rates":
        return figures.rate_against_activation(load_audit(folder), populations)
    run = Recording.load(folder)
    if kind == "raster":
        return figures.raster(run, image, populations=populations)
    if kind == "accuracy":
        ann = read_run(folder).get("accuracy_ann")
        return figures.accuracy_over_time(run, load_labels(folder), ann_accuracy=ann)
    if populations is None:
        populations = list(run.recorded_potentials)[:1]
    if len(populations) != 1:
        raise InputError(
            "--population: a figure of potentials shows one population whose v was recorded,"
            f" got {', '.join(populations) or 'none: simulate with --record conv1:spikes,v'}"
        )
    return figures.potentials(run, populations[0], image, units=units)
