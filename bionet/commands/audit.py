"""``bionet audit``: a spiking network against the network it was converted from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bionet.commands import options as o
from bionet.commands.outputs import check_replaced, check_writable, save_audit, save_labels, staged
from bionet.commands.simulate import ann_accuracy, simulated
from bionet.results.run_json import describe, measure, write_run
from bionet.sources import load_images, with_its_source

__all__ = ["audit"]


def audit(
    context: typer.Context,
    network: o.Original,
    snn: o.Converted,
    weights: o.OriginalWeights = None,
    data: o.Data = "digits",
    split: o.Split = "test",
    images: Annotated[int, typer.Option(help="The first images.")] = 200,
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
    out: Annotated[Path, typer.Option(help="Folder for the table and its data.")] = Path(
        "runs/audit"
    ),
    force: o.Force = False,
) -> None:
    """Compare every layer's activations with its spikes; names the first bad layer."""
    arguments = context.params
    check_writable(out)
    check_replaced(out, force)
    from bionet.audits.audit import audit as audit_network
    from bionet.running.simulate import simulate as simulate_network

    spiking, source, pictures = with_its_source(
        network, snn, weights, load_images(data, split, data_dir).first(images, "--images")
    )
    settings = simulated(arguments, spiking)
    # Spike steps alone need no potentials; amplitudes are kept with them.
    rates = spiking.code is None or not spiking.code.once or spiking.code.amplitudes
    run = simulate_network(spiking, pictures.images, final_potentials=rates, **settings)
    result = audit_network(source.net, spiking, run, pictures.images)
    described = describe(
        "audit",
        arguments,
        network=network,
        **measure(spiking, run, pictures.labels),
        accuracy_ann=ann_accuracy(source, pictures),
        first_bad=result.first_bad,
        verdict=result.verdict(),
    )
    with staged(out) as folder:
        run.save(folder)
        save_labels(folder, pictures.labels)
        save_audit(folder, result)
        write_run(folder / "run.json", described)
    typer.echo(str(result))
    typer.echo(f"audit: {out}")
