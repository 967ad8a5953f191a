"""Neuron models, input codings and circuits: each a differential equation in its own file."""

from bionet.equations.augmented import augmented, ternary
from bionet.equations.constant_leak import constant_leak
from bionet.equations.inputs import CODINGS, analog, input_model, poisson, reverse, uniform
from bionet.equations.integrate_and_fire import integrate_and_fire, integrator
from bionet.equations.leaky_integrate_and_fire import leaky_integrate_and_fire, leaky_integrator
from bionet.equations.model import NeuronModel
from bionet.equations.rate_estimate import with_rate_estimate
from bionet.equations.softmax import lottery, trigger
from bionet.equations.temporal import (
    bias_neuron,
    last_spike_neuron,
    temporal_neuron,
    ticking_neuron,
)

__all__ = [
    "CODINGS",
    "NeuronModel",
    "analog",
    "augmented",
    "bias_neuron",
    "constant_leak",
    "input_model",
    "integrate_and_fire",
    "integrator",
    "last_spike_neuron",
    "leaky_integrate_and_fire",
    "leaky_integrator",
    "lottery",
    "poisson",
    "ternary",
    "trigger",
    "reverse",
    "temporal_neuron",
    "ticking_neuron",
    "uniform",
    "with_rate_estimate",
]
