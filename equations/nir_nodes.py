r"""Neuron models of NIR, the Neuromorphic Intermediate Representation, as its equations say them.

.. math::

    \text{IF:}\ \dot v = R\,x, \qquad
    \text{LIF:}\ \tau \dot v = v_{leak} - v + R\,x, \qquad
    \text{CubaLIF:}\ \tau_{syn} \dot i = w_{in}\,x - i,\ \
    \tau_{mem} \dot v = v_{leak} - v + R\,i

with a spike and :math:`v \to v_{reset}` where :math:`v > \theta`; I, LI and CubaLI are the same
without a spike. A spike that arrives in a step makes :math:`x` its weight for that one step
``dt``, so a unit gets the area w dt from it. Integrated exactly over a step with constant x,

.. math::

    v(t + dt) = v_{leak} + (v(t) - v_{leak})\,e^{-dt/\tau} + R\,x\,(1 - e^{-dt/\tau})

and by Euler's method, as most writers of NIR files do, with :math:`dt/\tau` for
:math:`1 - e^{-dt/\tau}`. The current of a step drives the potential of the same step.

===============  =======  ======================================================================
symbol           unit     meaning
===============  =======  ======================================================================
``v``            1        membrane potential
``x``            1        input: weights of this step's spikes ``z``, and the constant drive ``I``
``i_syn``        1        synaptic current
``r``            1        resistance R; of IF and I in hertz
``tau``          second   membrane time constant
``tau_mem``      second   membrane time constant
``tau_syn``      second   time constant of the synaptic current
``w_in``         1        weight of the input of a synaptic current
``theta``        1        threshold
``v_leak``       1        potential that the leak leads to
``v_reset``      1        potential after a spike
===============  =======  ======================================================================

References
----------
J. E. Pedersen, S. Abreu, M. Jobst et al.: Neuromorphic intermediate representation: a unified
instruction set for interoperable brain-inspired computing. Nature Communications 15, 8122 (2024),
Table 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from bionet.equations.model import NeuronModel
from bionet.errors import InputError

__all__ = ["NIR_NEURONS", "nir_neuron", "relay", "silent"]

NIR_NEURONS = ("I", "IF", "LI", "LIF", "CubaLI", "CubaLIF", "Threshold")
SOURCE = "Pedersen et al. 2024, Table 1"
Integration = Literal["exact", "euler"]
RESETS = {"to": "v = v_reset", "subtract": "v -= theta"}
BEGINS = {"leak": "v_leak", "reset": "v_reset"}
# v after a step in which x was 1, with i_syn and v at 0 before.
TWO_STAGES = (
    "v_share = 1 - (tau_mem*exp(-dt/tau_mem) - tau_syn*exp(-dt/tau_syn))/(tau_mem - tau_syn)"
)


def nir_neuron(
    kind: str,
    integration: Integration = "exact",
    *,
    fires: Literal["above", "from"] = "above",
    reset: Literal["to", "subtract"] = "to",
    synapse: Literal["box", "jump"] = "box",
    parameters: Mapping[str, Any] | None = None,
    begins: Literal["zero", "leak", "reset"] = "zero",
) -> NeuronModel:
    """A node of NIR that has a state, or the node Threshold, as a neuron model.

    Parameters
    ----------
    kind : {"I", "IF", "LI", "LIF", "CubaLI", "CubaLIF", "Threshold"}
    integration : {"exact", "euler"}
        Of the differential equation over a step.
    fires : {"above", "from"}
        Above the threshold, as NIR has it, or from the threshold on.
    reset : {"to", "subtract"}
        To ``v_reset``, as NIR has it, or by subtracting the threshold.
    synapse : {"box", "jump"}
        Whether a spike drives the synaptic current for a step, as NIR has it, or raises it by
        ``w_in`` at once.
    parameters : mapping of str to number or Quantity, optional
        Default values.
    begins : {"zero", "leak", "reset"}
        Potential at the beginning of a presentation: 0, ``v_leak`` or ``v_reset``.

    Raises
    ------
    InputError
        If the kind or an option is unknown.

    References
    ----------
    Pedersen et al. 2024, Table 1.
    """
    for name, value, values in (
        ("kind", kind, NIR_NEURONS),
        ("integration", integration, ("exact", "euler")),
        ("fires", fires, ("above", "from")),
        ("reset", reset, tuple(RESETS)),
        ("synapse", synapse, ("box", "jump")),
        ("begins", begins, ("zero", *BEGINS)),
    ):
        if value not in values:
            raise InputError(f"{name} of a NIR neuron is one of {', '.join(values)}, not {value!r}")
    if kind == "Threshold":
        lines, update = ["v : 1"], ["v = z + I"]
    else:
        lines, update = _dynamics(kind, integration, synapse)
    lines += ["z : 1", "I : 1 (constant)"]
    spiking = kind in ("IF", "LIF", "CubaLIF", "Threshold")
    if spiking:
        lines.append("theta : 1 (constant)")
    resets = spiking and kind != "Threshold"
    if resets and reset == "to":
        lines.append("v_reset : 1 (constant)")
    declared = {line.partition(" : ")[0] for line in lines}
    return NeuronModel(
        name=f"NIR {kind}",
        equations="\n".join(lines),
        threshold=("v > theta" if fires == "above" else "v >= theta") if spiking else None,
        reset=RESETS[reset] if resets else None,
        update="\n".join([*update, "z = 0"]),
        method="euler" if integration == "euler" or kind in ("I", "IF") else "exact",
        parameters={"I": 0.0, **(parameters or {})},
        initial={"v": BEGINS[begins]} if BEGINS.get(begins) in declared else {},
        input="z",
        source=SOURCE,
        resets=reset if resets else None,
        leaks="v_leak" in declared,
    )


def _dynamics(kind: str, integration: str, synapse: str) -> tuple[list[str], list[str]]:
    """Declarations of the equations, and what the spikes of a step add to the state."""
    if kind in ("I", "IF"):
        return ["dv/dt = r*I : 1", "r : Hz (constant)"], ["v += r*dt*z"]
    constants = ["r : 1 (constant)", "v_leak : 1 (constant)"]
    if kind in ("LI", "LIF"):
        gain = "dt/tau" if integration == "euler" else "(1 - exp(-dt/tau))"
        lines = ["dv/dt = (v_leak - v + r*I)/tau : 1", "tau : second (constant)", *constants]
        return lines, [f"v += r*{gain}*z"]
    constants += ["tau_mem : second (constant)", "tau_syn : second (constant)"]
    constants += ["w_in : 1 (constant)"]
    if integration == "exact" and synapse == "box":
        lines = [
            "dv/dt = (v_leak - v + r*i_syn)/tau_mem : 1",
            "di_syn/dt = (w_in*I - i_syn)/tau_syn : 1",
        ]
        update = [TWO_STAGES, "v += r*w_in*v_share*z", "i_syn += w_in*(1 - exp(-dt/tau_syn))*z"]
        return [*lines, *constants], update
    if integration == "exact":
        raise InputError("a synaptic current that jumps is integrated by Euler's method only")
    # Euler's method, current first: the potential of a step sees the current of that step.
    drive, gain = ("w_in*I/tau_syn", "dt/tau_syn") if synapse == "box" else ("w_in*I/dt", "1")
    lines = ["dv/dt = (v_leak - v)/tau_mem : 1", f"di_syn/dt = {drive} - i_syn/tau_syn : 1"]
    update = [f"i_syn += w_in*{gain}*z", "v += r*dt/tau_mem*i_syn"]
    return [*lines, *constants], update


def relay() -> NeuronModel:
    """A stage without memory: it hands on the weighted sum of a step's input in the same step.

    Its spike has that sum as its size, so that two weighted nodes of NIR may follow one another.
    """
    return NeuronModel(
        name="NIR relay",
        equations="v : 1\nz : 1\nI : 1 (constant)",
        threshold="v != 0",
        update="v = z + I\nz = 0",
        parameters={"I": 0.0},
        input="z",
        amplitude="v",
        source=SOURCE,
        spike="graded",
    )


def silent() -> NeuronModel:
    """A unit that never fires: where a network whose last layer only integrates counts spikes."""
    return NeuronModel(
        name="NIR output without spikes",
        equations="v : 1\nI : 1 (constant)",
        threshold="v > inf",
        parameters={"I": 0.0},
        source=SOURCE,
    )
