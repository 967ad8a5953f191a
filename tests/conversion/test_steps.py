"""The shared steps: folding, merging, scales, average pooling."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from bionet.conversion import (
    activation_scales,
    fold_batchnorm,
    normalise_weights,
    population_records,
    to_average_pooling,
    trace,
)
from bionet.conversion.steps import scales
from bionet.conversion.steps.layers import merge_linear, remove_flatten
from bionet.conversion.tracing.records import BatchNorm, Conv, Linear, ReLU, find
from bionet.errors import InputError


def evaluate(records, images):
    """The records one after the other, in float64."""
    values = {"input": torch.as_tensor(images).double()}
    for record in records:
        x = values[record.source]
        if isinstance(record, Conv):
            options = (record.stride, record.padding, record.dilation, record.groups)
            bias = record.bias if record.bias.ndim == 3 else record.bias.reshape(-1, 1, 1)
            x = F.conv2d(x, torch.tensor(record.weights), None, *options) + torch.tensor(bias)
        elif isinstance(record, Linear):
            x = F.linear(x.flatten(1), torch.tensor(record.weights), torch.tensor(record.bias))
        elif isinstance(record, BatchNorm):
            shape = (-1, *[1] * (x.ndim - 2))
            x = x * torch.tensor(record.scale).reshape(shape) + torch.tensor(record.shift).reshape(
                shape
            )
        else:
            assert isinstance(record, ReLU)
            x = x.relu()
        values[record.name] = x.relu() if record.rectified else x
    return values[records[-1].name].numpy()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    groups=st.integers(1, 3),
    channels=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
    affine=st.booleans(),
    before=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_folding_batch_normalisation_changes_nothing(
    groups, channels, stride, padding, dilation, bias, affine, before, seed, randomised
):
    n_in, n_out = groups * channels, groups * 2
    conv = nn.Conv2d(
        n_in, n_out, (3, 2), stride, padding, dilation=dilation, groups=groups, bias=bias
    )
    norm = nn.BatchNorm2d(n_in if before else n_out, affine=affine)
    net = randomised(nn.Sequential(*([norm, conv] if before else [conv, norm])), seed)
    records = fold_batchnorm(trace(net, (n_in, 7, 8)).records)
    assert [type(r) for r in records] == [Conv]
    images = np.random.default_rng(seed).normal(size=(2, n_in, 7, 8))
    with torch.no_grad():
        expected = net(torch.tensor(images)).numpy()
    np.testing.assert_allclose(evaluate(records, images), expected, rtol=1e-9, atol=1e-9)


def test_a_chain_of_normalisations_around_full_layers(randomised):
    net = randomised(
        nn.Sequential(
            nn.BatchNorm1d(4),
            nn.Linear(4, 5),
            nn.BatchNorm1d(5),
            nn.BatchNorm1d(5),
            nn.ReLU(),
            nn.BatchNorm1d(5),
            nn.Linear(5, 3, bias=False),
        )
    )
    records = fold_batchnorm(trace(net, (4,)).records)
    assert [r.name for r in records] == ["linear1", "relu4", "linear6"]
    images = np.random.default_rng(0).normal(size=(6, 4))
    with torch.no_grad():
        expected = net(torch.tensor(images)).numpy()
    np.testing.assert_allclose(evaluate(records, images), expected, rtol=1e-9)


def test_a_normalisation_of_maps_before_a_flatten_folds_into_the_full_layer(randomised):
    net = randomised(
        nn.Sequential(
            nn.Conv2d(1, 3, 2), nn.ReLU(), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(18, 2)
        )
    )
    records = fold_batchnorm(remove_flatten(trace(net, (1, 3, 4)).records))
    images = np.random.default_rng(0).normal(size=(6, 1, 3, 4))
    with torch.no_grad():
        expected = net(torch.tensor(images)).numpy()
    np.testing.assert_allclose(evaluate(records, images), expected, rtol=1e-9)


def test_normalisations_around_a_padded_convolution_and_its_pooling(randomised):
    """Every unit has a bias of its own, which the steps after it take along."""
    net = nn.Sequential(
        nn.BatchNorm2d(2), nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.AvgPool2d((2, 3), 2)
    )  # fmt: skip
    net = randomised(net, 4)
    (record,) = merge_linear(fold_batchnorm(trace(net, (2, 6, 9)).records))
    assert record.bias.shape == record.shape == (3, 3, 4)
    images = np.random.default_rng(0).normal(size=(2, 2, 6, 9))
    with torch.no_grad():
        expected = net(torch.tensor(images)).numpy()
    np.testing.assert_allclose(evaluate((record,), images), expected, rtol=1e-9)


def test_a_normalisation_before_padding_without_shift_leaves_one_bias_a_channel(randomised):
    net = randomised(nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3, padding=1)))
    with torch.no_grad():
        net[0].running_mean.zero_()
        net[0].bias.zero_()
    (record,) = fold_batchnorm(trace(net, (2, 4, 4)).records)
    assert record.bias.shape == (2,)


@pytest.mark.parametrize(
    ("pools", "negative"),
    [
        ([nn.AvgPool2d(2)], True),
        ([nn.MaxPool2d(2, 1, 1)], False),
        ([nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)], False),
    ],
)
def test_a_normalisation_before_a_pooling_folds_into_the_layer_after_it(
    pools, negative, randomised
):
    net = nn.Sequential(
        nn.Conv2d(1, 3, 2), nn.ReLU(), nn.BatchNorm2d(3), *pools, nn.Conv2d(3, 2, 1), nn.ReLU()
    )
    net = randomised(net, 2)
    net[2].weight.data.abs_()
    if negative:
        net[2].weight.data.neg_()
    images = torch.rand(5, 1, 7, 7, dtype=torch.float64)
    found = trace(net, (1, 7, 7))
    with torch.no_grad():
        expected = net(images)
        np.testing.assert_allclose(found.graph(images), expected, rtol=1e-9)
    kinds = [record.kind for record in fold_batchnorm(found.records)]
    assert "batch norm" not in str(kinds) and len(kinds) == 4 + len(pools)


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AvgPool2d(2, padding=1)])
def test_a_normalisation_that_a_pooling_does_not_let_through_is_a_map(pool, randomised):
    net = nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU(), nn.BatchNorm2d(3), pool, nn.Conv2d(3, 2, 1))
    net = randomised(net)
    net[2].weight.data.neg_() if (net[2].weight > 0).all() else None
    records = fold_batchnorm(trace(net, (1, 7, 7)).records)
    assert [record.kind for record in records][2] == "map"


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(2, 2, 3), nn.ReLU(), nn.BatchNorm2d(2), nn.AvgPool2d(2)],
        [nn.Conv2d(2, 2, 3), nn.ReLU(), nn.BatchNorm2d(2)],
        [nn.Conv2d(2, 2, 3), nn.Flatten(), nn.BatchNorm1d(8), nn.ReLU()],
    ],
)
def test_a_normalisation_beside_no_layer_is_a_map(layers):
    records = fold_batchnorm(remove_flatten(trace(nn.Sequential(*layers), (2, 4, 4)).records))
    assert "map" in [record.kind for record in records]


def test_linear_layers_in_a_row_become_one(randomised):
    net = randomised(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 5)))
    (record,) = merge_linear(trace(net, (3,)).records)
    assert record.name == "linear2"
    images = np.random.default_rng(0).normal(size=(6, 3))
    with torch.no_grad():
        expected = net(torch.tensor(images)).numpy()
    np.testing.assert_allclose(evaluate((record,), images), expected, rtol=1e-9)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    padding=st.integers(0, 2),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    pool=st.tuples(st.integers(1, 3), st.integers(2, 3)),
    pool_stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    divisor=st.sampled_from([None, 3]),
    groups=st.integers(1, 2),
)
def test_a_pooling_of_a_convolution_is_one_convolution(
    kernel, stride, padding, dilation, pool, pool_stride, divisor, groups, randomised
):
    conv = nn.Conv2d(2, 4, kernel, stride, padding, dilation, groups)
    net = randomised(nn.Sequential(conv, nn.AvgPool2d(pool, pool_stride, divisor_override=divisor)))
    (record,) = merge_linear(trace(net, (2, 15, 17)).records)
    images = np.random.default_rng(0).normal(size=(2, 2, 15, 17))
    with torch.no_grad():
        expected = net(torch.tensor(images)).numpy()
    assert record.name == "conv0"
    assert record.shape == expected.shape[1:]
    np.testing.assert_allclose(evaluate((record,), images), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "pool", [nn.AvgPool2d(2, padding=1), nn.AvgPool2d(2, stride=3, ceil_mode=True)]
)
def test_a_pooling_over_the_edge_of_a_convolution_stays_a_layer(pool):
    records = trace(nn.Sequential(nn.Conv2d(1, 2, 2), pool, nn.ReLU()), (1, 5, 5)).records
    with pytest.raises(
        InputError, match="layer '0'.* followed by layer '1'.*convert by rate, ttfs"
    ):
        population_records(records)
    names = [record.name for record in population_records(records, pairs=True)]
    assert names == ["conv0", "conv0_off", "pool1"]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 1)], "layer '0'.*followed by layer '1'.*put a ReLU"),
        ([nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)], "layer '0'.*followed by layer '2'"),
        ([nn.Flatten()], "no layers"),
    ],
)
def test_layers_without_a_relu_between_are_refused(layers, message):
    with pytest.raises(InputError, match=message):
        population_records(trace(nn.Sequential(*layers), (1, 4, 4)).records)


def test_a_relu_twice_is_one():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.ReLU(), nn.AvgPool2d(2), nn.ReLU())
    records = population_records(trace(net, (1, 4, 4)).records)
    assert [(r.name, r.node, r.rectified) for r in records] == [
        ("conv0", "_2", True),
        ("pool3", "_4", True),
    ]


@pytest.fixture
def traced(randomised):
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 6), nn.ReLU())
    return trace(randomised(net, seed=2), (1, 5, 6))


@pytest.mark.parametrize("percentile", [0.001, 37.5, 60, 99, 99.9, 100])
@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_streamed_percentiles_are_those_of_numpy(traced, percentile, batch_size):
    images = torch.rand(23, 1, 5, 6, generator=torch.Generator().manual_seed(1)) + 0.5
    records = population_records(traced.records)
    with torch.no_grad():
        values = traced.graph.get_submodule("0")(images.double()).relu().numpy()
    expected = np.percentile(values, percentile)
    if expected == 0:
        with pytest.raises(InputError, match=r"percentile .* of the activations of layer '0'.* is"):
            activation_scales(traced, records, images, percentile, batch_size=batch_size)
    else:
        records = records[:1]
        found = activation_scales(traced, records, images, percentile, batch_size=batch_size)
        assert found["conv0"] == pytest.approx(expected, rel=1e-12)


def test_a_tail_too_large_to_keep_is_measured_on_every_few_images(traced, monkeypatch):
    monkeypatch.setattr(scales, "MAX_KEPT", 200)
    images = torch.rand(40, 1, 5, 6, generator=torch.Generator().manual_seed(1))
    records = population_records(traced.records)[:1]
    # 40 images x 48 units x 40 % = 768 values, so every 4th image is used.
    expected = scales.activation_scales(traced, records, images[::4], 60)["conv0"]
    for batch_size in (1, 3, 100):
        found = activation_scales(traced, records, images, 60, batch_size=batch_size)
        assert found["conv0"] == expected


def test_a_silent_channel_gets_the_largest_scale_of_its_layer(traced):
    net = traced.graph
    with torch.no_grad():
        net.get_submodule("0").bias[2] = -100
    records = population_records(traced.records)
    found = activation_scales(traced, records, torch.rand(9, 1, 5, 6), 100, channelwise=True)
    assert found["conv0"].shape == (4,)
    assert found["conv0"][2] == found["conv0"].max()
    assert found["linear3"].shape == ()  # units of the output layer are compared with each other


@pytest.mark.parametrize("percentile", [0, -1, 101, float("nan")])
def test_a_percentile_out_of_range_is_refused(traced, percentile):
    records = population_records(traced.records)
    with pytest.raises(InputError, match="percentile must be (above 0 and at most 100|a number)"):
        activation_scales(traced, records, torch.rand(2, 1, 5, 6), percentile)


def test_normalised_weights_leave_the_records_alone(traced):
    records = population_records(traced.records)
    before = [record.weights.copy() for record in records]
    factors = {"input": np.array(1.0), "conv0": np.arange(1.0, 5), "linear3": np.array(2.0)}
    changed = normalise_weights(records, factors)
    for record, kept, new in zip(records, before, changed, strict=True):
        np.testing.assert_array_equal(record.weights, kept)
        assert not np.array_equal(new.weights, kept)
    # The Linear takes 4 channels of 12 units: the first 12 columns belong to channel 0.
    factor = np.repeat(np.arange(1.0, 5), 12) / 2
    np.testing.assert_allclose(changed[1].weights, before[1] * factor)
    with pytest.raises(InputError, match=r"\(relu\) has no weights to normalise"):
        normalise_weights((find(traced.records, "relu1"),), {"conv0": 1, "relu1": 1})


def test_max_pooling_is_replaced_in_a_copy():
    pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), pool, nn.Sequential(pool, nn.AdaptiveMaxPool2d(2)))
    copied = to_average_pooling(net)
    assert net[1] is pool
    assert copied.training
    for average in (copied[1], copied[2][0]):
        assert isinstance(average, nn.AvgPool2d)
        assert (average.kernel_size, average.stride, average.padding) == (3, 2, 1)
        assert average.ceil_mode
        assert not average.count_include_pad
    assert isinstance(copied[2][1], nn.AdaptiveAvgPool2d)
    images = torch.rand(2, 1, 12, 13)
    assert copied(images).shape == net(images).shape
    assert isinstance(to_average_pooling(pool.eval()), nn.AvgPool2d)
    assert not to_average_pooling(pool).training


def test_max_pooling_that_has_no_average_is_refused():
    with pytest.raises(InputError, match="MaxPool2d at layer '0' has dilation"):
        to_average_pooling(nn.Sequential(nn.MaxPool2d(2, dilation=2)))
    with pytest.raises(InputError, match="MaxPool2d at the network returns indices"):
        to_average_pooling(nn.MaxPool2d(2, return_indices=True))
