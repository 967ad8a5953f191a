r"""Leak-aware conversion: a constant drive that makes up for what a leaky unit loses.

A leaky unit with constant input x a step and reset by subtraction climbs from 0 to
:math:`\theta`; on the way its leak takes :math:`v\,dt/\tau` a step, whose mean over the climb is
:math:`\theta\,dt / 2\tau`. That mean is given back as a drive,

.. math:: I = \frac{\theta\,dt}{2\tau},

which moves the resting potential to :math:`E = \tau I / dt = \theta/2`, the middle of the
climb: below it the unit gains what it loses above. A unit without input rests at :math:`\theta/2`
and stays silent. From the exact solution :math:`v(n) = (E + x_\infty)(1 - e^{-n dt/\tau})` with
:math:`x_\infty = x / (1 - e^{-dt/\tau})`, the time from 0 to :math:`\theta` is

.. math::

    n\,\frac{dt}{\tau} = \ln \frac{x_\infty + \theta/2}{x_\infty - \theta/2}
        = 2\,\mathrm{artanh}\,y, \qquad y = \frac{\theta}{2 x_\infty}

against :math:`-\ln(1 - 2 y)` without the drive. With :math:`n_0 = \theta/x` steps of a unit
without leak, the first is :math:`n_0 (1 + (n_0 dt/\tau)^2 / 12 + ...)` and the second
:math:`n_0 (1 + n_0 dt / 2\tau + ...)`: the error of first order in :math:`dt/\tau` is gone at
every rate at once, which no change of the threshold can do, since it fits one rate only.

Limits. Inputs below :math:`x_\infty = \theta/2` still never fire (half of what is lost without the
drive), so rates under about :math:`1/2\tau` are lost. The derivation takes the input as regular: a
unit whose input comes in bursts or goes up and down forgets some of it in about :math:`\tau`, and a
unit far below rest forgets its debt, both of which no constant can mend. The output's readout
potential is not touched: its leak is a factor common to all classes for a steady input.

=========  =======  ==========================================
symbol     unit     meaning
=========  =======  ==========================================
``theta``  1        threshold
``tau``    second   membrane time constant
``x``      1        input per step
``I``      1        drive per step
``n``      1        steps between two spikes
=========  =======  ==========================================

References
----------
Zhang et al. 2019 (DSNN), Section 2, has the leak; the compensation is BioNet's own.
"""

from __future__ import annotations

import numpy as np
from brian2 import Quantity, check_units, second

from bionet.errors import InputError
from bionet.network import SpikingNetwork

__all__ = ["compensate_leak", "steps_between_spikes"]


@check_units(dt=second)
def compensate_leak(snn: SpikingNetwork, dt: Quantity) -> SpikingNetwork:
    """Add the drive theta dt / 2 tau to every leaky unit that fires.

    Parameters
    ----------
    snn : SpikingNetwork
        Is not changed; its drives must not hold a compensation yet.
    dt : Quantity
        Simulation step that the network will be simulated with, in units of time.

    Returns
    -------
    SpikingNetwork

    Raises
    ------
    InputError
        If no population of the network leaks.
    """
    leaky = [
        p
        for p in snn.populations
        if p.model.threshold is not None and {"tau", "theta", "I"} <= set(p.parameters)
    ]
    if not leaky:
        raise InputError(
            "no population leaks, so that there is nothing to compensate; convert with tau=20*ms,"
            " or leave compensate_leak out"
        )
    for population in leaky:
        theta, tau, drive = (population.parameters[name] for name in ("theta", "tau", "I"))
        gained = drive + theta * float(dt) / (2 * tau)
        snn = snn.with_population(population.name, parameters={"I": gained})
    return snn


def steps_between_spikes(
    x: float | np.ndarray, theta: float, decay: float, compensated: bool
) -> np.ndarray:
    """Steps between two spikes of a leaky unit with constant input, as a real number.

    Parameters
    ----------
    x : float or array
        Input per step.
    theta : float
        Threshold.
    decay : float
        dt / tau.
    compensated : bool

    Returns
    -------
    float array
        Infinity where the unit never fires.
    """
    y = theta / 2 * -np.expm1(-decay) / np.asarray(x, dtype=np.float64)
    limit = 1.0 if compensated else 0.5
    safe = np.where((y > 0) & (y < limit), y, 0.0)
    steps = (2 * np.arctanh(safe) if compensated else -np.log1p(-2 * safe)) / decay
    return np.where(safe > 0, steps, np.inf)
