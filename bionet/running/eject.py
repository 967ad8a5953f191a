"""A spiking network as a readable Brian2 script that runs without BioNet.

The script holds every equation as text, plain ``NeuronGroup`` and Brian2's own ``Synapses`` with an
explicit weight each, and the schedule that makes layers synchronous. Sums have the order that
:mod:`bionet.simulate` has on every device, and ``rand()`` is the same counter-based generator, so
the spikes are the same to the last one, Poisson input included. What only BioNet's own objects can
do is refused by name.
"""

from __future__ import annotations

import io
import keyword
import re
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import Hz, Quantity, check_units, second

from bionet.brian.assemble import queued_steps, synapse_names
from bionet.brian.plan import Plan
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.files import atomic
from bionet.inputs.stimulus import Stimulus
from bionet.kinds import typed
from bionet.network import Population, Projection, SpikingNetwork
from bionet.network.input_population import input_of
from bionet.network.signal import FrameSignal
from bionet.running.arguments import make_plan
from bionet.running.eject_axons import axons_of, turns
from bionet.running.eject_parts import (
    Request,
    describe_population,
    describe_synapses,
    is_largest,
    number,
    script_population,
    uses_random_numbers,
)
from bionet.running.eject_random import drawn, random_functions
from bionet.running.shown import shown
from bionet.templates import rendered
from bionet.versions import VERSION

__all__ = ["MAX_SYNAPSES", "eject"]

MAX_SYNAPSES = 5_000_000
"""Brian2 keeps every synapse (LeNet-5's 2.3 million in 220 MB), and the script stores it."""

KNOWN_FIELDS = {
    "SpikingNetwork": "populations projections input_shape readout method coding metadata"
    " simulation code origin relays perturbations",
    "Population": "name shape model parameters",
    "Projection": "source target kernel delay delay_spread delay_seed sign variable event gain",
    "NeuronModel": "name equations threshold reset refractory update method parameters initial"
    " events input amplitude source potential current inputs resets leaks spike final",
    "InputModel": "drives pixels signed factor summary",
}


@typed
@check_units(duration=second, dt=second, max_rate=Hz)
def eject(
    snn: SpikingNetwork,
    path: str | Path,
    images: np.ndarray | Stimulus | None = None,
    duration: Quantity | None = None,
    dt: Quantity | None = None,
    *,
    coding: str | NeuronModel | None = None,
    max_rate: Quantity | None = None,
    dtype: str = "float64",
    seed: int = 0,
    force: bool = False,
) -> list[Path]:
    """Write a network as a stand-alone Brian2 script, its weights in an ``.npz`` file beside it.

    Parameters
    ----------
    snn : SpikingNetwork
    path : str or Path
        The script, ending in ``.py``; the arrays get the same name and ``.npz``.
    images : array (n_images, *input_shape), optional
        Images that the script brings along; without them it takes a file of images.
    duration, dt : Quantity
        Length of a presentation and simulation step, in units of time.
    coding, max_rate, dtype, seed
        As for :func:`bionet.simulate`, whose spikes the script repeats (the same ``dtype``
        provided: the script's default is float64).
    force : bool
        Write a network of more than ``MAX_SYNAPSES`` synapses, too.

    Returns
    -------
    list of Path
        The script and its arrays.

    Raises
    ------
    InputError
        If the network is large, or has what plain Brian2 synapses cannot repeat spike for spike.
    """
    path = Path(path)
    if path.suffix != ".py":
        raise InputError(f"the script's name ends in .py, such as script.py, but is {path}")
    if snn.n_synapses > MAX_SYNAPSES and not force:
        raise InputError(
            f"the network has {snn.n_synapses:,} synapses, and a plain Brian2 script keeps every"
            f" one (some {snn.n_synapses / 2e7:.1f} GB); above {MAX_SYNAPSES:,} give --force"
            " (force=True), or use bionet.build, which stores shared weights once"
        )
    settings: dict[str, Any] = {
        "coding": coding, "max_rate": max_rate, "lanes": 1, "dtype": dtype, "record": None,
    }  # fmt: skip
    pixels = None
    if images is None:
        duration, dt = snn.times(duration, dt)
        plan = make_plan(snn, duration=duration, dt=dt, **settings)
    else:
        plan, presented = shown(snn, images, duration=duration, dt=dt, **settings)
        if (
            not isinstance(presented.signal, FrameSignal)
            or np.ptp(presented.steps)
            or plan.frame_steps
        ):
            raise InputError(
                f"eject: a script shows one static image, but it was given"
                f" {presented.stimulus.kind} that change or differ in time; eject the network with"
                " static images, or use bionet.build"
            )
        pixels = presented.signal.frames[:, 0]
    text, arrays = script(snn, plan, path, pixels, seed)
    # The script last: where it stands, its arrays do.
    written = _write_arrays(path.with_suffix(".npz"), arrays)
    return [_write_text(path, text), written]


def script(
    snn: SpikingNetwork, plan: Plan, path: Path, images: np.ndarray | None, seed: int
) -> tuple[str, dict[str, np.ndarray]]:
    """The text of the script and the arrays that it reads."""
    populations = (plan.input, *snn.populations)
    _check(snn, plan, populations)
    populations = tuple(script_population(p) for p in populations)
    request = Request(snn, plan, populations, variable_names(snn))
    axons = axons_of(snn, request.variables, plan.dt)
    arrays: dict[str, np.ndarray] = {} if images is None else {"images": images}
    arrays |= {f"{a.name}_steps": a.steps for a in axons.values()}
    shown = populations[1:] if plan.drives_current else populations
    groups = [describe_population(request, p, arrays) for p in shown]
    names = synapse_names(snn)
    synapses = [
        describe_synapses(request, q, name, rank(snn, name, names), arrays, axons.get(name))
        for name, q in zip(names, snn.projections, strict=True)
    ]
    stochastic = uses_random_numbers(populations)
    calls = drawn(str(groups))
    dt_text = number(plan.dt, "second")
    values = str([group["assignments"] for group in groups])
    units = {word for text in (dt_text, values) for word in ("ms", "second", "Hz")
             if re.search(rf"[0-9.] \* {word}\b", text)}  # fmt: skip
    imports = {"Network", "NeuronGroup", "SpikeMonitor", "Synapses", "defaultclock", "prefs"}
    imports |= units | ({"check_units"} if stochastic else set())
    text = rendered(
        "bionet.running",
        "eject.py.jinja",
        trimmed=False,
        title=f"A spiking network of {snn.n_units:,} units in Brian2, made by method"
        f" {_plain(snn.method)}.",
        summary=summary(snn, plan),
        script=path.name,
        arrays_file=path.with_suffix(".npz").name,
        n_images=0 if images is None else len(images),
        version=VERSION,
        hash=snn.hash(),
        dt_text=dt_text,
        imports=import_line(imports),
        shapes={p.name: p.shape for p in shown},
        input_shape=snn.input_shape,
        stochastic=stochastic,
        random_functions=random_functions(calls, plan.dtype),
        calls=calls,
        axons=list(dict.fromkeys(axons.values())),
        turns=turns(tuple(p.name for p in shown), axons),
        seed=seed,
        dtype=plan.dtype,
        drive_gain=input_of(plan.input).factor,
        populations=groups,
        synapses=synapses,
        steps=plan.steps,
        readout={
            "variable": snn.population(snn.readout.potential).model.potential,
            "potential": request.variables[snn.readout.potential],
            "potential_name": snn.readout.potential,
            "spikes_name": snn.readout.spikes,
            "default": snn.readout.default,
            "once": snn.code is not None and snn.code.once,
        },
    )
    return text, arrays


def import_line(names: set[str]) -> str:
    """What the script takes from Brian2, in the order and the lines that formatters give it."""
    ordered = sorted(names, key=lambda name: (not name[0].isupper(), name))
    line = f"from brian2 import {', '.join(ordered)}"
    return (
        line
        if len(line) <= 100
        else "from brian2 import (\n    " + ",\n    ".join(ordered) + ",\n)"
    )


def summary(snn: SpikingNetwork, plan: Plan) -> str:
    """The network in some words, for the head of the script."""
    sizes = ", ".join(f"{name} {'x'.join(map(str, snn.shape(name)))}" for name in snn.names)
    model = input_of(plan.input)
    values = {name: float(v) for name, v in plan.input.parameters.items() if not v.ndim}
    coding = model.summary.format_map(values) if model.summary else f"input coding {model.name}"
    text = (
        f"Populations: {sizes}. {snn.n_synapses:,} synapses. Input: {coding}. An image is shown"
        f" for {plan.steps:,} steps. The default readout is {snn.readout.default}."
    )
    return "\n".join(textwrap.wrap(text, 98))


def variable_names(snn: SpikingNetwork) -> dict[str, str]:
    """Python names of the script's groups: a population's own unless the script needs the word."""
    taken = {"input", "np", "argparse", "prefs", "arrays", "images", "pixels", "network", "order"}
    taken |= {"slots", "monitors", "name", "monitor", "counts", "potential", "found", "current"}
    taken |= {"parser", "options", "ms", "second", "SEED", "print", "int", "str", "len", "step"}
    taken |= {"unit", "rows", "own_slots", "torch_index", "channels_last", "defaultclock", "Path"}
    taken |= {"Network", "NeuronGroup", "SpikeMonitor", "Synapses", "Hz", "HERE", "SHAPES"}
    taken |= {
        "check_units",
        "counter_uniform",
        "warnings",
        "stored",
        "i",
        "j",
        "w",
    }
    taken |= {"IMAGE_SHAPE", "classes", "first", "last", "ranked"}
    return {
        name: f"{name}_units" if name in taken or keyword.iskeyword(name) else name
        for name in snn.names
    }


def rank(snn: SpikingNetwork, name: str, names: tuple[str, ...]) -> int:
    """Place among the synapses of the same target, by name as Brian2 sorts them; 0 if alone."""
    targets = dict(zip(names, (q.target for q in snn.projections), strict=True))
    together = sorted(other for other in names if targets[other] == targets[name])
    return together.index(name)


def _check(snn: SpikingNetwork, plan: Plan, populations: tuple[Population, ...]) -> None:
    """Refuse what a script of plain Brian2 objects would not repeat spike for spike."""
    for described in (snn, *populations, *snn.projections, *(p.model for p in populations)):
        _check_fields(described)
    for projection in snn.projections:
        _check_projection(snn, projection, plan, populations)


def _check_fields(described: Any) -> None:
    """Refuse fields that this module does not know, unless they have their default value."""
    kind = type(described).__name__
    bases = (base.__name__ for base in type(described).__mro__)
    names = {name for base in bases for name in KNOWN_FIELDS.get(base, "").split()}
    for field in fields(described):
        if field.name in names:
            continue
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if getattr(described, field.name) != default:
            raise InputError(
                f"eject: {kind} {getattr(described, 'name', '')!r} sets {field.name!r}, which a"
                " script cannot express; use bionet.build"
            )


def _check_projection(
    snn: SpikingNetwork, projection: Projection, plan: Plan, populations: tuple[Population, ...]
) -> None:
    source = next(p for p in populations if p.name == projection.source)
    steps = queued_steps(snn, projection, plan.dt)
    delay = int(np.max(steps))
    once = source.model.spike == "once"
    plain = projection.kernel.kind in ("dense", "conv2d", "average_pool2d", "one_to_one", "sparse")
    # What is set once never falls, so that the largest of a pool is kept spike by spike.
    if not plain and not (once and is_largest(projection.kernel)):
        raise InputError(
            f"eject: projection {projection.name} has the kernel {projection.kernel.kind!r}, which"
            " plain synapses cannot express; use bionet.build"
        )
    if source.name == "input" and plan.drives_current and delay:
        raise InputError(
            f"eject: projection {projection.name} delays an analog input; use a spiking coding"
        )
    spikes = source.name != "input" and projection.event == "spike"
    varies = source.model.amplitude is not None and spikes
    if varies and delay and (not once or np.ptp(steps)):
        raise InputError(
            f"eject: projection {projection.name} delays spikes whose amplitude varies; Brian2's"
            " synapses read it when a spike arrives, not when it was emitted; use bionet.build"
        )


def _plain(text: str) -> str:
    """Text that cannot end a string or a comment of the script."""
    return "".join(c for c in text if c.isalnum() or c in " -_.,+")


def _write_text(path: Path, text: str) -> Path:
    with atomic(path) as part:
        part.write_text(text)
    return path


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    held = io.BytesIO()
    np.savez_compressed(held, allow_pickle=False, **arrays)
    with atomic(path) as part:
        part.write_bytes(held.getvalue())
    return path
