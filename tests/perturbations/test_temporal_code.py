"""Perturbations of a network whose units spike once: units are perturbed, clocks are not."""

import math

import numpy as np
import pytest
import torch
from brian2 import Hz, ms
from torch import nn

import bionet
from bionet import perturbations as pb
from bionet.errors import InputError
from bionet.network import Perturbed
from bionet.perturbations.base import circuit, median_threshold

LEAK = 6


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).random((12, 1, 4, 4), dtype=np.float32)


def converted(images, **options):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
    return bionet.convert(net, "tdsnn", images, leak=LEAK * ms, rounding="nearest", **options)


@pytest.fixture(scope="module")
def snn(images):
    return converted(images)


def run(snn, images):
    return bionet.simulate(snn, images, device="numpy", dtype="float64")


def test_the_circuit_is_what_stands_for_no_layer(snn):
    assert circuit(snn) == {
        "onset", "linear1_bias", "linear1_tick", "linear3_bias", "linear3_tick",
    }  # fmt: skip
    assert circuit(bionet.perturb(snn, [pb.TransmissionDelay(0 * ms)])) == circuit(snn)


@pytest.mark.parametrize(
    "perturbation",
    [
        pb.MembraneNoise(0.5),
        pb.ThresholdSpread(0.5),
        pb.DeadUnits(1.0),
        pb.SynapticFailure(1.0),
        pb.BackgroundSpikes(50 * Hz),
        pb.WeightNoise(0.5),
        pb.WeightQuantisation(2),
        pb.SpikeTimeJitter(1 * ms),
        pb.TransmissionDelay(1 * ms),
    ],
    ids=lambda p: p.name,
)
def test_every_layer_is_still_released_on_time(snn, images, perturbation):
    disturbed = bionet.perturb(snn, [perturbation], seed=1)
    for name in circuit(snn):
        assert disturbed.population(name) == snn.population(name)
    before, after = run(snn, images), run(disturbed, images)
    for layer, steps in before.releases.items():
        np.testing.assert_array_equal(after.releases[layer], steps)
    assert (after.output_potential != before.output_potential).any()


def test_levels_relate_to_what_stands_for_an_activation_of_1(snn):
    windows = {layer.name: layer.window for layer in snn.code.layers}
    for name, window in windows.items():
        scale = median_threshold(snn, snn.population(name))
        assert scale == pytest.approx(math.exp(-window / LEAK))
    noisy = bionet.perturb(snn, [pb.MembraneNoise(0.25)])
    sigma = noisy.population("linear1").parameters["sigma_noise"]
    assert float(sigma) * 1e-3**0.5 == pytest.approx(0.25 * math.exp(-windows["linear1"] / LEAK))
    spread = bionet.perturb(snn, [pb.ThresholdSpread(0.3)])
    theta = spread.population("linear1").parameters["theta"]
    assert np.unique(theta).size == 8
    again = bionet.perturb(snn, [pb.ThresholdSpread(0.6)]).population("linear1").parameters["theta"]
    own = snn.population("linear1").parameters["theta"]
    np.testing.assert_allclose(again - own, 2 * (theta - own))


def test_a_late_spike_is_a_result_of_a_perturbation_and_else_a_mistake(images):
    snn = converted(0.05 * images, margin=1.0)  # windows too short for these images
    with pytest.raises(InputError, match="spike after the window"):
        run(snn, images)
    shown = pb.noted(snn, [pb.Contrast(0.0)])
    assert run(shown, images).n_images == len(images)
    assert shown.perturbations == (Perturbed("contrast", 0.0, "1", 0),)
    assert pb.noted(snn, []) is snn


def test_another_step_is_refused(snn):
    with pytest.raises(InputError, match="time_step: the windows of a temporal code are for its"):
        bionet.perturb(snn, [pb.CoarserTimeStep(2 * ms)])


def test_double_thresholds_spread_together():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.LeakyReLU(0.5), nn.Linear(8, 3))
    snn = bionet.convert(net, "augmapping", input_shape=(1, 4, 4))
    spread = bionet.perturb(snn, [pb.ThresholdSpread(0.3)])
    up, down = (spread.population("linear1").parameters[name] for name in ("theta_p", "theta_n"))
    assert np.unique(up).size == 8
    np.testing.assert_allclose(down, -2 * up)
    assert median_threshold(snn, snn.population("linear1")) == 1
