"""Units of values: their names, and how a quantity is written as plain JSON and read again.

What is saved is the SI value with the seven exponents of its dimension, beside a name to read:
a name alone would have to be evaluated when a file is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bionet.errors import InputError

__all__ = ["check_single", "plain_quantity", "read_quantity", "same_unit", "unit_name"]

N_DIMENSIONS = 7


def unit_name(dimensions: Any) -> str:
    """The SI unit of a dimension; ``1`` for a plain number, which Brian2 may call a radian."""
    import brian2
    from brian2.units.fundamentalunits import DIMENSIONLESS

    return "1" if dimensions is DIMENSIONLESS else str(brian2.get_unit(dimensions))


def check_single(value: Any, what: str, remedy: str) -> None:
    """Refuse an array of quantities where one is expected.

    Raises
    ------
    InputError
    """
    if np.size(value) != 1:
        raise InputError(f"{what}: expected one value, got {np.size(value)}; {remedy}")


def same_unit(one: Any, other: Any) -> bool:
    """Whether two values have the same dimension."""
    from brian2.units.fundamentalunits import have_same_dimensions

    return bool(have_same_dimensions(one, other))


def plain_quantity(value: Any) -> list[Any]:
    """A number or quantity as [SI value, exponents of its dimension, name of the unit]."""
    from brian2.units.fundamentalunits import get_dimensions

    dimensions = get_dimensions(value)
    exponents = [float(e) for e in dimensions._dims]
    return [np.asarray(value).tolist(), exponents, unit_name(dimensions)]


def read_quantity(value: Any, exponents: Sequence[float], _name: str = "") -> Any:
    """The inverse of :func:`plain_quantity`; a plain number where all exponents are 0."""
    from brian2 import Quantity
    from brian2.units.fundamentalunits import get_or_create_dimension

    if len(exponents) != N_DIMENSIONS:
        raise ValueError(f"a dimension has {N_DIMENSIONS} exponents, not {len(exponents)}")
    plain = np.asarray(value, dtype=np.float64)[()]
    if not any(exponents):
        return plain
    return Quantity.with_dimensions(plain, get_or_create_dimension(tuple(exponents)))
