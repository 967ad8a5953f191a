"""A Plan: how a network is to be simulated; with the network it determines the program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from bionet.brian.kept import Kept
from bionet.equations.inputs import InputModel
from bionet.network import Population, SpikingNetwork
from bionet.network.input_population import input_of

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
    lanes, processes : int
        Images side by side in a process, and processes that share the images (C++ standalone).
    input : Population
        The population ``input``, its model an :class:`~bionet.equations.InputModel`.
    dtype : {"float32", "float64"}
    spikes : tuple of str
        Populations whose spikes are recorded.
    potentials : mapping of str to tuple of int, or None
        Populations whose potentials are recorded: units in PyTorch's order, None for all.
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
    frame_steps : int
        Steps of a frame of the input; 0 where an image is static.
    sparse : bool
        Whether the input is a list of events.
    carries_over : bool
        Whether a presentation begins with the state in which the one before has ended.
    check_every : int
        Steps from one look at NaN and infinity to the next; 0: at the end of a presentation.
    """

    steps: int
    dt: float
    lanes: int
    input: Population
    processes: int = 1
    dtype: str = "float32"
    spikes: tuple[str, ...] = ()
    potentials: Mapping[str, tuple[int, ...] | None] = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()
    skip_idle: bool = True
    active: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    period: int = 0
    frame_steps: int = 0
    sparse: bool = False
    carries_over: bool = False
    check_every: int = 0

    @property
    def drives_current(self) -> bool:
        """Whether the input is a constant current, and sends no spikes."""
        return input_of(self.input).drives == "current"

    def driven(self, snn: SpikingNetwork) -> set[str]:
        """Populations that get the input as a constant current."""
        return {q.target for q in snn.projections if q.source == "input" and self.drives_current}

    def presented(self, pixels: np.ndarray) -> np.ndarray:
        """What the input's units get: pixels of the simulation's type, times the model's factor."""
        values = pixels.astype(self.dtype)
        factor = input_of(self.input).factor
        return values if factor == 1 else values * values.dtype.type(factor)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain JSON."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        parameters = {name: value.tolist() for name, value in self.input.parameters.items()}
        model = input_of(self.input)
        plain["input"] = {
            "shape": self.input.shape, "model": model.to_dict(), "parameters": parameters,
        }  # fmt: skip
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Plan:
        """The inverse of :meth:`to_dict`."""
        values = dict(plain)
        described = values.pop("input")
        model = InputModel.from_dict(described["model"])
        parameters = {
            name: model.quantity(name, np.asarray(value))
            for name, value in described["parameters"].items()
        }
        values["input"] = Population("input", tuple(described["shape"]), model, parameters)
        values["spikes"] = tuple(values["spikes"])
        values["kept"] = tuple(Kept(*key) for key in values["kept"])
        return cls(**values)
