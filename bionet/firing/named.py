"""Neurons and synapses written as text: ``adex:pattern=tonic,C=150pF``, ``exponential:5ms``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bionet.errors import InputError, did_you_mean
from bionet.progress import plain_console
from bionet.quantities import physical

if TYPE_CHECKING:
    from bionet.equations import NeuronModel
    from bionet.equations.synapses import Synapse
    from bionet.firing.activation import FrequencyActivation

__all__ = ["NEURONS", "SYNAPSES", "activation_of", "is_built_in", "neuron_of", "synapse_of"]

NEURONS = ("lif", "exponential_if", "quadratic_if", "adex", "izhikevich", "hodgkin_huxley")
# Their input is a drive a step, not a current that flows all the time.
PER_STEP = (
    "integrate_and_fire",
    "leaky_integrate_and_fire",
    "constant_leak",
    "augmented",
    "ternary",
)
SYNAPSES = ("exponential", "alpha", "conductance", "delta")


def neuron_of(text: str, option: str = "--neuron") -> NeuronModel:
    """A neuron model by its name and parameters, or from ``module:function``.

    Raises
    ------
    InputError
        If the name, a parameter or a unit is unknown.
    """
    from bionet.equations import neuron, neurons

    name, separator, arguments = text.partition(":")
    names = [entry for entry in neurons.NEURONS if entry not in PER_STEP]
    if name in names:
        entry = neurons.NEURONS[name]
        return neuron(_made(entry, name, arguments, option) if callable(entry) else entry)
    if not separator:
        raise InputError(
            f"{option}: expected one of {', '.join(names)}, or module:function, got {text!r}"
        )
    return _own(text, option)


def synapse_of(text: str, option: str = "--synapse") -> Synapse:
    """A synapse model by its name and arguments: ``exponential:5ms``.

    Raises
    ------
    InputError
        If the name, an argument or a unit is unknown.
    """
    from bionet.equations import synapses

    name, _, arguments = text.partition(":")
    if name not in SYNAPSES:
        raise InputError(
            f"{option}: expected one of {', '.join(SYNAPSES)}, but got {name!r}"
            + did_you_mean(name, SYNAPSES)
        )
    return _made(getattr(synapses, name), name, arguments, option)


def is_built_in(text: str) -> bool:
    """Whether a neuron's text names one of BioNet's, and no function that would be imported."""
    return text.partition(":")[0] in NEURONS


def activation_of(made_of: Mapping[str, Any], progress: bool = True) -> FrequencyActivation:
    """The activation of a neuron as ``bionet train --activation f-i`` makes and notes it.

    Parameters
    ----------
    made_of : mapping
        ``neuron`` as on the command line, ``reference_hz``, ``presentation_ms`` (0: the adapted
        rate).
    progress : bool
        Say on the standard error stream what is measured.
    """
    from brian2 import Hz, ms

    from bionet.firing.measurement import f_i

    model = neuron_of(str(made_of["neuron"]))
    presentation = float(made_of.get("presentation_ms", 0)) * ms
    settings: dict[str, Any] = {"progress": plain_console(stderr=True).print if progress else None}
    if presentation > 0 * ms:
        settings |= {"kind": "presented", "settle": 0.2 * presentation, "duration": presentation}
    return f_i(model, **settings).activation(float(made_of["reference_hz"]) * Hz)


def _made(make: Callable[..., Any], name: str, text: str, option: str) -> Any:
    """What a function makes of arguments written ``value,name=value``."""
    positional, named = [], {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, separator, value = part.partition("=")
        if separator:
            named[key.strip()] = physical(value.strip(), f"{option} {name}, {key.strip()}")
        else:
            positional.append(physical(part, f"{option} {name}"))
    try:
        inspect.signature(make).bind(*positional, **named)
    except TypeError as error:
        expected = ", ".join(inspect.signature(make).parameters)
        raise InputError(f"{option}: {name} takes {expected}; {error}") from error
    try:
        return make(*positional, **named)
    except InputError as error:
        raise InputError(f"{option}: {error}") from error


def _own(text: str, option: str) -> NeuronModel:
    """A model that a user's function gives."""
    from bionet.equations import NeuronModel

    module, _, function = text.partition(":")
    try:
        model = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError, TypeError) as error:
        raise InputError(f"{option}: {text!r} gives no neuron model ({error})") from error
    if not isinstance(model, NeuronModel):
        raise InputError(f"{option}: {text!r} gives a {type(model).__name__}, not a NeuronModel")
    return model
