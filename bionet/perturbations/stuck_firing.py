r"""Units that fire whatever they receive: stuck at 1, or hyperexcitable.

.. math::

    \text{spike if } (v \ge \theta \text{ and not stuck}) \text{ or } (\text{stuck and }
    u < r\, dt)

A stuck unit fires at random with the rate r, in every step where :math:`r\,dt \ge 1`; u is a
uniform number of each step. Its potential is not reset, and counts for nothing. The refractory
period of its model still holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from brian2 import Hz, Quantity

from bionet.equations import NeuronModel
from bionet.equations.latex import statements
from bionet.equations.randomness import uses_rand
from bionet.equations.units import same_unit
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork
from bionet.perturbations.base import (
    NetworkPerturbation,
    change_populations,
    chosen_populations,
    extended,
    generator,
    joined,
)
from bionet.perturbations.transmission import guarded_statement

__all__ = ["StuckFiring"]


@typed
@dataclass(frozen=True)
class StuckFiring(NetworkPerturbation):
    """Units that fire at a rate of their own, each with probability ``level``.

    The output is spared unless it is named.

    Parameters
    ----------
    level : float
        Probability that a unit is stuck.
    populations : tuple of str, optional
    rate : Quantity
        At which a stuck unit fires, in Hz.
    amplitude : float
        Size of its spikes, where the spikes of a population have one.

    Raises
    ------
    InputError
        For a rate below 0 or of another unit, or a population that never fires.

    References
    ----------
    Torres-Huitzil, Girau 2017 (stuck-at-1).
    """

    rate: Quantity = field(default_factory=lambda: 100 * Hz)
    amplitude: float = 1.0
    name: ClassVar[str] = "stuck_firing"
    measure: ClassVar[str] = "share of units"
    most: ClassVar[float] = 1.0
    source: ClassVar[str] = "Torres-Huitzil, Girau 2017 (stuck-at-1)"
    option_units: ClassVar[Mapping[str, str]] = {"rate": "Hz"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not same_unit(self.rate, 1 * Hz) or not float(self.rate) >= 0:
            raise InputError(f"{self.name}: rate must be a rate >= 0*Hz, but is {self.rate!r}")

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        firing = chosen_populations(self, snn, "threshold", lambda p: p.model.threshold is not None)
        if self.populations is None:
            firing = [name for name in firing if name != snn.readout.spikes]

        def change(population: Population) -> dict[str, Any]:
            share = generator(seed, self.name, population.name).random(population.shape)
            model = _stuck(population.model)
            values: dict[str, Any] = {
                "stuck": (share < self.number).astype(float),
                "rate_stuck": self.rate,
            }
            if model.amplitude is not None:
                values["o_stuck"] = float(self.amplitude)
            return {"model": model, "parameters": values}

        return change_populations(snn, firing, change)


def _stuck(model: NeuronModel) -> NeuronModel:
    if "stuck" in model.dimensions:
        raise InputError(f"stuck_firing: model {model.name!r} has them already; give them once")
    if uses_rand(model.threshold):
        raise InputError(f"stuck_firing: the threshold of model {model.name!r} is random itself")
    lines = ["stuck : 1 (constant)", "rate_stuck : Hz (constant)"]
    defaults: dict[str, Any] = {"stuck": 0.0, "rate_stuck": 0 * Hz}
    reset = [guarded_statement(s, model) for s in statements(model.reset)]
    if model.amplitude is not None:
        lines.append("o_stuck : 1 (constant)")
        defaults["o_stuck"] = 1.0
        reset.append(f"{model.amplitude} = own*{model.amplitude} + (1 - own)*o_stuck")
    return extended(
        model,
        *lines,
        name=f"{model.name}, some stuck",
        threshold=f"(({model.threshold}) and stuck < 0.5)"
        " or (stuck > 0.5 and rand() < rate_stuck*dt)",
        reset=joined("own = int(stuck < 0.5)", *reset) if reset else model.reset,
        resets=None,  # of a stuck unit
        parameters={**model.parameters, **defaults},
    )
