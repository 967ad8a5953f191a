r"""Weights that drift while time passes after they were stored, as in phase-change memory.

.. math:: w(t) = w \left(\frac{t}{t_0}\right)^{-\nu_i}, \qquad \nu_i = \nu + s\, z_i

z is a standard normal number for each stored weight. Before :math:`t_0`, when the weights were
read first, nothing drifts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from brian2 import Quantity, second

from bionet.equations.units import same_unit
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.perturbations.weights import WeightPerturbation

__all__ = ["WeightDrift"]


@typed
@dataclass(frozen=True)
class WeightDrift(WeightPerturbation):
    """The weights a time ``level`` after they were stored.

    Parameters
    ----------
    level : Quantity
        Time, in seconds.
    populations : tuple of str, optional
        The targets.
    nu, spread : float
        Mean and standard deviation of the drift's exponent.
    start : Quantity
        Time at which the weights have their values.

    Raises
    ------
    InputError
        For a start that is no time above 0, or a spread below 0.

    References
    ----------
    V. Joshi et al.: Accurate deep neural network inference using computational phase-change
    memory. Nature Communications 11:2473 (2020), Methods.
    """

    nu: float = 0.06
    spread: float = 0.02
    start: Quantity = field(default_factory=lambda: 25 * second)
    name: ClassVar[str] = "weight_drift"
    unit: ClassVar[str] = "s"
    source: ClassVar[str] = "Joshi et al. 2020"
    option_units: ClassVar[Mapping[str, str]] = {"start": "s"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not same_unit(self.start, 1 * second) or not float(self.start) > 0:
            raise InputError(f"{self.name}: start must be a time above 0, but is {self.start!r}")
        if not self.spread >= 0:
            raise InputError(f"{self.name}: spread must be >= 0, but is {self.spread}")

    def changed(self, weights: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """See :class:`WeightPerturbation`."""
        exponents = self.nu + self.spread * random.standard_normal(weights.shape)
        ratio = max(float(self.level / self.start), 1.0)
        return np.asarray(weights * ratio**-exponents)
