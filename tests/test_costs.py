"""Operation counts against a count by hand."""

import math

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.results.costs import ADD, MULTIPLY, network_operations, operations


@pytest.fixture(scope="module")
def temporal():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    images = np.random.default_rng(1).uniform(size=(3, 5))
    snn = bionet.convert(net, "tdsnn", images, leak=10 * ms)
    return snn, bionet.simulate(snn, images, device="numpy")


def test_operations_of_a_temporal_network(temporal):
    snn, run = temporal
    found = operations(snn, run)
    first, second = (layer.window for layer in snn.code.layers)
    weights = 5 * 4 + 4 * 3 + 4 * 3  # the output layer and the readout
    biases = 4 + 3 + 3
    starts = 2 + 2  # onset and first release, into a bias neuron and a clock each
    releases = 4 + 3
    assert found.additions == weights + biases + starts + releases
    assert found.ticks == 4 * second  # the output layer does not tick: the presentation is over
    spiked = run.spike_steps["linear0"].sum(axis=1).mean()
    assert math.isclose(found.leaks, 4 * first + spiked + 3 * second + 3 * second)
    assert found.simulated_leaks == (4 + 3 + 3) * run.n_steps
    assert found.network == 2 * (20 + 12)
    assert found.network_macs == 32
    assert found.latency == first + second + 1
    assert found.saved == 1 - found.total / 64
    assert math.isclose(
        found.energy, 1e-6 * (ADD * (found.additions + found.ticks) + MULTIPLY * found.leaks)
    )
    assert math.isclose(found.network_energy, 1e-6 * 32 * (ADD + MULTIPLY))


def test_an_average_pooling_adds_and_multiplies_once():
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3)
    )
    snn = bionet.convert(net, "rate", np.ones((1, 1, 4, 4), dtype=np.float32))
    taps = 2 * 10 * 10  # of a padded 3 x 3 kernel on 4 x 4 pixels, for two channels
    total, macs = network_operations(snn)
    assert macs == taps + 24
    assert total == 2 * macs + 2 * 16 + 8


def test_a_network_without_a_source_is_refused(tiny):
    with pytest.raises(bionet.InputError, match="source network is not known"):
        network_operations(tiny)
