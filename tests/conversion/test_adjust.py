"""Adjusted networks: what is replaced, what stays, what is refused."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bionet import zoo
from bionet.conversion import adjust, convert, population_records, trace
from bionet.errors import InputError


def test_caffes_networks_become_those_of_the_zoo():
    for original, adjusted in (
        ("lenet5_original", "lenet5"),
        ("cifar10_quick_original", "cifar10_quick"),
    ):
        net, expected = zoo.load(original), zoo.load(adjusted).eval()
        before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        found = adjust(net.eval())
        state = found.state_dict()
        assert state.keys() == expected.state_dict().keys()
        expected.load_state_dict(state)
        images = torch.rand(3, *zoo.entry(original).input_shape)
        torch.testing.assert_close(found(images), expected(images))
        assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.fc1 = nn.Linear(12, 4)
        self.fc2 = nn.Linear(4, 2)

    def forward(self, x):
        x = F.avg_pool2d(self.norm(self.conv(x)).relu(), 2)
        return self.fc2(self.fc1(x.flatten(1)))


def test_batch_norm_is_folded_and_every_layer_but_the_last_rectified():
    net = Functional()
    net.norm.running_var.uniform_(0.5, 2)
    net.norm.weight.data.uniform_(0.5, 2)
    found = adjust(net)
    assert found.training
    scale = net.norm.weight / torch.sqrt(net.norm.running_var + net.norm.eps)
    torch.testing.assert_close(
        found.conv.weight, (net.conv.weight * scale[:, None, None, None]).detach()
    )
    records = population_records(trace(found, (1, 6, 6)).records)
    assert [r.rectified for r in records] == [True, False, True, False]
    assert all(not r.bias.any() for r in records if hasattr(r, "bias"))
    snn = convert(found, "dsnn", None, (1, 6, 6), sigma=0.3, fold=True)
    assert snn.names == ("input", "conv", "avg_pool2d", "fc1", "fc2", "readout")


def test_adjusted_networks_learn():
    torch.manual_seed(0)
    found = adjust(nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.Linear(8, 2)))
    F.cross_entropy(found(torch.rand(5, 4)), torch.zeros(5, dtype=torch.long)).backward()
    assert all(p.grad is not None and p.grad.any() for p in found.parameters())


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Sequential(nn.ReLU(), nn.Flatten()), "no Conv2d or Linear"),
        (nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 1, 1)), "batch normalisation at layer '0'"),
        (nn.Sequential(nn.MaxPool2d(2, dilation=2), nn.Conv2d(1, 1, 1)), "has dilation"),
    ],
)
def test_what_cannot_be_adjusted_is_refused(net, message):
    with pytest.raises(InputError, match=message):
        adjust(net)
