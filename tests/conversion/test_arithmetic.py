"""Arithmetic with constants in a forward: folded into weights and biases, or refused."""

import numpy as np
import pytest
import torch
from torch import nn

import bionet
from bionet.conversion import fold_batchnorm, trace
from bionet.conversion.steps.layers import remove_flatten

MEAN = torch.tensor([0.4, 0.5, 0.6], dtype=torch.float64).reshape(3, 1, 1)
IMAGE = torch.linspace(-1, 1, 3 * 8 * 8, dtype=torch.float64).reshape(3, 8, 8)


class Net(nn.Module):
    """A convolution and a full layer, with something done before, between and after."""

    def __init__(self, before=None, between=None, after=None, padding=1):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=padding)
        self.fc = nn.Linear(4 * (6 + 2 * padding) ** 2, 3)
        self.steps = before, between, after
        self.register_buffer("mean", MEAN)
        self.register_buffer("image", IMAGE)

    def forward(self, x):
        before, between, after = self.steps
        x = before(self, x) if before else x
        x = torch.relu(self.conv(x))
        x = (between(self, x) if between else x).flatten(1)
        x = self.fc(x)
        return after(self, x) if after else x


FOLDED = {
    "scaled to [-1, 1]": {"before": lambda net, x: x * 2 - 1},
    "inverted": {"before": lambda net, x: 1 - x},
    "mean of channels": {"before": lambda net, x: (x - net.mean) / 0.25},
    "mean image": {"before": lambda net, x: x - net.image},
    "mean image, no padding": {"before": lambda net, x: torch.sub(x, net.image), "padding": 0},
    "methods": {"before": lambda net, x: x.sub(0.5).mul(net.mean).add_(0.1).div(2.0).neg()},
    "in place": {"before": lambda net, x: torch.add(x, 0).sub_(0.5)},
    "between": {"between": lambda net, x: 0.5 * x},
    "image between": {"between": lambda net, x: x + torch.ones(1, 4, 8, 8).cumsum(2)},
    "temperature": {"after": lambda net, x: x / 3.0},
    "offset of a score": {"after": lambda net, x: x + torch.tensor([0.0, 1.0, 2.0])},
}


@pytest.mark.parametrize("kind", FOLDED)
def test_arithmetic_with_constants_is_folded(kind, randomised, as_relu_network):
    net = randomised(Net(**FOLDED[kind]))
    net.mean, net.image = MEAN, IMAGE
    images = np.random.default_rng(0).random((6, 3, 8, 8))
    with torch.no_grad():
        expected = net(torch.from_numpy(images.copy())).numpy()
    snn = bionet.convert(net, calibration=images)
    found = as_relu_network(snn, images)["readout"] * snn.scales["readout"]
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)
    records = fold_batchnorm(remove_flatten(trace(net, (3, 8, 8)).records))
    assert [record.kind for record in records] == ["conv", "relu", "linear"]


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (lambda net, x: 1 / (x + 1), "truediv .* cannot be converted"),
        (lambda net, x: x * x, "mul .* cannot be converted"),
        (lambda net, x: x.sin() + net.mean, "sin .* cannot be converted"),
        (lambda net, x: x / 0.0, "truediv .* cannot be converted"),
    ],
)
def test_other_arithmetic_is_refused(before, message, randomised):
    with pytest.raises(bionet.InputError, match=message):
        trace(randomised(Net(before)), (3, 8, 8))
