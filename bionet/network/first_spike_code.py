r"""The code of ``ttfs``: one spike a unit, the earlier the larger its value.

.. math::

    x = \lambda \left((R - 1 - k)\, q + \delta\right), \qquad q = dt/\tau

is the value of a spike in step k of its layer's window, R steps of ramp long, with the amplitude
:math:`\delta` and the layer's scale :math:`\lambda`; without amplitudes it is
:math:`\lambda (R - k) q`.

=================  =====  ==============================================================
symbol             unit   meaning
=================  =====  ==============================================================
``q``              1      value that one step stands for, dt/tau
``k``              steps  spike step, counted from the begin of the window
``R``              steps  ``ramp`` of a window
:math:`\lambda`    1      ``scale``: activation for which a potential of 1 stands
=================  =====  ==============================================================

References
----------
Stanojevic et al. 2023; see :mod:`bionet.equations.first_spike`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.network.code import Code, same_step

if TYPE_CHECKING:
    from bionet.network.spiking_network import SpikingNetwork

__all__ = ["FirstSpikeCode", "SpikeWindow"]


@dataclass(frozen=True)
class SpikeWindow:
    """When a population spikes, and what for.

    Parameters
    ----------
    name : str
    start : int
        Step of the presentation in which its ramp begins.
    ramp : int
        Steps of the ramp.
    scale : float
        Activation for which a potential of 1 stands.
    bound : float
        Largest value that it can show, its threshold, in units of the scale.
    pool : bool
        Whether it is a max pooling, which spikes with what it gets.
    clips : bool
        Whether it is meant to clip at the bound, as a ReLU6 does.
    """

    name: str
    start: int
    ramp: int
    scale: float = 1.0
    bound: float = 1.0
    pool: bool = False
    clips: bool = False


@dataclass(frozen=True)
class FirstSpikeCode(Code):
    """One spike for each unit, at t_max - tau x, exact where spikes carry their overshoot.

    Parameters
    ----------
    tau, dt : float
        Time that stands for a value of 1, and the step that the windows are for, in seconds.
    windows : tuple of SpikeWindow
        Of every population that spikes, the input first unless it drives by a current.
    end : int
        Steps after which the class scores stand.
    exact : bool
        Whether spikes carry their overshoot.
    low, high : float
        Range of the pixels.
    epsilon : float
        Smaller values count as 0.
    falling : bool
        Whether they carry what is left of their window, for synapses whose effect falls with time.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    tau: float
    dt: float
    windows: tuple[SpikeWindow, ...]
    end: int
    exact: bool = True
    low: float = 0.0
    high: float = 1.0
    epsilon: float = 1e-12
    falling: bool = False
    kind: ClassVar[str] = "first-spike"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "windows", tuple(self.windows))
        if not self.windows:
            raise InputError("FirstSpikeCode.windows is empty; give that of every population")
        for name in ("tau", "dt", "end"):
            if not getattr(self, name) > 0:
                raise InputError(
                    f"FirstSpikeCode.{name} must be more than 0, but is {getattr(self, name)}"
                )
        if not self.high > self.low:
            raise InputError(
                f"FirstSpikeCode.high must be above low, but they are {self.high} and {self.low}"
            )

    @property
    def amplitudes(self) -> bool:
        """See :attr:`Code.amplitudes`."""
        return self.exact

    @property
    def carried(self) -> str:
        """Variable of a population that its spikes carry where they are exact."""
        return "size" if self.falling else "delta"

    @property
    def step(self) -> float:
        """q: the value that one step stands for."""
        return self.dt / self.tau

    def window(self, population: str) -> SpikeWindow:
        """The window of a population.

        Raises
        ------
        InputError
            If it has none.
        """
        for window in self.windows:
            if window.name == population:
                return window
        names = ", ".join(window.name for window in self.windows)
        raise InputError(f"population {population!r} has no window; those with one: {names}")

    def check(self, snn: SpikingNetwork) -> None:
        """Every population with a window is there; see :meth:`Code.check`."""
        for window in self.windows:
            snn.shape(window.name)

    def check_simulation(
        self, snn: SpikingNetwork, steps: int, dt: float, coding: str, dtype: str | None
    ) -> None:
        """See :meth:`Code.check_simulation`: step, precision, coding and length must fit."""
        if coding != snn.coding:
            raise InputError(
                f"this network reads the time of one spike, so its input coding is"
                f" {snn.coding!r}, not {coding!r}; leave coding out"
            )
        same_step(self.dt, dt)
        if dtype == "float32" and snn.simulation.dtype == "float64":
            raise InputError(
                "the thresholds of this network are for dtype 'float64': in float32 the rounding"
                " of a sum would count as a value; convert the network with dtype='float32'"
            )
        if steps < self.end:
            raise InputError(
                f"the windows of this network last {self.end} steps in all, but the presentation"
                f" only {steps}; leave duration out, or make it {self.end * self.dt * 1000:g} ms"
                " or longer"
            )

    def input_arguments(self) -> dict[str, Any]:
        """What the latency coding needs; see :meth:`Code.input_arguments`."""
        from brian2 import second

        first = self.windows[0]
        if first.name != "input":
            return {}
        return {
            "tau": self.tau * second,
            "ramp": float(first.ramp),
            "theta": self.threshold(first),
            "low": self.low,
            "high": self.high,
            "epsilon": self.epsilon,
            "exact": self.exact,
            "falling": self.falling,
        }

    def threshold(self, window: SpikeWindow) -> float:
        """The theta of a window: half a step more where values are rounded to steps."""
        return (window.ramp + (0.0 if self.exact else 0.5)) * self.step

    def shared_parameters(self, snn: SpikingNetwork) -> dict[str, Any]:
        """See :meth:`Code.shared_parameters`."""
        return {
            "tau_ms": self.tau * 1000,
            "windows": {w.name: [w.start, w.ramp] for w in self.windows},
            "readouts": ["MP", "FS"] if snn.readout.default == "FS" else ["MP"],
        }

    def decoded(
        self, steps: np.ndarray, population: str, overshoot: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """The values of spikes in these steps of the window; of -1, no spike, 0.

        Parameters
        ----------
        steps : int array
        population : str
        overshoot : array, optional
            How late the clock saw them (:meth:`overshoot`). Without it a value is that of the
            step's end.
        """
        window = self.window(population)
        left = window.ramp - np.asarray(steps, dtype=np.float64) - (1.0 if self.exact else 0.0)
        values = window.scale * (left * self.step + overshoot)
        if population == "input":
            values = self.low + values * (self.high - self.low)
        return np.where(np.asarray(steps) < 0, self.low if population == "input" else 0.0, values)

    def overshoot(
        self, steps: np.ndarray, population: str, carried: np.ndarray | None
    ) -> np.ndarray:
        """What v had exceeded its threshold by, from what the spikes carried; 0 if not known.

        Parameters
        ----------
        steps : int array
            Of the window, -1 where there was no spike.
        population : str
        carried : array or None
            Amplitudes of the spikes.
        """
        if carried is None:
            return np.zeros(())
        late = np.asarray(carried, dtype=np.float64)
        if not self.falling:
            return late
        left = self.window(population).ramp - 1 - np.asarray(steps, dtype=np.float64)
        return np.where(np.asarray(steps) < 0, -1.0, late - left * self.step)

    def times(
        self, steps: np.ndarray, population: str, overshoot: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Exact times of spikes in seconds from the onset of the image; NaN where there is none."""
        window = self.window(population)
        late = np.asarray(overshoot, dtype=np.float64) * self.tau
        exact = (window.start + np.asarray(steps, dtype=np.float64) + 1) * self.dt - late
        return np.where(np.asarray(steps) < 0, np.nan, exact)
