r"""Axonal delays: how long a spike travels from its unit to the unit's targets, in steps.

.. math:: d_i = d + s z_i, \qquad d_i \ge d_\mathrm{least}

.. math:: d_{it} = d_i + \min(\max(j z_{it}, -m), m), \qquad m = 2 j \text{ rounded up to steps}

===========  ============================================================  =====
symbol       meaning                                                       unit
===========  ============================================================  =====
``d``        ``delay`` of a projection: a time, or a number of steps       s
``s``        ``delay_spread``: standard deviation from unit to unit        s
``z_i``      standard normal number of source unit i; drawn anew where
             the delay would be shorter than the least one                 1
``j``        ``jitter``: standard deviation from spike to spike            s
``z_it``     standard normal number of the spike of unit i in step t       1
===========  ============================================================  =====

The least delay is 0, or one step where a projection runs back. Delays belong to the axon: z is a
pure function of ``delay_seed``, the source's name and the unit, so the projections of a population
share it, a network has the same delays in every run, and half the step gives the same times.
Jitter is noise: it follows the seed of the simulation, the image, the unit and the step. A spike
has one travel, which all projections of its unit share, and none arrives before the least delay.

References
----------
H. A. Swadlow, S. G. Waxman: Axonal conduction delays. Scholarpedia 7(6):1451 (2012).
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from bionet.equations.units import same_unit
from bionet.errors import InputError

if TYPE_CHECKING:
    from bionet.network.populations import Projection

__all__ = [
    "checked_delay",
    "checked_spread",
    "delay_steps",
    "jitter_bounds",
    "jitter_reach",
    "is_time",
    "needed_slots",
    "unit_delays",
]

NO_IMAGE = -1
"""Stream of the numbers of no image: no spike draws them."""
SLOTS = 16
"""Slots of the shortest queue; all delays that fit into it have one program."""


def is_time(value: Any) -> bool:
    """Whether a value is a quantity of time."""
    from brian2 import second

    return same_unit(value, second)


def checked_delay(name: str, delay: Any) -> Any:
    """A delay as an int of steps, or as a quantity of time.

    Raises
    ------
    InputError
        If it is neither, or negative.
    """
    scalar = isinstance(delay, (int, float, np.number, np.ndarray)) and not np.ndim(delay)
    number = float(delay) if scalar else math.nan
    if scalar and is_time(delay) and math.isfinite(number) and number >= 0:
        return delay if number else 0
    if not scalar or not same_unit(delay, 1.0) or number < 0 or not number.is_integer():
        raise InputError(
            f"projection {name}: the delay must be a whole number of steps >= 0, or a"
            f" time such as 2*ms, but is {delay!r}"
        )
    return int(number)


def checked_spread(name: str, field: str, value: Any) -> Any:
    """A spread of delays: 0, or a quantity of time.

    Raises
    ------
    InputError
        If it is neither, or negative.
    """
    scalar = isinstance(value, (int, float, np.number, np.ndarray)) and not np.ndim(value)
    number = float(value) if scalar else math.nan
    if not math.isfinite(number) or number < 0 or (number and not is_time(value)):
        raise InputError(
            f"projection {name}: {field} must be a time >= 0 such as 0.5*ms, but is {value!r}"
        )
    return value if number else 0


def delay_steps(projection: Projection, dt: float) -> int:
    """The delay of a projection in steps of ``dt`` seconds.

    Raises
    ------
    InputError
        If it is no multiple of dt, and no spread makes the units' delays differ anyway.
    """
    if not is_time(projection.delay):
        return int(projection.delay)
    ratio = float(projection.delay) / dt
    steps = math.floor(ratio + 0.5)
    if not projection.delay_spread and not math.isclose(ratio, steps, rel_tol=1e-6):
        low, high = (k * dt * 1000 for k in (math.floor(ratio), math.ceil(ratio)))
        raise InputError(
            f"projection {projection.name}: the delay ({projection.delay}) must be a multiple of"
            f" dt ({dt * 1000:g} ms); give {low:g}*ms or {high:g}*ms, or another dt"
        )
    return steps


def unit_delays(
    projection: Projection, shape: tuple[int, ...], dt: float, least: int = 0
) -> np.ndarray:
    """Steps that the spikes of each source unit travel.

    Parameters
    ----------
    projection : Projection
    shape : tuple of int
        Of its source.
    dt : float
        Step in seconds.
    least : int
        Shortest delay in steps; 1 where the projection runs back.

    Returns
    -------
    int32 array of ``shape``
        In PyTorch's order.

    Raises
    ------
    InputError
        If the delay is no multiple of dt, or shorter than the least one.
    """
    nominal = delay_steps(projection, dt)
    time = is_time(projection.delay)
    mean = float(projection.delay) / dt if time else float(nominal)
    if min(nominal, mean * (1 + 1e-6)) < least:
        raise InputError(
            f"projection {projection.name} runs against the order of the populations; its delay"
            f" ({projection.delay}) must be at least one step ({dt * 1000:g} ms)"
        )
    size = int(np.prod(shape))
    if not projection.delay_spread:
        return np.full(shape, nominal, dtype=np.int32)
    from bionet.equations.randomness import counter_normal, seed_words  # needs Brian2

    key, site = seed_words(projection.delay_seed), zlib.crc32(projection.source.encode())
    spread = float(projection.delay_spread) / dt
    travel = np.full(size, -1.0)
    # At least half of the numbers stay in every pass, so that a hundred leave none.
    for attempt in range(100):
        short = np.flatnonzero(travel < least)
        if not short.size:
            break
        z = counter_normal(*key, np.array(NO_IMAGE), short, np.array(attempt), site)
        travel[short] = mean + spread * z
    return np.floor(np.maximum(travel, least) + 0.5).astype(np.int32).reshape(shape)


def jitter_reach(projection: Projection, dt: float) -> int:
    """Steps that jitter moves a spike by at most, forwards or backwards; 0 without jitter."""
    # A little less than the quotient, so that 1.0000001 steps are one.
    return max(0, math.ceil(2 * float(projection.jitter) / dt - 1e-6)) if projection.jitter else 0


def jitter_bounds(jitter: float, reach: int) -> np.ndarray:
    """Random words that divide the steps of travel from each other.

    The normal quantile rises with the 32 bits that it is made from, so the steps of a spike's
    travel, jitter z rounded, are known from where its bits lie among these bounds. It is thus
    computed for the bounds alone, here.

    Parameters
    ----------
    jitter : float
        Standard deviation in steps.
    reach : int
        Most steps.

    Returns
    -------
    uint32 array (2 reach,)
        A spike travels -reach steps and one more for every bound that its word is larger than.
    """
    from bionet.equations.randomness import normal_quantile  # needs Brian2

    wanted = np.arange(-reach + 1, reach + 1)
    below, above = np.full(2 * reach, -1), np.full(2 * reach, 2**32 - 1)
    for _ in range(33):  # bisection for the largest word that is rounded to fewer steps
        middle = (below + above + 1) // 2
        steps = np.floor(jitter * normal_quantile(np.maximum(middle, 0)) + 0.5)
        less = (steps < wanted) | (middle < 0)
        below, above = np.where(less, middle, below), np.where(less, above, middle - 1)
    return np.maximum(below, 0).astype(np.uint32)


def needed_slots(steps: np.ndarray | int) -> int:
    """Slots of the queue for delays of so many steps: 0, or a power of two that is at least 16."""
    longest = int(np.max(steps))
    return max(SLOTS, 1 << longest.bit_length()) if longest else 0
