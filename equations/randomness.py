"""Random numbers that depend on the image, the unit and the step, and on nothing else.

``rand()`` in an equation is replaced by a counter-based generator: a hash of (stream, unit,
step, site), where the stream belongs to a seed and an image and the site tells two calls in one
model apart. A Poisson train is therefore the same on every device, for any number of lanes and
threads, and when one image is simulated again alone. Brian2's own ``rand()`` draws from one
sequence per process (or thread), so its trains depend on all of these.

``randn()`` is the normal quantile of such a number. It is computed from additions,
multiplications, divisions and square roots alone, which round the same way everywhere: the
logarithms and cosines of a Box-Muller transform differ in their last bit between NumPy and the
C library, and with them some spikes. ``randn_if(x)`` is the same number where x is not 0, and 0
elsewhere; as no number depends on another one, those that nobody needs are not computed.

References
----------
The mixing function is the 32-bit finaliser ``lowbias32`` (C. Wellons 2018, hash prospector).
The quantile: M. Giles, Approximating the erfinv function, GPU Computing Gems 2 (2010), Table 5;
its relative error is below 1e-6.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

import numpy as np
from brian2.core.functions import Function

__all__ = [
    "COUNTER_NORMAL",
    "COUNTER_NORMAL_IF",
    "COUNTER_UNIFORM",
    "RANDN_IF",
    "first_site",
    "image_streams",
    "replace_rand",
    "uses_rand",
]

_CPP = """
static inline uint32_t _bionet_mix(uint32_t h) {
    h ^= h >> 16; h *= 0x7feb352dU; h ^= h >> 15; h *= 0x846ca68bU; h ^= h >> 16;
    return h;
}
static inline double counter_uniform(int32_t stream, int32_t unit, int32_t step, int32_t site) {
    uint32_t h = _bionet_mix((uint32_t)stream + 0x9e3779b9U * (uint32_t)unit);
    h = _bionet_mix(h + 0x85ebca6bU * (uint32_t)step + 0xc2b2ae35U * (uint32_t)site);
    return h * (1.0 / 4294967296.0);
}
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


_CPP_NORMAL = f"""
static inline double counter_normal(int32_t stream, int32_t unit, int32_t step, int32_t site) {{
    const double x = (counter_uniform(stream, unit, step, site) * 2.0 - 1.0) + {2.0**-32!r};
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

_CPP_NORMAL_IF = """
static inline double counter_normal_if(
        int32_t stream, int32_t unit, int32_t step, int32_t site, double wanted) {
    return wanted != 0.0 ? counter_normal(stream, unit, step, site) : 0.0;
}
"""


def _cython(source: str, function: str, arguments: str = "") -> str:
    """C++ for a Cython module, which may hold that of other functions too: names of its own."""

    def own(found: re.Match[str]) -> str:
        return found[0] if found[0] == function else f"_{found[1]}_of_{function}"

    return f'''
cdef extern from *:
    """
#include <stdint.h>
#include <cstring>
#include <cmath>
{re.sub(r"_?(bionet_mix|counter_[a-z_]+)", own, source)}
    """
    double {function}(int stream, int unit, int step, int site{arguments})
'''


_CYTHON = _cython(_CPP, "counter_uniform")
_CYTHON_NORMAL = _cython(_CPP + _CPP_NORMAL, "counter_normal")
_CYTHON_NORMAL_IF = _cython(
    _CPP + _CPP_NORMAL + _CPP_NORMAL_IF, "counter_normal_if", ", double wanted"
)


def _mix(h: np.ndarray) -> np.ndarray:
    h = h ^ (h >> np.uint32(16))
    h = h * np.uint32(0x7FEB352D)
    h = h ^ (h >> np.uint32(15))
    h = h * np.uint32(0x846CA68B)
    return np.asarray(h ^ (h >> np.uint32(16)))


def counter_uniform(
    stream: np.ndarray, unit: np.ndarray, step: np.ndarray, site: int
) -> np.ndarray:
    """Uniform numbers in [0, 1), a pure function of its arguments.

    Parameters
    ----------
    stream, unit, step, site : int arrays or ints
        Broadcast against each other.

    Returns
    -------
    float64 array
    """
    words = [np.asarray(a).astype(np.int64).astype(np.uint32) for a in (stream, unit, step, site)]
    s, u, k, c = (np.atleast_1d(w) for w in words)
    h = _mix(s + np.uint32(0x9E3779B9) * u)
    h = _mix(h + np.uint32(0x85EBCA6B) * k + np.uint32(0xC2B2AE35) * c)
    return np.asarray(h * (1.0 / 4294967296.0))


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
        arg_units=[1] * 4 + [None] * more,
        arg_types=["integer"] * 4 + ["any"] * more,
        return_unit=1,
        return_type="float",
    )
    function.implementations.add_numpy_implementation(run)
    function.implementations.add_implementation("cpp", cpp, dependencies=calls)
    function.implementations.add_implementation("cython", cython)
    return function


COUNTER_UNIFORM = _brian_function(counter_uniform, _CPP, _CYTHON)


def counter_normal(stream: np.ndarray, unit: np.ndarray, step: np.ndarray, site: int) -> np.ndarray:
    """Standard normal numbers, a pure function of its arguments.

    Parameters
    ----------
    stream, unit, step, site : int arrays or ints
        Broadcast against each other.

    Returns
    -------
    float64 array
    """
    x = (counter_uniform(stream, unit, step, site) * 2.0 - 1.0) + 2.0**-32
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
    stream: np.ndarray, unit: np.ndarray, step: np.ndarray, site: int, wanted: np.ndarray
) -> np.ndarray:
    """As :func:`counter_normal` where ``wanted`` is not 0, and 0 elsewhere."""
    return np.where(np.asarray(wanted) != 0, counter_normal(stream, unit, step, site), 0.0)


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
_RAND = re.compile(r"\brand(?:(n?)\(\)|n_if\((\w+)\))")


def uses_rand(*codes: str | None) -> bool:
    """Whether any of the strings calls ``rand()``, ``randn()`` or ``randn_if(x)``."""
    return any(code is not None and _RAND.search(code) for code in codes)


def replace_rand(code: str | None, first_site: int = 0) -> str | None:
    """The string with ``rand()``, ``randn()`` and ``randn_if(x)`` from the generators above."""
    if code is None:
        return None
    site = first_site

    def call(found: re.Match[str]) -> str:
        nonlocal site
        site += 1
        arguments = f"stream, unit, step, {site}"
        if found[2]:
            return f"counter_normal_if({arguments}, {found[2]})"
        return f"counter_{'normal' if found[1] else 'uniform'}({arguments})"

    return _RAND.sub(call, code)


def first_site(population: str) -> int:
    """Where the numbering of a population's ``rand()`` calls begins: 0 for the input.

    Without it, unit 7 of two layers would draw the same numbers.
    """
    return 0 if population == "input" else (zlib.crc32(population.encode()) % 2**24 + 1) * 64


def image_streams(seed: int, images: np.ndarray) -> np.ndarray:
    """One 31-bit random stream for each image of a seed.

    Parameters
    ----------
    seed : int
    images : int array (n_images,)
        Numbers of the images.

    Returns
    -------
    int32 array (n_images,)
    """
    base = np.random.SeedSequence(seed).generate_state(1, dtype=np.uint32)[0]
    with np.errstate(over="ignore"):
        mixed = _mix(_mix(np.asarray(images).astype(np.uint32) + np.uint32(1)) ^ base)
    return (mixed & np.uint32(0x7FFFFFFF)).astype(np.int32)
