"""A stimulus: what a network's input is shown, image by image, before a step size is chosen."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.kinds import told
from bionet.network.signal import Signal

__all__ = ["Stimulus", "seconds", "whole_steps"]


class Stimulus(abc.ABC):
    """What the input's units are shown in every presentation.

    Attributes
    ----------
    kind : str
        ``"images"``, ``"frames"``, ``"events"`` or ``"spike trains"``.
    coding : str or None
        Input coding where nobody chooses one; None for the network's own.
    """

    kind: ClassVar[str]
    coding: ClassVar[str | None] = None

    @abc.abstractmethod
    def __len__(self) -> int:
        """Number of presentations."""

    @abc.abstractmethod
    def durations(self, given: float | None, usual: float) -> np.ndarray:
        """Length of every presentation in seconds, float array (n_images,).

        Parameters
        ----------
        given : float or None
            What the simulation was asked for, in seconds.
        usual : float
            The network's own, in seconds.
        """

    @abc.abstractmethod
    def signal(self, shape: tuple[int, ...], dt: float, steps: np.ndarray) -> Signal:
        """The input's values step by step.

        Parameters
        ----------
        shape : tuple of int
            Of the network's input.
        dt : float
            Simulation step in seconds.
        steps : int array (n_images,)
            Steps of every presentation.

        Raises
        ------
        InputError
            If the stimulus does not fit to the shape, the step or the presentations.
        """

    def check_step(self, dt: float) -> None:
        """Refuse a simulation step in seconds that does not fit to the stimulus."""
        del dt

    def described(self) -> dict[str, Any]:
        """What a recording notes of it, as plain JSON."""
        return {"kind": self.kind}


def seconds(value: Any, name: str, example: str) -> np.ndarray:
    """Times in seconds, float64 array.

    Raises
    ------
    InputError
        If they are no times, or not finite.
    """
    from brian2 import have_same_dimensions, second

    try:
        are_times = have_same_dimensions(value, second)
    except TypeError:  # no numbers at all
        are_times = False
    if not are_times:
        raise InputError(
            f"{name} must be a time with its unit, such as {example}, but is {told(value)}"
        )
    times = np.asarray(value, dtype=np.float64)
    if not np.isfinite(times).all():
        raise InputError(f"{name} holds NaN or infinity; leave these out")
    return times


def whole_steps(time: float, dt: float, name: str) -> int:
    """A time as a number of simulation steps.

    Raises
    ------
    InputError
        If it is no multiple of dt.
    """
    ratio = time / dt
    steps = round(ratio)
    if steps < 1 or abs(ratio - steps) > 1e-6 * steps:
        raise InputError(
            f"{name} ({time * 1000:g} ms) must be a multiple of dt ({dt * 1000:g} ms); choose a dt"
            " that divides it"
        )
    return steps
