"""Slow, obvious references: a spiking network read as a ReLU network, and simulated step by step.

Both use the arrays of the SpikingNetwork alone, through torch.nn.functional.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bionet.network.kernels import AveragePool2d, Conv2d, Dense


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """With tensors this small, threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def apply_kernel(kernel, values):
    """Input that each target unit gets from the source values, tensor (n, *source shape)."""
    if isinstance(kernel, Dense):
        return F.linear(values.flatten(1), torch.tensor(kernel.weights))
    if isinstance(kernel, Conv2d):
        options = (kernel.stride, kernel.padding, kernel.dilation, kernel.groups)
        return F.conv2d(values, torch.tensor(kernel.weights), None, *options)
    assert isinstance(kernel, AveragePool2d)
    pooled = F.avg_pool2d(
        values,
        kernel.kernel,
        kernel.stride,
        kernel.padding,
        kernel.ceil_mode,
        kernel.count_include_pad,
        kernel.divisor_override,
    )
    return pooled * kernel.scale


def drive_of(snn, name, values):
    """The input of a population in one step, with its constant drive."""
    projections = [p for p in snn.projections if p.target == name]
    total = sum(apply_kernel(p.kernel, values[p.source]) for p in projections)
    return total + torch.tensor(np.asarray(snn.population(name).parameters["I"]))


@pytest.fixture(scope="session")
def driven():
    """The input of a population, array (n, *shape), from values of its sources."""

    def drive(snn, name, values):
        tensors = {key: torch.as_tensor(value).double() for key, value in values.items()}
        return drive_of(snn, name, tensors).numpy()

    return drive


@pytest.fixture(scope="session")
def as_relu_network():
    """Values of every population, {name: array (n, *shape)}, each max(0, W x + I)."""

    def evaluate(snn, images):
        values = {"input": torch.as_tensor(images).double()}
        for population in snn.populations:
            total = drive_of(snn, population.name, values)
            values[population.name] = total if population.name == "readout" else total.relu()
        return {name: value.numpy() for name, value in values.items()}

    return evaluate


@pytest.fixture(scope="session")
def simulated():
    """Integrate-and-fire, synchronous layers: spike counts and final potentials."""

    def simulate(snn, images, steps):
        source = torch.as_tensor(images).double()
        shapes = {p.name: (len(source), *p.shape) for p in snn.populations}
        potential = {name: torch.zeros(shape).double() for name, shape in shapes.items()}
        counts = {name: torch.zeros(shape).double() for name, shape in shapes.items()}
        for _ in range(steps):
            spikes = {"input": source}
            for name in shapes:
                potential[name] += drive_of(snn, name, spikes)
                model = snn.population(name).model
                if model.threshold is None:
                    continue
                fired = potential[name] >= 1
                potential[name] = (
                    potential[name].masked_fill(fired, 0.0)
                    if model.reset == "v = 0"
                    else potential[name] - fired.double()
                )
                spikes[name] = fired.double()
                counts[name] += spikes[name]
        return {k: v.numpy() for k, v in counts.items()}, {
            k: v.numpy() for k, v in potential.items()
        }

    return simulate


@pytest.fixture(scope="session")
def randomised():
    """A network in float64 with random parameters and batch statistics, in evaluation mode."""

    def randomise(net, seed=0):
        generator = torch.Generator().manual_seed(seed)
        net = net.double().eval()
        for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                fan_in = max(1, tensor[0].numel()) if tensor.ndim > 1 else 4
                tensor.data.copy_(values / fan_in**0.5)
                if name.endswith("running_var"):
                    tensor.data.abs_().add_(0.5)
        return net

    return randomise
