"""C++ standalone programs: compiled once, cached, fed with arrays and streams of images.

A program depends on the structure of a network and on how it is simulated, not on its weights
or thresholds: these travel as arrays when it starts. Its key is a hash of that structure, of the
C++ code that Brian2 has generated for it, of the versions of Brian2 and NumPy, of the compiler and
the processor. Code generation takes seconds, so an index remembers which program belongs to a
structure; a change of BioNet's own sources, an error message reworded, makes the code be generated
anew, and compiled only where it has changed.
Brian2's standalone device keeps global state, so a program is generated in a process of its own.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from bionet.brian.assemble import (
    jitter_of,
    queued_steps,
    recordable,
    recorded_variable,
    synapse_names,
)
from bionet.brian.channel_last import dense_rows, pack, to_channel_last, torch_index
from bionet.brian.finite import NotFinite, NotFiniteError
from bionet.brian.idle_steps import BOUNDS, guarded
from bionet.brian.kept import Kept
from bionet.brian.model_code import draws, is_idle
from bionet.brian.plan import Plan
from bionet.equations.randomness import seed_words
from bionet.errors import BioNetError
from bionet.files import atomic, reason, temporary_folder
from bionet.interruption import postponed
from bionet.network import Dense, Kernel, SpikingNetwork
from bionet.network.delays import jitter_reach, needed_slots
from bionet.network.delivery import delivery
from bionet.network.initial_values import initial_values
from bionet.network.storage import write_outline
from bionet.running.compile_program import MANIFEST, OUTLINE, PROGRAM_KEY
from bionet.running.compiler import compile_arguments, machine, missing_flags
from bionet.running.program_cache import cache_folder, writable_cache

__all__ = [
    "Program",
    "cache_folder",
    "program_folder",
    "program_values",
    "ready_program",
    "structure",
]

# -P: a module in the working folder must not stand for one of the standard library.
LITTLE_ROOM = 2**20  # bytes left on a disk that is called full
COMPILER = ("-P", "-m", "bionet.running.compile_program")
NEVER_OVER = 2**31 - 1  # a step that no presentation reaches


@dataclass
class Program:
    """A compiled simulation.

    Attributes
    ----------
    folder : Path
        Where ``main`` and its sources are.
    manifest : mapping
        ``variables``: name -> [dtype, size] of what can be set.
    compiled : bool
        Whether it was compiled now (False: found in the cache).
    """

    folder: Path
    manifest: Mapping[str, Any]
    compiled: bool
    _running: set[subprocess.Popen[str]] = field(default_factory=set, repr=False)
    _stopped: bool = field(default=False, repr=False)

    def stop(self) -> None:
        """End every process of this program, those too that are only being started."""
        self._stopped = True
        for process in list(self._running):
            process.kill()

    def run(
        self,
        run_folder: Path,
        values: Mapping[str, np.ndarray],
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """Run the program in ``run_folder``, which holds ``images.bin`` and ``streams.bin``.

        Parameters
        ----------
        run_folder : Path
            Receives the results.
        values : mapping of str to array
            Values of variables, by ``group.variable``; each is asked for once.
        on_progress : callable, optional
            Called with the number of images presented so far.

        Raises
        ------
        BioNetError
            If the program fails.
        NotFiniteError
            If a state variable is NaN or infinite.
        """
        arguments = [str(self.folder / "main"), "--results_dir", f"{run_folder}/"]
        for name in values:
            parts = values.parts(name) if isinstance(values, _Values) else iter([values[name]])
            arguments.append(self._argument(name, parts, run_folder))
        with (run_folder / "stderr.txt").open("w") as errors:
            process = subprocess.Popen(
                arguments,
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end it
            )
            self._running.add(process)
            if self._stopped:  # while this one was being started
                process.kill()
            not_finite = None
            try:
                with process.stdout or contextlib.nullcontext(()) as lines:
                    for line in lines:
                        if line.startswith("presented ") and on_progress is not None:
                            on_progress(int(line.split()[1]))
                        if line.startswith("not finite "):
                            not_finite = [int(word) for word in line.split()[2:]]
                code = process.wait()
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
                self._running.discard(process)
        if not_finite is not None:
            number, *place = not_finite
            raise NotFiniteError(NotFinite(*self.manifest["watched"][number], *place))
        if code:
            text = (run_folder / "stderr.txt").read_text().strip().splitlines()
            reason = text[-1] if text else "no message"
            if -code == signal.SIGXFSZ or shutil.disk_usage(run_folder).free < LITTLE_ROOM:
                reason = (
                    f"no room for its results in {run_folder.parent}; nothing of them is kept:"
                    " make room, or set TMPDIR to a folder of another disk"
                )
            raise BioNetError(f"the simulation program ended with code {code}: {reason}")

    def _argument(self, name: str, parts: Iterator[np.ndarray], run_folder: Path) -> str:
        dtype, size = self.manifest["variables"][name]
        if size == 1:
            return f"{name}={np.asarray(next(parts)).reshape(-1)[0]!s}"
        path, written = run_folder / f"{name}.in", 0
        with path.open("wb") as file:
            for part in parts:
                array = np.ascontiguousarray(part, dtype=dtype)
                array.tofile(file)
                written += array.size
        if written != size:
            raise BioNetError(f"{name} needs {size} values, but got {written}")
        return f"{name}={path}"


def program_plan(snn: SpikingNetwork, plan: Plan) -> Plan:
    """The plan without what is recorded and kept of variables that every program can record."""
    switched = {Kept(*key) for key in recordable(snn, plan)}
    kept = tuple(key for key in plan.kept if key not in switched)
    others = {key: None for key in plan.potentials if "." in key}  # no potential: asked for
    return replace(plan, spikes=(), potentials=others, kept=kept)


def structure(snn: SpikingNetwork, plan: Plan) -> dict[str, Any]:
    """All that determines the program's source, as plain JSON; no weight is in it."""
    populations = [
        {
            "name": p.name,
            "shape": p.shape,
            "model": p.model.to_dict() | {"parameters": None, "factor": None},
            "per_unit": sorted(name for name, value in p.parameters.items() if value.ndim),
            "idle": is_idle(p, driven=False),
        }
        for p in (plan.input, *snn.populations)
    ]
    projections: list[dict[str, Any]] = [
        {
            **{
                name: getattr(q, name) for name in ("source", "target", "sign", "variable", "event")
            },
            **_kernel_structure(q.kernel.in_loops(snn.shape(q.source))),
            "slots": needed_slots(queued_steps(snn, q, plan.dt) + jitter_reach(q, plan.dt)),
            **({"jitter": True} if q.jitter else {}),
            "inverted": bool(float(q.gain) < 0),
        }
        for q in snn.projections
    ]
    simulation = program_plan(snn, plan).to_dict()
    # Numbers that a running program takes as values:
    values = ("steps", "input", "processes", "check_every", "frame_steps", "sparse", "carries_over")
    for name in values:
        del simulation[name]
    simulation["active"], simulation["period"] = sorted(plan.active), bool(plan.period)
    return {
        "populations": populations,
        "projections": projections,
        "readout": [snn.readout.spikes, snn.readout.potential],
        "plan": simulation,
        "fingerprint": fingerprint(),
    }


def _kernel_structure(kernel: Kernel) -> dict[str, Any]:
    """What of a kernel its loops are made for; its weights are values."""
    options = {k: v for k, v in kernel.options().items() if k not in ("scale", "weight")}
    shapes = {name: array.shape for name, array in kernel.arrays().items()}
    return {"kernel": kernel.kind, "options": options, "shapes": shapes}


def sources() -> list[Path]:
    """Files of BioNet that code is generated by: whole rooms, rather one too many than too few."""
    rooms = ("bionet.brian", "bionet.equations", "bionet.network")
    running = Path(str(resources.files("bionet.running")))
    paths = [running / name for name in ("compile_program.py", "compiler.py", "program_frame.py")]
    paths += (running / "templates").glob("*.cpp.jinja")
    for room in rooms:
        files = Path(str(resources.files(room))).rglob("*")
        paths += [path for path in files if path.suffix in {".py", ".hpp", ".cpp"}]
    return sorted(paths)


@functools.cache
def sources_digest() -> str:
    """Hash of the files that generate code."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def fingerprint() -> dict[str, str]:
    """What shapes a program beside its code: NumPy, and Brian2, compiler and processor."""
    return {
        "numpy": metadata.version("numpy"),
        "machine": machine(),
        "flags": " ".join(compile_arguments()),
    }


def index_entry(snn: SpikingNetwork, plan: Plan) -> Path:
    """The file that names the program for a network and a plan, or will name it."""
    described = json.dumps([structure(snn, plan), sources_digest()], sort_keys=True)
    key = hashlib.sha256(described.encode()).hexdigest()[:24]
    return cache_folder() / "index" / key


def program_folder(snn: SpikingNetwork, plan: Plan) -> Path | None:
    """Where the compiled program for a network and a plan is; None if there is none."""
    entry = index_entry(snn, plan)
    try:
        name = entry.read_text()
    except (OSError, ValueError):
        return None
    folder = cache_folder() / name
    return folder if re.fullmatch(r"\w+", name) and manifest_of(folder) is not None else None


def ready_program(
    snn: SpikingNetwork, plan: Plan, on_compile: Callable[[], None] | None = None
) -> Program:
    """The program for a network and a plan, compiled if the cache does not hold it.

    Parameters
    ----------
    snn : SpikingNetwork
    plan : Plan
    on_compile : callable, optional
        Called before code is generated, and compiled where it is new.

    Raises
    ------
    BioNetError
        If code generation or compilation fails.
    """
    compiled = False
    folder = program_folder(snn, plan)
    if folder is None:
        writable_cache()
        entry = index_entry(snn, plan)
        entry.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{entry}.lock"):
            folder = program_folder(snn, plan)
            if folder is None:
                if on_compile is not None:
                    on_compile()
                if missing := missing_flags():
                    warnings.warn(
                        f"the compiler does not know {' '.join(missing)}: the same spikes, but"
                        " slower; g++ knows them all (set CXX)",
                        stacklevel=2,
                    )
                folder, compiled = _compile(snn, plan)
                if manifest_of(folder) is None:  # of another network with the same code: damaged
                    shutil.rmtree(folder, ignore_errors=True)
                    folder, compiled = _compile(snn, plan)
                with atomic(entry) as part:
                    part.write_text(folder.name)
    return Program(folder, manifest_of(folder) or {}, compiled)


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """What a cached program can be given and gives; None where there is none, or it is damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        size = (folder / "main").stat().st_size
        whole = size == manifest["size"] and os.access(folder / "main", os.X_OK)
        return manifest if whole and {"variables", "watched"} <= set(manifest) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _compile(snn: SpikingNetwork, plan: Plan) -> tuple[Path, bool]:
    """Generate, and compile what is new, in a process of its own.

    Returns
    -------
    folder : Path
        Of the program; it appears when all is well.
    compiled : bool
        False where another network, or an earlier version of BioNet, had the same code.
    """
    try:
        with temporary_folder("part.", cache_folder()) as part:
            write_outline(snn, part / OUTLINE)
            (part / "plan.json").write_text(json.dumps(program_plan(snn, plan).to_dict()))
            (part / "structure.json").write_text(json.dumps(structure(snn, plan), sort_keys=True))
            code, output = _run_with_children([sys.executable, *COMPILER, part])
            if code:
                log = cache_folder() / "last_failure.txt"
                log.write_text(output)
                lines = [s for s in output.strip().splitlines() if s.strip()]
                why = next(
                    (s for s in lines if "error:" in s), lines[-1] if lines else "no message"
                )
                raise BioNetError(f"compiling the simulation failed: {why} (whole log: {log})")
            (part / OUTLINE).unlink()
            folder = cache_folder() / (part / PROGRAM_KEY).read_text()
            if (part / MANIFEST).exists() and not (folder / MANIFEST).exists():
                try:
                    part.replace(folder)
                except OSError:  # another process has just put the same program there
                    if not (folder / MANIFEST).exists():
                        raise
                else:
                    return folder, True
            return folder, False
    except OSError as error:
        raise BioNetError(
            f"the cache of programs {cache_folder()} was removed or changed while a program was"
            f" compiled ({reason(error)}); simulate again, or set BIONET_CACHE to another folder"
        ) from error


def _run_with_children(command: list[Any]) -> tuple[int, str]:
    """Exit code and output of a command; whatever it started ends with it if we are stopped."""
    with contextlib.ExitStack() as stack:
        with postponed():
            process = subprocess.Popen(
                [str(word) for word in command],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            stack.callback(_kill_group, process)
        output, _ = process.communicate()
        stack.pop_all()
        return process.returncode, output


def _kill_group(process: subprocess.Popen[str]) -> None:
    """End a process that leads its session, and whatever it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Values(Mapping[str, np.ndarray]):
    """Values at hand, and weights that are packed when they are asked for."""

    def __init__(
        self,
        values: Mapping[str, np.ndarray],
        later: Mapping[str, Callable[[], Iterator[np.ndarray]]],
    ) -> None:
        self.values_at_hand, self.later = values, later

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.later:
            return self.values_at_hand[name]
        return np.concatenate(list(self.parts(name)))

    def parts(self, name: str) -> Iterator[np.ndarray]:
        """A value from its beginning to its end, of large ones some at a time."""
        if name not in self.later:
            yield self.values_at_hand[name]
            return
        for rows in self.later[name]():
            yield rows.reshape(-1)

    def __iter__(self) -> Iterator[str]:
        yield from self.values_at_hand
        yield from self.later

    def __len__(self) -> int:
        return len(self.values_at_hand) + len(self.later)


def program_values(
    snn: SpikingNetwork, plan: Plan, n_images: int, seed: int
) -> Mapping[str, np.ndarray]:
    """Values that a program takes at its start: weights, parameters, counts.

    Returns
    -------
    mapping of str to array
        ``group.variable`` -> value, channel-last and repeated for every lane. Weights are packed
        when they are asked for, so that those of one projection are in memory at a time.
    """
    values: dict[str, np.ndarray] = {
        "presentation.steps": np.array(plan.steps),
        "presentation.n_images": np.array(n_images),
        "presentation.check_every": np.array(plan.check_every),
        "presentation.frame_steps": np.array(plan.frame_steps or plan.steps),
        "presentation.sparse": np.array(int(plan.sparse)),
        "presentation.carries_over": np.array(int(plan.carries_over)),
        **{
            f"presentation.{word}": np.array(value)
            for word, value in zip(("seed_low", "seed_high"), seed_words(seed), strict=True)
        },
    }
    if plan.period:
        values["presentation.period"] = np.array(plan.period)
        for name, (first, last, _) in plan.active.items():
            values[f"presentation.first_{name}"] = np.array(first)
            values[f"presentation.last_{name}"] = np.array(last)
    observed = set(plan.active) - set(guarded(plan))
    for name in guarded(program_plan(snn, plan)):
        # What is looked at does not rest: its potential leaks on.
        bounds = (0, NEVER_OVER, 0) if name in observed else plan.active[name]
        for bound, step in zip(BOUNDS, bounds, strict=True):
            values[f"{name}.{bound}"] = np.array(step)
    values |= _recorded_values(snn, plan)
    driven = plan.driven(snn)
    later: dict[str, Callable[[], Iterator[np.ndarray]]] = {}
    for population in (plan.input, *snn.populations):
        for name, value in population.parameters.items():
            if name == "x":
                continue
            if name == population.model.current and population.name in driven:
                whole = np.broadcast_to(value, population.shape)
                initial = to_channel_last(whole, population.shape)
                values[f"presentation.{population.name}_{name}_initial"] = initial
                continue
            if value.ndim:  # a number for each unit of a large network is asked for when it's sent
                each = functools.partial(_of_lanes, value, population.shape, plan.lanes)
                later[f"{population.name}.{name}"] = each
            else:
                values[f"{population.name}.{name}"] = value
        for name, value in initial_values(population).items():
            if np.ndim(value):
                initial = to_channel_last(np.asarray(value), population.shape)
                values[f"presentation.{population.name}_{name}_initial"] = initial
        model = population.model
        if draws(model):
            order = to_channel_last(
                np.arange(population.size).reshape(population.shape), population.shape
            )
            values[f"{population.name}.unit"] = np.tile(order, plan.lanes)
    models = {p.name: p.model for p in snn.populations}
    for name, projection in zip(synapse_names(snn), snn.projections, strict=True):
        shapes = snn.shape(projection.source), snn.shape(projection.target)
        drives = plan.drives_current and projection.source == "input"
        factor = delivery(projection, models[projection.target], drives=drives).factor
        if isinstance(projection.kernel, Dense):  # most of a large network's memory, and no table
            later[f"{name}.weights"] = functools.partial(
                dense_rows, projection.kernel, *shapes, plan.dtype, factor
            )
        else:
            packed = pack(projection.kernel, *shapes, plan.dtype, factor)
            values[f"{name}.weights"] = packed.weights
            if packed.table is not None:
                values[f"{name}.table"] = packed.table
        steps = queued_steps(snn, projection, plan.dt)
        jitter = jitter_of(projection, plan.dt, 0)
        if slots := needed_slots(steps + (jitter.reach if jitter else 0)):
            flat = to_channel_last(steps, steps.shape)
            values[f"{name}._delays"] = np.tile(flat, plan.lanes)
        if jitter is not None:
            values[f"{name}._bounds"] = jitter.packed(slots)
    return _Values(values, later)


def _of_lanes(value: np.ndarray, shape: tuple[int, ...], lanes: int) -> Iterator[np.ndarray]:
    """A parameter of every unit, channel-last, once for each lane."""
    flat = to_channel_last(value, shape)
    for _ in range(lanes):
        yield flat


def _recorded_values(snn: SpikingNetwork, plan: Plan) -> dict[str, np.ndarray]:
    """What a program is to record of each step, and to keep at the end of presentations."""
    values = {f"presentation_end.record_{name}": np.array(1) for name in plan.spikes}
    for key, units in plan.potentials.items():
        name, variable = recorded_variable(snn, key)
        label = f"{name}_{variable}"
        order = torch_index(snn.shape(name))
        places = np.argsort(order)[slice(None) if units is None else np.asarray(units, dtype=int)]
        padded = np.zeros(order.size, dtype=np.int32)
        padded[: len(places)] = places
        values[f"presentation_end.units_{label}"] = padded
        values[f"presentation_end.n_units_{label}"] = np.array(len(places))
    for kept in plan.kept:
        if kept[:2] in recordable(snn, plan):
            values[f"presentation_end.keep_{kept.population}_{kept.variable}"] = np.array(1)
    return values
