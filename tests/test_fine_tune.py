"""Training through a neuron's curve: it learns, keeps rates low, keeps signs, goes on."""

import numpy as np
import pytest
import torch
from torch import nn

import bionet
from bionet import InputError
from bionet.evaluation import evaluate
from bionet.firing.activation import FrequencyActivation
from bionet.firing.twin import activations_of, normalised

BEND = np.linspace(-1, 6, 71)
ACTIVATION = FrequencyActivation(BEND, 60 * np.sqrt(np.maximum(BEND, 0)))
GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 3, 400)
IMAGES = (np.eye(3)[LABELS].repeat(4, axis=1) * 0.5 + GENERATOR.random((400, 12)) * 0.5).astype(
    np.float32
)
OPTIONS = {"progress": False, "learning_rate": 1e-2, "batch_size": 50}


def relu_net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 3)
    )


def mean_rate(graph):
    with torch.no_grad():
        graph.train()(torch.as_tensor(IMAGES))
    rates = [float(a.last.mean()) for a in activations_of(graph).values()]
    graph.eval()
    return np.mean(rates)


def test_it_learns_and_the_cost_lowers_the_rates():
    net = relu_net()
    before = net[0].weight.clone()
    free = bionet.fine_tune(net, ACTIVATION, IMAGES, LABELS, epochs=6, rate_cost=0.0, **OPTIONS)
    costly = bionet.fine_tune(net, ACTIVATION, IMAGES, LABELS, epochs=6, rate_cost=1.0, **OPTIONS)
    start = normalised(net, ACTIVATION, torch.as_tensor(IMAGES))
    assert evaluate(free, torch.as_tensor(IMAGES), torch.as_tensor(LABELS)) > 0.95
    assert evaluate(start, torch.as_tensor(IMAGES), torch.as_tensor(LABELS)) < 0.9
    assert mean_rate(costly) < 0.8 * mean_rate(free)
    assert torch.equal(net[0].weight, before)
    assert not free.training


def test_signs_are_kept_through_the_training_and_the_conversion(tmp_path):
    graph = bionet.fine_tune(relu_net(), ACTIVATION, IMAGES, LABELS, epochs=4, dale=0.25, **OPTIONS)
    for name in ("2", "4"):
        weights = graph.get_submodule(name).weight
        assert not ((weights > 0).any(0) & (weights < 0).any(0)).any()
        assert (weights < 0).any()
    assert evaluate(graph, torch.as_tensor(IMAGES), torch.as_tensor(LABELS)) > 0.9
    snn = bionet.convert(graph, method="biophysical", input_shape=(12,), dale="train", passes=0)
    assert snn.is_dale()


def test_a_training_goes_on_from_its_checkpoint(tmp_path):
    path = tmp_path / "x.safetensors"
    whole = bionet.fine_tune(relu_net(), ACTIVATION, IMAGES, LABELS, epochs=2, **OPTIONS)
    again = bionet.fine_tune(
        relu_net(), ACTIVATION, IMAGES, LABELS, epochs=2, checkpoint=path, **OPTIONS
    )
    kept = bionet.fine_tune(
        relu_net(), ACTIVATION, IMAGES, LABELS, epochs=2, checkpoint=path, **OPTIONS
    )
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
        assert torch.equal(tensor, kept.state_dict()[name])
    with pytest.raises(InputError, match="belongs to another training"):
        bionet.fine_tune(
            relu_net(),
            ACTIVATION,
            IMAGES,
            LABELS,
            epochs=2,
            rate_cost=0.5,
            checkpoint=path,
            **OPTIONS,
        )


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="rate_cost must be a number"):
        bionet.fine_tune(relu_net(), ACTIVATION, IMAGES, LABELS, rate_cost=-1)
    with pytest.raises(InputError, match="activation must be a FrequencyActivation"):
        bionet.fine_tune(relu_net(), torch.relu, IMAGES, LABELS)
    with pytest.raises(InputError, match="share of inhibitory units"):
        bionet.fine_tune(relu_net(), ACTIVATION, IMAGES, LABELS, dale=2)
