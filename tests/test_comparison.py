import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bionet.audits.rate_comparison import Tally
from bionet.errors import InputError
from bionet.network.kernels import AveragePool2d, Conv2d, Dense, Kernel, OneToOne


def test_constant_sides_have_no_correlation():
    tally = Tally(n_steps=10)
    tally.add(np.full((2, 3), 0.1), np.full((2, 3), 0.3), None, None, 5)
    assert np.isnan(tally.correlation)
    tally.add(np.full((2, 3), 0.2), np.full((2, 3), 0.3), None, None, 5)
    assert tally.correlation == 0


@pytest.mark.parametrize(
    ("kernel", "shape", "module"),
    [
        (
            Conv2d(np.arange(36.0).reshape(4, 1, 3, 3), (2, 1), (1, 2), (1, 2), groups=2),
            (2, 7, 9),
            lambda x, k: F.conv2d(x, torch.tensor(k.weights), None, (2, 1), (1, 2), (1, 2), 2),
        ),
        (
            AveragePool2d((3, 2), (2, 2), (1, 0), True, False, scale=0.5),
            (2, 7, 9),
            lambda x, k: 0.5 * F.avg_pool2d(x, (3, 2), (2, 2), (1, 0), True, False),
        ),
        (
            Dense(np.arange(24.0).reshape(2, 12)),
            (3, 2, 2),
            lambda x, k: F.linear(x.flatten(1), torch.tensor(k.weights)),
        ),
        (OneToOne(0.5), (3, 2), lambda x, k: x / 2),
        (
            OneToOne(np.arange(6.0).reshape(3, 2)),
            (3, 2),
            lambda x, k: x * torch.arange(6.0).reshape(3, 2),
        ),
    ],
)
def test_kernels_do_what_torch_does(kernel, shape, module):
    values = np.random.default_rng(0).random((3, *shape))
    expected = module(torch.from_numpy(values), kernel).numpy()
    assert np.allclose(kernel.apply(values), expected, rtol=0, atol=1e-12)
    assert expected.shape[1:] == kernel.target_shape(shape)


def test_an_unknown_kernel_is_no_linear_one():
    with pytest.raises(InputError, match="Kernel does not list its connections"):
        Kernel().apply(np.zeros((1, 2)))
