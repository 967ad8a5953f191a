"""Activations of the source network, for every population of its spiking network.

The traced graph runs on the images batch by batch, so that besides the activations that were
asked for only those of one batch are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from bionet.conversion.tracing.records import Record
from bionet.conversion.tracing.several_inputs import OneInput
from bionet.conversion.tracing.trace import rewritten, run_nodes, symbolic
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import SpikingNetwork
from bionet.network.joined_inputs import as_one

__all__ = ["BATCH_SIZE", "activations", "as_images", "see_values"]

BATCH_SIZE = 100
BATCH_VALUES = 2**20  # pixels of a batch; layers have some twenty times as many units


def as_images(images: Any, shape: Sequence[int], what: str = "calibration") -> torch.Tensor:
    """Images as a float tensor, checked.

    Parameters
    ----------
    images : array or tensor (n, *shape)
    shape : sequence of int
        Shape of one image.
    what : str
        What the caller calls them, for messages.

    Raises
    ------
    InputError
        If there are none, they have another shape, are integers, or are not finite.
    """
    shape = tuple(shape)
    check_array(images, what)
    try:
        array = np.asarray(images.detach().cpu() if isinstance(images, torch.Tensor) else images)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} must be an array of images, but {error}") from error
    if array.size == 0:
        raise InputError(f"{what} is empty; pass at least one image of shape {shape}")
    if array.shape[1:] != shape:
        raise InputError(f"{what} must have the shape (n, *{shape}), but has {array.shape}")
    if array.dtype.kind != "f":
        raise InputError(
            f"{what} holds {array.dtype} values, expected floating-point pixels; divide pixels"
            " of 0 to 255 by 255"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{what} holds NaN or infinity")
    return torch.from_numpy(np.array(array, dtype=np.float64 if array.itemsize > 4 else np.float32))


def see_values(
    graph: fx.GraphModule,
    images: torch.Tensor,
    records: Sequence[Record],
    see: Callable[[Record, torch.Tensor], None],
    batch_size: int | None = None,
) -> None:
    """Hand on what every record stands for, batch by batch.

    Parameters
    ----------
    graph : torch.fx.GraphModule
    images : tensor (n, *input_shape)
    records : sequence of Record
        ``node`` names a node of the graph, with a minus sign for its negative.
    see : callable
        Takes a record and its values; it must copy what it keeps.
    batch_size : int, optional
        Images at once; as many as fit a moderate memory where it is not given.
    """
    if batch_size is None:
        batch_size = max(1, min(BATCH_SIZE, BATCH_VALUES // images[0].numel()))
    of_node: dict[str, list[Record]] = {}
    for record in records:
        of_node.setdefault(record.node.removeprefix("-"), []).append(record)

    def consume(node: str, values: torch.Tensor) -> None:
        for record in of_node[node]:
            see(record, -values if record.node.startswith("-") else values)

    consumers = {node: partial(consume, node) for node in of_node}
    for batch in torch.split(images, batch_size):
        run_nodes(graph, batch, consumers)


def _graph_with(net: nn.Module, network: SpikingNetwork | Mapping[str, str]) -> fx.GraphModule:
    """The traced graph in which a conversion's nodes are: its maxima may be gates or trees."""
    if not isinstance(network, SpikingNetwork):
        return symbolic(net)
    if network.origin.inputs and not isinstance(net, OneInput):
        net = OneInput(net, network.origin.inputs)
    nodes = {n.removeprefix("-") for n in network.origin.layers.values()}
    graph = rewritten(net, network.input_shape)
    if nodes <= {node.name for node in graph.graph.nodes}:
        return graph
    return rewritten(net, network.input_shape, gates=False)


def check_array(images: Any, what: str = "calibration") -> None:
    """Refuse what is no batch of images: a data loader, a data set, a single image.

    Raises
    ------
    InputError
        Saying how to make an array of it.
    """
    if not hasattr(images, "__array__") and not isinstance(images, list | tuple):
        raise InputError(
            f"{what} must be an array or tensor of images (n, *shape), but is a"
            f" {type(images).__name__}; of a DataLoader take its batches together:"
            " torch.cat([batch for batch, _ in loader])"
        )


@typed
def activations(
    net: nn.Module,
    images: Any,
    network: SpikingNetwork | Mapping[str, str],
    batch_size: int = BATCH_SIZE,
) -> dict[str, np.ndarray]:
    """Activation of the source network for every population of its spiking network.

    Parameters
    ----------
    net : torch.nn.Module
        The network that was converted.
    images : array or tensor (n_images, ...)
    network : SpikingNetwork or mapping of str to str
        The conversion's result, or population name -> node of the traced graph, as its
        ``origin.layers`` have it.
    batch_size : int
        Images that run through ``net`` at once.

    Returns
    -------
    dict of str to array (n_images, *shape), float32
        What the population stands for: after the ReLU where there is one. An output layer without
        a ReLU, and ``readout`` with it, stand for the class scores, which may be negative.

    Raises
    ------
    InputError
        If the images do not fit, or the network is not the one that was converted.
    """
    graph = _graph_with(net, network)
    if isinstance(network, SpikingNetwork):
        nodes = dict(network.origin.layers)
        checked = as_images(as_one(network, images), network.input_shape, "images")
        shapes = {name: network.shape(name) for name in nodes}
    else:
        nodes = dict(network)
        checked = as_images(images, np.shape(images)[1:], "images")
        shapes = {}
    names = {node.name for node in graph.graph.nodes}
    if not nodes or (unknown := [n for n in nodes.values() if n.removeprefix("-") not in names]):
        missing = f"has no node {unknown[0]!r}" if nodes else "is named in no activations"
        raise InputError(f"the network {missing}; pass the network that was converted")
    parts: dict[str, list[np.ndarray]] = {node.removeprefix("-"): [] for node in nodes.values()}
    consume = {
        # float32 first: astype copies, and an in-place ReLU may overwrite the tensor afterwards.
        node: lambda value, node=node: parts[node].append(value.numpy().astype(np.float32))
        for node in parts
    }
    for batch in torch.split(checked, batch_size):
        run_nodes(graph, batch, consume)
    whole = {node: np.concatenate(part) for node, part in parts.items()}
    result = {}
    for name, node in nodes.items():
        values = whole[node.removeprefix("-")]
        values = -values if node.startswith("-") else values
        result[name] = values.reshape(len(checked), *shapes.get(name, values.shape[1:]))
    return result
