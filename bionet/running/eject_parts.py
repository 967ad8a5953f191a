"""The parts of an ejected script: its groups and synapses as text and arrays."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import brian2
import numpy as np
from brian2.equations.equations import DIFFERENTIAL_EQUATION, SUBEXPRESSION, SingleEquation
from brian2.units.fundamentalunits import DIMENSIONLESS

from bionet.brian.assemble import queued_steps
from bionet.brian.channel_last import to_channel_last
from bionet.brian.groups import UPDATE_SITE, equations_of
from bionet.brian.model_code import draws, of_presentation, running_code, uses_step
from bionet.brian.normal_numbers import numbered
from bionet.brian.plan import Plan
from bionet.brian.unit_targets import Targets
from bionet.equations.inputs import FOREVER
from bionet.equations.model import NeuronModel
from bionet.equations.randomness import first_sites
from bionet.network import Population, Projection, SpikingNetwork
from bionet.network.delivery import delivery
from bionet.network.initial_values import initial_values
from bionet.network.kernels import Kernel
from bionet.running.eject_axons import Axons

__all__ = [
    "Request",
    "describe_population",
    "describe_synapses",
    "is_largest",
    "number",
    "script_population",
    "synapse_arrays",
    "uses_random_numbers",
]

EMBEDDED = 70
"""Arrays whose text is at most so long stand in the script itself."""


def uses_random_numbers(populations: Sequence[Population]) -> bool:
    """Whether any population calls ``rand()``."""
    return any(draws(p.model) for p in populations)


def number(value: float, unit: str) -> str:
    """A value as Python writes it, exactly, in a unit that reads well: ``20 * ms``."""
    if unit == "second":
        in_ms = round(value * 1e3, 9)
        return f"{in_ms:g} * ms" if float(f"{in_ms:g}") * 0.001 == value else f"{value!r} * second"
    if unit == "hertz":
        return f"{value:g} * Hz" if float(f"{value:g}") == value else f"{value!r} * Hz"
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def script_population(population: Population) -> Population:
    """The population with equations that Brian2's own ``Synapses`` can read.

    They take ``start`` and ``stop`` of a group for its first and last unit, so a variable of that
    name gets another. The factor with which an input falls silent is left out where it never does.
    """
    model = population.model
    values: dict[str, Any] = dict(population.parameters)
    stop = values.get("stop")
    silence = "*int(step < stop)"
    if stop is not None and float(stop) >= FOREVER and silence in model.equations:
        lines = model.equations.replace(silence, "").splitlines()
        equations = "\n".join(line for line in lines if not line.startswith("stop "))
        kept = {name: v for name, v in model.parameters.items() if name != "stop"}
        model = replace(model, equations=equations, parameters=kept)
        del values["stop"]
    for name in ("start", "stop"):
        if name in model.dimensions:
            model = _renamed(model, name, f"{name}_step")
            values[f"{name}_step"] = values.pop(name)
    if model is population.model:
        return population
    values = {name: model.quantity(name, value) for name, value in values.items()}
    return Population(population.name, population.shape, model, values)


def _renamed(model: NeuronModel, old: str, new: str) -> NeuronModel:
    """The model with one of its variables under another name."""

    def text(code: str | None) -> str | None:
        return None if code is None else re.sub(rf"\b{old}\b", new, code)

    strings = ("equations", "threshold", "reset", "refractory", "update", "input", "amplitude")
    changes: dict[str, Any] = {name: text(getattr(model, name)) for name in strings}
    for name in ("parameters", "initial"):
        changes[name] = {text(key): value for key, value in getattr(model, name).items()}
    changes["events"] = {event: text(code) for event, code in model.events.items()}
    return replace(model, **changes)


def describe_population(
    request: Request, population: Population, arrays: dict[str, np.ndarray]
) -> dict[str, Any]:
    """A ``NeuronGroup`` of the script; larger parameter arrays go to ``arrays``."""
    model, name = population.model, population.name
    site = first_sites([p.name for p in request.populations])[name]
    analog = request.plan.drives_current
    driven = analog and any(
        q.source == "input" and q.target == name for q in request.snn.projections
    )
    equations = equations_of(population, driven, site)
    lines = [_line(equation) for equation in equations.values()]
    if uses_step(model):
        lines.append("step = t_in_timesteps : integer (shared)")
    shape = " x ".join(map(str, population.shape))
    size = f"{population.size:,} units" if population.size > 1 else "1 unit"
    shown = f"{shape} = {size}" if len(population.shape) > 1 else size
    comment = [f"{name}: {shown}, {_one_line(model.name)}"]
    if model.source:
        comment.append(f"({_one_line(model.source)})")
    return {
        "name": name,
        "variable": request.variables[name],
        "size": population.size,
        "comment": [part for line in comment for part in textwrap.wrap(line, 98)],
        "equations": [_folded(line) for line in lines],
        "arguments": _arguments(population, request.plan.dtype, site),
        "assignments": _assignments(request, population, equations, arrays),
        "each_step": _each_step(model, site),
        "fires": model.threshold is not None,
        "kept": _kept(model),
    }


def _each_step(model: NeuronModel, site: int) -> list[str]:
    """The lines of a model's update; its normal numbers are filled in first."""
    update, normals = numbered(of_presentation(model.update), site + UPDATE_SITE + 1)
    filled = [
        f"{name} = unit_normal(seed_low, seed_high, stream, i, step, {number})"
        for name, number in normals.items()
    ]
    running = running_code(update, site + UPDATE_SITE + len(normals))
    return [_folded(line) for line in [*filled, *(running or "").splitlines()]]


def _folded(line: str) -> str:
    """A line of code in a string, continued with backslashes where it is long."""
    return " \\\n".join(textwrap.wrap(line, 94, subsequent_indent=" " * 8, break_long_words=False))


def _kept(model: NeuronModel) -> list[str]:
    """Variables whose last values belong to the spikes: how late the clock saw them, sums."""
    once = [model.amplitude] if model.spike == "once" and model.amplitude else []
    return list(dict.fromkeys([*once, *model.final]))


def is_largest(kernel: Kernel) -> bool:
    """Whether a spike sets its targets to the largest estimate of their pools."""
    return getattr(kernel, "rule", None) == "count"


def _arguments(population: Population, dtype: str, site: int) -> list[str]:
    model = population.model
    arguments = []
    if model.threshold is not None:
        arguments.append(f"threshold={running_code(model.threshold, site)!r}")
        arguments.append(f"reset={running_code(model.reset, site + 10) or ''!r}")
    # An input's onset only says that its presentation begins: a script has one.
    shown = {e: c for e, c in model.events.items() if (population.name, e) != ("input", "onset")}
    if shown:
        events = ", ".join(f"{e!r}: {running_code(c, site + 30)!r}" for e, c in shown.items())
        arguments.append(f"events={{{events}}}")
    if model.refractory is not None:
        arguments.append(f"refractory={model.refractory!r}")
    arguments.append(f'method="{model.method}"')
    # A phase is a long sum of small steps, so it is always double.
    narrow = "phase" in model.dimensions and dtype == "float32"
    if narrow:
        floats = [n for n, e in model.brian().items() if e.var_type in (0, "float")]
        types = [f'    "{n}": np.{"float64" if n == "phase" else dtype},' for n in floats]
        arguments.append("\n    ".join(["dtype={", *types, "}"]))
    else:
        arguments.append(f"dtype=np.{dtype}")
    return [text.replace("'", '"') if '"' not in text else text for text in arguments]


def _assignments(
    request: Request,
    population: Population,
    equations: Mapping[str, SingleEquation],
    arrays: dict[str, np.ndarray],
) -> list[str]:
    """Values of the parameters, of the initial state and of what a coding needs."""
    variable, lines = request.variables[population.name], []
    for name, value in population.parameters.items():
        if population.name == "input" and name == "x":
            continue
        target = f"{variable}.{name}"
        unit = _unit(equations[name])
        if value.ndim:
            flat = to_channel_last(value, population.shape)
            if unit == "1" and len(text := str(flat.tolist())) <= EMBEDDED:
                lines.append(f"{target} = {text}")
                continue
            arrays[f"{population.name}_{name}"] = flat
            # The underscore sets a value without its unit.
            target, comment = (target, "") if unit == "1" else (f"{target}_", f"  # {unit}")
            lines.append(f'{target} = arrays["{population.name}_{name}"]{comment}')
        elif unit in ("1", "second", "hertz"):
            lines.append(f"{target} = {number(float(value), unit)}")
        else:
            lines.append(f"{target}_ = {float(value)!r}  # in units of {unit}")
    for name, initial in initial_values(population).items():
        if np.ndim(initial) and np.ptp(initial):
            arrays[f"{population.name}_{name}"] = to_channel_last(
                np.asarray(initial), population.shape
            )
            text = f'arrays["{population.name}_{name}"]'
            lines.append(f"{variable}.{name}_ = {text}  # when an image begins")
        elif first := float(np.ravel(initial)[0]):
            lines.append(f"{variable}.{name}_ = {first!r}  # when an image begins")
    if population.name == "input":
        lines.append(f"{variable}.x = pixels")
    if draws(population.model):
        lines.append(f"{variable}.stream = options.image")
        lines.append(f'{variable}.unit = torch_index("{population.name}")')
    return lines


def _unit(equation: SingleEquation) -> str:
    return "1" if equation.dim is DIMENSIONLESS else repr(brian2.get_unit(equation.dim))


def _line(equation: SingleEquation) -> str:
    """One equation as Brian2 reads it."""
    name = equation.varname
    left = f"d{name}/dt" if equation.type == DIFFERENTIAL_EQUATION else name
    kinds = (DIFFERENTIAL_EQUATION, SUBEXPRESSION)
    left += f" = {' '.join(str(equation.expr).split())}" if equation.type in kinds else ""
    unit = "integer" if equation.var_type in (1, "integer") else _unit(equation)
    unit = "boolean" if equation.var_type in (2, "boolean") else unit
    flags = f" ({', '.join(equation.flags)})" if equation.flags else ""
    return f"{left} : {unit}{flags}"


def describe_synapses(
    request: Request,
    projection: Projection,
    name: str,
    order: int,
    arrays: dict[str, np.ndarray],
    axons: Axons | None = None,
) -> dict[str, Any]:
    """A ``Synapses`` of the script, its indices and weights in ``arrays``."""
    snn = request.snn
    models = {p.name: p.model for p in request.populations}
    source, target = models[projection.source], models[projection.target]
    analog = projection.source == "input" and request.plan.drives_current
    event = "spike" if "onset" in source.events else projection.event
    graded = source.amplitude is not None and event == "spike"
    delivered = delivery(projection, target, drives=analog)
    i, j, w = synapse_arrays(
        projection.kernel,
        snn.shape(projection.source),
        snn.shape(projection.target),
        request.plan.dtype,
        delivered.factor,
    )
    unit = _unit(target.brian()[delivered.variable])
    # A neuron may have a variable w, such as the adaptation of adex.
    weight = "w_syn" if "w" in {*source.dimensions, *target.dimensions} else "w"
    if delivered.sign and not graded:
        kept = np.sign(w) == delivered.sign
        i, j, w = i[kept], j[kept], w[kept]
    arrays |= {f"{name}_i": i, f"{name}_j": j, f"{name}_w": w}
    delay = 0 if axons else int(np.max(queued_steps(snn, projection, request.plan.dt)))
    effect = _passed(f"{weight}*{source.amplitude}_pre", delivered.sign, unit) if graded else weight
    on_pre = f"{delivered.variable}_post += {effect}"
    if is_largest(projection.kernel):
        largest = f"{weight}*{getattr(projection.kernel, 'estimate', '')}_pre"
        on_pre = f"{delivered.variable}_post = clip({delivered.variable}_post, {largest}, inf)"
    return {
        "name": name,
        "variable": name,
        "analog": analog,
        "empty": not len(w),
        "source": axons.name if axons else request.variables[projection.source],
        "target": request.variables[projection.target],
        "target_name": projection.target,
        "comment": _comment(projection, len(w), analog, delay),
        "unit": unit,
        "weight": weight,
        "receiver": delivered.variable,
        "effect": _signed("w * pixels[i]", delivered.sign, "np.", "np.inf"),
        "on_pre": on_pre,
        "event": "spike" if axons else event,
        "delay": delay,
        "order": order,
    }


def _signed(effect: str, sign: int, module: str = "", infinity: str = "inf") -> str:
    """The part of an effect that raises (1) or lowers (-1) its target; all of it for 0."""
    limits = {1: f"0, {infinity}", -1: f"-{infinity}, 0"}
    return f"{module}clip({effect}, {limits[sign]})" if sign else effect


def _passed(effect: str, sign: int, unit: str) -> str:
    """As :func:`_signed`, of an effect that may have a unit."""
    if unit == "1" or not sign:
        return _signed(effect, sign)
    return f"{effect}*int({effect} {'>' if sign > 0 else '<'} 0*{unit})"


def _comment(projection: Projection, n_synapses: int, analog: bool, delay: int) -> list[str]:
    text = f"{projection.source} -> {projection.target}: {projection.kernel.in_words()}"
    lines = [f"{text}, {n_synapses:,} synapse{'' if n_synapses == 1 else 's'}"]
    if projection.event != "spike":
        lines.append(f"They pass on the event {projection.event!r}, not spikes.")
    if projection.sign:
        kept = "raises" if projection.sign > 0 else "lowers"
        lines.append(f"They pass only what {kept} the potential of their target.")
    if delay:
        lines.append(f"A spike arrives {delay} steps after it was emitted.")
    if analog:
        lines.append("The image is a constant current, added to the bias: I = W x + b.")
    return lines


def synapse_arrays(
    kernel: Kernel,
    source: tuple[int, ...],
    target: tuple[int, ...],
    dtype: str,
    factor: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every synapse of a kernel: source, target and weight, sorted by source, then target.

    Parameters
    ----------
    kernel : Kernel
    source, target : tuple of int
        Shapes in PyTorch's order; the indices are channel-last.
    dtype : str
        Type of the weights.
    factor : float
        What every weight is multiplied with.

    Returns
    -------
    i, j : int32 arrays (n_synapses,)
    w : array (n_synapses,)
    """
    targets = Targets(kernel, source, target, dtype, factor)
    rows = [targets[unit] for unit in range(int(np.prod(source)))]
    lengths = [len(where) for where, _ in rows]
    i = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
    j = np.concatenate([where for where, _ in rows]).astype(np.int32)
    w = np.concatenate([weights for _, weights in rows]).astype(dtype)
    return i, j, w


def _one_line(text: str) -> str:
    return " ".join(text.split())


@dataclass(frozen=True)
class Request:
    """What a script is written for: network, plan, seed and the names its variables have."""

    snn: SpikingNetwork
    plan: Plan
    populations: tuple[Population, ...]
    variables: Mapping[str, str]
