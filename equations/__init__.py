"""Neuron models, input codings and circuits: each a differential equation in its own file."""

from bionet.equations import synapses
from bionet.equations.adex import adex
from bionet.equations.augmented import augmented, ternary
from bionet.equations.constant_leak import constant_leak
from bionet.equations.exponential_if import exponential_if
from bionet.equations.first_spike import first_input, first_spike, slope_integrator
from bionet.equations.hodgkin_huxley import hodgkin_huxley
from bionet.equations.inputs import (
    CODINGS,
    InputModel,
    analog,
    events,
    input_model,
    poisson,
    reverse,
    uniform,
)
from bionet.equations.integrate_and_fire import integrate_and_fire, integrator
from bionet.equations.izhikevich import izhikevich
from bionet.equations.largest_count import largest_count
from bionet.equations.latency import latency
from bionet.equations.leaky_integrate_and_fire import leaky_integrate_and_fire, leaky_integrator
from bionet.equations.lif import lif
from bionet.equations.model import NeuronModel
from bionet.equations.neurons import NEURONS, neuron
from bionet.equations.quadratic_if import quadratic_if
from bionet.equations.rate_estimate import with_rate_estimate
from bionet.equations.signed import signed_integrate_and_fire
from bionet.equations.softmax import lottery, trigger
from bionet.equations.temporal import (
    bias_neuron,
    last_spike_neuron,
    temporal_neuron,
    ticking_neuron,
)

__all__ = [
    "CODINGS",
    "InputModel",
    "NEURONS",
    "NeuronModel",
    "adex",
    "analog",
    "augmented",
    "bias_neuron",
    "constant_leak",
    "events",
    "first_input",
    "first_spike",
    "latency",
    "slope_integrator",
    "exponential_if",
    "hodgkin_huxley",
    "input_model",
    "integrate_and_fire",
    "integrator",
    "izhikevich",
    "last_spike_neuron",
    "largest_count",
    "leaky_integrate_and_fire",
    "leaky_integrator",
    "neuron",
    "lif",
    "lottery",
    "poisson",
    "quadratic_if",
    "ternary",
    "trigger",
    "reverse",
    "signed_integrate_and_fire",
    "temporal_neuron",
    "synapses",
    "ticking_neuron",
    "uniform",
    "with_rate_estimate",
]

for _neuron in (
    integrate_and_fire,
    leaky_integrate_and_fire,
    constant_leak,
    augmented,
    ternary,
    lif,
    exponential_if,
    quadratic_if,
    adex,
    izhikevich,
    hodgkin_huxley,
):
    NEURONS.add(_neuron.__name__, _neuron)
