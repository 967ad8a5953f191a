"""Synapses with a time constant: the area of a spike stays, its time course is the closed form."""

import numpy as np
import pytest
from brian2 import ms

import bionet
from bionet import InputError
from bionet.equations import integrate_and_fire, integrator
from bionet.network import Dense, Population, Projection, Readout, SpikingNetwork
from bionet.perturbations import RefractoryPeriod, SynapticFilter, perturb


def chain():
    """A unit that spikes in every step drives an integrator."""
    populations = (Population("a", (1,), integrate_and_fire()), Population("b", (1,), integrator()))
    projections = (
        Projection("input", "a", Dense(np.ones((1, 1)))),
        Projection("a", "b", Dense(np.ones((1, 1)))),
    )
    return SpikingNetwork(populations, projections, (1,), Readout("a", "b"))


def test_a_spikes_area_arrives_exponentially():
    image, steps, tau = np.ones((1, 1), np.float32), 30, 4.0
    options = {"device": "numpy", "dtype": "float64"}
    only = perturb(chain(), [SynapticFilter(tau * ms, populations=("b",))])
    run = bionet.simulate(only, image, steps * ms, 1 * ms, **options)
    spikes = run.output_spikes[0, :, 0].astype(float)
    lag = np.arange(steps)
    arrived = np.array(
        [
            (spikes[: t + 1] * (1 - np.exp(-(t + 1 - lag[: t + 1]) / tau))).sum()
            for t in range(steps)
        ]
    )
    np.testing.assert_allclose(run.output_potential[0, :, 0], arrived, rtol=1e-9)


def test_it_goes_with_a_refractory_period_and_is_refused_where_synapses_have_their_own():
    snn = perturb(chain(), [RefractoryPeriod(2 * ms), SynapticFilter(5 * ms)])
    run = bionet.simulate(snn, np.ones((1, 1), np.float32), 40 * ms, 1 * ms, device="numpy")
    assert run.counts["a"][0, 0] == 20  # at 2 ms every other step of 1 ms
    assert run.output_potential[0, -1, 0] == pytest.approx(17.5, abs=0.6)  # tau/2 is on its way
    with pytest.raises(InputError, match="has it already"):
        perturb(snn, [SynapticFilter(5 * ms)])
    with pytest.raises(InputError, match="0 ms is no filter"):
        SynapticFilter(0 * ms)
