r"""Synapses that inject a current: exponential and alpha; and the jump of a delta synapse.

.. math::

    \text{exponential:}\quad & \frac{dI_{syn}}{dt} = -\frac{I_{syn}}{\tau}, &
        I_{syn}(t) &= w\, e^{-t/\tau}, & \text{area } w \tau \\
    \text{alpha:}\quad & \frac{dI_{syn}}{dt} = \frac{e\,x_{syn} - I_{syn}}{\tau},\
        \frac{dx_{syn}}{dt} = -\frac{x_{syn}}{\tau}, &
        I_{syn}(t) &= w \frac{t}{\tau} e^{1 - t/\tau}, & \text{area } e\, w \tau \\
    \text{delta:}\quad & v \to v + w

A weight w is the peak of the current in ampere, also of the alpha function; of a delta synapse it
is the jump of the potential in volt.

===========  ======  ================================================
symbol       unit    meaning
===========  ======  ================================================
``I_syn``    amp     synaptic current
``x_syn``    amp     second variable of an alpha function
``tau_syn``  second  time constant
``z``        volt    input that a refractory unit ignores
===========  ======  ================================================

References
----------
W. Rall: Distinguishing theoretical synaptic potentials computed for different soma-dendritic
distributions of synaptic input. Journal of Neurophysiology 30 (1967) 1138-1168 (alpha function).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bionet.equations.model import NeuronModel
from bionet.equations.synapses.base import Synapse, checked_time, with_current
from bionet.errors import InputError
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["Alpha", "Delta", "Exponential"]


@typed
@dataclass(frozen=True)
class Exponential(Synapse):
    """A current that jumps at a spike and decays exponentially.

    Parameters
    ----------
    tau : Quantity
        Time constant, in units of time.
    current : str
        Name of the current; another one for a second synapse on the same neuron.
    """

    tau: Quantity
    current: str = "I_syn"

    def __post_init__(self) -> None:
        checked_time(self.tau, "exponential: tau")

    @property
    def area(self) -> Quantity:
        """Charge that a spike brings for each ampere of its weight, in seconds."""
        return self.tau

    def on(self, neuron: NeuronModel) -> NeuronModel:
        """See :meth:`Synapse.on`."""
        name, tau = self.current, f"tau_{self.current.removeprefix('I_')}"
        lines = [f"d{name}/dt = -{name}/{tau} : amp", f"{tau} : second (constant)"]
        inputs = {"exc": name, "inh": name}
        return with_current(neuron, "exponential synapses", name, lines, {tau: self.tau}, inputs)


@typed
@dataclass(frozen=True)
class Alpha(Synapse):
    """A current that rises and falls as an alpha function, with its peak at ``tau``.

    Parameters
    ----------
    tau : Quantity
        Time from the spike to the peak, in units of time.
    current : str
        Name of the current; another one for a second synapse on the same neuron.
    """

    tau: Quantity
    current: str = "I_syn"

    def __post_init__(self) -> None:
        checked_time(self.tau, "alpha: tau")

    @property
    def area(self) -> Quantity:
        """Charge that a spike brings for each ampere of its weight, in seconds."""
        return math.e * self.tau

    def on(self, neuron: NeuronModel) -> NeuronModel:
        """See :meth:`Synapse.on`."""
        name, label = self.current, self.current.removeprefix("I_")
        tau, rise = f"tau_{label}", f"x_{label}"
        lines = [
            f"d{name}/dt = ({math.e!r}*{rise} - {name})/{tau} : amp",
            f"d{rise}/dt = -{rise}/{tau} : amp",
            f"{tau} : second (constant)",
        ]
        inputs = {"exc": rise, "inh": rise}
        return with_current(neuron, "alpha synapses", name, lines, {tau: self.tau}, inputs)


@typed
@dataclass(frozen=True)
class Delta(Synapse):
    """A jump of the membrane potential; a weight is in volt.

    A refractory unit ignores it.
    """

    def on(self, neuron: NeuronModel) -> NeuronModel:
        """See :meth:`Synapse.on`."""
        from brian2 import get_unit

        v = neuron.potential
        if v is None:
            raise InputError(f"delta synapses: model {neuron.name!r} has no membrane potential")
        changes: dict[str, Any] = {"name": f"{neuron.name}; delta synapses"}
        if neuron.refractory is None or neuron.resets is None:
            return replace(neuron, **changes, input=v, inputs={"exc": v, "inh": v})
        if "z" in neuron.dimensions:
            raise InputError(f"delta synapses: model {neuron.name!r} has a variable 'z' already")
        unit = repr(get_unit(neuron.dimensions[v]))
        passing = [f"{v} += z*int(not_refractory)", "z = 0*z"]
        return replace(
            neuron,
            **changes,
            equations=f"{neuron.equations}\nz : {unit}",
            update="\n".join([*passing, *filter(None, [neuron.update])]),
            input="z",
            inputs={"exc": "z", "inh": "z"},
        )
