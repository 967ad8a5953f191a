"""``bionet demo``: a trained LeNet-5 reads held-out digits as spiking equations in Brian2."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bionet.commands.convert import CALIBRATION_IMAGES, converted
from bionet.commands.figure import draw
from bionet.commands.options import Force, ProgressBar, Seed
from bionet.commands.outputs import check_replaced, check_writable, save_audit, save_labels, staged
from bionet.commands.simulate import ann_accuracy
from bionet.progress import plain_console
from bionet.results.run_json import describe, measure, result_table, write_run
from bionet.running.program_cache import cache_folder
from bionet.sources import Images, load_images, source_network

if TYPE_CHECKING:
    from bionet.audits.table import Audit
    from bionet.network import SpikingNetwork
    from bionet.results.recording import Recording

__all__ = ["demo"]

STEPS = 100
RECORDED_IMAGES = 3
FIGURES = {"raster": None, "potentials": ["conv1"], "accuracy": None, "rates": None}


def demo(
    context: typer.Context,
    images: Annotated[int, typer.Option(help="Held-out digits to read, 1 to 1000.")] = 1000,
    device: Annotated[
        str, typer.Option(help="Code generation of Brian2: cpp_standalone, cython, numpy.")
    ] = "cpp_standalone",
    seed: Seed = 0,
    progress: ProgressBar = True,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("runs/demo"),
    force: Force = False,
) -> None:
    """Let a trained LeNet-5 read held-out digits in Brian2: one table and four figures."""
    check_writable(out)
    check_replaced(out, force)
    started = time.perf_counter()
    echo = typer.echo
    echo(f"1/4 LeNet-5, trained on 4,000 digits, reads {images:,} held-out ones")
    source = source_network("lenet5", "digits")
    pictures = load_images("digits", "test", None).first(images, "--images")
    accuracy = ann_accuracy(source, pictures)
    calibration = load_images("digits", "train", None).drawn(CALIBRATION_IMAGES, seed, "")
    snn = converted(source, calibration)
    echo(f"2/4 converted by rate: {snn.n_units:,} units, {snn.n_synapses:,} synapses")
    echo(f"    (scales from {CALIBRATION_IMAGES} training digits)")
    echo(f"3/4 simulating {STEPS} steps of 1 ms in Brian2, device {device}")
    if device == "cpp_standalone":
        echo(f"    (a C++ program is compiled once and kept in {cache_folder()})")
    run = _simulated(snn, pictures, device, seed, progress)
    echo("4/4 auditing all layers, drawing four figures")
    from bionet.audits.audit import audit

    result = audit(source.net, snn, run, pictures.images)
    described = describe(
        "demo",
        context.params,
        network="lenet5",
        **measure(snn, run, pictures.labels),
        accuracy_ann=accuracy,
        verdict=result.verdict(),
        total_seconds=time.perf_counter() - started,
    )
    _save(out, run, result, pictures, described)
    plain_console().print(result_table(described, f"LeNet-5 in Brian2, {images:,} held-out digits"))
    echo(f"audit: {result.verdict()}")
    echo(f"figures ({', '.join(FIGURES)}), recording and run.json: {out}")


def _simulated(
    snn: SpikingNetwork, images: Images, device: str, seed: int, progress: bool
) -> Recording:
    """All images; of the first few all spikes, and the potentials of the first layer."""
    from brian2 import ms

    from bionet.running.simulate import simulate

    record: dict[str, list[str]] = {
        p.name: ["spikes"] for p in snn.populations if p.model.threshold is not None
    }
    record["conv1"].append("v")
    run = simulate(
        snn,
        images.images,
        STEPS * ms,
        1 * ms,
        device=device,
        seed=seed,
        final_potentials=True,
        progress=progress,
    )
    # The spikes are the same on all devices. NumPy records a few images in seconds; a second C++
    # program, with monitors, would take longer to compile than all the rest of the demo.
    few = images.images[:RECORDED_IMAGES]
    seen = simulate(snn, few, STEPS * ms, 1 * ms, device="numpy", seed=seed, record=record)
    names = ("recorded_images", "recorded_spikes", "recorded_potentials", "recorded_units")
    return replace(run, **{name: getattr(seen, name) for name in names})


def _save(
    out: Path, run: Recording, result: Audit, images: Images, description: dict[str, Any]
) -> None:
    """Write results and figures: all of them or none."""
    from bionet.figures import save

    with staged(out) as folder:
        # The audit is done, and the potentials of all units would take most of the space.
        replace(run, final_potentials={}).save(folder)
        save_labels(folder, images.labels)
        save_audit(folder, result)
        write_run(folder / "run.json", description)
        for kind, populations in FIGURES.items():
            save(draw(kind, folder, 0, populations, None), folder / f"{kind}.png")
