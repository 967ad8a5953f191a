"""What a model's equations may use beside their variables, saved by value where it is plain.

Numbers, quantities and arrays in time (Brian2's ``TimedArray``) are plain. A function is not: a
network that uses one is simulated, but not saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bionet.errors import InputError

__all__ = ["plain_namespace", "read_namespace"]


def plain_namespace(model: str, namespace: Mapping[str, Any], saving: bool) -> dict[str, Any]:
    """A namespace as plain JSON: quantities become [SI value, exponents, unit].

    Parameters
    ----------
    model : str
        Name of the model.
    namespace : mapping
    saving : bool
        Refuse what has no value that could be saved; otherwise its identity stands for it.

    Raises
    ------
    InputError
        If a function is to be saved.
    """
    from brian2 import Quantity, TimedArray

    from bionet.equations.units import plain_quantity

    plain: dict[str, Any] = {}
    for name, value in namespace.items():
        if isinstance(value, TimedArray):
            samples = Quantity(value.values, dim=value.dim)
            plain[name] = {"timed_array": plain_quantity(samples), "dt": float(value.dt)}
        elif _is_number(value):
            plain[name] = plain_quantity(value)
        elif saving:
            raise InputError(
                f"model {model!r}: {name!r} of its namespace is a function, which cannot be saved;"
                " write it into the equations, or tabulate it with a TimedArray"
            )
        else:
            plain[name] = {"function": f"{type(value).__name__} {id(value)}"}
    return plain


def read_namespace(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of :func:`plain_namespace`."""
    from brian2 import TimedArray, second

    from bionet.equations.units import read_quantity

    values: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping):
            if "timed_array" not in value:
                raise InputError(f"{name!r} of a model's namespace was not saved with its network")
            samples = read_quantity(*value["timed_array"])
            values[name] = TimedArray(samples, dt=value["dt"] * second, name=f"{name}_in_time*")
        else:
            values[name] = read_quantity(*value)
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.ndarray, np.number)) and np.ndim(value) == 0
