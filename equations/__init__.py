"""Neuron models, input codings and circuits: each a differential equation in its own file."""

from bionet.equations.augmented import augmented, ternary
from bionet.equations.inputs import CODINGS, analog, input_model, poisson, uniform
from bionet.equations.integrate_and_fire import integrate_and_fire, integrator
from bionet.equations.leaky_integrate_and_fire import leaky_integrate_and_fire, leaky_integrator
from bionet.equations.model import NeuronModel
from bionet.equations.rate_estimate import with_rate_estimate
from bionet.equations.softmax import lottery, trigger

__all__ = [
    "CODINGS",
    "NeuronModel",
    "analog",
    "augmented",
    "input_model",
    "integrate_and_fire",
    "integrator",
    "leaky_integrate_and_fire",
    "leaky_integrator",
    "lottery",
    "poisson",
    "ternary",
    "trigger",
    "uniform",
    "with_rate_estimate",
]
