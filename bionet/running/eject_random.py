"""The random numbers of an ejected script: the functions of BioNet themselves, as text.

A script that draws the numbers of :mod:`bionet.simulate` holds the source of the functions that
make them on the NumPy device, so that its spikes are the same to the last one.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

from bionet.brian import normal_numbers
from bionet.equations import randomness

__all__ = ["drawn", "random_functions"]

UNITS = "seed_low=1, seed_high=1, stream=1, unit=1, step=1, site=1"
CHECKED = {
    "counter_uniform": f"@check_units({UNITS}, result=1)",
    "counter_normal": f"@check_units({UNITS}, result=1)",
    "counter_normal_if": f"@check_units({UNITS}, wanted=None, result=1)",
}
# Of each function that code calls: the constants and functions that it stands on, in order.
UNIFORM = ("_MULTIPLIERS", "_KEY_STEPS", "_ROUNDS", "philox", "counter_uniform")
QUANTILE = ("_CENTRE", "_TAIL", "_SERIES", "_SQRT_2", "_LOG_2", "_polynomial", "_quantile")
NORMAL = (*UNIFORM, *QUANTILE, "counter_normal")
PARTS = {
    "counter_uniform": UNIFORM,
    "counter_normal": NORMAL,
    "counter_normal_if": (*NORMAL, "counter_normal_if"),
    "unit_normal": (*UNIFORM[:-1], "LOG", "_box_muller", "standard_normal"),
}
UNIT_NORMAL = '''
@check_units(seed_low=1, seed_high=1, stream=1, i=1, step=1, site=1, result=1)
def unit_normal(seed_low, seed_high, stream, i, step, site):
    """Standard normal numbers of all units of a population."""
    numbers = standard_normal(len(i), stream[:1], seed_low, seed_high, step, site)
    return numbers[0].astype(np.{dtype})
'''


def drawn(code: str) -> tuple[str, ...]:
    """The functions of random numbers that code calls."""
    return tuple(name for name in PARTS if re.search(rf"\b{name}\(", code))


def random_functions(names: tuple[str, ...], dtype: str) -> str:
    """Source text of functions from :data:`PARTS` and of all that they stand on.

    Parameters
    ----------
    names : tuple of str
        From :func:`drawn`.
    dtype : str
        Float type of the script.
    """
    needed = dict.fromkeys(part for name in names for part in PARTS[name])
    constants = [_constant(part) for part in needed if not callable(_value(part))]
    functions = [_function(part) for part in needed if callable(_value(part))]
    if "unit_normal" in names:
        functions.append(UNIT_NORMAL.format(dtype=dtype).strip())
    return "\n\n\n".join(["\n".join(constants), *functions])


def _value(name: str) -> Any:
    return getattr(randomness, name, None) or getattr(normal_numbers, name)


def _constant(name: str) -> str:
    return textwrap.fill(f"{name} = {_value(name)!r}", 98, subsequent_indent="    ")


def _function(name: str) -> str:
    source = inspect.getsource(_value(name)).rstrip()
    return f"{CHECKED[name]}\n{source}" if name in CHECKED else source
