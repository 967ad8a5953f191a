"""What a study will take, before it is run: cells, programs, time and memory.

Time is counted in unit updates (units x steps x images). Where some of a study's cells are
finished, their own speed is used; else that of LeNet-5 on one core of a 2.5 GHz server, as measured
with float32 in C++ standalone.

Networks are converted for it, and refused where they cannot be, unless the conversion would
simulate; then a network of as many units stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brian2 import ms

from bionet.brian.plan import Plan
from bionet.equations.inputs import analog
from bionet.network import Population, Simulation, SpikingNetwork
from bionet.running.arguments import default_lanes
from bionet.running.forecast import COMPILE_SECONDS, UPDATES_PER_SECOND
from bionet.running.memory import estimate as bytes_of_simulation
from bionet.study.cells import Cell, digest, finished, read_cell
from bionet.study.materials import NETWORKS, Materials, read_network
from bionet.study.running import programs
from bionet.study.specification import quantities, quantity_of
from bionet.study.worker import check_cells

__all__ = ["Estimate", "estimate"]

START_SECONDS = 1.0  # of a cell: reading the network, writing the program's values
PROCESS_BYTES = 250 * 2**20  # Python with Brian2 and what it imports
SEARCHES = ("dsnn", "threshold_search")  # they simulate to find their thresholds


@dataclass(frozen=True)
class Estimate:
    """What is left of a study.

    Attributes
    ----------
    cells, done : int
        All cells, and those that are finished.
    programs : int
        Programs to compile at most; those in the cache are ready at once.
    seconds : float
        With ``jobs`` processes that have a core each.
    memory : float
        Bytes of all processes together.
    measured : bool
        Whether the speed is that of finished cells.
    rows : tuple of mapping
        Per method and coding: ``network``, ``method``, ``coding``, ``cells``, ``steps``,
        ``seconds`` of one cell.
    """

    cells: int
    done: int
    programs: int
    seconds: float
    memory: float
    measured: bool
    rows: tuple[Mapping[str, Any], ...]


def estimate(materials: Materials, folder: Path, jobs: int) -> Estimate:
    """What is left to do of a study; nothing is simulated or written.

    Parameters
    ----------
    materials : Materials
    folder : Path
        Of the results; finished cells there are not counted again.
    jobs : int

    Raises
    ------
    InputError
        What :func:`bionet.study.run` would refuse.
    """
    cells = materials.cells
    done = finished(folder, cells)
    left = [cell for cell in cells if cell.key not in done]
    device = materials.study.settings["device"]
    n_images = len(materials.evaluated.images)
    networks = _networks(materials, folder)
    # A stand-in tells the time alone: what its search will find cannot be checked yet.
    checked = [cell for cell in left if cell.content["method"]["name"] not in SEARCHES]
    check_cells(checked, networks.__getitem__)
    measured_speed = _own_speed(cells, folder, sorted(done), networks)
    speed = measured_speed or UPDATES_PER_SECOND[device]
    groups: dict[str, dict[str, Any]] = {}
    seconds, memory = 0.0, 0.0
    for cell in left:
        snn = networks[cell.network]
        steps = steps_of(cell, snn)
        one = START_SECONDS + snn.n_units * steps * n_images / speed
        seconds += one
        memory = max(memory, _bytes(snn, steps, n_images, device))
        name = digest([cell.network, cell.content["method"]["label"], cell.content["coding"]])
        row = groups.setdefault(
            name,
            {
                "network": cell.content["converted"]["network"]["name"],
                "method": cell.content["method"]["label"],
                "coding": cell.content["coding"],
                "cells": 0,
                "steps": steps,
                "seconds": 0.0,
            },
        )
        row["cells"] += 1
        row["seconds"] = max(row["seconds"], one)
    n_programs = len(programs(left)) if device == "cpp_standalone" else 0
    seconds += COMPILE_SECONDS * n_programs
    workers = max(1, min(jobs, len(left)))
    return Estimate(
        cells=len(cells),
        done=len(done),
        programs=n_programs,
        seconds=seconds / workers,
        memory=workers * (PROCESS_BYTES + memory),
        measured=measured_speed is not None,
        rows=tuple(groups.values()),
    )


def _networks(materials: Materials, folder: Path) -> dict[str, SpikingNetwork]:
    """By their keys, the networks of all cells: from the folder, or converted, or a stand-in."""
    networks: dict[str, SpikingNetwork] = {}
    for cell in {cell.network: cell for cell in materials.cells}.values():
        if (folder / NETWORKS / f"{cell.network}.snn").is_file():
            networks[cell.network] = read_network(folder, cell.network)
        elif cell.content["method"]["name"] not in SEARCHES:
            networks[cell.network] = materials.converted(cell)
        else:
            networks[cell.network] = _stand_in(materials, cell)
    return networks


def _stand_in(materials: Materials, cell: Cell) -> SpikingNetwork:
    """A network with as many units as the converted one, and no times of its own."""
    from bionet.conversion import convert

    source = materials.sources[digest(cell.content["converted"]["network"])]
    shape = source.input_shape or materials.evaluated.images.shape[1:]
    snn = convert(source.net, "rate", input_shape=shape, normalisation=None)
    return replace(snn, simulation=Simulation())


def steps_of(cell: Cell, snn: SpikingNetwork) -> int:
    """Steps of a presentation, from the cell's times, its network's, its method's or the general.

    Parameters
    ----------
    cell : Cell
    snn : SpikingNetwork
        As converted for the cell.
    """
    from bionet import conversion, perturbations

    content = cell.content
    options = {**conversion.options(content["method"]["name"]), **content["converted"]["options"]}
    given = quantities(content["method"])
    times = {}
    for name, general in (("duration", 50.0), ("dt", 1.0)):
        of_network = getattr(snn.simulation, name)
        if name not in given and of_network is not None:
            times[name] = of_network * 1000
            continue
        value = given.get(name, options.get(name))
        value = quantity_of(name, value) if isinstance(value, str) else value
        times[name] = general if value is None else float(value / ms)
    kind = content["perturbation"]["name"]
    if kind != "none" and perturbations.find(kind).name == "time_step":
        times["dt"] = content["level"]
    return round(times["duration"] / times["dt"])


def _bytes(snn: SpikingNetwork, steps: int, n_images: int, device: str) -> float:
    lanes = default_lanes(snn, device)
    plan = Plan(steps, 1e-3, lanes, Population("input", snn.input_shape, analog()))
    return sum(bytes_of_simulation(snn, plan, n_images, 0).values())


def _own_speed(
    cells: Sequence[Cell], folder: Path, done: Sequence[str], snns: Mapping[str, SpikingNetwork]
) -> float | None:
    """Unit updates a second of the finished cells."""
    updates, seconds = 0.0, 0.0
    of_cell = {cell.key: snns[cell.network] for cell in cells}
    for key in done:
        row = read_cell(folder, key)
        updates += of_cell[key].n_units * row["steps"] * row["images"]
        seconds += row["run_seconds"]
    return updates / seconds if seconds > 0 else None
