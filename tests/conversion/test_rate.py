"""The rate conversion: the source network when read as a ReLU network, and as spikes in time."""

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn
from torch.nn import functional as F

import bionet
from bionet.conversion import METHODS, activations, convert, options
from bionet.errors import InputError
from bionet.network import Readout, SpikingNetwork


class FunctionalNet(nn.Module):
    """Own forward, functional operations, non-square images, many channels before the Linear."""

    def __init__(self, flatten="view"):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, (3, 2), stride=(1, 2), padding=(1, 0))
        self.norm1 = nn.BatchNorm2d(6)
        self.block = nn.ModuleDict({"conv": nn.Conv2d(6, 9, 3, padding=2, dilation=2, groups=3)})
        self.fc1 = nn.Linear(9 * 5 * 3, 20)
        self.norm2 = nn.BatchNorm1d(20)
        self.fc2 = nn.Linear(20, 4)
        self.flatten = flatten

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.avg_pool2d(x, 2)
        x = torch.relu(self.block["conv"](x))
        if self.flatten == "view":
            x = x.view(x.size(0), -1)
        elif self.flatten == "reshape":
            x = x.reshape(-1, x.shape[1] * x.shape[2] * x.shape[3])
        elif self.flatten == "method":
            x = x.flatten(1)
        else:
            x = torch.flatten(x, start_dim=1)
        x = F.dropout(self.norm2(self.fc1(x)).relu(), training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


def classic():
    """A Sequential with each supported module, a 5 x 3 map of 7 channels before the Linear."""
    return nn.Sequential(
        nn.Identity(),
        nn.Conv2d(2, 6, 3, padding="same"),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.AvgPool2d((2, 3), stride=(2, 2), padding=(1, 1), count_include_pad=False),
        nn.Dropout2d(),
        nn.Conv2d(6, 7, (2, 1), padding="valid", bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d((5, 3)),
        nn.Flatten(),
        nn.Linear(7 * 5 * 3, 5),
        nn.Softmax(dim=1),
    )


def normalised():
    """Normalisations on the input, before padding and before a pooling."""
    return nn.Sequential(
        nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(),
        nn.BatchNorm2d(4), nn.AvgPool2d(2), nn.Conv2d(4, 5, 3, padding=2, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(5 * 4 * 4, 3),
    )  # fmt: skip


NETS = {
    "sequential": (classic, (2, 10, 12)),
    "normalised": (normalised, (2, 10, 11)),
    **{
        f"functional, {kind}": (lambda kind=kind: FunctionalNet(kind), (3, 10, 12))
        for kind in ("view", "reshape", "method", "function")
    },
    "vector": (lambda: nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 3)), (7,)),
    "flatten first": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(24, 9), nn.ReLU(), nn.Linear(9, 3)),
        (2, 3, 4),
    ),
    "ends in ReLU": (
        lambda: nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 3), nn.ReLU()),
        (7,),
    ),
    "ends in a global pooling": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, bias=False),
            nn.ReLU(),
            nn.Conv2d(4, 3, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ),
        (1, 6, 8),
    ),
    "ends in a pooling of ReLU": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d((4, 6)), nn.Flatten()),
        (1, 6, 8),
    ),
    "pooling before ReLU": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, (3, 2), stride=(1, 2), dilation=(2, 1), padding=1),
            nn.AvgPool2d((2, 3), stride=(2, 1)),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(4 * 4 * 3, 3),
        ),
        (1, 10, 9),
    ),
    "flatten before ReLU": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.ReLU(), nn.Linear(4 * 4 * 2, 3)),
        (1, 6, 4),
    ),
    "two linear layers in a row": (
        lambda: nn.Sequential(nn.Linear(7, 4), nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 3)),
        (7,),
    ),
    "pooling on the input": (
        lambda: nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2 * 3 * 2, 3)),
        (2, 6, 4),
    ),
    "sum pooling": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.ReLU(),
            nn.AvgPool2d(2, divisor_override=1),
            nn.Flatten(),
            nn.Linear(4 * 2 * 3, 3),
        ),
        (1, 6, 8),
    ),
    "pools over the edge": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 2),
            nn.ReLU(),
            nn.AvgPool2d(3, stride=2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(4 * 3 * 4, 3),
        ),
        (1, 7, 9),
    ),
}


def images_of(shape, n=16, seed=1):
    return np.random.default_rng(seed).random((n, *shape))


def in_source_units(snn, values):
    """Population values times their scale: what the source network computes."""
    scales = snn.scales
    result = {}
    for name, value in values.items():
        scale = np.asarray(scales[name])
        result[name] = (
            value * scale.reshape(-1, *[1] * (value.ndim - 2)) if scale.ndim else (value * scale)
        )
    return result


@pytest.mark.parametrize("channelwise", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_read_as_a_relu_network_it_is_the_source_network(
    name, channelwise, randomised, as_relu_network
):
    make, shape = NETS[name]
    net = randomised(make())
    images = images_of(shape)
    snn = convert(net, calibration=images, input_shape=shape, channelwise=channelwise)

    values = as_relu_network(snn, images)
    values.pop("input")
    found = in_source_units(snn, values)

    expected = activations(net, images, snn)
    assert expected.keys() == found.keys()
    for population in snn.names[1:]:
        target = expected[population]
        value = found[population]
        if population != "readout":
            target = np.maximum(target, 0)
        elif name == "ends in ReLU":
            value = np.maximum(value, 0)
        np.testing.assert_allclose(value, target, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", NETS)
def test_the_largest_readout_potential_is_the_largest_class_score(
    name, randomised, as_relu_network
):
    make, shape = NETS[name]
    net = randomised(make(), seed=3)
    images = images_of(shape, n=50, seed=4)
    snn = convert(net, calibration=images, input_shape=shape, channelwise=True)
    scores = as_relu_network(snn, images)["readout"].reshape(50, -1)
    with torch.no_grad():
        expected = net(torch.tensor(images)).reshape(50, -1).numpy()
    clear = np.abs(expected).max(axis=1) > 0  # a final ReLU may leave nothing to compare
    assert clear.any()
    np.testing.assert_array_equal(scores.argmax(1)[clear], expected.argmax(1)[clear])


def small_net(randomised, bias=True):
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3, bias=bias),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(5 * 2 * 3, 8, bias=bias),
        nn.ReLU(),
        nn.Linear(8, 4, bias=bias),
    )
    return randomised(net, seed=5)


def test_rates_are_activations_up_to_one_spike_in_the_first_layer(randomised, simulated):
    net, images = small_net(randomised), images_of((2, 6, 8), n=4)
    snn = convert(net, calibration=images, input_shape=(2, 6, 8), normalisation="max")
    steps = 400
    counts, potential = simulated(snn, images, steps)
    expected = activations(net, images, snn)
    scales = snn.scales
    first = snn.names[1]
    error = counts[first] / steps - expected[first] / scales[first]
    # float32 activations may lie on the other side of a whole number of spikes.
    assert np.abs(error).max() <= 1 / steps + 1e-6
    for name in snn.names[1:-1]:
        rate, activation = counts[name] / steps, np.maximum(expected[name], 0) / scales[name]
        np.testing.assert_allclose(rate, activation, atol=20 / steps)
    score = potential["readout"] / steps * scales["readout"]
    np.testing.assert_allclose(score, expected["readout"], atol=20 / steps)


def test_rates_obey_the_network_up_to_the_potential_left(randomised, simulated, driven):
    """Rueckauer et al. 2016, Eq. 6: r = W r_before + b - v(T) / T, saturated or not."""
    net, images = small_net(randomised), images_of((2, 6, 8), n=3)
    snn = convert(net, input_shape=(2, 6, 8), normalisation=None)
    steps = 50
    counts, potential = simulated(snn, images, steps)
    rates = {"input": images, **{name: count / steps for name, count in counts.items()}}
    for name in snn.names[1:]:
        expected = driven(snn, name, rates) - potential[name] / steps
        np.testing.assert_allclose(rates[name], expected, atol=1e-12)


def test_reset_to_zero_loses_what_lies_above_threshold(randomised, simulated):
    net, images = small_net(randomised), images_of((2, 6, 8), n=4)
    kept, lost = (
        convert(net, calibration=images, input_shape=(2, 6, 8), reset=reset)
        for reset in ("subtract", "zero")
    )
    counts = [simulated(snn, images, 200)[0][snn.names[1]].sum() for snn in (kept, lost)]
    assert lost.population(lost.names[1]).model.reset == "v = 0"
    assert counts[1] < counts[0]


def test_percentile_and_max_normalisation_scale_as_numpy_does(randomised):
    net, images = small_net(randomised), images_of((2, 6, 8), n=30)
    reference = convert(net, input_shape=(2, 6, 8), normalisation=None)
    values = activations(net, images, reference)
    for percentile, option in ((100, {"normalisation": "max"}), (97.3, {"percentile": 97.3})):
        snn = convert(net, calibration=images, input_shape=(2, 6, 8), **option)
        for name in ("conv0", "linear4", "linear6"):
            expected = np.percentile(np.maximum(values[name], 0), percentile)
            assert snn.scales[name] == pytest.approx(expected, rel=1e-6)
        assert snn.scales["pool2"] == snn.scales["conv0"]
        assert snn.scales["readout"] == snn.scales["linear6"]


def test_channelwise_scales_the_output_layer_as_a_whole(randomised):
    net, images = small_net(randomised), images_of((2, 6, 8), n=30)
    snn = convert(net, calibration=images, input_shape=(2, 6, 8), channelwise=True, percentile=99)
    values = activations(net, images, snn)["conv0"]
    expected = np.percentile(np.maximum(values, 0), 99, axis=(0, 2, 3))
    assert snn.scales["conv0"] == pytest.approx(expected, rel=1e-6)
    assert len(snn.scales["linear4"]) == 8
    assert np.ndim(snn.scales["linear6"]) == 0


def test_populations_models_and_drive(randomised):
    net, images = small_net(randomised), images_of((2, 6, 8))
    snn = convert(net, calibration=images, readout="MS")
    assert snn.names == ("input", "conv0", "pool2", "linear4", "linear6", "readout")
    assert (snn.method, snn.coding) == ("rate", "analog")
    assert snn.readout == Readout("linear6", "readout", "MS")
    assert snn.population("readout").model.threshold is None
    assert snn.population("pool2").parameters["I"] == 0
    assert snn.population("pool2").parameters["I"].ndim == 0
    bias = snn.population("conv0").parameters["I"]
    assert bias.shape == (5, 4, 6)
    expected = net[0].bias.detach().numpy() / snn.scales["conv0"]
    np.testing.assert_allclose(bias[:, 0, 0], expected)
    np.testing.assert_array_equal(
        snn.population("linear6").parameters["I"], snn.population("readout").parameters["I"]
    )
    assert snn.projections[-1].kernel == snn.projections[-2].kernel
    assert snn.metadata["calibration_images"] == 16


def test_without_bias_the_drive_is_a_scalar_zero(randomised):
    net = small_net(randomised, bias=False)
    snn = convert(net, calibration=images_of((2, 6, 8)))
    for population in snn.populations:
        assert population.parameters["I"].ndim == 0
        assert population.parameters["I"] == 0
    with torch.no_grad():
        biased = small_net(randomised)
        for name, parameter in biased.named_parameters():
            if "bias" in name:
                parameter.zero_()
    snn = convert(biased, calibration=images_of((2, 6, 8)))
    assert all(p.parameters["I"].ndim == 0 for p in snn.populations)


def test_it_is_saved_and_loaded_unchanged(randomised, tmp_path):
    snn = convert(classic_net := randomised(classic()), calibration=images_of((2, 10, 12)))
    loaded = SpikingNetwork.load(snn.save(tmp_path / "classic.snn"))
    assert loaded == snn
    again = activations(classic_net, images_of((2, 10, 12)), loaded)
    assert again.keys() == set(snn.names) - {"input"}


def test_the_same_network_and_images_give_the_same_hash(randomised):
    net, images = small_net(randomised), images_of((2, 6, 8), n=250)
    assert convert(net, calibration=images).hash() == convert(net, calibration=images).hash()


def test_a_tensor_an_array_and_single_precision_calibrate_alike(randomised):
    net, images = small_net(randomised), images_of((2, 6, 8))
    scales = convert(net, calibration=images).scales
    assert convert(net, calibration=torch.tensor(images)).scales == scales
    single = convert(net, calibration=images.astype(np.float32)).scales
    assert single == pytest.approx(scales, rel=1e-6)


def test_convert_takes_the_shape_of_the_calibration_images(randomised):
    net, images = small_net(randomised), images_of((2, 6, 8))
    assert convert(net, calibration=images).input_shape == (2, 6, 8)


def test_options_are_those_of_the_method():
    assert options("rate") == {
        "preset": None,
        "steps": None,
        "normalisation": "percentile",
        "percentile": 99.9,
        "channelwise": None,
        "reset": "subtract",
        "initial_potential": None,
        "bias_correction": None,
        "signed": None,
        "lower_bound": 0.0,
        "late_readout": 0,
        "max_pooling": None,
        "fold_pooling": None,
        "readout": "MP",
        "pool_tau": None,
        "softmax": None,
        "dale": None,
    }
    assert "rate" in METHODS


def test_a_relu_on_the_input_is_left_out_for_images_without_negative_values(randomised):
    net = randomised(nn.Sequential(nn.ReLU(), nn.Linear(3, 2)))
    images = images_of((3,))
    assert convert(net, calibration=images).names == ("input", "linear1", "readout")
    with pytest.raises(InputError, match="layer '0'.*rectifies the images.*nothing negative"):
        convert(net, calibration=images - 0.5)
    with pytest.raises(InputError, match="rectifies the images"):
        convert(net, input_shape=(3,), normalisation=None)


def test_class_scores_may_all_be_negative(randomised, as_relu_network):
    net, images = small_net(randomised), images_of((2, 6, 8))
    with torch.no_grad():
        net[6].bias.fill_(-100)
    snn = convert(net, calibration=images)
    scores = activations(net, images, snn)["readout"]
    assert snn.scales["readout"] == pytest.approx(np.abs(scores).max(), rel=1e-6)
    found = as_relu_network(snn, images)["readout"]
    np.testing.assert_array_equal(found.argmax(1), scores.argmax(1))


@pytest.mark.parametrize("name", ["normalised", "mean over the map"])
def test_the_audit_compares_with_the_network_as_it_is_converted(name, randomised):
    """What is rewritten before the conversion is rewritten for the comparison as well."""

    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(2, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(torch.relu(self.conv(x)).mean((2, 3)))

    net = randomised(normalised() if name == "normalised" else Mean())
    images = images_of((2, 10, 11), n=4)
    snn = convert(net, calibration=images)
    run = bionet.simulate(snn, images, 300 * ms, device="numpy")
    audit = bionet.audit(net, snn, run, images)
    for row in audit.rows[1:]:  # against another layer's activations it would be about 0
        assert row.correlation > 0.98
