"""A population as a NeuronGroup of ``lanes`` images side by side."""

from __future__ import annotations

from typing import Any

import brian2
import numpy as np
from brian2.equations.codestrings import Expression
from brian2.equations.equations import Equations, SingleEquation

from bionet.brian.channel_last import to_channel_last, torch_index
from bionet.brian.idle_steps import guard, guarded
from bionet.brian.inhibition import LateralInhibition
from bionet.brian.model_code import (
    draws,
    expressions,
    is_idle,
    of_frame,
    of_presentation,
    running_code,
)
from bionet.brian.normal_numbers import numbered
from bionet.brian.plan import Plan
from bionet.equations.model import NeuronModel, loops
from bionet.equations.randomness import (
    COUNTER_NORMAL,
    COUNTER_NORMAL_IF,
    COUNTER_UNIFORM,
)
from bionet.network import Population
from bionet.network.initial_values import initial_values

__all__ = ["equations_of", "inhibition_of", "neuron_group", "normals_of"]

UPDATE_SITE = 20  # where the random numbers of an update begin, among a population's


def equations_of(population: Population, driven: bool, site: int) -> Equations:
    """The model's equations; a parameter with one value for all units becomes shared."""
    running, lines = expressions(population.model, site + 40), []
    for name, equation in population.model.brian().items():
        flags = list(equation.flags)
        per_unit = np.ndim(population.parameters.get(name, 0.0)) > 0
        per_unit |= name == "x" or (name == population.model.current and driven)
        if "constant" in flags and not per_unit and "shared" not in flags:
            flags.append("shared")
        lines.append(
            SingleEquation(
                equation.type,
                name,
                equation.dim,
                var_type=equation.var_type,
                expr=Expression(running[name]) if name in running else None,
                flags=flags,
            )
        )
    if draws(population.model):
        lines += list(Equations("stream : integer (constant)\nunit : integer (constant)").values())
    for name in normals_of(population.model, site):
        lines += list(Equations(f"{name} : 1").values())
    return Equations(lines)


def normals_of(model: NeuronModel, site: int) -> dict[str, int]:
    """Arrays of normal numbers that the model's update takes, and the site of each."""
    return numbered(of_presentation(model.update), site + UPDATE_SITE + 1)[1]


def neuron_group(population: Population, plan: Plan, clock: Any, driven: bool, site: int) -> Any:
    """The NeuronGroup of a population; ``driven`` where an analog input gives it a drive.

    Its calls of ``rand()`` are numbered from ``site`` on.
    """
    model = population.model
    name = population.name
    group = brian2.NeuronGroup(
        population.size * plan.lanes,
        equations_of(population, driven, site),
        threshold=running_code(model.threshold, site),
        reset=running_code(model.reset, site + 10) or ("" if model.threshold else None),
        refractory=model.refractory if model.refractory is not None else False,
        events={
            e: running_code(of_frame(code) if population is plan.input else code, site + 30)
            for e, code in model.events.items()
        },
        method=model.method,
        namespace={
            **model.namespace,
            "counter_uniform": COUNTER_UNIFORM,
            "counter_normal": COUNTER_NORMAL,
            "counter_normal_if": COUNTER_NORMAL_IF,
        },
        dtype=_dtypes(model, plan) | dict.fromkeys(normals_of(model, site), np.dtype(plan.dtype)),
        clock=clock,
        name=name,
    )
    for variable, value in population.parameters.items():
        if value.ndim:
            value = np.tile(to_channel_last(value, population.shape), plan.lanes)
        group.variables[variable].set_value(value)
    if draws(model):
        group.variables["unit"].set_value(np.tile(torch_index(population.shape), plan.lanes))
    update, normals = numbered(of_presentation(model.update), site + UPDATE_SITE + 1)
    first = site + UPDATE_SITE + len(normals)
    for number, loop in enumerate(loops(running_code(update, first))):
        group.run_regularly(
            loop,
            clock=clock,
            when=f"update_{name}",
            order=number,
            name=f"{name}_update" + (f"_{number}" if number else ""),
        )
    group.state_updater.when = f"integrate_{name}"
    for thresholder in group.thresholder.values():
        thresholder.when = f"threshold_{name}"
        thresholder.template = "lane_threshold"
        thresholder.template_kwds["lanes"] = plan.lanes
    if model.threshold and not model.reset:  # an empty reset is a loop that does nothing
        group._contained_objects.remove(group.resetter.pop("spike"))
    for resetter in group.resetter.values():
        resetter.when = f"reset_{name}"
    if plan.skip_idle and is_idle(population, driven):
        group.state_updater.active = False
    if name in guarded(plan):
        guard(group, plan)
    return group


def inhibition_of(population: Population, group: Any, plan: Plan) -> LateralInhibition:
    """Winner-take-all within a population, between its threshold and its reset."""
    model = population.model
    potential = str(model.potential)
    return LateralInhibition(
        group,
        population.shape,
        model.inhibition or "",
        resting=float(np.ravel(initial_values(population)[potential])[0]),
        potential=potential,
        lanes=plan.lanes,
        when=f"threshold_{population.name}",
        name=f"{population.name}_inhibition",
    )


def _dtypes(model: NeuronModel, plan: Plan) -> dict[str, Any]:
    """Float type of each variable; a phase is a long sum of small steps, so always double."""
    dtypes: dict[str, Any] = {}
    for name, equation in model.brian().items():
        if equation.var_type == 0 or equation.var_type == "float":
            dtypes[name] = np.dtype(np.float64 if name == "phase" else plan.dtype)
    return dtypes
