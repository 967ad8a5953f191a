"""The description of a saved recording: plain JSON, every part of it checked when it is read."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

from bionet.errors import InputError
from bionet.json_files import check_content
from bionet.results.readout import READOUTS
from bionet.results.run_json import RunFile

__all__ = ["read_description"]


def read_description(plain: Any) -> dict[str, Any]:
    """What a recording's description says, shapes as tuples.

    Parameters
    ----------
    plain : mapping
        As ``recording.json`` holds it: ``shapes``, ``parameters``, and ``order`` and
        ``final_values``, which a recording of an older version lacks.

    Raises
    ------
    InputError
        If a part is missing or of another kind.
    """
    description = dict(_mapping(plain, "the description"))
    shapes = _mapping(description.get("shapes"), "shapes")
    for name, shape in shapes.items():
        _check(
            isinstance(shape, list)
            and len(shape) > 0
            and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in shape),
            f"the shape of {name!r}",
            "a list of sizes",
            shape,
        )
    parameters = dict(_mapping(description.get("parameters"), "parameters"))
    readout = parameters.get("readout")
    is_readout = isinstance(readout, str) and readout in READOUTS
    _check(is_readout, "readout", f"one of {', '.join(READOUTS)}", readout)
    dt: Any = parameters.get("dt_ms")
    _check(_number(dt) and dt > 0, "dt_ms", "a number > 0", dt)
    check_content(parameters, RunFile, "the recording", "simulate again")
    for name, value in _mapping(parameters.get("thresholds", {}), "thresholds").items():
        fits = value is None or _numbers(value)
        _check(fits, f"the threshold of {name!r}", "a number or one for each unit", value)
    for name, unit in _mapping(parameters.get("units", {}), "units").items():
        _check(_unit(unit), f"the unit of {name!r}", "a variable and seven exponents", unit)
    order = _mapping(description.get("order", {}), "order")
    for group, names in order.items():
        _check(isinstance(names, list), f"the order of {group}", "a list of names", names)
    values = description.get("final_values", [])
    _check(isinstance(values, list), "final_values", "a list of pairs", values)
    description["shapes"] = {name: tuple(shape) for name, shape in shapes.items()}
    return description | {"parameters": parameters, "order": dict(order), "final_values": values}


def _number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _numbers(value: Any) -> bool:
    """Whether this is a number, or lists of numbers."""
    return all(map(_numbers, value)) if isinstance(value, list) else _number(value)


def _unit(unit: Any) -> bool:
    if not isinstance(unit, list) or len(unit) != 2 or not isinstance(unit[1], list):
        return False
    return isinstance(unit[0], str) and len(unit[1]) == 7 and all(map(_number, unit[1]))


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    _check(isinstance(value, Mapping), what, "a table", value)
    return value


def _check(fits: bool, what: str, expected: str, value: Any) -> None:
    if not fits:
        raise InputError(f"{what} must be {expected}, but is {str(value)[:60]!r}")
