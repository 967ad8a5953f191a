r"""How much memory a simulation takes, estimated before anything is simulated.

What grows with the images: counts, readout, what is recorded. What does not: in each process the
weights, and for each lane every unit's state variables, parameters of its own, and the spikes that
a delay holds back:

.. math:: n_{processes} \left(M_{weights} + n_{lanes} \sum_{units} (M_{state} + M_{queue})\right)
"""

from __future__ import annotations

import math
import os
import sys

import numpy as np

from bionet.brian.assemble import queued_steps
from bionet.brian.plan import Plan
from bionet.brian.presentation import count_dtype, spike_dtype, step_dtype
from bionet.brian.queue import n_planes
from bionet.errors import InputError
from bionet.network import Population, SpikingNetwork
from bionet.network.delays import jitter_reach, needed_slots

__all__ = ["available_memory", "check_memory", "estimate", "peak_memory", "state_bytes"]

# Share of steps in which a unit fires, for the estimate of recorded spikes; measured networks
# stay below it (LeNet-5 with percentile 99.9: 0.1).
ACTIVITY = 0.2
SPIKE_BYTES = 12 + 12  # index and time in the monitor, then image, step, unit in the table


def estimate(snn: SpikingNetwork, plan: Plan, n_images: int, n_recorded: int) -> dict[str, int]:
    """Bytes of every part of a simulation and its recording.

    Parameters
    ----------
    snn : SpikingNetwork
    plan : Plan
    n_images, n_recorded : int
        Images simulated, and those whose spikes and potentials are recorded.

    Returns
    -------
    dict of str to int
        Part -> bytes; spikes are estimated from an activity of one spike in five steps.
    """
    number = np.dtype(plan.dtype).itemsize
    n_frames = 0 if plan.sparse else plan.steps // (plan.frame_steps or plan.steps)
    counts = snn.n_units * n_images * count_dtype(plan.steps).itemsize
    spike = spike_dtype(snn.population(snn.readout.spikes).model.amplitude)
    n_classes = snn.population(snn.readout.potential).size
    parts = {
        "spike counts": 2 * counts,  # once in the program's file order, once in PyTorch's
        "readout": n_images * plan.steps * n_classes * (number + spike.itemsize),
        "events": n_images * plan.steps * 4,
        "images": 2 * n_images * n_frames * int(np.prod(snn.input_shape)) * number,
    }
    for key in plan.kept:
        size = int(np.prod(snn.shape(key.population)))
        item = step_dtype(plan.steps).itemsize if key.is_step else number
        what = "potentials" if key.variable == "v" else key.variable
        parts[f"final {what} of {key.population}"] = 2 * size * n_images * item
    for name in plan.spikes:
        expected = int(np.prod(snn.shape(name))) * plan.steps * ACTIVITY
        parts[f"spikes of {name}"] = int(expected * n_recorded * SPIKE_BYTES)
    for name, units in plan.potentials.items():
        n_units = snn.population(name.partition(".")[0]).size if units is None else len(units)
        parts[f"potentials of {name}"] = 3 * n_units * plan.steps * n_recorded * number
    arrays = [a for p in snn.projections for a in p.kernel.arrays().values()]
    parts["weights"] = sum(a.nbytes + plan.processes * a.size * number for a in arrays)
    driven = plan.driven(snn)
    for p in (plan.input, *snn.populations):
        bytes_of_lane = state_bytes(p, plan, p.name in driven) + _queue_bytes(snn, p, plan)
        parts[f"state of {p.name}"] = plan.processes * plan.lanes * bytes_of_lane
    return parts


def state_bytes(population: Population, plan: Plan, driven: bool = False) -> int:
    """Bytes of a population's variables for one lane.

    Parameters
    ----------
    population : Population
    plan : Plan
    driven : bool
        Whether an analog input gives each unit a drive of its own.
    """
    model, number = population.model, np.dtype(plan.dtype).itemsize
    per_unit = [
        name
        for name in model.constants
        if np.ndim(population.parameters.get(name, 0.0)) or name == "x"
    ]
    variables = {
        *model.state,
        *per_unit,
        *([str(model.current)] if driven and model.current else []),
    }
    spikes = 4 if model.threshold is not None else 0
    refractory = 9 if model.refractory is not None else 0  # time of the last spike, and a flag
    numbered = 8  # index, and the number of the unit's random stream
    return population.size * (len(variables) * number + spikes + refractory + numbered)


def _queue_bytes(snn: SpikingNetwork, population: Population, plan: Plan) -> int:
    """Bytes of the spikes that delays hold back, for one lane."""
    number, total = np.dtype(plan.dtype).itemsize, 0.0
    for projection in snn.projections:
        if projection.source != population.name:
            continue
        reach = jitter_reach(projection, plan.dt)
        slots = needed_slots(np.max(queued_steps(snn, projection, plan.dt)) + reach)
        if not slots:
            continue
        sized = population.model.amplitude is not None
        planes = n_planes(slots, counted=reach > 0 and not sized)
        per_unit = 2 * 4 + slots * planes / 8  # its delay, its place among those due, its bits
        total += population.size * (per_unit + (slots * number if sized else 0))
    return math.ceil(total)


def available_memory() -> int:
    """Bytes of memory that are free, or a generous guess where the system does not tell."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 8 * 2**30


def check_memory(snn: SpikingNetwork, plan: Plan, n_images: int, n_recorded: int) -> None:
    """Refuse a simulation that cannot fit into memory.

    Raises
    ------
    InputError
        Naming the largest part and what to do.
    """
    parts = estimate(snn, plan, n_images, n_recorded)
    total, free = sum(parts.values()), available_memory()
    if total > 0.9 * free:
        largest = max(parts, key=lambda name: parts[name])
        raise InputError(
            f"the simulation would take about {_size(total)}, but {_size(free)} of memory are free;"
            f" the largest part is {largest} ({_size(parts[largest])}):"
            f" {_remedy(largest, plan, n_images)}"
        )


def _remedy(part: str, plan: Plan, n_images: int) -> str:
    """What to do about the largest part."""
    if part.startswith("state of") or part == "weights":
        fewer = f"fewer lanes (now {plan.lanes})" if part != "weights" else ""
        fewer += " and " if fewer and plan.processes > 1 else ""
        fewer += f"fewer processes (now {plan.processes})" if plan.processes > 1 else ""
        return f"take {fewer}" if fewer else "take a machine with more memory"
    if part.startswith(("spikes of", "potentials of")):
        return "record fewer populations, units or images (record_images), or into a file (stream=)"
    return f"simulate fewer images at a time (now {n_images}), or fewer steps (now {plan.steps})"


def _size(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000 or unit == "GB":
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"


def peak_memory() -> tuple[float, float]:
    """The most memory that this process had, and its largest finished child, in GiB."""
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 2**10  # bytes there, KiB on Linux
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    here, child = (resource.getrusage(w).ru_maxrss * unit / 2**30 for w in who)
    return here, child
