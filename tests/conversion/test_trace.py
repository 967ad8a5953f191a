"""Tracing: every operation becomes a record or is refused by its name and place."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from bionet.conversion import activations, convert, trace
from bionet.conversion.steps.layers import population_records
from bionet.conversion.tracing.records import AveragePool, Conv, Linear, Record, ReLU, find
from bionet.errors import InputError


def forward(function, **modules):
    """A module of the given parts whose forward is a function of (module, x)."""
    body = {"forward": lambda self, x: function(self, x)}
    net = type("Net", (nn.Module,), body)()
    for name, module in modules.items():
        setattr(net, name, module)
    return net


def names(net, shape):
    return [(record.name, type(record).__name__) for record in trace(net, shape).records]


def test_records_are_named_after_modules_and_nodes():
    net = forward(
        lambda self, x: self.head(F.relu(self.features(x)).flatten(1)),
        features=nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)),
        head=nn.Linear(8, 3),
    )
    assert names(net, (1, 4, 4)) == [
        ("features_0", "Conv"),
        ("features_1", "BatchNorm"),
        ("relu", "ReLU"),
        ("flatten", "Flatten"),
        ("head", "Linear"),
    ]


def test_a_name_that_is_no_identifier_gets_its_kind_and_reserved_ones_a_number():
    assert names(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), (2,))[0] == ("linear0", "Linear")
    net = forward(lambda self, x: self.readout(x), readout=nn.Linear(2, 2))
    assert names(net, (2,)) == [("readout_2", "Linear")]
    assert convert(net, input_shape=(2,), normalisation=None).names == (
        "input",
        "readout_2",
        "readout",
    )


def test_modules_used_twice_have_two_names():
    net = forward(
        lambda self, x: self.fc(self.act(self.fc(self.act(self.fc(x))))),
        fc=nn.Linear(3, 3),
        act=nn.ReLU(),
    )
    found = [name for name, _ in names(net, (3,))]
    assert found == ["fc", "act", "fc_2", "act_2", "fc_3"]
    snn = convert(net, input_shape=(3,), normalisation=None)
    assert snn.names == ("input", "fc", "fc_2", "fc_3", "readout")


MEANS = {
    "dims": lambda x: x.mean((2, 3)),
    "function, negative dims": lambda x: torch.mean(x, [-1, -2]),
    "kept dims": lambda x: x.mean(dim=(2, 3), keepdim=True).flatten(1),
}


@pytest.mark.parametrize("kind", MEANS)
def test_a_mean_over_height_and_width_is_global_average_pooling(kind):
    net = forward(
        lambda self, x: self.fc(MEANS[kind](F.relu(self.conv(x)))),
        conv=nn.Conv2d(1, 2, 3),
        fc=nn.Linear(2, 3),
    )
    kinds = [kind for _, kind in names(net, (1, 6, 5))]
    assert kinds == ["Conv", "ReLU", "AveragePool", "Flatten", "Linear"]
    pool = trace(net, (1, 6, 5)).records[2]
    assert isinstance(pool, AveragePool) and pool.pool == (4, 3)
    images = torch.rand(2, 1, 6, 5)
    torch.testing.assert_close(trace(net, (1, 6, 5)).graph(images), net(images))


def test_dropout_identity_and_pools_of_one_unit_leave_no_record():
    net = nn.Sequential(
        nn.Dropout(), nn.Identity(), nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d((2, 4)), nn.ReLU()
    )
    assert names(net, (1, 4, 6)) == [("conv2", "Conv"), ("relu4", "ReLU")]


def test_the_source_network_is_not_changed():
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8, 2)
    )
    net[1].running_mean.fill_(0.3)
    net[3].eval()
    images = np.random.default_rng(0).random((5, 1, 4, 4), dtype=np.float32)
    before, kept = copy.deepcopy(net.state_dict()), images.copy()
    snn = convert(net, calibration=images)
    activations(net, images, snn)
    assert [m.training for m in net] == [True, True, True, False, True]
    assert net.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.requires_grad for p in net.parameters())
    np.testing.assert_array_equal(images, kept)
    record = trace(net, (1, 4, 4)).records[0]
    record.weights[:] = 0
    assert torch.equal(net[0].weight, before["0.weight"])


def test_an_in_place_relu_on_the_input_leaves_the_images_alone():
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 2))
    images = np.array([[0.5, 0.2]])
    tensor = torch.tensor(images)
    convert(net.double(), calibration=tensor)
    activations(net, -tensor, {"relu": "_0"})
    np.testing.assert_array_equal(tensor.numpy(), images)


def test_global_pooling_by_the_shape_of_the_map():
    net = forward(
        lambda self, x: self.fc(F.avg_pool2d(self.conv(x).relu(), x.shape[2:]).reshape(-1, 2)),
        conv=nn.Conv2d(1, 2, 3, padding=1),
        fc=nn.Linear(2, 2),
    )
    pool = find(trace(net, (1, 4, 6)).records, "avg_pool2d")
    assert isinstance(pool, AveragePool)
    assert (pool.pool, pool.shape) == ((4, 6), (2, 1, 1))


def test_functional_layers_with_parameters_of_their_own():
    net = forward(
        lambda self, x: F.linear(
            F.conv2d(x, self.weight * self.mask, stride=2).relu().flatten(1), self.full, self.bias
        )
    )
    net.weight = nn.Parameter(torch.randn(3, 1, 2, 2))
    net.register_buffer("mask", (torch.rand(3, 1, 2, 2) > 0.5).float())
    net.full, net.bias = nn.Parameter(torch.randn(2, 12)), nn.Parameter(torch.randn(2))
    conv, relu, _, full = trace(net, (1, 4, 4)).records
    assert isinstance(conv, Conv)
    assert isinstance(relu, ReLU)
    assert isinstance(full, Linear)
    assert conv.stride == (2, 2)
    np.testing.assert_allclose(conv.weights, (net.weight * net.mask).detach().numpy())
    np.testing.assert_allclose(full.bias, net.bias.detach().numpy())


def test_a_parametrised_layer_is_its_effective_weights():
    layer = torch.nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    (record,) = trace(nn.Sequential(layer), (3,)).records
    np.testing.assert_allclose(record.weights, layer.weight.detach().numpy(), rtol=1e-6)


def test_half_precision_networks_are_converted_in_single_precision():
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU()).half()
    assert trace(net, (3,)).graph(torch.zeros(2, 3)).dtype == torch.float32


@pytest.mark.parametrize("size", [(2, 2), (3, 4), (4, 5), (1, 6)])
@pytest.mark.parametrize("dilation", [1, (2, 3), 3])
def test_same_padding_of_even_and_odd_kernels(size, dilation):
    layer = nn.Conv2d(2, 3, size, padding="same", dilation=dilation).double()
    record = trace(nn.Sequential(layer), (2, 9, 11)).records[0]
    assert isinstance(record, Conv)
    images = torch.randn(2, 2, 9, 11, dtype=torch.float64)
    weights, bias = torch.tensor(record.weights), torch.tensor(record.bias)
    found = F.conv2d(images, weights, bias, 1, record.padding, record.dilation)
    torch.testing.assert_close(found, layer(images), rtol=1e-10, atol=1e-10)


CONV = {"conv": nn.Conv2d(1, 2, 3, padding=1)}
CLASSES = {"fc": nn.Linear(4, 2)}


def branch_on_data(self, x):
    return self.fc(x) if x.sum() > 0 else x


def unused(self, x):
    F.relu_(x)
    return self.fc(x)


def normalised_without_statistics():
    return nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False))


class PoolBeforeRelu(nn.Module):
    """As Caffe's cifar10_quick: the ReLU follows the max pooling."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.relu = nn.ReLU()

    def forward(self, x):
        return F.max_pool2d(F.relu(self.relu(self.pool(self.conv(x)))), 2, 1)


def test_relu_and_max_pooling_change_places():
    net = PoolBeforeRelu().double()
    traced = trace(net, (1, 9, 12))
    assert [r.kind for r in traced.records] == ["conv", "relu", "relu", "maxpool", "maxpool"]
    pool = traced.records[3]
    assert (pool.pool, pool.stride, pool.padding) == ((3, 3), (2, 2), (1, 1))
    assert pool.ceil_mode
    images = torch.randn(3, 1, 9, 12, dtype=torch.float64)
    torch.testing.assert_close(traced.graph(images), net(images), rtol=0, atol=0)


def test_a_method_without_max_pooling_refuses_it_by_name():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    records = trace(net, (1, 6, 6)).records
    with pytest.raises(InputError, match="max pooling at layer '2'.*to_average_pooling"):
        population_records(records)
    assert [r.kind for r in population_records(records, max_pooling=True)] == ["conv", "maxpool"]


REFUSED = [
    (
        nn.Sequential(forward(lambda s, x: F.gelu(x))),
        "gelu at node 'gelu' in the forward of '0'.*write torch.relu in its place",
    ),
    (nn.Sequential(nn.Sequential(nn.ELU())), r"ELU at layer '0.0' .*to_relu.*train that on"),
    (nn.Sequential(nn.Sigmoid(), nn.Flatten()), "Sigmoid at layer '0'.*to_relu"),
    (
        nn.Sequential(nn.Threshold(0.5, 0.0)),
        "Threshold at layer '0'.*write torch.relu in its place",
    ),
    (nn.Sequential(nn.GroupNorm(1, 1)), "GroupNorm at layer '0'.*BatchNorm2d"),
    (forward(lambda s, x: s.conv(x) * s.conv(x), **CONV), "mul at node 'mul'.*without gates"),
    (forward(lambda s, x: x.std(1)), r"tensor.std at .*statistics differ for every image"),
    (forward(lambda s, x: x * x), "mul at node 'mul'.*cannot be converted"),
    (forward(lambda s, x: torch.fft.fft(x)), "fft_fft at node 'fft_fft'.*no affine map"),
    (forward(lambda s, x: x.item()), "does not fit at node 'item'|tensor.item at node"),
    (
        forward(lambda s, x: F.linear(s.head.weight, x.flatten(1)), head=nn.Linear(16, 2)),
        r"linear at node 'linear'.*shape \(2, 3\); keep the batch dimension",
    ),
    (forward(lambda s, x: x.flatten(0)), r"shape \(48,\); keep the batch dimension: x.flatten"),
    (forward(lambda s, x: x.view(-1, 8)), r"shape \(6, 8\); keep the batch dimension"),
    (
        forward(lambda s, x: x.view(3, 4, 4)),
        "view at .*one batch size only; keep the",
    ),
    (forward(unused, **CLASSES), "relu_ at node.*its result is not used.*in place"),
    (forward(lambda s, x: F.dropout(x)), "dropout at .*drops units in evaluation too"),
    (nn.Sequential(nn.Softmax(1), nn.Flatten()), "Softmax at layer '0'.*only a softmax at the ve"),
    (nn.Sequential(nn.Flatten(), nn.Softmax(0)), "Softmax at layer '1'.*over dim=0"),
    (normalised_without_statistics(), "BatchNorm2d at .*has no running statistics"),
    (nn.Sequential(nn.AvgPool2d(2, divisor_override=-1)), "divisor_override is -1"),
    (nn.Sequential(nn.Flatten(), nn.Linear(15, 2)), "input_shape .* does not fit at layer '1'"),
    (nn.Sequential(nn.Conv2d(3, 2, 3)), r"input_shape \(1, 4, 4\) does not fit at layer '0'"),
    (nn.Sequential(nn.LazyLinear(3)), "Sequential has lazy layers without weights; run it once"),
    (
        forward(branch_on_data, **CLASSES),
        r"cannot trace Net \(torch.export neither\): .*control flow.*; write",
    ),
    (forward(lambda s, x: (x, x)), "returns more than one tensor"),
    (forward(lambda s, x: x), "Net has no layers to convert"),
    (np.ones(3), "net must be a torch.nn.Module, but is a ndarray"),
]


@pytest.mark.parametrize(("net", "message"), REFUSED, ids=[m[:40] for _, m in REFUSED])
def test_what_has_no_conversion_is_refused_with_name_place_and_remedy(net, message):
    with pytest.raises(InputError, match=message) as caught:
        trace(net, (1, 4, 4))
    assert "\n" not in str(caught.value)


def test_more_than_one_input():
    class Two(nn.Module):
        def forward(self, x, y):
            return x

    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)

        def forward(self, x, y=None):
            return self.fc(x)

    with pytest.raises(InputError, match=r"the forward of Two takes 2 inputs \(x, y\)"):
        trace(Two(), (2,))
    assert len(trace(Unused(), (2,)).records) == 1


def test_a_network_that_cannot_be_copied():
    net = nn.Linear(2, 2)
    net.weight_copy = net.weight * 1  # has a history, which a copy would lose
    with pytest.raises(InputError, match="Linear cannot be copied: .*deepcopy.*prune.remove"):
        trace(net, (2,))


@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
def test_a_layer_with_a_hook_is_named(register):
    net = nn.Sequential(nn.Linear(2, 2))
    handle = getattr(net[0], register)(lambda *_: None)
    with pytest.raises(InputError, match=r"layer '0' \(Linear\) has a forward hook.*remove"):
        trace(net, (2,))
    handle.remove()
    assert len(trace(net, (2,)).records) == 1


def test_a_pruned_network_is_refused_until_the_pruning_is_permanent():
    net = nn.Sequential(nn.Linear(2, 2))
    prune.l1_unstructured(net[0], "weight", amount=1)
    with pytest.raises(InputError, match="has a forward hook"):
        trace(net, (2,))
    prune.remove(net[0], "weight")
    assert (trace(net, (2,)).records[0].weights == 0).sum() == 1


def test_weights_that_are_not_finite_are_named():
    net = nn.Sequential(nn.Linear(2, 2))
    with torch.no_grad():
        net[0].bias[0] = float("nan")
    with pytest.raises(InputError, match="the bias of Linear at layer '0'.*NaN or infinity"):
        trace(net, (2,))


def test_a_forward_for_one_batch_size_is_named():
    net = forward(lambda self, x: self.fc(x.view(3, -1)), fc=nn.Linear(4, 2))
    with pytest.raises(InputError, match="fails on a batch of 4 images.*any batch size"):
        convert(net, calibration=np.ones((4, 1, 2, 2)))


def test_activations_of_another_network_or_none():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    snn = convert(net, input_shape=(2,), normalisation=None)
    with pytest.raises(InputError, match="the network has no node '_1'; pass the network that was"):
        activations(nn.Sequential(nn.Linear(2, 2)), np.ones((1, 2)), snn)
    with pytest.raises(InputError, match="the network is named in no activations"):
        activations(net, np.ones((1, 2)), {})
    with pytest.raises(InputError, match=r"images must have the shape \(n, \*\(2,\)\)"):
        activations(net, np.ones((1, 3)), snn)


def test_activations_in_batches_are_those_at_once():
    net = nn.Sequential(nn.Linear(2, 5), nn.ReLU(inplace=True), nn.Linear(5, 3))
    snn = convert(net, input_shape=(2,), normalisation=None)
    images = np.random.default_rng(0).random((25, 2))
    together = activations(net, images, snn)
    parts = activations(net, images, snn, batch_size=7)
    assert {name: value.dtype for name, value in together.items()}["linear0"] == np.float32
    for name, value in together.items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-5, atol=1e-6)
    # Before the in-place ReLU: the values must be copied before it overwrites them.
    assert activations(net, images, {"sum": "_0"})["sum"].min() < 0


def test_a_record_without_synapses_or_with_two_inputs_says_so():
    base = {"name": "a", "shape": (2,), "node": "a", "place": "layer 'a'"}
    with pytest.raises(InputError, match=r"layer 'a' \(relu\) has no synapses of its own"):
        _ = ReLU(inputs=("input",), **base).kernel
    with pytest.raises(InputError, match="layer 'a' has 2 inputs, expected one"):
        _ = Record(inputs=("b", "c"), **base).source
    with pytest.raises(InputError, match="no record is called 'z'; there are a"):
        find((ReLU(inputs=("input",), **base),), "z")
