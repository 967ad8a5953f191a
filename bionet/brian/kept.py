"""State variables whose values are kept at the end of every presentation."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Kept"]


class Kept(NamedTuple):
    """A state variable whose values are kept at the end of every presentation.

    ``is_step`` marks one that holds a step of the presentation, or -1, and is a whole number.
    """

    population: str
    variable: str
    is_step: bool = False
