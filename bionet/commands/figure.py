"""``bionet figure``: one figure of a saved run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bionet.commands.options import NoSeed, Readout, Trust
from bionet.commands.outputs import check_writable
from bionet.quantities import numbers
from bionet.results.run_json import describe, read_run, write_run

__all__ = ["draw", "figure"]


def figure(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            help="What is drawn: raster, traces, accuracy, confusion, network, animation and so on"
            " (docs/figures.md lists all), that of an installed package, or module:function."
        ),
    ],
    run: Annotated[
        Path,
        typer.Argument(
            help="Folder of a run (rates, histograms: of an audit; robustness, realism-ladder: a"
            " table or a study's folder; f-i, thresholds, network, kernels: an .snn file too)."
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
        typer.Option("--with", help="Another run beside it (latency, events, energy)."),
    ] = None,
    readout: Readout = None,
    trust: Trust = False,
    width: Annotated[
        float | None,
        typer.Option(
            min=40, max=400, help="Width in mm, such as 85.  [default: as the kind needs]"
        ),
    ] = None,
    seed: NoSeed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File ending in .png, .svg or .pdf (animation: .gif, .html, .mp4)."
            "  [default: RUN/KIND.png]"
        ),
    ] = None,
) -> None:
    """Draw one figure of a saved run."""
    check_writable((out or run).parent if out or run.is_file() else run)
    numbered = None if units is None else numbers(units, "--units")
    axes = draw(kind, run, image, population, numbered, tuple(other or ()), readout, width, trust)
    from matplotlib.animation import Animation

    from bionet.figures import save

    if out is None:  # beside a file, inside a folder
        name = f"{kind.rpartition(':')[2]}{'.gif' if isinstance(axes, Animation) else '.png'}"
        out = run.with_suffix(f".{name}") if run.is_file() else run / name
    files = save(axes, out)
    before = read_run(run)
    same = ("network", "method", "coding", "device", "dt_ms", "steps", "images")
    inherited = {name: before.get(name) for name in same}
    described = describe("figure", context.params, **inherited, files=files)
    write_run(out.with_suffix(".run.json"), described)
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
    width: float | None = None,
    trusted: bool = False,
) -> Any:
    """The Axes of a figure of a run's folder; ``width`` in mm."""
    import matplotlib

    matplotlib.use("Agg")  # to files only: no display is needed
    from bionet.commands.drawings import KINDS, Request
    from bionet.figures import style

    # Its height is never used: each kind has its own.
    changes = None if width is None else {"figure.figsize": (width / 25.4, 1.0)}
    with style(changes):
        request = Request(folder, image, populations, units, others, readout, trusted)
        return KINDS.find(kind)(request)
