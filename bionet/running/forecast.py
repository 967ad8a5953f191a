r"""What a simulation will take, before it is run: memory and time.

Time is counted in updates of state variables,

.. math::

    t \approx \frac{n_{images}\, n_{steps} \sum_{units} n_{variables}}{s\, n_{processes}}

with s the speed of LeNet-5 on one core of a 2.5 GHz server (float32). A neuron whose equations call
exponential functions takes a few times as long, an idle layer less: it is an order of magnitude.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import Quantity, check_units, second

from bionet.errors import InputError
from bionet.inputs import Stimulus
from bionet.kinds import typed
from bionet.network import SpikingNetwork
from bionet.running.compiled_program import program_folder
from bionet.running.devices import DEVICES
from bionet.running.memory import available_memory, estimate
from bionet.running.simulate import planned

__all__ = ["COMPILE_SECONDS", "UPDATES_PER_SECOND", "Forecast", "forecast"]

UPDATES_PER_SECOND = {"cpp_standalone": 8e7, "cython": 1e7, "numpy": 2e6}
COMPILE_SECONDS = 25.0  # of one core


@dataclass(frozen=True)
class Forecast:
    """What a simulation will take.

    Attributes
    ----------
    images, steps, lanes, processes : int
        Presentations, steps of the longest, images side by side and processes that share them.
    memory : mapping of str to int
        Bytes of each part; see :func:`bionet.running.memory.estimate`.
    free : int
        Bytes of memory that are free.
    seconds : float
        Of the simulation, with a core for each process.
    compile_seconds : float
        Before it; 0 where nothing is compiled, or the program is in the cache.
    """

    images: int
    steps: int
    lanes: int
    processes: int
    memory: Mapping[str, int]
    free: int
    seconds: float
    compile_seconds: float

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return sum(self.memory.values())

    def __str__(self) -> str:
        largest = sorted(self.memory, key=lambda name: -self.memory[name])[:5]
        parts = ", ".join(f"{name} {_megabytes(self.memory[name])}" for name in largest)
        return (
            f"{self.images:,} images, {self.steps:,} steps, {self.lanes} side by side in"
            f" {self.processes} processes\n"
            f"memory: about {_megabytes(self.total)} of {_megabytes(self.free)} that are free"
            f" (largest: {parts})\n"
            f"time: about {_time(self.seconds)}, and {_time(self.compile_seconds)} to compile"
        )


@typed
@check_units(duration=second, dt=second)
def forecast(
    snn: SpikingNetwork,
    images: np.ndarray | Stimulus | None = None,
    duration: Quantity | None = None,
    dt: Quantity | None = None,
    **options: Any,
) -> Forecast:
    """Memory and time of :func:`bionet.simulate` with the same arguments; simulates nothing.

    Parameters
    ----------
    snn, images, duration, dt, **options
        As for :func:`bionet.simulate`; its seed, readout and progress mean nothing here.

    Returns
    -------
    Forecast

    Raises
    ------
    InputError
        If an argument does not fit.
    """
    device = options.get("device", "cpp_standalone")
    if device not in DEVICES:
        raise InputError(f"unknown device {device!r}; known are {', '.join(DEVICES)}")
    same: dict[str, Any] = {
        "coding": None,
        "max_rate": None,
        "lanes": None,
        "dtype": None,
        "pipelined": None,
    }
    same |= {n: v for n, v in options.items() if n not in ("seed", "readout", "progress")}
    plan, presented, _, batch = planned(snn, images, duration, dt, **same)
    updates = sum(p.size * max(1, len(p.model.state)) for p in snn.populations)
    n_steps = int(presented.steps.sum())
    compiled = device == "cpp_standalone" and program_folder(snn, plan) is None
    return Forecast(
        images=len(presented),
        steps=int(presented.steps.max()),
        lanes=plan.lanes,
        processes=plan.processes,
        memory=estimate(snn, plan, len(presented), batch),
        free=available_memory(),
        seconds=updates * n_steps / UPDATES_PER_SECOND[device] / plan.processes,
        compile_seconds=COMPILE_SECONDS if compiled else 0.0,
    )


def _megabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:,.0f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:,.0f} kB"


def _time(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds >= 120 else f"{seconds:.2g} s"
