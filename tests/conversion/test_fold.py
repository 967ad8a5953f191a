"""Fold: independence of order, max pooling after the window, layers that run in parts."""

import numpy as np
import pytest
import torch
from brian2 import Hz, Network, NeuronGroup, SpikeGeneratorGroup, SpikeMonitor, ms
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import bionet
from bionet.brian.synapses import SharedSynapses
from bionet.conversion import convert, fold_report, fragment, joined
from bionet.errors import InputError
from bionet.network.kernels import Dense

SHAPE = (2, 8, 6)
OPTIONS = {
    "sigma": 0.7,
    "fold": True,
    "duration": 20 * ms,
    "drain": 10 * ms,
    "max_rate": 400 * Hz,
}


@pytest.mark.usefixtures("numpy_target")
@settings(max_examples=6, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_counts_do_not_depend_on_when_spikes_come(seed):
    """The two pathways alone, in plain Brian2: spike times shuffled within the window."""
    rng = np.random.default_rng(seed)
    n_in, n_out, window = 6, 4, 15
    weights = rng.normal(0, 0.4, (n_out, n_in))
    counts = rng.integers(0, window, n_in)

    def emitted():
        times = [np.sort(rng.permutation(window)[:count]) for count in counts]
        index = np.repeat(np.arange(n_in), counts)
        source = SpikeGeneratorGroup(n_in, index, np.concatenate(times) * ms, dt=1 * ms)
        target = NeuronGroup(
            n_out, "v : 1", threshold="v >= 1", reset="v -= 1", dt=1 * ms, method="euler"
        )
        lowering, raising = (
            SharedSynapses(source, target, Dense(weights), (n_in,), sign=sign, delay_steps=delay)
            for sign, delay in ((-1, 0), (1, window))
        )
        spikes = SpikeMonitor(target, record=False)
        Network(source, target, lowering, raising, spikes).run(2 * (window + 15) * ms)
        return np.array(spikes.count)

    expected = np.floor(np.maximum(0, weights @ counts) + 1e-9)
    for _ in range(2):
        np.testing.assert_array_equal(emitted(), expected)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(5).uniform(-1, 1, (3, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(2, 5, 3, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(5, 4, 2, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(1, 2),
        nn.Flatten(),
        nn.Linear(4 * 1 * 1, 7, bias=False),
        nn.ReLU(),
        nn.Linear(7, 3, bias=False),
    )


@pytest.fixture(scope="module")
def folded(net, images):
    snn = convert(net, "dsnn", None, SHAPE, **OPTIONS)
    return snn, run(snn, images)


def run(snn, images, **options):
    settings = {"device": "numpy", "dtype": "float64", "final_potentials": True, **options}
    record = {p.name: ["spikes"] for p in snn.populations if p.model.threshold}
    return bionet.simulate(snn, images, record=record, **settings)


def test_max_pooling_passes_the_spikes_of_the_largest_count(folded, images):
    snn, found = folded
    counts = torch.tensor(found.counts["conv0"].astype(float))
    largest = nn.functional.max_pool2d(counts, 2, ceil_mode=True).numpy()
    np.testing.assert_array_equal(found.counts["maxpool2"], largest)
    assert largest.sum() > 50
    window = snn.code.window
    assert found.spikes("maxpool2", 0).step.min() >= 2 * window
    rows = fold_report(snn, found, images)
    assert [(r.wrong, r.lost) for r in rows] == [(0, 0)] * len(rows)


def test_the_search_leaves_a_max_pooling_alone(net, images, monkeypatch):
    monkeypatch.setattr("bionet.conversion.dsnn.agreement_with", lambda *_: lambda snn: 0.5)
    snn = convert(net, "dsnn", images, sigmas=(0.4, 0.2), factors=(), **(OPTIONS | {"sigma": None}))
    assert "maxpool2" not in snn.metadata["sigmas"]
    assert snn.metadata["thresholds"]["maxpool2"] == 1
    with pytest.raises(InputError, match="max pooling at layer '2'.*cannot be converted"):
        convert(net, "dsnn", None, SHAPE, sigma=0.4)


# Windows by which each part's spikes come later than the uncut population's.
LATE = {
    "conv0": [0, 2, 4],
    "maxpool2": [0, 2, 4],
    "conv3": [4],
    "pool5": [4],
    "linear7": [4],
    "linear9": [4],
}
LATE_OF_THREE_LAYERS = {
    "conv0": [0, 2],
    "maxpool2": [0, 2],
    "conv3": [2, 4, 6, 8],
    "pool5": [2, 4, 6, 8],
    "linear7": [8, 10, 12],
    "linear9": [12],
}


@pytest.mark.parametrize(
    ("parts", "late"),
    [({"conv0": 3}, LATE), ({"conv0": 2, "conv3": 4, "linear7": 3}, LATE_OF_THREE_LAYERS)],
)
def test_parts_run_one_after_another_spike_for_spike(folded, images, parts, late):
    snn, whole = folded
    window = snn.code.window
    cut = fragment(snn, parts)
    found = run(cut, images)
    counts = joined(cut, found.counts)
    assert counts.keys() == whole.counts.keys()
    for name, windows in late.items():
        np.testing.assert_array_equal(counts[name], whole.counts[name], err_msg=name)
        names = cut.code.fragments.get(name, [name])
        assert len(names) == len(windows)
        for image in range(len(images)):
            expected = whole.spikes(name, image)
            got, first = set(), 0
            for part, shift in zip(names, windows, strict=True):
                spikes = found.spikes(part, image)
                got |= set(zip(spikes.step - shift * window, spikes.unit + first, strict=True))
                first += cut.population(part).size
            assert got == set(zip(expected.step, expected.unit, strict=True)), name
    np.testing.assert_allclose(
        found.output_potential[:, -1], whole.output_potential[:, -1], atol=1e-9
    )


def test_what_cannot_be_cut_is_refused(folded, net):
    snn, found = folded
    with pytest.raises(InputError, match="only a folded network"):
        fragment(convert(nn.Sequential(nn.Linear(2, 2)), "dsnn", None, (2,), sigma=1.0), {})
    with pytest.raises(InputError, match="'linear9' is read out"):
        fragment(snn, {"linear9": 2})
    with pytest.raises(InputError, match="'conv0' has 5 channels.*got 6"):
        fragment(snn, {"conv0": 6})
    with pytest.raises(InputError, match="'maxpool2' gets its input channel by channel"):
        fragment(snn, {"maxpool2": 2})
    with pytest.raises(InputError, match="no population is called 'conv9'"):
        fragment(snn, {"conv9": 2})
    with pytest.raises(InputError, match="takes the uncut network"):
        fold_report(fragment(snn, {"conv0": 2}), found, np.zeros((3, *SHAPE)))


@pytest.fixture(scope="module")
def rounded(net, images):
    options = OPTIONS | {"sigma": "window", "rounding": "nearest", "drain": 40 * ms}
    snn = convert(net, "dsnn", images, fill=0.4, **options)
    return snn, run(snn, images)


def test_rounding_to_nearest_keeps_its_closed_form(rounded, images):
    snn, found = rounded
    rows = fold_report(snn, found, images)
    assert [(r.wrong, r.lost, r.saturated) for r in rows] == [(0, 0, 0)] * len(rows)
    # By hand, for the first layer: the total of a window, rounded.
    emitted = np.floor(np.abs(images) * 0.4 * 20 + 1e-6) * np.sign(images)
    conv = snn.projections[0].kernel.weights
    total = nn.functional.conv2d(torch.tensor(emitted, dtype=torch.float64), torch.tensor(conv))
    theta = snn.population("conv0").parameters["theta"]
    by_hand = np.floor(np.maximum(0, total.numpy()) / theta + 0.5)
    np.testing.assert_array_equal(found.counts["conv0"], by_hand)
    assert (by_hand != np.floor(np.maximum(0, total.numpy()) / theta)).any()


def test_the_busiest_unit_fills_its_share_of_the_window(rounded, images):
    snn, found = rounded
    most = round(0.4 * snn.code.window)
    for name in ("conv0", "conv3", "linear7"):
        assert found.counts[name].max() == most
    assert found.counts["maxpool2"].max() == most


def test_thresholds_of_a_window_are_refused_where_they_make_no_sense(net, images):
    with pytest.raises(InputError, match="add fold=True"):
        convert(nn.Sequential(nn.Linear(2, 2)), "dsnn", None, (2,), sigma=1.0, rounding="nearest")
    with pytest.raises(InputError, match="'window' with calibration images.*without images"):
        convert(net, "dsnn", None, SHAPE, **(OPTIONS | {"sigma": "window"}))
    with pytest.raises(InputError, match="rounding of .* must be 'down' or 'nearest', but is 'up'"):
        convert(net, "dsnn", None, SHAPE, **OPTIONS, rounding="up")
    with pytest.raises(InputError, match=r"fill must be a share.*1\.5"):
        convert(net, "dsnn", images, **(OPTIONS | {"sigma": "window"}), fill=1.5)
    with pytest.raises(InputError, match="no calibration image raises any unit of 'conv0'"):
        convert(net, "dsnn", 0 * images, **(OPTIONS | {"sigma": "window"}))
