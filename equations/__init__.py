"""Neuron models, input codings and circuits: each a differential equation in its own file."""

from bionet.equations.constant_leak import constant_leak
from bionet.equations.inputs import CODINGS, analog, input_model, poisson, uniform
from bionet.equations.integrate_and_fire import integrate_and_fire, integrator
from bionet.equations.leaky_integrate_and_fire import leaky_integrate_and_fire, leaky_integrator
from bionet.equations.model import NeuronModel

__all__ = [
    "CODINGS",
    "NeuronModel",
    "analog",
    "constant_leak",
    "input_model",
    "integrate_and_fire",
    "integrator",
    "leaky_integrate_and_fire",
    "leaky_integrator",
    "poisson",
    "uniform",
]
