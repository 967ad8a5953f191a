"""``bionet diagnose``: what a spiking network loses to what, and the network mended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bionet.commands import options as o
from bionet.commands.convert import CALIBRATION_IMAGES
from bionet.commands.outputs import check_replaced, check_writable, staged
from bionet.commands.simulate import ann_accuracy, simulated
from bionet.results.run_json import describe, measure, write_run
from bionet.sources import load_images, with_its_source

__all__ = ["diagnose"]


def diagnose(
    context: typer.Context,
    network: o.Original,
    snn: o.Converted,
    weights: o.OriginalWeights = None,
    data: o.Data = "digits",
    split: o.Split = "test",
    images: Annotated[int, typer.Option(help="The first images.")] = 200,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write the mended network, with before and after.")
    ] = False,
    duration: o.Duration = None,
    dt: o.Dt = None,
    coding: o.Coding = None,
    max_rate: o.MaxRate = None,
    device: o.Device = "cpp_standalone",
    lanes: o.Lanes = None,
    processes: o.Processes = None,
    dtype: o.Dtype = None,
    data_dir: o.DataDir = None,
    seed: o.Seed = 0,
    progress: o.ProgressBar = True,
    out: Annotated[Path, typer.Option(help="Folder for the diagnosis.")] = Path("runs/diagnose"),
    force: o.Force = False,
) -> None:
    """Split the loss of a spiking network by layer and cause; names the option that mends it."""
    arguments = context.params
    check_writable(out)
    check_replaced(out, force)
    from bionet.audits.diagnose import diagnose as diagnose_network
    from bionet.audits.diagnose import mended
    from bionet.running.simulate import simulate as simulate_network

    spiking, source, pictures = with_its_source(
        network, snn, weights, load_images(data, split, data_dir).first(images, "--images")
    )
    settings = simulated(arguments, spiking)
    # Values of first spikes are exact with what their spikes carried.
    settings["final_potentials"] = spiking.code is not None and spiking.code.amplitudes
    run = simulate_network(spiking, pictures.images, **settings)
    diagnosis = diagnose_network(source.net, spiking, pictures.images, pictures.labels, run)
    typer.echo(str(diagnosis))
    told = {"diagnosis": diagnosis.to_dict()}
    with staged(out) as folder:
        if fix:
            calibration = load_images(data, "train", data_dir)
            drawn = calibration.drawn(CALIBRATION_IMAGES, seed, "--fix")
            better = mended(source.net, spiking, diagnosis, drawn.images)
            settings["final_potentials"] = better.code is not None and better.code.amplitudes
            again = simulate_network(better, pictures.images, **settings)
            after = diagnose_network(source.net, better, pictures.images, pictures.labels, again)
            better.save(folder / "mended.snn")
            told["after"] = after.to_dict()
            typer.echo(
                f"mended: {100 * diagnosis.network:.2f} % before, {100 * after.network:.2f} % after"
                f" (network {100 * diagnosis.source:.2f} %)\n{after}"
            )
        write_run(
            folder / "run.json",
            describe(
                "diagnose",
                arguments,
                network=network,
                **measure(spiking, run, pictures.labels),
                accuracy_ann=ann_accuracy(source, pictures),
                **told,
            ),
        )
    typer.echo(f"diagnosis: {out}")
