"""Synapse models: each adds its lines to a neuron model, and says what receives weights.

>>> from brian2 import ms, mV
>>> import bionet
>>> neuron = bionet.synapse.exponential(5 * ms).on(bionet.equations.lif())
>>> neuron.inputs["exc"]
'I_syn'
"""

from bionet.equations.synapses.base import Synapse
from bionet.equations.synapses.conductance import Conductance
from bionet.equations.synapses.current import Alpha, Delta, Exponential
from bionet.equations.synapses.plasticity import TsodyksMarkram

__all__ = [
    "Synapse",
    "alpha",
    "conductance",
    "delta",
    "exponential",
    "tsodyks_markram",
]

exponential = Exponential
alpha = Alpha
conductance = Conductance
delta = Delta
tsodyks_markram = TsodyksMarkram
