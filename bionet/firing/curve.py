r"""The f-I curve of a neuron: firing rate against constant current.

.. math::

    z = I / I_{on} - 1, \qquad \varphi(z) = (r * g_\sigma)(z) / r_{ref}

==================  ======  ==================================================
symbol              unit    meaning
==================  ======  ==================================================
``I``               A       constant current into the neuron
:math:`I_{on}`      A       rheobase: the least current that makes it fire
``r``               Hz      firing rate, measured
``z``               1       current from the rheobase, in units of it
:math:`r_{ref}`     Hz      rate that stands for an activation of 1
:math:`g_\sigma`    1       Gaussian of width sigma: what fluctuations blur
==================  ======  ==================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from brian2 import Hz, Quantity
from brian2.units.fundamentalunits import get_dimensions

from bionet.errors import InputError

if TYPE_CHECKING:
    from bionet.firing.activation import FrequencyActivation

__all__ = ["FICurve"]


@dataclass(frozen=True, eq=False)
class FICurve:
    """Firing rate of a neuron against constant current, as measured.

    Parameters
    ----------
    currents : Quantity or array (n,)
        Ascending, in the unit of the model's current.
    rates : Quantity (n,)
        In Hz; 0 below the rheobase.
    rheobase : Quantity or float
        The least current that makes the neuron fire.
    neuron : str
        Name of the model.
    begin : Quantity, optional
        The potential that the model begins with.
    resting : mapping of str to Quantity
        All state variables of the neuron at rest just below the rheobase.

    Raises
    ------
    InputError
        If shapes or units do not fit, or currents do not ascend.
    """

    currents: Quantity
    rates: Quantity
    rheobase: Quantity
    neuron: str = ""
    begin: Quantity | None = None
    resting: Mapping[str, Quantity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        currents, rates = np.asarray(self.currents), np.asarray(self.rates)
        if currents.ndim != 1 or currents.shape != rates.shape or len(currents) < 2:
            raise InputError(
                "an f-I curve needs two or more currents and a rate for each, but got the shapes"
                f" {currents.shape} and {rates.shape}"
            )
        if (np.diff(currents) <= 0).any():
            raise InputError("the currents of an f-I curve must ascend; sort them")
        if get_dimensions(self.rates) is not get_dimensions(Hz):
            raise InputError("the rates of an f-I curve must be in Hz: give rates*Hz")
        if get_dimensions(self.currents) != get_dimensions(self.rheobase):
            raise InputError("currents and rheobase of an f-I curve differ in their units")
        if not float(self.rheobase) > 0:
            raise InputError(
                f"the rheobase of {self.neuron or 'the neuron'} must be above 0, but is"
                f" {self.rheobase}: a neuron that fires without current has none; lower its"
                " background"
            )

    def rate(self, current: Quantity) -> Quantity:
        """Rate at a current, in Hz, interpolated linearly; beyond the last current its rate."""
        return np.interp(np.asarray(current), self.currents, self.rates) * Hz

    @property
    def drive(self) -> np.ndarray:
        """Z of every measured current, array (n,)."""
        return np.asarray(self.currents) / float(self.rheobase) - 1

    def activation(
        self,
        reference: Quantity = 100 * Hz,
        sigma: float = 0.08,
        noise: float = 0.1,
    ) -> FrequencyActivation:
        """The curve as a torch module that takes z and returns rates in units of ``reference``.

        Parameters
        ----------
        reference : Quantity
            Rate that stands for an activation of 1, in Hz.
        sigma : float
            Width in z of the Gaussian that the curve is blurred with, so that it has a slope
            below the rheobase; what the fluctuations of spike trains do on average.
        noise : float
            Standard deviation of the noise that is added to z in training.

        Raises
        ------
        InputError
            If an argument has the wrong unit or range.
        """
        from bionet.firing.activation import FrequencyActivation

        return FrequencyActivation(self.drive, np.asarray(self.rates), reference, sigma, noise)

    def __repr__(self) -> str:
        return (
            f"FICurve({self.neuron}: rheobase {self.rheobase}, {len(np.asarray(self.rates))}"
            f" currents, up to {float(np.max(np.asarray(self.rates))):.3g} Hz)"
        )
