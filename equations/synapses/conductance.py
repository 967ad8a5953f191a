r"""Synapses that open a conductance: the current they pass depends on the membrane potential.

.. math::

    I_{syn} = g_e (E_e - v) + g_i (E_i - v), \qquad
    \frac{dg_e}{dt} = -\frac{g_e}{\tau_e}, \quad \frac{dg_i}{dt} = -\frac{g_i}{\tau_i}

Excitatory weights are added to g_e, the absolute values of inhibitory weights to g_i: a projection
with ``sign=1`` and one with ``sign=-1``. A weight is in siemens.

==================  =======  ===============================================
symbol              unit     meaning
==================  =======  ===============================================
``g_e``, ``g_i``    siemens  conductance, excitatory and inhibitory
``E_e``, ``E_i``    volt     reversal potential, excitatory and inhibitory
``tau_e``, ``tau_i`` second  time constant, excitatory and inhibitory
``I_syn``           amp      synaptic current
==================  =======  ===============================================

References
----------
T. P. Vogels, L. F. Abbott: Signal propagation and logic gating in networks of integrate-and-fire
neurons. Journal of Neuroscience 25 (2005) 10786-10795: the default values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bionet.equations.model import NeuronModel
from bionet.equations.synapses.base import Synapse, checked_time, with_current
from bionet.equations.units import same_unit
from bionet.errors import InputError
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["Conductance"]


@typed
@dataclass(frozen=True)
class Conductance(Synapse):
    """Excitatory and inhibitory conductances with reversal potentials.

    Parameters
    ----------
    E_e, E_i : Quantity
        Reversal potentials, in units of volts.
    tau_e, tau_i : Quantity
        Time constants, in units of time.

    Raises
    ------
    InputError
        For a time constant that is not above 0, or another unit.
    """

    E_e: Quantity
    E_i: Quantity
    tau_e: Quantity
    tau_i: Quantity

    def __post_init__(self) -> None:
        from brian2 import volt

        for name in ("E_e", "E_i"):
            if not same_unit(getattr(self, name), 1 * volt):
                raise InputError(
                    f"conductance: {name} must be a reversal potential such as -80*mV, but got"
                    f" {getattr(self, name)!r}"
                )
        checked_time(self.tau_e, "conductance: tau_e")
        checked_time(self.tau_i, "conductance: tau_i")

    def on(self, neuron: NeuronModel) -> NeuronModel:
        """See :meth:`Synapse.on`."""
        lines = ["dg_e/dt = -g_e/tau_e : siemens", "dg_i/dt = -g_i/tau_i : siemens"]
        lines += ["tau_e : second (constant)", "tau_i : second (constant)"]
        values = {"tau_e": self.tau_e, "tau_i": self.tau_i}
        # A product of two variables is not linear, but linear in each of them.
        return self._added(neuron, "conductances", lines, values, "exponential_euler")

    def held(self, neuron: NeuronModel) -> NeuronModel:
        """The neuron with both conductances constant parameters, 0 siemens at first.

        Raises
        ------
        InputError
            As :meth:`on`.
        """
        from brian2 import siemens

        lines = ["g_e : siemens (constant)", "g_i : siemens (constant)"]
        values = {"g_e": 0 * siemens, "g_i": 0 * siemens}
        return self._added(neuron, "constant conductances", lines, values, None)

    def _added(
        self,
        neuron: NeuronModel,
        name: str,
        lines: Sequence[str],
        values: Mapping[str, Any],
        method: str | None,
    ) -> NeuronModel:
        v = neuron.potential
        if v is None:
            raise InputError(f"conductance: model {neuron.name!r} has no membrane potential")
        current = f"I_syn = g_e*(E_e - {v}) + g_i*(E_i - {v}) : amp"
        reversal = ["E_e : volt (constant)", "E_i : volt (constant)"]
        inputs = {"exc": "g_e", "inh": "g_i"} if method else {}
        return with_current(
            neuron,
            name,
            "I_syn",
            [current, *lines[:2], *reversal, *lines[2:]],
            {"E_e": self.E_e, "E_i": self.E_i, **values},
            inputs,
            method=method,
        )
