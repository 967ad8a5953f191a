r"""The firing rate of a neuron with conductance synapses: a surface over two conductances.

With conductances the input of a neuron is no single number: excitation and inhibition pull to
different potentials, and both make the membrane faster. Held constant, they give the rate

.. math::

    r(g_e, g_i), \qquad
    C \frac{dv}{dt} = \ldots + I + g_e (E_e - v) + g_i (E_i - v)

measured in Brian2 on a lattice of neurons, one for each pair, and kept on disk. The mean of a
conductance that spikes of weight w at the rate R open is :math:`w R \tau`. The conductance
:math:`g_{on}`, the excitatory rheobase, is the least :math:`g_e` that makes the neuron fire without
inhibition.

==================  =======  ===============================================
symbol              unit     meaning
==================  =======  ===============================================
``g_e``, ``g_i``    siemens  conductance, excitatory and inhibitory, constant
``I``               amp      constant current: background and bias
:math:`g_{on}`      siemens  excitatory rheobase
``r``               Hz       firing rate
==================  =======  ===============================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import Hz, Quantity, amp, ms, siemens
from brian2.units.fundamentalunits import get_dimensions

from bionet.equations.model import NeuronModel
from bionet.equations.synapses.conductance import Conductance
from bionet.errors import InputError
from bionet.firing.kept import kept_on_disk
from bionet.firing.measurement import FINER, PRECISION, Protocol, spikes_at
from bionet.kinds import told, typed

__all__ = ["RateSurface", "rate_surface"]

VERSION = 1  # of what is measured; a kept surface of another version is measured again
FIRST, LAST, PER_DECADE = -12, -5, 4  # powers of ten in siemens that g_on is looked for in


@dataclass(frozen=True, eq=False)
class RateSurface:
    """Firing rate against excitatory and inhibitory conductance, as measured.

    Parameters
    ----------
    excitatory : Quantity (n,)
        g_e, ascending.
    inhibitory : Quantity (m,)
        g_i, ascending.
    rates : Quantity (n, m)
        In Hz.
    rheobase : Quantity
        The excitatory rheobase.
    neuron : str
        Name of the model with its synapses.

    Raises
    ------
    InputError
        If shapes or units do not fit, or conductances do not ascend.
    """

    excitatory: Quantity
    inhibitory: Quantity
    rates: Quantity
    rheobase: Quantity
    neuron: str = ""

    def __post_init__(self) -> None:
        shape = (len(np.atleast_1d(self.excitatory)), len(np.atleast_1d(self.inhibitory)))
        if np.shape(self.rates) != shape or min(shape) < 2:
            raise InputError(
                f"a surface of rates needs a rate for each of {shape} conductances, two or more"
                f" each way, but got the shape {np.shape(self.rates)}"
            )
        for name in ("excitatory", "inhibitory", "rheobase"):
            value = getattr(self, name)
            if get_dimensions(value) is not get_dimensions(siemens):
                raise InputError(f"{name} of a surface of rates must be in siemens, got {value!r}")
            if np.ndim(value) and (np.diff(np.asarray(value)) <= 0).any():
                raise InputError(f"the {name} conductances of a surface must ascend; sort them")

    def rate(self, g_e: Quantity, g_i: Quantity) -> Quantity:
        """Rate in Hz at conductances that broadcast, bilinear; beyond the lattice that of its edge.

        Parameters
        ----------
        g_e, g_i : Quantity
            In siemens.
        """
        for name, value in (("g_e", g_e), ("g_i", g_i)):
            if get_dimensions(value) is not get_dimensions(siemens):
                raise InputError(f"{name} must be a conductance such as 5*nS, but is {value!r}")
        row, down = _place(np.asarray(self.excitatory), np.asarray(g_e))
        column, right = _place(np.asarray(self.inhibitory), np.asarray(g_i))
        table = np.asarray(self.rates)
        above = (1 - right) * table[row, column] + right * table[row, column + 1]
        below = (1 - right) * table[row + 1, column] + right * table[row + 1, column + 1]
        return ((1 - down) * above + down * below) * Hz


@typed
def rate_surface(
    neuron: NeuronModel,
    synapse: Conductance,
    background: Quantity | None = None,
    dt: Quantity = 0.1 * ms,
    *,
    settle: Quantity = 300 * ms,
    duration: Quantity = 1300 * ms,
    highest: float = 6.0,
    points: int = 25,
    cache: bool = True,
    progress: Callable[[str], None] | None = None,
) -> RateSurface:
    """Measure the firing rate of a neuron at constant conductances, adapted.

    Parameters
    ----------
    neuron : NeuronModel
        Any model that fires and declares a ``current``.
    synapse : Conductance
        ``bionet.synapse.conductance(E_e, E_i, tau_e, tau_i)``; time constants mean nothing here.
    background : Quantity, optional
        Constant current; none by default.
    dt, settle, duration : Quantity
        Step, time before spikes count and whole time, in units of time.
    highest : float
        Largest conductance of both kinds, in excitatory rheobases.
    points : int
        Conductances of each kind.
    cache : bool
        Keep the surface on disk and take it from there.
    progress : callable, optional
        Is told what is measured.

    Returns
    -------
    RateSurface

    Raises
    ------
    InputError
        If the synapse has no conductances, or the neuron fires without excitation, or never.
    """
    if not highest > 1 or points < 4:
        raise InputError(
            f"a surface of rates needs highest > 1 and points >= 4, but got {highest} and {points}"
        )
    current = 0 * amp if background is None else background
    if not hasattr(synapse, "held"):
        raise InputError(f"synapse must be a bionet.synapse.conductance, but is {told(synapse)}")
    model = synapse.held(neuron)
    if get_dimensions(current) is not get_dimensions(amp):
        raise InputError(f"background must be a current such as 100*pA, but is {background!r}")
    protocol = Protocol(float(dt), float(settle), float(duration), "adapted", 1, highest, points)
    key = {"surface": VERSION, "model": model.to_dict(), "protocol": vars(protocol)}
    key |= {"background": float(current)}
    values = kept_on_disk(key, lambda: _measured(model, protocol, float(current), progress), cache)
    return RateSurface(
        values["excitatory"] * siemens,
        values["inhibitory"] * siemens,
        values["rates"] * Hz,
        float(values["rheobase"]) * siemens,
        model.name,
    )


def _measured(
    model: NeuronModel,
    protocol: Protocol,
    current: float,
    progress: Callable[[str], None] | None,
) -> dict[str, Any]:
    say = progress or (lambda text: None)
    say(f"excitatory rheobase of {model.name}")
    decades = np.logspace(FIRST, LAST, PER_DECADE * (LAST - FIRST) + 1)
    low, high = _bracket(model, protocol, current, np.concatenate([[0.0], decades]))
    while high - low > PRECISION * high:
        low, high = _bracket(model, protocol, current, np.linspace(low, high, FINER))
    # Squares: a curve bends at its foot; inhibition counts from nothing on.
    steps = np.linspace(0, 1, protocol.points - 1) ** 2
    lattice = high * np.concatenate([[0.0], 1 + (protocol.highest - 1) * steps])
    inhibitory = high * protocol.highest * np.linspace(0, 1, protocol.points) ** 2
    say(f"rates of {model.name}: {lattice.size} times {inhibitory.size} conductances")
    g_e, g_i = (g.ravel() for g in np.meshgrid(lattice, inhibitory, indexing="ij"))
    rates = [
        (len(late) - 1) / (late[-1] - late[0]) if len(late) > 1 else 0.0
        for late in _late_spikes(model, protocol, current, g_e, g_i)
    ]
    return {
        "excitatory": lattice,
        "inhibitory": inhibitory,
        "rates": np.reshape(rates, (lattice.size, inhibitory.size)),
        "rheobase": high,
    }


def _bracket(
    model: NeuronModel, protocol: Protocol, current: float, g_e: np.ndarray
) -> tuple[float, float]:
    """The largest g_e that does not make the neuron fire, and the least that does."""
    late = _late_spikes(model, protocol, current, g_e, np.zeros(len(g_e)))
    fires = np.array([len(times) > 0 for times in late])
    if fires[0] and g_e[0] == 0:
        raise InputError(
            f"model {model.name!r} fires without excitation; lower its background current"
        )
    if not fires.any():
        raise InputError(f"model {model.name!r} does not fire at any g_e up to {g_e[-1]:g} S")
    above = int(fires.argmax())
    return float(g_e[max(above - 1, 0)]), float(g_e[above])


def _late_spikes(
    model: NeuronModel, protocol: Protocol, current: float, g_e: np.ndarray, g_i: np.ndarray
) -> list[np.ndarray]:
    """Times of the spikes after settling, for each pair of conductances."""
    held = {"g_e": g_e, "g_i": g_i}
    trains = spikes_at(model, protocol, np.full(len(g_e), current), held)
    return [times[times > protocol.settle] for times in trains]


def _place(grid: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a grid that values lie in, and how far along, in [0, 1]."""
    index = np.clip(np.searchsorted(grid, values, side="right") - 1, 0, len(grid) - 2)
    return index, np.clip((values - grid[index]) / (grid[index + 1] - grid[index]), 0, 1)
