"""Presenting images to a spiking network and reading its answer."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import Hz, Quantity, check_units, ms, second

from bionet.brian.assemble import recorded_variable
from bionet.brian.finite import NotFiniteError, not_finite_error
from bionet.brian.plan import Plan
from bionet.equations.model import NeuronModel
from bionet.equations.randomness import seed_words
from bionet.errors import InputError, did_you_mean
from bionet.inputs import Stimulus
from bionet.interruption import interruptible
from bionet.kinds import typed
from bionet.network import SpikingNetwork
from bionet.network.input_population import input_of
from bionet.network.signal import Signal
from bionet.network.signs import unit_signs
from bionet.progress import Progress
from bionet.results.readout import READOUTS
from bionet.results.recording import Recording
from bionet.results.temporal_values import network_outputs
from bionet.running.arguments import default_lanes, fit_to_images, recorded_images
from bionet.running.devices import DEVICES, run_here, run_program
from bionet.running.memory import check_memory
from bionet.running.run_results import Monitored, RunResults, check_sizes, joined
from bionet.running.shown import Shown, as_events, shown
from bionet.running.streaming import batch_of_images, streamed
from bionet.running.temporal_code import temporal_results, warn_of_clipping
from bionet.versions import versions_of

__all__ = ["DEVICES", "planned", "simulate"]


@typed
@check_units(duration=second, dt=second, max_rate=Hz)
def simulate(
    snn: SpikingNetwork,
    images: np.ndarray | Stimulus | None = None,
    duration: Quantity | None = None,
    dt: Quantity | None = None,
    *,
    events: Any = None,
    coding: str | NeuronModel | None = None,
    max_rate: Quantity | None = None,
    device: str = "cpp_standalone",
    lanes: int | None = None,
    processes: int | None = None,
    dtype: str | None = None,
    seed: int = 0,
    record: Mapping[str, Any] | str | None = None,
    record_images: Sequence[int] | np.ndarray | None = None,
    stream: str | Path | None = None,
    final_potentials: bool = False,
    readout: str | None = None,
    reset: str | bool = "presentation",
    pipelined: bool | None = None,
    progress: bool = False,
    **removed: Any,
) -> Recording:
    """Present every image for a time and record what the network does.

    Parameters
    ----------
    snn : SpikingNetwork
    images : array (n_images, *input_shape) or Stimulus
        Pixels, in PyTorch's order; or what :mod:`bionet.inputs` makes: movies, events, spike
        trains, images with a duration each. Of an array (n_images, n_frames, *input_shape) the
        frames share the presentation equally.
    duration : Quantity
        Length of a presentation, in units of time; a multiple of ``dt``. By default what the
        conversion chose, or 50 ms; that of movies is given by their frames.
    dt : Quantity
        Simulation step, in units of time; by default what the conversion chose, or 1 ms.
    events : list of arrays, optional
        In place of images: for each an integer array (n_spikes, 2) of step and input unit, or a
        structured array of a camera's events (t, x, y, p). :mod:`bionet.inputs` takes times.
    coding : str or NeuronModel, optional
        Input coding: "analog", "poisson", "uniform", "reverse", that of another package,
        ``module:function`` of your own, or the model of its units; the network's own by default,
        and "events" for events and spike trains.
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
    record_images : sequence of int, or mask (n_images,), optional
        Images to record; all of them by default.
    stream : path, optional
        HDF5 file that recorded spikes and potentials go to, instead of into memory; the recorded
        images are simulated batch by batch.
    final_potentials : bool
        Keep the potential of every unit at the end of its presentation (for the audit).
    readout : {"MP", "MS", "FS", "LS"}, optional
        Default readout of the recording; the network's own by default.
    reset : {"presentation", "never"} or bool
        Whether every presentation begins from the initial state, or (``"never"`` or False) the
        network goes on from the state in which the presentation before has ended: one stream, its
        images one by one.
        Potentials that are read out then hold what earlier images have left in them.
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
    if device not in DEVICES:
        raise InputError(
            f"unknown device {device!r}; known are {', '.join(DEVICES)}"
            + did_you_mean(device, DEVICES)
        )
    seed_words(seed)
    if readout is not None and readout not in READOUTS:
        raise InputError(f"unknown readout {readout!r}; known are {', '.join(READOUTS)}")
    plan, presented, recorded, batch = planned(
        snn,
        images,
        duration,
        dt,
        events=events,
        device=device,
        processes=processes,
        record=record,
        record_images=record_images,
        stream=stream,
        final_potentials=final_potentials,
        reset=reset,
        coding=coding,
        max_rate=max_rate,
        lanes=lanes,
        dtype=dtype,
        pipelined=pipelined,
    )
    n_images = len(presented)
    check_memory(snn, plan, n_images, batch)
    started = time.perf_counter()
    with interruptible(), Progress(n_images, progress) as bar:
        results = _run(snn, plan, presented, recorded, device, seed, bar, stream)
    check_sizes(results)
    seconds = time.perf_counter() - started
    parameters = _parameters(snn, plan, device, seed, readout, seconds, n_images)
    parameters |= _of_stimulus(presented, plan) | results.timing.to_dict()
    return _recording(snn, presented, results, parameters)


def _recording(
    snn: SpikingNetwork, presented: Shown, results: RunResults, parameters: dict[str, Any]
) -> Recording:
    """What was simulated, with what the network's code makes of its spike steps."""
    steps = {key[:2]: values for key, values in results.kept.items() if key.is_step}
    others = {key[:2]: values for key, values in results.kept.items() if not key.is_step}
    temporal = temporal_results(snn, steps)
    if not snn.perturbations:  # there a value that is too large is what the perturbation has done
        warn_of_clipping(temporal.get("clipped", {}))
    potentials = {(p.name, p.model.potential) for p in snn.populations}
    run = Recording(
        shapes={name: snn.shape(name) for name in snn.names},
        parameters=parameters,
        counts=results.counts,
        output_potential=results.output_potential,
        output_spikes=results.output_spikes,
        events=results.events,
        image_steps=presented.steps if np.ptp(presented.steps) else np.zeros(0, dtype=np.int64),
        final_potentials={key[0]: others[key] for key in others if key in potentials},
        final_values={key: others[key] for key in others if key not in potentials},
        **results.monitored.fields(),
        **temporal,  # type: ignore[arg-type]
    )
    outputs = network_outputs(run, snn)
    return run if outputs is None else replace(run, outputs=outputs)


def planned(
    snn: SpikingNetwork,
    images: np.ndarray | Stimulus | None,
    duration: Quantity | None,
    dt: Quantity | None,
    *,
    events: Any = None,
    device: str = "cpp_standalone",
    processes: int | None = None,
    record: Any = None,
    record_images: Any = None,
    stream: str | Path | None = None,
    final_potentials: bool = False,
    **settings: Any,
) -> tuple[Plan, Shown, np.ndarray, int]:
    """What the arguments of a simulation come to.

    Returns
    -------
    plan : Plan
    presented : Shown
    recorded : int array
        Numbers of the images to record.
    batch : int
        Of these, those whose recording is in memory at a time.

    Raises
    ------
    InputError
        If an argument does not fit.
    """
    if (images is None) == (events is None):
        raise InputError("simulate: give either images or events=")
    plan, presented = shown(
        snn,
        images if events is None else as_events(events, snn.times(duration, dt)[1]),
        duration=duration,
        dt=dt,
        record=record,
        final_potentials=tuple(
            p.name for p in snn.populations if final_potentials and p.model.potential is not None
        ),
        **settings,
    )
    n_images = len(presented)
    if settings["lanes"] is None:
        plan = replace(plan, lanes=default_lanes(snn, device))
    plan = fit_to_images(plan, n_images, device, processes)
    recorded = recorded_images(record_images, n_images) if record else np.zeros(0, np.int64)
    if plan.carries_over and stream is not None:
        raise InputError(
            "reset='never': recordings into a file simulate images in batches, each on its own;"
            " leave stream out"
        )
    batch = len(recorded) if stream is None else min(len(recorded), batch_of_images(snn, plan))
    return plan, presented, recorded, batch


def _refuse(arguments: Mapping[str, Any]) -> None:
    """Say what became of arguments that there were."""
    if "threads" in arguments:
        raise InputError(
            "simulate: expected no threads, which slowed programs down; leave them out, and give"
            " processes=N for the number of cores to use"
        )
    if arguments:
        unknown = next(iter(arguments))
        raise TypeError(
            f"simulate() got an unexpected keyword argument {unknown!r}"
            + did_you_mean(unknown, inspect.signature(_function()).parameters)
        )


def _function() -> Any:
    """``simulate`` itself, inside of what checks its units."""
    return getattr(simulate, "_orig_func", simulate)


def _run(
    snn: SpikingNetwork,
    plan: Plan,
    presented: Shown,
    recorded: np.ndarray,
    device: str,
    seed: int,
    bar: Progress,
    stream: str | Path | None = None,
) -> RunResults:
    """Simulate all images, and those to be recorded with monitors.

    An image's spikes depend neither on lanes nor on its neighbours, so the recorded images run
    with monitors, and all others without. In a stream they do.
    """
    numbers = np.arange(len(presented))
    if plan.carries_over and len(recorded):
        results = _images(snn, plan, presented, numbers, device, seed, bar)
        return replace(results, monitored=results.monitored.of(recorded))
    parts, images = [], []
    others = np.setdiff1d(numbers, recorded)
    if len(others):
        bare = replace(plan, spikes=(), potentials={})
        parts.append(_images(snn, bare, presented, others, device, seed, bar))
        images.append(others)

    def monitored(batch: np.ndarray) -> Monitored:
        results = _images(snn, plan, presented, batch, device, seed, bar)
        parts.append(replace(results, monitored=Monitored()))
        images.append(batch)
        return results.monitored

    if not len(recorded):
        return joined(parts, images)
    if stream is None:
        recordings = monitored(recorded)
    else:
        recordings = streamed(stream, recorded, batch_of_images(snn, plan), monitored)
    return replace(joined(parts, images), monitored=recordings)


def _images(
    snn: SpikingNetwork,
    plan: Plan,
    presented: Shown,
    numbers: np.ndarray,
    device: str,
    seed: int,
    bar: Progress,
) -> RunResults:
    """Simulate some images, those of one duration together."""
    parts, images = [], []
    for steps, group in presented.groups(numbers):
        fitted = replace(plan, steps=steps)
        if len(group) < len(presented):
            fitted = fit_to_images(fitted, len(group), device, plan.processes)
        signal = presented.signal.part(group, steps)
        results = _alike(snn, fitted, signal, group, device, seed, bar)
        bar.part_done(len(group))
        parts.append(results.lasting(plan.steps))
        images.append(group)
    return joined(parts, images)


def _alike(
    snn: SpikingNetwork,
    plan: Plan,
    signal: Signal,
    numbers: np.ndarray,
    device: str,
    seed: int,
    bar: Progress,
) -> RunResults:
    """Simulate images of one duration; where a variable becomes NaN, find the step."""
    runner = run_program if device == "cpp_standalone" else run_here
    try:
        return runner(snn, plan, signal, numbers, device, seed, bar)
    except NotFiniteError as error:
        image = error.where.image
        until = np.arange(image + 1) if plan.carries_over else np.array([image])
        again = replace(fit_to_images(plan, len(until), device, None), check_every=1)
        signal = signal.part(until, plan.steps)
        try:
            runner(snn, again, signal, numbers[until], device, seed, Progress(0, False))
        except NotFiniteError as seen:
            raise not_finite_error(snn, seen.where, int(numbers[image]), plan.dt, True) from None
        raise not_finite_error(snn, error.where, int(numbers[image]), plan.dt, False) from None


def _of_stimulus(presented: Shown, plan: Plan) -> dict[str, Any]:
    """What a recording notes of an input that is not a static image, set back at its onset."""
    noted: dict[str, Any] = {"reset": "never"} if plan.carries_over else {}
    kind = presented.stimulus.described()
    return noted if kind == {"kind": "images"} else noted | {"stimulus": kind}


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
        **({"signs": signs} if (signs := cell_signs(snn)) else {}),
        "units": recorded_dimensions(snn, plan),
        "seconds": seconds,
        "versions": versions_of("bionet", "brian2", "numpy"),
        "processors": os.cpu_count(),
    }


def cell_signs(snn: SpikingNetwork) -> dict[str, Any]:
    """What the cells do to their targets, where a network has inhibitory ones.

    By population 1 (they excite), -1 (they inhibit), or a list with one number for each unit.
    Populations that do both are left out.
    """
    signs: dict[str, Any] = {}
    for name, (excite, inhibit) in unit_signs(snn).items():
        if (excite & inhibit).any() or not (excite | inhibit).any():
            continue
        values = (excite.astype(np.int8) - inhibit).ravel()
        signs[name] = int(values[0]) if np.ptp(values) == 0 else values.tolist()
    return signs if any(-1 in np.ravel(s) for s in signs.values()) else {}


def recorded_dimensions(snn: SpikingNetwork, plan: Plan) -> dict[str, list[Any]]:
    """Variable and exponents of its dimension, of everything that a plan records."""
    units = {}
    for key in plan.potentials:
        name, variable = recorded_variable(snn, key)
        dimensions = snn.population(name).model.dimensions[variable]
        units[key] = [variable, [float(e) for e in dimensions._dims]]
    return units
