"""A state variable that is NaN or infinite ends a simulation and is named."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Network, ms, prefs

import bionet
from bionet.brian.finite import NotFiniteError
from bionet.equations import NeuronModel
from bionet.errors import BioNetError
from bionet.network import Conv2d

# 1e39 is more than float32 holds: after 13 steps of a thousandfold growth from 1.
EQUATIONS = "dv/dt = (growth*v + I)/(1*ms) : 1\ngrowth : 1 (constant)\nI : 1 (constant)"
RUNAWAY = NeuronModel("runaway", EQUATIONS,
                      threshold="v < -1", reset="v = 0", initial={"v": 1.0})  # fmt: skip
CONV, UNIT = 0, 8  # of the shape (2, 3, 2): channel 1, row 1, column 0
MESSAGE = (
    r"v of unit 8 \(1, 1, 0\) of population 'conv' is NaN or infinite from 13 ms \(step 12\) of"
    r" image {} on; check the equations"
)


@pytest.fixture
def runaway(tiny):
    """The convolution's unit 8 grows a thousandfold in a step, all others stay at 1."""
    growth = np.zeros(12)
    growth[UNIT] = 999.0
    conv = replace(tiny.populations[CONV], model=RUNAWAY,
                   parameters={"growth": growth.reshape(2, 3, 2), "I": 0.0})  # fmt: skip
    silent = replace(tiny.projections[0], kernel=Conv2d(np.zeros((2, 2, 2, 2))))
    return replace(tiny, populations=(conv, *tiny.populations[1:]),
                   projections=(silent, *tiny.projections[1:]))  # fmt: skip


@pytest.mark.parametrize(
    "device", ["numpy", pytest.param("cython", marks=pytest.mark.slow),
               pytest.param("cpp_standalone", marks=pytest.mark.slow)],
)  # fmt: skip
def test_population_unit_image_and_time_are_named(runaway, tiny_images, device):
    with pytest.raises(BioNetError, match=MESSAGE.format(0)):
        bionet.simulate(runaway, tiny_images, 20 * ms, device=device, lanes=3)
    assert not Network._globally_running  # else the next Ctrl-C would be lost
    run = bionet.simulate(runaway, tiny_images, 12 * ms, device=device, lanes=3)
    assert np.isfinite(run.output_potential).all()


def test_objects_in_the_user_s_hands_stop_too(runaway, tiny_images, monkeypatch):
    monkeypatch.setitem(prefs, "codegen.target", "numpy")
    network, _ = bionet.build(runaway, tiny_images[:2], 20 * ms, dtype="float32")
    with pytest.raises(NotFiniteError, match="v of unit .* of conv is NaN .* step 12 of image 0"):
        network.run(20 * ms)


def test_the_image_is_the_one_that_diverges(tiny, tiny_images):
    """The drive of one image alone is too much for float32."""
    huge = tiny_images.copy()
    huge[3] = 3e38
    for lanes in (2, 5):
        with pytest.raises(BioNetError, match=r"of image 3 on"):
            bionet.simulate(tiny, huge, 10 * ms, device="numpy", lanes=lanes)
