"""Small spiking networks that many tests share, and their slow, obvious references."""

import numpy as np
import pytest
import torch
from brian2 import BrianLogger, ms, prefs
from torch import nn
from torch.nn import functional as F

from bionet.equations import integrate_and_fire, integrator
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import AveragePool2d, Conv2d, Dense
from bionet.running.simulate import simulate

BrianLogger.suppress_name("unused_brian_object")


@pytest.fixture(autouse=True)
def fixed_weights():
    """Networks that a test makes have the same random weights in every run and order."""
    torch.manual_seed(1)


@pytest.fixture
def numpy_target():
    """Brian2's own objects run with NumPy, without compiling."""
    before = prefs.codegen.target
    prefs.codegen.target = "numpy"
    yield
    prefs.codegen.target = before


@pytest.fixture(scope="session")
def cells_network():
    """Network of one population ``cells`` and a silent ``witness`` that is never driven."""

    def make(model, n, drive=0.0, weights=None, **fields):
        parameters = {"I": drive} if "I" in model.dimensions else {}
        populations = [Population("cells", (n,), model, parameters)]
        populations.append(Population("witness", (1,), integrate_and_fire()))
        projections = []
        if weights is not None:
            weights = np.asarray(weights, dtype=float)
            projections.append(Projection("input", "cells", Dense(weights), **fields))
        n_inputs = 1 if weights is None else weights.shape[1]
        spikes = "witness" if model.threshold is None else "cells"
        return SpikingNetwork(populations, projections, (n_inputs,), Readout(spikes, "cells"))

    return make


@pytest.fixture(scope="session")
def driven(cells_network):
    """Units of one model under constant drives for a time; spikes and potentials recorded."""

    def run(model, drive, steps, dt=1 * ms, dtype="float64", device="numpy"):
        drive = np.asarray(drive, dtype=float)
        snn = cells_network(model, drive.size, drive)
        wanted = ["v"] if model.threshold is None else ["spikes", "v"]
        return simulate(
            snn, np.zeros((1, 1)), steps * dt, dt, device=device, dtype=dtype,
            record={"cells": wanted},
        )  # fmt: skip

    return run


def make_four_layers():
    """Convolution, pooling, grouped convolution, dense; non-square, several channels, biases."""
    rng = np.random.default_rng(4)
    neuron = integrate_and_fire()

    def bias(n):
        return {"I": rng.uniform(-0.1, 0.3, n)[:, None, None]}

    dense = Dense(rng.normal(0.05, 0.4, (5, 48)))
    output_bias = rng.uniform(0, 0.2, 5)
    populations = (
        Population("conv1", (4, 9, 6), neuron, bias(4)),
        Population("pool", (4, 5, 3), neuron),
        Population("conv2", (6, 4, 2), neuron, bias(6)),
        Population("output", (5,), neuron, {"I": output_bias}),
        Population("readout", (5,), integrator(), {"I": output_bias}),
    )
    projections = (
        Projection("input", "conv1", Conv2d(rng.normal(0.05, 0.3, (4, 2, 3, 3)), padding=(1, 0))),
        Projection("conv1", "pool", AveragePool2d(2, padding=(1, 0), count_include_pad=False)),
        Projection("pool", "conv2", Conv2d(rng.normal(0.1, 0.5, (6, 2, 2, 2)), groups=2)),
        Projection("conv2", "output", dense),
        Projection("conv2", "readout", dense),
    )
    return SpikingNetwork(populations, projections, (2, 9, 8), Readout("output", "readout"))


@pytest.fixture(scope="session")
def four_layers():
    """See :func:`make_four_layers`."""
    return make_four_layers()


@pytest.fixture(scope="session")
def four_layer_images():
    """Seven images (2, 9, 8) for ``four_layers``: no multiple of the lanes in the tests."""
    return np.random.default_rng(5).uniform(size=(7, 2, 9, 8))


@pytest.fixture(scope="session")
def temporal_source():
    """A network of images (2, 6, 5) for a temporal code: padding, max pooling, a deeper layer."""
    torch.manual_seed(8)
    made = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(18, 6), nn.ReLU(), nn.Linear(6, 3),
    ).double()  # fmt: skip
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(2.5)
        made[-1].bias.add_(1.5)
    return made


def through_torch(kernel, values):
    """What a kernel makes of source values (n, *shape), by torch.nn.functional."""
    values = torch.as_tensor(values)
    if isinstance(kernel, Dense):
        return F.linear(values.flatten(1), torch.tensor(kernel.weights)).numpy()
    if isinstance(kernel, Conv2d):
        options = (kernel.stride, kernel.padding, kernel.dilation, kernel.groups)
        return F.conv2d(values, torch.tensor(kernel.weights), None, *options).numpy()
    options = (kernel.kernel, kernel.stride, kernel.padding, kernel.ceil_mode)
    options += (kernel.count_include_pad, kernel.divisor_override)
    return F.avg_pool2d(values, *options).numpy() * kernel.scale


@pytest.fixture(scope="session")
def torch_kernel():
    """See :func:`through_torch`."""
    return through_torch


@pytest.fixture(scope="session")
def layer_input():
    """Input of a population in one step, array (n, *shape), from values of its sources."""

    def total(snn, name, values):
        sources = [q for q in snn.projections if q.target == name]
        synaptic = sum(through_torch(q.kernel, values[q.source]) for q in sources)
        return synaptic + np.asarray(snn.population(name).parameters["I"])

    return total


@pytest.fixture(scope="session")
def tiny():
    """Input (2, 4, 3), a convolution, an output that fires and a readout that integrates."""
    rng = np.random.default_rng(0)
    dense = Dense(rng.normal(0.1, 0.5, (3, 12)))
    neuron = integrate_and_fire()
    populations = (
        Population("conv", (2, 3, 2), neuron, {"I": 0.15}),
        Population("output", (3,), neuron),
        Population("readout", (3,), integrator()),
    )
    projections = (
        Projection("input", "conv", Conv2d(rng.normal(0.1, 0.3, (2, 2, 2, 2)))),
        Projection("conv", "output", dense),
        Projection("conv", "readout", dense),
    )
    return SpikingNetwork(populations, projections, (2, 4, 3), Readout("output", "readout"))


@pytest.fixture(scope="session")
def tiny_images():
    """Five images for ``tiny``."""
    return np.random.default_rng(1).uniform(size=(5, 2, 4, 3))


def equal_recordings(one, other):
    """Every spike, count and potential the same, bit for bit."""
    for name in (
        "counts", "final_potentials", "recorded_spikes", "recorded_potentials", "recorded_units",
    ):  # fmt: skip
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.keys() == theirs.keys(), name
        for key in mine:
            np.testing.assert_array_equal(mine[key], theirs[key], err_msg=f"{name} of {key}")
    for name in ("output_potential", "output_spikes", "recorded_images"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.fixture(scope="session")
def assert_same():
    """See :func:`equal_recordings`."""
    return equal_recordings
