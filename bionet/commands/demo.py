"""``bionet demo``: a trained LeNet-5 reads held-out digits as spiking equations in Brian2."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bionet.cache import cache_folder
from bionet.commands.convert import CALIBRATION_IMAGES, converted
from bionet.commands.figure import draw
from bionet.commands.inputs import Images, load_images, source_network
from bionet.commands.options import ProgressBar, Seed
from bionet.commands.outputs import check_writable, save_audit, save_labels, staged
from bionet.commands.simulate import ann_accuracy
from bionet.report import describe, measure, result_table, write_run

if TYPE_CHECKING:
    from bionet.audit import Audit
    from bionet.network import SpikingNetwork
    from bionet.recording import Recording

__all__ = ["demo"]

STEPS = 100
RECORDED_IMAGES = 4
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
) -> None:
    """Let a trained LeNet-5 read held-out digits in Brian2: one table and four figures."""
    check_writable(out)
    console = Console()
    started = time.perf_counter()
    console.print(f"1/4 LeNet-5, trained on 4,000 digits, reads {images:,} held-out ones")
    source = source_network("lenet5", "digits")
    chosen = load_images("digits", "test", None).first(images, "--images")
    ann = ann_accuracy(source, chosen)
    calibration = load_images("digits", "train", None).drawn(CALIBRATION_IMAGES, seed, "")
    snn = converted(source, calibration)
    console.print(
        f"2/4 converted by rate: {snn.n_units:,} integrate-and-fire units, {snn.n_synapses:,}"
        f" synapses; scales from {CALIBRATION_IMAGES} training digits"
    )
    if device == "cpp_standalone":
        console.print("3/4 simulating in Brian2; C++ programs are compiled once and kept in")
        console.print(f"    {cache_folder()}", soft_wrap=True)
    else:
        console.print(f"3/4 simulating in Brian2 on its device {device}")
    run = _simulated(snn, chosen, device, seed, progress)
    console.print("4/4 auditing all layers, drawing four figures")
    from bionet.audit import audit

    result = audit(source.net, snn, run, chosen.images)
    found = describe(
        "demo",
        context.params,
        network="lenet5",
        **measure(snn, run, chosen.labels),
        accuracy_ann=ann,
        verdict=result.verdict(),
        total_seconds=time.perf_counter() - started,
    )
    _save(out, run, result, chosen, found)
    console.print(result_table(found, f"LeNet-5 in Brian2, {images:,} held-out digits"))
    console.print(f"audit: {result.verdict()}", soft_wrap=True)
    console.print(f"run.json and figures ({', '.join(FIGURES)}): {out}", soft_wrap=True)


def _simulated(
    snn: SpikingNetwork, chosen: Images, device: str, seed: int, progress: bool
) -> Recording:
    """All images, the first few recorded: spikes everywhere, potentials of the first layer."""
    from brian2 import ms

    from bionet.simulate import simulate

    record: dict[str, list[str]] = {
        p.name: ["spikes"] for p in snn.populations if p.model.threshold is not None
    }
    record["conv1"].append("v")
    return simulate(
        snn,
        chosen.images,
        STEPS * ms,
        1 * ms,
        device=device,
        seed=seed,
        record=record,
        record_images=range(min(RECORDED_IMAGES, len(chosen.images))),
        final_potentials=True,
        progress=progress,
    )


def _save(out: Path, run: Recording, result: Audit, chosen: Images, found: dict) -> None:
    """Write results and figures: all of them or none."""
    with staged(out) as folder:
        # The audit is done: the potentials of all units at the end would take most of the space.
        replace(run, final_potentials={}).save(folder)
        save_labels(folder, chosen.labels)
        save_audit(folder, result)
        write_run(folder / "run.json", found)
        from bionet.figures import save

        for kind, populations in FIGURES.items():
            save(draw(kind, folder, 0, populations, None), folder / f"{kind}.png")
