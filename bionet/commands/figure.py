"""``bionet figure``: one figure of a saved run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bionet.commands.options import NoSeed, Readout
from bionet.commands.outputs import check_writable
from bionet.quantities import numbers
from bionet.results.run_json import describe, read_run, write_run

__all__ = ["draw", "figure"]


def figure(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            help="What is drawn: raster, potentials, accuracy, rates, feature-maps, latency,"
            " events, confusion, histograms, spike-times, codings, f-i, thresholds, robustness,"
            " that of an installed package, or module:function; see docs/figures.md."
        ),
    ],
    run: Annotated[
        Path,
        typer.Argument(
            help="Folder of a run (rates, histograms: of an audit; robustness: a table or a"
            " study's folder; f-i, thresholds: an .snn file too)."
        ),
    ],
    image: Annotated[int, typer.Option(help="Image, one of those recorded.")] = 0,
    population: Annotated[
        list[str] | None,
        typer.Option(
            help="Population (robustness: perturbation) to draw; may be repeated."
            "  [default: all recorded]"
        ),
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(help="Units to draw the potentials of, such as 0,7.  [default: four]"),
    ] = None,
    other: Annotated[
        list[Path] | None,
        typer.Option("--with", help="Another run in the same axis (latency, events)."),
    ] = None,
    readout: Readout = None,
    seed: NoSeed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="File ending in .png, .svg or .pdf.  [default: RUN/KIND.png]"),
    ] = None,
) -> None:
    """Draw one figure of a saved run."""
    # Beside a file, inside a folder.
    out = out or (run.with_suffix(f".{kind}.png") if run.is_file() else run / f"{kind}.png")
    check_writable(out.parent)
    chosen = None if units is None else numbers(units, "--units")
    axes = draw(kind, run, image, population, chosen, tuple(other or ()), readout)
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
    kind: str,
    folder: Path,
    image: int,
    populations: list[str] | None,
    units: list[int] | None,
    others: tuple[Path, ...] = (),
    readout: str | None = None,
) -> Any:
    """The Axes of a figure of a run's folder."""
    import matplotlib

    matplotlib.use("Agg")  # to files only: no display is needed
    from bionet.commands.drawings import KINDS, Request

    return KINDS.find(kind)(Request(folder, image, populations, units, others, readout))
