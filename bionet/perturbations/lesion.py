"""Lesions: a region of every map, or a share of the cells of one type, falls silent.

==============  ===========================================================================
lesion          which units never fire again
==============  ===========================================================================
``square``      a square of every map that holds the share ``level`` of its area; it lies in
                the same place of every map of the network, as a region of cortex would
``cells``       each unit of a type with probability ``level``: the excitatory or the
                inhibitory ones, told by the signs of the weights that leave them
==============  ===========================================================================

A unit of a map lies in the square if its centre does. Layers without maps (dense ones) have no
place in the image, and are spared by a square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork
from bionet.network.signs import ROLES, unit_roles
from bionet.perturbations.base import (
    NetworkPerturbation,
    change_populations,
    chosen_populations,
    generator,
)
from bionet.perturbations.membrane import silenced

__all__ = ["Lesion"]

MAP_AXES = 3  # (channels, height, width)


@typed
@dataclass(frozen=True)
class Lesion(NetworkPerturbation):
    """A square of every map, or cells of one type, that never fire.

    The output is spared unless it is named.

    Parameters
    ----------
    level : float
        Share of a map's area, or of the cells, from 0 to 1.
    populations : tuple of str, optional
    place : {"centre", "random"}
        Where the square lies; a random place follows the seed.
    cells : {"excitatory", "inhibitory"}, optional
        The type of the cells, in place of a square.

    Raises
    ------
    InputError
        For another place or type, and where the network has no maps or no such cells.

    References
    ----------
    G. E. Hinton, T. Shallice: Lesioning an attractor network: investigations of acquired dyslexia.
    Psychological Review 98 (1991) 74-95.
    """

    place: str = "centre"
    cells: str | None = None
    name: ClassVar[str] = "lesion"
    measure: ClassVar[str] = "share of a map, or of the cells"
    most: ClassVar[float] = 1.0
    source: ClassVar[str] = "Hinton, Shallice 1991"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.place not in ("centre", "random"):
            raise InputError(f"lesion: place is 'centre' or 'random', not {self.place!r}")
        if self.cells is not None and self.cells not in ROLES:
            raise InputError(f"lesion: cells is one of {', '.join(ROLES)}, not {self.cells!r}")

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        roles = unit_roles(snn)

        def has(population: Population) -> bool:
            if population.model.threshold is None:
                return False
            if self.cells is not None:
                return bool((roles[population.name] == self.cells).any())
            return len(population.shape) == MAP_AXES and max(population.shape[1:]) > 1

        what = "map to cut a square from" if self.cells is None else f"{self.cells} cells"
        damaged = chosen_populations(self, snn, what, has)
        if self.populations is None:
            damaged = [name for name in damaged if name != snn.readout.spikes]
        corner = self._corner(seed)

        def change(population: Population) -> dict[str, Any]:
            if self.cells is None:
                dead = self._square(population.shape, corner)
            else:
                share = generator(seed, self.name, population.name).random(population.shape)
                dead = (share < self.number) & (roles[population.name] == self.cells)
            return silenced(population, ~dead)

        return change_populations(snn, damaged, change)

    def _corner(self, seed: int) -> np.ndarray:
        """Upper left corner of the square, as shares of height and width."""
        room = 1 - math.sqrt(self.number)
        if self.place == "centre":
            return np.full(2, room / 2)
        return room * generator(seed, self.name).random(2)

    def _square(self, shape: tuple[int, ...], corner: np.ndarray) -> np.ndarray:
        """Which units of a map lie in the square."""
        side = math.sqrt(self.number)
        inside = []
        for length, start in zip(shape[1:], corner, strict=True):
            centres = (np.arange(length) + 0.5) / length
            inside.append((centres >= start) & (centres < start + side))
        return np.broadcast_to(inside[0][:, None] & inside[1][None], shape)
