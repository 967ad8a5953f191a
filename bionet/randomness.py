"""Random numbers that depend on the image, the unit and the step, and on nothing else.

``rand()`` in an equation is replaced by a counter-based generator: a hash of (stream, unit,
step, site), where the stream belongs to a seed and an image and the site tells two calls in one
model apart. A Poisson train is therefore the same on every device, for any number of lanes and
threads, and when one image is simulated again alone. Brian2's own ``rand()`` draws from one
sequence per process (or thread), so its trains depend on all of these.

The mixing function is the 32-bit finaliser ``lowbias32`` (Wellons 2018, hash prospector).
"""

from __future__ import annotations

import re

import numpy as np
from brian2.core.functions import Function

__all__ = ["COUNTER_UNIFORM", "image_streams", "replace_rand", "uses_rand"]

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

_CYTHON = f'''
cdef extern from *:
    """
#include <stdint.h>
{_CPP}
    """
    double counter_uniform(int stream, int unit, int step, int site)
'''


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


COUNTER_UNIFORM = Function(
    counter_uniform,
    arg_units=[1, 1, 1, 1],
    arg_types=["integer"] * 4,
    return_unit=1,
    return_type="float",
)
COUNTER_UNIFORM.implementations.add_numpy_implementation(counter_uniform)
COUNTER_UNIFORM.implementations.add_implementation("cpp", _CPP)
COUNTER_UNIFORM.implementations.add_implementation("cython", _CYTHON)

_RAND = re.compile(r"\brand\(\)")


def uses_rand(*codes: str | None) -> bool:
    """Whether any of the strings calls ``rand()``."""
    return any(code is not None and _RAND.search(code) for code in codes)


def replace_rand(code: str | None, first_site: int = 0) -> str | None:
    """The string with each ``rand()`` replaced by the counter-based generator."""
    if code is None:
        return None
    site = first_site

    def call(_: re.Match[str]) -> str:
        nonlocal site
        site += 1
        return f"counter_uniform(stream, unit, step, {site})"

    return _RAND.sub(call, code)


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
