r"""Max pooling with a ticking neuron: where it exists, and with which weight.

Let the N inputs of a pool have the same weight w, and the pool's units be temporal-coding neurons
with a ticking neuron and a bias neuron that cancels the offset:
:math:`A = w \sum_j (e^{t_j/L} - 1)`. They spike at the last of their inputs' steps, T, whatever the
others are, if they do so where all N spike at T, and where one does and the others spike at 0:

.. math::

    w N (e^{T/L} - 1) \le e^{T/L} - 1, \qquad w (e^{T/L} - 1) > e^{(T-1)/L} - 1

for every T of the window, so that

.. math:: \frac{e^{(T-1)/L} - 1}{e^{T/L} - 1} < w \le \frac1N

The left side grows with T towards :math:`e^{-1/L}`: for long windows w exists only where
:math:`L < 1/\ln N`, a leak of less than one step for N = 3 and more. Without the bias neuron, as in
the paper, T = 0 has no solution at all, and the T > 0 together need

.. math:: \frac{N}{e^{T/L} - 1} < \frac{1 + (N - 1) e^{-T/L}}{e^{(T-1)/L} - 1}

========  =====  ==========================================================
symbol    unit   meaning
========  =====  ==========================================================
N         1      inputs of a pool
L         steps  leak, tau/dt
T         steps  last of the spike steps of a pool's inputs
w         1      weight of each input
========  =====  ==========================================================

References
----------
Zhang et al. 2019 (TDSNN), Eqs. 12-14; the bracket on the left of (14) is misplaced there.
"""

from __future__ import annotations

import math

from bionet.conversion.tracing.records import AveragePool, MaxPool
from bionet.errors import InputError

__all__ = ["paper_constraint", "pooling_weights", "ticking_pool"]


def paper_constraint(n_inputs: int, leak: float, step: int) -> bool:
    """Whether (14) holds for a last spike in this step > 0, without a bias neuron."""
    if step == 1:
        return True
    grown, before = math.exp(step / leak), math.exp((step - 1) / leak)
    return n_inputs / (grown - 1) < (1 + (n_inputs - 1) / grown) / (before - 1)


def pooling_weights(n_inputs: int, leak: float, longest: int) -> tuple[float, float]:
    """The weights with which a ticking max pooling is exact.

    Parameters
    ----------
    n_inputs : int
        N.
    leak : float
        L in steps.
    longest : int
        Latest spike step of the inputs.

    Returns
    -------
    low, high : float
        Exact for low < w <= high.

    Raises
    ------
    InputError
        If there is no such weight, with what would have to change.
    """
    high = 1 / n_inputs
    low = math.expm1((longest - 1) / leak) / math.expm1(longest / leak) if longest > 0 else 0.0
    if low < high:
        return low, high
    room = max(t for t in range(1, longest) if _exists(n_inputs, leak, t))
    raise InputError(
        f"a ticking max pooling of {n_inputs} inputs does not exist for L = {leak:g} and spikes up"
        f" to step {longest}: weights above {low:.3g} and at most {high:.3g} would be needed; it"
        f" exists up to step {room}, or for any step with L < 1/ln {n_inputs} ="
        f" {1 / math.log(n_inputs):.3g}; use max_pooling='last-spike'"
    )


def _exists(n_inputs: int, leak: float, step: int) -> bool:
    return math.expm1((step - 1) / leak) / math.expm1(step / leak) < 1 / n_inputs


def ticking_pool(record: MaxPool, leak: float, longest: int) -> AveragePool:
    """A max pooling as a layer with weights, for inputs that spike up to a step.

    Raises
    ------
    InputError
        If its weights do not exist; the message names the layer.
    """
    n_inputs = record.pool[0] * record.pool[1]
    try:
        low, high = pooling_weights(n_inputs, leak, longest)
    except InputError as error:
        raise InputError(f"{record.place}: {error}") from None
    return AveragePool(
        name=record.name,
        inputs=record.inputs,
        shape=record.shape,
        node=record.node,
        place=record.place,
        rectified=record.rectified,
        pool=record.pool,
        stride=record.stride,
        padding=record.padding,
        ceil_mode=record.ceil_mode,
        # At a border a pool has fewer inputs, whose weights may be larger; w N stays.
        count_include_pad=False,
        scale=(low + high) / 2 * n_inputs,
    )
