"""``bionet info``: what is installed and found, or what a file or folder holds."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bionet.commands.options import DataDir, NoSeed
from bionet.commands.outputs import check_writable
from bionet.errors import InputError
from bionet.progress import plain_console
from bionet.results.run_json import describe, read_run, result_table, tell, versions, write_run
from bionet.running.compiler import compiler as compiler_command
from bionet.running.program_cache import cache_folder, cache_size

__all__ = ["info"]


def info(
    context: typer.Context,
    path: Annotated[
        Path | None, typer.Argument(help="An .snn file or the folder of a run to describe.")
    ] = None,
    data_dir: DataDir = None,
    seed: NoSeed = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for run.json; none without it.")] = None,
) -> None:
    """Show versions, compiler, cache and data sets; or describe a spiking network or a run."""
    if out is not None:
        check_writable(out)
    console = plain_console()
    if path is None:
        facts: dict[str, Any] = dict(_environment(data_dir))
        table = Table(show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, text in facts.items():
            table.add_row(name, text)
        console.print(table)
    else:
        facts = _describe(path, console)
    told = describe("info", context.params, found=facts)
    if out is None:
        tell(told)
    else:
        write_run(out / "run.json", told)


def _environment(data_dir: Path | None) -> dict[str, str]:
    """What simulations depend on; nothing is compiled and neither Brian2 nor torch imported."""
    from bionet import datasets

    compiler = _compiler()
    programs, size = cache_size()
    facts = {"versions": ", ".join(f"{name} {text}" for name, text in versions().items())}
    facts["C++ compiler"] = compiler or "none: set CXX or install g++ (device numpy works without)"
    facts["devices"] = "cpp_standalone, cython, numpy" if compiler else "numpy"
    facts["cores"] = str(os.cpu_count())
    facts["program cache"] = f"{cache_folder()}: {programs} programs, {size / 1e6:,.1f} MB"
    root = data_dir or os.environ.get("BIONET_DATA")
    facts["data folder"] = str(root) if root else "none: set BIONET_DATA or give --data-dir"
    for name in datasets.names():
        try:
            facts[f"data {name}"] = f"{len(datasets.load(name, 'test', data_dir)):,} test images"
        except InputError as error:
            where, _, advice = str(error).partition(";")
            facts[f"data {name}"] = where if root or not advice else "not found"
    return facts


def _compiler() -> str | None:
    """The first line of what the compiler says of its version."""
    try:
        command = compiler_command()
    except InputError:
        return None
    words = [*shlex.split(command), "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0] or command


def _describe(path: Path, console: Console) -> dict[str, Any]:
    """Print a spiking network, or the table and the populations of a run; and what is told."""
    if not path.is_dir():
        from bionet.network import SpikingNetwork

        snn = SpikingNetwork.load(path)
        typer.echo(str(snn))
        populations = {p.name: {"shape": p.shape, "model": p.model.name} for p in snn.populations}
        return {
            "method": snn.method,
            "coding": snn.coding,
            "input_shape": snn.input_shape,
            "units": snn.n_units,
            "synapses": snn.n_synapses,
            "weights": snn.n_weights,
            "populations": populations,
        }
    from bionet.results.recording import Recording

    run = Recording.load(path)
    facts = read_run(path) or dict(run.parameters)
    console.print(result_table(facts, str(path)))
    table = Table("population", "shape", "spikes per image", "recorded")
    for name, sizes in run.shapes.items():
        spikes = f"{run.n_spikes[name]:,.1f}" if name in run.n_spikes else ""
        groups = {"spikes": run.recorded_spikes, "v": run.recorded_potentials}
        recorded = ", ".join(kind for kind, group in groups.items() if name in group)
        table.add_row(name, "x".join(map(str, sizes)), spikes, recorded)
    console.print(table)
    console.print(f"recorded images: {len(run.recorded_images)} of {run.n_images}")
    return facts
