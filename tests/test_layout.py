"""The channel-last inside: the permutation of axes, there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bionet.brian.channel_last import from_channel_last, pack, to_channel_last, torch_index
from bionet.network.kernels import AveragePool2d, Conv2d, Dense, OneToOne

SHAPES = st.one_of(
    st.tuples(st.integers(1, 9)),
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
)


@given(shape=SHAPES, lead=st.sampled_from([(), (1,), (2, 3)]))
def test_channel_last_and_back(shape, lead):
    array = np.arange(np.prod(lead + shape, dtype=int)).reshape(*lead, *shape)
    flat = to_channel_last(array, shape)
    assert flat.shape == (*lead, np.prod(shape))
    np.testing.assert_array_equal(from_channel_last(flat, shape), array)


@given(shape=SHAPES)
def test_units_are_numbered_by_pixel_then_channel(shape):
    """u = (y * width + x) * channels + c."""
    index = torch_index(shape)
    if len(shape) == 1:
        np.testing.assert_array_equal(index, np.arange(shape[0]))
        return
    channels, height, width = shape
    for c, y, x in np.ndindex(*shape):
        assert index[(y * width + x) * channels + c] == (c * height + y) * width + x


def test_rows_of_weights_fill_whole_vector_blocks():
    for dtype, width in (("float32", 16), ("float64", 8)):
        packed = pack(Dense(np.ones((17, 3))), (3,), (17,), dtype)
        rows = packed.weights.reshape(3, -1)
        assert rows.shape[1] % width == 0 and rows.dtype == dtype
        assert rows[:, :17].all() and not rows[:, 17:].any()


def test_dense_weights_follow_both_permutations():
    """Row (y, x, c) of the source, column (y, x, c) of the target."""
    source, target = (2, 3, 2), (3, 1, 2)
    weights = np.arange(72.0).reshape(6, 12)
    packed = pack(Dense(weights), source, target, "float64")
    expected = weights[torch_index(target)][:, torch_index(source)].T
    np.testing.assert_array_equal(packed.weights.reshape(12, -1)[:, :6], expected)


@pytest.mark.parametrize("kernel", [Conv2d(np.ones((1, 1, 2, 3)), padding=1), AveragePool2d(2, 1)])
def test_connections_are_sorted_and_single(kernel):
    source = (1, 4, 5)
    rows = kernel.window().connections(source, kernel.target_shape(source))
    assert len(np.unique(rows[:, :2], axis=0)) == len(rows) == kernel.n_synapses(source)
    np.testing.assert_array_equal(rows, rows[np.lexsort((rows[:, 1], rows[:, 0]))])


def test_one_to_one_keeps_the_channels_apart():
    weight = np.arange(12.0).reshape(2, 3, 2)
    packed = pack(OneToOne(weight), (2, 3, 2), (2, 3, 2), "float64")
    np.testing.assert_array_equal(packed.weights, weight.transpose(1, 2, 0).reshape(-1))
