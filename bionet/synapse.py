"""Synapse models under the name that users write: ``bionet.synapse.exponential(5*ms)``."""

from bionet.equations.synapses import Synapse, alpha, delta, exponential, tsodyks_markram
from bionet.equations.synapses.conductance import Conductance

__all__ = ["Synapse", "alpha", "conductance", "delta", "exponential", "tsodyks_markram"]

# From its class: the package has a module of this name, which type checkers may take for it.
conductance = Conductance
