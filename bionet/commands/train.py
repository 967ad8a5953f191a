"""``bionet train``: a network of the zoo learns a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from bionet.commands.options import DataDir, ProgressBar, Seed
from bionet.commands.outputs import check_writable
from bionet.errors import InputError
from bionet.quantities import time
from bionet.results.run_json import describe, result_table, write_run

__all__ = ["train"]


def train(
    context: typer.Context,
    network: Annotated[str, typer.Argument(help="A network of the zoo, such as lenet5.")],
    data: Annotated[str, typer.Option(help="digits, mnist, fashion-mnist or cifar10.")] = "digits",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training images.  [default: the recipe's]")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Largest rate of the cycle.  [default: the recipe's]")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Weights to start from: of this network, or of the one it was adjusted from.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Device of PyTorch: cpu, cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads of PyTorch on the CPU.")] = 2,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File to save every epoch in, and to go on from.")
    ] = None,
    activation: Annotated[
        Literal["relu", "tdsnn", "rounded"],
        typer.Option(
            help="Train shipped weights on with the temporal code in place: tdsnn for"
            " mode=finetune, rounded for mode=compensate and rounding=nearest."
        ),
    ] = "relu",
    leak: Annotated[
        str | None, typer.Option(help="Leak of the temporal code, in steps of 1 ms: 10ms.")
    ] = None,
    input_gain: Annotated[
        float,
        typer.Option(help="Of rounded: pixels are coded this many times as large."),
    ] = 1.0,
    dtype: Annotated[
        Literal["float32", "float16"], typer.Option(help="Type that the weights are stored in.")
    ] = "float32",
    data_dir: DataDir = None,
    seed: Seed = 0,
    progress: ProgressBar = True,
    out: Annotated[
        Path, typer.Option(help="Folder, or file ending in .safetensors, for the weights.")
    ] = Path("runs/train"),
) -> None:
    """Train a network of the zoo; writes its weights with their provenance."""
    is_file = out.suffix == ".safetensors"
    check_writable(out.parent if is_file else out)
    if (activation != "relu") != (leak is not None):
        raise InputError("--activation tdsnn or rounded and --leak, such as 10ms, belong together")
    if input_gain != 1 and activation != "rounded":
        raise InputError("--input-gain belongs to --activation rounded; leave it out")
    from bionet.train import MODES, train_zoo

    result = train_zoo(
        network,
        data,
        epochs=epochs,
        learning_rate=learning_rate,
        start=start,
        seed=seed,
        out=out,
        data_dir=data_dir,
        device=device,
        threads=threads,
        progress=progress,
        checkpoint=checkpoint,
        leak=None if leak is None else float(time(leak, "--leak")) * 1000,
        mode=MODES.get(activation, "finetune"),
        input_gain=input_gain,
        dtype=dtype,
    )
    found = describe(
        "train",
        context.params,
        network=network,
        device=device,
        accuracy_ann=result.accuracy_test,
        accuracy_train=result.accuracy_train,
        epochs=result.epochs,
        seconds=result.seconds,
        weights=result.weights,
    )
    write_run(out.with_suffix(".run.json") if is_file else out / "run.json", found)
    Console().print(result_table(found, f"{network} on {data}, {result.epochs} epochs"))
    typer.echo(f"weights: {result.weights}")
