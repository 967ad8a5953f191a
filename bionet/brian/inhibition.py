r"""Lateral inhibition: when a unit fires, all others of its population are silenced for a while.

In every step, after the threshold was tested and before anybody resets:

1. A population that was inhibited less than ``t_inh`` ago does not fire: its spikes of this step
   are taken back and every unit is held at rest.
2. Otherwise, of the units that crossed the threshold in this step, the one with the highest
   potential is the winner; of equal ones that with the lowest number in PyTorch's order. Its spike
   stays and its own reset follows. All others are set to rest, and for ``t_inh`` none fires.

So two spikes of a population are never less than ``t_inh`` apart. Each image (lane) has its
own competition.

=========  =======  ===================================================================
symbol     unit     meaning
=========  =======  ===================================================================
``t_inh``  second   inhibition period, a parameter of the population's model
``until``  step     state of the object: first step at which a lane may fire again
=========  =======  ===================================================================

References
----------
Zhang et al. 2019 (DSNN), Section 1 ("only one neuron can fire in a short period").
"""

from __future__ import annotations

import math
from importlib import resources
from typing import Any

import numpy as np
from brian2.core.names import Nameable
from brian2.core.variables import Variables
from brian2.groups.group import CodeRunner, Group

from bionet.brian.channel_last import torch_index
from bionet.brian.synapses import SCALARS
from bionet.errors import InputError

__all__ = ["LateralInhibition"]


def header() -> str:
    """The C++ loop, one text for Cython and C++ standalone."""
    return resources.files("bionet.brian").joinpath("templates/lateral_inhibition.hpp").read_text()


class LateralInhibition(Group, CodeRunner):
    """Winner-take-all within a NeuronGroup, a Brian2 object between threshold and reset.

    Parameters
    ----------
    group : NeuronGroup
        Of ``lanes`` times the shape's number of units, lane after lane in channel-last order.
    shape : tuple of int
        (channels, height, width) or (features,) of one lane.
    period : str
        Parameter of the group that holds the inhibition period, one value for all units.
    resting : float
        Potential that an inhibited unit is set to.
    potential : str
        Variable of the group that is the membrane potential.
    lanes : int
    when, order, name
        As for every Brian2 object; it must run after the threshold and before the reset.

    Raises
    ------
    InputError
        If the group never fires, or has no potential or no such parameter.
    """

    add_to_magic_network = True
    invalidates_magic_network = False
    codeobj_class = None

    def __init__(
        self,
        group: Any,
        shape: tuple[int, ...],
        period: str = "t_inh",
        resting: float = 0.0,
        potential: str = "v",
        lanes: int = 1,
        when: str = "thresholds",
        order: int = 1,
        name: str = "lateralinhibition*",
    ) -> None:
        Nameable.__init__(self, name)
        self.group, self.shape, self.lanes, self.rest = group, shape, lanes, resting
        self._check(period, potential)
        self.variables = Variables(self)
        self.variables.add_constant("N", lanes)
        self.variables.add_array("until", size=lanes, dtype=np.int64)
        self.variables.add_reference("_spikespace", group)
        self.variables.add_reference("_v", group, potential)
        self.variables.add_reference("_t_inh", group, period)
        refractory = "lastspike" in group.variables
        if refractory:
            self.variables.add_reference("_not_refractory", group, "not_refractory")
            self.variables.add_reference("_lastspike", group, "lastspike")
        self.variables.add_reference("_timestep", group.clock, "timestep")
        self.variables.add_reference("_t", group.clock, "t")
        channels = shape[0] if len(shape) == 3 else int(np.prod(shape))
        CodeRunner.__init__(
            self,
            self,
            "lateral_inhibition",
            name=None,
            clock=group.clock,
            when=when,
            order=order,
            needed_variables=[n for n in self.variables if n != "N"],
            template_kwds={
                "header": header(),
                "eventspace_variable": self.variables["_spikespace"],
                "scalar": SCALARS[np.dtype(group.variables[potential].dtype).name],
                "dt": repr(float(group.clock.dt)),
                "n_units": len(group),
                "lanes": lanes,
                "channels": channels,
                "pixels": int(np.prod(shape)) // channels,
                "rest": repr(float(resting)),
                "refractory": refractory,
            },
        )
        self.add_dependency(group)
        self._enable_group_attributes()

    def _check(self, period: str, potential: str) -> None:
        for needed, what in (
            ("_spikespace", "never fires"),
            (potential, f"has no potential {potential}"),
            (period, f"has no parameter {period!r}"),
        ):
            if needed not in self.group.variables:
                raise InputError(
                    f"{self.name}: lateral inhibition needs a population that fires, with"
                    f" potential v and a period, but {self.group.name!r} {what}"
                )
        if not self.group.variables[period].scalar:
            raise InputError(f"{self.name}: {period} must be one value for the whole population")
        if len(self.group) != self.lanes * int(np.prod(self.shape)):
            raise InputError(
                f"{self.name}: {self.group.name!r} has {len(self.group)} units, but {self.lanes}"
                f" lanes of shape {self.shape} need {self.lanes * int(np.prod(self.shape))}"
            )

    def inhibit(self) -> None:
        """One step, lane after lane: the NumPy device, and the reference in tests."""
        values = {name: self.variables[name].get_value() for name in self.variables if name != "N"}
        spikes, until = values["_spikespace"], values["until"]
        v = values["_v"].reshape(self.lanes, -1)
        number = torch_index(self.shape)
        now, t_inh = int(values["_timestep"].item()), float(values["_t_inh"].item())
        period = math.ceil(t_inh / float(self.group.clock.dt) - 1e-3)
        fired = spikes[: spikes[-1]].copy()
        winners = []
        for lane in range(self.lanes):
            units = fired[fired // v.shape[1] == lane] % v.shape[1]
            if now < until[lane]:
                v[lane] = self.rest
            elif len(units):
                # The highest potential, then the lowest number.
                winner = units[np.lexsort((number[units], -v[lane, units]))[0]]
                v[lane, np.arange(v.shape[1]) != winner] = self.rest
                until[lane] = now + period
                winners.append(lane * v.shape[1] + winner)
        if "_lastspike" in values:
            beaten = np.setdiff1d(fired, winners)
            values["_not_refractory"][beaten], values["_lastspike"][beaten] = True, -1e4
        spikes[: len(winners)] = winners
        spikes[-1] = len(winners)
