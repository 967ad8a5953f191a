"""Labels, single outputs, masks, bytes, and outputs on the network's own scale."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.errors import InputError
from bionet.results.latency import latency


def small(n_outputs):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(24, n_outputs),
    )  # fmt: skip


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(9).random((30, 1, 6, 5), dtype=np.float32)


@pytest.fixture(scope="module")
def net():
    return small(3)


@pytest.fixture(scope="module")
def run(net, images):
    snn = bionet.convert(net, calibration=images)
    return bionet.simulate(snn, images, 400 * ms, device="numpy")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(30) % 3 + 1, "classes from 0 to 2, but image 2 has 3; classes are counted"),
        (np.full(30, -1), "image 0 has -1"),
        (
            np.array(list("012" * 10)),
            "labels must be an array of numbers, but is a ndarray of shape \(30,\) and type <U1",
        ),
        (np.full(30, np.nan), "whole numbers"),
        (np.zeros(29), "an array of 30 classes"),
    ],
)
def test_labels_that_are_no_class_are_refused(run, labels, message):
    for ask in (run.accuracy, run.accuracy_over_time):
        with pytest.raises(InputError, match=message):
            ask(labels)


def test_a_single_output_is_read_by_its_sign(images):
    net = small(1)
    with torch.no_grad():
        scores = net(torch.from_numpy(images))[:, 0]
        net[-1].bias -= scores.median()
    labels = (scores > scores.median()).long().numpy()
    assert bionet.evaluation.evaluate(net, images, labels) == 1
    run = bionet.simulate(bionet.convert(net, calibration=images), images, 400 * ms, device="numpy")
    right = (run.values()[:, 0] > 0) == labels
    assert run.accuracy(labels) == right.mean() > 0.9
    assert run.accuracy_over_time(labels)[-1] == right.mean()
    assert (run.predictions("MS") == (run.output_spikes.sum(axis=(1, 2)) > 0)).all()
    assert (run.predictions("FS") == run.predictions("MS")).all()
    assert not run.ties("MP").any()
    with pytest.raises(InputError, match="classes from 0 to 1, but image 0 has 2"):
        run.accuracy(np.full(30, 2))


def test_accuracy_among_the_first_answers(run):
    scores = run.output_potential[:, -1]
    worst, second = np.argsort(scores, axis=1)[:, 0], np.argsort(scores, axis=1)[:, 1]
    assert run.accuracy(second, top=1) == 0 and run.accuracy(second, top=2) == 1
    assert run.accuracy(worst, top=2) == 0 and run.accuracy(worst, top=3) == 1
    for top in (0, 4, 1.5, True):
        with pytest.raises(InputError, match="top must be a whole number"):
            run.accuracy(worst, top=top)


def test_values_are_the_network_s_outputs(run, net, images):
    """r = W r + b - v(T)/T: off by at most a spike of each of 24 sources, over 400 steps."""
    with torch.no_grad():
        outputs = net(torch.from_numpy(images)).numpy()
    values = run.values()
    assert values.shape == outputs.shape and values.dtype == np.float64
    assert np.abs(values - outputs).max() < 0.02
    assert run.output_error(outputs) == pytest.approx(np.sqrt(np.mean((values - outputs) ** 2)))
    with pytest.raises(InputError, match=r"outputs must have the shape \(30, 3\)"):
        run.output_error(outputs[:5])
    with pytest.raises(InputError, match="what the readout's potential stands for"):
        replace(run, outputs=np.zeros(0)).values()


def test_values_of_a_temporal_code(net, images):
    snn = bionet.convert(net, "tdsnn", images, leak=50 * ms)
    run = bionet.simulate(snn, images[:5], device="numpy")
    with torch.no_grad():
        outputs = net(torch.from_numpy(images[:5])).numpy()
    assert run.output_error(outputs) < 0.05


def test_masks_are_masks(tiny, tiny_images):
    mask, units = np.zeros(5, dtype=bool), np.zeros(12, dtype=bool)
    mask[[1, 4]], units[[3, 7]] = True, True
    run = bionet.simulate(tiny, tiny_images, 5 * ms, device="numpy",
                          record={"conv": {"v": units}}, record_images=mask)  # fmt: skip
    assert run.recorded_images.tolist() == [1, 4]
    assert run.recorded_units["conv"].tolist() == [3, 7]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"record_images": np.zeros(4, dtype=bool)}, "record_images: a mask must have 5 elements"),
        ({"record_images": [0.5]}, "record_images takes whole numbers or a mask"),
        ({"record": {"conv": {"v": [1.9, 3.2]}}}, r"record\['conv'\] takes whole numbers"),
        ({"record": {"conv": {"v": np.zeros(12, dtype=bool)}}}, "the mask names no unit"),
        ({"record": {"conv": {"v": 3}}}, "takes whole numbers or a mask"),
    ],
)
def test_fractions_and_other_masks_are_refused(tiny, tiny_images, settings, message):
    with pytest.raises(InputError, match=message):
        bionet.simulate(tiny, tiny_images, 5 * ms, device="numpy",
                        **{"record": {"conv": ["v"]}, **settings})  # fmt: skip


def test_bytes_are_refused_and_floats_like_them_warned_of(tiny, tiny_images):
    raw = (tiny_images * 255).round()
    with pytest.raises(InputError, match="uint8 values up to 2.., but .* divide pixels"):
        bionet.simulate(tiny, raw.astype(np.uint8), 5 * ms, device="numpy")
    with pytest.warns(UserWarning, match="whole numbers up to 2..; .* divided by 255"):
        bionet.simulate(tiny, raw, 5 * ms, device="numpy")
    with pytest.raises(
        InputError,
        match="an array of numbers, a Stimulus or None, but is a DataLoader; of a DataLoader",
    ):
        bionet.simulate(tiny, torch.utils.data.DataLoader([1]), 5 * ms, device="numpy")
    black_and_white = (tiny_images > 0.5).astype(np.uint8)
    one, other = (bionet.simulate(tiny, x, 5 * ms, device="numpy")
                  for x in (black_and_white, black_and_white.astype(bool)))  # fmt: skip
    np.testing.assert_array_equal(one.output_potential, other.output_potential)


def test_latency_is_from_where_the_accuracy_stays():
    accuracy = np.array([0.1, 0.90, 0.5, 0.89, 0.88, 0.90])
    assert latency(accuracy) == 6 and latency(accuracy, loss=0.02) == 4
    assert latency(accuracy, loss=0.02, strict=True) == 6
    assert latency(accuracy, rule="reached") == 2
    assert latency(accuracy, reference=0.95) is None
    assert latency(accuracy, reference=0.91, loss=0.01) == 6
    with pytest.raises(InputError, match="rule is 'stays' or 'reached', but got 'first'"):
        latency(accuracy, rule="first")


def test_a_recording_is_the_same_after_saving(tmp_path, net, images):
    """Its order too: drawn windows of a temporal code follow it."""
    snn = bionet.convert(net, "tdsnn", images, leak=5 * ms)
    names = [p.name for p in snn.populations][::-1]
    record = {n: ["spikes"] for n in names if snn.population(n).model.threshold is not None}
    run = bionet.simulate(snn, images[:3], device="numpy", record=record, final_potentials=True)
    loaded = bionet.Recording.load(run.save(tmp_path))
    for group in ("counts", "recorded_spikes", "spike_steps", "releases", "final_potentials"):
        assert list(getattr(loaded, group)) == list(getattr(run, group)) != []
    assert loaded == run and hash(loaded) == hash(run)
    assert loaded != replace(run, releases=dict(reversed(run.releases.items())))
    more = {**run.counts, names[-1]: run.counts.get(names[-1], np.zeros(1)) + 1}
    assert loaded != replace(run, counts=more) and loaded != 3
    axes = [bionet.figures.raster(r, image=1) for r in (run, loaded)]
    one, other = ([line.get_xydata().tolist() for line in ax.lines] for ax in axes)
    assert one == other
    spans = ([p.get_extents().bounds for p in ax.patches] for ax in axes)
    assert next(spans) == next(spans)
