"""Tracing: a torch.nn.Module becomes a graph of layer records, or is refused by name.

:mod:`torch.fx` records what the forward pass does to its input, so that functional ReLUs and
reshapes are seen as well as modules. A copy of the network in evaluation mode is traced, and run
once on a batch of two blank images, which gives the shape of everything.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from bionet.conversion.preparing.quantised_activation import QCFS
from bionet.conversion.tracing.affine import any_affine
from bionet.conversion.tracing.arithmetic import IN_PLACE
from bionet.conversion.tracing.exporting import exported
from bionet.conversion.tracing.operations import (
    FUNCTIONS,
    LARGE,
    METHODS,
    MODULES,
    PRODUCT,
    SMOOTH_NAMES,
    Entry,
    Handler,
    Operation,
    addition,
    plain_name,
    refuse,
)
from bionet.conversion.tracing.outputs import OneOutput, described, with_one_output
from bionet.conversion.tracing.piecewise import in_pieces, shapes_of
from bionet.conversion.tracing.records import Record, Records
from bionet.conversion.tracing.rewrites import (
    normalise_after_pooling,
    pool_means,
    rectify_before_maximum,
)
from bionet.conversion.tracing.several_inputs import OneInput, with_defaults, with_one_input
from bionet.conversion.tracing.unit_maps import Apply, BatchMixedError
from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["Trace", "checked_shape", "rewritten", "run_nodes", "symbolic", "trace"]

Consumer = Callable[[torch.Tensor], None]

BATCH = 3
# Names that a spiking network has of its own.
RESERVED = ("input", "readout")
# Modules that run another one, and where they keep it.
WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "AveragedModel": "module",
    "OptimizedModule": "_orig_mod",
}
PRODUCTS = ("mul", "imul", "multiply", "matmul", "bmm")
# Hooks of torch.nn.utils and what takes them away, with the weights that they gave.
REMOVED = {
    "WeightNorm": "torch.nn.utils.remove_weight_norm(layer)",
    "SpectralNorm": "torch.nn.utils.remove_spectral_norm(layer)",
}
# What leaves the values as they are, in order.
SHAPE_ONLY = ("squeeze", "unsqueeze", "view", "reshape", "flatten", "contiguous", "float", "double")
# What asks a tensor for its shape, not its values.
SHAPE_QUERIES = (
    *("size", "dim", "numel", "ndimension", "shape", "ndim", "stride"),
    *("dtype", "device", "is_cuda", "is_floating_point", "requires_grad", "type"),
)


@dataclass(frozen=True, eq=False)
class Trace:
    """A traced network.

    Parameters
    ----------
    graph : torch.fx.GraphModule
        The traced copy, in evaluation mode on the CPU.
    records : tuple of Record
        Its operations in the order of execution; the last is the output.
    input_shape : tuple of int
        Shape of one image.
    notes : tuple of str
        What the user should know of it, such as a last sigmoid that was left out.
    """

    graph: fx.GraphModule
    records: Records
    input_shape: tuple[int, ...]
    notes: tuple[str, ...] = ()


@typed
def trace(net: nn.Module, input_shape: Sequence[int], gates: bool = True) -> Trace:
    """Trace a network, without changing it.

    Parameters
    ----------
    net : torch.nn.Module
        Takes a batch of images, returns a batch of class scores.
    input_shape : sequence of int
        Shape of one image: (channels, height, width), (channels, length) or (features,).
    gates : bool
        Whether a max pooling over height and width stays one, for a gate; otherwise it becomes a
        tree of rectified differences, as every other maximum does.

    Raises
    ------
    InputError
        If torch.fx cannot trace the forward pass, an operation has no conversion, or an image
        of this shape does not fit.
    """
    shape = checked_shape(input_shape)
    graph = rewritten(net, shape, gates)
    walk = _Walk(graph, shape)
    with torch.no_grad():
        walk.run(torch.zeros(BATCH, *shape, dtype=precision(graph)))
    if not walk.records:
        raise InputError(f"{type(net).__name__} has no layers to convert")
    return Trace(graph, tuple(walk.records), shape, tuple(dict.fromkeys(walk.notes)))


def rewritten(net: nn.Module, input_shape: tuple[int, ...], gates: bool = True) -> fx.GraphModule:
    """The traced graph, with operations in the order and form that have a conversion."""
    graph = rectify_before_maximum(symbolic(net, input_shape))
    if shapes_of(graph, input_shape, gates):
        graph = in_pieces(graph, gates)
    return normalise_after_pooling(pool_means(graph))


def symbolic(net: nn.Module, input_shape: tuple[int, ...] | None = None) -> fx.GraphModule:
    """The traced graph of a copy of the network, in evaluation mode on the CPU.

    What torch.fx cannot trace, torch.export may, if the shape of an image is known.

    Raises
    ------
    InputError
        If the network is no module, cannot be copied, or cannot be traced.
    """
    net = unwrapped(net)
    if isinstance(net, OneOutput):
        return with_one_output(symbolic(net.net, input_shape), net.output)
    if isinstance(net, OneInput):
        if net.takes_list:  # its parts cannot be counted before it runs
            return _graph(net, None if input_shape is None else (input_shape,))
        return with_one_input(_graph(net.net, net.shapes), net.shapes)
    graph = _graph(net, None if input_shape is None else (input_shape,))
    inputs = [node for node in graph.graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1 and (not inputs or any(n.users or not n.args for n in inputs[1:])):
        names = ", ".join(node.name for node in inputs)
        raise InputError(
            f"the forward of {type(net).__name__} takes {len(inputs)} inputs ({names}); give the"
            " shape of each: input_shape=[(1, 28, 28), (10,)], and as calibration a tuple of as"
            " many batches"
        )
    return graph


def _graph(net: Any, shapes: Sequence[tuple[int, ...]] | None) -> fx.GraphModule:
    """The graph of a copy of the network, with as many inputs as it has."""
    if not isinstance(net, nn.Module):
        raise InputError(f"the network must be a torch.nn.Module, but is a {type(net).__name__}")
    kind = type(net).__name__
    if isinstance(net, torch.jit.ScriptModule):
        raise InputError(
            f"the network is a {kind} of torch.jit, which cannot be traced again; convert the"
            " torch.nn.Module that it was scripted from"
        )
    if any(is_lazy(p) for p in net.parameters()):
        raise InputError(f"{kind} has lazy layers without weights; run it once on a batch first")
    for path, module in net.named_modules():
        # A hook may change what a layer computes, and would see the blank images of the trace.
        if module._forward_hooks or module._forward_pre_hooks:
            hooks = (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
            remedy = next((REMOVED[n] for h in hooks if (n := type(h).__name__) in REMOVED), "")
            raise InputError(
                f"layer {path!r} ({type(module).__name__}) has a forward hook, whose effect cannot"
                f" be traced; remove the hook first ({remedy or 'handle.remove()'})"
            )
    try:
        copied = _copied(net).cpu().eval()
    except Exception as error:
        raise InputError(
            f"{kind} cannot be copied: {one_line(error)}; make pruning and the like permanent"
            " (torch.nn.utils.prune.remove) or load its state_dict into a new network"
        ) from error
    if precision(copied) not in (torch.float32, torch.float64):
        copied = copied.float()
    copied = with_defaults(copied, None if shapes is None else len(shapes))
    try:
        graph = fx.GraphModule(copied, _Tracer().trace(copied))
    except Exception as error:
        try:
            if shapes is None:
                raise
            graph = exported(copied, shapes)
        except Exception as last:
            also = "" if last is error else " (torch.export neither)"
            raise InputError(
                f"torch.fx cannot trace {kind}{also}: {one_line(error)}; write its forward without"
                " conditions and loops that depend on the data"
            ) from error
    return graph


def _copied(net: nn.Module) -> nn.Module:
    """A copy of a network that shares the values of its large parameters, which nobody changes."""
    memo: dict[int, Any] = {
        id(p): nn.Parameter(p.detach(), requires_grad=p.requires_grad)
        for p in net.parameters()
        if type(p) is nn.Parameter and p.device.type == "cpu" and p.dtype == torch.float32
        if p.numel() >= LARGE
    }
    return copy.deepcopy(net, memo)


def unwrapped(net: Any) -> Any:
    """The network inside of DataParallel, AveragedModel and torch.compile, which only wrap it."""
    while (inner := getattr(net, WRAPPERS.get(type(net).__name__, ""), None)) is not None:
        net = inner
    return net


def run_nodes(
    graph: fx.GraphModule,
    images: torch.Tensor,
    consume: Mapping[str, Callable[[torch.Tensor], None]],
) -> None:
    """Run a traced network on a batch and hand the values of some nodes on, one by one.

    A value lives only until its last use, so the memory is that of the forward pass.

    Parameters
    ----------
    graph : torch.fx.GraphModule
    images : tensor (n, ...)
    consume : mapping of str to callable
        What is done with the value of a node; it must copy what it keeps.

    Raises
    ------
    InputError
        If the network fails on this batch.
    """
    try:
        with torch.no_grad():
            _Tap(graph, consume).run(images.to(precision(graph), copy=True))
    except RuntimeError as error:
        raise InputError(
            f"the network fails on a batch of {len(images)} images: {one_line(error)}; its forward"
            " must take any batch size"
        ) from error


class _Tracer(fx.Tracer):
    """Traces into every module but PyTorch's own and the activations that have a record."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, QCFS) or super().is_leaf_module(m, module_qualified_name)


class _Tap(fx.Interpreter):
    """Runs a graph and hands the values of some nodes on."""

    def __init__(self, graph: fx.GraphModule, consume: Mapping[str, Consumer]) -> None:
        super().__init__(graph)
        self.consume = consume

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.consume:
            self.consume[n.name](value)
        return value


class _Walk(fx.Interpreter):
    """Runs a graph on blank images and makes a record of each operation on the way.

    A node is *data* where a record holds its value; *derived* where it is made from data without a
    record: numbers that come from shapes, and what has several tensors in it (a chunk), which is
    data of the nodes that it was made from.
    """

    def __init__(self, graph: fx.GraphModule, input_shape: tuple[int, ...]) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.extra_traceback = False
        self.input_shape = input_shape
        self.records: list[Record] = []
        self.notes: list[str] = []
        self.names: dict[fx.Node, str] = {}  # data nodes -> record that holds their value
        self.derived: dict[fx.Node, tuple[fx.Node, ...]] = {}  # -> data whose values they hold
        self.doubles: dict[str, nn.Module] = {}
        self.last_use = {m: n for n in graph.graph.nodes for m in n.all_input_nodes}

    def run_node(self, n: fx.Node) -> Any:
        try:
            value = super().run_node(n)
        except Exception as error:
            self._refuse_recurrent(n)
            raise InputError(
                f"input_shape {self.input_shape} does not fit at {self._place(n)}:"
                f" {one_line(error)}"
            ) from error
        if n.op == "placeholder":
            # A further input is an unused default: symbolic() refuses any other.
            self.names.setdefault(n, "input")
        elif n.op == "output":
            self._output(n)
        elif n.op != "get_attr":
            self._see(n, value)
        for m in n.all_input_nodes:
            if self.last_use[m] is n and m in self.names:
                # Only its shape is asked for from now on: a value without memory has it too.
                stored = self.env[m]
                self.env[m] = stored.new_zeros(()).expand(stored.shape)
        return value

    def _see(self, node: fx.Node, value: Any) -> None:
        self._refuse_recurrent(node)
        data = self._data(node)
        if isinstance(value, torch.Tensor) and data:
            self._convert(node, value, data)
        elif isinstance(value, list | tuple) and value and isinstance(value[0], torch.Tensor):
            self.derived[node] = data
        elif data and not self._asks_shape(node):
            refuse(self._label(node), self._place(node))
        elif data or any(m in self.derived for m in node.all_input_nodes):
            self.derived[node] = ()

    def _data(self, node: fx.Node) -> tuple[fx.Node, ...]:
        """The data that a node takes the values of, each once, in order."""
        sources: dict[fx.Node, None] = {}
        for source in node.all_input_nodes:
            mine = (source,) if source in self.names else self.derived.get(source, ())
            sources.update(dict.fromkeys(mine))
        return tuple(sources)

    def _asks_shape(self, node: fx.Node) -> bool:
        """Whether a node gives numbers that come from shapes and hold nothing of the image."""
        return any(
            isinstance(q, str) and q in SHAPE_QUERIES for q in (node.target, *node.args[1:2])
        )

    def _refuse_recurrent(self, node: fx.Node) -> None:
        if node.op == "call_module":
            module = self.fetch_attr(str(node.target))
            if isinstance(module, nn.RNNBase | nn.RNNCellBase | nn.MultiheadAttention):
                refuse(type(module).__name__, self._place(node))

    def _output(self, node: fx.Node) -> None:
        if not isinstance(node.args[0], fx.Node):
            raise InputError(
                f"the network's forward returns more than one tensor: {described(node.args[0])}"
            )
        if node.args[0] in self.derived:
            self._refuse_batch(node.args[0])

    def _refuse_batch(self, node: fx.Node) -> None:
        why = (
            f"it makes a batch of {BATCH} images into the shape"
            f" {tuple(self.env[node].shape)}; keep the batch dimension: x.flatten(1) or"
            " x.view(x.size(0), -1)"
        )
        refuse(self._label(node), self._place(node), why)

    def _convert(self, node: fx.Node, value: torch.Tensor, data: tuple[fx.Node, ...]) -> None:
        place, label = self._place(node), self._label(node)
        handler, arguments = self._handler(node)
        if value.shape == (BATCH,) and name_of(node) in SHAPE_ONLY and self._is_last(node):
            self.names[node] = self.names[data[0]]  # one score for each image, without its axis
            return
        if value.ndim < 2 or value.shape[0] != BATCH:
            self.derived[node] = data  # it may come back to the front, as in a stack and a sum
            return
        if not node.users:
            why = "its result is not used (if it works in place, assign the result)"
            refuse(label, place, why)
        if len(data[0].users) > 1 and in_place(node, arguments):
            why = "it overwrites a value that is used elsewhere too; use inplace=False and x + y"
            refuse(label, place, why)
        operation = Operation(
            label=label,
            place=place,
            inputs=tuple(self.names[m] for m in data),
            source_shapes=tuple(tuple(self.env[m].shape[1:]) for m in data),
            shape=tuple(value.shape[1:]),
            node=node.name,
            arguments=arguments,
            last=self._is_last(node),
            apply=self._applied(node, data),
            note=self.notes.append,
        )
        if not self._fits(node, data, handler):
            handler = None
        record = NotImplemented if handler is None else handler(operation)
        if record is NotImplemented:
            try:
                record = any_affine(operation)
            except BatchMixedError:
                self.derived[node] = data
                return
            except InputError:
                if plain_name(label) in SMOOTH_NAMES and self._is_gate(node):
                    refuse(label, place, PRODUCT)
                raise
        if record is None:
            self.names[node] = self.names[data[0]]
        else:
            self.names[node] = self._name(node, record)
            self.records.append(replace(record, name=self.names[node]))

    def _is_last(self, node: fx.Node) -> bool:
        """Whether a node's value is the network's output, perhaps in another shape."""
        return bool(node.users) and all(
            user.op == "output" or (name_of(user) in SHAPE_ONLY and self._is_last(user))
            for user in node.users
        )

    def _is_gate(self, node: fx.Node) -> bool:
        """Whether another layer's output is multiplied with a node's, perhaps in another shape."""
        front, seen = [node], {node}
        while front:
            user_of = front.pop()
            for user in set(user_of.users) - seen:
                seen.add(user)
                if name_of(user) in PRODUCTS:
                    others = (m for m in user.all_input_nodes if m not in seen)
                    return any(m.op != "get_attr" for m in others)
                if user.op == "call_method":
                    front.append(user)
        return False

    def _fits(self, node: fx.Node, data: tuple[fx.Node, ...], handler: Handler | None) -> bool:
        """Whether a node has the arguments that its handler is written for."""
        if handler is addition:
            return self._summands(node) == data and len(data) == 2
        first = node.args[0] if node.args else node.kwargs.get("input")
        return len(data) == 1 and first is data[0]

    def _summands(self, node: fx.Node) -> tuple[fx.Node, ...]:
        """The layers' outputs of one shape that a sum adds."""
        both = [*node.args, *(node.kwargs[k] for k in ("input", "other") if k in node.kwargs)][:2]
        summands = tuple(m for m in both if isinstance(m, fx.Node) and m in self.names)
        alike = len({tuple(self.env[m].shape) for m in summands}) == 1
        return summands if alike and node.kwargs.get("alpha", 1) == 1 else ()

    def _applied(self, node: fx.Node, data: tuple[fx.Node, ...]) -> Apply:
        """What a node makes of other values of its data, in float64."""

        def apply(values: Sequence[torch.Tensor]) -> Any:
            inputs: dict[fx.Node, Any] = dict(zip(data, values, strict=True))

            def value(argument: fx.Node) -> Any:
                if argument in inputs:
                    return inputs[argument]
                if argument in self.derived:
                    return self._call(argument, value)
                stored = self.env[argument]
                if argument in self.names:  # asked for its shape
                    return torch.zeros(len(values[0]), *stored.shape[1:], dtype=torch.float64)
                floating = isinstance(stored, torch.Tensor) and stored.is_floating_point()
                return stored.double() if floating else stored

            return self._call(node, value)

        return apply

    def _call(self, node: fx.Node, value: Callable[[fx.Node], Any]) -> Any:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), value)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        if node.op == "call_module":
            name = str(node.target)
            if name not in self.doubles:
                self.doubles[name] = copy.deepcopy(self.fetch_attr(name)).double()
            return self.doubles[name](*args, **kwargs)
        return node.target(*args, **kwargs)  # type: ignore[operator]

    def _handler(self, node: fx.Node) -> tuple[Handler | None, dict[str, Any]]:
        """The handler of a node, if it has one of its own, and its arguments by name."""
        args, kwargs = self.fetch_args_kwargs_from_env(node)
        if node.op == "call_module":
            module = self.fetch_attr(str(node.target))
            # A subclass may compute anything; a parametrisation computes the weights alone.
            kind = type(module).__base__ if is_parametrized(module) else type(module)
            if kind in MODULES:
                handler, names = MODULES[kind]
                return handler, {k: getattr(module, k) for k in names if hasattr(module, k)}
        else:
            table: Mapping[Any, Entry] = dict(METHODS)
            if node.op == "call_function":
                table = FUNCTIONS
            if node.target in table:
                handler, names = table[node.target]
                return handler, {**dict(zip(names, args, strict=False)), **kwargs}
        return None, {"inplace": kwargs.get("inplace", False)}

    def _label(self, node: fx.Node) -> str:
        if node.op == "call_module":
            return type(self.fetch_attr(str(node.target))).__name__
        if node.op == "call_method":
            return f"tensor.{node.target}"
        return str(getattr(node.target, "__name__", node.name))

    def _place(self, node: fx.Node) -> str:
        if node.op == "call_module":
            return f"layer {node.target!r} (node {node.name!r})"
        stack = list(node.meta.get("nn_module_stack", {}).values())
        path = stack[-1][0] if stack else ""
        return f"node {node.name!r} in the forward of {repr(path) if path else 'the network'}"

    def _name(self, node: fx.Node, record: Record) -> str:
        """A readable identifier: the module's path, or the node's name; never one used twice."""
        path = str(node.target) if node.op == "call_module" else node.name
        name = identifier(path)
        if not name.isidentifier():
            name = f"{record.kind}{name}"
        taken = {*RESERVED, *(r.name for r in self.records)}
        number = 1
        unique = name
        # Results are files of their names, which some systems do not tell apart by case.
        taken = {word.lower() for word in taken}
        while unique.lower() in taken:
            number += 1
            unique = f"{name}_{number}"
        return unique


def identifier(path: str) -> str:
    """A module's path in letters, digits and underscores: PyTorch allows any but a dot."""
    plain = unicodedata.normalize("NFKD", path.replace("ß", "ss"))
    plain = plain.encode("ascii", "ignore").decode()
    return re.sub(r"\W+", "_", plain).strip("_")


def name_of(node: fx.Node) -> str:
    """What a node calls, the function's or the method's name."""
    return str(getattr(node.target, "__name__", node.target)).strip("_")


def in_place(node: fx.Node, arguments: Mapping[str, Any]) -> bool:
    """Whether an activation or a sum overwrites its input."""
    if node.op == "call_module":
        return bool(arguments.get("inplace")) and "p" not in arguments  # no dropout: it is nothing
    name = str(getattr(node.target, "__name__", node.target))
    return node.target in IN_PLACE or bool(arguments.get("inplace")) or name.endswith("_")


def checked_shape(input_shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one image as a tuple of positive whole numbers, or an InputError."""
    try:
        shape = tuple(int(n) for n in input_shape)
    except (TypeError, ValueError):
        shape = ()
    if len(shape) not in (1, 2, 3, 4) or min(shape) < 1:
        raise InputError(
            "input_shape is the shape of one image, (channels, height, width), (channels, length)"
            f" or (features,), but got {input_shape!r}"
        )
    return shape


def precision(net: nn.Module) -> torch.dtype:
    """The floating-point type of the network's parameters."""
    kinds = (p.dtype for p in net.parameters() if p.is_floating_point())
    return next(kinds, torch.float32)


def one_line(error: BaseException) -> str:
    """What an exception says, as one line."""
    return " ".join(str(error).split()) or type(error).__name__
