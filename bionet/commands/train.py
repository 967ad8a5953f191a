"""``bionet train``: a network of the zoo learns a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bionet.commands.options import DataDir, Force, ProgressBar, Seed
from bionet.commands.outputs import check_replaced, check_writable, resumable
from bionet.errors import InputError
from bionet.progress import plain_console
from bionet.quantities import frequency, time
from bionet.results.run_json import describe, result_table, write_run

if TYPE_CHECKING:
    from bionet.train import TrainResult

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
        Path | None,
        typer.Option(
            help="File to save every epoch in, and to go on from."
            "  [default: one beside the weights, until they are there]"
        ),
    ] = None,
    activation: Annotated[
        Literal["relu", "qcfs", "tdsnn", "rounded", "f-i"],
        typer.Option(
            help="Train shipped weights on with what spiking units do in place: qcfs for method"
            " rate in few steps; tdsnn for mode=finetune, rounded for mode=compensate and"
            " rounding=nearest; or through the f-I curve of a neuron, for method biophysical."
        ),
    ] = "relu",
    levels: Annotated[
        int | None,
        typer.Option(
            min=1, help="Of qcfs: levels above 0, the steps that show them exactly.  [qcfs: 4]"
        ),
    ] = None,
    neuron: Annotated[
        str, typer.Option(help="Of f-i: a neuron as for bionet f-i, such as adex:pattern=tonic.")
    ] = "lif",
    presentation: Annotated[
        str | None,
        typer.Option(
            help="Of f-i: rates of presentations of this length, such as 100ms, for neurons that"
            " adapt.  [default: adapted rates]"
        ),
    ] = None,
    reference: Annotated[
        str, typer.Option(help="Of f-i: rate that stands for an activation of 1.")
    ] = "100Hz",
    rate_cost: Annotated[float, typer.Option(help="Of f-i: cost on squared rates.")] = 0.05,
    inhibitory: Annotated[
        float | None,
        typer.Option(help="Of f-i: share of inhibitory units, whose weights keep their sign."),
    ] = None,
    leak: Annotated[
        str | None, typer.Option(help="Leak of the temporal code, in steps of 1 ms: 10ms.")
    ] = None,
    input_gain: Annotated[
        float,
        typer.Option(help="Of rounded: pixels are coded this many times as large."),
    ] = 1.0,
    dtype: Annotated[
        Literal["float32", "float16", "int8"],
        typer.Option(
            help="Type that the weights are stored in; int8 with a scale for each output channel."
        ),
    ] = "float32",
    precision: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option(
            help="Type of the products while training; bfloat16 is about twice as fast where the"
            " processor multiplies it.  [default: the recipe's]"
        ),
    ] = None,
    erase: Annotated[
        int | None,
        typer.Option(
            help="Side of a square, in pixels, that is erased in each training image (Cutout)."
            "  [default: the recipe's]"
        ),
    ] = None,
    data_dir: DataDir = None,
    seed: Seed = 0,
    progress: ProgressBar = True,
    out: Annotated[
        Path, typer.Option(help="Folder, or file ending in .safetensors, for the weights.")
    ] = Path("runs/train"),
    force: Force = False,
) -> None:
    """Train a network of the zoo; writes its weights with their provenance."""
    is_file = out.suffix == ".safetensors"
    check_writable(out.parent if is_file else out)
    check_replaced(out, force)
    if levels is not None and activation != "qcfs":
        raise InputError("--levels belongs to --activation qcfs; leave it out")
    if activation == "f-i" and leak is not None:
        raise InputError("--leak belongs to --activation tdsnn or rounded; leave it out")
    elsewhere = {
        "--dtype": dtype != "float32",
        "--precision": precision is not None,
        "--erase": erase is not None,
    }
    if activation == "f-i" and (given := [name for name, used in elsewhere.items() if used]):
        raise InputError(f"{', '.join(given)}: not with --activation f-i; leave it out")
    from bionet.train import MODES, train_zoo

    same: dict[str, Any] = {
        "network": network,
        "data": data,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "start": start,
        "seed": seed,
        "out": out,
        "data_dir": data_dir,
        "device": device,
        "threads": threads,
        "checkpoint": checkpoint or unfinished(out, network, data),
    }
    if activation == "f-i":
        made_of = {
            "neuron": neuron,
            "reference_hz": float(frequency(reference, "--reference")),
            "presentation_ms": 1000 * float(time(presentation or "0ms", "--presentation")),
        }
        with resumable(same["checkpoint"], "epochs"):
            result = _through_a_curve(
                made_of, progress, rate_cost=rate_cost, dale=inhibitory, **same
            )
        _report(context, network, data, device, result, out)
        return
    if (activation in MODES) != (leak is not None):
        raise InputError("--activation tdsnn or rounded and --leak, such as 10ms, belong together")
    if input_gain != 1 and activation != "rounded":
        raise InputError("--input-gain belongs to --activation rounded; leave it out")
    levels = levels or 4 if activation == "qcfs" else None
    with resumable(same["checkpoint"], "epochs"):
        result = train_zoo(
            progress=progress,
            leak=None if leak is None else float(time(leak, "--leak")) * 1000,
            mode=MODES.get(activation, "finetune"),
            input_gain=input_gain,
            dtype=dtype,
            levels=levels,
            precision=precision,
            erase=erase,
            **same,
        )
    _report(context, network, data, device, result, out)


def unfinished(out: Path, network: str, data: str) -> Path:
    """Where the epochs of a training are kept until its weights are there."""
    from bionet.train.training import weights_name

    return weights_name(out, network, data).with_suffix(".unfinished.safetensors")


def _through_a_curve(made_of: dict[str, Any], progress: bool, **options: Any) -> TrainResult:
    """Fine-tune with a neuron's curve in place of ReLUs."""
    from bionet.firing.named import activation_of
    from bionet.train.fine_tuning import fine_tune_zoo

    curve = activation_of(made_of, progress)
    return fine_tune_zoo(activation=curve, made_of=made_of, progress=progress, **options)


def _report(
    context: typer.Context, network: str, data: str, device: str, result: TrainResult, out: Path
) -> None:
    """Write run.json beside the weights, and show it."""
    is_file = out.suffix == ".safetensors"
    described = describe(
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
    write_run(out.with_suffix(".run.json") if is_file else out / "run.json", described)
    if context.params["checkpoint"] is None:
        unfinished(out, network, data).unlink(missing_ok=True)
    plain_console().print(result_table(described, f"{network} on {data}, {result.epochs} epochs"))
    typer.echo(f"weights: {result.weights}")
