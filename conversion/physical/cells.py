r"""What a neuron and its synapse mean to a network of rates: rheobase, gains, first potentials.

A weight W of the network of rates is the synaptic weight times the gain

.. math:: \frac{I_{on}}{q\, r_{ref}}

with q the charge of a spike of unit weight. Potentials begin spread out between where the model
begins and the potential that it rests at just below the rheobase, as if the units had different
histories: units of one beginning would all fire together, and each would have lost half a spike by
the end of a presentation. The spread is a lattice, not drawn at random: neighbours in space and
among the channels differ, so that sums over them are even.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from brian2 import Quantity, get_unit
from brian2.units.fundamentalunits import DIMENSIONLESS

from bionet.equations import NeuronModel
from bionet.firing.charge import spike_charge
from bionet.firing.curve import FICurve

__all__ = ["Cell", "lattice", "make_cell"]

# Additive recurrences in three dimensions with little discrepancy: powers of 1/1.22074, the root
# of x^4 = x + 1.
STRIDES = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703)
MARGIN = 0.02  # no unit begins nearer to the threshold
BEGIN = "v_begin"


@dataclass(frozen=True, eq=False)
class Cell:
    """A kind of neuron with its synapses.

    Attributes
    ----------
    model : NeuronModel
    curve : FICurve
    gains : mapping of int to Quantity
        Sign of a pathway (0 where one variable takes both) -> synaptic weight for a weight of 1.
    background : float
        Constant current of a unit without input, in rheobases.
    spread : bool
        Whether potentials begin spread out.
    """

    model: NeuronModel
    curve: FICurve
    gains: Mapping[int, Quantity]
    background: float = 1.0
    spread: bool = True

    @property
    def signs(self) -> tuple[int, ...]:
        """Signs of the pathways that a projection with weights of both signs needs."""
        return tuple(self.gains)

    def population_model(self) -> NeuronModel:
        """The model, with a parameter for the potential that a unit begins with."""
        if not self.spread:
            return self.model
        unit = _unit(self.model)
        return replace(
            self.model,
            equations=f"{self.model.equations}\n{BEGIN} : {unit} (constant)",
            initial={
                **self.model.initial,
                **self.curve.resting,
                str(self.model.potential): BEGIN,
            },
            parameters={**self.model.parameters, BEGIN: self.curve.begin},
        )

    def parameters(self, bias: Any, shape: tuple[int, ...]) -> dict[str, Any]:
        """Values of a population's parameters.

        Parameters
        ----------
        bias : number or array that broadcasts with ``shape``
            In the network of rates.
        shape : tuple of int
        """
        current = (self.background + np.asarray(bias, dtype=float)) * self.curve.rheobase
        values: dict[str, Any] = {str(self.model.current): current}
        if self.spread:
            begin, resting = self.curve.begin, self.curve.resting[str(self.model.potential)]
            values[BEGIN] = begin + (1 - MARGIN) * lattice(shape) * (resting - begin)
        return values


def make_cell(
    neuron: NeuronModel,
    synapse: Any,
    curve: FICurve,
    reference: Quantity,
    background: float,
    dt: Quantity,
    spread: bool = True,
) -> Cell:
    """A neuron with its synapses and the gains of its pathways.

    Parameters
    ----------
    neuron : NeuronModel
    synapse : Synapse
    curve : FICurve
        Of the neuron.
    reference : Quantity
        Rate that stands for an activation of 1.
    background : float
        In rheobases.
    dt : Quantity
    spread : bool

    Raises
    ------
    InputError
        If a spike does not move the neuron's potential.
    """
    model = synapse.on(neuron)
    one_variable = len(set(model.inputs.values())) <= 1
    gains = {}
    for sign in (0,) if one_variable else (1, -1):
        variable, _ = model.receiver(sign)
        area = getattr(synapse, "area", None)
        if one_variable and area is not None:
            charge = float(area)
        else:
            charge = spike_charge(model, sign or 1, 0.9 * curve.rheobase, dt)
        weight = float(curve.rheobase) / (charge * float(reference))
        gains[sign] = Quantity(weight, dim=model.dimensions[variable])
    return Cell(model, curve, gains, background, spread)


def lattice(shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1) spread evenly over units and their neighbours, array of ``shape``."""
    axes = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    steps = zip(axes, STRIDES, strict=False)
    return np.asarray(sum((axis * stride for axis, stride in steps), np.full(shape, 0.5)) % 1.0)


def _unit(model: NeuronModel) -> str:
    """The unit of the membrane potential, as equations write it."""
    dimension = model.dimensions[str(model.potential)]
    return "1" if dimension is DIMENSIONLESS else repr(get_unit(dimension))
