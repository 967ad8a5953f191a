"""The networks of Yu et al. 2020 have the layers of the paper."""

import pytest
import torch
from torch import nn

from bionet import zoo
from bionet.zoo.topologies import TOPOLOGIES, layers

WEIGHTS = {
    "net1": [(1200, 784), (1200, 1200), (10, 1200)],
    "net2": [(12, 1, 5, 5), (64, 12, 5, 5), (10, 1024)],
    "net3": [(6400, 784), (10, 6400)],
    "net4": [(32, 1, 5, 5), (64, 32, 5, 5), (1024, 1024), (10, 1024)],
    "net5": [
        (128, 3, 3, 3), (128, 128, 3, 3), (256, 128, 3, 3), (256, 256, 3, 3), (512, 256, 3, 3),
        (512, 512, 3, 3), (1024, 8192), (10, 1024),
    ],
    "net5_small": [
        (48, 3, 3, 3), (48, 48, 3, 3), (96, 48, 3, 3), (96, 96, 3, 3), (192, 96, 3, 3),
        (192, 192, 3, 3), (384, 3072), (10, 384),
    ],
    "net5_quarter": [
        (32, 3, 3, 3), (32, 32, 3, 3), (64, 32, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3),
        (128, 128, 3, 3), (256, 2048), (10, 256),
    ],
    "net6": [
        *((n_out, n_in, 3, 3) for n_in, n_out in (
            (3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256),
            (256, 512), *[(512, 512)] * 5,
        )),
        (512, 512), (512, 512), (10, 512),
    ],
}  # fmt: skip
WEIGHTS["net5_leaky"] = WEIGHTS["net5_quarter"]


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_layers(name):
    net = zoo.load(name)
    modules = list(net)
    weighted = [m for m in modules if isinstance(m, nn.Conv2d | nn.Linear)]
    assert [tuple(module.weight.shape) for module in weighted] == WEIGHTS[name]
    assert all(module.bias is None for module in weighted)
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
    assert len(norms) == (len(weighted) - 1 if name in ("net5", "net5_small", "net6") else 0)
    modules = [module for module in modules if module not in norms]
    shape = zoo.entry(name).input_shape
    assert net.eval()(torch.zeros(1, *shape)).shape == (1, 10)
    for number, module in enumerate(modules):
        if module in weighted[:-1]:
            assert isinstance(modules[number + 1], nn.LeakyReLU)
            assert modules[number + 1].negative_slope == (0.3 if name == "net5_leaky" else 0.01)
        if isinstance(module, nn.LeakyReLU):
            pooled = isinstance(modules[number + 1], nn.AvgPool2d)
            dropped = isinstance(modules[number + 1], nn.Dropout)
            dropout = name in ("net5_quarter", "net5_leaky")
            assert dropped == (dropout and not pooled)


def test_a_signal_keeps_its_size_in_a_deep_network():
    torch.manual_seed(0)
    net = layers("-".join(["64c3"] * 12 + ["10"]), 3, 8)
    sizes = []
    x = torch.randn(4, 3, 8, 8)
    for module in net:
        x = module(x)
        if isinstance(module, nn.LeakyReLU):
            sizes.append(float(x.detach().std()))
    assert 0.1 < sizes[-1] / sizes[0] < 10
