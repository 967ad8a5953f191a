"""What commands are given: quantities with units, images, networks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bionet.errors import InputError

if TYPE_CHECKING:
    from brian2 import Quantity


__all__ = [
    "assignment",
    "frequency",
    "numbers",
    "physical",
    "shape",
    "time",
]

NUMBER_AND_UNIT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?) *([A-Za-zµ]*)")
TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
FREQUENCIES = {"Hz": 1.0, "kHz": 1e3}


def time(text: str, option: str) -> Quantity:
    """A time such as ``100ms``; see :func:`_quantity`."""
    from brian2 import second

    return _quantity(text, option, TIMES, "a time such as 100ms or 0.1s") * second


def frequency(text: str, option: str) -> Quantity:
    """A frequency such as ``100Hz``; see :func:`_quantity`."""
    from brian2 import Hz

    return _quantity(text, option, FREQUENCIES, "a frequency such as 100Hz or 1kHz") * Hz


def _quantity(text: str, option: str, units: dict[str, float], expected: str) -> float:
    """A number with its unit, in base units; an InputError where the unit is missing or wrong."""
    match = NUMBER_AND_UNIT.fullmatch(text.strip())
    if match is None or match[2] not in units:
        missing = match is not None and not match[2]
        reason = "has no unit" if missing else f"is none; units are {', '.join(units)}"
        raise InputError(f"{option}: expected {expected}, but {text!r} {reason}")
    return float(match[1]) * units[match[2]]


def physical(text: str, option: str) -> Any:
    """A number, a quantity in any unit of Brian2 such as ``-70mV``, or else the text itself.

    Raises
    ------
    InputError
        If it looks like a quantity whose unit Brian2 does not know.
    """
    match = NUMBER_AND_UNIT.fullmatch(text.strip())
    if match is None:
        return text
    number = float(match[1])
    if not match[2]:
        return int(number) if number.is_integer() and "." not in match[1] else number
    from brian2.units import allunits, stdunits

    unit: Any = getattr(stdunits, match[2], getattr(allunits, match[2], None))
    if not hasattr(unit, "dim"):
        raise InputError(f"{option}: {text!r} has no unit that Brian2 knows; write -70*mV as -70mV")
    return number * unit


def numbers(text: str, option: str) -> list[int]:
    """Whole numbers such as ``0,1,5-9``."""
    listed: list[int] = []
    for part in text.split(","):
        span = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if span is None:
            raise InputError(f"{option}: expected whole numbers such as 0,1,5-9, but got {text!r}")
        first, last = int(span[1]), int(span[2] or span[1])
        if last < first:
            raise InputError(f"{option}: {part.strip()!r} ends before it begins")
        listed += range(first, last + 1)
    return listed


def assignment(text: str) -> tuple[str, str]:
    """Name and value of ``NAME=VALUE``, both as texts.

    Raises
    ------
    InputError
        If there is no equals sign, or no name or value beside it.
    """
    name, separator, value = (part.strip() for part in text.partition("="))
    if not separator or not name.isidentifier() or not value:
        raise InputError(f"--option: expected NAME=VALUE such as sigma=0.3, but got {text!r}")
    return name, value


def shape(text: str, option: str) -> tuple[int, ...]:
    """A shape such as ``1,28,28``."""
    if not re.fullmatch(r"\d+(,\d+)*", text) or 0 in (sizes := tuple(map(int, text.split(",")))):
        raise InputError(f"{option}: expected sizes such as 1,28,28, but got {text!r}")
    return sizes
