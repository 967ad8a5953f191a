r"""A neuron model: differential equation, threshold and reset, as Brian2 strings.

A :class:`NeuronModel` is what a population of a :class:`~bionet.network.SpikingNetwork`
is made of. Its equation is written once, as the Brian2 string; the LaTeX form is derived.

Within one step of a layer the order is: state update (the differential equation), synaptic
input (added to the variable named by ``input``), ``update``, threshold, reset. The symbols:

=========  =======  ==============================================================
symbol     unit     meaning
=========  =======  ==============================================================
``v``      1        membrane potential, in units of the weights
``I``      1        drive: what a constant current adds to ``v`` in one step ``dt``
``theta``  1        threshold
``o``      1        amplitude of the emitted spike (signed), where it is not 1
``dt``     second   simulation step
=========  =======  ==============================================================
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import brian2
import numpy as np
import sympy
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.devices.device import reset_device, set_device
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER, Equations
from brian2.parsing.sympytools import str_to_sympy
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DIMENSIONLESS, Quantity, get_dimensions

from bionet.equations.randomness import RANDN_IF
from bionet.errors import InputError

__all__ = ["NeuronModel", "loops"]


@dataclass(frozen=True)
class NeuronModel:
    """A neuron model, an input coding or a circuit element, checked when it is made.

    Parameters
    ----------
    name : str
        What error messages and printed networks call it.
    equations : str
        Brian2 model equations: differential equations, parameters, subexpressions.
    threshold : str, optional
        Condition of a spike. Without it the unit never fires (a pure integrator).
    reset : str, optional
        Statements executed for the units that fired.
    refractory : str, optional
        Refractory period: the name of a parameter in seconds, or an expression.
    update : str, optional
        Statements executed for every unit in every step, after the synaptic input has
        arrived and before the threshold is tested (a floor on the potential, say). What follows
        a blank line is a loop over the units of its own: a random number drawn in a loop keeps
        the compiler from computing several units at once.
    method : str
        Integration method of Brian2 (``"euler"``, ``"exact"``, ...).
    parameters : mapping of str to number or Quantity
        Default values of the parameters declared in the equations.
    initial : mapping of str to float
        Values of the state variables when a presentation begins, in SI units; 0 if unnamed.
    events : mapping of str to str
        Further events and their conditions.
    input : str
        The variable that receives the weights of the input spikes.
    amplitude : str, optional
        The variable that holds the signed size of an emitted spike; without it a spike is 1.
    final : tuple of str
        State variables whose values at the end of every presentation a recording keeps.
    inhibition : str, optional
        Name of a parameter in seconds, shared by all units: when a unit fires, all others of its
        population are reset, and for this time none fires (:mod:`bionet.brian.inhibition`).
    source : str
        Paper and equation number.

    Raises
    ------
    InputError
        If Brian2 refuses the equations; the message names the model and the line.
    """

    name: str
    equations: str
    threshold: str | None = None
    reset: str | None = None
    refractory: str | None = None
    update: str | None = None
    method: str = "euler"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, float] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    input: str = "v"
    amplitude: str | None = None
    final: tuple[str, ...] = ()
    inhibition: str | None = None
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "equations", _tidy(self.equations))
        for name in ("parameters", "initial", "events"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        object.__setattr__(self, "final", tuple(self.final))
        _check(self)

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NeuronModel) and self.to_dict() == other.to_dict()

    def brian(self) -> Equations:
        """The equations as a Brian2 object."""
        return Equations(self.equations)

    @property
    def dimensions(self) -> dict[str, Any]:
        """Variable name -> Brian2 dimension, for every variable of the equations."""
        return {name: equation.dim for name, equation in self.brian().items()}

    @property
    def state(self) -> tuple[str, ...]:
        """Variables that change during a presentation and are set back at the next one."""
        return tuple(
            name
            for name, equation in self.brian().items()
            if equation.type == DIFFERENTIAL_EQUATION
            or (equation.type == PARAMETER and "constant" not in equation.flags)
        )

    @property
    def constants(self) -> tuple[str, ...]:
        """Parameters that keep their value during a presentation."""
        return tuple(
            name
            for name, equation in self.brian().items()
            if equation.type == PARAMETER and "constant" in equation.flags
        )

    def value(self, name: str, value: Any) -> np.ndarray:
        """A parameter value as a plain array in SI units, its dimension checked.

        Parameters
        ----------
        name : str
            A variable of the equations.
        value : number, array or Quantity
            Its value; a bare number only where the variable is dimensionless.

        Raises
        ------
        InputError
            If there is no such variable or the unit does not fit.
        """
        dimensions = self.dimensions
        if name not in dimensions:
            known = ", ".join(dimensions)
            raise InputError(
                f"model {self.name!r} has no variable {name!r}; its variables are {known}"
            )
        if get_dimensions(value) != dimensions[name]:
            got = value if isinstance(value, Quantity) else f"the bare number {value}"
            unit = unit_name(dimensions[name])
            raise InputError(
                f"parameter {name!r} of model {self.name!r} has the unit {unit}, but got {got};"
                " give a Brian2 quantity such as 20*ms"
            )
        return np.array(value, dtype=np.float64)

    def quantity(self, name: str, value: Any) -> Any:
        """A plain SI value of a variable with its unit put back."""
        dimensions = self.dimensions[name]
        if dimensions is DIMENSIONLESS or isinstance(value, Quantity):
            return value
        return Quantity.with_dimensions(np.asarray(value)[()], dimensions)

    def latex(self) -> str:
        r"""The model as LaTeX, made from the strings: equations, threshold, reset.

        Returns
        -------
        str
            Lines of an ``aligned`` environment, without the surrounding ``$$``.
        """
        lines = []
        for name, equation in self.brian().items():
            if equation.type == DIFFERENTIAL_EQUATION:
                lines.append(rf"\frac{{d{_symbol(name)}}}{{dt}} &= {_latex(str(equation.expr))}")
            elif equation.type != PARAMETER:
                lines.append(rf"{_symbol(name)} &= {_latex(str(equation.expr))}")
        lines += [_latex_statement(s, "always") for s in _statements(self.update)]
        if self.threshold:
            lines.append(rf"\text{{spike if }} & {_latex(self.threshold)}")
        for event, condition in self.events.items():
            lines.append(rf"\text{{{event} if }} & {_latex(condition)}")
        lines += [_latex_statement(s, "reset") for s in _statements(self.reset)]
        if self.inhibition:
            lines.append(rf"\text{{winner takes all for }} & {_symbol(self.inhibition)}")
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def to_dict(self) -> dict[str, Any]:
        """A plain description for JSON: quantities become [SI value, unit]."""
        plain: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        dimensions = self.dimensions
        plain["parameters"] = {
            name: [np.asarray(value).tolist(), unit_name(dimensions[name])]
            for name, value in self.parameters.items()
        }
        plain["initial"] = {name: float(value) for name, value in self.initial.items()}
        plain["events"] = dict(self.events)
        plain["final"] = list(self.final)
        if not self.final:  # a model without keeps the description, and the hash, that it had
            del plain["final"]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> NeuronModel:
        """The inverse of :meth:`to_dict`."""
        known = {f.name for f in fields(cls)}
        if unknown := set(plain) - known:
            raise InputError(f"a neuron model has no field {sorted(unknown)[0]!r}")
        arguments = dict(plain)
        try:
            dimensions = {n: e.dim for n, e in Equations(plain["equations"]).items()}
        except Exception as error:
            raise InputError(f"model {plain.get('name')!r}: {_first_line(error)}") from error
        arguments["parameters"] = {
            name: Quantity.with_dimensions(np.asarray(value)[()], dimensions[name])
            for name, (value, _) in plain.get("parameters", {}).items()
        }
        return cls(**arguments)


def unit_name(dimensions: Any) -> str:
    """The SI unit of a dimension; ``1`` for a plain number, which Brian2 may call a radian."""
    return "1" if dimensions is DIMENSIONLESS else str(brian2.get_unit(dimensions))


def _statements(code: str | None) -> list[str]:
    """Single statements of a reset or update, which may share a line."""
    return [s.strip() for s in (code or "").replace(";", "\n").splitlines() if s.strip()]


def loops(code: str | None) -> list[str]:
    """An update's loops over the units, which blank lines divide."""
    return [block for block in re.split(r"\n[ \t]*\n", code or "") if block.strip()]


def _tidy(equations: str) -> str:
    return "\n".join(line.strip() for line in equations.strip().splitlines() if line.strip())


def _check(model: NeuronModel) -> None:
    """Let Brian2 parse the model; translate what it says into one line."""
    try:
        declared = Equations(model.equations)
    except Exception as error:
        raise InputError(f"model {model.name!r}: {_first_line(error)}") from error
    for name in [*model.parameters, *model.initial]:
        if name not in declared:
            raise InputError(
                f"model {model.name!r} gives a value for {name!r}, which its equations"
                " do not declare; add a line such as 'name : 1 (constant)'"
            )
    used_variables = [("input", model.input), ("amplitude", model.amplitude)]
    for role, used in [*used_variables, *(("final", name) for name in model.final)]:
        if used is not None and used not in declared and used != "v":
            raise InputError(f"model {model.name!r}: {role} variable {used!r} is not declared")
    for name, value in model.parameters.items():
        model.value(name, value)
    _check_inhibition(model, declared)
    if model.method not in StateUpdateMethod.stateupdaters:
        known = ", ".join(sorted(StateUpdateMethod.stateupdaters))
        raise InputError(f"model {model.name!r}: unknown method {model.method!r}; known: {known}")
    for role, code in (("reset", model.reset), ("update", model.update)):
        _check_targets(model, role, _statements(code), set(declared))
    key = (
        model.equations,
        model.threshold,
        model.reset,
        model.refractory,
        model.update,
        model.method,
        tuple(model.events.items()),
    )
    problem = _brian_refuses(*key)
    if problem is not None:
        raise InputError(f"model {model.name!r}: {problem}")


def _check_inhibition(model: NeuronModel, declared: Equations) -> None:
    """Lateral inhibition needs a period in seconds, spikes and a potential."""
    period = model.inhibition
    if period is None:
        return
    if period not in declared or declared[period].dim is not second.dim:
        raise InputError(
            f"model {model.name!r}: its inhibition {period!r} must be a parameter in seconds; add"
            f" the line '{period} : second (constant)'"
        )
    if model.threshold is None or "v" not in declared:
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


@functools.lru_cache(maxsize=256)
def _brian_refuses(
    equations: str,
    threshold: str | None,
    reset: str | None,
    refractory: str | None,
    update: str | None,
    method: str,
    events: tuple[tuple[str, str], ...],
) -> str | None:
    """What Brian2 objects to, or None. One unit is generated for NumPy, nothing is compiled."""
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
            namespace={"randn_if": RANDN_IF},
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
        return _first_line(error)
    finally:
        reset_device()
    return None


def _first_line(error: BaseException) -> str:
    """The innermost message of a chain of exceptions, as one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error.args[0]) if error.args else str(error)
    if isinstance(error, SyntaxError) and error.text:
        text += f" in {error.text.strip()!r}"
    return " ".join(text.split())


def _symbol(name: str) -> str:
    return str(sympy.latex(sympy.Symbol(name)))


def _latex(expression: str) -> str:
    text = str(sympy.latex(str_to_sympy(expression), fold_short_frac=True))
    return text.replace(r"\left(_placeholder_{arg} \right)", "()")


def _latex_statement(statement: str, kind: str) -> str:
    for operator, sign in (("-=", "-"), ("+=", "+"), ("*=", r"\cdot"), ("/=", "/")):
        if operator in statement:
            left, right = (part.strip() for part in statement.split(operator))
            return (
                rf"\text{{{kind}: }} & {_symbol(left)} \leftarrow "
                rf"{_symbol(left)} {sign} {_latex(right)}"
            )
    left, right = (part.strip() for part in statement.split("=", 1))
    return rf"\text{{{kind}: }} & {_symbol(left)} \leftarrow {_latex(right)}"
