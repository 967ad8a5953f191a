"""The activation of a measured curve: values, slopes, and the networks that hold it."""

import numpy as np
import pytest
import torch
from brian2 import Hz, ms
from torch import nn

from bionet import InputError
from bionet.firing.activation import STEP, FrequencyActivation
from bionet.firing.signs import Signs
from bionet.firing.twin import is_twin, normalised, relu_network, twin

DRIVE = np.linspace(-1, 4, 60)
RATES = 100 * np.sqrt(np.maximum(DRIVE, 0))


def activation(**options):
    return FrequencyActivation(DRIVE, RATES, **{"noise": 0.0, **options})


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 9, 12),
        nn.ReLU(),
        nn.Linear(12, 3),
    )


IMAGES = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_slope_is_that_of_finite_differences():
    phi = activation()
    z = torch.linspace(-0.8, 3.7, 301, dtype=torch.float64) + STEP / 3
    z.requires_grad_()
    phi(z).sum().backward()
    with torch.no_grad():
        h = STEP / 10
        slope = (phi(z + h) - phi(z - h)) / (2 * h)
    assert z.grad.numpy() == pytest.approx(slope.numpy(), abs=1e-4)
    assert (z.grad >= 0).all()


def test_without_blur_it_is_the_measured_curve_and_with_it_has_a_slope_below_rheobase():
    z = torch.tensor([-0.5, -0.1, 0.7, 2.0, 10.0])
    expected = np.interp(z.numpy(), DRIVE, RATES) / 100
    assert activation(sigma=0.0)(z).numpy() == pytest.approx(expected, abs=2e-2)
    blurred = activation(sigma=0.2)(z)
    assert blurred[1] > 0.01
    assert blurred[4] == pytest.approx(expected[4], abs=1e-3)


def test_noise_acts_in_training_alone():
    phi = activation(noise=0.3)
    z = torch.full((20_000,), 1.0)
    assert phi.train()(z).std() > 0.05
    assert len(phi.eval()(z).unique()) == 1


def test_inverse_is_where_the_rate_is_reached():
    phi = activation()
    assert phi(torch.tensor([phi.inverse(0.8)]))[0] == pytest.approx(0.8, abs=0.01)
    with pytest.raises(InputError, match="fires at most at"):
        phi.inverse(50.0)


def test_normalised_twin_scores_as_the_relu_network_up_to_the_bend_of_the_curve():
    line = FrequencyActivation(DRIVE, 40 * np.maximum(DRIVE, 0), sigma=0.0, noise=0.0)
    source = net().eval()
    graph = normalised(source, line, IMAGES)
    with torch.no_grad():
        expected, scores = source(IMAGES), graph(IMAGES)
    assert scores.numpy() == pytest.approx(expected.numpy(), abs=1e-3)
    assert is_twin(graph)
    assert not is_twin(source)
    # The weights of the twin can be read as those of a ReLU network.
    assert not is_twin(relu_network(graph))
    assert set(relu_network(graph).state_dict()) == set(source.state_dict())


def test_functional_relus_and_batch_norms_are_replaced_too():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.fc = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(72, 3)

        def forward(self, x):
            return self.fc(torch.relu(self.norm(self.conv(x))).flatten(1))

    source = Functional().eval()
    source.norm.running_mean[:] = torch.tensor([0.1, -0.2])
    bend = np.array([-1.0, 0.0, 4.0])
    flat = FrequencyActivation(bend, 100 * np.maximum(bend, 0), sigma=0.0, noise=0.0)
    with torch.no_grad():
        expected = source(IMAGES).numpy()
        assert twin(source, flat)(IMAGES).numpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_signs_leave_each_unit_one(share):
    graph = twin(net(), activation())
    Signs.drawn(graph, share, 0).apply()
    first, second = graph.get_submodule("4").weight, graph.get_submodule("6").weight
    by_channel = first.detach().reshape(12, 4, 9)
    signs = [{float(s) for s in torch.sign(by_channel[:, c]).unique()} - {0.0} for c in range(4)]
    assert all(len(s) == 1 for s in signs)
    assert sum(s == {-1.0} for s in signs) == max(round(4 * share), 1)
    mixed = (second > 0).any(0) & (second < 0).any(0)
    assert not mixed.any()


def test_what_has_no_rate_is_refused():
    with pytest.raises(InputError, match="the reference must be a rate"):
        activation(reference=100 * ms)
    with pytest.raises(InputError, match="sigma of an activation"):
        activation(sigma=-1.0)
    with pytest.raises(InputError, match="has no ReLU"):
        twin(nn.Linear(3, 2), activation())
    with pytest.raises(InputError, match="to_average_pooling"):
        twin(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)), activation())
    with pytest.raises(InputError, match="must be a torch.nn.Module"):
        twin("lenet5", activation())
    with pytest.raises(InputError, match="does not follow a layer"):
        twin(nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3), nn.ReLU()), activation())
    dead = net()
    with torch.no_grad():
        dead[0].weight.zero_()
        dead[0].bias.fill_(-1)
    with pytest.raises(InputError, match="no image makes the ReLU"):
        normalised(dead, activation(), IMAGES)
    with pytest.raises(InputError, match="share of inhibitory units"):
        Signs.drawn(twin(net(), activation()), 1.0, 0)
    assert activation(reference=50 * Hz).reference_hz == 50
