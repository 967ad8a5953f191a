"""``bionet eject``: a spiking network as a Brian2 script that runs without BioNet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bionet.commands import options as o
from bionet.commands.outputs import check_replaced, check_writable
from bionet.quantities import frequency, time
from bionet.results.run_json import describe, write_run
from bionet.sources import load_images

__all__ = ["eject"]


def eject(
    context: typer.Context,
    snn: Annotated[Path, typer.Argument(metavar="SNN", help="The .snn file of bionet convert.")],
    data: Annotated[
        str | None,
        typer.Option(help="Data set or .npz file whose images the script brings along."),
    ] = None,
    split: o.Split = "test",
    images: Annotated[int, typer.Option(help="The first images of the data.")] = 10,
    duration: Annotated[
        str | None, typer.Option(help="Length of a presentation: 100ms.  [default: the network's]")
    ] = None,
    dt: Annotated[
        str | None, typer.Option(help="Simulation step: 1ms.  [default: the network's]")
    ] = None,
    coding: o.Coding = None,
    max_rate: o.MaxRate = None,
    dtype: o.Dtype = "float64",
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace a script that is there, and write more than five million synapses.",
        ),
    ] = False,
    data_dir: o.DataDir = None,
    seed: o.Seed = 0,
    out: Annotated[
        Path, typer.Option(help="The script; its arrays get the same name and .npz.")
    ] = (Path("script.py")),
) -> None:
    """Write a spiking network as a readable Brian2 script that runs without BioNet."""
    check_writable(out.parent)
    check_replaced(out, force)
    from bionet.network import SpikingNetwork
    from bionet.running.eject import eject as eject_network

    network = SpikingNetwork.load(snn)
    pictures = (
        None if data is None else load_images(data, split, data_dir).first(images, "--images")
    )
    files = eject_network(
        network,
        out,
        None if pictures is None else pictures.images,
        None if duration is None else time(duration, "--duration"),
        None if dt is None else time(dt, "--dt"),
        coding=coding,
        max_rate=None if max_rate is None else frequency(max_rate, "--max-rate"),
        dtype=dtype,
        seed=seed,
        force=force,
    )
    described = describe(
        "eject",
        context.params,
        network=str(snn),
        network_hash=network.hash(),
        method=network.method,
        coding=coding or network.coding,
        images=None if pictures is None else len(pictures.images),
        files=files,
    )
    write_run(out.with_suffix(".run.json"), described)
    typer.echo(f"{network.n_units:,} units, {network.n_synapses:,} synapses")
    for file in files:
        typer.echo(f"written to {file}")
