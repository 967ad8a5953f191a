"""``bionet f-i``: how fast a neuron fires at a constant current."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from bionet.commands.options import NoSeed, ProgressBar
from bionet.commands.outputs import check_writable, staged
from bionet.firing.named import neuron_of
from bionet.quantities import time as time_of
from bionet.results.run_json import describe, write_run

__all__ = ["f_i"]

ROWS = 12


def f_i(
    context: typer.Context,
    neuron: Annotated[
        str,
        typer.Argument(
            help="lif, exponential_if, quadratic_if, adex, izhikevich or hodgkin_huxley, with"
            " parameters as in adex:pattern=tonic,C=150pF; or module:function of your own."
        ),
    ],
    kind: Annotated[
        Literal["adapted", "onset", "presented"],
        typer.Option(
            help="Rate after settling, of the first two spikes, or from settling to the end,"
            " averaged over where potentials begin."
        ),
    ] = "adapted",
    dt: Annotated[str, typer.Option(help="Simulation step.")] = "0.1ms",
    settle: Annotated[str, typer.Option(help="Time before spikes count.")] = "500ms",
    duration: Annotated[str, typer.Option(help="Whole time of the measurement.")] = "1500ms",
    highest: Annotated[float, typer.Option(help="Largest current, in rheobases.")] = 8.0,
    points: Annotated[int, typer.Option(help="Currents of the curve.")] = 120,
    seed: NoSeed = 0,
    progress: ProgressBar = True,
    out: Annotated[
        Path, typer.Option(help="Folder for curve.csv (current, rate) and run.json.")
    ] = Path("runs/f-i"),
) -> None:
    """Measure a neuron's firing rate against a constant current, in Brian2."""
    check_writable(out)
    from bionet.equations.model import unit_name
    from bionet.firing.measurement import f_i as measured

    model = neuron_of(neuron, "NEURON")
    started = time.perf_counter()
    say = Console(stderr=True)
    curve = measured(
        model,
        dt=time_of(dt, "--dt"),
        kind=kind,
        settle=time_of(settle, "--settle"),
        duration=time_of(duration, "--duration"),
        highest=highest,
        points=points,
        progress=say.print if progress else None,
    )
    unit = unit_name(model.dimensions[str(model.current)])
    pairs = list(zip(map(float, curve.currents), map(float, curve.rates), strict=True))
    described = describe(
        "f-i",
        context.params,
        neuron=model.name,
        rheobase=float(curve.rheobase),
        unit=unit,
        dt_ms=1000 * float(time_of(dt, "--dt")),
        seconds=time.perf_counter() - started,
    )
    with staged(out) as folder:
        with (folder / "curve.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([(f"current ({unit})", "rate (Hz)"), *pairs])
        write_run(folder / "run.json", described)
    table = Table("current / rheobase", f"current ({unit})", "rate (Hz)", title=model.name)
    for current, rate in pairs[1 :: max(1, len(pairs) // ROWS)]:
        table.add_row(f"{current / float(curve.rheobase):.3f}", f"{current:.4g}", f"{rate:.1f}")
    Console().print(table)
    typer.echo(f"rheobase: {curve.rheobase}")
    typer.echo(f"curve: {out / 'curve.csv'}")
