"""State variables that are NaN or infinite end a simulation.

A compiled program and the other devices look at every state variable at the end of a presentation,
where it costs next to nothing. That says which unit of which image it was; when it began is found
by presenting this image once more and looking after every step (``check_every`` = 1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bionet.brian.channel_last import torch_index
from bionet.errors import BioNetError
from bionet.network import SpikingNetwork

__all__ = ["NotFinite", "NotFiniteError", "first_not_finite", "not_finite_error"]


class NotFinite(NamedTuple):
    """Where a simulation met a value that is no number.

    Attributes
    ----------
    population, variable : str
    image : int
        Its place among the images of the run.
    unit : int
        Channel-last index.
    step : int
        Step of the presentation after which it was seen.
    """

    population: str
    variable: str
    image: int
    unit: int
    step: int


class NotFiniteError(BioNetError):
    """A state variable is NaN or infinite; ``where`` says of what."""

    def __init__(self, where: NotFinite) -> None:
        super().__init__(
            f"{where.variable} of unit {where.unit} of {where.population} is NaN or infinite after"
            f" step {where.step} of image {where.image}"
        )
        self.where = where


def first_not_finite(values: np.ndarray) -> int:
    """Index of the first value that is NaN or infinite, or -1."""
    finite = np.isfinite(values)
    return -1 if finite.all() else int(np.argmin(finite))


def not_finite_error(
    snn: SpikingNetwork, where: NotFinite, image: int, dt: float, exact: bool
) -> BioNetError:
    """The error that a user sees, in PyTorch's order and in units of time.

    Parameters
    ----------
    snn : SpikingNetwork
    where : NotFinite
    image : int
        Number of the image.
    dt : float
        In seconds.
    exact : bool
        Whether the state was looked at after every step.
    """
    shape = snn.shape(where.population)
    unit = int(torch_index(shape)[where.unit])
    place = f" {tuple(int(k) for k in np.unravel_index(unit, shape))}" if len(shape) > 1 else ""
    when = f"{(where.step + 1) * dt * 1000:g} ms (step {where.step})"
    return BioNetError(
        f"{where.variable} of unit {unit}{place} of population {where.population!r} is NaN or"
        f" infinite {'from' if exact else 'at'} {when} of image {image} on; check the equations,"
        " parameters and weights of this population and of those before it, or simulate with a"
        " smaller dt"
    )
