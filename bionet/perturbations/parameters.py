r"""Heterogeneous parameters: every unit has a value of its own, drawn from a distribution.

.. math:: p_i = \bar p\, f_i, \qquad \mathrm{E} f = 1, \quad \mathrm{sd} f = cv

================  ===================================================================
distribution      factor f
================  ===================================================================
``normal``        :math:`1 + cv\, z`
``lognormal``     :math:`e^{s z - s^2/2}` with :math:`s^2 = \ln(1 + cv^2)`: above 0
``truncated``     normal, drawn again beyond two standard deviations
================  ===================================================================

z is a standard normal number of each unit. Beyond two deviations lie 5 % of a normal distribution;
the truncated one's own deviation is 0.88 cv.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork
from bionet.perturbations.base import NetworkPerturbation, change_populations, generator

__all__ = ["ParameterSpread"]

DISTRIBUTIONS = ("normal", "lognormal", "truncated")


@typed
@dataclass(frozen=True, init=False)
class ParameterSpread(NetworkPerturbation):
    """A parameter of the neurons that differs from unit to unit.

    Parameters
    ----------
    parameter : str
        Of the populations' models, such as ``"C"`` or ``"tau"``.
    cv : float
        Coefficient of variation: standard deviation over mean.
    populations : tuple of str, optional
        By default all whose model has the parameter.
    distribution : {"normal", "lognormal", "truncated"}

    Raises
    ------
    InputError
        For an unknown distribution, or a cv that is negative.

    References
    ----------
    E. Marder, J.-M. Goaillard: Variability, compensation and homeostasis in neuron and network
    function. Nature Reviews Neuroscience 7 (2006) 563-574.
    """

    parameter: str  # type: ignore[misc]  # __init__ gives both; it has the order of its own
    distribution: str  # type: ignore[misc]
    name: ClassVar[str] = "parameter_spread"
    measure: ClassVar[str] = "share of the value"
    source: ClassVar[str] = "Marder, Goaillard 2006"

    def __init__(
        self,
        parameter: str,
        cv: float,
        populations: tuple[str, ...] | None = None,
        distribution: str = "normal",
    ) -> None:
        if distribution not in DISTRIBUTIONS:
            names = ", ".join(DISTRIBUTIONS)
            raise InputError(
                f"parameter_spread: distribution is one of {names}, not {distribution!r}"
            )
        values = {"level": cv, "populations": populations, "parameter": parameter}
        for field, value in {**values, "distribution": distribution}.items():
            object.__setattr__(self, field, value)
        self.__post_init__()

    @classmethod
    def of(cls, number: float, **options: Any) -> ParameterSpread:
        """The perturbation with its cv, and the options by name; ``parameter`` is one."""
        if "parameter" not in options:
            raise InputError("parameter_spread: name the parameter that differs (parameter='C')")
        return cls(options.pop("parameter"), number, **options)

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        having = [p.name for p in snn.populations if self.parameter in p.parameters]
        names = [name for name in having if self.concerns(name, snn)]
        missing = [name for name in self.populations or () if name not in names]
        if missing or not names:
            raise InputError(
                f"parameter_spread: population {(missing or ['any'])[0]!r} has no parameter"
                f" {self.parameter!r}"
            )
        return change_populations(snn, names, lambda population: self._spread(population, seed))

    def _spread(self, population: Population, seed: int) -> dict[str, Any]:
        random = generator(seed, self.name, self.parameter, population.name)
        factor = self._factors(random, population.shape)
        if (factor <= 0).any():
            raise InputError(
                f"parameter_spread: with cv {self.number:g} a normal distribution changes the sign"
                f" of {self.parameter!r} in {population.name!r}; give distribution='lognormal' or"
                " 'truncated'"
            )
        value = population.parameters[self.parameter] * factor
        return {"parameters": {self.parameter: population.model.quantity(self.parameter, value)}}

    def _factors(self, random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        z = random.standard_normal(shape)
        if self.distribution == "lognormal":
            deviation = np.sqrt(np.log1p(self.number**2))
            return np.asarray(np.exp(deviation * z - deviation**2 / 2))
        while self.distribution == "truncated" and (beyond := np.abs(z) > 2).any():
            z[beyond] = random.standard_normal(int(beyond.sum()))
        return 1 + self.number * z
