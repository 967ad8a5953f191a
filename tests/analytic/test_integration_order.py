"""A user's own model: the method it names integrates it, with the order the method has."""

import numpy as np
import pytest
from brian2 import ms

from bionet.equations import NeuronModel
from bionet.running.simulate import simulate


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("rk2", 2), ("rk4", 4)])
def test_the_error_falls_with_the_order_of_the_method(cells_network, method, order):
    """dv/dt = -v/tau from v(0) = 1: the error at 10 ms falls by 2^order when dt is halved."""
    tau = {"tau": 10 * ms}
    model = NeuronModel(
        "decay", "dv/dt = -v/tau : 1\ntau : second (constant)", method=method,
        parameters=tau, initial={"v": 1.0},
    )  # fmt: skip
    snn = cells_network(model, 1)
    errors = []
    for dt in (1 * ms, 0.5 * ms):
        run = simulate(snn, np.zeros((2, 1)), 10 * ms, dt, device="numpy", dtype="float64", lanes=1)
        np.testing.assert_array_equal(run.output_potential[0], run.output_potential[1])
        errors.append(abs(run.output_potential[0, -1, 0] - np.exp(-1)))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)
