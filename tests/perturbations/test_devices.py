"""Perturbed networks spike alike on every device."""

import numpy as np
import pytest
from brian2 import Hz, ms

import bionet
from bionet import perturbations as pb
from bionet.equations.randomness import (
    COUNTER_NORMAL,
    COUNTER_NORMAL_IF,
    COUNTER_UNIFORM,
    counter_normal,
)

EVERYTHING = [
    pb.SpikeTimeJitter(1 * ms),
    pb.TransmissionDelay(1 * ms, spread=0.5),
    pb.SynapticFailure(0.1),
    pb.BackgroundSpikes(20 * Hz),
    pb.MembraneNoise(0.1),
    pb.MembraneLeak(5 * Hz),
    pb.RefractoryPeriod(2 * ms),
    pb.ThresholdSpread(0.1),
    pb.DeadUnits(0.1),
    pb.WeightNoise(0.1),
]


@pytest.mark.devices
def test_spikes_are_the_same_in_a_program(four_layers, four_layer_images, assert_same):
    snn = bionet.perturb(four_layers, EVERYTHING, seed=1, coding="poisson")
    want, found = (
        bionet.simulate(
            snn, four_layer_images, 30 * ms, device=device, lanes=lanes, dtype="float64",
            record={"conv2": ["spikes", "v"], "input_relay": ["spikes"]},
        )
        for device, lanes in (("numpy", 7), ("cpp_standalone", 3))
    )  # fmt: skip
    assert want.counts["conv2"].sum() > 20
    assert_same(want, found)


@pytest.mark.devices
@pytest.mark.parametrize("device", ["cython", "cpp_standalone"])
def test_membrane_noise_is_the_same_in(device, assert_same):
    """Numbers of a step are made together: 70 units are no multiple of what is made at once."""
    from bionet.equations import integrate_and_fire, integrator
    from bionet.network import Dense, Population, Projection, Readout, SpikingNetwork

    weights = np.random.default_rng(0).normal(0.1, 0.4, (70, 5))
    snn = SpikingNetwork(
        (
            Population("cells", (70,), integrate_and_fire()),
            Population("readout", (2,), integrator()),
        ),
        (
            Projection("input", "cells", Dense(weights)),
            Projection("cells", "readout", Dense(np.ones((2, 70)))),
        ),
        (5,),
        Readout("cells", "readout"),
    )
    snn = bionet.perturb(snn, [pb.MembraneNoise(0.3)])
    images = np.random.default_rng(1).uniform(size=(3, 5))
    options = {"record": {"cells": ["spikes", "v"]}, "seed": 2**40 + 3}
    options["dtype"] = "float64"
    want = bionet.simulate(snn, images, 20 * ms, device="numpy", lanes=1, **options)
    assert want.counts["cells"].sum() > 100
    assert_same(want, bionet.simulate(snn, images, 20 * ms, device=device, lanes=2, **options))


@pytest.mark.devices
def test_normal_numbers_are_the_same_in_cython():
    """Bit for bit; the whole network would compile fifty modules."""
    from brian2 import Network, NeuronGroup, prefs

    from bionet.running.compiler import COMPILE_ARGUMENTS

    names = ("codegen.target", "codegen.cpp.extra_compile_args_gcc")
    values, before = {}, {name: prefs[name] for name in names}
    try:
        prefs[names[1]] = list(COMPILE_ARGUMENTS)  # no fused multiplications and additions
        for target in ("numpy", "cython"):
            prefs.codegen.target = target
            functions = {
                "counter_uniform": COUNTER_UNIFORM,
                "counter_normal": COUNTER_NORMAL,
                "counter_normal_if": COUNTER_NORMAL_IF,
            }
            group = NeuronGroup(20000, "v : 1\nw : 1", namespace=functions, dtype=np.float64)
            group.run_regularly(
                "u = counter_uniform(5, 6, 78, i, 3, 21); v = counter_normal(5, 6, 78, i, 3, 21);"
                " w = counter_normal_if(5, 6, 78, i, 3, 21, int(u < 0.25))"
            )
            Network(group, *group.contained_objects).run(0.1 * ms)
            values[target] = np.asarray([group.v[:], group.w[:]])
    finally:
        for name in names:
            prefs[name] = before[name]
    np.testing.assert_array_equal(values["numpy"], values["cython"])
    v, w = values["cython"]
    assert np.abs(v).max() > 3.5  # the tail is among them
    assert 4800 < np.count_nonzero(w) < 5200
    np.testing.assert_array_equal(w[w != 0], v[w != 0])


def test_normal_numbers_of_a_step_are_those_of_their_formulas():
    """Against logarithm and cosine in double precision; their distribution; none is met twice."""
    from scipy import stats

    from bionet.brian.normal_numbers import standard_normal
    from bionet.equations.randomness import philox

    z = standard_normal(130, np.array([7, 9]), 3, 4, 5, 21).astype(float)
    unit, stream = np.arange(130), np.array([[7], [9]])
    words = philox((unit // 64 * 16 + unit % 16, np.array(5), stream, np.array(21)), (3, 4))
    pair = unit // 32 % 2 == 1
    a, b = (np.where(pair, words[k + 2], words[k]).astype(float) for k in (0, 1))
    radius = np.sqrt(-2 * np.log((np.floor(a / 2) + 0.5) / 2**31))
    # The lower 30 bits are signed, so the quarter turn is the next one where they are negative.
    angle = np.pi / 2 * (np.floor(b / 2**30) + (b % 2**30 / 2**30 + 0.5) % 1 - 0.5)
    turned = np.where(unit // 16 % 2 == 1, np.sin(angle), np.cos(angle))
    np.testing.assert_allclose(z, radius * turned, atol=3e-6)
    many = standard_normal(2000, np.arange(50), 3, 4, 6, 21)
    assert stats.kstest(many.ravel(), "norm").pvalue > 1e-4
    assert len(np.unique(many)) > 0.99 * many.size


def test_normal_numbers_are_those_of_the_quantile_function():
    from scipy import special, stats

    from bionet.equations.randomness import counter_uniform

    arguments = (3, 0, np.int32(77), np.arange(400)[:, None], np.arange(400)[None], 21)
    z, u = counter_normal(*arguments), counter_uniform(*arguments)
    np.testing.assert_allclose(z, special.ndtri(u + 2**-33), rtol=1e-6)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
