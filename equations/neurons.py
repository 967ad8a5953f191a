"""Neurons by name: BioNet's own, and those of other installed packages (``bionet.neurons``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.registry import Registry

__all__ = ["NEURONS", "neuron"]

NEURONS: Registry[Callable[..., NeuronModel]] = Registry(
    "neuron", "bionet.neurons", "bionet.equations"
)
"""Functions that return a :class:`~bionet.equations.NeuronModel`; arguments are its parameters."""


@typed
def neuron(name: str | NeuronModel, **parameters: Any) -> NeuronModel:
    """The neuron of a name, or ``module:function`` of your own; a model stands for itself.

    Raises
    ------
    InputError
        If there is no such neuron, or it is none.
    """
    if isinstance(name, NeuronModel):
        return name
    made = NEURONS.find(name)
    model = made(**parameters) if callable(made) else made
    if not isinstance(model, NeuronModel):
        raise InputError(f"neuron {name!r} must return a NeuronModel, but returned {model!r}")
    return model
