"""Random numbers that depend on the image, the unit and the step, and on nothing else.

``rand()`` in an equation is replaced by the counter-based generator Philox4x32-10. Its key is the
seed, its counter (unit, step, stream, site), where the stream is the number of the image and the
site tells the calls of all populations apart. Under one key Philox is a bijection of its counters,
so no two trains of a seed share a sequence, and no two seeds below 2**64 a key. A Poisson train is
the same on every device, for any number of lanes and threads, and when one image is simulated
again alone. Brian2's own ``rand()`` draws from one sequence per process (or thread), so its trains
depend on all of these.

===========  ===========================================================
symbol       meaning
===========  ===========================================================
``seed_*``   key: the lower and the upper 32 bits of the seed
``unit``     counter 0: PyTorch's index of the unit
``step``     counter 1: simulation step of the presentation
``stream``   counter 2: number of the image
``site``     counter 3: which call of which population
===========  ===========================================================

``randn()`` is the normal quantile of such a number. It is computed from additions,
multiplications, divisions and square roots alone, which round the same way everywhere: the
logarithms and cosines of a Box-Muller transform differ in their last bit between NumPy and the
C library, and with them some spikes. ``randn_if(x)`` is the same number where x is not 0, and 0
elsewhere; as no number depends on another one, those that nobody needs are not computed.
``rand_shared()`` and ``randn_shared()`` are one number for all units of a population: that of
unit 0.

References
----------
J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3,
SC'11 (2011), section 3.3; the constants are those of its library Random123.
The quantile: M. Giles, Approximating the erfinv function, GPU Computing Gems 2 (2010), Table 5;
its relative error is below 1e-6.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from brian2.core.functions import DEFAULT_FUNCTIONS, Function

from bionet.errors import InputError

__all__ = [
    "COUNTER_NORMAL",
    "COUNTER_NORMAL_IF",
    "COUNTER_UNIFORM",
    "RANDN_IF",
    "SHARED",
    "first_sites",
    "normal_quantile",
    "philox",
    "replace_rand",
    "seed_words",
    "uses_rand",
]

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # golden ratio and sqrt(3) - 1: the Weyl sequence of the key
_ROUNDS = 10
_COUNTER = (
    "int32_t seed_low, int32_t seed_high, int32_t stream, int32_t unit, int32_t step, int32_t site"
)


def _cpp_rounds() -> str:
    """The rounds one after another: a loop among them keeps the compiler from using vectors."""
    lines = []
    for number in range(_ROUNDS):
        lines += [
            f"p = 0x{_MULTIPLIERS[0]:x}ULL * c0; q = 0x{_MULTIPLIERS[1]:x}ULL * c2;",
            f"c0 = uint32_t(q >> 32) ^ c1 ^ (k0 + 0x{number * _KEY_STEPS[0] % 2**32:x}U);",
            f"c2 = uint32_t(p >> 32) ^ c3 ^ (k1 + 0x{number * _KEY_STEPS[1] % 2**32:x}U);",
            "c1 = uint32_t(q); c3 = uint32_t(p);",
        ]
    return "\n    ".join(lines)


_CPP = f"""
static inline double counter_uniform({_COUNTER}) {{
    uint32_t c0 = unit, c1 = step, c2 = stream, c3 = site;
    const uint32_t k0 = seed_low, k1 = seed_high;
    uint64_t p, q;
    {_cpp_rounds()}
    return c0 * (1.0 / 4294967296.0);
}}
"""

# Giles's polynomials, from the highest power on: in w - 5/2 where w < 5, in sqrt(w) - 3 elsewhere.
_CENTRE = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip
_SERIES = tuple(1.0 / k for k in (13, 11, 9, 7, 5, 3, 1))  # artanh(s) / s in powers of s * s
_SQRT_2, _LOG_2 = 1.4142135623730951, 0.6931471805599453


def _horner(coefficients: tuple[float, ...], variable: str) -> str:
    """A polynomial as C++, in the order in which NumPy computes it below."""
    text = repr(coefficients[0])
    for coefficient in coefficients[1:]:
        text = f"({text} * {variable} + {coefficient!r})"
    return text


# Brian2 may write a function that code calls by itself behind another one that calls it.
_CPP_NORMAL = f"""
static inline double counter_uniform({_COUNTER});
static inline double counter_normal({_COUNTER}) {{
    const double u = counter_uniform(seed_low, seed_high, stream, unit, step, site);
    const double x = (u * 2.0 - 1.0) + {2.0**-32!r};
    const double y = (1.0 - x) * (1.0 + x);
    uint64_t bits;
    std::memcpy(&bits, &y, 8);
    int32_t power = int32_t(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL;
    double m;
    std::memcpy(&m, &bits, 8);
    const bool large = m > {_SQRT_2!r};
    m = large ? m * 0.5 : m;
    power = large ? power + 1 : power;
    const double s = (m - 1.0) / (m + 1.0);
    const double q = s * s;
    const double w = -(power * {_LOG_2!r} + 2.0 * s * {_horner(_SERIES, "q")});
    const double c = w - 2.5;
    const double t = std::sqrt(w) - 3.0;
    const double near_ = {_horner(_CENTRE, "c")};
    const double far_ = {_horner(_TAIL, "t")};
    return {_SQRT_2!r} * (x * (w < 5.0 ? near_ : far_));
}}
"""

_CPP_NORMAL_IF = f"""
static inline double counter_normal({_COUNTER});
static inline double counter_normal_if({_COUNTER}, double wanted) {{
    return wanted != 0.0 ? counter_normal(seed_low, seed_high, stream, unit, step, site) : 0.0;
}}
"""


def _cython(source: str, function: str, arguments: str = "") -> str:
    """C++ for a Cython module, which may hold that of other functions too: names of its own."""

    def renamed(definition: re.Match[str]) -> str:
        return definition[0] if definition[0] == function else f"_{definition[1]}_of_{function}"

    return f'''
cdef extern from *:
    """
#include <stdint.h>
#include <cstring>
#include <cmath>
{re.sub(r"(counter_[a-z_]+)", renamed, source)}
    """
    double {function}({_COUNTER.replace("int32_t", "int")}{arguments})
'''


_CYTHON = _cython(_CPP, "counter_uniform")
_CYTHON_NORMAL = _cython(_CPP + _CPP_NORMAL, "counter_normal")
_CYTHON_NORMAL_IF = _cython(
    _CPP + _CPP_NORMAL + _CPP_NORMAL_IF, "counter_normal_if", ", double wanted"
)


def philox(counter: Sequence[np.ndarray], key: Sequence[int]) -> tuple[np.ndarray, ...]:
    """Philox4x32-10: four words of 32 random bits for every counter.

    Parameters
    ----------
    counter : four int arrays or ints
        Taken modulo 2**32, and broadcast against each other.
    key : two ints
        Modulo 2**32.

    Returns
    -------
    four uint64 arrays
        Below 2**32.
    """
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    m0, m1 = (np.uint64(m) for m in _MULTIPLIERS)
    c0, c1, c2, c3 = (np.asarray(c).astype(np.int64).astype(np.uint64) & low for c in counter)
    for number in range(_ROUNDS):
        k0, k1 = (
            np.uint64((int(k) + number * step) % 2**32)
            for k, step in zip(key, _KEY_STEPS, strict=True)
        )
        p, q = m0 * c0, m1 * c2
        c0, c1, c2, c3 = (q >> half) ^ c1 ^ k0, q & low, (p >> half) ^ c3 ^ k1, p & low
    return c0, c1, c2, c3


def counter_uniform(
    seed_low: int,
    seed_high: int,
    stream: np.ndarray,
    unit: np.ndarray,
    step: np.ndarray,
    site: int,
) -> np.ndarray:
    """Uniform numbers in [0, 1), multiples of 2**-32, a pure function of the arguments.

    Parameters
    ----------
    seed_low, seed_high : int
        The seed, in two parts of 32 bits.
    stream, unit, step, site : int arrays or ints
        Broadcast against each other.

    Returns
    -------
    float64 array
    """
    key = (np.asarray(seed_low).item(), np.asarray(seed_high).item())
    counter = tuple(np.asarray(word) for word in (unit, step, stream, site))
    word = philox(counter, key)[0]
    return np.atleast_1d(word * (1.0 / 4294967296.0))


def _brian_function(
    run: Callable[..., np.ndarray],
    cpp: str,
    cython: str,
    calls: dict[str, Function] | None = None,
    more: int = 0,
) -> Function:
    """A generator for Brian2: its sources, the functions that the C++ calls, further arguments."""
    function = Function(
        run,
        arg_units=[1] * 6 + [None] * more,
        arg_types=["integer"] * 6 + ["any"] * more,
        return_unit=1,
        return_type="float",
    )
    function.implementations.add_numpy_implementation(run)
    function.implementations.add_implementation("cpp", cpp, dependencies=calls)
    function.implementations.add_implementation("cython", cython)
    return function


COUNTER_UNIFORM = _brian_function(counter_uniform, _CPP, _CYTHON)


def counter_normal(
    seed_low: int,
    seed_high: int,
    stream: np.ndarray,
    unit: np.ndarray,
    step: np.ndarray,
    site: int,
) -> np.ndarray:
    """Standard normal numbers, a pure function of the arguments of :func:`counter_uniform`.

    Returns
    -------
    float64 array
    """
    return _quantile(counter_uniform(seed_low, seed_high, stream, unit, step, site))


def normal_quantile(words: np.ndarray) -> np.ndarray:
    """Standard normal numbers of words of 32 random bits, rising with them.

    Parameters
    ----------
    words : int array
        From 0 to 2**32 - 1.

    Returns
    -------
    float64 array
    """
    return _quantile(np.asarray(words) * (1.0 / 4294967296.0))


def _quantile(u: np.ndarray) -> np.ndarray:
    x = (u * 2.0 - 1.0) + 2.0**-32
    m, power = np.frexp((1.0 - x) * (1.0 + x))
    m, power = m * 2.0, power - 1
    large = m > _SQRT_2
    m, power = np.where(large, m * 0.5, m), np.where(large, power + 1, power)
    s = (m - 1.0) / (m + 1.0)
    w = -(power * _LOG_2 + 2.0 * s * _polynomial(_SERIES, s * s))
    near, far = _polynomial(_CENTRE, w - 2.5), _polynomial(_TAIL, np.sqrt(w) - 3.0)
    return np.asarray(_SQRT_2 * (x * np.where(w < 5.0, near, far)))


def _polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value


COUNTER_NORMAL = _brian_function(
    counter_normal, _CPP_NORMAL, _CYTHON_NORMAL, {"counter_uniform": COUNTER_UNIFORM}
)


def counter_normal_if(
    seed_low: int,
    seed_high: int,
    stream: np.ndarray,
    unit: np.ndarray,
    step: np.ndarray,
    site: int,
    wanted: np.ndarray,
) -> np.ndarray:
    """As :func:`counter_normal` where ``wanted`` is not 0, and 0 elsewhere."""
    numbers = counter_normal(seed_low, seed_high, stream, unit, step, site)
    return np.where(np.asarray(wanted) != 0, numbers, 0.0)


COUNTER_NORMAL_IF = _brian_function(
    counter_normal_if, _CPP_NORMAL_IF, _CYTHON_NORMAL_IF, {"counter_normal": COUNTER_NORMAL}, 1
)

# The name in a model's code, for the check of the model; Brian2 knows rand() and randn() itself.
# It is replaced before anything runs.
RANDN_IF = Function(
    np.zeros_like,
    arg_units=[None],
    arg_types=["any"],
    return_unit=1,
    return_type="float",
)
SHARED = {f"{name}_shared": DEFAULT_FUNCTIONS[name] for name in ("rand", "randn")}
"""The names of shared numbers, for the same check."""
_CALLS = 64  # of one population; its threshold, reset, update and events number theirs from here
_POPULATIONS = 2**24
_RAND = re.compile(r"\brand(?:(n?)(_shared)?\(\)|n_if\((\w+)\))")


def uses_rand(*codes: str | None) -> bool:
    """Whether any of the strings draws a random number."""
    return any(code is not None and _RAND.search(code) for code in codes)


def replace_rand(code: str | None, first_site: int = 0) -> str | None:
    """The string with its random numbers from the generators above."""
    if code is None:
        return None
    site = first_site

    def call(match: re.Match[str]) -> str:
        nonlocal site
        site += 1
        unit = "0" if match[2] else "unit"
        arguments = f"seed_low, seed_high, stream, {unit}, step, {site}"
        if match[3]:
            return f"counter_normal_if({arguments}, {match[3]})"
        return f"counter_{'normal' if match[1] else 'uniform'}({arguments})"

    return _RAND.sub(call, code)


def first_sites(populations: Sequence[str]) -> dict[str, int]:
    """Where the numbering of each population's ``rand()`` calls begins: 0 for the input.

    Without it, unit 7 of two layers would draw the same numbers. It follows from the name, so that
    a population simulated in another network draws the same numbers; of two names with one number
    the second takes the next one.
    """
    numbers: dict[str, int] = {}
    for name in sorted(set(populations) - {"input"}):
        number = zlib.crc32(name.encode()) % _POPULATIONS
        while number in numbers.values():
            number = (number + 1) % _POPULATIONS
        numbers[name] = number
    return {"input": 0} | {name: (number + 1) * _CALLS for name, number in numbers.items()}


def seed_words(seed: int) -> tuple[int, int]:
    """The key of a seed: its lower and its upper 32 bits, as the int32 with these bits.

    Raises
    ------
    InputError
        Unless the seed is a whole number from 0 to 2**64 - 1.
    """
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if not whole or not 0 <= seed < 2**64:
        raise InputError(f"seed must be a whole number from 0 to 2**64 - 1, but is {seed!r}")
    low, high = np.array([seed % 2**32, seed // 2**32], dtype=np.uint32).view(np.int32)
    return int(low), int(high)
