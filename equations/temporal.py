r"""Temporal coding: neurons that spike once, the later the larger their value, and their clocks.

A value A leaves a layer as one spike, :math:`T_o = \lceil L \ln(A + 1) \rceil` steps after the
layer's release (0 where A <= 0). Until then the layer is inhibited: for the T_il steps of its
integration window it adds up its *negated* weights and leaks, so that

.. math::

    v = -A e^{-T_{il}/L}, \qquad A = \sum_j w_j e^{t_j/L}

at the end of the window, t_j being the steps at which its inputs spike. Then the *ticking neuron*
of the layer lifts the inhibition (time 0) and spikes in every step from 1 on, with weight w_tick:

.. math:: v_k = e^{-T_{il}/L} \left(1 - (A + 1) e^{-k/L}\right) \ge 0 \iff k \ge L \ln(A + 1)

===============  ======  ==================================================================
symbol           unit    meaning
===============  ======  ==================================================================
``v``            1       membrane potential
``tau``          second  leak as a time constant; L = tau/dt steps
``inhibition``   1       1 while the neuron must not fire: in the window, and once it fired
``spiked``       1       step of the presentation in which the neuron fired, or -1
``theta``        1       threshold: 0, less a tolerance for the rounding of a sum
``w_tick``       1       :math:`(1 - e^{-1/L}) e^{-T_{il}/L}`
``started``      1       1 once the window has begun
``elapsed``      1       steps of the window so far; T_il + 1 in its last step
``released``     1       step of the presentation at which the window ended, or -1
``window``       1       T_il in steps, where it is constant
``ticks``        1       spikes of the ticking neuron, where their number is constant
``received``     1       presynaptic neurons that have spiked
``n_inputs``     1       presynaptic neurons
``stopped``      1       1 once the layer after has been released
===============  ======  ==================================================================

References
----------
L. Zhang et al.: TDSNN: from deep neural networks to deep spike neural networks with temporal
coding. AAAI 33 (2019) 1319-1326, Eqs. 3-11. There the ticks seem to begin at time 0; the closed
form above holds only where they begin at 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bionet.equations.expects import expects
from bionet.equations.leaky_integrate_and_fire import check_time_constant
from bionet.equations.model import NeuronModel
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["bias_neuron", "last_spike_neuron", "temporal_neuron", "ticking_neuron"]

SOURCE = "Zhang et al. 2019 (TDSNN)"


@typed
@expects(tau="second")
def temporal_neuron(tau: Quantity, threshold: float = 0.0) -> NeuronModel:
    r"""Leaky neuron that is inhibited until its release, and then spikes once.

    Parameters
    ----------
    tau : Quantity
        Leak in units of time.
    threshold : float
        0, or a little below it: :math:`-\eta e^{-T_{il}/L}` makes the code
        :math:`\lceil L \ln((A + 1)/(1 + \eta)) \rceil`. Weights that cancel exactly leave a
        rest of rounding in ``v``; with a threshold of 0 such a unit may fire one step late, and one
        step is the code of :math:`e^{1/L} - 1`, not of 0.
    """
    check_time_constant(tau)
    return NeuronModel(
        name="temporal-coding neuron",
        equations="""
            dv/dt = -v/tau : 1
            inhibition : 1
            spiked : 1
            tau : second (constant)
            theta : 1 (constant)
        """,
        threshold="v >= theta and inhibition == 0",
        reset="inhibition = 1\nspiked = step",
        method="exact",
        parameters={"tau": tau, "theta": threshold},
        initial={"inhibition": 1.0, "spiked": -1.0},
        source=f"{SOURCE}, Eqs. 3-9",
        leaks=True,
        spike="once",
    )


@typed
@expects(tau="second")
def ticking_neuron(tau: Quantity, dynamic: bool = False) -> NeuronModel:
    """The clock of a layer: its event ``release`` lifts the inhibition, its spikes are ticks.

    Its window begins with a spike into ``started``.

    Parameters
    ----------
    tau : Quantity
        Leak in units of time.
    dynamic : bool
        Release the layer with the last of ``n_inputs`` presynaptic spikes, so that T_il and w_tick
        follow the image, and tick until a spike into ``stopped``. Otherwise release it after a
        constant ``window`` of T_il steps, and tick ``ticks`` times.
    """
    check_time_constant(tau)
    if dynamic:
        variables = ["received : 1", "stopped : 1", "n_inputs : 1 (constant)"]
        over, ticking = "received >= n_inputs", "stopped == 0"
    else:
        variables = ["window : 1 (constant)", "ticks : 1 (constant)"]
        over, ticking = "elapsed > window", "step <= released + ticks"
    lines = [*variables, "started : 1", "elapsed : 1", "released : 1", "w_tick : 1"]
    return NeuronModel(
        name=f"ticking neuron, {'dynamic' if dynamic else 'static'} window",
        equations="\n".join([*lines, "tau : second (constant)"]),
        update=f"""
            elapsed += started*int(released < 0)
            now = int({over} and released < 0)
            w_tick += now*(1 - exp(-dt/tau))*exp((1 - elapsed)*dt/tau)
            released += now*(step + 1)
        """,
        threshold=f"released >= 0 and step > released and {ticking}",
        events={"release": "released == step"},
        parameters={"tau": tau},
        initial={"released": -1.0},
        input="received" if dynamic else "started",
        amplitude="w_tick",
        source=f"{SOURCE}, Eqs. 7-8",
        spike="graded",
    )


@typed
def bias_neuron(onset: bool = False) -> NeuronModel:
    """One more input of a layer, of constant value c: it repeats a spike that it receives.

    The release of the layer before reaches it with a delay of T(c) steps.

    Parameters
    ----------
    onset : bool
        It spikes once, in the first step of a presentation: the release of the input.
    """
    return NeuronModel(
        name="bias neuron",
        equations="v : 1",
        threshold="v >= 1",
        reset="v = 0",
        initial={"v": float(onset)},
        source=f"{SOURCE}, bias neuron",
        resets="zero",
    )


def last_spike_neuron() -> NeuronModel:
    """Max pooling: fires with the last of its inputs, which codes the largest value.

    Its weights are 1, its threshold is the number of its inputs, and it does not leak.
    """
    return NeuronModel(
        name="last-spike neuron",
        equations="v : 1\nspiked : 1\ntheta : 1 (constant)",
        threshold="v >= theta and spiked < 0",
        reset="spiked = step",
        parameters={"theta": 1.0},
        initial={"spiked": -1.0},
        source=f"{SOURCE}, max pooling",
        spike="once",
    )
