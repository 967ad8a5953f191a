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
``saturated``   spikes that had no time left, or had not arrived: too few, though :math:`x \le 1`
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
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from bionet.audits.rate_comparison import Comparison
from bionet.errors import InputError
from bionet.network import FirstSpikeCode, Fold, Population, SpikingNetwork
from bionet.network.initial_values import initial_values
from bionet.network.kernels import Kernel
from bionet.network.relays import passing_relays
from bionet.results.recording import Recording

__all__ = ["CAUSES", "OPTIONS", "Diagnosis", "Ladder", "diagnose_run"]

CAUSES = (
    *("weights", "dead", "noise", "clipping", "rounding"),
    *("unevenness", "saturated", "leak", "reset"),
    *("rate limit", "too short", "fluctuation", "adaptation", "readout"),  # of physical neurons
)
# What mends a cause: the option of method rate, and why.
OPTIONS: Mapping[str, str] = {
    "noise": "coding='analog', or more steps and a larger max_rate",
    "dead": "convert again from the network: weights or thresholds of these units are wrong",
    "weights": "convert again from the network: look at the order of units at a flatten",
    "clipping": "normalisation='least_squares', or a higher percentile",
    "rounding": "initial_potential=0.5, normalisation='least_squares', or more steps",
    "unevenness": "signed=True, and max_pooling='count' where units are pooled",
    "saturated": "more steps (of a fold a drain), or a higher percentile",
    "leak": "a longer time constant, or compensate_leak=True",
    "reset": "reset='subtract'",
    "readout": "readout='MP'",
}
# Methods burst and phase, whose spikes have sizes.
OPTIONS_OF_SIZES: Mapping[str, str] = {
    **OPTIONS,
    "clipping": "a larger most, or a higher percentile",
    **dict.fromkeys(("rounding", "unevenness", "saturated"), "more steps, of phase more periods"),
}
END = 10**9  # no layer is left to compute


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
    options : mapping of str to str
        Cause -> the option of the network's method that mends it.
    """

    costs: Mapping[tuple[str, str], float]
    source: float
    network: float
    n_images: int
    n_steps: int
    options: Mapping[str, str] = field(default_factory=lambda: OPTIONS, repr=False)

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
        return self.options[self.main_cause] if self.main_cause else None

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
    decodable = snn.code is None or snn.code.rates or isinstance(snn.code, FirstSpikeCode | Fold)
    cut = isinstance(snn.code, Fold) and bool(snn.code.fragments)
    if not ideal or not decodable or cut or not (snn.scales or _first(snn)):
        raise InputError(
            "a diagnosis is for rates, spike times (methods ttfs and tdsnn) and physical neurons of"
            " layers that were converted whole, and have scales; bionet.audit compares what the"
            " layers of any other network show"
        )
    if _first(snn):
        from bionet.audits.first_spike_diagnosis import FirstSpikeLadder

        return FirstSpikeLadder(snn, run, images, ideal, truth).climb(
            float((answers == truth).mean())
        )
    return Ladder(snn, run, images, ideal, truth).climb(float((answers == truth).mean()))


def _first(snn: SpikingNetwork) -> bool:
    return isinstance(snn.code, FirstSpikeCode)


class Ladder:
    """The network between its source and its spikes: values of all populations, in float32.

    Parameters
    ----------
    snn : SpikingNetwork
    run : Recording
        Of ``snn`` on ``images``.
    images : array (n_images, *input_shape)
    ideal : mapping of str to array (n_images, *shape)
        Activation of the source network for every population.
    truth : int array (n_images,)
        Classes that count as right.

    Attributes
    ----------
    steps : int
        In which a layer emits.
    room : float
        The most spikes a step that it can show.
    """

    steps: int
    room: float = 1.0

    def __init__(
        self,
        snn: SpikingNetwork,
        run: Recording,
        images: np.ndarray,
        ideal: Mapping[str, np.ndarray],
        truth: np.ndarray,
    ) -> None:
        self.steps = run.n_steps
        sides = Comparison(snn, run)
        shown = sides.shown(images, slice(None))
        if isinstance(snn.code, Fold):  # a layer emits in its own part of the presentation
            self.steps = snn.code.window - snn.code.drain
            self.room = snn.code.window / self.steps
            shown = {name: value * (run.n_steps / self.steps) for name, value in shown.items()}
        wanted = {n: _tensor(v) for n, v in sides.ideal(ideal, images).items()}
        self._begin(snn, run, wanted, {n: _tensor(v) for n, v in shown.items()}, truth)

    def _begin(
        self,
        snn: SpikingNetwork,
        run: Recording,
        ideal: dict[str, torch.Tensor],
        shown: dict[str, torch.Tensor],
        truth: np.ndarray,
    ) -> None:
        """The network with nothing switched on, and both ends of the ladder."""
        self.snn, self.run, self.truth = snn, run, truth
        self.origins = passing_relays(snn)
        self.ideal, self.shown = ideal, shown
        self.layers = [p for p in snn.populations if p.name in ideal]
        self.levels = dict.fromkeys((p.name for p in self.layers), 0)
        self.costs: dict[tuple[str, str], float] = {}
        self.accuracy = 0.0

    def climb(self, source: float) -> Diagnosis:
        """Switch everything on, from the source network to the simulated one."""
        self.accuracy = source
        values = dict(self.ideal)
        for number in reversed(range(len(self.layers))):
            values = self._weights(number)
        values = self._input(values)
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
        self._last(values)
        network = float((self.run.predictions() == self.truth).mean())
        self.costs[self.snn.readout.potential, "readout"] = self.accuracy - network
        order = self.snn.names
        costs = dict(sorted(self.costs.items(), key=lambda item: order.index(item[0][0])))
        sized = any(p.model.spike == "graded" and "theta" in p.parameters for p in self.layers)
        options = OPTIONS_OF_SIZES if sized else OPTIONS
        return Diagnosis(costs, source, network, len(self.truth), self.run.n_steps, options)

    def _input(self, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What the input shows in place of the pixels."""
        if torch.equal(self.shown["input"], self.ideal["input"]):
            return values
        return self._charge("input", "noise", {"input": self.shown["input"]}, 0)

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
        silent = (now * self.steps + start < 1).all(0)
        return silent & (ideal * self.steps + start >= 1.5).any(0)

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

    def _last(self, values: dict[str, torch.Tensor]) -> None:
        """The output's own potential: what leaked, and what had not arrived at the end."""
        name = self.snn.readout.potential
        real, closed = self.shown.get(name), values.get(name)
        if real is None or closed is None or self.snn.readout.since:
            return
        if not torch.allclose(real, closed, rtol=1e-4, atol=1e-4 * float(closed.abs().max())):
            leaks = self.snn.population(name).model.leaks
            self._charge(name, "leak" if leaks else "saturated", {**values, name: real}, END)

    def _charge(
        self, name: str, cause: str, activations: Mapping[str, torch.Tensor], start: int
    ) -> dict[str, torch.Tensor]:
        """Compute the layers from ``start`` on, and charge a cause with the accuracy it costs."""
        values = dict(activations)
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
                sign = projection.sign
                if isinstance(self.snn.code, Fold):
                    if sign < 0:
                        continue  # what lowers and what raises come one after the other, and add up
                    sign = 0
                source = self.origins.get(projection.source, projection.source)
                kernel = _of_sign(projection.kernel, sign)
                passed = kernel.mapped(values[source]) * float(projection.gain)
                total = total + passed.reshape(-1, *population.shape)
                gate |= not projection.kernel.linear
        if population.model.threshold is None or gate:
            return total
        level, steps = self.levels[population.name], self.steps
        if "theta_p" in population.parameters:
            up = total.clamp(min=0) / _tensor(population.parameters["theta_p"])
            if "theta_n" in population.parameters:
                up = up - total.clamp(max=0) / _tensor(population.parameters["theta_n"])
            return torch.trunc(up * steps) / steps if level == 2 else up
        x = total.clamp(min=0) / _tensor(population.parameters.get("theta", 1.0))
        most, counted = self.room, True
        if population.model.spike == "graded":  # sizes: of phases 1 a period, of bursts a bound
            most = float(np.max(population.parameters.get("most", np.inf)))
            counted = "most" in population.parameters
        if level == 2 and counted:
            start = _tensor(_start(population))
            x = torch.where(x > 0, torch.floor(x * steps + start) / steps, x)
        return x.clamp(max=most) if level else x


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
