"""Presenting images to a spiking network and reading its answer."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import Hz, Quantity, check_units, ms, second

from bionet.brian.assemble import recorded_variable
from bionet.brian.finite import NotFiniteError, not_finite_error
from bionet.brian.plan import Plan
from bionet.equations.model import NeuronModel
from bionet.equations.randomness import seed_words
from bionet.errors import InputError
from bionet.interruption import interruptible
from bionet.network import SpikingNetwork
from bionet.network.input_population import input_of
from bionet.progress import Progress
from bionet.results.readout import READOUTS
from bionet.results.recording import Recording
from bionet.results.temporal_values import network_outputs
from bionet.running.arguments import (
    check_images,
    check_pixels,
    fit_to_images,
    make_plan,
    recorded_images,
)
from bionet.running.devices import DEVICES, run_here, run_program
from bionet.running.memory import check_memory
from bionet.running.streaming import batch_of_images, streamed
from bionet.running.temporal_code import temporal_results, warn_of_clipping

__all__ = ["DEVICES", "simulate"]


@check_units(duration=second, dt=second, max_rate=Hz)
def simulate(
    snn: SpikingNetwork,
    images: np.ndarray,
    duration: Quantity | None = None,
    dt: Quantity | None = None,
    *,
    coding: str | NeuronModel | None = None,
    max_rate: Quantity | None = None,
    device: str = "cpp_standalone",
    lanes: int | None = None,
    processes: int | None = None,
    dtype: str | None = None,
    seed: int = 0,
    record: Mapping[str, Any] | None = None,
    record_images: Sequence[int] | None = None,
    stream: str | Path | None = None,
    final_potentials: bool = False,
    readout: str | None = None,
    pipelined: bool | None = None,
    progress: bool = False,
    **removed: Any,
) -> Recording:
    """Present every image for a time and record what the network does.

    Parameters
    ----------
    snn : SpikingNetwork
    images : array (n_images, *input_shape)
        Pixels, in PyTorch's order.
    duration : Quantity
        Length of a presentation, in units of time; a multiple of ``dt``. By default what the
        conversion chose, or 50 ms.
    dt : Quantity
        Simulation step, in units of time; by default what the conversion chose, or 1 ms.
    coding : str or NeuronModel, optional
        Input coding: "analog", "poisson", "uniform", "reverse", that of another package,
        ``module:function`` of your own, or the model of its units; the network's own by default.
    max_rate : Quantity, optional
        Firing rate of an input of value 1 (spiking codings); one spike a step by default. The
        spikes are scaled so that the mean input does not depend on it.
    device : {"cpp_standalone", "cython", "numpy"}
        Code generation; the spikes are the same on all of them.
    lanes : int, optional
        Images simulated side by side; chosen by the size of the network by default.
    processes : int, optional
        Processes that share the images (C++ standalone). By default all cores are used where
        there are images enough.
    dtype : {"float32", "float64"}, optional
        By default what the conversion chose, or float32.
    seed : int
        Selects the random numbers of every image; from 0 to 2**64 - 1.
    record : mapping of str to list or mapping, optional
        ``{"conv1": ["spikes", "v"]}``, or ``{"conv1": {"v": [0, 7], "spikes": True}}`` for the
        potentials of single units (PyTorch's order).
    record_images : sequence of int, optional
        Images to record; all of them by default.
    stream : path, optional
        HDF5 file that recorded spikes and potentials go to, instead of into memory. The recorded
        images are then simulated twice, once with monitors.
    final_potentials : bool
        Keep the potential of every unit at the end of its presentation (for the audit).
    readout : {"MP", "MS", "FS", "LS"}, optional
        Default readout of the recording; the network's own by default.
    pipelined : bool, optional
        Let the next image enter a layer as soon as this one has left it (method ``tdsnn`` with
        static windows): the same spikes, counted from the onset of their image, at a higher rate.
        Recorded potentials are NaN where a layer holds another image. By default what the
        conversion chose.
    progress : bool
        Show progress with rate and time left.

    Returns
    -------
    Recording

    Raises
    ------
    InputError
        If an argument does not fit, or the recording would not fit into memory.
    BioNetError
        If compiling or running the program fails, or a state variable becomes NaN or infinite.
    """
    _refuse(removed)
    pixels = check_images(snn, images)
    if device not in DEVICES:
        raise InputError(f"unknown device {device!r}; known are {', '.join(DEVICES)}")
    seed_words(seed)
    if readout is not None and readout not in READOUTS:
        raise InputError(f"unknown readout {readout!r}; known are {', '.join(READOUTS)}")
    duration, dt = snn.times(duration, dt)
    plan = make_plan(
        snn,
        duration=duration,
        dt=dt,
        coding=coding,
        max_rate=max_rate,
        lanes=lanes,
        dtype=dtype,
        record=record,
        final_potentials=tuple(
            p.name for p in snn.populations if final_potentials and p.model.potential is not None
        ),
        pipelined=pipelined,
    )
    check_pixels(snn, pixels, input_of(plan.input))
    plan = fit_to_images(plan, len(pixels), device, processes)
    recorded = recorded_images(record_images, len(pixels)) if record else np.zeros(0, np.int64)
    batch = len(recorded) if stream is None else min(len(recorded), batch_of_images(snn, plan))
    check_memory(snn, plan, len(pixels), batch)
    started = time.perf_counter()
    with interruptible(), Progress(len(pixels), progress) as bar:
        numbers = np.arange(len(pixels))
        results = _run(snn, plan, pixels, numbers, recorded, device, seed, bar, stream)
    seconds = time.perf_counter() - started
    parameters = _parameters(snn, plan, device, seed, readout, seconds, len(pixels))
    kept = results.pop("kept")
    steps = {key[:2]: values for key, values in kept.items() if key.is_step}
    others = {key[:2]: values for key, values in kept.items() if not key.is_step}
    results |= temporal_results(snn, steps)
    if not snn.perturbations:  # there a value that is too large is what the perturbation has done
        warn_of_clipping(results.get("clipped", {}))
    potentials = {(p.name, p.model.potential) for p in snn.populations}
    run = Recording(
        shapes={name: snn.shape(name) for name in snn.names},
        parameters=parameters | results.pop("timing"),
        final_potentials={key[0]: others[key] for key in others if key in potentials},
        final_values={key: others[key] for key in others if key not in potentials},
        **results,
    )
    outputs = network_outputs(run, snn)
    return run if outputs is None else replace(run, outputs=outputs)


def _refuse(arguments: Mapping[str, Any]) -> None:
    """Say what became of arguments that there were."""
    if "threads" in arguments:
        raise InputError(
            "simulate: expected no threads, which slowed programs down; leave them out, and give"
            " processes=N for the number of cores to use"
        )
    if arguments:
        raise TypeError(f"simulate() got an unexpected keyword argument {next(iter(arguments))!r}")


def _run(
    snn: SpikingNetwork,
    plan: Plan,
    pixels: np.ndarray,
    numbers: np.ndarray,
    recorded: np.ndarray,
    device: str,
    seed: int,
    bar: Progress,
    stream: str | Path | None = None,
) -> dict[str, Any]:
    """Simulate all images, and those to be recorded with monitors.

    An image's spikes depend neither on lanes nor on its neighbours, so the recorded images can
    be simulated a second time with monitors, and all others without.
    """
    runner = run_program if device == "cpp_standalone" else run_here
    everything = len(recorded) == len(numbers) and stream is None
    bare = plan if everything else replace(plan, spikes=(), potentials={})
    try:
        results = runner(snn, bare, pixels, numbers, device, seed, bar)
    except NotFiniteError as error:
        image = error.where.image
        one = replace(fit_to_images(bare, 1, device, None), check_every=1)
        shown = pixels[[image]], numbers[[image]]
        try:
            runner(snn, one, *shown, device, seed, Progress(0, False))
        except NotFiniteError as seen:
            raise not_finite_error(snn, seen.where, int(numbers[image]), plan.dt, True) from None
        raise not_finite_error(snn, error.where, int(numbers[image]), plan.dt, False) from None
    if len(recorded) and not everything:

        def monitored(images: np.ndarray) -> dict[str, Any]:
            small = replace(fit_to_images(plan, len(images), device, None), kept=())
            return runner(snn, small, pixels[images], images, device, seed, Progress(0, False))

        if stream is not None:
            return results | streamed(stream, recorded, batch_of_images(snn, plan), monitored)
        extra = monitored(recorded)
        for name in (
            "recorded_spikes",
            "recorded_amplitudes",
            "recorded_potentials",
            "recorded_units",
        ):
            results[name] = extra[name]
        results["recorded_images"] = recorded
    return results


def _parameters(
    snn: SpikingNetwork,
    plan: Plan,
    device: str,
    seed: int,
    readout: str | None,
    seconds: float,
    n_images: int,
) -> dict[str, Any]:
    """Provenance of a recording, as plain JSON."""
    thresholds = {
        p.name: np.asarray(p.parameters["theta"]).tolist()
        for p in snn.populations
        if "theta" in p.parameters
    }
    factor = input_of(plan.input).factor
    gain = factor if plan.drives_current else float(plan.input.parameters.get("gain", 1.0))
    schedule = {
        "period": plan.period or plan.steps,
        "active": {name: [first, last] for name, (first, last, _) in plan.active.items()},
    }
    return ({"pipelined": bool(plan.period), "schedule": schedule} if plan.active else {}) | {
        "network": snn.hash(),
        "method": snn.method,
        "coding": plan.input.model.name,
        "max_rate_hz": float(plan.input.parameters.get("max_rate", 0.0)) or None,
        "gain": gain,
        "input": input_of(plan.input).drives,
        "device": device,
        "dt_ms": float(plan.dt * second / ms),
        "steps": plan.steps,
        "lanes": plan.lanes,
        "processes": plan.processes,
        "dtype": plan.dtype,
        "seed": seed,
        "images": n_images,
        "readout": readout or snn.readout.default,
        **({"readout_since": snn.readout.since} if snn.readout.since else {}),
        "thresholds": thresholds,
        **({} if snn.code is None else snn.code.shared_parameters(snn)),
        "units": recorded_dimensions(snn, plan),
        "seconds": seconds,
        "versions": {
            name: metadata.version(name)
            for name in ("bionet", "brian2", "numpy")
            if _installed(name)
        },
        "processors": os.cpu_count(),
    }


def recorded_dimensions(snn: SpikingNetwork, plan: Plan) -> dict[str, list[Any]]:
    """Variable and exponents of its dimension, of everything that a plan records."""
    found = {}
    for key in plan.potentials:
        name, variable = recorded_variable(snn, key)
        dimensions = snn.population(name).model.dimensions[variable]
        found[key] = [variable, [float(e) for e in dimensions._dims]]
    return found


def _installed(name: str) -> bool:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return bool(metadata.version(name))
    return False
