r"""When each population of a temporal code is at work, and how closely images can follow.

With static windows the steps at which a population can change are known before the simulation.
Counted from the onset of its image, layer l of window T_l integrates from s_l to
:math:`s_{l+1} = s_l + T_l` and emits from there to :math:`s_{l+2}`, so that it is busy for

.. math:: B_l = T_l + T_{l+1} + 1

steps, the step of its release counted once. Its units have one potential: the next image may
enter the layer when this one has left it, and with one period for all layers

.. math:: P = \max_l B_l

In a *pipelined* simulation an image enters every P steps, each layer works on an image of its own,
and the spikes, counted from the onset of their image, are those of one image after another.

===========  =====  ================================================================
symbol       unit   meaning
===========  =====  ================================================================
``T_l``      steps  integration window of layer l; of the input the steps it may spike in
``s_l``      steps  first step of that window, from the onset of the image
``P``        steps  period of a pipelined simulation
===========  =====  ================================================================

References
----------
Zhang et al. 2019 (TDSNN), Section 3 (windows); the period is not in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bionet.errors import InputError
from bionet.network import SpikingNetwork, TemporalCode

__all__ = ["Activity", "activities", "check_pipeline", "period"]


@dataclass(frozen=True)
class Activity:
    """Steps of an image, counted from its onset, in which a population is at work.

    Attributes
    ----------
    first, last : int
        It can change in these steps and those between.
    emits : int
        The first of them in which it can spike.
    """

    first: int
    last: int
    emits: int

    @property
    def busy(self) -> int:
        """Number of steps."""
        return self.last - self.first + 1


def activities(snn: SpikingNetwork, steps: int) -> dict[str, Activity]:
    """Activity of every population, the input included; empty without static windows.

    Parameters
    ----------
    snn : SpikingNetwork
    steps : int
        Steps of a presentation: how long the output layer is watched.
    """
    code = snn.code
    if not isinstance(code, TemporalCode) or code.window != "static":
        return {}
    layers, end = code.layers, steps - 1
    ends: dict[str, int] = {}
    start = 0
    for layer in layers:
        start += layer.window
        ends[layer.clock] = start
    following = [*list(ends.values())[1:], end]
    last = {clock: min(stop, end) for clock, stop in zip(ends, following, strict=True)}
    first_window = layers[0].window
    active = {"input": Activity(0, first_window, 0), "onset": Activity(0, first_window, 0)}
    start = 0
    for layer in layers:
        name, clock = layer.name, layer.clock
        released, stop = ends[clock], last[clock]
        active[f"{name}_bias"] = Activity(start, released, start)
        active[clock] = Activity(start, stop, start)
        active[name] = Activity(start, stop, released)
        start = released
    released = ends[layers[-1].clock] - layers[-1].window
    active[snn.readout.potential] = Activity(released, end, released)
    for population in snn.names[1:]:
        if population not in active:  # a max pooling: in the windows of its neighbours
            shared = code.clocks.get(population)
            begin = ends[shared] if shared else 0
            stop = last[shared] if shared else first_window
            active[population] = Activity(begin, stop, begin)
    return {name: active[name] for name in snn.names}


def period(active: Mapping[str, Activity]) -> int:
    """Least number of steps between the onsets of two images, P."""
    return max(activity.busy for activity in active.values())


def check_pipeline(snn: SpikingNetwork, active: Mapping[str, Activity], kept: bool) -> None:
    """Refuse to pipeline what has no schedule, or whose potentials are wanted at the end.

    Raises
    ------
    InputError
        Naming what stands against it.
    """
    if not active:
        kind = (
            "a dynamic window" if isinstance(snn.code, TemporalCode) else f"method {snn.method!r}"
        )
        raise InputError(
            f"pipelined: images can follow one another only where the windows of all layers are"
            f" known beforehand, but this network has {kind}; convert with method 'tdsnn' and"
            " window='static', or leave pipelined out"
        )
    if kept:
        raise InputError(
            "pipelined: when a presentation ends its layers hold the next images, so final"
            " potentials cannot be kept; leave final_potentials out"
        )
