"""``bionet convert``: a trained PyTorch network becomes a spiking network."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bionet.commands.options import Data, DataDir, Force, InputShape, Seed, Weights
from bionet.commands.outputs import check_replaced, check_writable
from bionet.errors import ExchangeWarning, InputError
from bionet.quantities import assignment, shape
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
    from bionet.conversion.methods import options_of

    for name, option in options_of(method).items():
        typer.echo(f"-O {name}={option.default}  ({option.kind})")
        if option.meaning:
            typer.echo(f"    {option.meaning}")
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
            help="rate, dsnn, tdsnn, ttfs, phase, burst, termapping, augmapping, threshold_search,"
            " biophysical, or one of an installed package."
        ),
    ] = "rate",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            "-O",
            metavar="NAME=VALUE",
            help="An option of the method, of which --options-of METHOD tells: -O leak=20ms"
            " -O channelwise=true -O normalisation=none (repeatable).",
        ),
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
    force: Force = False,
) -> None:
    """Convert a trained PyTorch network to a spiking network."""
    out = out or Path(network.partition(":")[2] or network).with_suffix(".snn")
    check_writable(out.parent)
    check_replaced(out, force)
    given = dict(assignment(text) for text in option or [])
    started = time.perf_counter()
    n_images = 0
    if Path(network).suffix in (".nir", ".snn"):
        snn = exchanged(network, given, input_shape)
        method = snn.method
    else:
        source = source_network(network, weights, input_shape, given.get("neuron"))
        images = load_images(data, "train", data_dir)
        calibration = images.drawn(calibration_images, seed, "--calibration-images")
        snn = converted(source, calibration, method, given)
        n_images = len(calibration.images)
    with warnings_as_lines():
        snn.to_nir(out) if out.suffix == ".nir" else snn.save(out)
    described = describe(
        "convert",
        context.params,
        network=network,
        network_hash=snn.hash(),
        method=method,
        coding=snn.coding,
        images=n_images,
        seconds=time.perf_counter() - started,
    )
    write_run(out.with_suffix(".run.json"), described)
    typer.echo(str(snn))
    typer.echo(f"written to {out}")


def exchanged(
    path: str, options: dict[str, Any] | None = None, input_shape: str | None = None
) -> SpikingNetwork:
    """A spiking network from a ``.nir`` or ``.snn`` file; only the former takes options."""
    from bionet.exchange.nir_reading import from_nir
    from bionet.network import SpikingNetwork
    from bionet.options import options_of, read_options

    options = dict(options or {})
    takes = {n: o for n, o in options_of(from_nir).items() if n != "input_shape"}
    allowed = takes if path.endswith(".nir") else {}
    if unknown := sorted(set(options) - set(allowed)):
        raise InputError(
            f"{path}: {unknown[0]} is no option for a network that is a spiking one already;"
            " a .nir file takes writer, dt, integration, reset, potential_unit,"
            " resistance_unit and coding (-O writer=snntorch)"
        )
    if not path.endswith(".nir"):
        return SpikingNetwork.load(path)
    options = read_options(options, takes, path)
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
    from bionet.conversion.methods import options_of
    from bionet.options import read_options

    takes = options_of(method, options or {})
    values = read_options(options or {}, takes, f"method {method!r}")
    if "labels" in takes:  # a search that knows the answers needs no network's
        values.setdefault("labels", calibration.labels)
    snn = convert_network(
        source.net,
        method=method,
        calibration=calibration.images,
        input_shape=source.input_shape,
        **values,
    )
    return with_source(snn, source)
