r"""Perturbations of neurons: membrane noise, leak, threshold spread, refractory period, dead units.

=====================  ======================================================  =================
perturbation           equation                                                level
=====================  ======================================================  =================
membrane noise         :math:`dv/dt = \ldots + \sigma\theta\,\xi(t)`           sigma, ms^(-1/2)
membrane leak          :math:`dv/dt = \ldots - g v`                            g, Hz
threshold spread       :math:`\theta_i = \theta\,\max(0.05, 1 + s\,z_i)`       s
refractory period      v is held for t_ref after a spike                       t_ref, ms
dead units             a unit never fires, with probability p                  p
=====================  ======================================================  =================

xi is white noise and z a standard normal number, drawn once for each unit. The noise is written as
the Euler-Maruyama step of its term, :math:`v \to v + \sigma\theta\sqrt{dt}\,z`, in the model's
``update``: Brian2's own ``xi`` draws from one sequence per process, ``randn()`` here belongs to an
image, a unit and a step.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from brian2 import Hz, ms, second

from bionet.equations import NeuronModel
from bionet.errors import InputError
from bionet.network import Population, SpikingNetwork
from bionet.perturbations.base import (
    THRESHOLDS,
    NetworkPerturbation,
    change_populations,
    extended,
    generator,
    joined,
    median_threshold,
)

__all__ = ["DeadUnits", "MembraneLeak", "MembraneNoise", "RefractoryPeriod", "ThresholdSpread"]

LEAST_THRESHOLD = 0.05  # of the undisturbed one: a threshold of 0 would fire in every step


@dataclass(frozen=True)
class MembraneNoise(NetworkPerturbation):
    """White noise on the membrane potential, of all units that have one.

    After a time t without reset its standard deviation is level * theta * sqrt(t / ms); the
    readout, which has no threshold, takes the output's.

    References
    ----------
    W. Gerstner, W. M. Kistler, R. Naud, L. Paninski: Neuronal Dynamics (2014), Section 8.1.
    """

    name: ClassVar[str] = "membrane_noise"
    source: ClassVar[str] = "Gerstner et al. 2014, Section 8.1"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        chosen = _with_potential(self, snn)

        def change(population: Population) -> dict[str, Any]:
            sigma = self.number * median_threshold(snn, population)
            return {
                "model": _noisy(population.model),
                "parameters": {"sigma_noise": sigma / ms**0.5},
            }

        return change_populations(snn, chosen, change)


def _noisy(model: NeuronModel) -> NeuronModel:
    if "sigma_noise" in model.dimensions:
        raise InputError(f"membrane_noise: model {model.name!r} has it already; give it once")
    held = "*int(not_refractory)" if model.refractory is not None else ""
    return extended(
        model,
        "sigma_noise : second**-0.5 (constant)",
        name=f"{model.name}, membrane noise",
        update=joined(f"v += sigma_noise*sqrt(dt)*randn(){held}", model.update),
        parameters={**model.parameters, "sigma_noise": 0 * second**-0.5},
    )


@dataclass(frozen=True)
class MembraneLeak(NetworkPerturbation):
    r"""A leak of neurons that were converted without one: v decays at the rate ``level``.

    The decay follows the input of a step, :math:`v \to v e^{-g\,dt}` before the threshold is
    tested. (:func:`~bionet.equations.leaky_integrate_and_fire` decays first; it needs g > 0.)

    References
    ----------
    Zhang et al. 2019 (DSNN), Section 2.
    """

    name: ClassVar[str] = "membrane_leak"
    unit: ClassVar[str] = "Hz"
    source: ClassVar[str] = "Zhang et al. 2019 (DSNN), Section 2"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        chosen = _with_potential(self, snn)

        def change(population: Population) -> dict[str, Any]:
            return {"model": _leaky(population.model), "parameters": {"leak": self.level}}

        return change_populations(snn, chosen, change)


def _leaky(model: NeuronModel) -> NeuronModel:
    if "tau" in model.dimensions or "leak" in model.dimensions:
        raise InputError(
            f"membrane_leak: model {model.name!r} leaks already; change its time constant"
            " where the network is converted (tau=20*ms)"
        )
    lines = (model.update or "").splitlines()
    # What refractory units have collected arrives first.
    position = 2 if lines[1:2] == ["z = 0"] else 0
    lines.insert(position, "v *= exp(-leak*dt)")
    return extended(
        model,
        "leak : Hz (constant)",
        name=f"{model.name}, leaky",
        update="\n".join(lines),
        parameters={**model.parameters, "leak": 0 * Hz},
    )


@dataclass(frozen=True)
class ThresholdSpread(NetworkPerturbation):
    """Thresholds that differ from unit to unit: relative standard deviation ``level``.

    A unit's positive and negative threshold deviate alike. In a network with a temporal code,
    whose thresholds are about 0, the deviation relates to :func:`median_threshold`.

    References
    ----------
    G. Indiveri et al.: Neuromorphic silicon neuron circuits. Frontiers in Neuroscience 5:73
    (2011): device mismatch.
    """

    name: ClassVar[str] = "threshold_spread"
    source: ClassVar[str] = "Indiveri et al. 2011 (device mismatch)"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        chosen = _chosen(self, snn, "threshold", lambda p: bool({*THRESHOLDS} & {*p.parameters}))

        def change(population: Population) -> dict[str, Any]:
            z = generator(seed, self.name, population.name).standard_normal(population.shape)
            own = {n: v for n, v in population.parameters.items() if n in THRESHOLDS}
            if snn.code is not None and snn.code.once:  # thresholds about 0 have no relative spread
                scale = median_threshold(snn, population)
                return {"parameters": {n: v + self.number * scale * z for n, v in own.items()}}
            factor = np.maximum(LEAST_THRESHOLD, 1.0 + self.number * z)
            return {"parameters": {name: value * factor for name, value in own.items()}}

        return change_populations(snn, chosen, change)


@dataclass(frozen=True)
class RefractoryPeriod(NetworkPerturbation):
    """Units ignore input and drive for a time after each spike.

    The input is collected in ``z`` and passed on where the unit is not refractory, as in
    :func:`~bionet.equations.integrate_and_fire`.

    References
    ----------
    Gerstner et al. 2014, Section 1.3.
    """

    name: ClassVar[str] = "refractory_period"
    unit: ClassVar[str] = "ms"
    source: ClassVar[str] = "Gerstner et al. 2014, Section 1.3"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        chosen = [n for n in _with_potential(self, snn) if snn.population(n).model.threshold]
        if direct := [q for q in snn.projections if q.variable == "v" and q.target in chosen]:
            raise InputError(
                f"refractory_period: projection {direct[0].name} bypasses z; leave out"
            )

        def change(population: Population) -> dict[str, Any]:
            return {"model": _refractory(population.model), "parameters": {"t_ref": self.level}}

        return change_populations(snn, chosen, change)


def _refractory(model: NeuronModel) -> NeuronModel:
    if model.refractory == "t_ref":
        return model
    if model.refractory is not None or model.input != "v":
        raise InputError(
            f"refractory_period: model {model.name!r} must take its input in v and have no"
            " refractory period of its own"
        )
    equations = re.sub(
        r"^(dv/dt = .*: *1)$", r"\1 (unless refractory)", model.equations, flags=re.M
    )
    if equations == model.equations:
        raise InputError(
            f"refractory_period: model {model.name!r} needs an equation dv/dt = ... : 1"
        )
    return replace(
        model,
        name=f"{model.name}, refractory",
        equations=joined(equations, "z : 1", "t_ref : second (constant)"),
        refractory="t_ref",
        update=joined("v += z*int(not_refractory)", "z = 0", model.update),
        parameters={**model.parameters, "t_ref": 0 * ms},
        input="z",
    )


@dataclass(frozen=True)
class DeadUnits(NetworkPerturbation):
    """Units that never fire, each with probability ``level``; poolings are units too.

    The output and the readout are spared unless they are named.

    References
    ----------
    C. Torres-Huitzil, B. Girau: Fault and error tolerance in neural networks: a review. IEEE Access
    5 (2017) 17322-17341: stuck-at-0.
    """

    name: ClassVar[str] = "dead_units"
    most: ClassVar[float] = 1.0
    source: ClassVar[str] = "Torres-Huitzil, Girau 2017 (stuck-at-0)"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        chosen = _chosen(self, snn, "threshold", lambda p: p.model.threshold is not None)
        if self.populations is None:
            chosen = [name for name in chosen if name != snn.readout.spikes]

        def change(population: Population) -> dict[str, Any]:
            dead = generator(seed, self.name, population.name).random(population.shape)
            alive = (dead >= self.number).astype(np.float64)
            return {"model": _mortal(population.model), "parameters": {"alive": alive}}

        return change_populations(snn, chosen, change)


def _mortal(model: NeuronModel) -> NeuronModel:
    if "alive" in model.dimensions:
        raise InputError(f"dead_units: model {model.name!r} has them already; give them once")
    return extended(
        model,
        "alive : 1 (constant)",
        name=f"{model.name}, some dead",
        threshold=f"({model.threshold}) and alive > 0.5",
        parameters={**model.parameters, "alive": 1.0},
    )


def _with_potential(perturbation: NetworkPerturbation, snn: SpikingNetwork) -> list[str]:
    return _chosen(perturbation, snn, "potential v", lambda p: "v" in p.model.state)


def _chosen(
    perturbation: NetworkPerturbation,
    snn: SpikingNetwork,
    what: str,
    has: Callable[[Population], bool],
) -> list[str]:
    """The populations that have what is perturbed, or a refusal that names what is missing."""
    relays = snn.relays
    neurons = [p for p in snn.populations if p.name not in relays]
    chosen = [p.name for p in neurons if perturbation.concerns(p.name, snn) and has(p)]
    missing = [n for n in perturbation.populations or () if n not in chosen]
    if missing or not chosen:
        raise InputError(
            f"{perturbation.name}: population {(missing or ['any'])[0]!r} has no {what}"
        )
    return chosen
