r"""Matching simulated rates with the curve that the network of rates has, layer by layer.

Spike trains fluctuate, adapt and arrive late, and the driving force of a conductance changes with
the potential: a layer fires at the rates of another drive than it gets. Units and images are
sorted into bins of the drive z that the simulated spikes of the layers before make; the mean rate
of each bin, read backwards through the curve, is the drive that the layer has in effect,

.. math:: \varphi^{-1}(\bar r / r_{ref}) \approx \alpha z + \beta

and a line through the bins, weighted by their sizes, gives the correction: the gains of the layer
are divided by :math:`\alpha`, and :math:`-\beta / \alpha` is added to its bias. As z is what the
layer really gets, the layers are corrected independently of each other. The first layer is driven
by constant currents alone, for which the curve was measured: it stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from brian2 import Quantity

from bionet.firing.activation import STEP, FrequencyActivation
from bionet.firing.twin import activations_of
from bionet.network import SpikingNetwork

__all__ = ["Correction", "calibrated", "correction_of", "drives_of", "outputs_of"]

BATCH = 250  # images through the network of rates at a time
BINS = 24
LEAST = 200  # pairs of unit and image in a bin
LEAST_BINS = 4
LOW, HIGH = 0.02, 0.95  # of the largest rate: bins that say something about the drive
LIMITS = (0.5, 2.0)  # of a single correction of the gain


@dataclass(frozen=True)
class Correction:
    """What one pass changed in a layer: factor of its gains, and drive added to its units."""

    gain: float
    bias: float


def calibrated(
    snn: SpikingNetwork,
    graph: torch.fx.GraphModule,
    images: torch.Tensor,
    rates_of: Callable[[SpikingNetwork], Mapping[str, np.ndarray]],
    rheobase: Quantity,
    current: str,
    passes: int,
) -> tuple[SpikingNetwork, list[dict[str, Correction]]]:
    """The network with gains and biases such that its layers fire as their curves say.

    Parameters
    ----------
    snn : SpikingNetwork
    graph : torch.fx.GraphModule
        The network of rates that it was made from.
    images : tensor (n, *input_shape)
    rates_of : callable
        Simulates a network for these images; rates in units of the reference by population,
        arrays (n, *shape).
    rheobase : Quantity
    current : str
        The model's parameter of constant current.
    passes : int

    Returns
    -------
    network : SpikingNetwork
    history : list of dict of str to Correction
    """
    curves = activations_of(graph)
    first = {p.target for p in snn.projections if p.source == "input"}
    layers = {node: name for name, node in snn.origin.layers.items() if node in curves}
    history = []
    for _ in range(passes):
        rates = rates_of(snn)
        drives = drives_of(graph, images, {node: rates[name] for node, name in layers.items()})
        corrections = {
            name: correction
            for node, name in layers.items()
            if name not in first
            and (correction := correction_of(drives[node], rates[name], curves[node])) is not None
        }
        snn = _corrected(snn, corrections, rheobase, current)
        history.append(corrections)
    return snn, history


def correction_of(
    drives: np.ndarray, rates: np.ndarray, curve: FrequencyActivation
) -> Correction | None:
    """The correction of a layer; None where it fires too little to be measured.

    Parameters
    ----------
    drives, rates : array (n_images, *shape)
        z, and rates in units of the reference.
    curve : FrequencyActivation
    """
    table = curve.table.cpu().double().numpy()
    grid = curve.start + STEP * np.arange(len(table))
    # Only where the curve rises can it be read backwards.
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(table)) > 1e-6])
    middles, means, sizes = _bins(drives.reshape(-1), rates.reshape(-1))
    inside = (means > LOW * table.max()) & (means < HIGH * table.max())
    if inside.sum() < LEAST_BINS:
        return None
    effective = np.interp(means[inside], table[rising], grid[rising])
    alpha, beta = np.polyfit(middles[inside], effective, 1, w=np.sqrt(sizes[inside]))
    alpha = float(np.clip(alpha, 1 / LIMITS[1], 1 / LIMITS[0]))
    return Correction(1 / alpha, float(-beta / alpha))


def _bins(z: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean z, mean rate and size of bins of z from a little below the rheobase upwards."""
    measured = z > -0.5
    z, rates = z[measured], rates[measured]
    edges = np.linspace(-0.5, max(float(np.quantile(z, 0.999)), 0.5), BINS + 1)
    number = np.clip(np.digitize(z, edges) - 1, 0, BINS - 1)
    sizes = np.bincount(number, minlength=BINS).astype(float)
    enough = sizes >= min(LEAST, len(z) / BINS)
    with np.errstate(invalid="ignore", divide="ignore"):
        middles = np.bincount(number, z, BINS) / sizes
        means = np.bincount(number, rates, BINS) / sizes
    return middles[enough], means[enough], sizes[enough]


def _corrected(
    snn: SpikingNetwork, corrections: Mapping[str, Correction], rheobase: Quantity, current: str
) -> SpikingNetwork:
    populations = []
    for population in snn.populations:
        correction = corrections.get(population.name)
        if correction is not None:
            value = population.model.quantity(current, population.parameters[current])
            changed = dict(population.parameters)
            changed = {k: population.model.quantity(k, v) for k, v in changed.items()}
            changed[current] = value + correction.bias * rheobase
            population = replace(population, parameters=changed)
        populations.append(population)
    projections = tuple(
        replace(p, gain=p.gain * corrections[p.target].gain) if p.target in corrections else p
        for p in snn.projections
    )
    return replace(snn, populations=tuple(populations), projections=projections)


def drives_of(
    graph: torch.fx.GraphModule,
    images: torch.Tensor,
    rates: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Z of every activation of a twin, by the name of the node before it.

    Parameters
    ----------
    graph : torch.fx.GraphModule
        A twin.
    images : tensor (n, ...)
    rates : mapping of str to array (n, *shape), optional
        In units of the reference, by the same names: what each layer hands on, in place of what
        the activation gives. The drives are then those of the simulated spikes.
    """
    kept: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        given = {name: torch.from_numpy(r[part]).float() for name, r in (rates or {}).items()}
        with torch.no_grad():
            _Tap(graph, kept, given).run(images[part])
    return {name: np.concatenate(parts) for name, parts in kept.items()}


def outputs_of(
    graph: torch.fx.GraphModule,
    images: torch.Tensor,
    rates: Mapping[str, np.ndarray] | None = None,
) -> torch.Tensor:
    """What a twin answers, tensor (n, *classes), with these rates in place of its activations'.

    Parameters
    ----------
    graph, images, rates
        As for :func:`drives_of`.
    """
    answers = []
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        given = {name: torch.from_numpy(r[part]).float() for name, r in (rates or {}).items()}
        with torch.no_grad():
            answers.append(_Tap(graph, {}, given).run(images[part]))
    return torch.cat(answers)


class _Tap(torch.fx.Interpreter):
    """Keeps what goes into the activations of a twin, and may replace what comes out."""

    def __init__(
        self,
        graph: torch.fx.GraphModule,
        kept: dict[str, list[np.ndarray]],
        given: Mapping[str, torch.Tensor],
    ) -> None:
        super().__init__(graph)
        self.kept, self.given = kept, given
        self.layers = dict(graph.named_modules())

    def run_node(self, n: torch.fx.Node) -> Any:
        """A node; an activation is looked into."""
        layer = self.layers.get(str(n.target)) if n.op == "call_module" else None
        if not isinstance(layer, FrequencyActivation):
            return super().run_node(n)
        (z,) = self.fetch_args_kwargs_from_env(n)[0]
        self.kept.setdefault(n.name, []).append(z.numpy())
        return self.given[n.name] if n.name in self.given else layer(z)
