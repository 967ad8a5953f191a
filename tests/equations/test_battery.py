"""One battery over all neuron models, on all devices, at values that are no defaults.

The reference is the update rule of the models' documentation, written out step by step: state
update, synaptic input, floor, threshold, reset.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from brian2 import Hz, ms

from bionet.equations import (
    constant_leak,
    integrate_and_fire,
    integrator,
    leaky_integrate_and_fire,
    leaky_integrator,
)
from bionet.running.simulate import simulate

STEPS, THETA = 60, 0.8


@dataclass(frozen=True)
class Rule:
    """A model in words that need no Brian2; times in steps of 1 ms."""

    tau: float | None = None
    reset: str | None = "subtract"
    floor: float | None = None
    refractory: int | None = None
    leak: float | None = None  # a constant one

    def model(self):
        if self.leak is not None:
            return constant_leak(self.leak, THETA, self.floor)
        options = {"reset": self.reset, "threshold": THETA, "floor": self.floor}
        options["refractory"] = None if self.refractory is None else self.refractory * ms
        if self.reset is None:
            return integrator() if self.tau is None else leaky_integrator(self.tau * ms)
        if self.tau is None:
            return integrate_and_fire(**options)
        return leaky_integrate_and_fire(self.tau * ms, **options)

    def step(self, v, last, t, drive, received):
        """Potentials after one step, and who fired; ``last`` is the step of the last spike."""
        ready = t - last >= (self.refractory or 0)
        change = drive + (self.leak or 0.0)
        if self.tau is not None:
            change = (drive * self.tau - v) * (1 - np.exp(-1 / self.tau))
        v = v + ready * (change + received)
        if self.floor is not None:
            v = np.maximum(v, self.floor)
        fired = ready & (v >= THETA) & (self.reset is not None)
        return np.where(fired, v - THETA if self.reset == "subtract" else 0.0, v), fired


RULES = [
    Rule(reset=None),
    Rule(reset=None, tau=15),
    Rule(reset="zero", floor=-0.25, leak=-0.06),
    Rule(reset="zero", floor=0.0, leak=0.0),
    *(
        Rule(tau, reset, floor, refractory)
        for tau in (None, 6.5)
        for reset in ("subtract", "zero")
        for floor in (None, -0.25)
        for refractory in (None, 4)
    ),
]
ON_CYTHON = [pytest.param(rule, "cython", marks=pytest.mark.devices) for rule in RULES]
ON_NUMPY = [pytest.param(rule, "numpy") for rule in RULES]
DRIVES = {"driven": np.linspace(-0.1, 0.35, 8), "not driven": 0.0}


@pytest.mark.parametrize("drive", DRIVES)
@pytest.mark.parametrize(("rule", "device"), [*ON_NUMPY, *ON_CYTHON])
def test_every_model_follows_its_rule(cells_network, rule, device, drive):
    rng = np.random.default_rng(1)
    weights = rng.normal(0.1, 0.5, (8, 5))
    snn = cells_network(rule.model(), 8, DRIVES[drive], weights)
    record = {"input": "spikes", "cells": ["v"] if rule.reset is None else ["spikes", "v"]}
    options = {"coding": "poisson", "max_rate": 400 * Hz, "dtype": "float64", "record": record}
    run = simulate(snn, rng.uniform(size=(2, 5)), STEPS * ms, device=device, **options)
    total = 0
    for image in range(2):
        received = np.zeros((STEPS, 5))
        received[run.spikes("input", image).step, run.spikes("input", image).unit] = 1 / 0.4
        v, last = np.zeros(8), np.full(8, -np.inf)
        expected, fired = [], []
        for t in range(STEPS):
            v, now = rule.step(v, last, t, DRIVES[drive], weights @ received[t])
            last = np.where(now, t, last)
            expected.append(v)
            fired += [(t, unit) for unit in np.flatnonzero(now)]
        np.testing.assert_allclose(run.potential("cells", image), expected, rtol=0, atol=1e-11)
        if rule.reset is not None:
            spikes = run.spikes("cells", image)
            assert list(zip(spikes.step, spikes.unit, strict=True)) == fired
            total += len(fired)
    assert total > 50 or rule.reset is None
