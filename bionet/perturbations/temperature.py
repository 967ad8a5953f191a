r"""Temperature: everything that takes time is faster in the warmth, and channels conduct more.

.. math::

    \varphi = Q_{10}^{\Delta T / 10 K}, \qquad \varphi_g = Q_{10,g}^{\Delta T / 10 K}

======================================================  ============================
what                                                    becomes
======================================================  ============================
parameters in seconds (time constants, refractory)      divided by :math:`\varphi`
parameters in hertz (rates of a recovery)               times :math:`\varphi`
gates: variables without unit of a neuron in volts      :math:`dx/dt` times
                                                        :math:`\varphi`
parameters in siemens, and in siemens per volt          times :math:`\varphi_g`
======================================================  ============================

:math:`\Delta T` is the difference to the temperature for which the parameters stand. Inputs, the
readout and relays have none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from brian2.equations.equations import DIFFERENTIAL_EQUATION
from brian2.units.fundamentalunits import DIMENSIONLESS

from bionet.equations import NeuronModel
from bionet.equations.lines import change_lines
from bionet.equations.units import unit_name
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork
from bionet.perturbations.base import NetworkPerturbation, change_populations, chosen_populations

__all__ = ["Temperature"]

STEP = 10.0  # kelvin to which a Q10 belongs


@typed
@dataclass(frozen=True)
class Temperature(NetworkPerturbation):
    """Neurons that are warmer or colder by ``level``.

    Parameters
    ----------
    level : Quantity
        Difference of temperature in kelvin, -30 to 30.
    populations : tuple of str, optional
    q10 : float
        Factor on rates for each 10 K.
    q10_conductance : float
        Factor on conductances for each 10 K.

    Raises
    ------
    InputError
        For a factor that is not above 0, and where no population takes time.

    References
    ----------
    A. L. Hodgkin, A. F. Huxley: A quantitative description of membrane current. Journal of
    Physiology 117 (1952) 500-544: a Q10 of 3 of the gates. B. M. Rodriguez, D. Sigg, F. Bezanilla:
    Voltage gating of Shaker K+ channels. Journal of General Physiology 112 (1998) 223-242: a Q10
    of the conductance of about 1.5.
    """

    q10: float = 3.0
    q10_conductance: float = 1.5
    name: ClassVar[str] = "temperature"
    unit: ClassVar[str] = "K"
    least: ClassVar[float] = -30.0
    most: ClassVar[float] = 30.0
    source: ClassVar[str] = "Hodgkin, Huxley 1952; Rodriguez et al. 1998"

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in ("q10", "q10_conductance"):
            if not getattr(self, option) > 0:
                raise InputError(f"{self.name}: {option} must be above 0")

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""

        def takes_time(population: Population) -> bool:
            model = population.model
            if self.populations is None and population.name == snn.readout.potential:
                return False
            return bool(_gates(model)) or any(
                unit_name(model.dimensions[name]) in _powers() for name in model.constants
            )

        warm = chosen_populations(self, snn, "time constant or conductance", takes_time)
        return change_populations(snn, warm, self._warmed)

    @property
    def phi(self) -> float:
        """Factor on rates."""
        return float(self.q10 ** (self.number / STEP))

    def _warmed(self, population: Population) -> dict[str, Any]:
        model, values = population.model, {}
        for name in model.constants:
            kind, power = _powers().get(unit_name(model.dimensions[name]), ("", 0))
            if power:
                factor = (
                    self.phi if kind == "rate" else self.q10_conductance ** (self.number / STEP)
                )
                value = np.asarray(population.parameters[name]) * factor**power
                values[name] = model.quantity(name, value)
        if gates := _gates(model):
            model = _paced(model, gates)
            # A second change of temperature multiplies with the first one.
            values["phi_gates"] = self.phi * float(population.parameters.get("phi_gates", 1.0))
        return {"model": model, "parameters": values}


def _powers() -> dict[str, tuple[str, int]]:
    """Unit of a parameter -> what it is, and the power of the factor that it takes."""
    return {
        "s": ("rate", -1),
        "Hz": ("rate", 1),
        "S": ("conductance", 1),
        "S/V": ("conductance", 1),
    }


def _gates(model: NeuronModel) -> tuple[str, ...]:
    """Variables without a unit, of a neuron whose potential has one, that follow an equation."""
    v = model.potential
    if v is None or model.dimensions[v] is DIMENSIONLESS:
        return ()
    return tuple(
        name
        for name, equation in model.brian().items()
        if equation.type == DIFFERENTIAL_EQUATION and equation.dim is DIMENSIONLESS
    )


def _paced(model: NeuronModel, gates: tuple[str, ...]) -> NeuronModel:
    """The model with the factor ``phi_gates`` in the equations of its gates."""
    if "phi_gates" in model.dimensions:
        return model

    def change(name: str, line: str, is_parameter: bool) -> str:
        if name not in gates or is_parameter:
            return line
        head, definition = line.split("=", 1)
        expression, unit = definition.rsplit(":", 1)
        return f"{head}= phi_gates*({expression.strip()}) :{unit}"

    return replace(
        model,
        name=f"{model.name}, other temperature",
        equations="\n".join([change_lines(model.equations, change), "phi_gates : 1 (constant)"]),
        parameters={**model.parameters, "phi_gates": 1.0},
    )
