"""From PyTorch networks to spiking networks: one file for each method, over shared steps.

A method is a function ``(net, input_shape, calibration, *, options...) -> SpikingNetwork`` in a
file of its own, entered in ``METHODS``; its keyword-only arguments are its options.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from bionet.conversion.augmapping import convert_augmapping
from bionet.conversion.biophysical import convert_biophysical
from bionet.conversion.dsnn import convert_dsnn
from bionet.conversion.methods import METHODS, options_of
from bionet.conversion.preparing.adjust import adjust
from bionet.conversion.preparing.average_pooling import to_average_pooling
from bionet.conversion.preparing.quantised_activation import QCFS, quantised_network
from bionet.conversion.preparing.straight_activations import to_relu
from bionet.conversion.preparing.temporal_activation import (
    TemporalActivation,
    add_bias_neurons,
    temporal_network,
)
from bionet.conversion.rate import convert_rate
from bionet.conversion.steps.layers import fold_batchnorm, population_records
from bionet.conversion.steps.scales import activation_scales, normalise_weights
from bionet.conversion.tdsnn import convert_tdsnn
from bionet.conversion.termapping import convert_termapping
from bionet.conversion.threshold_search import convert_threshold_search
from bionet.conversion.tracing.activations import activations, check_array
from bionet.conversion.tracing.outputs import OneOutput
from bionet.conversion.tracing.several_inputs import OneInput
from bionet.conversion.tracing.trace import Trace, checked_shape, trace
from bionet.conversion.variants.corrections import (
    with_initial_potential,
    with_signed_correction,
)
from bionet.conversion.variants.fold import fold, fold_report
from bionet.conversion.variants.fragments import fragment, joined
from bionet.conversion.variants.interneurons import with_interneurons
from bionet.conversion.variants.softmax import with_softmax
from bionet.conversion.variants.winner_take_all import winner_take_all
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Origin, SpikingNetwork
from bionet.network.joined_inputs import joined as inputs_joined
from bionet.network.joined_inputs import joined_shape
from bionet.options import check_options

__all__ = [
    "METHODS",
    "OneInput",
    "QCFS",
    "TemporalActivation",
    "Trace",
    "activation_scales",
    "activations",
    "adjust",
    "convert",
    "fold",
    "fold_batchnorm",
    "fold_report",
    "fragment",
    "joined",
    "normalise_weights",
    "options",
    "population_records",
    "quantised_network",
    "temporal_network",
    "add_bias_neurons",
    "to_average_pooling",
    "to_relu",
    "trace",
    "winner_take_all",
    "with_initial_potential",
    "with_interneurons",
    "with_signed_correction",
    "with_softmax",
]

# Parameters of a network whose copy is worth a search for what nobody needs any more.
LARGE = 10_000_000

for _name, _method in (
    ("rate", convert_rate),
    ("dsnn", convert_dsnn),
    ("augmapping", convert_augmapping),
    ("termapping", convert_termapping),
    ("tdsnn", convert_tdsnn),
    ("threshold_search", convert_threshold_search),
    ("biophysical", convert_biophysical),
):
    METHODS.add(_name, _method)


@typed
def convert(
    net: nn.Module,
    method: str = "rate",
    calibration: Any = None,
    input_shape: Sequence[Any] | None = None,
    *,
    output: int | str | None = None,
    **options: Any,
) -> SpikingNetwork:
    """Convert a trained PyTorch network to a spiking network.

    Parameters
    ----------
    net : torch.nn.Module
        Takes a batch of images and returns class scores; it is not changed.
    method : str
        One of ``METHODS``.
    calibration : array or tensor (n, *input_shape), optional
        Images that the method measures activations on.
    input_shape : sequence of int, or of such shapes, optional
        (channels, height, width) or (features,) of an image; that of the calibration images
        where it is not given. Where the forward takes several tensors, the shape of each; the
        calibration images are then a tuple of as many batches.
    output : int or str, optional
        Which of several tensors is the answer, where the forward returns a tuple or a dict.
    **options
        The method's own; see its function, such as
        :func:`bionet.conversion.rate.convert_rate`.

    Returns
    -------
    SpikingNetwork
        Its ``origin`` holds ``scales`` and ``layers`` (population -> node of the traced network,
        for :func:`activations`) and the options given.

    Raises
    ------
    InputError
        If the method or an option is unknown, the input shape is missing, or the network
        cannot be converted; the message names the layer and the remedy.

    Examples
    --------
    >>> convert(net, method="rate", calibration=images, input_shape=(1, 28, 28))  # doctest: +SKIP
    """
    takes = options_of(method, options)
    check_options(options, takes, f"method {method!r}")
    shapes = _several(input_shape, calibration)
    if shapes:
        net, input_shape = OneInput(net, shapes), joined_shape(shapes)
        calibration = None if calibration is None else _joined(calibration, shapes)
    if input_shape is None:
        if calibration is None:
            raise InputError("convert needs input_shape, the shape of one image: (1, 28, 28)")
        check_array(calibration)
        input_shape = tuple(np.shape(calibration)[1:])
        if not input_shape:
            raise InputError(
                f"calibration has the shape {np.shape(calibration)}, but must be a batch of images"
                " (n, features) or (n, channels, height, width); pass one image as images[None]"
            )
    if output is not None:
        net = OneOutput(net, output)
    snn = METHODS.find(method)(net, input_shape, calibration, **options)
    if sum(p.numel() for p in net.parameters()) > LARGE:
        gc.collect()  # the traced copy refers to itself, and would keep its weights for a while
    given = Origin(options=options).options
    defaults = Origin(options={name: takes[name].default for name in given}).options
    differing = {name: value for name, value in given.items() if value != defaults.get(name, ...)}
    # What a method notes, such as the thresholds that its search has found, goes before.
    noted = {**differing, **snn.origin.options}
    return replace(snn, origin=replace(snn.origin, inputs=shapes, options=noted))


def _several(input_shape: Any, calibration: Any) -> tuple[tuple[int, ...], ...]:
    """The shapes of a network's inputs where there are several."""
    if input_shape is None:
        if not isinstance(calibration, tuple) or not all(np.ndim(c) > 1 for c in calibration):
            return ()
        return tuple(tuple(np.shape(c)[1:]) for c in calibration)
    several = isinstance(input_shape, Sequence) and any(np.ndim(s) for s in input_shape)
    return tuple(checked_shape(shape) for shape in input_shape) if several else ()


def _joined(calibration: Any, shapes: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """The calibration images of several inputs as one array."""
    given = [tuple(np.shape(c)[1:]) for c in calibration] if len(calibration) else []
    if isinstance(calibration, tuple | list) and given == list(shapes):
        return inputs_joined(*calibration)
    check_array(calibration)
    if tuple(np.shape(calibration)[1:]) == joined_shape(shapes):
        return np.asarray(calibration)
    raise InputError(
        f"calibration must be a tuple of a batch of images for each input, of the shapes"
        f" {', '.join(map(str, shapes))}, but got {', '.join(map(str, given))}"
    )


@typed
def options(method: str) -> dict[str, Any]:
    """The options of a method and their default values.

    Raises
    ------
    InputError
        If the method is unknown.
    """
    return {name: option.default for name, option in options_of(method).items()}
