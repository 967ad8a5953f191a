"""Adjusted networks: what a DSNN can represent, from any network that torch.fx traces.

A ReLU after every convolution and fully connected layer but the last, average pooling instead of
max pooling, no bias. Batch normalisations are folded into the weights, and their shift goes with
the biases. The result is another function: fine-tune it (``bionet train --from``, or
:func:`bionet.train.train`), then convert it.

References
----------
Zhang et al. 2019 (DSNN), Section 2 (adjusted networks).
"""

from __future__ import annotations

import torch
from torch import fx, nn

from bionet.conversion.preparing.average_pooling import average_of
from bionet.conversion.tracing.rewrites import MAX_POOLS, RELUS, is_call
from bionet.conversion.tracing.trace import symbolic
from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["adjust"]

LAYERS = (nn.Conv2d, nn.Linear)


@typed
def adjust(net: nn.Module) -> fx.GraphModule:
    """An adjusted copy of a network, to be fine-tuned and then converted.

    Parameters
    ----------
    net : torch.nn.Module
        Made of modules; it is not changed.

    Returns
    -------
    torch.fx.GraphModule
        Its weights keep their names, so that weights trained before fit (without the biases). In
        the mode, training or evaluation, of ``net``.

    Raises
    ------
    InputError
        If the network cannot be traced, or holds a layer that occurs twice, a pooling called as a
        function, or a batch normalisation without a layer before it.

    Examples
    --------
    >>> adjusted = adjust(net)  # doctest: +SKIP
    >>> bionet.train.train(adjusted, data_train, data_test, epochs=5, seed=0)  # doctest: +SKIP
    """
    graph = symbolic(net)
    for node in list(graph.graph.nodes):
        if is_call(graph, node, RELUS):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        elif node.op == "call_function" and is_call(graph, node, MAX_POOLS):
            raise InputError(
                f"adjust: the max pooling of node {node.name!r} is called as a function; make it a"
                " module, nn.MaxPool2d, so that it can be replaced"
            )
    for node in list(graph.graph.nodes):
        module = _module(graph, node)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            _fold(graph, node, module)
        elif module is not None and (average := average_of(module, f"layer {node.target!r}")):
            graph.set_submodule(str(node.target), average)
    layers = [n for n in graph.graph.nodes if isinstance(_module(graph, n), LAYERS)]
    if not layers:
        raise InputError("adjust: the network has no Conv2d or Linear module")
    for node in layers:
        layer = _module(graph, node)
        assert layer is not None
        layer.register_parameter("bias", None)
    for node in layers[:-1]:
        with graph.graph.inserting_after(node):
            relu = graph.graph.call_function(nn.functional.relu, (node,))
        node.replace_all_uses_with(
            relu, delete_user_cb=lambda user, activation=relu: user is not activation
        )
    graph.graph.lint()
    graph.recompile()
    return graph.train(net.training)


def _module(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that a node calls, if it calls one."""
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def _fold(graph: fx.GraphModule, node: fx.Node, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    """Put the scale of a batch normalisation into the layer before it, and take it out."""
    before = node.args[0]
    layer = _module(graph, before) if isinstance(before, fx.Node) else None
    if (
        not isinstance(before, fx.Node)
        or not isinstance(layer, nn.Conv2d | nn.Linear)
        or len(before.users) > 1
        or norm.running_var is None
    ):
        raise InputError(
            f"adjust: the batch normalisation at layer {node.target!r} does not follow a Conv2d or"
            " Linear, or has no running statistics, so that it cannot be folded"
        )
    gamma = norm.weight if norm.affine else torch.ones_like(norm.running_var)
    scale = gamma / torch.sqrt(norm.running_var + norm.eps)
    with torch.no_grad():
        layer.weight.mul_(scale.reshape(-1, *[1] * (layer.weight.ndim - 1)))
    node.replace_all_uses_with(before)
    graph.graph.erase_node(node)
    graph.delete_submodule(str(node.target))
