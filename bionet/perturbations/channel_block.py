r"""A conductance that a drug or a toxin blocks: tetrodotoxin, tetraethylammonium, bicuculline.

.. math:: g \to (1 - p)\, g

``conductance`` is any parameter of the neurons in siemens (``g_Na``, ``g_K``, ``g_L``). The
synaptic ones are the gains of the projections: ``g_e`` and ``g_i`` of neurons with conductances
stand for the excitatory and the inhibitory receptors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from bionet.equations.units import unit_name
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork
from bionet.network.delivery import delivery
from bionet.network.input_population import input_spikes
from bionet.perturbations.base import NetworkPerturbation, change_populations

__all__ = ["ChannelBlock"]


@typed
@dataclass(frozen=True, init=False)
class ChannelBlock(NetworkPerturbation):
    """A share of the channels of one kind that is closed for good.

    Parameters
    ----------
    conductance : str
        A parameter of the neurons in siemens, or a variable in siemens that synapses open.
    level : float
        Share that is blocked, from 0 to 1.
    populations : tuple of str, optional
        By default all that have the conductance.

    Raises
    ------
    InputError
        If no population has the conductance, or it is not in siemens.

    References
    ----------
    B. Hille: Ion channels of excitable membranes. Sinauer (2001), Chapter 3.
    """

    conductance: str  # type: ignore[misc]  # __init__ has an order of its own
    name: ClassVar[str] = "channel_block"
    measure: ClassVar[str] = "share blocked"
    most: ClassVar[float] = 1.0
    source: ClassVar[str] = "Hille 2001, Chapter 3"

    def __init__(
        self, conductance: str, level: float, populations: tuple[str, ...] | None = None
    ) -> None:
        values = {"level": level, "populations": populations, "conductance": conductance}
        for field, value in values.items():
            object.__setattr__(self, field, value)
        self.__post_init__()

    @classmethod
    def of(cls, number: float, **options: Any) -> ChannelBlock:
        """The perturbation with its level, and the options by name; ``conductance`` is one."""
        if "conductance" not in options:
            raise InputError("channel_block: name the conductance (conductance='g_Na')")
        return cls(options.pop("conductance"), number, **options)

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        having = [p for p in snn.populations if self.conductance in p.model.dimensions]
        names = [p.name for p in having if self.concerns(p.name, snn)]
        missing = [name for name in self.populations or () if name not in names]
        if missing or not names:
            raise InputError(
                f"channel_block: population {(missing or ['any'])[0]!r} has no conductance"
                f" {self.conductance!r}"
            )
        for population in having:
            unit = unit_name(population.model.dimensions[self.conductance])
            if unit != "S":
                raise InputError(
                    f"channel_block: {self.conductance!r} of {population.name!r} has the unit"
                    f" {unit}; a conductance is in siemens"
                )
        constants = {p.name for p in having if self.conductance in p.parameters}
        snn = change_populations(snn, [n for n in names if n in constants], self._blocked)
        opened, current = {*names} - constants, not input_spikes(snn)
        projections = [
            replace(q, gain=q.gain * (1 - self.number))
            if q.target in opened
            and not (q.source == "input" and current)  # pixels that drive a current open nothing
            and delivery(q, snn.population(q.target).model).variable == self.conductance
            else q
            for q in snn.projections
        ]
        return replace(snn, projections=tuple(projections))

    def _blocked(self, population: Population) -> dict[str, Any]:
        left = population.parameters[self.conductance] * (1 - self.number)
        return {"parameters": {self.conductance: population.model.quantity(self.conductance, left)}}
