"""A streamed recording is the one in memory, whatever the size of a batch."""

import sys

import numpy as np
import pytest
from brian2 import ms

import bionet
from bionet import equations
from bionet.running import streaming

h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def snn():
    rng = np.random.default_rng(1)
    return bionet.SpikingNetwork(
        (bionet.Population("out", (4,), equations.augmented()),),
        (bionet.Projection("input", "out", bionet.Dense(rng.normal(0, 1, (4, 3)))),),
        (3,),
        bionet.Readout("out", "out", "MS"),
    )


def _simulate(snn, **options):
    return bionet.simulate(
        snn,
        np.random.default_rng(2).random((5, 3)),
        duration=20 * ms,
        coding="poisson",
        device="numpy",
        record={"input": ["spikes"], "out": {"spikes": True, "v": [1, 3]}},
        **options,
    )


@pytest.mark.parametrize("images", [None, (0, 2, 4)])
def test_streaming_gives_the_same_recording(snn, tmp_path, monkeypatch, images):
    monkeypatch.setattr(streaming, "BATCH_BYTES", 1)  # an image a batch
    here = _simulate(snn, record_images=images)
    run = _simulate(snn, record_images=images, stream=tmp_path / "run.h5")
    assert isinstance(run.recorded_potentials["out"], h5py.Dataset)
    np.testing.assert_array_equal(run.recorded_images, here.recorded_images)
    np.testing.assert_array_equal(run.counts["out"], here.counts["out"])
    for image in here.recorded_images:
        for name in ("input", "out"):
            for one, two in zip(here.spikes(name, image), run.spikes(name, image), strict=True):
                np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(here.potential("out", image), run.potential("out", image))
    assert run.to_pandas().equals(here.to_pandas())
    loaded = bionet.Recording.load(run.save(tmp_path / "saved"))
    np.testing.assert_array_equal(
        loaded.recorded_potentials["out"], here.recorded_potentials["out"]
    )


def test_images_are_taken_in_batches():
    images = np.arange(10)
    assert [len(b) for b in streaming.batches(images, 4)] == [4, 4, 2]


def test_refusals(snn, tmp_path, monkeypatch):
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(bionet.InputError, match="cannot write .*folder.h5"):
        _simulate(snn, stream=tmp_path / "folder.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        bionet.InputError, match=r"streaming needs the package h5py.*bionet\[hdf5\]"
    ):
        _simulate(snn, stream=tmp_path / "run.h5")
