"""Populations of a temporal code rest in the steps in which they have nothing to do.

When that is, :mod:`bionet.running.pipeline_schedule` says before the simulation. A compiled
program then passes over their state update and threshold (``templates/cpp/active_*.cpp``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from brian2.devices.device import RuntimeDevice, get_device

from bionet.brian.plan import Plan

__all__ = ["BOUNDS", "guard", "guarded"]

BOUNDS = ("first_step", "last_step", "first_spike")  # of a population's activity


def guarded(plan: Plan) -> tuple[str, ...]:
    """Populations that are left alone in the steps in which they have nothing to do.

    Their potential does not leak then, so one that is looked at is not among them.
    """
    watched = {
        *(key.partition(".")[0] for key in plan.potentials),
        *(key.population for key in plan.kept if key.variable == "v"),
    }
    return tuple(name for name in plan.active if plan.skip_idle and name not in watched)


def guard(group: Any, plan: Plan) -> None:
    """Let a population's state update and threshold pass over idle steps."""
    for bound, step in zip(BOUNDS, plan.active[group.name], strict=True):
        group.variables.add_array(bound, size=1, dtype=np.int32, scalar=True)
        group.variables[bound].set_value(step)
    if isinstance(get_device(), RuntimeDevice):
        return  # a program's templates only: the cost of other devices lies elsewhere
    group.state_updater.template = "active_stateupdate"
    if "spike" in group.thresholder:
        group.thresholder["spike"].template = "active_threshold"
