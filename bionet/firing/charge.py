r"""The charge that one spike of unit weight brings to a neuron, measured.

At an operating current the membrane's response to little more of it is linear. A spike that brings
the charge q raises the potential by a total of

.. math::

    \int \Delta v\, dt = R\, q, \qquad R = \Delta v_\infty / \Delta I

whatever its time course: for an exponential synapse :math:`q = w \tau`, for an alpha function
:math:`e\, w \tau`, for a jump of the potential :math:`C\, w`, for a conductance w times its time
constant and the driving force. Both sides are measured on three neurons, with the same step and
the same method as in a simulation.

==================  ======  ==================================================
symbol              unit    meaning
==================  ======  ==================================================
``v``               V       membrane potential
``I``               A       constant current
``R``               Ohm     slope resistance at the operating current
``q``               C       charge of a spike
==================  ======  ==================================================
"""

from __future__ import annotations

import numpy as np
from brian2 import NetworkOperation, Quantity, ms, second

from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.firing.kept import kept_on_disk
from bionet.firing.measurement import Protocol, run_group

__all__ = ["spike_charge"]

SHARE = 1e-3  # of the operating current: how much more is little
VERSION = 1  # of what is measured; a kept charge of another version is measured again
SETTLE, RESPOND = 1.0, 1.5  # seconds; adaptation is the slowest to come to rest


def spike_charge(
    model: NeuronModel, sign: int, current: Quantity, dt: Quantity = 0.1 * ms
) -> float:
    """Charge of a spike whose weight is one SI unit of the variable that receives it.

    Parameters
    ----------
    model : NeuronModel
        With its synapse.
    sign : {1, -1}
        Of the weight: excitatory or inhibitory.
    current : Quantity
        Constant current of the operating point, below the rheobase.
    dt : Quantity
        Simulation step, in units of time.

    Returns
    -------
    float
        In coulomb (of a model whose current is in ampere) for each unit of weight; the magnitude.

    Raises
    ------
    InputError
        If the spike does not move the potential, or moves it the wrong way.
    """
    key = {"charge": VERSION, "model": model.to_dict(), "sign": sign}
    key |= {"current": float(current), "dt": float(dt)}
    return float(
        kept_on_disk(key, lambda: {"charge": _measured(model, sign, current, dt)})["charge"]
    )


def _measured(model: NeuronModel, sign: int, current: Quantity, dt: Quantity) -> float:
    variable, _ = model.receiver(sign)
    inhibitory_alone = len(set(model.inputs.values())) > 1
    protocol = Protocol(float(dt), 0.0, SETTLE, "adapted", 1, 2.0, 8)
    operating = float(current)
    charge, weight = 0.0, 1e-12
    for _ in range(2):  # the second time with a weight that brings as much as the current does
        response = _response(model, protocol, operating, variable, weight)
        charge = response / weight
        if charge == 0 or not np.isfinite(charge):
            raise InputError(
                f"model {model.name!r}: a spike into {variable!r} does not move its potential"
            )
        weight = SHARE * operating * 0.01 / abs(charge)
    if sign < 0 and inhibitory_alone and charge > 0:
        raise InputError(
            f"model {model.name!r}: an inhibitory spike into {variable!r} raises the potential;"
            " its reversal potential lies above the membrane's"
        )
    return abs(charge)


def _response(
    model: NeuronModel, protocol: Protocol, operating: float, variable: str, weight: float
) -> float:
    """Charge of one spike at the operating point."""
    currents = np.full(3, operating)
    network, group, _ = run_group(model, protocol, currents)
    step = SHARE * operating
    kicked = group.variables[variable].get_value()
    kicked[1] += weight
    group.variables[model.current].set_value(np.array([operating, operating, operating + step]))
    summed = np.zeros(3)
    potential = group.variables[model.potential]

    def add() -> None:
        summed[:] += potential.get_value()

    network.add(NetworkOperation(add, clock=group.clock, when="end"))
    network.run(RESPOND * second, namespace={})
    v = potential.get_value()
    resistance = (v[2] - v[0]) / step
    return float((summed[1] - summed[0]) * protocol.dt / resistance)
