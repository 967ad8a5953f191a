r"""How pixels enter a ``ttfs`` network: as spikes, as currents, or in on and off pairs.

==========  =======================================================================
``input``   what a pixel x does
==========  =======================================================================
latency     spikes once for its share p of the range, :math:`x = low + p\,(high - low)`
analog      drives the first layer with a constant current for one window
pairs       drives a unit of its own, on, which spikes for max(0, x), and a unit off
==========  =======================================================================

A range that does not begin at 0 is a shift that the first layers' biases take back:

.. math:: \sum_j w_j x_j = (high - low) \sum_j w_j p_j + low \sum_j w_j

where the last sum is over the inputs that a unit really has: fewer at a padded border.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bionet.conversion.steps.branches import own_population, with_constant
from bionet.conversion.steps.signs import OFF, as_branch, from_pairs, scaled
from bionet.conversion.tracing.records import (
    AveragePool,
    Identity,
    Record,
    Records,
    ReLU,
    Sum,
    Weighted,
    per_channel,
)

__all__ = ["shifted_input", "with_input_pairs"]


def shifted_input(records: Records, input_shape: tuple[int, ...], low: float) -> Records:
    """The records with what the least pixel adds in the biases of those that see the input.

    Parameters
    ----------
    records : tuple of Record
        The populations to be.
    input_shape : tuple of int
    low : float
        Least pixel, which has no spike.
    """
    if low == 0:
        return records
    shapes = {"input": input_shape}
    return tuple(_shifted(record, shapes, low) for record in records)


def _shifted(record: Record, shapes: Mapping[str, tuple[int, ...]], low: float) -> Record:
    if "input" not in record.inputs:
        return record
    if isinstance(record, Sum):
        branches = tuple(_shifted(branch, shapes, low) for branch in record.branches)
        return replace(record, branches=branches)
    if isinstance(record, AveragePool):
        record = as_branch(record, dict(shapes))
    if isinstance(record, Identity):
        weights = np.broadcast_to(np.asarray(record.weight, dtype=np.float64), record.shape)
        return with_constant(record, low * weights)
    if not isinstance(record, Weighted):
        raise TypeError(f"{record.place} ({record.kind}) has no bias")
    least = np.full((1, *shapes["input"]), low)
    total = record.kernel.apply(least)[0].reshape(record.shape)
    return replace(record, bias=per_channel(record.bias, len(record.shape)) + total)


def with_input_pairs(records: Records, input_shape: tuple[int, ...], node: str) -> Records:
    """The records behind two populations, ``input_on`` and ``input_off``, that the pixels drive.

    Parameters
    ----------
    records : tuple of Record
        The populations to be.
    input_shape : tuple of int
    node : str
        Node of the traced graph that the images are.
    """
    relu = ReLU(
        name="input_on", inputs=("input",), shape=input_shape, node=node, place="the input",
        rectified=True,
    )  # fmt: skip
    on = own_population(relu)
    off = replace(scaled(on, np.asarray(-1.0)), name=f"input{OFF}", rectified=True, node=f"-{node}")
    shapes = {"input_on": input_shape, **{r.name: r.shape for r in records}}
    behind = tuple(_behind(record, on.name) for record in records)
    return (on, off, *(from_pairs(record, {on.name: off.name}, shapes) for record in behind))


def _behind(record: Record, name: str) -> Record:
    """The record with another population in the place of the input."""
    inputs = tuple(name if i == "input" else i for i in record.inputs)
    if isinstance(record, Sum):
        branches = tuple(_behind(branch, name) for branch in record.branches)
        return replace(record, inputs=inputs, branches=branches)
    return replace(record, inputs=inputs)
