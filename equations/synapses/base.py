r"""What every synapse model does: it adds its lines to a neuron model.

A synaptic current is added to the neuron's constant current: where the neuron's equations read
``I`` (the variable that it declares as ``current``), they read ``(I + I_syn)`` afterwards. The
synapse's variables belong to the target unit, one for all its synapses: as the equations are
linear in the weights, this is the same as a variable for every synapse.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bionet.equations.lines import with_sum
from bionet.equations.units import same_unit, unit_name
from bionet.errors import InputError

if TYPE_CHECKING:
    from brian2 import Quantity

    from bionet.equations.model import NeuronModel

__all__ = ["Synapse", "checked_time", "with_current"]


class Synapse(ABC):
    """A synapse model: what a spike that arrives does to a neuron."""

    @abstractmethod
    def on(self, neuron: NeuronModel) -> NeuronModel:
        """The neuron model with this synapse.

        Raises
        ------
        InputError
            If the neuron has no current or potential for it, or has such a synapse already.
        """


def with_current(
    neuron: NeuronModel,
    name: str,
    current: str,
    lines: Sequence[str],
    parameters: Mapping[str, Any],
    inputs: Mapping[str, str],
    method: str | None = None,
) -> NeuronModel:
    """A neuron model with a synaptic current beside its constant one.

    Parameters
    ----------
    neuron : NeuronModel
        One that declares its ``current``.
    name : str
        Of the synapse, for messages and the name of the model.
    current : str
        The synaptic current's name in the lines.
    lines : sequence of str
        Equations and parameters that the synapse adds.
    parameters : mapping
        Their values.
    inputs : mapping
        Which of the variables receive weights; see :class:`NeuronModel`.
    method : str, optional
        Integration method where the neuron's own, ``"exact"``, can't integrate the lines.
    """
    from brian2 import amp
    from brian2.equations.equations import Equations

    if neuron.current is None or not same_unit(1 * amp, _one(neuron, neuron.current)):
        unit = "none" if neuron.current is None else unit_name(neuron.dimensions[neuron.current])
        raise InputError(
            f"{name}: model {neuron.name!r} needs a current in ampere that a synaptic current can"
            f" be added to (it has {unit}); declare one with current='I' and 'I : amp (constant)'"
        )
    added = set(Equations("\n".join(lines)))
    if taken := sorted(added & set(neuron.dimensions)):
        raise InputError(
            f"{name}: model {neuron.name!r} has a variable {taken[0]!r} already; give this"
            " synapse another name for its variables"
        )
    receiving: dict[str, Any] = {}
    if inputs:
        receiving = {"input": next(iter(inputs.values())), "inputs": inputs}
    equations = with_sum(neuron.equations, neuron.current, current)
    return replace(
        neuron,
        name=f"{neuron.name}; {name}",
        equations="\n".join([equations, *lines]),
        parameters={**neuron.parameters, **parameters},
        **receiving,
        method=method if method and neuron.method == "exact" else neuron.method,
    )


def _one(neuron: NeuronModel, variable: str) -> Any:
    from brian2 import Quantity

    return Quantity.with_dimensions(1.0, neuron.dimensions[variable])


def checked_time(tau: Quantity, name: str) -> Quantity:
    """A time above 0, or a refusal."""
    from brian2 import second

    if not same_unit(tau, 1 * second) or not float(tau) > 0:
        raise InputError(f"{name} must be a time above 0 such as 5*ms, but got {tau!r}")
    return tau
