"""Running a simulation on a device: a compiled program, or Brian2 in this process."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import BrianObject, Network, prefs, second
from brian2.devices.device import RuntimeDevice, get_device

from bionet.brian.assemble import Built, assemble, monitor_name, recorded, recorded_variable
from bionet.brian.channel_last import from_channel_last, torch_index
from bionet.brian.feed import make_feed
from bionet.brian.finite import NotFiniteError
from bionet.brian.plan import Plan
from bionet.brian.presentation import count_dtype, spike_dtype, step_dtype
from bionet.errors import BioNetError, InputError
from bionet.files import temporary_folder
from bionet.interruption import postponed
from bionet.network import SpikingNetwork
from bionet.network.signal import Signal
from bionet.progress import Progress
from bionet.running.compiled_program import Program, program_values, ready_program
from bionet.running.compiler import compile_arguments
from bionet.running.run_results import Monitored, RunResults, Timing, joined

__all__ = ["DEVICES", "run_here", "run_program"]

DEVICES = ("cpp_standalone", "cython", "numpy")


def run_program(
    snn: SpikingNetwork,
    plan: Plan,
    signal: Signal,
    numbers: np.ndarray,
    device: str,
    seed: int,
    bar: Progress,
) -> RunResults:
    """Simulate in compiled C++ programs, ``plan.processes`` of them side by side."""
    del device
    before = time.perf_counter()
    program = ready_program(snn, plan, lambda: bar.begin("compiling (once for this network)"))
    compile_seconds = time.perf_counter() - before
    bar.begin("simulating")
    parts = [p for p in np.array_split(np.arange(len(signal)), plan.processes) if p.size]
    done = [0] * len(parts)

    def run_part(position: int) -> RunResults:
        def report(count: int) -> None:
            done[position] = count
            bar.update(sum(done))

        part = parts[position]
        try:
            shown = signal.part(part, plan.steps)
            return _run_part(snn, plan, program, shown, numbers[part], seed, report)
        except NotFiniteError as error:  # its image is counted within the part
            image = int(part[error.where.image])
            raise NotFiniteError(error.where._replace(image=image)) from error

    before = time.perf_counter()
    with ThreadPoolExecutor(len(parts)) as pool, contextlib.ExitStack() as stack:
        stack.callback(program.stop)  # else the pool would wait for the programs that still run
        with postponed():  # a thread that has just begun would not be waited for
            running = [pool.submit(run_part, position) for position in range(len(parts))]
        results = joined([part.result() for part in running])
        stack.pop_all()
    compiling = compile_seconds if program.compiled else 0.0
    timing = Timing(time.perf_counter() - before, compiling, len(signal))
    return replace(results, timing=timing)


def _run_part(
    snn: SpikingNetwork,
    plan: Plan,
    program: Program,
    signal: Signal,
    numbers: np.ndarray,
    seed: int,
    report: Callable[[int], None],
) -> RunResults:
    """One process of a program, with a folder of its own that is removed at the end."""
    with temporary_folder() as folder:
        make_feed(plan, signal).write(folder, plan.lanes)
        numbers.astype(np.int32).tofile(folder / "streams.bin")
        program.run(folder, program_values(snn, plan, len(signal), seed), report)
        try:
            return _read_program(snn, plan, folder, numbers)
        except (OSError, ValueError) as error:
            raise BioNetError(f"the simulation program left incomplete results: {error}") from error


def _read_program(snn: SpikingNetwork, plan: Plan, folder: Path, numbers: np.ndarray) -> RunResults:
    n, steps = len(numbers), plan.steps

    def read(name: str, dtype: Any, *shape: int) -> np.ndarray:
        return np.fromfile(folder / name, dtype=dtype).reshape(shape)

    def flat(file: str, population: str, dtype: Any) -> np.ndarray:
        return from_channel_last(read(f"{file}.bin", dtype, n, -1), snn.shape(population))

    counted = [p.name for p in snn.populations if p.model.threshold is not None]
    counted += ["input"] if not plan.drives_current else []
    monitors = {}
    for name in plan.spikes:
        pairs = read(f"spikes_{name}.bin", np.int32, -1, 2)
        monitors[f"{name}.spikes"] = {"i": pairs[:, 1], "t": pairs[:, 0] * plan.dt}
        source = plan.input if name == "input" else snn.population(name)
        if (amplitude := source.model.amplitude) is not None:
            sizes = read(f"sizes_{name}.bin", plan.dtype, -1)
            monitors[f"{name}.spikes"][amplitude] = sizes
    for name in plan.potentials:
        monitors[f"{name}.v"] = {
            "v": read("values_{}.{}.bin".format(*recorded_variable(snn, name)), plan.dtype, -1)
        }
    return RunResults(
        counts={name: flat(f"counts_{name}", name, count_dtype(steps)) for name in counted},
        kept={
            key: flat(
                f"kept_{key.population}.{key.variable}",
                key.population,
                step_dtype(steps) if key.is_step else plan.dtype,
            )
            for key in plan.kept
        },
        output_potential=_in_torch_order(
            snn, snn.readout.potential, read("output_potential.bin", plan.dtype, n, steps, -1)
        ),
        output_spikes=_in_torch_order(
            snn,
            snn.readout.spikes,
            read("output_spikes.bin", spike_dtype(_amplitude(snn)), n, steps, -1),
        ),
        events=read("events.bin", np.int32, n, steps),
        monitored=_monitored(snn, plan, monitors, numbers),
    )


def _amplitude(snn: SpikingNetwork) -> str | None:
    """The variable that holds the size of an output spike."""
    return snn.population(snn.readout.spikes).model.amplitude


def _in_torch_order(snn: SpikingNetwork, name: str, values: np.ndarray) -> np.ndarray:
    """The last axis from channel-last to PyTorch's order, kept flat: it counts classes."""
    shape = snn.shape(name)
    return from_channel_last(values, shape).reshape(values.shape)


def run_here(
    snn: SpikingNetwork,
    plan: Plan,
    signal: Signal,
    numbers: np.ndarray,
    device: str,
    seed: int,
    bar: Progress,
) -> RunResults:
    """Simulate in this process, on the NumPy or Cython device."""
    with _runtime(device, plan.dtype), _without_words_of_unused_objects():
        built = assemble(snn, plan)
        built.presentation.show(make_feed(plan, signal), numbers, seed)
        bar.begin("generating code")
        presentations = -(-len(signal) // plan.lanes)
        bar.watch(lambda: int(built.presentation.variables["presented"].get_value().item()))
        before = time.perf_counter()
        built.network.run(
            ((presentations - 1) * (plan.period or plan.steps) + plan.steps) * plan.dt * second,
            namespace={},
            report=bar.brian_report,
            report_period=0.2 * second,
        )
        seconds = time.perf_counter() - before
        if int(built.presentation.variables["presented"].get_value().item()) < len(signal):
            raise KeyboardInterrupt  # in another thread than this one
        collected = built.end.collected
        shapes = {name: snn.shape(name) for name in snn.names}
        counted = {k: v for k, v in collected.counts.items() if v}
        return RunResults(
            counts={
                name: from_channel_last(np.concatenate(parts), shapes[name])
                for name, parts in counted.items()
            },
            kept={
                key: from_channel_last(np.concatenate(parts), shapes[key.population])
                for key, parts in collected.kept.items()
            },
            output_potential=_in_torch_order(
                snn, snn.readout.potential, np.concatenate(collected.output_potential)
            ),
            output_spikes=_in_torch_order(
                snn, snn.readout.spikes, np.concatenate(collected.output_spikes)
            ),
            events=np.concatenate(collected.events),
            monitored=_monitored(snn, plan, _read_monitors(plan, built), numbers),
            timing=Timing(seconds, 0.0, len(signal)),
        )


@contextlib.contextmanager
def _without_words_of_unused_objects() -> Iterator[None]:
    """Where an interruption ends the block, no warning for every object that it leaves behind.

    Brian2 warns of objects that go before a network has run them, as a user may have forgotten
    them; those of a network that was being built were not.
    """
    before = set(BrianObject.__instances__())
    try:
        yield
    except BaseException:
        for reference in set(BrianObject.__instances__()) - before:
            left = reference()
            if left is not None and getattr(left, "_network", "") is None:
                left._network = "interrupted"
        raise


@contextlib.contextmanager
def _runtime(target: str, dtype: str) -> Iterator[None]:
    """Brian2's preferences for a run in this process, put back afterwards."""
    if not isinstance(get_device(), RuntimeDevice):
        raise InputError(
            f"device={target!r} needs Brian2's runtime device, but another one is active;"
            " call brian2.set_device('runtime') first"
        )
    names = ["codegen.target", "core.default_float_dtype", "codegen.cpp.extra_compile_args_gcc"]
    names.append("core.stop_on_keyboard_interrupt")
    before = {name: prefs[name] for name in names}
    try:
        prefs["core.stop_on_keyboard_interrupt"] = False
        prefs["codegen.target"] = target
        prefs["core.default_float_dtype"] = np.dtype(dtype).type
        prefs["codegen.cpp.extra_compile_args_gcc"] = list(compile_arguments())
        with warnings.catch_warnings():
            # Brian2 compares potentials with 1e50 after a run, which float32 cannot hold.
            warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning)
            yield
    finally:
        # An error within a run leaves this set, and the next Ctrl-C would be lost to it.
        Network._globally_running = False
        for name, value in before.items():
            prefs[name] = value


def _read_monitors(plan: Plan, built: Built) -> dict[str, dict[str, np.ndarray]]:
    monitors = {}
    for name in plan.spikes:
        monitor = built.groups[f"{name}_spikes"]
        events = {"i": np.asarray(monitor.i[:]), "t": np.asarray(monitor.t_[:])}
        events |= {v: np.asarray(getattr(monitor, v)[:]) for v in recorded(monitor)}
        monitors[f"{name}.spikes"] = events
    for name in plan.potentials:
        monitor = built.groups[monitor_name(name)]
        values = monitor.variables[monitor.record_variables[0]].get_value()
        monitors[f"{name}.v"] = {"v": np.asarray(values)}
    return monitors


def _by_image(v: np.ndarray, plan: Plan, name: str, n: int) -> np.ndarray:
    """Potentials (all steps, lanes, units) of a run, by image: (n, steps, units).

    Of a pipelined run NaN where a population holds another image, or none.
    """
    first, last, _ = plan.active[name] if plan.period else (0, plan.steps - 1, 0)
    images = []
    for batch in range(-(-n // plan.lanes)):
        values = np.full((plan.lanes, plan.steps, v.shape[2]), np.nan, dtype=v.dtype)
        start = batch * (plan.period or plan.steps)
        values[:, first : last + 1] = v[start + first : start + last + 1].swapaxes(0, 1)
        images.append(values)
    return np.concatenate(images)[:n]


def _monitored(
    snn: SpikingNetwork,
    plan: Plan,
    monitors: Mapping[str, Mapping[str, np.ndarray]],
    numbers: np.ndarray,
) -> Monitored:
    """Tables of spikes and potentials, by image, from monitors over lanes and presentations."""
    n, steps, lanes = len(numbers), plan.steps, plan.lanes
    spikes, amplitudes, potentials, recorded_units = {}, {}, {}, {}
    for name in plan.spikes:
        index, t = monitors[f"{name}.spikes"]["i"], monitors[f"{name}.spikes"]["t"]
        order = torch_index(snn.shape(name))
        lane, unit = np.divmod(index.astype(np.int64), order.size)
        first, last, _ = plan.active[name] if plan.period else (0, steps - 1, 0)
        since = np.rint(t / plan.dt).astype(np.int64) - first
        presentation, step = np.divmod(since, plan.period or steps)
        step += first
        position = presentation * lanes + lane
        shown = (position < n) & (since >= 0) & (step <= last)
        table = np.stack([numbers[position[shown]], step[shown], order[unit[shown]]], axis=1)
        sorting = np.lexsort((table[:, 2], table[:, 1], table[:, 0]))
        spikes[name] = table[sorting].astype(np.int32)
        for sizes in (v for k, v in monitors[f"{name}.spikes"].items() if k not in ("i", "t")):
            amplitudes[name] = sizes[shown][sorting].astype(np.float32)
    for name, units in plan.potentials.items():
        population = name.partition(".")[0]
        numbers_of_units = (
            np.arange(snn.population(population).size) if units is None else np.array(units)
        )
        v = monitors[f"{name}.v"]["v"].reshape(-1, lanes, len(numbers_of_units))
        potentials[name] = _by_image(v, plan, population, n)
        recorded_units[name] = numbers_of_units
    any_recorded = bool(plan.spikes or plan.potentials)
    recorded_images = numbers if any_recorded else np.zeros(0, dtype=np.int64)
    return Monitored(recorded_images, spikes, amplitudes, potentials, recorded_units)
