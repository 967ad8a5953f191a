"""The population ``input`` that a simulation's coding gives a network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bionet.equations.inputs import FOREVER, InputModel, input_model, sends_spikes, takes
from bionet.equations.model import NeuronModel
from bionet.equations.units import check_single
from bionet.errors import InputError
from bionet.network.populations import Population
from bionet.network.spiking_network import SpikingNetwork

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["input_of", "input_population", "input_spikes"]


def input_population(
    snn: SpikingNetwork,
    coding: str | NeuronModel | None = None,
    max_rate: Quantity | None = None,
    dt: Quantity | None = None,
) -> Population:
    """The input of a network: its pixels, as many as an image has, under a coding's model.

    Parameters
    ----------
    snn : SpikingNetwork
    coding : str or NeuronModel, optional
        The network's own by default.
    max_rate : Quantity, optional
        Firing rate of a pixel of value 1; the network's own, or one spike a step, by default.
        Without an amplitude of the network's own, spikes have one by which the mean input does
        not depend on the rate.
    dt : Quantity, optional
        Simulation step; the network's own by default.

    Raises
    ------
    InputError
        If the coding is unknown, or its rate gives more than one spike a step.
    """
    coding = snn.coding if coding is None else coding
    defaults = snn.simulation
    step = float(snn.times(dt=dt)[1])
    gain = 1.0
    if isinstance(coding, NeuronModel) or not takes(coding, "max_rate"):
        max_rate = None
    else:
        max_rate = _rate(defaults.max_rate if max_rate is None else max_rate, step)
        gain = 1.0 / (float(max_rate) * step)
    model = input_model(
        coding,
        max_rate=max_rate,
        gain=gain if defaults.gain is None else defaults.gain,
        stop=FOREVER if defaults.stop is None else defaults.stop,
        **_of_code(snn),
    )
    if model.drives == "current" and defaults.gain is not None:
        # Thresholds made for trains of an amplitude: a current gives the mean of a train.
        per_step = 1.0 if defaults.max_rate is None else defaults.max_rate * step
        model = replace(model, factor=model.factor * defaults.gain * per_step)
    return Population("input", snn.input_shape, model)


def input_of(population: Population) -> InputModel:
    """The model of an input population."""
    if not isinstance(population.model, InputModel):
        raise InputError(f"population {population.name!r} is no input: its model has no pixels")
    return population.model


def input_spikes(snn: SpikingNetwork, coding: str | NeuronModel | None = None) -> bool:
    """Whether a network's input sends spikes under a coding, the network's own by default."""
    return sends_spikes(snn.coding if coding is None else coding, **_of_code(snn))


def _of_code(snn: SpikingNetwork) -> dict[str, Any]:
    return {} if snn.code is None else snn.code.input_arguments()


def _rate(max_rate: Any, step: float) -> Quantity:
    """A rate in Hz that a unit can follow, one spike a step where none is given."""
    from brian2 import Hz

    if max_rate is None:
        return 1.0 / step * Hz
    check_single(max_rate, "max_rate", "it is the rate of a pixel of value 1 in all images")
    if not float(max_rate) > 0:
        raise InputError(f"max_rate must be positive, but is {max_rate}")
    per_step = float(max_rate) * step
    if per_step > 1 + 1e-9:
        raise InputError(
            f"max_rate ({max_rate}) gives {per_step:g} spikes a step, but a unit can emit one;"
            f" use at most {1.0 / step:g} Hz or a smaller dt"
        )
    return float(max_rate) * Hz
