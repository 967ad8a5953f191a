"""The explorer holds the spikes, potentials and receptive fields of a run."""

import json
import re

import numpy as np
import pytest

from bionet import cli
from bionet.equations import integrate_and_fire
from bionet.errors import InputError
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import AveragePool2d, Conv2d, Dense
from bionet.network.reach import reach
from bionet.pages.explorer_page import explorer, explorer_data


@pytest.fixture(scope="module")
def explored(runs):
    assert cli.main(["explore", "runs/plain"]) == 0
    return (runs / "runs/plain/explorer.html").read_text()


def test_it_holds_every_recorded_spike(explored, plain):
    run, labels = plain
    data = json.loads(re.search(r'id="data">(.*?)</script>', explored, re.S).group(1))
    assert [image["number"] for image in data["images"]] == [0, 3]
    for image in data["images"]:
        spikes = np.array(image["spikes"]["conv0"]).reshape(-1, 2)
        expected = run.spikes("conv0", image["number"])
        assert np.array_equal(spikes, np.stack([expected.step, expected.unit], axis=1))
        trace = image["potentials"]["conv0"]["5"]
        assert trace == pytest.approx(run.potential("conv0", image["number"])[:, 5], rel=1e-3)
        assert image["label"] == labels[image["number"]]
    conv = next(layer for layer in data["layers"] if layer["name"] == "conv0")
    assert conv["field"] == [[0, 1, 3], [0, 1, 3]]
    assert "http" not in re.sub(r"http://www.w3.org/\S+|http-equiv", "", explored)


def test_receptive_fields_are_those_that_weights_reach():
    """Against the units that a single bright pixel moves, computed with the kernels themselves."""
    neuron = integrate_and_fire()
    conv, pool = Conv2d(np.ones((1, 1, 3, 2)), (2, 1), (1, 0)), AveragePool2d((2, 2), (2, 2))
    shapes = {"a": conv.target_shape((1, 9, 8))}
    shapes["b"] = pool.target_shape(shapes["a"])
    dense = Dense(np.ones((2, int(np.prod(shapes["b"])))))
    populations = [Population(name, shape, neuron) for name, shape in shapes.items()]
    populations.append(Population("c", (2,), neuron))
    projections = [Projection("input", "a", conv), Projection("a", "b", pool)]
    projections.append(Projection("b", "c", dense))
    snn = SpikingNetwork(tuple(populations), tuple(projections), (1, 9, 8), Readout("c", "c"))
    fields = reach(snn)
    assert fields["a"] == ((-1, 2, 3), (0, 1, 2))
    assert fields["b"] == ((-1, 4, 5), (0, 2, 3))
    assert fields["c"] is None


def test_refusals(plain, tmp_path):
    from dataclasses import replace

    run, _ = plain
    with pytest.raises(InputError, match="no recorded spikes to explore"):
        explorer_data(replace(run, recorded_spikes={}))
    with pytest.raises(InputError, match=r"an explorer's name ends in .html"):
        explorer(run, tmp_path / "a.txt")
