"""Kernels: shapes and synapse counts against torch, equality, refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from bionet.errors import InputError
from bionet.network.kernels import AveragePool2d, Conv2d, Dense, Kernel, OneToOne, Sparse

PAIRS = st.tuples(st.integers(1, 4), st.integers(1, 4))
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def count_synapses(kernel, source):
    """Every synapse once: a kernel of ones, the sum of what all units of value 1 deliver."""
    image = torch.ones(1, *source, requires_grad=True)
    if isinstance(kernel, Conv2d):
        ones = torch.ones(kernel.weights.shape)
        options = (kernel.stride, kernel.padding, kernel.dilation, kernel.groups)
        result = F.conv2d(image, ones, None, *options)
    else:
        options = (kernel.kernel, kernel.stride, kernel.padding, kernel.ceil_mode, True, 1)
        result = F.avg_pool2d(image, *options)
    result.sum().backward()
    return tuple(result.shape[1:]), image.grad[0].numpy()


@settings(deadline=None, derandomize=True)
@given(size=SIZES, kernel=PAIRS, stride=PAIRS, padding=PAIRS, dilation=PAIRS, groups=st.just(2))
def test_convolution_has_the_shape_and_synapses_of_torch(
    size, kernel, stride, padding, dilation, groups
):
    conv = Conv2d(np.ones((6, 2, *kernel)), stride, padding, dilation, groups)
    source = (4, *size)
    reach = np.array(dilation) * (np.array(kernel) - 1) + 1
    if (np.array(size) + 2 * np.array(padding) < reach).any():
        with pytest.raises(InputError, match="Conv2d: the kernel is larger than the padded source"):
            conv.target_shape(source)
        return
    shape, synapses = count_synapses(conv, source)
    assert conv.target_shape(source) == shape
    assert conv.n_synapses(source) == synapses.sum()
    np.testing.assert_array_equal(conv.fan_out(source), synapses)


@settings(deadline=None, derandomize=True)
@given(size=SIZES, kernel=PAIRS, stride=st.none() | PAIRS, half=st.booleans(), ceil=st.booleans())
def test_pooling_has_the_shape_and_synapses_of_torch(size, kernel, stride, half, ceil):
    padding = tuple(k // 2 if half else 0 for k in kernel)
    pool = AveragePool2d(kernel, stride, padding, ceil_mode=ceil)
    source = (3, *size)
    try:
        shape, synapses = count_synapses(pool, source)
    except RuntimeError:  # torch refuses an empty output
        with pytest.raises(InputError, match="AveragePool2d: the kernel is larger than the padded"):
            pool.target_shape(source)
        return
    assert pool.target_shape(source) == shape
    assert pool.n_synapses(source) == synapses.sum()
    np.testing.assert_array_equal(pool.fan_out(source), synapses)


def test_dense_and_one_to_one_count_their_synapses():
    assert Dense(np.ones((4, 6))).n_synapses((2, 3)) == 24
    assert (Dense(np.ones((4, 6))).fan_out((6,)) == 4).all()
    assert OneToOne().n_synapses((2, 3, 4)) == OneToOne().fan_out((2, 3, 4)).sum() == 24


def test_a_sparse_kernel_is_its_matrix():
    matrix = np.array([[0, 2.0, 0, 1], [0, 0, 0, 3], [0, 0, 0, 0]])
    kernel = Sparse.of_matrix(matrix, (3, 1))
    np.testing.assert_array_equal(kernel.matrix().toarray(), matrix)
    np.testing.assert_array_equal(kernel.fan_out((2, 2)), [[0, 1], [0, 2]])
    assert kernel.target_shape((2, 2)) == (3, 1)
    assert kernel.n_synapses((4,)) == 3
    with pytest.raises(InputError, match=r"connects 4 units, but the source population has 3"):
        kernel.target_shape((3,))


@pytest.mark.parametrize(
    ("offsets", "targets", "message"),
    [
        ([0, 1], [0, 1], "offsets must rise from 0 to the number of connections"),
        ([0, 2, 1, 2], [0, 1], "offsets must rise from 0"),
        ([0, 2], [0, 3], r"targets must lie in 0 .. 2"),
        ([0, 2], [1, 1], "targets must ascend, each once"),
    ],
)
def test_connections_that_are_none_are_refused(offsets, targets, message):
    with pytest.raises(InputError, match=message):
        Sparse(offsets, targets, [1.0, 2.0], (3,))


def test_a_row_of_channels_is_an_image_of_height_1():
    conv = Conv2d(np.ones((5, 2, 1, 3)), stride=(1, 2), padding=(0, 1))
    assert conv.target_shape((2, 9)) == (5, 5)
    assert conv.n_synapses((2, 9)) == conv.n_synapses((2, 1, 9))
    np.testing.assert_array_equal(conv.fan_out((2, 9)), conv.fan_out((2, 1, 9))[:, 0])
    assert AveragePool2d((1, 3)).target_shape((2, 9)) == (2, 3)


W = np.arange(16.0).reshape(2, 2, 2, 2)
DIFFERENT = [
    Dense(W[0, 0]),
    Dense(W[0, 0] + 1e-12),
    Dense(W[0, 0].reshape(1, 4)),
    Conv2d(W),
    Conv2d(W, stride=2),
    Conv2d(W, padding=(0, 1)),
    Conv2d(W, dilation=2),
    Conv2d(W, groups=2),
    AveragePool2d(2),
    AveragePool2d(2, 1),
    AveragePool2d(2, padding=1),
    AveragePool2d(2, ceil_mode=True),
    AveragePool2d(2, count_include_pad=False),
    AveragePool2d(2, divisor_override=3),
    AveragePool2d(2, scale=0.5),
    OneToOne(),
    OneToOne(2.0),
    OneToOne(np.array([1.0, 2.0])),
]


def test_kernels_are_equal_only_to_themselves():
    for i, one in enumerate(DIFFERENT):
        for j, other in enumerate(DIFFERENT):
            assert (one == other) is (i == j), (one, other)
    assert Conv2d(W, stride=(2, 2)) == Conv2d(W, stride=2)
    assert AveragePool2d(2) == AveragePool2d((2, 2), stride=(2, 2))
    assert Dense(W[0, 0]) != "dense"


def test_weights_are_copied_and_read_only():
    source = np.ones((2, 3))
    kernel = Dense(source)
    source[:] = 7
    assert (kernel.weights == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        kernel.weights[0, 0] = 5


def test_float32_weights_stay_float32():
    assert Dense(np.ones((2, 3), np.float32)).weights.dtype == np.float32
    assert Dense([[1, 2]]).weights.dtype == np.float64


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(np.ones(3)), r"Dense.weights must have 2 dimensions, but has 1"),
        (lambda: Dense([[np.nan]]), "Dense.weights must be finite"),
        (lambda: Conv2d(np.ones((2, 2))), "Conv2d.weights must have 4 dimensions"),
        (lambda: Conv2d(W + np.inf), "Conv2d.weights must be finite"),
        (lambda: Conv2d(W, stride=0), "Conv2d.stride must be one or two whole numbers >= 1"),
        (lambda: Conv2d(W, stride=1.5), "Conv2d.stride .* but got 1.5"),
        (lambda: Conv2d(W, padding=(1, -1)), r"Conv2d.padding .* >= 0, but got \(1, -1\)"),
        (lambda: Conv2d(W, dilation=(1, 2, 3)), "Conv2d.dilation must be one or two"),
        (lambda: Conv2d(W, groups=0), "Conv2d.groups must divide the 2 output channels"),
        (lambda: Conv2d(W, groups=3), "Conv2d.groups .* but is 3"),
        (lambda: AveragePool2d(0), "AveragePool2d.kernel must be"),
        (lambda: AveragePool2d(2, stride=0), "AveragePool2d.stride must be"),
        (lambda: AveragePool2d(2, padding=2), r"padding must be at most half the kernel \(2, 2\)"),
        (lambda: AveragePool2d(2, divisor_override=0), "divisor_override must not be 0"),
        (
            lambda: AveragePool2d(2, scale=np.nan),
            "AveragePool2d: scale must be a number, but is nan",
        ),
        (lambda: OneToOne(np.inf), "OneToOne.weight must be finite, but is inf"),
        (lambda: OneToOne([1.0, np.nan]), "OneToOne.weight must be finite"),
        (lambda: Dense(W[0, 0]).target_shape((3,)), "has 2 columns, but the source .* 3 units"),
        (lambda: Conv2d(W).target_shape((4,)), r"Conv2d needs a \(channels, height, width\)"),
        (lambda: Conv2d(W).target_shape((3, 5, 5)), "takes 2 channels, but the source has 3"),
        (lambda: Conv2d(W).target_shape((2, 1, 5)), "Conv2d: the kernel is larger than the padded"),
        (lambda: AveragePool2d(2).target_shape((4,)), "AveragePool2d needs a"),
        (lambda: AveragePool2d(6).target_shape((1, 5, 5)), "AveragePool2d: the kernel is larger"),
        (lambda: OneToOne(np.ones(3)).target_shape((4,)), r"OneToOne.weight has shape \(3,\)"),
    ],
)
def test_bad_kernels_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("method", ["target_shape", "n_synapses"])
def test_a_new_kernel_must_define_its_geometry(method):
    with pytest.raises((TypeError, InputError), match="Kernel does not"):
        getattr(Kernel(), method)((1,))
