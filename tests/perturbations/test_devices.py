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
            record={"conv2": ["spikes", "v"], "input_relay2": ["spikes"]},
        )
        for device, lanes in (("numpy", 7), ("cpp_standalone", 3))
    )  # fmt: skip
    assert want.counts["conv2"].sum() > 20
    assert_same(want, found)


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


def test_normal_numbers_are_those_of_the_quantile_function():
    from scipy import special, stats

    from bionet.equations.randomness import counter_uniform

    arguments = (3, 0, np.int32(77), np.arange(400)[:, None], np.arange(400)[None], 21)
    z, u = counter_normal(*arguments), counter_uniform(*arguments)
    np.testing.assert_allclose(z, special.ndtri(u + 2**-33), rtol=1e-6)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
