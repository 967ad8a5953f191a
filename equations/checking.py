"""What a neuron model is refused for, in one line that names the model: Brian2 reads it all."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bionet.equations.latex import statements
from bionet.errors import InputError

if TYPE_CHECKING:
    from bionet.equations.model import NeuronModel

__all__ = ["check_model", "first_line", "loops"]

RESETS = ("subtract", "zero", "to")
SPIKES = ("unit", "signed", "graded", "once")


def check_model(model: NeuronModel) -> None:
    """Let Brian2 parse a model; translate what it says into one line.

    Raises
    ------
    InputError
        For equations that Brian2 refuses, and for values and facts that do not fit them.
    """
    from brian2.stateupdaters.base import StateUpdateMethod

    declared = set(model.brian())
    for name in [*model.parameters, *model.initial]:
        if name not in declared:
            raise InputError(
                f"model {model.name!r} gives a value for {name!r}, which its equations"
                " do not declare; add a line such as 'name : 1 (constant)'"
            )
    _check_variables(model, declared)
    _check_facts(model)
    for name, value in model.parameters.items():
        model.value(name, value)
    _check_inhibition(model)
    if model.method not in StateUpdateMethod.stateupdaters:
        integrators = ", ".join(sorted(StateUpdateMethod.stateupdaters))
        raise InputError(
            f"model {model.name!r}: unknown method {model.method!r}; known: {integrators}"
        )
    if model.brian().is_stochastic and model.method != "euler":
        raise InputError(
            f"model {model.name!r}: the noise xi is integrated by the Euler-Maruyama method;"
            f" give method='euler', not {model.method!r}, or write the noise as"
            " update='v += sigma*sqrt(dt)*randn()'"
        )
    for role, code in (("reset", model.reset), ("update", model.update)):
        _check_targets(model, role, statements(code), declared)
    problem = _brian_refuses(model)
    if problem is not None:
        raise InputError(f"model {model.name!r}: {problem}")


def _check_variables(model: NeuronModel, declared: set[str]) -> None:
    """Every variable that a field names is declared in the equations."""
    named = [("amplitude", model.amplitude), ("potential", model.potential)]
    named += [("current", model.current), *(("final", name) for name in model.final)]
    named += [(f"inputs[{kind!r}]", name) for kind, name in model.inputs.items()]
    if model.input != "v":
        named.append(("input", model.input))
    for role, name in named:
        if name is not None and name not in declared:
            raise InputError(f"model {model.name!r}: {role} variable {name!r} is not declared")


def _check_facts(model: NeuronModel) -> None:
    if model.resets not in (None, *RESETS):
        raise InputError(
            f"model {model.name!r}: resets is one of {', '.join(RESETS)} or None,"
            f" but got {model.resets!r}"
        )
    if model.spike not in SPIKES:
        raise InputError(
            f"model {model.name!r}: spike is one of {', '.join(SPIKES)}, but got {model.spike!r}"
        )
    if wrong := sorted(set(model.inputs) - {"exc", "inh"}):
        raise InputError(
            f"model {model.name!r}: inputs names the variables of 'exc' and 'inh', but got"
            f" {wrong[0]!r}"
        )


def _check_inhibition(model: NeuronModel) -> None:
    """Lateral inhibition needs a period in seconds, spikes and a potential."""
    from brian2.units.allunits import second

    period, dimensions = model.inhibition, model.dimensions
    if period is None:
        return
    if period not in dimensions or dimensions[period] is not second.dim:
        raise InputError(
            f"model {model.name!r}: its inhibition {period!r} must be a parameter in seconds; add"
            f" the line '{period} : second (constant)'"
        )
    if model.threshold is None or model.potential is None:
        raise InputError(
            f"model {model.name!r} inhibits its population, but has no threshold or no potential v"
        )


def _check_targets(model: NeuronModel, role: str, code: list[str], declared: set[str]) -> None:
    """Refuse an assignment to a name that is neither declared nor used: Brian2 would drop it."""
    for number, statement in enumerate(code):
        target = re.split(r"[-+*/]?=", statement, maxsplit=1)[0].strip()
        later = " ".join(code[number + 1 :])
        if target not in declared and not re.search(rf"\b{re.escape(target)}\b", later):
            raise InputError(
                f"model {model.name!r}: its {role} sets {target!r}, which the equations do not"
                " declare; add a line such as 'name : 1'"
            )


def _brian_refuses(model: NeuronModel) -> str | None:
    """What Brian2 objects to, or None."""
    key = (
        model.equations,
        model.threshold,
        model.reset,
        model.refractory,
        model.update,
        model.method,
        tuple(model.events.items()),
    )
    if model.namespace:  # functions and arrays in time have no key
        return _try_group(*key, namespace=model.namespace)
    return _tried_group(*key)


@functools.lru_cache(maxsize=256)
def _tried_group(*key: Any) -> str | None:
    return _try_group(*key)


def _try_group(
    equations: str,
    threshold: str | None,
    reset: str | None,
    refractory: str | None,
    update: str | None,
    method: str,
    events: tuple[tuple[str, str], ...],
    namespace: Mapping[str, Any] | None = None,
) -> str | None:
    """Brian2's objection to a group of one unit, generated for NumPy; nothing is compiled."""
    import brian2
    from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
    from brian2.devices.device import reset_device, set_device

    from bionet.equations.randomness import RANDN_IF, SHARED

    set_device("runtime")
    try:
        group = brian2.NeuronGroup(
            1,
            equations,
            threshold=threshold,
            reset=reset if reset is not None else ("" if threshold else None),
            refractory=refractory if refractory is not None else False,
            method=method,
            events=dict(events),
            namespace={"randn_if": RANDN_IF, **SHARED, **(namespace or {})},
            codeobj_class=NumpyCodeObject,
            clock=brian2.Clock(dt=1 * brian2.ms),
        )
        group.variables.add_array("step", size=1, dtype=np.int32, scalar=True)
        for block in loops(update):
            group.run_regularly(block, codeobj_class=NumpyCodeObject)
        group._network = group.name  # else Brian2 warns that the group was never simulated
        for item in [group, *group.contained_objects]:
            item.before_run({})
    except Exception as error:
        return first_line(error)
    finally:
        reset_device()
    return None


def loops(code: str | None) -> list[str]:
    """An update's loops over the units, which blank lines divide."""
    return [block for block in re.split(r"\n[ \t]*\n", code or "") if block.strip()]


def first_line(error: BaseException) -> str:
    """The innermost message of a chain of exceptions, as one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error.args[0]) if error.args else str(error)
    if isinstance(error, SyntaxError) and error.text:
        text += f" in {error.text.strip()!r}"
    return " ".join(text.split())
