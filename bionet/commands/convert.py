"""``bionet convert``: a trained PyTorch network becomes a spiking network."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bionet.commands.options import Data, DataDir, InputShape, Seed, Weights
from bionet.commands.outputs import check_writable
from bionet.errors import ExchangeWarning, InputError
from bionet.quantities import method_option, shape
from bionet.quantities import time as time_of
from bionet.results.run_json import describe, write_run
from bionet.sources import Images, Source, load_images, source_network, with_source

if TYPE_CHECKING:
    from bionet.network import SpikingNetwork

__all__ = ["CALIBRATION_IMAGES", "convert", "converted", "exchanged"]

CALIBRATION_IMAGES = 500


def list_options(method: str | None) -> None:
    """Print the options of a method, whoever has written it, and end the command."""
    if method is None:
        return
    import inspect

    from bionet.conversion import METHODS

    for name, parameter in inspect.signature(METHODS.find(method)).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            kind = parameter.annotation
            kind = kind if isinstance(kind, str) else inspect.formatannotation(kind)
            typer.echo(f"-O {name}={parameter.default}  ({kind})")
    raise typer.Exit()


def convert(
    context: typer.Context,
    network: Annotated[
        str,
        typer.Argument(
            help="A network of the zoo (lenet5), module:function, or a .nir or .snn file."
        ),
    ],
    weights: Weights = None,
    data: Data = "digits",
    method: Annotated[
        str,
        typer.Option(
            help="rate, dsnn, tdsnn, termapping, augmapping, threshold_search or biophysical."
        ),
    ] = "rate",
    normalisation: Annotated[
        Literal["percentile", "max", "none"] | None,
        typer.Option(help="What of a layer's activations fires in every step.  [rate: percentile]"),
    ] = None,
    percentile: Annotated[
        float | None,
        typer.Option(help="Of a layer's activations, above 0, at most 100.  [rate: 99.9]"),
    ] = None,
    channelwise: Annotated[
        bool, typer.Option("--channelwise", help="A scale for every channel, not every layer.")
    ] = False,
    reset: Annotated[
        Literal["subtract", "zero"] | None,
        typer.Option(help="What a spike does to the potential.  [rate: subtract]"),
    ] = None,
    leak: Annotated[
        str | None, typer.Option(help="Leak of the temporal code: 20ms.  [tdsnn: 10ms]")
    ] = None,
    dt: Annotated[str | None, typer.Option(help="Simulation step.  [tdsnn: 1ms]")] = None,
    mode: Annotated[
        Literal["compensate", "finetune"] | None,
        typer.Option(help="Any ReLU network, or one trained with the code.  [tdsnn: compensate]"),
    ] = None,
    window: Annotated[
        Literal["static", "dynamic"] | None,
        typer.Option(help="Constant windows, or up to the last spike.  [tdsnn: static]"),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            "-O",
            help="Any option of the method: -O sigma=0.3 -O tau=20ms -O fold=true (repeatable).",
        ),
    ] = None,
    rounding: Annotated[
        Literal["up", "nearest"] | None,
        typer.Option(help="Of values to steps of the temporal code.  [tdsnn: nearest]"),
    ] = None,
    gain: Annotated[
        float | None, typer.Option(help="Factor on all activations.  [augmapping: 1]")
    ] = None,
    bound: Annotated[
        int | None, typer.Option(help="Largest size of a spike.  [augmapping: none]")
    ] = None,
    calibration_images: Annotated[
        int, typer.Option(help="Training images, drawn by the seed, to measure activations on.")
    ] = CALIBRATION_IMAGES,
    options_of: Annotated[
        str | None,
        typer.Option(
            help="List a method's options with their kinds and defaults, and convert nothing.",
            metavar="METHOD",
            is_eager=True,
            callback=list_options,
        ),
    ] = None,
    input_shape: InputShape = None,
    data_dir: DataDir = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="File for the network, .snn or .nir.  [default: NETWORK.snn]"),
    ] = None,
) -> None:
    """Convert a trained PyTorch network to a spiking network."""
    out = out or Path(network.partition(":")[2] or network).with_suffix(".snn")
    check_writable(out.parent)
    given = {
        "normalisation": normalisation,
        "percentile": percentile,
        "channelwise": channelwise or None,
        "reset": reset,
        "leak": None if leak is None else time_of(leak, "--leak"),
        "dt": None if dt is None else time_of(dt, "--dt"),
        "mode": mode,
        "window": window,
        "rounding": rounding,
        "gain": gain,
        "bound": bound,
    }
    options = {name: value for name, value in given.items() if value is not None}
    options |= dict(method_option(text) for text in option or [])
    started = time.perf_counter()
    n_images = 0
    if Path(network).suffix in (".nir", ".snn"):
        snn = exchanged(network, options, input_shape)
        method = snn.method
    else:
        neuron = options.get("neuron")
        source = source_network(
            network, weights, input_shape, neuron if isinstance(neuron, str) else None
        )
        images = load_images(data, "train", data_dir)
        calibration = images.drawn(calibration_images, seed, "--calibration-images")
        snn = converted(source, calibration, method, options)
        n_images = len(calibration.images)
    with warnings_as_lines():
        snn.to_nir(out) if out.suffix == ".nir" else snn.save(out)
    found = describe(
        "convert",
        context.params,
        network=network,
        network_hash=snn.hash(),
        method=method,
        coding=snn.coding,
        images=n_images,
        seconds=time.perf_counter() - started,
    )
    write_run(out.with_suffix(".run.json"), found)
    typer.echo(str(snn))
    typer.echo(f"written to {out}")


def exchanged(
    path: str, options: dict[str, Any] | None = None, input_shape: str | None = None
) -> SpikingNetwork:
    """A spiking network from a ``.nir`` or ``.snn`` file; only the former takes options."""
    from bionet.exchange.nir_reading import from_nir
    from bionet.network import SpikingNetwork

    options = dict(options or {})
    allowed = ("writer", "dt", "integration", "reset") if path.endswith(".nir") else ()
    if unknown := sorted(set(options) - set(allowed)):
        raise InputError(
            f"{path}: {unknown[0]} is no option for a network that is a spiking one already;"
            f" a .nir file takes writer, dt, integration and reset (-O writer=snntorch)"
        )
    if not path.endswith(".nir"):
        return SpikingNetwork.load(path)
    if input_shape is not None:
        options["input_shape"] = shape(input_shape, "--input-shape")
    with warnings_as_lines():
        return from_nir(path, **options)


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Say each warning of the block in one line on standard error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ExchangeWarning)
        yield
    for warning in caught:
        typer.echo(f"bionet: {warning.message}", err=True)


def converted(
    source: Source, calibration: Images, method: str = "rate", options: dict[str, Any] | None = None
) -> SpikingNetwork:
    """Convert a network, and note in the result where it comes from."""
    from bionet.conversion import convert as convert_network
    from bionet.conversion import options as options_of

    options = dict(options or {})
    net = source.net
    if "labels" in options_of(method):  # a search that knows the answers needs no network's
        options.setdefault("labels", calibration.labels)
    if options.get("normalisation") == "none":
        options["normalisation"] = None
    snn = convert_network(
        net,
        method=method,
        calibration=calibration.images,
        input_shape=source.input_shape,
        **options,
    )
    return with_source(snn, source)
