"""``bionet simulate``: a spiking network sees images."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bionet.commands import options as o
from bionet.commands.convert import CALIBRATION_IMAGES, converted, exchanged
from bionet.commands.outputs import check_replaced, check_writable, save_labels, staged
from bionet.errors import InputError
from bionet.progress import plain_console
from bionet.quantities import frequency, numbers, time
from bionet.results.run_json import describe, measure, result_table, tell, write_run
from bionet.sources import Images, Source, converted_source, load_images, source_network

if TYPE_CHECKING:
    from bionet.network import SpikingNetwork
    from bionet.results.recording import Recording

__all__ = ["ann_accuracy", "save_run", "simulate", "simulated"]


def simulate(
    context: typer.Context,
    network: Annotated[
        str,
        typer.Argument(help="An .snn or .nir file, or a network with --weights to convert."),
    ],
    weights: o.Weights = None,
    data: o.Data = "digits",
    split: o.Split = "test",
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="An .npz file instead of --data: frames and frame_ms; or t_ms, x, y and p; or i"
            " and t_ms (with image for several); with labels or without.",
        ),
    ] = None,
    images: Annotated[int | None, typer.Option(help="The first images.  [default: all]")] = None,
    duration: o.Duration = None,
    dt: o.Dt = None,
    coding: o.Coding = None,
    max_rate: o.MaxRate = None,
    device: o.Device = "cpp_standalone",
    lanes: o.Lanes = None,
    processes: o.Processes = None,
    dtype: o.Dtype = None,
    readout: o.Readout = None,
    reset: Annotated[
        Literal["presentation", "never"],
        typer.Option(help="never: a stream, the network goes on from one image to the next."),
    ] = "presentation",
    pipelined: Annotated[
        bool | None,
        typer.Option(
            "--pipelined/--one-by-one",
            help="tdsnn: the next image enters a layer that this one has left, or not before this"
            " one is through.  [default: the network's]",
        ),
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option(
            help="Population or all, and what of it: spikes, v or another variable of its model:"
            " conv1:spikes,v. May be repeated."
        ),
    ] = None,
    record_images: Annotated[
        str, typer.Option(help="Images to record, such as 0,1,5-9; or all.")
    ] = "0",
    data_dir: o.DataDir = None,
    seed: o.Seed = 0,
    progress: o.ProgressBar = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how much memory and time it will take; no more.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the recording.")] = Path("runs/simulate"),
    force: o.Force = False,
) -> None:
    """Present images to a spiking network; writes the recording and prints a table."""
    arguments = context.params
    check_writable(out)
    check_replaced(out, force)
    snn, source = _network(network, weights, data, data_dir, seed)
    settings = simulated(arguments, snn)
    if input_file is None:
        pictures = load_images(data, split, data_dir).first(images, "--images")
    else:
        pictures = _from_file(input_file, images)
    recorded = None if record_images == "all" else numbers(record_images, "--record-images")
    wanted = _recorded(
        record or [], snn, coding or getattr(pictures.images, "coding", None) or snn.coding
    )
    if pictures.labels.size:
        pictures.check_classes(snn.population(snn.readout.potential).size)
    settings |= {
        "record": wanted,
        "record_images": recorded,
        "readout": readout,
        "reset": reset,
        "pipelined": pipelined,
    }
    if dry_run:
        from bionet.running.forecast import forecast

        expected = forecast(snn, pictures.images, **settings)
        tell(dataclasses.asdict(expected))
        typer.echo(str(expected))
        return
    from bionet.running.simulate import simulate as simulate_network

    run = simulate_network(snn, pictures.images, **settings)
    described = describe(
        "simulate",
        arguments,
        network=network,
        **measure(snn, run, pictures.labels),
        accuracy_ann=None if input_file is not None else ann_accuracy(source, pictures),
    )
    save_run(out, run, pictures, described)
    plain_console().print(result_table(described, f"{network} on {pictures.name}"))
    typer.echo(f"recording: {out}")


def simulated(arguments: dict[str, Any], snn: SpikingNetwork) -> dict[str, Any]:
    """Keyword arguments of :func:`bionet.simulate` from those of a command.

    Times that are not given are the network's own, else those of :func:`bionet.simulate`.
    """
    max_rate = arguments["max_rate"]
    duration, dt = arguments["duration"], arguments["dt"]
    same = ("coding", "device", "lanes", "processes", "dtype", "seed", "progress")
    return {name: arguments[name] for name in same} | {
        "duration": None if duration is None else time(duration, "--duration"),
        "dt": None if dt is None else time(dt, "--dt"),
        "max_rate": None if max_rate is None else frequency(max_rate, "--max-rate"),
    }


def ann_accuracy(source: Source | None, images: Images) -> float | None:
    """Accuracy of the source network on the same images, where it is known."""
    if source is None:
        return None
    from bionet.evaluation import evaluate

    return evaluate(source.net, images.images, images.labels)


def _from_file(path: Path, images: int | None) -> Images:
    """The stimulus of a file, in place of images, and its labels."""
    from bionet.inputs.from_file import load_stimulus

    if images is not None:
        raise InputError("--images is for --data; the file of --input is shown whole")
    stimulus, labels = load_stimulus(path)
    return Images(str(path), stimulus, labels)


def save_run(out: Path, run: Recording, images: Images, description: dict[str, Any]) -> None:
    """Write a recording, the labels and ``run.json``: all of them or none."""
    with staged(out) as folder:
        dataclasses.replace(run, final_potentials={}).save(folder)
        if images.labels.size:
            save_labels(folder, images.labels)
        write_run(folder / "run.json", description)


def _network(
    network: str, weights: str | None, data: str, data_dir: Path | None, seed: int
) -> tuple[SpikingNetwork, Source | None]:
    """The spiking network, and the network that it was converted from where that is known."""
    from bionet import zoo
    from bionet.network import SpikingNetwork

    if network not in zoo.names() and ":" not in network:
        if weights is not None:
            raise InputError(f"--weights is for a network to convert, but {network} is a file")
        snn = exchanged(network) if network.endswith(".nir") else SpikingNetwork.load(network)
        return snn, converted_source(snn)
    source = source_network(network, weights)
    calibration = load_images(data, "train", data_dir)
    calibration = calibration.drawn(CALIBRATION_IMAGES, seed, "--calibration-images")
    return converted(source, calibration), source


def _recorded(record: list[str], snn: SpikingNetwork, coding: str) -> dict[str, list[str]]:
    """What to record, by population, from texts such as ``conv1:spikes,v``."""
    wanted: dict[str, list[str]] = {}
    for text in record:
        name, colon, what = text.partition(":")
        kinds = [kind.strip() for kind in what.split(",")]
        if not colon or not all(kinds):
            raise InputError(
                f"--record: expected NAME:spikes, NAME:v or another variable of the model, got"
                f" {text!r}"
            )
        asked = {name: kinds} if name != "all" else _everywhere(kinds, snn, coding)
        for population, some in asked.items():
            earlier = wanted.setdefault(population, [])
            earlier += [kind for kind in some if kind not in earlier]
    return wanted


def _everywhere(kinds: list[str], snn: SpikingNetwork, coding: str) -> dict[str, list[str]]:
    """Of every population what it has: no spikes where it never fires, no variable it lacks."""
    from bionet.network.input_population import input_spikes

    asked = {"input": ["spikes"]} if "spikes" in kinds and input_spikes(snn, coding) else {}
    for population in snn.populations:
        model = population.model
        has = {*model.state, *model.computed, *(("v",) if model.potential else ())}
        has |= {"spikes"} if model.threshold is not None else set()
        if some := [kind for kind in kinds if kind in has]:
            asked[population.name] = some
    if missing := sorted(set(kinds) - {kind for some in asked.values() for kind in some}):
        raise InputError(f"--record: no population has {missing[0]!r}")
    return asked
