"""DSNN: thresholds of Algorithm 1, its search, negative spikes, leak, against plain NumPy."""

import copy
import itertools

import numpy as np
import pytest
import torch
from brian2 import Hz, ms
from torch import nn

import bionet
from bionet.conversion.dsnn import SIGMAS
from bionet.conversion.searching.greedy import search_thresholds

SHAPE = (2, 6, 5)
SIGMA = 0.4


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 2 * 1, 6, bias=False),
        nn.ReLU(),
        nn.Linear(6, 3, bias=False),
    ).eval()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(5).uniform(-1, 1, (4, *SHAPE)).astype(np.float32)


def uniform_train(x, steps, per_step):
    """Spikes of a periodic train, by its definition floor(rate t), with the sign of x."""
    t = np.arange(1, steps + 1)[:, None]
    total = np.floor(np.abs(x.reshape(1, -1)) * per_step * t + 1e-9)
    return np.diff(total, axis=0, prepend=0) * np.sign(x.reshape(1, -1))


def numpy_dsnn(net, snn, image, steps, per_step, decay=1.0):
    """Spike counts of every population by a plain simulation in float64."""
    layers = [m.double() for m in (net[0], net[2], nn.Sequential(net[3], net[4]), net[6])]
    names = [p.name for p in snn.populations if p.name != "readout"]
    thresholds = [float(snn.population(name).parameters["theta"]) for name in names]
    v = [np.zeros(snn.shape(name)) for name in names]
    counts = [np.zeros_like(x) for x in v]
    train = uniform_train(image.astype(np.float64), steps, per_step)
    with torch.no_grad():
        for step in range(steps):
            spikes = torch.tensor(train[step].reshape(1, *SHAPE))
            for n, layer in enumerate(layers):
                v[n] = v[n] * decay + layer(spikes)[0].numpy()
                fired = v[n] >= thresholds[n]
                v[n] -= thresholds[n] * fired
                counts[n] += fired
                spikes = torch.tensor(fired[None].astype(np.float64))
    for layer in layers:
        layer.float()
    return dict(zip(names, counts, strict=True))


@pytest.mark.parametrize("tau", [None, 30 * ms])
def test_every_spike_is_that_of_a_plain_simulation(net, images, tau):
    snn = bionet.convert(net, method="dsnn", sigma=SIGMA, tau=tau, input_shape=SHAPE)
    run = bionet.simulate(snn, images, 60 * ms, device="numpy", dtype="float64")
    decay = 1.0 if tau is None else float(np.exp(-1 / 30))
    for n, image in enumerate(images):
        expected = numpy_dsnn(net, snn, image, 60, 0.1, decay)
        for name, counts in expected.items():
            np.testing.assert_array_equal(run.counts[name][n], counts, err_msg=name)
    assert sum(run.n_spikes[name] for name in expected) > 50


def test_thresholds_are_sigma_times_the_largest_positive_input(net):
    snn = bionet.convert(net, method="dsnn", sigma=SIGMA, input_shape=SHAPE)
    largest = [
        max(float(w[w > 0].sum()) for w in net[0].weight.detach()),
        1.0,
        max(float(w[w > 0].sum()) for w in net[4].weight.detach()),
        max(float(w[w > 0].sum()) for w in net[6].weight.detach()),
    ]
    found = list(snn.metadata["thresholds"].values())
    np.testing.assert_allclose(found, SIGMA * np.array(largest), rtol=1e-6)
    used = [float(p.parameters["theta"]) for p in snn.populations if p.name != "readout"]
    assert used == found


def test_rates_are_activations_over_the_product_of_thresholds():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    image = np.random.default_rng(2).random((1, 5)).astype(np.float32)
    snn = bionet.convert(net, method="dsnn", sigma=0.5, input_shape=(5,), max_rate=200 * Hz)
    run = bionet.simulate(snn, image, 4000 * ms, device="numpy", dtype="float64")
    activation = bionet.conversion.activations(net, image, snn)
    for name in ("linear0", "linear2"):
        decoded = run.counts[name] / 4000 * snn.scales[name]
        expected = np.maximum(activation[name], 0)
        # one spike of the unit, and of each of its inputs, stands for scale / T
        np.testing.assert_allclose(decoded, expected, atol=0.05 * expected.max())


def test_the_search_keeps_what_scores_best_and_never_ends_below_its_start():
    best = {"a": 0.15, "b": 0.6}

    def objective(candidate):
        return -sum((np.log(candidate[name]) - np.log(best[name])) ** 2 for name in best)

    found, trials = search_thresholds(["a", "b"], dict, objective, SIGMAS, (0.5, 0.7, 1.4, 2.0))
    grid = [dict.fromkeys("ab", s) for s in SIGMAS]
    start = max(grid, key=objective)
    assert objective(found) >= objective(start)
    refined = [
        {"a": start["a"] * fa, "b": start["b"] * fb}
        for fa, fb in itertools.product((1, 0.5, 0.7, 1.4, 2.0), repeat=2)
    ]
    # The objective is separable, so the greedy search finds the best of the whole grid.
    assert objective(found) == pytest.approx(max(map(objective, refined)))
    assert [t.score for t in trials if t.accepted] == sorted(t.score for t in trials if t.accepted)


def test_a_perfect_score_ends_the_refinement():
    found, trials = search_thresholds(["a"], dict, lambda _: 1.0, (1.0, 0.1), (0.5, 2.0))
    assert found == {"a": 1.0} and len(trials) == 2


def test_the_search_is_written_down(net, images, monkeypatch):
    scores = iter([0.2, 0.9, 0.5, 1.0])
    monkeypatch.setattr(
        "bionet.conversion.dsnn.agreement_with", lambda *_: lambda snn: next(scores)
    )
    snn = bionet.convert(net, "dsnn", images, sigmas=(1.0, 0.3, 0.1), factors=(2.0,))
    trials = snn.metadata["search"]
    assert [t["score"] for t in trials] == [0.2, 0.9, 0.5, 1.0]
    assert [t["accepted"] for t in trials] == [True, True, False, True]
    assert snn.metadata["sigmas"]["conv0"] == pytest.approx(0.6)


def test_defaults_of_the_simulation_come_from_the_conversion(net, images):
    snn = bionet.convert(
        net, "dsnn", sigma=1.0, input_shape=SHAPE, duration=20 * ms, max_rate=50 * Hz
    )
    run = bionet.simulate(snn, images[:1], device="numpy")
    assert run.n_steps == 20
    assert run.parameters["max_rate_hz"] == 50
    assert run.parameters["coding"] == "uniform"


def test_a_compensation_is_no_fault_of_the_weights(net, images):
    options = {"sigma": SIGMA, "input_shape": SHAPE, "tau": 40 * ms}
    rows = []
    for compensate_leak in (False, True):
        snn = bionet.convert(net, "dsnn", compensate_leak=compensate_leak, **options)
        run = bionet.simulate(snn, images, 100 * ms, device="numpy", lanes=4)
        rows.append(bionet.audit(net, snn, run, images).row("conv0"))
    assert all(row.mismatch < 1e-5 for row in rows)
    assert rows[1].errors["silence"] < rows[0].errors["silence"]


def test_rounding_grows_with_the_threshold_and_is_no_fault(net, images):
    large = copy.deepcopy(net)
    large[0].weight.data *= 1e4
    snn = bionet.convert(large, "dsnn", sigma=SIGMA, input_shape=SHAPE)
    run = bionet.simulate(
        snn, images, dtype="float32", device="numpy", lanes=4, final_potentials=True
    )
    row = bionet.audit(large, snn, run, images).row("conv0")
    assert 0 < row.residual < 1e-6
    assert not row.bad


@pytest.mark.parametrize("coding", ["uniform", "analog"])
def test_rates_are_the_activations_whatever_drives_the_network(net, images, coding):
    biased = copy.deepcopy(net)
    biased[0].bias = nn.Parameter(torch.full((4,), 0.1))
    snn = bionet.convert(biased, "dsnn", sigma=SIGMA, input_shape=SHAPE)
    run = bionet.simulate(
        snn, images, coding=coding, device="numpy", dtype="float64", lanes=4, progress=False
    )
    found = bionet.audit(biased, snn, run, images)
    assert found.first_bad is None
    assert all(row.max_error < 0.02 for row in found.rows)
    assert all(row.mismatch < 1e-5 for row in found.rows if row.mismatch is not None)
    if coding == "uniform":  # a train is a spike late at most
        assert found.row("input").max_error <= 1 / run.n_steps + 1e-9


def test_biases_are_for_one_rate_and_step(net, images):
    snn = bionet.convert(net, "dsnn", sigma=SIGMA, input_shape=SHAPE)
    bionet.simulate(snn, images[:1], duration=2 * ms, max_rate=50 * Hz, device="numpy")
    biased = snn.with_population("pool2", parameters={"I": 0.1})
    with pytest.raises(bionet.InputError, match="I of pool2. are for inputs of 100 Hz .* 50 Hz"):
        bionet.simulate(biased, images[:1], duration=2 * ms, max_rate=50 * Hz, device="numpy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs images: pass calibration"),
        ({"sigma": 0.0}, "sigma of conv0 must be positive"),
        ({"sigma": {"conv0": 1.0}}, "sigma must name the populations"),
        ({"sigma": 1.0, "coding": "analog"}, "coding of method 'dsnn' must be"),
        ({"sigma": 1.0, "max_rate": 100}, "max_rate of .* must be a quantity such as 100"),
        ({"sigma": 1.0, "duration": -5 * ms}, "duration must be positive"),
        ({"sigma": 1.0, "reset": "none"}, "reset of .* must be 'subtract' or 'zero'"),
    ],
)
def test_bad_options_are_refused(net, options, message):
    with pytest.raises(bionet.InputError, match=message):
        bionet.convert(net, method="dsnn", input_shape=SHAPE, **options)


def test_labels_must_fit_the_images(net, images):
    with pytest.raises(bionet.InputError, match="labels must be 4 classes"):
        bionet.convert(net, method="dsnn", calibration=images, labels=[0, 1])


def test_candidates_must_be_positive(net, images):
    with pytest.raises(bionet.InputError, match="sigmas and factors must be positive"):
        bionet.convert(net, method="dsnn", calibration=images, sigmas=(1.0, -1.0))


@pytest.mark.parametrize("coding", ["uniform", "poisson"])
def test_folded_counts_are_the_closed_form_whatever_the_order_of_spikes(net, images, coding):
    options = {"fold": True, "drain": 60 * ms, "duration": 80 * ms, "max_rate": 500 * Hz}
    snn = bionet.convert(
        net, "dsnn", sigma=SIGMA, input_shape=SHAPE, coding=coding, reset="subtract", **options
    )
    run = bionet.simulate(
        snn, images, device="numpy", dtype="float64", final_potentials=True, seed=4
    )
    assert run.n_steps == 5 * 140  # the input's window and one for each of four layers
    rows = bionet.conversion.fold_report(snn, run, images)
    assert [row.population for row in rows] == ["conv0", "pool2", "linear4", "linear6"]
    assert all(row.saturated == 0 and row.wrong == 0 for row in rows), rows
    assert min(row.spikes for row in rows[:3]) > 100


def test_a_fold_that_saturates_says_so(net, images):
    snn = bionet.convert(
        net, "dsnn", sigma=0.02, input_shape=SHAPE, fold=True, duration=30 * ms, max_rate=900 * Hz
    )
    run = bionet.simulate(snn, images, device="numpy", dtype="float64", final_potentials=True)
    rows = bionet.conversion.fold_report(snn, run, images)
    assert rows[0].saturated > 0


def test_only_what_can_be_folded_is_folded(net, images):
    biased = nn.Sequential(nn.Linear(5, 3)).eval()
    with pytest.raises(bionet.InputError, match="'linear0' has a bias"):
        bionet.convert(biased, "dsnn", sigma=1.0, input_shape=(5,), fold=True)
    with pytest.raises(bionet.InputError, match="'conv0' leaks"):
        bionet.convert(net, "dsnn", sigma=1.0, input_shape=SHAPE, fold=True, tau=20 * ms)
    with pytest.raises(bionet.InputError, match="needs reset='subtract'"):
        bionet.convert(net, "dsnn", sigma=1.0, input_shape=SHAPE, fold=True, reset="zero")
    snn = bionet.convert(net, "dsnn", sigma=1.0, input_shape=SHAPE, fold=True, duration=5 * ms)
    run = bionet.simulate(snn, images, device="numpy")
    with pytest.raises(bionet.InputError, match="final_potentials=True"):
        bionet.conversion.fold_report(snn, run, images)
