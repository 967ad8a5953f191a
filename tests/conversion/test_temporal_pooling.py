"""Ticking max pooling: the solver against a search over all combinations of spike steps."""

import itertools

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.conversion.temporal.ticking_pool import paper_constraint, pooling_weights


def spike_step(steps, weight, leak, bias):
    """What a temporal-coding unit with equal weights makes of its inputs' spike steps."""
    total = weight * (np.exp(np.array(steps) / leak) - bias).sum()
    return np.ceil(leak * np.log1p(total) - 1e-9)


def is_maximum(n, weight, leak, longest, bias=1, first=0):
    """Whether it is their maximum, for every combination of spike steps."""
    cases = itertools.combinations_with_replacement(range(longest + 1), n)
    return all(spike_step(c, weight, leak, bias) == max(c) for c in cases if max(c) >= first)


@pytest.mark.parametrize(("n", "leak", "longest"), [(2, 2, 3), (2, 1.3, 9), (4, 0.7, 9), (4, 5, 1)])
def test_the_weights_are_those_that_are_exact(n, leak, longest):
    low, high = pooling_weights(n, leak, longest)
    for weight in (low + 1e-6, (low + high) / 2, high):
        assert is_maximum(n, weight, leak, longest)
    assert not is_maximum(n, high + 1e-6, leak, longest)
    assert low == 0 or not is_maximum(n, low - 1e-6, leak, longest)


@pytest.mark.parametrize(("n", "leak", "longest"), [(2, 2, 4), (4, 10, 25), (9, 5, 3)])
def test_where_no_weight_exists_it_is_said(n, leak, longest):
    with pytest.raises(bionet.InputError, match="does not exist for L"):
        pooling_weights(n, leak, longest)
    assert not any(is_maximum(n, w, leak, longest) for w in np.linspace(0, 1, 101))


@pytest.mark.parametrize(("n", "leak"), [(2, 2), (4, 10), (4, 0.5)])
def test_the_papers_constraint_without_a_bias_neuron(n, leak):
    for step in range(1, 7):
        found = any(
            all(
                spike_step(c, w, leak, bias=0) == step
                for c in itertools.product(range(step + 1), repeat=n)
                if max(c) == step
            )
            for w in np.linspace(0, 1 / n, 4001)
        )
        assert found == paper_constraint(n, leak, step), step
        assert all(spike_step([0] * n, w, leak, bias=0) > 0 for w in (1e-6, 0.1))


def pooled_network(pool):
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(pool), nn.Flatten(), nn.LazyLinear(3)
    )


def test_a_network_with_a_ticking_max_pooling():
    net = pooled_network((1, 2))
    images = np.random.default_rng(0).uniform(size=(3, 1, 6, 6)).astype(np.float32)
    net(torch.from_numpy(images))
    options = {"calibration": images, "leak": 2 * ms, "rounding": "up"}
    runs = [
        bionet.simulate(
            bionet.convert(net, "tdsnn", max_pooling=kind, **options), images, device="numpy"
        )
        for kind in ("last-spike", "ticking")
    ]
    one, other = (run.spike_steps["maxpool2"] for run in runs)
    assert one.max() > 0
    np.testing.assert_array_equal(one, other)
    assert "maxpool2" in runs[1].releases and "maxpool2" not in runs[0].releases


def test_a_network_whose_pool_has_no_weights_is_refused():
    net = pooled_network(2)
    images = np.ones((1, 1, 6, 6), dtype=np.float32)
    net(torch.from_numpy(images))
    with pytest.raises(bionet.InputError, match="max_pooling='last-spike'"):
        bionet.convert(net, "tdsnn", images, leak=10 * ms, max_pooling="ticking", margin=20)
    with pytest.raises(bionet.InputError, match="needs rounding='up'"):
        bionet.convert(net, "tdsnn", images, max_pooling="ticking", rounding="nearest")
    with pytest.raises(bionet.InputError, match="mode='compensate'"):
        bionet.convert(net, "tdsnn", images, mode="finetune", max_pooling="ticking")
