"""Threshold search: its neuron, spike generation layer and feedback search, against plain NumPy."""

import numpy as np
import pytest
import torch
from brian2 import Hz, ms, pjoule, uwatt
from torch import nn

import bionet
from bionet.conversion.searching.feedback import feedback_search, true_class_share
from bionet.errors import InputError
from bionet.results.energy import energy
from bionet.results.metrics import per_class, synaptic_events, wilson_interval

SHAPE = (3, 6, 5)
OPTIONS = {"duration": 25 * ms, "device": "numpy"}


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 2 * 1, 4, bias=False),
    )
    with torch.no_grad():
        net[4].weight.abs_()  # so that all output units fire
        net[4].weight.sub_(0.1)
    return net


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(8).uniform(0, 1, (6, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def searched(net, images):
    return bionet.convert(
        net, "threshold_search", calibration=images[:3], budget=9, step=0.4, **OPTIONS
    )


# --- the spike generation layer ---


def test_a_pixel_spikes_with_probability_c_x_in_every_channel_separately(net):
    # Grey images: the channels of a pixel are equal, their spikes must be independent all the same.
    grey = np.repeat(np.linspace(0, 1, 30).reshape(1, 1, 6, 5), 3, axis=1).astype(np.float32)
    snn = bionet.convert(net, "threshold_search", input_shape=SHAPE, thresholds=9.0, c=0.6)
    run = bionet.simulate(snn, grey, 1000 * ms, device="numpy", record={"input": ["spikes"]})
    p = 0.6 * grey[0]
    rate = run.counts["input"][0] / 1000
    assert (np.abs(rate - p) < 4.5 * np.sqrt(p * (1 - p) / 1000) + 1e-12).all()
    trains = np.zeros((1000, 3, 30))
    spikes = run.spikes("input")
    trains.reshape(1000, 90)[spikes.step, spikes.unit] = 1
    for first, second in ((0, 1), (0, 2), (1, 2)):
        both = (trains[:, first] * trains[:, second]).mean(axis=0)
        expected = p[0].ravel() ** 2
        assert (np.abs(both - expected) < 4.5 * np.sqrt(expected / 1000) + 1e-12).all()
    assert set(np.unique(trains)) == {0, 1}


# --- the feedback search ---


def test_the_search_finds_the_top_of_a_hill_and_logs_the_way():
    tried = []

    def objective(thetas):
        tried.append(dict(thetas))
        return -((thetas["a"] - 2.3) ** 2) - (thetas["b"] - 0.4) ** 2

    found = feedback_search(objective, {"a": 0.1, "b": 0.1}, 0.8, 0.01, budget=200)
    assert abs(found.thresholds["a"] - 2.3) < 0.02 and abs(found.thresholds["b"] - 0.4) < 0.02
    assert found.runs == len(tried) < 200
    assert found.objective == max(map(objective, tried[: found.runs]))
    # The log leads from the start to the end: each accepted move raises the objective.
    thetas, last = dict(found.start), found.objective_start
    for move in found.accepted:
        assert move.objective > last
        thetas[move.population], last = move.threshold, move.objective
    assert thetas == found.thresholds and last == found.objective


def test_a_step_is_halved_when_no_layer_improves():
    found = feedback_search(lambda thetas: 0.0, {"a": 1.0, "b": 0.3}, 0.8, 0.2, budget=99)
    # Both ways for a; for b down only where its threshold stays positive.
    tried = [(m.population, round(m.threshold, 6), m.step) for m in found.moves]
    assert tried == [
        ("a", 1.8, 0.8), ("a", 0.2, 0.8), ("b", 1.1, 0.8),
        ("a", 1.4, 0.4), ("a", 0.6, 0.4), ("b", 0.7, 0.4),
        ("a", 1.2, 0.2), ("a", 0.8, 0.2), ("b", 0.5, 0.2), ("b", 0.1, 0.2),
    ]  # fmt: skip
    assert found.thresholds == found.start and not found.accepted


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("budget", [1, 2, 7, 40])
def test_the_search_never_ends_below_its_start(seed, budget):
    rng = np.random.default_rng(seed)
    values = {}

    def objective(thetas):  # no structure at all
        return values.setdefault(tuple(round(t, 9) for t in thetas.values()), rng.normal())

    found = feedback_search(objective, {"a": 0.1, "b": 2.0, "c": 0.5}, budget=budget)
    assert found.objective >= found.objective_start
    assert found.objective == objective(found.thresholds)
    assert found.runs == len(values) <= budget  # no point is tried twice


def test_the_objective_is_the_true_class_units_share(net, images):
    snn = bionet.convert(net, "threshold_search", input_shape=SHAPE, thresholds=0.2)
    run = bionet.simulate(snn, images, 30 * ms, device="numpy")
    labels = np.array([0, 1, 2, 3, 0, 1])
    counts = run.counts[snn.readout.spikes].astype(float)
    assert counts.sum() > 0
    for share, count, label in zip(
        true_class_share(run, snn.readout.spikes, labels), counts, labels, strict=True
    ):
        assert share == (count[label] / count.sum() if count.sum() else 0.0)
    silent = bionet.simulate(
        bionet.convert(net, "threshold_search", input_shape=SHAPE, thresholds=1e6),
        images, 5 * ms, device="numpy",
    )  # fmt: skip
    assert (true_class_share(silent, snn.readout.spikes, labels) == 0).all()


def test_the_network_carries_its_thresholds_and_the_log(net, images, searched):
    search = searched.metadata["search"]
    assert search["objective"] >= search["objective_start"]
    assert search["runs"] == 1 + len(search["moves"]) <= 9
    assert any(move["accepted"] for move in search["moves"])
    for name, theta in search["thresholds"].items():
        assert float(searched.population(name).parameters["theta"]) == theta
    # What the log says is what a simulation gives.
    answers = net(torch.from_numpy(images[:3])).argmax(1).numpy()
    for thresholds, reached in (
        (search["thresholds"], search["objective"]),
        (search["start"], search["objective_start"]),
    ):
        snn = bionet.convert(
            net, "threshold_search", input_shape=SHAPE, thresholds=thresholds, **OPTIONS
        )
        run = bionet.simulate(snn, images[:3], device="numpy")
        share = true_class_share(run, snn.readout.spikes, answers).mean()
        assert share == pytest.approx(reached, abs=1e-12)
    assert searched.readout.default == "MS" and searched.coding == "poisson"


def test_a_start_from_activations_gives_every_layer_its_own_rate(net, images):
    snn = bionet.convert(
        net, "threshold_search", calibration=images, start="activations", budget=1, c=0.5, **OPTIONS
    )
    start = snn.metadata["search"]["start"]
    maps = bionet.conversion.activations(net, images, snn)
    product = 0.5  # spikes a step of an input of 1; divided by every threshold on the way
    factors = dict(zip(start, (4, 1, 1), strict=True))  # convolution, pooling, last layer
    for population in snn.populations[:-1]:
        product /= start[population.name] / factors[population.name]
        level = np.percentile(np.maximum(maps[population.name], 0), 99.9)
        assert level * product == pytest.approx(1, rel=1e-5)


def test_only_weights_of_the_network_are_used(net, searched):
    kernels = {p.target: p.kernel for p in searched.projections}
    np.testing.assert_array_equal(
        kernels["_0"].weights if "_0" in kernels else next(iter(kernels.values())).weights,
        net[0].weight.detach().numpy(),
    )


# --- what is reported ---


def test_accuracy_of_every_class(net, images, searched):
    run = bionet.simulate(searched, images, 30 * ms, device="numpy")
    labels = np.array([0, 0, 1, 1, 1, 3])
    reference = np.array([0, 1, 1, 1, 1, 2])
    table = per_class(run, labels, reference=reference, names=["cat", "dog", "owl", "ant"])
    answers = run.predictions()
    assert list(table.index) == ["cat", "dog", "ant", "all"]
    assert list(table["images"]) == [2, 3, 1, 6]
    right = answers == labels
    np.testing.assert_allclose(
        table["accuracy"], [right[:2].mean(), right[2:5].mean(), right[5], right.mean()]
    )
    np.testing.assert_allclose(table["reference"], [0.5, 1.0, 0.0, 4 / 6])
    np.testing.assert_allclose(
        table.loc["all", ["lower", "upper"]].astype(float), wilson_interval(right.mean(), 6)
    )
    assert table["ratio"]["dog"] == table["accuracy"]["dog"] and np.isnan(table["ratio"]["ant"])
    assert list(per_class(run, labels).columns) == ["images", "accuracy", "lower", "upper"]
    with pytest.raises(InputError, match="labels must be 6 classes"):
        per_class(run, labels[:3])
    with pytest.raises(InputError, match="reference must be 6 classes"):
        per_class(run, labels, reference=reference[:3])
    with pytest.raises(InputError, match="2 names, but class 3"):
        per_class(run, labels, names=["cat", "dog"])


def test_the_papers_power_needs_pico_joules():
    from bionet.results.energy import Energy

    paper = Energy(events=0.0, synapses=14_200_000, per_event=0.37 * pjoule, image_rate=742 * Hz)
    assert float(paper.formula_power / uwatt) == pytest.approx(3900, rel=0.01)


def test_energy_counts_every_event(net, images, searched):
    run = bionet.simulate(searched, images, 30 * ms, device="numpy")
    found = energy(searched, run)
    events = sum(e.mean() for e in synaptic_events(searched, run).values())
    assert float(found.counted / pjoule) == pytest.approx(0.37 * events)
    assert float(found.formula / pjoule) == pytest.approx(0.37 * searched.n_synapses)
    assert float(found.counted_power / found.counted / Hz) == pytest.approx(742)
    assert f"{searched.n_synapses:,} synapses" in str(found)
    with pytest.raises(InputError, match="must be positive"):
        energy(searched, run, per_event=0 * pjoule)


def test_shangs_network_has_the_papers_synapses():
    snn = bionet.convert(
        bionet.zoo.load("shang"), "threshold_search", input_shape=(3, 32, 32), thresholds=0.1
    )
    synapses = [
        p.kernel.n_synapses(snn.shape(p.source))
        for p in snn.projections
        if p.target != snn.readout.potential  # measures, and is no part of the paper's network
    ]
    assert sum(synapses) == 14_200_064
    names = ("input", "conv1", "pool1", "conv2", "pool2", "conv3", "ip1", "ip2", "readout")
    assert snn.names == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "the threshold search needs images"),
        ({"thresholds": {"conv9": 1.0}}, "thresholds must name the populations"),
        ({"thresholds": -1.0}, "must be positive, but is -1"),
        ({"thresholds": 1.0, "c": 0}, r"c must lie in \(0, 1\]"),
        ({"thresholds": 1.0, "floor": 0.5}, "floor must be at most 0"),
        ({"thresholds": 1.0, "leak": np.nan}, "leak of .* must be a number, but is nan"),
        ({"thresholds": 1.0, "dt": 1}, "dt of .* must be a quantity"),
        ({"thresholds": 1.0, "duration": 0 * ms}, "duration must be positive"),
        ({"calibration": 1, "start": 0.0}, "start of .* must be positive"),
        (
            {"calibration": 1, "start": "high"},
            "start of .* must be a number, a mapping .* or 'activations'",
        ),
        ({"calibration": 1, "least_step": 2.0}, "0 < least_step <= step"),
        ({"calibration": 1, "budget": 0}, "budget must be a whole number"),
        ({"calibration": 1, "labels": [0, 1]}, "labels must be 6 whole numbers"),
        ({"calibration": 1, "labels": [9] * 6}, "labels must lie between 0 and 3"),
    ],
)
def test_bad_input_is_refused(options, message, net, images):
    if "calibration" in options:
        options = {**options, "calibration": images}
    with pytest.raises(InputError, match=message):
        bionet.convert(net, "threshold_search", input_shape=SHAPE, **options)


def test_biases_are_refused():
    with pytest.raises(InputError, match="has a bias.*bias=False"):
        bionet.convert(nn.Linear(4, 2), "threshold_search", input_shape=(4,), thresholds=1.0)


def test_an_empty_start_is_refused():
    with pytest.raises(InputError, match="at least one threshold"):
        feedback_search(lambda thetas: 0.0, {})
    with pytest.raises(InputError, match="first threshold of a must be positive"):
        feedback_search(lambda thetas: 0.0, {"a": -1.0})
