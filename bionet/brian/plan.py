"""A Plan: how a network is to be simulated; with the network it determines the program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bionet.brian.presentation import Kept
from bionet.equations.inputs import FOREVER

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """How a network is to be simulated; with the network it determines the program.

    Attributes
    ----------
    steps : int
        Simulation steps of a presentation.
    dt : float
        Simulation step in seconds.
    lanes, threads, processes : int
        Images side by side in a process, threads that share the lanes, and processes that share
        the images (C++ standalone).
    dtype : {"float32", "float64"}
    coding : str
    max_rate : float
        Firing rate of an input of value 1, in Hz (spiking codings).
    gain : float
        Amplitude of an input spike; of an analog input, the factor on its pixels.
    stop : float
        Step of a presentation at which a spiking input falls silent.
    spikes : tuple of str
        Populations whose spikes are recorded.
    potentials : mapping of str to tuple of int, or None
        Populations whose potentials are recorded: units in PyTorch's order, None for all.
    leak : float
        Time constant of a reverse-coded network, in seconds.
    scale : float
        Factor on the pixels of a reverse code.
    kept : tuple of Kept
        State variables whose values are kept at the end of each presentation.
    skip_idle : bool
        Leave out state updates that add nothing (no drive, no leak).
    active : mapping of str to (int, int, int)
        Populations and the first and last step of an image in which they can change, and the
        first in which they can spike, where a temporal code lays them down.
    period : int
        Steps from one image to the next where they follow one another through the layers
        (pipelined), or 0.
    check_every : int
        Steps from one look at NaN and infinity to the next; 0: at the end of a presentation.
    """

    steps: int
    dt: float
    lanes: int
    threads: int = 1
    processes: int = 1
    dtype: str = "float32"
    coding: str = "analog"
    max_rate: float = 0.0
    gain: float = 1.0
    stop: float = FOREVER
    leak: float = 0.0
    scale: float = 1.0
    spikes: tuple[str, ...] = ()
    potentials: Mapping[str, tuple[int, ...] | None] = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()
    skip_idle: bool = True
    active: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    period: int = 0
    check_every: int = 0

    def presented(self, pixels: np.ndarray) -> np.ndarray:
        """What the input's units get: pixels of the simulation's type, times an analog gain."""
        values = pixels.astype(self.dtype)
        return values * values.dtype.type(self.gain) if self.coding == "analog" else values
