r"""Scales and windows of a ``ttfs`` network: how large values are, and when each layer spikes.

A potential of 1 stands for :math:`\lambda_l`, a power of two, so that dividing weights by it loses
no bit. With :math:`X_l` the largest activation of the calibration set times a margin,

.. math::

    \lambda_l = 2^{\lceil \log_2 X_l \rceil}, \qquad R_l = \lceil X_l / (\lambda_l q) \rceil, \qquad
    \theta_l = R_l q, \qquad q = dt/\tau

so that windows have half of :math:`\tau` at least, and :math:`\tau` at most. A bound, such as 6 of
a ReLU6, is :math:`\theta` itself: :math:`\lambda_l = 6/(R q)`. A layer's window begins where the
last of its sources' ends; a source whose window ended earlier, the shortcut of a residual block, is
delayed by the steps between, so that all summands are in v at one time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bionet.conversion.tracing.records import MaxPool, Record, Records
from bionet.network import SpikeWindow

__all__ = ["Schedule", "schedule"]


@dataclass(frozen=True)
class Schedule:
    """Windows of all populations.

    Attributes
    ----------
    windows : dict of str to SpikeWindow
        The input among them, also one that drives by a current.
    ends : dict of str to int
        First step after a population's window, in which all of its values have arrived.
    """

    windows: Mapping[str, SpikeWindow]
    ends: Mapping[str, int]

    def delay(self, source: str, target: str) -> int:
        """Steps that spikes wait for the window of the target's latest source to end."""
        return self.windows[target].start - self.ends[source]


def schedule(
    records: Records, largest: Mapping[str, float], margin: float, step: float, exact: bool
) -> Schedule:
    """The windows of a network.

    Parameters
    ----------
    records : tuple of Record
        The populations to be.
    largest : mapping of str to float
        Largest activation of each.
    margin : float
        Windows have room for values this many times as large.
    step : float
        q, the value of a step.
    exact : bool
        Whether spikes carry their overshoot. Without it the last spike of a ramp needs a step
        more to arrive.
    """
    whole = steps_of(1.0, step)
    wait = 0 if exact else 1
    windows = {"input": SpikeWindow("input", 0, whole)}
    ends = {"input": whole + wait}
    for record in records:
        if isinstance(record, MaxPool):
            before = windows[record.source]
            windows[record.name] = SpikeWindow(
                record.name, before.start, before.ramp, before.scale, before.bound, True,
                before.clips,
            )  # fmt: skip
            ends[record.name] = ends[record.source]
            continue
        start = max(ends[source] for source in record.inputs)
        windows[record.name] = window_of(record, start, margin * largest[record.name], step)
        ends[record.name] = start + windows[record.name].ramp + wait
    return Schedule(windows, ends)


def window_of(record: Record, start: int, most: float, step: float) -> SpikeWindow:
    """The window of a layer whose values reach up to ``most``."""
    clips = bool(np.isfinite(record.bound))
    if clips:
        ramp = steps_of(1.0, step)
        return SpikeWindow(
            record.name, start, ramp, record.bound / (ramp * step), ramp * step, clips=True
        )
    scale = 2.0 ** math.ceil(math.log2(most))
    ramp = steps_of(most / scale, step)
    return SpikeWindow(record.name, start, ramp, scale, ramp * step)


def steps_of(value: float, step: float) -> int:
    """Steps for a value; a whole number of them up to rounding is that number."""
    return max(1, math.ceil(value / step - 1e-9))
