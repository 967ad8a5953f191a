"""Units of arguments, checked when a function is called: importing loads no Brian2."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from bionet.errors import InputError

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["expects", "quantities"]

Called = TypeVar("Called", bound=Callable[..., Any])


def expects(**units: str) -> Callable[[Called], Called]:
    """As Brian2's ``check_units``, with the units by name: ``@expects(tau="second")``.

    Raises
    ------
    DimensionMismatchError
        When the function is called with another unit.
    """

    def decorate(function: Called) -> Called:
        @functools.wraps(function)
        def checked(*arguments: Any, **keywords: Any) -> Any:
            import brian2

            dimensions = {name: getattr(brian2, unit) for name, unit in units.items()}
            return brian2.check_units(**dimensions)(function)(*arguments, **keywords)

        return checked  # type: ignore[return-value]

    return decorate


def quantities(
    model: str, defaults: Mapping[str, tuple[float, str]], given: Mapping[str, Quantity]
) -> dict[str, Quantity]:
    """A model's parameters: its defaults, such as ``{"C": (200, "pF")}``, and what was given.

    Raises
    ------
    InputError
        If a parameter is given that the model does not have, or one of another unit.
    """
    from brian2.units.fundamentalunits import have_same_dimensions

    if unknown := sorted(set(given) - set(defaults)):
        names = ", ".join(defaults)
        raise InputError(f"{model} has no parameter {unknown[0]!r}; its parameters are {names}")
    values = {}
    for name, (number, unit) in defaults.items():
        value = number * _unit(unit)
        if name in given and not have_same_dimensions(given[name], value):
            raise InputError(
                f"{model}: {name} has the unit {unit}, but got {given[name]!r}; give a Brian2"
                f" quantity such as {number:g}*{unit}"
            )
        values[name] = given.get(name, value)
    return values


def _unit(name: str) -> Any:
    """A unit by its name; ``nS/mV`` is a quotient of two."""
    import brian2

    top, _, bottom = name.partition("/")
    unit = 1 if top == "1" else getattr(brian2, top)
    return unit / getattr(brian2, bottom) if bottom else unit
