"""Signs of the weights that leave a unit."""

import numpy as np
import pytest
from scipy import sparse

from bionet.network import Dense, Sparse


@pytest.mark.parametrize("seed", range(3))
def test_a_sparse_kernel_has_the_signs_of_its_dense_matrix(seed):
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(4, 6)) * (random.random((4, 6)) < 0.4)
    kernel = Sparse.of_matrix(sparse.csr_array(matrix), (4,))
    for mine, reference in zip(kernel.signs(), Dense(matrix).signs(), strict=True):
        np.testing.assert_array_equal(mine, reference)
