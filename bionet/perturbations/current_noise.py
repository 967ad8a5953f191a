r"""Noise of the membrane current, correlated in time and, if wanted, between cells.

.. math::

    \tau \frac{d\eta}{dt} = -\eta + \sqrt{2 \tau}\, \sigma\, \xi(t), \qquad
    \xi_i = \sqrt{1 - c}\, \xi_i^{private} + \sqrt{c}\, \xi^{shared}

An Ornstein-Uhlenbeck process: normal, of standard deviation sigma, with the autocorrelation
:math:`e^{-|t|/\tau}`, from the first step of a presentation on. Two cells of a population have the
correlation c. The current is added to the cell's constant one.

==================  ======  ===============================================================
symbol              unit    meaning
==================  ======  ===============================================================
``I_noise``         amp     the current, eta
``sigma_current``   amp     its standard deviation, the level
``tau_current``     second  its correlation time
``shared_current``  1       correlation c between two cells
==================  ======  ===============================================================

A step multiplies eta by :math:`q = (2\tau - dt)/(2\tau + dt)`, which is :math:`e^{-dt/\tau}` up to
:math:`(dt/\tau)^3/12` and rounds in the same way on every device; the noise that it adds,
:math:`\sigma\sqrt{1 - q^2}\,z`, keeps the standard deviation exact whatever the step.

References
----------
A. Destexhe, M. Rudolph, J.-M. Fellous, T. J. Sejnowski: Fluctuating synaptic conductances recreate
in vivo-like activity in neocortical neurons. Neuroscience 107 (2001) 13-24.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from brian2 import Quantity, amp, ms, second

from bionet.equations import NeuronModel
from bionet.equations.lines import with_sum
from bionet.equations.units import same_unit, unit_name
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork
from bionet.perturbations.base import (
    NetworkPerturbation,
    change_populations,
    chosen_populations,
    joined,
)

__all__ = ["CurrentNoise"]

NOISE = (
    "I_noise = I_noise*int(step > 0)*q_noise"
    " + sigma_current*sqrt(1 - q_noise*q_noise*int(step > 0))"
    "*(sqrt(1 - shared_current)*randn() + sqrt(shared_current)*randn_shared())"
)


@typed
@dataclass(frozen=True)
class CurrentNoise(NetworkPerturbation):
    """A fluctuating current, of all populations that a current in ampere drives.

    Parameters
    ----------
    level : Quantity
        Standard deviation, in pA.
    populations : tuple of str, optional
    tau : Quantity
        Correlation time, in units of time.
    shared : float
        Correlation between two cells of a population, from 0 to 1.

    Raises
    ------
    InputError
        For a correlation time that is none, a correlation out of range, or a population without
        a current in ampere.

    References
    ----------
    Destexhe et al. 2001.
    """

    tau: Quantity = field(default_factory=lambda: 3 * ms)
    shared: float = 0.0
    name: ClassVar[str] = "current_noise"
    unit: ClassVar[str] = "pA"
    source: ClassVar[str] = "Destexhe et al. 2001"
    option_units: ClassVar[Mapping[str, str]] = {"tau": "ms"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not same_unit(self.tau, 1 * second) or not float(self.tau) > 0:
            raise InputError(f"{self.name}: tau must be a time above 0, but is {self.tau!r}")
        if not 0 <= self.shared <= 1:
            raise InputError(f"{self.name}: shared must lie in [0, 1], but is {self.shared}")

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        driven = chosen_populations(
            self, snn, "current in ampere (membrane_noise fits models without units)", in_ampere
        )
        values = {
            "sigma_current": self.level,
            "tau_current": self.tau,
            "shared_current": float(self.shared),
        }

        def change(population: Population) -> dict[str, Any]:
            return {"model": _noisy(population.model), "parameters": values}

        return change_populations(snn, driven, change)


def in_ampere(population: Population) -> bool:
    """Whether a current in ampere drives a population."""
    model = population.model
    return model.current is not None and unit_name(model.dimensions[model.current]) == "A"


def _noisy(model: NeuronModel) -> NeuronModel:
    if "I_noise" in model.dimensions:
        raise InputError(f"current_noise: model {model.name!r} has it already; give it once")
    lines = [
        "I_noise : amp",
        "q_noise = (2*tau_current - dt)/(2*tau_current + dt) : 1",
        "sigma_current : amp (constant)",
        "tau_current : second (constant)",
        "shared_current : 1 (constant)",
    ]
    parameters = {
        **model.parameters,
        "sigma_current": 0 * amp,
        "tau_current": 1 * ms,
        "shared_current": 0.0,
    }
    return replace(
        model,
        name=f"{model.name}, current noise",
        equations="\n".join([with_sum(model.equations, str(model.current), "I_noise"), *lines]),
        update=joined(NOISE, model.update),
        parameters=parameters,
    )
