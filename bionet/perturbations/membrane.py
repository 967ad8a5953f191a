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
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from brian2 import Hz, get_unit, ms, second
from brian2.equations.equations import DIFFERENTIAL_EQUATION
from brian2.units.fundamentalunits import DIMENSIONLESS

from bionet.equations import NeuronModel
from bionet.equations.latex import statements
from bionet.equations.lines import with_flag
from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import Population, SpikingNetwork
from bionet.perturbations.base import (
    THRESHOLDS,
    NetworkPerturbation,
    change_populations,
    chosen_populations,
    extended,
    generator,
    joined,
    median_threshold,
    rest,
)

__all__ = [
    "DeadUnits",
    "MembraneLeak",
    "MembraneNoise",
    "RefractoryPeriod",
    "ThresholdSpread",
    "silenced",
]

LEAST_THRESHOLD = 0.05  # of the undisturbed one: a threshold of 0 would fire in every step


@typed
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
    measure: ClassVar[str] = "thresholds / sqrt(ms)"
    source: ClassVar[str] = "Gerstner et al. 2014, Section 8.1"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        names = _with_potential(self, snn)

        def change(population: Population) -> dict[str, Any]:
            sigma = self.number * median_threshold(snn, population)
            model = _noisy(population.model)
            return {
                "model": model,
                "parameters": {"sigma_noise": _of_potential(model, sigma) / ms**0.5},
            }

        return change_populations(snn, names, change)


def _noisy(model: NeuronModel) -> NeuronModel:
    if "sigma_noise" in model.dimensions:
        raise InputError(f"membrane_noise: model {model.name!r} has it already; give it once")
    held = "*int(not_refractory)" if model.refractory is not None else ""
    dimension = model.dimensions[str(model.potential)]
    unit = "" if dimension is DIMENSIONLESS else f"{get_unit(dimension)!r}*"
    return extended(
        model,
        f"sigma_noise : {unit}second**-0.5 (constant)",
        name=f"{model.name}, membrane noise",
        update=joined(f"{model.potential} += sigma_noise*sqrt(dt)*randn(){held}", model.update),
        parameters={**model.parameters, "sigma_noise": _of_potential(model, 0.0) * second**-0.5},
    )


def _of_potential(model: NeuronModel, value: float | np.ndarray) -> Any:
    """A value in SI units with the unit of the model's potential."""
    return model.quantity(str(model.potential), value)


@typed
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
        names = _with_potential(self, snn)

        def change(population: Population) -> dict[str, Any]:
            model = _leaky(population.model)
            values: dict[str, Any] = {"leak": self.level}
            if "v_rest" in model.parameters and "v_rest" not in population.model.dimensions:
                values["v_rest"] = _of_potential(model, rest(population))
            return {"model": model, "parameters": values}

        return change_populations(snn, names, change)


def _leaky(model: NeuronModel) -> NeuronModel:
    if model.leaks or "leak" in model.dimensions:
        raise InputError(
            f"membrane_leak: model {model.name!r} leaks already; change its time constant"
            " where the network is converted (tau=20*ms)"
        )
    v, lines = str(model.potential), statements(model.update)
    # What refractory units have collected arrives first.
    collected = re.compile(rf"{model.input}\s*=")
    position = max((k + 1 for k, line in enumerate(lines) if collected.match(line)), default=0)
    declared = ["leak : Hz (constant)"]
    parameters = {**model.parameters, "leak": 0 * Hz}
    if model.dimensions[v] is DIMENSIONLESS:
        lines.insert(position, f"{v} *= exp(-leak*dt)")
    else:
        lines.insert(position, f"{v} = v_rest + ({v} - v_rest)*exp(-leak*dt)")
        declared.append(f"v_rest : {get_unit(model.dimensions[v])!r} (constant)")
        parameters["v_rest"] = _of_potential(model, 0.0)
    return extended(
        model,
        *declared,
        name=f"{model.name}, leaky",
        update="\n".join(lines),
        parameters=parameters,
    )


@typed
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
    measure: ClassVar[str] = "share of the threshold"
    source: ClassVar[str] = "Indiveri et al. 2011 (device mismatch)"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        names = chosen_populations(
            self, snn, "threshold", lambda p: bool({*THRESHOLDS} & {*p.parameters})
        )

        def change(population: Population) -> dict[str, Any]:
            z = generator(seed, self.name, population.name).standard_normal(population.shape)
            thresholds = {n: v for n, v in population.parameters.items() if n in THRESHOLDS}
            if snn.code is not None and snn.code.once:  # thresholds about 0 have no relative spread
                scale = median_threshold(snn, population)
                return {
                    "parameters": {n: v + self.number * scale * z for n, v in thresholds.items()}
                }
            factor = np.maximum(LEAST_THRESHOLD, 1.0 + self.number * z)
            below = rest(population)
            spread = {name: below + (value - below) * factor for name, value in thresholds.items()}
            model = population.model
            return {"parameters": {n: model.quantity(n, v) for n, v in spread.items()}}

        return change_populations(snn, names, change)


@typed
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
        names = [n for n in _with_potential(self, snn) if snn.population(n).model.threshold]
        if direct := [
            q
            for q in snn.projections
            if q.target in names and q.variable == snn.population(q.target).model.potential
        ]:
            raise InputError(
                f"refractory_period: projection {direct[0].name} bypasses z; leave out"
            )

        def change(population: Population) -> dict[str, Any]:
            return {"model": _refractory(population.model), "parameters": {"t_ref": self.level}}

        return change_populations(snn, names, change)


def _refractory(model: NeuronModel) -> NeuronModel:
    if model.refractory == "t_ref":
        return model
    v = str(model.potential)
    if model.refractory is not None:
        raise InputError(
            f"refractory_period: model {model.name!r} has a refractory period of its own; change"
            " its parameter"
        )
    if model.brian()[v].type != DIFFERENTIAL_EQUATION:
        raise InputError(
            f"refractory_period: model {model.name!r} needs a differential equation of {v}"
        )
    changes: dict[str, Any] = {}
    lines = ["t_ref : second (constant)"]
    if model.input == v:  # a synaptic current goes on while v is held
        unit = model.dimensions[v]
        lines.insert(0, f"z : {'1' if unit is DIMENSIONLESS else repr(get_unit(unit))}")
        zero = "z = 0" if unit is DIMENSIONLESS else "z = 0*z"
        changes["update"] = joined(f"{v} += z*int(not_refractory)", zero, model.update)
        changes["input"] = "z"
        changes["inputs"] = {kind: "z" for kind in model.inputs}
    return replace(
        model,
        name=f"{model.name}, refractory",
        equations=joined(with_flag(model.equations, v, "unless refractory"), *lines),
        refractory="t_ref",
        parameters={**model.parameters, "t_ref": 0 * ms},
        **changes,
    )


@typed
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
    measure: ClassVar[str] = "share of units"
    most: ClassVar[float] = 1.0
    source: ClassVar[str] = "Torres-Huitzil, Girau 2017 (stuck-at-0)"

    def apply(self, snn: SpikingNetwork, seed: int) -> SpikingNetwork:
        """See :meth:`NetworkPerturbation.apply`."""
        names = chosen_populations(self, snn, "threshold", lambda p: p.model.threshold is not None)
        if self.populations is None:
            names = [name for name in names if name != snn.readout.spikes]

        def change(population: Population) -> dict[str, Any]:
            dead = generator(seed, self.name, population.name).random(population.shape)
            return silenced(population, dead >= self.number)

        return change_populations(snn, names, change)


def silenced(population: Population, alive: np.ndarray) -> dict[str, Any]:
    """Model and parameters of a population in which only some units, array of bool, still fire."""
    left = np.asarray(alive, dtype=np.float64) * population.parameters.get("alive", 1.0)
    return {"model": _mortal(population.model), "parameters": {"alive": left}}


def _mortal(model: NeuronModel) -> NeuronModel:
    """The model with a parameter ``alive``; a unit where it is 0 never fires."""
    if "alive" in model.dimensions:
        return model
    return extended(
        model,
        "alive : 1 (constant)",
        name=f"{model.name}, some dead",
        threshold=f"({model.threshold}) and alive > 0.5",
        events={
            event: f"({condition}) and alive > 0.5" if condition == model.threshold else condition
            for event, condition in model.events.items()
        },
        parameters={**model.parameters, "alive": 1.0},
    )


def _with_potential(perturbation: NetworkPerturbation, snn: SpikingNetwork) -> list[str]:
    return chosen_populations(
        perturbation, snn, "potential v", lambda p: p.model.potential in p.model.state
    )
