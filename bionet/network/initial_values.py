"""What a population's variables are when a presentation begins.

A number stands for itself. An expression, such as ``"E_L"`` or ``"alpha_m/(alpha_m + beta_m)"``,
is evaluated with the population's own parameters, so that every unit begins at its own value; it
may use parameters, subexpressions and other variables with an initial value.
"""

from __future__ import annotations

import ast
import operator
from typing import Any

import numpy as np

from bionet.equations.units import unit_name
from bionet.errors import InputError
from bionet.network.populations import Population

__all__ = ["initial_values", "is_evaluated"]

OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def initial_values(population: Population) -> dict[str, float | np.ndarray]:
    """Initial value of every variable that a presentation sets back, in SI units.

    Parameters
    ----------
    population : Population

    Returns
    -------
    dict of str to float or array of the population's shape
        An array where the value is an expression's.

    Raises
    ------
    InputError
        If an expression uses something without a value, or has another unit than its variable.
    """
    values: dict[str, float | np.ndarray] = {}
    for name in population.model.state:
        if is_evaluated(population, name):
            values[name] = _evaluated(population, name)
        else:
            values[name] = float(population.model.initial.get(name, 0.0))
    return values


def is_evaluated(population: Population, name: str) -> bool:
    """Whether a variable's initial value is an expression of parameters."""
    return isinstance(population.model.initial.get(name), str)


def _evaluated(population: Population, name: str) -> np.ndarray:
    from brian2.units.fundamentalunits import get_dimensions

    model = population.model
    expression = str(model.initial[name])
    try:
        value = _value(population, expression, (name,))
    except InputError:
        raise
    except Exception as error:  # another unit, a syntax error: what Brian2 and Python say of it
        raise InputError(
            f"model {model.name!r}: the initial value {expression!r} of {name!r} cannot be"
            f" evaluated ({' '.join(str(error).split())})"
        ) from error
    if get_dimensions(value) is not model.dimensions[name]:
        raise InputError(
            f"model {model.name!r}: the initial value {expression!r} of {name!r} has the unit"
            f" {unit_name(get_dimensions(value))}, but {name!r} has"
            f" {unit_name(model.dimensions[name])}"
        )
    array = np.asarray(value, dtype=np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"model {model.name!r}: the initial value of {name!r} is not finite")
    return np.broadcast_to(array, population.shape).copy()


def _value(population: Population, expression: str, pending: tuple[str, ...]) -> Any:
    """An expression's value with its unit; ``pending`` are the variables that are sought."""
    return _of_node(population, ast.parse(expression, mode="eval").body, pending)


def _of_node(population: Population, node: ast.expr, pending: tuple[str, ...]) -> Any:
    """Arithmetic, names and Brian2's functions; nothing else of Python is carried out."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return _of_name(population, name, pending)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_of_node(population, operand, pending)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            sides = (_of_node(population, side, pending) for side in (left, right))
            return OPERATORS[type(op)](*sides)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            from brian2.core.functions import DEFAULT_FUNCTIONS

            if name in DEFAULT_FUNCTIONS and not name.startswith("rand"):
                values = (_of_node(population, argument, pending) for argument in arguments)
                return DEFAULT_FUNCTIONS[name].pyfunc(*values)
    raise InputError(
        f"model {population.model.name!r}: {ast.unparse(node)!r} cannot stand in an initial value;"
        " use numbers, parameters, + - * / ** and functions such as exp"
    )


def _of_name(population: Population, name: str, pending: tuple[str, ...]) -> Any:
    from brian2.core.namespace import DEFAULT_CONSTANTS, DEFAULT_UNITS
    from brian2.equations.equations import SUBEXPRESSION

    model = population.model
    equation = model.brian().get(name)
    if name in pending and (equation is None or equation.type != SUBEXPRESSION):
        raise InputError(f"model {model.name!r}: the initial value of {name!r} depends on itself")
    if name in population.parameters:
        return _unit_back(population, name, population.parameters[name])
    if equation is not None and equation.type == SUBEXPRESSION:
        return _value(population, str(equation.expr), (*pending, name))
    if equation is not None:
        initial = model.initial.get(name, 0.0)
        if isinstance(initial, str):
            return _value(population, initial, (*pending, name))
        return _unit_back(population, name, np.asarray(initial))
    if name in model.namespace:
        return model.namespace[name]
    if name in DEFAULT_UNITS:
        return DEFAULT_UNITS[name]
    if name in DEFAULT_CONSTANTS:
        return DEFAULT_CONSTANTS[name].value
    raise InputError(
        f"model {model.name!r}: an initial value uses {name!r}, which is neither a variable nor a"
        " unit"
    )


def _unit_back(population: Population, name: str, value: np.ndarray) -> Any:
    from brian2 import Quantity

    return Quantity.with_dimensions(value, population.model.dimensions[name])
