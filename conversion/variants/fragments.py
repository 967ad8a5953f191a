r"""Fragments: a folded layer cut into parts that run one after another.

Hardware with room for a part of a layer runs the parts in turn. A part needs two windows of W
steps: one in which its potentials are lowered, and one in which they are raised and it emits. Part
k of F (from 0) therefore gets the spikes of the layer before with an additional delay of 2 k W,
and its own spikes wait another 2 (F - 1 - k) W steps, so that the next layer gets those of all
parts at once. The counts, and the spikes themselves up to these delays, are those of the uncut
layer: a unit's input does not depend on when the other units of its layer run.

A pooling (or any one-to-one projection) after a cut layer is cut along with it.

References
----------
Zhang et al. 2019 (DSNN), Section 3 (fold, fragments).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Fold, Population, Projection, SpikingNetwork
from bionet.network.delays import delay_steps

__all__ = ["fragment", "joined"]


@dataclass(frozen=True)
class Part:
    """A run of channels (or units) of a population.

    Parameters
    ----------
    name : str
    start, stop : int
        Along the first axis of the population's shape.
    wait : int
        Windows that its spikes wait until those of the last part are there.
    late : int
        Windows by which its input comes later than the first part's.
    """

    name: str
    start: int
    stop: int
    wait: int = 0
    late: int = 0


@typed
def fragment(snn: SpikingNetwork, parts: Mapping[str, int]) -> SpikingNetwork:
    """A folded network whose layers run in parts.

    Parameters
    ----------
    snn : SpikingNetwork
        Folded, see :func:`~bionet.conversion.variants.fold.fold`.
    parts : mapping of str to int
        Population -> number of parts; its channels, or units, are divided evenly.

    Returns
    -------
    SpikingNetwork
        Population ``conv1`` is now ``conv1_part1``, ``conv1_part2`` and so on;
        ``code.fragments`` names them, :func:`joined` puts their arrays together again. A
        presentation is longer by 2 (F - 1) windows for each cut layer.

    Raises
    ------
    InputError
        If the network is not folded, or a population cannot be cut so.
    """
    if not isinstance(snn.code, Fold):
        raise InputError("only a folded network runs in parts: convert it with fold=True")
    window = snn.code.window
    for name, number in parts.items():
        _check(snn, name, number)
    cut: dict[str, list[Part]] = {"input": [Part("input", 0, snn.input_shape[0])]}
    populations = []
    for population in snn.populations:
        pieces = _parts(snn, population, parts, cut)
        cut[population.name] = pieces
        populations += [_slice(population, part, len(pieces)) for part in pieces]
    projections = [
        projection for q in snn.projections for projection in _projections(snn, q, cut, window)
    ]
    more = sum(2 * (number - 1) for number in parts.values()) * window
    duration, dt = (float(time) for time in snn.times())
    names = {name: [part.name for part in each] for name, each in cut.items() if len(each) > 1}
    return replace(
        snn,
        populations=tuple(populations),
        projections=tuple(projections),
        simulation=replace(snn.simulation, duration=duration + more * dt),
        code=replace(snn.code, fragments=names),
    )


@typed
def joined(snn: SpikingNetwork, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays by population with those of a layer's parts put together.

    Parameters
    ----------
    snn : SpikingNetwork
        Made by :func:`fragment`.
    arrays : mapping of str to array (n_images, *shape)
        Such as ``run.counts``.
    """
    fragments = snn.code.fragments if isinstance(snn.code, Fold) else {}
    taken = {name for names in fragments.values() for name in names}
    whole = {name: array for name, array in arrays.items() if name not in taken}
    for name, names in fragments.items():
        if all(part in arrays for part in names):
            whole[name] = np.concatenate([arrays[part] for part in names], axis=1)
    return whole


def _check(snn: SpikingNetwork, name: str, number: int) -> None:
    """Refuse to cut what is read out, what pools, and into more parts than there are channels."""
    shape = snn.population(name).shape
    if name in (snn.readout.spikes, snn.readout.potential):
        raise InputError(f"fragment: population {name!r} is read out, so that it must stay whole")
    if isinstance(number, bool) or int(number) != number or not 1 <= number <= shape[0]:
        raise InputError(
            f"fragment: {name!r} has {shape[0]} channels, so the number of its parts is a whole"
            f" number from 1 to {shape[0]}, but got {number!r}"
        )
    for q in snn.projections:
        whole = q.kernel.layered and getattr(q.kernel, "groups", 1) == 1
        if q.target == name and not whole:
            raise InputError(
                f"fragment: {name!r} gets its input channel by channel ({q.kernel.kind}); cut the"
                f" layer before it, {q.source!r}, and it is cut along"
            )


def _parts(
    snn: SpikingNetwork,
    population: Population,
    parts: Mapping[str, int],
    cut: Mapping[str, list[Part]],
) -> list[Part]:
    """The parts of a population: its own, those of the cut layer it follows, or the whole."""
    name, n = population.name, population.shape[0]
    number = parts.get(name, 1)
    if number > 1:
        edges = [int(edge) for edge in np.linspace(0, n, number + 1).round()]
        return [
            Part(f"{name}_part{k + 1}", edges[k], edges[k + 1], 2 * (number - 1 - k), 2 * k)
            for k in range(number)
        ]
    sources = {q.source for q in snn.projections if q.target == name}
    channelwise = all(q.kernel.channelwise for q in snn.projections if q.target == name)
    if len(sources) == 1 and channelwise:
        before = cut[next(iter(sources))]
        if len(before) > 1:
            return [
                replace(part, name=f"{name}_part{k + 1}", late=0) for k, part in enumerate(before)
            ]
    return [Part(name, 0, n)]


def _slice(population: Population, part: Part, number: int) -> Population:
    """The units of a part, with their values of the parameters."""
    if number == 1:
        return population
    values: dict[str, Any] = {}
    for name, value in population.parameters.items():
        piece = value[part.start : part.stop] if value.ndim else value
        values[name] = population.model.quantity(name, piece)
    shape = (part.stop - part.start, *population.shape[1:])
    return Population(part.name, shape, population.model, values)


def _projections(
    snn: SpikingNetwork, q: Projection, cut: Mapping[str, list[Part]], window: int
) -> list[Projection]:
    """The projections between the parts of two populations."""
    sources, targets = cut[q.source], cut[q.target]
    if q.kernel.channelwise:
        if len(sources) != len(targets):
            raise InputError(
                f"fragment: {q.target!r} takes {q.source!r} channel by channel, together with"
                " others, so that its source must stay whole"
            )
        return [
            replace(
                q, source=s.name, target=t.name, kernel=q.kernel.channels(slice(s.start, s.stop))
            )
            for s, t in zip(sources, targets, strict=True)
        ]
    return [
        replace(
            q,
            source=s.name,
            target=t.name,
            kernel=q.kernel.cut(
                slice(t.start, t.stop), slice(s.start, s.stop), snn.shape(q.source)
            ),
            delay=delay_steps(q, float(snn.times()[1])) + (s.wait + t.late) * window,
        )
        for s in sources
        for t in targets
    ]
