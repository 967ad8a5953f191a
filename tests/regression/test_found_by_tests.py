"""What once broke: each test names the fault that it would bring to light again."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

from bionet.equations import integrate_and_fire, integrator
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import Dense
from bionet.running.simulate import simulate

HERE = {"device": "numpy", "dtype": "float64", "lanes": 1}


def test_functions_are_not_hidden_by_their_modules():
    """``bionet.build`` was the module bionet/build.py once ``bionet.simulate`` had imported it."""
    names = ("simulate", "build", "audit", "convert", "simulate", "build")
    calls = "; ".join(f"assert callable(bionet.{name}), '{name}'" for name in names)
    subprocess.run([sys.executable, "-c", f"import bionet; {calls}"], check=True)


def test_refractory_units_without_drive_fire_again(cells_network):
    """The state update that counts the refractory period was left out where no drive was."""
    snn = cells_network(integrate_and_fire(refractory=4 * ms), 1, weights=[[1.0]])
    run = simulate(snn, np.ones((1, 1)), 20 * ms, coding="uniform", **HERE)
    assert run.counts["cells"][0, 0] == 5


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_spikes_sent_back_arrive_after_their_delay(delay):
    """A projection to an earlier population took one step more, and its last spikes reached the
    next presentation."""
    snn = SpikingNetwork(
        (Population("sink", (1,), integrator()), Population("pacer", (1,), integrate_and_fire())),
        (
            Projection("input", "pacer", Dense([[0.25]])),
            Projection("pacer", "sink", Dense([[1.0]]), delay=delay),
        ),
        (1,),
        Readout("pacer", "sink"),
    )
    run = simulate(snn, np.ones((3, 1)), 16 * ms, **HERE)
    arrived = np.maximum(np.arange(16) - delay + 1, 0) // 4
    for image in range(3):
        np.testing.assert_array_equal(run.output_potential[image, :, 0], arrived)


def test_a_unit_can_excite_itself():
    """After a spike the unit receives its own weight one step later."""
    snn = SpikingNetwork(
        (Population("a", (1,), integrate_and_fire(threshold=4.0)),),
        (
            Projection("input", "a", Dense([[1.0]])),
            Projection("a", "a", Dense([[2.0]]), delay=1),
        ),
        (1,),
        Readout("a", "a"),
    )
    run = simulate(snn, np.ones((2, 1)), 12 * ms, record={"a": ["spikes", "v"]}, **HERE)
    # 1 2 3 4 | 1+2 4 | 1+2 4 | ...
    for image in range(2):
        np.testing.assert_array_equal(run.spikes("a", image).step, [3, 5, 7, 9, 11])
        np.testing.assert_array_equal(run.potential("a", image)[:6, 0], [1, 2, 3, 0, 3, 0])


@pytest.mark.parametrize("n_inputs", [2, 3])
def test_every_projection_to_a_population_counts(n_inputs):
    """Of three projections from one source, one replaced another of the same name."""
    parts = [Projection("input", "a", Dense(np.eye(2) * 10**k)) for k in range(n_inputs)]
    last = [Projection("b", "a", Dense(np.eye(2) * 1000)) for _ in range(2)]
    snn = SpikingNetwork(
        (Population("b", (2,), integrate_and_fire()), Population("a", (2,), integrator())),
        (*parts, *last, Projection("input", "b", Dense(np.eye(2)))),
        (2,),
        Readout("b", "a"),
    )
    run = simulate(snn, np.ones((1, 2)), 1 * ms, **HERE)
    assert (run.output_potential == sum(10**k for k in range(n_inputs)) + 2000).all()


def test_a_feature_map_cannot_be_flattened_silently(tiny, tiny_images):
    """A convolution onto a flat population was accepted, and its units came out channel-last.

    Either it is refused, or the units are in PyTorch's order.
    """
    flat = replace(tiny.population("conv"), shape=(12,), parameters={"I": 0.1})
    whole = replace(tiny.population("conv"), parameters={"I": 0.1})
    options = {"device": "numpy", "dtype": "float64"}
    expected = simulate(swapped(tiny, whole), tiny_images, 20 * ms, **options).counts["conv"]
    try:
        snn = swapped(tiny, flat)
    except ValueError as error:
        assert "conv" in str(error)
        return
    got = simulate(snn, tiny_images, 20 * ms, **options).counts["conv"]
    np.testing.assert_array_equal(got.reshape(expected.shape), expected)


def swapped(snn, population):
    return replace(snn, populations=(population, *snn.populations[1:]))
