"""Putting a spiking network together from layer records: the last step of a conversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from brian2 import Quantity

from bionet.conversion.tracing.records import MaxPool, Record, Records, Sum, Weighted, per_channel
from bionet.equations import NeuronModel, integrator, largest_count, with_rate_estimate
from bionet.network import (
    Origin,
    Population,
    Projection,
    Readout,
    Simulation,
    SpikingNetwork,
)

__all__ = ["READOUT", "assemble", "drive", "operations_of"]

READOUT = "readout"


def assemble(
    records: Records,
    model: NeuronModel | Sequence[NeuronModel],
    input_shape: tuple[int, ...],
    readout: str,
    method: str,
    metadata: Mapping[str, Any],
    coding: str = "analog",
    pool_tau: Quantity | None = None,
    scales: Mapping[str, Any] | None = None,
    simulation: Simulation | None = None,
    max_pooling: Literal["gate", "count"] = "gate",
    notes: Sequence[str] = (),
    shifts: Mapping[str, Any] | None = None,
) -> SpikingNetwork:
    """One population of the model for each record, and one that integrates the last one's input.

    Parameters
    ----------
    records : tuple of Record
        The populations to be, with their final weights.
    model : NeuronModel, or one for each record
        Of all populations but ``readout``, which is a pure integrator.
    input_shape : tuple of int
    readout : {"MP", "MS", "FS"}
        The readout used where none is named.
    method : str
    coding : str
        Input coding used where a simulation does not name one.
    pool_tau : Quantity, optional
        Time constant of the rate estimates that max poolings compare; None counts all spikes.
    max_pooling : {"gate", "count"}
        What a max pooling passes on: spikes of the unit with the most so far, or their largest
        count (:mod:`bionet.equations.largest_count`).
    metadata : mapping
        What else is worth keeping.
    scales : mapping of str to float or list of float, optional
        What one spike a step of each population stands for. The network's origin gets them, with
        an entry for ``readout``, which stands for what the last layer stands for (before a final
        ReLU).
    simulation : Simulation, optional
    notes : sequence of str
        What the user should know of the conversion.
    shifts : mapping of str to array (channels,), optional
        What corrects the mean of a population's spikes, in thresholds a step; of the last layer's
        for ``readout`` too.
    """
    last = records[-1]
    names = [*(record.name for record in records), READOUT]
    both = [*records, last]
    each = [model] * len(records) if isinstance(model, NeuronModel) else model
    if max_pooling == "count":
        each = [
            largest_count() if isinstance(r, MaxPool) else m
            for r, m in zip(records, each, strict=True)
        ]
    compared = {source for r in records if isinstance(r, MaxPool) for source in r.inputs}
    models = [
        with_rate_estimate(kind, pool_tau) if record.name in compared else kind
        for record, kind in zip(records, each, strict=True)
    ]
    models.append(integrator())
    populations = tuple(
        Population(name, record.shape, kind, {"I": drive(record)} if "I" in kind.dimensions else {})
        for name, record, kind in zip(names, both, models, strict=True)
    )
    projections = tuple(
        Projection(
            source,
            name,
            replace(kernel, rule=max_pooling)  # type: ignore[call-arg]
            if isinstance(record, MaxPool)
            else kernel,
        )
        for name, record in zip(names, both, strict=True)
        for source, kernel in record.projections
    )
    layers = {name: record.node for name, record in zip(names, both, strict=True)}
    if scales:
        scales = {**scales, READOUT: scales[last.name]}
    if shifts:
        shifts = {**shifts, READOUT: shifts[last.name]} if last.name in shifts else shifts
    return SpikingNetwork(
        populations,
        projections,
        input_shape,
        Readout(last.name, READOUT, readout),
        method,
        coding,
        metadata,
        simulation or Simulation(),
        origin=Origin(layers, scales or {}, shifts or {}, notes=tuple(notes)),
    )


def drive(record: Record) -> float | np.ndarray:
    """The bias as a constant drive per step.

    Returns
    -------
    float or array (channels, 1, 1), (channels, height, width) or (features,)
        Exactly 0.0 where there is none: populations without drive are simulated faster.
    """
    if not isinstance(record, Weighted | Sum) or not np.any(record.bias):
        return 0.0
    return per_channel(record.bias, len(record.shape))


def operations_of(records: Records, input_shape: tuple[int, ...]) -> tuple[float, float]:
    """Operations of layers for an image, and the multiply-accumulates among them.

    A multiply-accumulate is two operations; an average pooling adds its inputs and multiplies once;
    a max pooling compares, which does not count.
    """
    shapes = {"input": input_shape, **{record.name: record.shape for record in records}}
    total = macs = 0.0
    for record in records:
        if isinstance(record, MaxPool):
            continue
        for source, kernel in record.projections:
            size = float(kernel.n_synapses(shapes[source]))
            if not kernel.multiplies:
                total += size + float(np.prod(record.shape))
            else:
                macs += size
                total += 2 * size
    return total, macs
