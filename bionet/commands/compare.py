"""``bionet compare``: methods side by side on one network and data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table

from bionet.commands import options as o
from bionet.commands.outputs import check_replaced, check_writable, save_labels, staged
from bionet.commands.simulate import simulated
from bionet.errors import InputError
from bionet.progress import plain_console
from bionet.results.run_json import describe, measure, write_run
from bionet.sources import Images, Source, converted_source, load_images

if TYPE_CHECKING:
    from bionet.network import SpikingNetwork

__all__ = ["compare"]


def compare(
    context: typer.Context,
    networks: Annotated[list[str], typer.Argument(help="Files written by bionet convert.")],
    data: o.Data = "digits",
    split: o.Split = "test",
    images: Annotated[int | None, typer.Option(help="The first images.  [default: all]")] = None,
    duration: o.Duration = "50ms",
    dt: o.Dt = "1ms",
    coding: o.Coding = None,
    max_rate: o.MaxRate = None,
    device: o.Device = "cpp_standalone",
    lanes: o.Lanes = None,
    processes: o.Processes = None,
    dtype: o.Dtype = "float32",
    data_dir: o.DataDir = None,
    seed: o.Seed = 0,
    progress: o.ProgressBar = True,
    out: Annotated[Path, typer.Option(help="Folder for curves and table.")] = Path("runs/compare"),
    force: o.Force = False,
) -> None:
    """Compare spiking networks: accuracy, latency at 0, <0.1 and <1 % loss, events, speed."""
    check_writable(out)
    check_replaced(out, force)
    stems = [Path(network).stem for network in networks]
    if repeated := [stem for stem in stems if stems.count(stem) > 1]:
        raise InputError(f"two networks are called {repeated[0]!r}; give files of different names")
    pictures = load_images(data, split, data_dir).first(images, "--images")
    from bionet.network import SpikingNetwork

    spiking = [SpikingNetwork.load(network) for network in networks]
    for snn in spiking:
        pictures.check_classes(snn.population(snn.readout.potential).size)
    rows = []
    with staged(out) as folder:
        for stem, snn in zip(stems, spiking, strict=True):
            rows.append(
                {
                    "name": stem,
                    **_measured(snn, pictures, simulated(context.params, snn), folder, stem),
                }
            )
        save_labels(folder, pictures.labels)
        same = ("coding", "device", "dt_ms", "steps", "images")
        shared = {name: rows[0][name] for name in same}
        whole = describe(
            "compare", context.params, **shared, accuracy_ann=rows[0]["accuracy_ann"], rows=rows
        )
        write_run(folder / "run.json", whole)
    plain_console().print(_table(rows, f"{pictures.name}, {len(pictures.labels):,} images"))
    typer.echo(f"curves: {out}")


def _measured(
    snn: SpikingNetwork, shown_images: Images, settings: dict[str, Any], folder: Path, stem: str
) -> dict[str, Any]:
    """What one network achieves and costs; its curves go into the folder."""
    from bionet.results.curves import LOSSES, curves
    from bionet.running.simulate import simulate

    run = simulate(snn, shown_images.images, **settings)
    row = measure(snn, run, shown_images.labels)
    source = converted_source(snn)
    row |= {"accuracy_ann": None, "early_decision": [{"loss": name} for name in LOSSES]}
    row["events_per_image"] = float(run.events.sum(axis=1, dtype=np.int64).mean())
    if source is None:
        return row
    shown = curves(run, shown_images.labels, _outputs(source, shown_images.images))
    shown.save(folder / f"{stem}.curves.safetensors")
    row["accuracy_ann"] = shown.ann_accuracy
    row["early_decision"] = [decision._asdict() for decision in shown.early_decisions()]
    return row


def _outputs(source: Source, images: np.ndarray) -> np.ndarray:
    """Class scores of the source network."""
    import torch

    with torch.no_grad():
        parts = torch.as_tensor(images, dtype=torch.float32).split(200)
        return np.asarray(torch.cat([source.net(part) for part in parts]).numpy())


def _table(rows: list[dict[str, Any]], title: str) -> Table:
    """One row a network."""
    caption = "T: steps from which the accuracy stays within the loss of the ANN's"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    table.add_column("network", style="bold")
    table.add_column("method")
    losses = [decision["loss"] for decision in rows[0]["early_decision"]]
    for name in ("ANN", "SNN", *(f"T at {loss}" for loss in losses), "events", "images/s"):
        table.add_column(name, justify="right")
    for row in rows:
        steps = [str(decision.get("steps") or "-") for decision in row["early_decision"]]
        ann = row["accuracy_ann"]
        table.add_row(
            row["name"],
            row["method"],
            "-" if ann is None else f"{100 * ann:.2f} %",
            f"{100 * row['accuracy_snn']:.2f} %",
            *steps,
            f"{row['events_per_image']:,.0f}",
            f"{row['images_per_second']:.1f}",
        )
    return table
