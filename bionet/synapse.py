"""Synapse models under the name that users write: ``bionet.synapse.exponential(5*ms)``."""

from bionet.equations.synapses import (
    Synapse,
    alpha,
    conductance,
    delta,
    exponential,
    tsodyks_markram,
)

__all__ = ["Synapse", "alpha", "conductance", "delta", "exponential", "tsodyks_markram"]
