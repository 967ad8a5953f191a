r"""Energy of a run, both ways: from counted synaptic events, and by the formula of Shang et al.

.. math::

    E_{counted} = \alpha\, \frac{1}{M} \sum_m N_m, \qquad
    E_{formula} = \alpha\, S, \qquad P = E\, f

The formula charges every synapse once for each image, however long the image is presented and
however many spikes there are; counting charges every spike that arrives at a synapse.

=========  ==========  ============================================================
symbol     unit        meaning
=========  ==========  ============================================================
``alpha``  joule       energy per synaptic event, 0.37 pJ
``N_m``    1           synaptic events of image m (:mod:`bionet.results.metrics`)
``S``      1           synapses of the network
``f``      hertz       images a second, 742 in the paper
``P``      watt        power
=========  ==========  ============================================================

The paper prints alpha = 0.37 mJ and P = 3.9 mW for S = 1.42e7. The two do not agree:
1.42e7 x 742 Hz x 0.37 pJ = 3.9 mW, so alpha is 0.37 pJ, as Cruz-Albrecht et al. give it.

References
----------
Shang et al. 2020, Eqs. 9-10. J. M. Cruz-Albrecht, M. W. Yung, N. Srinivasa: Energy-efficient
neuron, synapse and STDP integrated circuits. IEEE Trans. Biomed. Circuits Syst. 6 (2012) 246-256.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from brian2 import Hz, Quantity, check_units, joule, pjoule

from bionet.errors import InputError
from bionet.network import SpikingNetwork
from bionet.results.metrics import synaptic_events
from bionet.results.recording import Recording

__all__ = ["Energy", "energy"]


@dataclass(frozen=True)
class Energy:
    """Energy per image and power, counted and by the paper's formula.

    Parameters
    ----------
    events : float
        Mean synaptic events of an image.
    synapses : int
        Synapses of the network.
    per_event : Quantity
        Energy of a synaptic event.
    image_rate : Quantity
        Images a second that the powers are given for.
    """

    events: float
    synapses: int
    per_event: Quantity
    image_rate: Quantity

    @property
    def counted(self) -> Quantity:
        """Energy of an image from counted events."""
        return self.events * self.per_event

    @property
    def formula(self) -> Quantity:
        """Energy of an image by the paper's formula: every synapse once."""
        return self.synapses * self.per_event

    @property
    def counted_power(self) -> Quantity:
        """Power at ``image_rate`` from counted events."""
        return self.counted * self.image_rate

    @property
    def formula_power(self) -> Quantity:
        """Power at ``image_rate`` by the paper's formula (Eq. 9)."""
        return self.formula * self.image_rate

    def __str__(self) -> str:
        counted = self.counted.in_best_unit(precision=3)
        power = self.counted_power.in_best_unit(precision=3)
        formula = self.formula.in_best_unit(precision=3)
        formula_power = self.formula_power.in_best_unit(precision=3)
        rate = f"{float(self.image_rate):g} images/s"
        return (
            f"{counted} an image ({power} at {rate}) from {self.events:,.0f} counted synaptic"
            f" events; {formula} ({formula_power}) by the formula from {self.synapses:,} synapses;"
            f" {self.per_event.in_best_unit(precision=3)} an event"
        )


@check_units(per_event=joule, image_rate=Hz)
def energy(
    snn: SpikingNetwork,
    run: Recording,
    per_event: Quantity = 0.37 * pjoule,
    image_rate: Quantity = 742 * Hz,
) -> Energy:
    """Energy of a run, counted and by the formula of Shang et al.

    Parameters
    ----------
    snn : SpikingNetwork
    run : Recording
        Of ``snn``.
    per_event : Quantity
        Energy of a synaptic event, in units of energy.
    image_rate : Quantity
        Images a second, for the powers.

    Raises
    ------
    InputError
        If the recording belongs to another network, or a value is not positive.
    """
    if not per_event > 0 * joule or not image_rate > 0 * Hz:
        raise InputError(
            f"per_event and image_rate must be positive, but are {per_event} and {image_rate}"
        )
    total = sum(np.sum(events) for events in synaptic_events(snn, run).values())
    return Energy(float(total) / run.n_images, snn.n_synapses, per_event, image_rate)
