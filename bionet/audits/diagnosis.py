r"""The doctor: what a rate-coded network loses to what, layer by layer, in accuracy.

Between the source network and its spikes stand the causes below. A layer whose sources show r has
the mean input over threshold :math:`x = (W r + I) / \theta`, and answers:

==============  ===========================================================================
cause           what it makes of a layer
==============  ===========================================================================
``weights``     :math:`\max(0, x)` in place of the source network's own activation
``dead``        the same, of units that never fire for any image though they should
``noise``       the input shows what its spike trains hold, not the pixels
``clipping``    :math:`\min(x, 1)`: at most one spike a step
``rounding``    :math:`\lfloor x T + v(0)/\theta \rfloor / T`: whole spikes
``unevenness``  spikes that came before what cancels them: too many, by the order of the input
``saturated``   spikes that had no time left: too few, though :math:`x \le 1`
``leak``        both of the last two, of units that leak
``reset``       both of the last two, of units that lose more than their threshold at a spike
``readout``     the network's own readout in place of the largest potential
==============  ===========================================================================

They are switched on one after another in closed form, until the network is the simulated one:
weights and dead units from the last layer to the first, the layers before still the source
network's; clipping and rounding from the first to the last; then each layer's own counts, spikes
too many and too few. What accuracy is lost at each switch is what the cause costs in that layer,
so that all costs add up to the whole loss. A cause is charged for what it adds to those that are
on already; in another order it may cost more or less.

=================  ====  ====================================================
symbol             unit  meaning
=================  ====  ====================================================
r                  1     spikes per step, or their signed sum
T                  1     steps of a presentation
I, :math:`\theta`  1     drive per step, threshold
v(0)               1     potential at the begin of a presentation
=================  ====  ====================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bionet.audits.rate_comparison import Comparison
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork
from bionet.network.initial_values import initial_values
from bionet.network.kernels import Kernel
from bionet.results.recording import Recording

__all__ = ["CAUSES", "OPTIONS", "Diagnosis", "diagnose_run"]

CAUSES = (
    *("weights", "dead", "noise", "clipping", "rounding"),
    *("unevenness", "saturated", "leak", "reset", "readout"),
)
# What mends a cause: the option of method rate, and why.
OPTIONS: Mapping[str, str] = {
    "noise": "coding='analog', or more steps and a larger max_rate",
    "dead": "convert again from the network: weights or thresholds of these units are wrong",
    "weights": "convert again from the network: look at the order of units at a flatten",
    "clipping": "normalisation='least_squares', or a higher percentile",
    "rounding": "initial_potential=0.5, normalisation='least_squares', or more steps",
    "unevenness": "signed=True, and max_pooling='count' where units are pooled",
    "saturated": "more steps, or a higher percentile",
    "leak": "a longer time constant, or compensate_leak=True",
    "reset": "reset='subtract'",
    "readout": "readout='MP'",
}


@typed
@dataclass(frozen=True)
class Diagnosis:
    """What each layer loses to what.

    Parameters
    ----------
    costs : mapping of (str, str) to float
        (population, cause) -> accuracy lost, as a share of the images; negative where a cause
        happens to mend what others lost.
    source, network : float
        Accuracy of the source network and of the spiking one.
    n_images, n_steps : int
    """

    costs: Mapping[tuple[str, str], float]
    source: float
    network: float
    n_images: int
    n_steps: int

    @property
    def loss(self) -> float:
        """Accuracy lost: the sum of all costs."""
        return self.source - self.network

    def cost(self, cause: str) -> float:
        """What a cause costs in all layers."""
        return sum(cost for (_, name), cost in self.costs.items() if name == cause)

    @property
    def main_cause(self) -> str | None:
        """The cause that costs most, or None where nothing is lost."""
        worst = max(CAUSES, key=self.cost)
        return worst if self.cost(worst) > 0 else None

    @property
    def main_layer(self) -> str | None:
        """The population where the main cause costs most."""
        cause = self.main_cause
        layers = {name: c for (name, other), c in self.costs.items() if other == cause}
        return max(layers, key=lambda name: layers[name]) if layers else None

    @property
    def option(self) -> str | None:
        """The option that mends the main cause."""
        return OPTIONS[self.main_cause] if self.main_cause else None

    def verdict(self) -> str:
        """One line: the main cause, where, and what mends it."""
        if self.main_cause is None:
            return "nothing is lost"
        points = 100 * self.cost(self.main_cause)
        return (
            f"{self.main_cause} costs {points:.1f} points, most of it at {self.main_layer};"
            f" {self.option}"
        )

    def __str__(self) -> str:
        names = list(dict.fromkeys(name for name, _ in self.costs))
        shown = [c for c in CAUSES if any(self.costs.get((name, c)) for name in names)]
        width = max((len(name) for name in (*names, "population")), default=10)
        lines = [
            f"Diagnosis of {self.n_images:,} images, {self.n_steps:,} steps: network"
            f" {100 * self.source:.2f} %, spiking {100 * self.network:.2f} %; points lost to",
            "  " + "  ".join(["population".ljust(width), *(c.rjust(10) for c in shown)]),
        ]
        for name in names:
            cells = (f"{100 * self.costs.get((name, c), 0.0):.2f}".rjust(10) for c in shown)
            lines.append("  " + "  ".join([name.ljust(width), *cells]))
        totals = (f"{100 * self.cost(c):.2f}".rjust(10) for c in shown)
        lines.append("  " + "  ".join(["all".ljust(width), *totals]))
        return "\n".join([*lines, self.verdict()])

    def to_dict(self) -> dict[str, Any]:
        """A plain description for JSON."""
        rows = [{"population": n, "cause": c, "cost": cost} for (n, c), cost in self.costs.items()]
        plain = {"source": self.source, "network": self.network, "verdict": self.verdict()}
        return {**plain, "images": self.n_images, "steps": self.n_steps, "rows": rows}


def diagnose_run(
    ideal: Mapping[str, np.ndarray],
    snn: SpikingNetwork,
    run: Recording,
    images: np.ndarray,
    truth: np.ndarray,
    answers: np.ndarray,
) -> Diagnosis:
    """Split the loss of a simulated network into causes.

    Parameters
    ----------
    ideal : mapping of str to array (n_images, *shape)
        Activation of the source network for every population.
    snn : SpikingNetwork
    run : Recording
        Of ``snn`` on ``images``.
    images : array (n_images, *input_shape)
    truth : int array (n_images,)
        Classes that count as right.
    answers : int array (n_images,)
        Those of the source network.

    Raises
    ------
    InputError
        If the network has a temporal code or names no activations.
    """
    if snn.code is not None or not ideal:
        raise InputError(
            "a diagnosis is for rate codes of a network that was converted; bionet.audit compares"
            " spike times of a temporal code"
        )
    return _Ladder(snn, run, images, ideal, truth).climb(float((answers == truth).mean()))


class _Ladder:
    """The network between its source and its spikes: values of all populations, in float32."""

    def __init__(
        self,
        snn: SpikingNetwork,
        run: Recording,
        images: np.ndarray,
        ideal: Mapping[str, np.ndarray],
        truth: np.ndarray,
    ) -> None:
        sides = Comparison(snn, run)
        self.snn, self.run, self.truth = snn, run, truth
        self.ideal = {n: _tensor(v) for n, v in sides.ideal(ideal, images).items()}
        self.shown = {n: _tensor(v) for n, v in sides.shown(images, slice(None)).items()}
        self.layers = [p for p in snn.populations if p.name in self.ideal]
        self.levels = dict.fromkeys((p.name for p in self.layers), 0)
        self.costs: dict[tuple[str, str], float] = {}
        self.accuracy = 0.0

    def climb(self, source: float) -> Diagnosis:
        """Switch everything on, from the source network to the simulated one."""
        self.accuracy = source
        values = dict(self.ideal)
        for number in reversed(range(len(self.layers))):
            values = self._weights(number)
        if not torch.equal(self.shown["input"], self.ideal["input"]):
            values = self._charge("input", "noise", {"input": self.shown["input"]}, 0)
        for level, cause in ((1, "clipping"), (2, "rounding")):
            for number, population in enumerate(self.layers):
                if population.model.threshold is None:
                    continue
                self.levels[population.name] = level
                now = self._answer(population, values)
                if torch.equal(now, values[population.name]):
                    continue
                done = {**values, population.name: now}
                values = self._charge(population.name, cause, done, number + 1)
        for number, population in enumerate(self.layers):
            values = self._counts(population, number, values)
        network = float((self.run.predictions() == self.truth).mean())
        self.costs[self.snn.readout.potential, "readout"] = self.accuracy - network
        order = self.snn.names
        costs = dict(sorted(self.costs.items(), key=lambda item: order.index(item[0][0])))
        return Diagnosis(costs, source, network, len(self.truth), self.run.n_steps)

    def _weights(self, number: int) -> dict[str, torch.Tensor]:
        """A layer and all after it by the network's weights, all before by the source's."""
        population, name = self.layers[number], self.layers[number].name
        before = {"input": self.ideal["input"]}
        before |= {p.name: self.ideal[p.name] for p in self.layers[:number]}
        now, ideal = self._answer(population, before), self.ideal[name]
        dead = self._dead(population, now, ideal)
        if dead.any() and population.model.threshold is not None:
            alive = torch.where(dead, ideal, now)
            self._charge(name, "weights", {**before, name: alive}, number + 1)
            return self._charge(name, "dead", {**before, name: now}, number + 1)
        return self._charge(name, "weights", {**before, name: now}, number + 1)

    def _dead(self, population: Population, now: torch.Tensor, ideal: torch.Tensor) -> torch.Tensor:
        """Units that reach no spike for any image, though their activation is worth one."""
        start = float(np.max(_start(population)))
        silent = (now * self.run.n_steps + start < 1).all(0)
        return silent & (ideal * self.run.n_steps + start >= 1.5).any(0)

    def _counts(
        self, population: Population, number: int, values: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """The layer's own counts in place of the closed form: too many, then too few."""
        name, model = population.name, population.model
        if model.threshold is None or name not in self.shown:
            return values
        real, closed = self.shown[name], values[name]
        other = "leak" if model.leaks else "reset" if model.resets in ("zero", "to") else None
        steps = (("unevenness", torch.maximum(real, closed)), ("saturated", real))
        for cause, now in steps:
            if not torch.equal(now, values[name]):
                values = self._charge(name, other or cause, {**values, name: now}, number + 1)
        return values

    def _charge(
        self, name: str, cause: str, known: Mapping[str, torch.Tensor], start: int
    ) -> dict[str, torch.Tensor]:
        """Compute the layers from ``start`` on, and charge a cause with the accuracy it costs."""
        values = dict(known)
        for population in self.layers[start:]:
            values[population.name] = self._answer(population, values)
        scores = values[self.snn.readout.potential].flatten(1)
        right = scores.argmax(1) if scores.shape[1] > 1 else (scores[:, 0] > 0).long()
        accuracy = float((right.numpy() == self.truth).mean())
        key = (name, cause)
        self.costs[key] = self.costs.get(key, 0.0) + self.accuracy - accuracy
        self.accuracy = accuracy
        return values

    def _answer(self, population: Population, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What a layer answers its sources, with the causes that are on for it."""
        total: Any = _tensor(population.parameters.get("I", 0.0))
        gate = False
        for projection in self.snn.projections:
            if projection.target == population.name:
                kernel = _of_sign(projection.kernel, projection.sign)
                passed = kernel.mapped(values[projection.source]) * float(projection.gain)
                total = total + passed.reshape(-1, *population.shape)
                gate |= not projection.kernel.linear
        if population.model.threshold is None or gate:
            return total
        level, steps = self.levels[population.name], self.run.n_steps
        if "theta_p" in population.parameters:
            up = total.clamp(min=0) / _tensor(population.parameters["theta_p"])
            if "theta_n" in population.parameters:
                up = up - total.clamp(max=0) / _tensor(population.parameters["theta_n"])
            return torch.trunc(up * steps) / steps if level == 2 else up
        x = total.clamp(min=0) / _tensor(population.parameters.get("theta", 1.0))
        if level == 2:
            start = _tensor(_start(population))
            x = torch.where(x > 0, torch.floor(x * steps + start) / steps, x)
        return x.clamp(max=1) if level else x


def _tensor(values: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def _start(population: Population) -> np.ndarray:
    """Initial potential over threshold."""
    start = initial_values(population).get(str(population.model.potential), 0.0)
    return np.asarray(start) / population.parameters.get("theta", np.array(1.0))


def _of_sign(kernel: Kernel, sign: int) -> Kernel:
    """The part of a kernel that a pathway of one sign passes on, for sources that never fall."""
    if not sign or not kernel.linear:
        return kernel
    return kernel.with_weights(lambda weights: sign * np.maximum(sign * weights, 0))
