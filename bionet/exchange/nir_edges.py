"""Projections as nodes and edges of NIR: weights with biases, pooling, Flatten, Scale, Delay."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from brian2.units.fundamentalunits import have_same_dimensions

from bionet.errors import InputError
from bionet.exchange.nir_kernels import scaled
from bionet.exchange.nir_physical import Gains
from bionet.network import (
    AveragePool2d,
    Conv2d,
    Dense,
    Kernel,
    OneToOne,
    Projection,
    SpikingNetwork,
)
from bionet.network.delays import unit_delays
from bionet.network.input_population import input_spikes

__all__ = ["Carried", "weight_nodes"]

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Carried:
    """What of a population's input the weights before its node have to say, and what they need not.

    Attributes
    ----------
    bias : array or None
        The drive that is still to be said; the first projection that can takes it along.
    factor : float or array
        On the weights of an analog input.
    gains : Gains
        What the node itself multiplies its input with.
    """

    bias: Any = None
    factor: Any = 1.0
    gains: Gains = Gains()


Drives = MutableMapping[str, Carried]


def weight_nodes(
    nir: Any,
    snn: SpikingNetwork,
    projection: Projection,
    drives: Drives,
    nodes: MutableMapping[str, Any],
    edges: list[tuple[str, str]],
    dt: float,
) -> None:
    """Add the nodes and edges of a projection.

    Parameters
    ----------
    nir : module
    snn : SpikingNetwork
    projection : Projection
    drives : mapping of str to Carried
        By population.
    nodes, edges
        Of the graph so far; they are added to.
    dt : float
        Simulation step in seconds.

    Raises
    ------
    InputError
        If NIR has no node for the kernel or for what the projection passes on.
    """
    kernel = _passed_on(snn, projection)
    if kernel is None:
        return
    source, target = snn.shape(projection.source), snn.shape(projection.target)
    carried = drives[projection.target]
    analog = projection.source == "input" and not input_spikes(snn)
    gain = carried.gains.pixels if analog else carried.gains.spikes
    kernel = scaled(
        kernel, _plain_gain(projection) if gain is None else float(projection.gain) / gain
    )
    if analog:
        kernel = scaled(kernel, carried.factor)
    chain: list[tuple[str, Any]] = []
    order = snn.names
    back = order.index(projection.source) >= order.index(projection.target)
    steps = unit_delays(projection, source, dt, int(back))
    if steps.max() > int(back):
        chain.append(("delay", nir.Delay(steps * dt)))
    chain_of: dict[type, Callable[..., tuple[list[tuple[str, Any]], bool]]] = {
        Dense: _dense,
        Conv2d: _conv2d,
        AveragePool2d: _pool,
        OneToOne: _one_to_one,
    }
    if type(kernel) not in chain_of:
        raise InputError(
            f"projection {projection.name}: NIR has no node for the kernel {kernel.kind!r};"
            " save the network with snn.save"
        )
    parts, said = chain_of[type(kernel)](nir, kernel, source, target, carried.bias)
    if said:
        drives[projection.target] = replace(carried, bias=None)
    at = projection.source
    for what, node in [*chain, *parts]:
        name = f"{projection.target}_{what}"
        if name in nodes:
            name = f"{projection.source}_to_{name}"
        number = 2
        stem = name
        while name in nodes:
            name, number = f"{stem}_{number}", number + 1
        nodes[name] = node
        edges.append((at, name))
        at = name
    edges.append((at, projection.target))


def _passed_on(snn: SpikingNetwork, projection: Projection) -> Kernel | None:
    """The kernel of what a projection passes on; None where it passes on nothing.

    Where all spikes are worth 1, what raises the target is what has a positive weight.

    Raises
    ------
    InputError
        If NIR cannot say it.
    """
    is_unit = projection.source != "input" and (
        snn.population(projection.source).model.spike == "unit"
    )
    unsaid = {
        "it passes on only what raises or lowers its target": projection.sign and not is_unit,
        f"it goes to the variable {projection.variable!r}": projection.variable is not None,
        f"it passes on the event {projection.event!r}": projection.event != "spike",
    }
    for what, is_so in unsaid.items():
        if is_so:
            raise InputError(
                f"projection {projection.name}: {what}, which NIR cannot say; save the network"
                " with snn.save"
            )
    sign = projection.sign if float(projection.gain) >= 0 else -projection.sign
    return projection.kernel.part(sign) if sign else projection.kernel


def _plain_gain(projection: Projection) -> float:
    """A gain that is a number; one with a unit goes to a variable that NIR has no word for."""
    if have_same_dimensions(projection.gain, 1):
        return float(projection.gain)
    raise InputError(
        f"projection {projection.name}: its gain {projection.gain} has a unit, but NIR has none;"
        " save the network with snn.save"
    )


def _dense(
    nir: Any, kernel: Dense, source: Shape, target: Shape, bias: Any
) -> tuple[list[tuple[str, Any]], bool]:
    if len(target) > 1:
        raise InputError(
            f"NIR has no node that makes an image of shape {target} from a row of units, as a"
            " Dense projection onto such a population does"
        )
    parts = [] if len(source) == 1 else [("flatten", _flatten(nir, source))]
    if bias is None:
        return [*parts, ("weights", nir.Linear(kernel.weights))], False
    return [*parts, ("weights", nir.Affine(kernel.weights, bias.reshape(-1)))], True


def _flatten(nir: Any, source: Shape) -> Any:
    return nir.Flatten({"input": np.array(source)}, 0, -1)


def _conv2d(
    nir: Any, kernel: Conv2d, source: Shape, target: Shape, bias: Any
) -> tuple[list[tuple[str, Any]], bool]:
    channels = _by_channel(bias)
    node = nir.Conv2d(
        source[1:],
        kernel.weights,
        kernel.stride,
        kernel.padding,
        kernel.dilation,
        kernel.groups,
        np.zeros(target[0]) if channels is None else channels,
    )
    return [("weights", node)], channels is not None


def _by_channel(bias: Any) -> np.ndarray | None:
    """The bias of every channel, or None where there is none or it differs within one."""
    if bias is None or bias.ndim != 3 or np.any(bias != bias[:, :1, :1]):
        return None
    return np.array(bias[:, 0, 0])


def _pool(
    nir: Any, kernel: AveragePool2d, source: Shape, target: Shape, bias: Any
) -> tuple[list[tuple[str, Any]], bool]:
    plain = AveragePool2d(kernel.kernel, kernel.stride, kernel.padding)
    if plain.target_shape(source) != target:
        raise InputError("NIR has no pooling whose size is rounded up (ceil_mode)")
    geometry = [np.array(v) for v in (kernel.kernel, kernel.stride, kernel.padding)]
    divisors = kernel.divisors(source) / kernel.scale
    if np.all(divisors == np.prod(kernel.kernel)):
        return [("pool", nir.AvgPool2d(*geometry))], False
    scale = np.broadcast_to(1 / divisors, target).copy()
    pooled = [("pool", nir.SumPool2d(*geometry))]
    return pooled if np.all(scale == 1) else [*pooled, ("scale", nir.Scale(scale))], False


def _one_to_one(
    nir: Any, kernel: OneToOne, source: Shape, target: Shape, bias: Any
) -> tuple[list[tuple[str, Any]], bool]:
    weights = np.broadcast_to(np.asarray(kernel.weight, dtype=float), target).copy()
    if bias is not None and len(target) == 1:
        return [("weights", nir.Affine(np.diag(weights), bias))], True
    channels = _by_channel(bias)
    if channels is not None and np.ndim(kernel.weight) == 0:
        one = np.full((target[0], 1, 1, 1), float(kernel.weight))
        conv = Conv2d(one, groups=target[0])
        return _conv2d(nir, conv, source, target, bias)
    return [] if np.all(weights == 1) else [("scale", nir.Scale(weights))], False
