"""What is refused says what to do, and doing it is enough."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import bionet
from bionet.conversion import convert, to_average_pooling, to_relu
from bionet.errors import InputError

SHAPE = (2, 6, 6)
IMAGES = np.random.default_rng(0).random((8, *SHAPE)).astype(np.float32)
OPTIONS = {"dsnn": {"sigma": 0.3}, "threshold_search": {"thresholds": 1.0}}


def chain(*middle, features=64, bias=True):
    """A convolution, what comes between, and a fully connected layer."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=bias), *middle, nn.Flatten(), nn.Linear(features, 3, bias=bias)
    )


class Called(nn.Module):
    """A forward that calls functions between a convolution and a fully connected layer."""

    def __init__(self, between, features=64):
        super().__init__()
        self.conv, self.fc, self.between = nn.Conv2d(2, 4, 3), nn.Linear(features, 3), between

    def forward(self, x):
        return self.fc(self.between(self.conv(x)).flatten(1))


class Sequence(nn.Module):
    """A layer over the rows of an image, as a sequence of 12 features."""

    def __init__(self, layer, features):
        super().__init__()
        self.layer, self.fc = layer, nn.Linear(features, 3)

    def forward(self, x):
        made = self.layer(x.permute(0, 2, 1, 3).flatten(2))
        return self.fc((made[0] if isinstance(made, tuple) else made).flatten(1))


class Steps(nn.Module):
    """A convolution along a sequence (n, length, features)."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(12, 5, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv(x.transpose(1, 2)))


def weight_normed():
    return torch.nn.utils.weight_norm(nn.Conv2d(4, 4, 1))


def squared(x):
    gate = torch.sigmoid(x.mean((2, 3), keepdim=True))
    return torch.relu(x) * gate


REMEDIES = {
    "smooth module": (
        "rate",
        lambda: chain(nn.ELU()),
        r"ELU at layer '1' .*: bionet\.conversion\.to_relu\(net\) puts ReLU",
        lambda: to_relu(chain(nn.ELU())),
    ),
    "tanh between": (
        "augmapping",
        lambda: chain(nn.Tanh()),
        r"Tanh at layer '1' .*to_relu\(net\) puts ReLU",
        lambda: to_relu(chain(nn.Tanh())),
    ),
    "smooth function": (
        "rate",
        lambda: Called(F.gelu),
        r"gelu at node 'gelu' .*: write torch\.relu in its place",
        lambda: Called(torch.relu),
    ),
    "sigmoid function": (
        "rate",
        lambda: Called(torch.sigmoid),
        r"sigmoid at node .*F\.hardtanh or F\.hardsigmoid",
        lambda: Called(F.hardsigmoid),
    ),
    "group norm": (
        "rate",
        lambda: chain(nn.GroupNorm(2, 4), nn.ReLU()),
        "statistics differ for every image: train with BatchNorm2d",
        lambda: chain(nn.BatchNorm2d(4), nn.ReLU()),
    ),
    "recurrent": (
        "augmapping",
        lambda: Sequence(nn.GRU(12, 5, batch_first=True), 30),
        "GRU at layer 'layer' .*a Conv1d over the sequence converts",
        lambda: Sequence(Steps(), 30),
    ),
    "gate": (
        "rate",
        lambda: Called(squared),
        "a product of two layers' outputs is not linear: train without gates",
        lambda: Called(torch.relu),
    ),
    "max pooling": (
        "dsnn",
        lambda: chain(nn.ReLU(), nn.MaxPool2d(2), features=16),
        r"bionet\.conversion\.to_average_pooling replaces it",
        lambda: to_average_pooling(chain(nn.ReLU(), nn.MaxPool2d(2), features=16)),
    ),
    "leaky": (
        "tdsnn",
        lambda: chain(nn.LeakyReLU(0.1)),
        "the LeakyReLU at layer '1' .*train with ReLU, or convert by rate",
        lambda: chain(nn.ReLU()),
    ),
    "bound": (
        "dsnn",
        lambda: chain(nn.ReLU6()),
        "the bounded ReLU at layer '1' .*train with ReLU",
        lambda: chain(nn.ReLU()),
    ),
    "no ReLU": (
        "tdsnn",
        lambda: chain(nn.Conv2d(4, 4, 1), nn.ReLU()),
        "layer '0' .* without a ReLU between; .* put a ReLU after it",
        lambda: chain(nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU()),
    ),
    "bias": (
        "threshold_search",
        lambda: chain(nn.ReLU()),
        "has a bias, .* train the network with bias=False",
        lambda: chain(nn.ReLU(), bias=False),
    ),
    "dropout": (
        "rate",
        lambda: Called(lambda x: F.dropout(torch.relu(x), 0.5)),
        "drops units in evaluation too; pass training=self.training",
        lambda: Called(lambda x: F.dropout(torch.relu(x), 0.5, training=False)),
    ),
    "comparison": (
        "rate",
        lambda: Called(lambda x: torch.where(x > 0, x, 0 * x)),
        "gt at node 'gt' .* a comparison jumps: write torch.relu",
        lambda: Called(torch.relu),
    ),
    "weight norm": (
        "rate",
        lambda: chain(weight_normed(), nn.ReLU()),
        r"has a forward hook, .* \(torch\.nn\.utils\.remove_weight_norm\(layer\)\)",
        lambda: chain(torch.nn.utils.remove_weight_norm(weight_normed()), nn.ReLU()),
    ),
    "script": (
        "rate",
        lambda: torch.jit.script(chain(nn.ReLU())),
        "is a RecursiveScriptModule of torch.jit, .* convert the torch.nn.Module",
        lambda: chain(nn.ReLU()),
    ),
    "softmax inside": (
        "rate",
        lambda: chain(nn.Flatten(), nn.Softmax(1)),
        "only a softmax at the very end can be left out",
        lambda: nn.Sequential(chain(nn.ReLU()), nn.Softmax(1)),
    ),
}


@pytest.mark.parametrize("case", REMEDIES)
def test_a_remedy_that_is_followed_is_enough(case):
    method, refused, message, mended = REMEDIES[case]
    options = OPTIONS.get(method, {})
    with pytest.raises(InputError, match=message):
        convert(refused().eval(), method, IMAGES, **options)
    assert convert(mended().eval(), method, IMAGES, **options).input_shape == SHAPE


@pytest.mark.parametrize("case", ["max pooling", "leaky", "bound", "no ReLU", "bias"])
def test_the_methods_that_a_refusal_names_convert_what_it_refuses(case):
    for method in ("rate", "augmapping", "termapping"):
        assert convert(REMEDIES[case][1]().eval(), method, IMAGES).method == method


def test_to_relu_keeps_weights_and_the_last_sigmoid():
    net = nn.Sequential(nn.Linear(4, 3), nn.SiLU(), nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2),
                        nn.Sigmoid())  # fmt: skip
    made = to_relu(net)
    kinds = [type(layer).__name__ for layer in made]
    assert kinds == ["Linear", "ReLU", "Linear", "Hardtanh", "Linear", "Sigmoid"]
    assert isinstance(net[1], nn.SiLU)
    torch.testing.assert_close(made.state_dict(), net.state_dict(), rtol=0, atol=0)
    with pytest.raises(InputError, match="has no module ELU, .* is to be written as torch.relu"):
        to_relu(Called(F.gelu))


def test_a_network_of_smooth_activations_is_trained_on_and_answers_as_its_spikes():
    """EEGNet as it is written: ELU after a depthwise convolution over all electrodes."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, (1, 5), padding="same", bias=False), nn.BatchNorm2d(4),
        nn.Conv2d(4, 8, (6, 1), groups=4, bias=False), nn.BatchNorm2d(8), nn.ELU(),
        nn.AvgPool2d((1, 4)), nn.Dropout(0.5), nn.Flatten(), nn.Linear(32, 2),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(40, 1, 6, 16)).astype(np.float32)
    labels = rng.integers(0, 2, 40)
    straight = to_relu(net)
    data = (signals, labels)
    bionet.train.train(straight, data, data, epochs=1, seed=0, progress=False)
    straight.eval()
    snn = convert(straight, "rate", signals)
    run = bionet.simulate(snn, signals[:6], device="numpy")
    with torch.no_grad():
        outputs = straight(torch.from_numpy(signals[:6])).numpy()
    assert np.corrcoef(run.values().ravel(), outputs.ravel())[0, 1] > 0.95
