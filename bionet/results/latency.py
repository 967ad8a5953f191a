"""Latency: how many steps of a presentation an answer takes. Its one definition.

The latency is the first step, counted from 1, from which on the accuracy never again lies more
than a loss below a reference: the accuracy of the source network where that is asked for, else
the accuracy at the end of the run. What is allowed is counted in images, so that no rounding of
shares decides.

========  =====  ==========================================================
symbol    unit   meaning
========  =====  ==========================================================
``loss``  1      allowed loss of accuracy, a share: 0.01 is one point
========  =====  ==========================================================

References
----------
Q. Yu et al.: Constructing accurate and efficient deep spiking neural networks with
double-threshold and augmented schemes. IEEE TNNLS (2020), Section III-B.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from bionet.errors import InputError

__all__ = ["LOSS", "Rule", "latency"]

LOSS = 0.01  # one point of accuracy
Rule = Literal["stays", "reached"]


def latency(
    accuracy: np.ndarray,
    reference: float | None = None,
    loss: float = LOSS,
    *,
    strict: bool = False,
    rule: Rule = "stays",
) -> int | None:
    """Steps to an accuracy within ``loss`` of the reference; None where it is never reached.

    Parameters
    ----------
    accuracy : array (n_steps,)
        After every step, a share.
    reference : float, optional
        The accuracy at the last step by default.
    loss : float
    strict : bool
        Whether a loss of exactly ``loss`` is too much.
    rule : {"stays", "reached"}
        From there to the end of the run, or for the first time.

    Raises
    ------
    InputError
        If the rule is unknown.
    """
    if rule not in ("stays", "reached"):
        raise InputError(f"rule is 'stays' or 'reached', but got {rule!r}")
    accuracy = np.asarray(accuracy, dtype=np.float64)
    lost = (accuracy[-1] if reference is None else reference) - accuracy
    # Shares of one image are larger than 1e-9 by far, rounding errors smaller.
    good = lost < loss - 1e-9 if strict else lost <= loss + 1e-9
    if rule == "stays":
        good = np.logical_and.accumulate(good[::-1])[::-1]
    return int(good.argmax()) + 1 if good.any() else None
