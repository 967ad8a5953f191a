"""r^l = W r^{l-1} + b - v^l(T)/T in every layer (Rueckauer et al. 2016, Eq. 6; theta = 1).

Only the sums over time were reordered, so float64 leaves some 1e-13: the tolerance is 1e-9.
"""

import numpy as np
import pytest
from brian2 import ms

from bionet.running.simulate import simulate

STEPS = 60


@pytest.fixture(scope="module", params=["numpy", "cpp_standalone"])
def run(request, four_layers, four_layer_images):
    # Lanes are those of tests/test_devices.py: one program serves both.
    return simulate(
        four_layers, four_layer_images, STEPS * ms, device=request.param, dtype="float64",
        lanes=3, processes=1, record={"conv2": ["spikes", "v"]}, final_potentials=True,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["conv1", "pool", "conv2", "output", "readout"])
def test_every_layer_obeys_the_rate_equation(
    run, name, four_layers, four_layer_images, layer_input
):
    rates = {source: counts / STEPS for source, counts in run.counts.items()}
    rates["input"] = four_layer_images  # analog
    rates["readout"] = 0.0  # it never fires
    expected = layer_input(four_layers, name, rates) - run.final_potentials[name] / STEPS
    np.testing.assert_allclose(
        np.broadcast_to(rates[name], expected.shape), expected, rtol=0, atol=1e-9
    )


def test_an_independent_simulation_gives_the_same_spikes(
    run, four_layers, four_layer_images, layer_input
):
    """v += W o + b; o = v >= 1; v -= o, layer after layer in each step."""
    shapes = {p.name: (len(four_layer_images), *p.shape) for p in four_layers.populations}
    v = {name: np.zeros(shape) for name, shape in shapes.items()}
    counts = {name: np.zeros(shape) for name, shape in shapes.items()}
    for _ in range(STEPS):
        o = {"input": four_layer_images}
        for name in shapes:
            v[name] += layer_input(four_layers, name, o)
            o[name] = np.zeros(shapes[name]) if name == "readout" else (v[name] >= 1) * 1.0
            v[name] -= o[name]
            counts[name] += o[name]
    for name in run.counts:
        np.testing.assert_array_equal(run.counts[name], counts[name], err_msg=name)
        # Each layer must have something to say: neither silent nor saturated.
        assert 0.05 < counts[name].mean() / STEPS < 0.95
    np.testing.assert_allclose(run.output_potential[:, -1], v["readout"], rtol=0, atol=1e-9)
