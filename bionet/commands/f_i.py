"""``bionet f-i``: how fast a neuron fires at a constant current."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from bionet.commands.options import Force, NoSeed, ProgressBar
from bionet.commands.outputs import check_replaced, check_writable, staged
from bionet.errors import InputError
from bionet.firing.named import neuron_of
from bionet.progress import plain_console
from bionet.quantities import physical
from bionet.quantities import time as time_of
from bionet.results.run_json import describe, write_run

if TYPE_CHECKING:
    from bionet.equations import NeuronModel

__all__ = ["f_i"]

ROWS = 12
POINTS = 120
SURFACE_POINTS = 25


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
    points: Annotated[
        int | None, typer.Option(help="Currents of the curve, or conductances of each kind.")
    ] = None,
    synapse: Annotated[
        str | None,
        typer.Option(
            help="conductance:0mV,-80mV,5ms,5ms measures the rate over two conductances, to"
            " surface.csv."
        ),
    ] = None,
    background: Annotated[
        str, typer.Option(help="Of --synapse: constant current beside the conductances.")
    ] = "0pA",
    seed: NoSeed = 0,
    progress: ProgressBar = True,
    out: Annotated[
        Path, typer.Option(help="Folder for curve.csv (current, rate) and run.json.")
    ] = Path("runs/f-i"),
    force: Force = False,
) -> None:
    """Measure a neuron's firing rate against a constant current, in Brian2."""
    check_writable(out)
    check_replaced(out, force)
    from bionet.equations.model import unit_name
    from bionet.firing.measurement import f_i as measured

    model = neuron_of(neuron, "NEURON")
    started = time.perf_counter()
    say = plain_console(stderr=True)
    if synapse is not None:
        _surface(context, model, synapse, background, points, progress, started, out)
        return
    curve = measured(
        model,
        dt=time_of(dt, "--dt"),
        kind=kind,
        settle=time_of(settle, "--settle"),
        duration=time_of(duration, "--duration"),
        highest=highest,
        points=points or POINTS,
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
    plain_console().print(table)
    typer.echo(f"rheobase: {curve.rheobase}")
    typer.echo(f"curve: {out / 'curve.csv'}")


def _surface(
    context: typer.Context,
    model: NeuronModel,
    synapse: str,
    background: str,
    points: int | None,
    progress: bool,
    started: float,
    out: Path,
) -> None:
    """Rates over excitatory and inhibitory conductance."""
    from bionet.firing.named import synapse_of
    from bionet.firing.surface import rate_surface

    arguments = context.params
    if arguments["kind"] != "adapted":
        raise InputError("--synapse measures adapted rates; leave out --kind")
    conductance: Any = synapse_of(synapse)
    surface = rate_surface(
        model,
        conductance,
        physical(background, "--background"),
        time_of(arguments["dt"], "--dt"),
        settle=time_of(arguments["settle"], "--settle"),
        duration=time_of(arguments["duration"], "--duration"),
        highest=arguments["highest"],
        points=points or SURFACE_POINTS,
        progress=plain_console(stderr=True).print if progress else None,
    )
    described = describe(
        "f-i",
        arguments,
        neuron=surface.neuron,
        rheobase=float(surface.rheobase),
        unit="S",
        dt_ms=1000 * float(time_of(arguments["dt"], "--dt")),
        seconds=time.perf_counter() - started,
    )
    with staged(out) as folder:
        with (folder / "surface.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("g_e (S)", "g_i (S)", "rate (Hz)"))
            for row, g_e in enumerate(surface.excitatory):
                for column, g_i in enumerate(surface.inhibitory):
                    writer.writerow((float(g_e), float(g_i), float(surface.rates[row, column])))
        write_run(folder / "run.json", described)
    shown = slice(1, None, max(1, len(surface.inhibitory) // 6))
    heads = [f"g_i {float(g) * 1e9:.3g} nS" for g in surface.inhibitory[shown]]
    table = Table("g_e (nS)", "no g_i", *heads, title=f"{surface.neuron}: rate in Hz")
    for row in range(1, len(surface.excitatory), max(1, len(surface.excitatory) // ROWS)):
        values = [surface.rates[row, 0], *surface.rates[row, shown]]
        cells = [f"{float(rate):.1f}" for rate in values]
        table.add_row(f"{float(surface.excitatory[row]) * 1e9:.3g}", *cells)
    plain_console().print(table)
    typer.echo(f"excitatory rheobase: {surface.rheobase}")
    typer.echo(f"surface: {out / 'surface.csv'}")
