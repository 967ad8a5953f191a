r"""Short-term plasticity: spikes that use up, and facilitate, what the next ones can release.

.. math::

    \frac{du}{dt} = -\frac{u}{\tau_f}, \quad \frac{dx}{dt} = \frac{1 - x}{\tau_d}; \qquad
    \text{at a spike: } u \to u + U (1 - u),\ o = u x,\ x \to x - u x

A spike passes on the weight times o. All synapses of a unit share U and the time constants, so
that u and x belong to the unit that fires: the same as a pair of variables for every synapse.

==========  ======  ================================================
symbol      unit    meaning
==========  ======  ================================================
``x_stp``   1       share of resources that is available
``u_stp``   1       share of them that a spike uses
``U``       1       what a spike adds to u
``tau_d``   second  recovery of the resources (depression)
``tau_f``   second  decay of the facilitation
``o``       1       size of a spike
==========  ======  ================================================

At a constant rate r, without facilitation (:math:`\tau_f \to 0`), x before a spike settles at
:math:`(1 - q)/(1 - (1 - U) q)` with :math:`q = e^{-1/(r \tau_d)}`.

References
----------
M. Tsodyks, K. Pawelzik, H. Markram: Neural networks with dynamic synapses. Neural Computation 10
(1998) 821-835.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bionet.equations.model import NeuronModel
from bionet.equations.synapses.base import Synapse, checked_time
from bionet.errors import InputError
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["TsodyksMarkram"]


@typed
@dataclass(frozen=True)
class TsodyksMarkram(Synapse):
    """Short-term plasticity of all synapses that leave a population.

    Parameters
    ----------
    U : float
        Share of the resources that a first spike uses, above 0 and at most 1.
    tau_d, tau_f : Quantity
        Time constants of depression and facilitation, in units of time.

    Raises
    ------
    InputError
        If U or a time constant is out of range.
    """

    U: float
    tau_d: Quantity
    tau_f: Quantity

    def __post_init__(self) -> None:
        if not 0 < float(self.U) <= 1:
            raise InputError(f"tsodyks_markram: U must lie in (0, 1], but is {self.U}")
        checked_time(self.tau_d, "tsodyks_markram: tau_d")
        checked_time(self.tau_f, "tsodyks_markram: tau_f")

    def on(self, neuron: NeuronModel) -> NeuronModel:
        """The model of the population that *sends* the spikes, with plastic synapses.

        Raises
        ------
        InputError
            If it never fires, or its spikes have a size already.
        """
        if neuron.threshold is None or neuron.amplitude is not None:
            why = "never fires" if neuron.threshold is None else "has spikes of different sizes"
            raise InputError(f"tsodyks_markram: model {neuron.name!r} {why}")
        lines = [
            "dx_stp/dt = (1 - x_stp)/tau_d : 1",
            "du_stp/dt = -u_stp/tau_f : 1",
            "o : 1",
            "U : 1 (constant)",
            "tau_d : second (constant)",
            "tau_f : second (constant)",
        ]
        release = ["u_stp += U*(1 - u_stp)", "o = u_stp*x_stp", "x_stp -= o"]
        return replace(
            neuron,
            name=f"{neuron.name}; short-term plasticity",
            equations="\n".join([neuron.equations, *lines]),
            reset="\n".join([*filter(None, [neuron.reset]), *release]),
            parameters={
                **neuron.parameters,
                "U": float(self.U),
                "tau_d": self.tau_d,
                "tau_f": self.tau_f,
            },
            initial={**neuron.initial, "x_stp": 1.0},
            amplitude="o",
            spike="graded",
        )
