"""Networks that take several tensors: joined, they give what the network gives."""

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn
from torch.nn import functional as F

import bionet
from bionet.conversion import activations, convert, trace
from bionet.conversion.tracing.several_inputs import OneInput
from bionet.errors import InputError

PAIR = [(1, 6, 6), (1, 6, 6)]
MIXED = [(1, 6, 6), (3,)]


class Siamese(nn.Module):
    """One set of weights for both images."""

    def __init__(self):
        super().__init__()
        self.arm, self.head = nn.Conv2d(1, 3, 3), nn.Linear(48, 2)

    def forward(self, left, right):
        return self.head(torch.abs(self.arm(left) - self.arm(right)).flatten(1))


class Mixed(nn.Module):
    """An image and a few numbers, and a flag that has a default."""

    def __init__(self):
        super().__init__()
        self.image, self.numbers, self.head = nn.Conv2d(1, 2, 3), nn.Linear(3, 4), nn.Linear(36, 2)

    def forward(self, image, numbers, features=False, scale=1.0):
        both = [F.relu(self.image(image)).flatten(1), F.relu(self.numbers(numbers))]
        joined = torch.cat(both, 1)
        return joined if features else self.head(joined) * scale


class Listed(nn.Module):
    """Its forward takes one list."""

    def __init__(self):
        super().__init__()
        self.arms, self.head = nn.ModuleList([nn.Linear(4, 3), nn.Linear(3, 3)]), nn.Linear(6, 2)

    def forward(self, tensors):
        made = [torch.relu(arm(x)) for arm, x in zip(self.arms, tensors, strict=True)]
        return self.head(torch.cat(made, 1))


CASES = [(Siamese, PAIR), (Mixed, MIXED), (Listed, [(4,), (3,)])]


def several(shapes, n=5):
    rng = np.random.default_rng(1)
    return tuple(rng.random((n, *shape)).astype(np.float32) for shape in shapes)


def outputs(net, tensors):
    given = [torch.from_numpy(t) for t in tensors]
    with torch.no_grad():
        return (net(given) if isinstance(net, Listed) else net(*given)).numpy()


@pytest.mark.parametrize(("kind", "shapes"), CASES)
def test_the_traced_network_of_joined_inputs_is_the_network(kind, shapes):
    torch.manual_seed(0)
    net, tensors = kind().eval(), several(shapes)
    images = bionet.inputs.joined(*tensors)
    trained = [torch.from_numpy(t).requires_grad_() for t in tensors]
    np.testing.assert_array_equal(bionet.inputs.joined(*trained), images)
    traced = trace(OneInput(net, shapes), images.shape[1:])
    with torch.no_grad():
        made = traced.graph(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(made, outputs(net, tensors), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("kind", "shapes"), CASES)
def test_its_spikes_give_its_outputs_and_its_audit(kind, shapes, tmp_path):
    torch.manual_seed(0)
    net, tensors = kind().eval(), several(shapes)
    snn = convert(net, "augmapping", tensors, shapes)
    snn = bionet.SpikingNetwork.load(snn.save(tmp_path / "x.snn"))
    run = bionet.simulate(snn, tensors, 200 * ms, device="numpy")
    np.testing.assert_allclose(run.values(), outputs(net, tensors), atol=0.02)
    assert bionet.audit(net, snn, run, tensors).first_bad is None
    same = activations(net, bionet.inputs.joined(*tensors), snn)["readout"]
    np.testing.assert_allclose(same, outputs(net, tensors), rtol=1e-5, atol=1e-6)


def test_shapes_are_those_of_the_calibration_where_they_are_not_given():
    snn = convert(Siamese(), "rate", several(PAIR))
    assert snn.origin.inputs == ((1, 6, 6), (1, 6, 6))
    assert snn.input_shape == (2, 6, 6)


def test_what_does_not_fit_is_said():
    left, right = several(PAIR)
    with pytest.raises(InputError, match=r"takes 2 inputs \(left, right\); give the shape of each"):
        convert(Siamese(), "rate", left)
    with pytest.raises(InputError, match="names 3 inputs, but the forward takes 2"):
        convert(Siamese(), "augmapping", input_shape=[*PAIR, (2,)])
    with pytest.raises(InputError, match=r"for each input, of the shapes \(1, 6, 6\), \(3,\), but"):
        convert(Mixed(), "rate", (left, right), MIXED)
    with pytest.raises(InputError, match="as many images in each"):
        convert(Siamese(), "rate", (left, right[:2]), PAIR)
    snn = convert(Mixed(), "augmapping", input_shape=MIXED)
    with pytest.raises(InputError, match=r"of the shapes \(1, 6, 6\), \(3,\) in this order"):
        bionet.simulate(snn, (left, right), device="numpy")
