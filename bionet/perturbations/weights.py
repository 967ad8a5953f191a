r"""Perturbations of what is stored: weight noise, weights of n bits; and a coarser time step.

.. math::

    w \to w\,(1 + s\,z), \qquad
    w \to q \,\mathrm{round}(w / q), \quad q = \max|w| / (2^{n-1} - 1), \qquad
    dt \to dt'

z is a standard normal number for each stored weight, n the bits of a layer's weights with their
sign. Poolings have no stored weights; drives (biases) stay as they are.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from bionet.equations.units import unit_name
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork
from bionet.perturbations.base import NetworkPerturbation, circuit, generator

__all__ = ["CoarserTimeStep", "WeightNoise", "WeightPerturbation", "WeightQuantisation"]


@dataclass(frozen=True)
class WeightPerturbation(NetworkPerturbation):
    """Changes the weights of every layer; ``populations`` are the targets."""

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        projections, spared = [], circuit(snn) if self.populations is None else ()
        for projection in snn.projections:
            kernel = projection.kernel
            wanted = self.concerns(projection.target, snn) and projection.source not in spared
            if kernel.layered and wanted:
                weights = kernel.weight_values()
                # By content: output and readout, or two pathways, share their stored weights.
                random = generator(seed, self.name, str(zlib.crc32(weights.tobytes())))
                changed = self.changed(weights, random)
                kernel = replace(kernel, **{kernel.weight_field: changed})
            projections.append(replace(projection, kernel=kernel))
        return replace(snn, projections=tuple(projections))

    def changed(self, weights: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The weights of one layer, perturbed."""
        raise NotImplementedError


@typed
@dataclass(frozen=True)
class WeightNoise(WeightPerturbation):
    """Weights with a relative error of standard deviation ``level``.

    References
    ----------
    Indiveri et al. 2011 (device mismatch).
    """

    name: ClassVar[str] = "weight_noise"
    measure: ClassVar[str] = "share of the weight"
    source: ClassVar[str] = "Indiveri et al. 2011 (device mismatch)"

    def changed(self, weights: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """See :class:`WeightPerturbation`."""
        return weights * (1.0 + self.number * random.standard_normal(weights.shape))


@typed
@dataclass(frozen=True)
class WeightQuantisation(WeightPerturbation):
    """Weights of ``level`` bits: symmetric, uniform, one scale for each layer.

    References
    ----------
    B. Jacob et al.: Quantization and training of neural networks for efficient
    integer-arithmetic-only inference. CVPR (2018) 2704-2713.
    """

    name: ClassVar[str] = "weight_quantisation"
    unit: ClassVar[str] = "bits"
    least: ClassVar[float] = 2
    most: ClassVar[float] = 32
    whole: ClassVar[bool] = True
    source: ClassVar[str] = "Jacob et al. 2018"

    def changed(self, weights: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """See :class:`WeightPerturbation`."""
        quantum = np.abs(weights).max() / (2.0 ** (self.number - 1) - 1)
        return weights if quantum == 0 else quantum * np.rint(weights / quantum)


@typed
@dataclass(frozen=True)
class CoarserTimeStep(NetworkPerturbation):
    """The simulation step; the presentation keeps its length.

    Networks whose input has a rate in Hz (DSNN) get a drive that is larger by the same factor,
    because it counts per step; in networks that count in steps (rate) fewer steps are left.
    """

    name: ClassVar[str] = "time_step"
    unit: ClassVar[str] = "ms"
    least: ClassVar[float] = 1e-3
    structural: ClassVar[bool] = True
    source: ClassVar[str] = "the forward Euler method"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        if self.populations is not None:
            raise InputError(f"{self.name}: all populations share one step; leave populations out")
        if snn.code is not None and snn.code.once:
            raise InputError(
                f"{self.name}: the windows of a temporal code are for its own step; convert the"
                " network again with another dt"
            )
        factor = float(self.level / snn.times()[1])
        if snn.simulation.max_rate is not None:
            for population in snn.populations:
                current = population.model.current
                if current is None:
                    continue
                if current in population.parameters and unit_of(population, current) == "1":
                    drive = {current: population.parameters[current] * factor}
                    snn = snn.with_population(population.name, parameters=drive)
        return replace(snn, simulation=replace(snn.simulation, dt=float(self.level)))


def unit_of(population: Population, variable: str | None) -> str:
    """Unit of a population's variable: a drive without one is what a step adds."""
    return unit_name(population.model.dimensions[str(variable)])
