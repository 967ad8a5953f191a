"""Dale's principle in networks of rates: partners repeat spikes, and no count changes."""

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.conversion import with_interneurons
from bionet.errors import InputError


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((6, 1, 6, 6), dtype=np.float32)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(),
        nn.Linear(5, 4),
    )  # fmt: skip


def run(snn, images):
    return bionet.simulate(snn, images, 60 * ms, device="numpy", dtype="float64")


def test_partners_change_no_count(net, images, tmp_path):
    free, dale = (bionet.convert(net, "rate", images, dale=dale) for dale in (None, "relay"))
    assert not free.is_dale()
    assert dale.is_dale()
    assert bionet.SpikingNetwork.load(dale.save(tmp_path / "x.snn")).is_dale()
    # What a convolution sends to a pooling excites alone.
    partners = dict(dale.relays)
    assert partners == {"pool2_inhibitory": "pool2", "linear4_inhibitory": "linear4"}
    expected, found = run(free, images), run(dale, images)
    assert expected.counts["linear6"].any()
    for name, counts in expected.counts.items():
        np.testing.assert_array_equal(found.counts[name], counts, err_msg=name)
    np.testing.assert_array_equal(found.counts["pool2_inhibitory"], found.counts["pool2"])
    np.testing.assert_allclose(found.output_potential, expected.output_potential, atol=1e-12)
    plain, with_partners = (
        bionet.audit(net, snn, run, images) for snn, run in ((free, expected), (dale, found))
    )
    for row, other in zip(plain.rows, with_partners.rows, strict=True):
        assert (row.population, row.bad) == (other.population, other.bad)
        assert row.errors == pytest.approx(other.errors, abs=1e-9)
        assert row.residual == pytest.approx(other.residual, abs=1e-12)
    assert bionet.convert(net, "rate", images, dale=True) == dale
    assert bionet.convert(net, "rate", images, dale=False) == free


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "rate", "dale": "train"},
            "dale of method 'rate' must be 'relay', True, False or None",
        ),
        ({"method": "rate", "dale": "relay", "signed": True}, "spikes .* have a sign or a size"),
        ({"method": "rate", "neuron": 1}, "no option 'neuron', which is one of method 'biophys"),
    ],
)
def test_what_interneurons_cannot_do(net, images, options, message):
    with pytest.raises(InputError, match=message):
        bionet.convert(net, calibration=images, **options)


def test_a_temporal_code_is_refused(net, images):
    snn = bionet.convert(net, "ttfs", images)
    with pytest.raises(InputError, match="'ttfs' reads the time of single spikes"):
        with_interneurons(snn)
