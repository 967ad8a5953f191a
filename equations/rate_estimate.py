r"""An estimate of a unit's own firing rate, kept by the unit: what a max pooling compares.

.. math::

    r \to r + o \text{ at a spike}, \qquad
    \frac{dr}{dt} = 0 \;\text{(cumulative)} \quad\text{or}\quad
    \frac{dr}{dt} = -\frac{r}{\tau_r} \;\text{(exponentially weighted)}

Integrated by Euler's method: :math:`r(t) = (1 - dt/\tau_r)\, r(t - 1) + o(t)`.

==========  =======  ==================================================
symbol      unit     meaning
==========  =======  ==================================================
``r``       1        spikes since the presentation began, or of late
``o``       1        size of the spike, 1 where it has none of its own
``tau_r``   second   time over which spikes are forgotten
==========  =======  ==================================================

References
----------
Rueckauer et al. 2016, Section 3 (spiking max pooling).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bionet.equations.expects import expects
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["with_rate_estimate"]


@typed
@expects(tau="second")
def with_rate_estimate(model: NeuronModel, tau: Quantity | None = None) -> NeuronModel:
    """The model with a variable ``r`` that estimates its firing rate.

    Parameters
    ----------
    model : NeuronModel
        One that fires.
    tau : Quantity, optional
        Time constant of an exponentially weighted count, in units of time; without it all
        spikes since the presentation began count alike.

    Raises
    ------
    InputError
        If the model never fires, has a variable ``r`` already, or tau is not positive.

    References
    ----------
    Rueckauer et al. 2016, Section 3.
    """
    if model.threshold is None:
        raise InputError(f"model {model.name!r} never fires, so that it has no rate to estimate")
    if taken := {"r", "tau_r"} & set(model.dimensions):
        raise InputError(f"model {model.name!r} has a variable {sorted(taken)[0]!r} already")
    if tau is not None and not float(tau) > 0:
        raise InputError(f"tau of a rate estimate must be positive, but is {tau}")
    counting = "r += 1" if model.amplitude is None else f"r += {model.amplitude}"
    lines = ["r : 1"] if tau is None else ["dr/dt = -r/tau_r : 1", "tau_r : second (constant)"]
    return replace(
        model,
        equations="\n".join([model.equations, *lines]),
        reset="\n".join(filter(None, (model.reset, counting))),
        parameters={**model.parameters, **({} if tau is None else {"tau_r": tau})},
    )
