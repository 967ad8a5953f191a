r"""A max pooling's unit that follows the largest count of its pool.

.. math::

    v = \max_{j \in pool} n_j, \qquad
    o = \begin{cases} +1 & v > n \\ -1 & v < n \\ 0 & \text{else} \end{cases}, \qquad n \to n + o

:math:`n_j` is the count so far of a unit of the pool, signed where its spikes are. The synapses
set v (:class:`bionet.network.MaxPool2d` with ``rule="count"``), and as a count changes by one a
step at most, the unit's own count n is the largest of its pool after every step. A gate that lets
the leading unit's spikes pass instead counts some spikes twice, one of either unit, while two
units take turns in leading.

=========  =======  ====================================================
symbol     unit     meaning
=========  =======  ====================================================
``v``      1        largest count of the pool
``o``      1        sign of the unit's last spike
``total``  1        n, sum of all o since the image's onset
=========  =======  ====================================================

References
----------
Rueckauer et al. 2016, Section 3 (spiking max pooling). That the count is followed is ours.
"""

from __future__ import annotations

from bionet.equations.model import NeuronModel

__all__ = ["largest_count"]


def largest_count() -> NeuronModel:
    """Unit whose count is the largest count of its pool."""
    return NeuronModel(
        name="largest count",
        equations="v : 1\no : 1\ntotal : 1",
        threshold="v > total or v < total",
        reset="o = int(v > total) - int(v < total)\ntotal += o",
        amplitude="o",
        final=("total",),
        spike="signed",
        source="after Rueckauer et al. 2016, Section 3",
    )
