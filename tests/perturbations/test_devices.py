"""Perturbed networks spike alike on every device."""

import numpy as np
import pytest
from brian2 import Hz, ms

import bionet
from bionet import perturbations as pb
from bionet.randomness import counter_normal

EVERYTHING = [
    pb.SpikeTimeJitter(1 * ms, slots=6),
    pb.TransmissionDelay(1 * ms, spread=0.5, slots=6),
    pb.SynapticFailure(0.1),
    pb.BackgroundSpikes(20 * Hz),
    pb.MembraneNoise(0.1),
    pb.MembraneLeak(5 * Hz),
    pb.RefractoryPeriod(2 * ms),
    pb.ThresholdSpread(0.1),
    pb.DeadUnits(0.1),
    pb.WeightNoise(0.1),
]


@pytest.mark.slow
def test_spikes_are_the_same_on_every_device(four_layers, four_layer_images, assert_same):
    snn = bionet.perturb(four_layers, EVERYTHING, seed=1, coding="poisson")
    runs = [
        bionet.simulate(
            snn, four_layer_images, 30 * ms, device=device, lanes=lanes, dtype=dtype,
            record={"conv2": ["spikes", "v"], "input_relay2": ["spikes"]},
        )
        for device, lanes, dtype in (
            ("numpy", 7, "float64"), ("cpp_standalone", 3, "float64"), ("cython", 2, "float64"),
        )
    ]  # fmt: skip
    assert runs[0].counts["conv2"].sum() > 20
    for other in runs[1:]:
        assert_same(runs[0], other)


def test_normal_numbers_are_those_of_the_quantile_function():
    from scipy import special, stats

    from bionet.randomness import counter_uniform

    arguments = (np.int32(77), np.arange(400)[:, None], np.arange(400)[None], 21)
    z, u = counter_normal(*arguments), counter_uniform(*arguments)
    np.testing.assert_allclose(z, special.ndtri(u + 2**-33), rtol=1e-6)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
