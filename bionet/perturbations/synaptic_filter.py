r"""Synapses with a time constant, in networks whose spikes arrive within one step.

.. math:: \tau \frac{dg}{dt} = -g, \qquad g \to g + w \text{ at a spike}, \qquad
    \frac{dv}{dt} = \ldots + \frac{g}{\tau}

A spike adds w to the potential in all, as before, but over a time of about tau. A step of the
simulation passes on :math:`g\,(1 - e^{-dt/\tau})`, which is exact for spikes on the steps.

=======  ======  =========================================
symbol   unit    meaning
=======  ======  =========================================
``g``    1       what has arrived and not yet been passed on
``tau``  second  synaptic time constant, the level
=======  ======  =========================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from brian2 import get_unit, ms
from brian2.units.fundamentalunits import DIMENSIONLESS

from bionet.equations import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork
from bionet.perturbations.base import (
    NetworkPerturbation,
    change_populations,
    extended,
    joined,
)

__all__ = ["SynapticFilter"]


@typed
@dataclass(frozen=True)
class SynapticFilter(NetworkPerturbation):
    """Synaptic currents that decay with the time constant ``level``.

    References
    ----------
    W. Gerstner, W. M. Kistler, R. Naud, L. Paninski: Neuronal Dynamics (2014), Section 3.1.
    """

    name: ClassVar[str] = "synaptic_filter"
    unit: ClassVar[str] = "ms"
    source: ClassVar[str] = "Gerstner et al. 2014, Section 3.1"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.number == 0:
            raise InputError("synaptic_filter: a time constant of 0 ms is no filter; leave it out")

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        targets = {q.target for q in snn.projections} - set(snn.relays)
        names = [p.name for p in snn.populations if p.name in targets and self.concerns(p.name)]
        for name in names:
            _check(snn, name)

        def change(population: Population) -> dict[str, Any]:
            return {"model": _filtered(population.model), "parameters": {"tau_g": self.level}}

        return change_populations(snn, names, change)


def _check(snn: SpikingNetwork, name: str) -> None:
    """Refuse a population that has synaptic currents, or whose spikes carry times."""
    model = snn.population(name).model
    if "tau_g" in model.dimensions:
        raise InputError(f"synaptic_filter: model {model.name!r} has it already; give it once")
    if model.inputs or model.input not in model.dimensions:
        raise InputError(
            f"synaptic_filter: model {model.name!r} has synapses of its own; choose their time"
            " constant where the network is converted"
        )
    if snn.code is not None and snn.code.once:
        raise InputError("synaptic_filter: in a code of times a spike must arrive at once")


def _filtered(model: NeuronModel) -> NeuronModel:
    into = model.input
    dimension = model.dimensions[into]
    unit = "1" if dimension is DIMENSIONLESS else repr(get_unit(dimension))
    filtered = extended(
        model,
        f"g : {unit}",
        "tau_g : second (constant)",
        name=f"{model.name}, synaptic filter",
        update=joined(f"{into} += g*(1 - exp(-dt/tau_g))", "g *= exp(-dt/tau_g)", model.update),
        parameters={**model.parameters, "tau_g": 1 * ms},
    )
    return replace(filtered, input="g")
