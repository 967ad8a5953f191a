"""Options of rate for few steps: closed forms, and whole networks against plain NumPy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from brian2 import Hz, ms
from torch import nn

import bionet
from bionet.conversion import (
    QCFS,
    convert,
    quantised_network,
    with_initial_potential,
    with_signed_correction,
)
from bionet.equations import integrate_and_fire, leaky_integrate_and_fire, ternary
from bionet.errors import InputError
from bionet.network import (
    Dense,
    MaxPool2d,
    Population,
    Projection,
    Readout,
    Simulation,
    SpikingNetwork,
)


def one_layer(model, weights, drive=0.0, **fields):
    """Inputs, units of one model and a readout that integrates nothing."""
    weights = np.atleast_2d(np.asarray(weights, dtype=float))
    populations = (
        Population("cells", (len(weights),), model, {"I": drive}),
        Population("output", (1,), integrate_and_fire()),
    )
    projections = (Projection("input", "cells", Dense(weights), **fields),)
    return SpikingNetwork(populations, projections, weights.shape[1:], Readout("output", "output"))


def totals(run, name="cells"):
    return np.round(run.rates(name) * run.n_steps).astype(int)


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_an_initial_potential_shifts_the_rounding(share):
    drive = np.random.default_rng(0).uniform(-0.3, 1.2, 200)
    theta = np.random.default_rng(1).uniform(1, 2, 200)
    snn = one_layer(integrate_and_fire(), np.zeros((200, 1)), drive)
    snn = with_initial_potential(snn.with_population("cells", parameters={"theta": theta}), share)
    run = bionet.simulate(snn, np.zeros((1, 1)), 23 * ms, device="numpy", dtype="float64")
    expected = np.clip(np.floor(drive * 23 / theta + share), 0, 23)
    np.testing.assert_array_equal(run.counts["cells"][0], expected)


def settled(lower_bound, device="numpy"):
    """Random trains through positive and negative weights, then silence to settle; exact counts."""
    rng = np.random.default_rng(1)
    weights = rng.normal(0.02, 0.6, (40, 30))
    own = Simulation(stop=20, gain=1.0)
    snn = replace(one_layer(integrate_and_fire(), weights), coding="poisson", simulation=own)
    snn = with_signed_correction(with_initial_potential(snn), lower_bound)
    options = {"dtype": "float64", "device": device, "processes": 1}
    run = bionet.simulate(snn, rng.uniform(0, 1, (3, 30)), 80 * ms, max_rate=300 * Hz, **options)
    return run, np.maximum(0, np.floor(run.counts["input"] @ weights.T + 0.5))


@pytest.mark.parametrize(
    "device",
    [
        "numpy",
        pytest.param("cpp_standalone", marks=pytest.mark.slow),
        pytest.param("cython", marks=pytest.mark.slow),
    ],
)
def test_a_signed_count_is_the_rounded_sum_in_any_order(device):
    run, expected = settled(0.0, device)
    np.testing.assert_array_equal(totals(run), expected)
    assert (run.counts["cells"] > expected).any()  # some spikes were taken back


def test_a_lower_bound_takes_back_fewer_and_leaves_an_error_of_its_size():
    run, expected = settled(-1.0)
    error = totals(run) - expected
    assert set(np.unique(error)) == {0, 1}
    assert run.counts["cells"].sum() < settled(0.0)[0].counts["cells"].sum()


def signed_sum_by_numpy(snn, images, steps):
    """Counts and readout potential of a fast network, one step after another, by NumPy."""
    potential = {p.name: np.full((len(images), *p.shape), 0.5) for p in snn.populations}
    potential["readout"][:] = 0
    count = {p.name: np.zeros((len(images), *p.shape)) for p in snn.populations}
    for _ in range(steps):
        spikes = {"input": images}
        for p in snn.populations:
            incoming = [q for q in snn.projections if q.target == p.name]
            kernel = incoming[0].kernel
            if isinstance(kernel, MaxPool2d):
                fired = np.sign(kernel.apply(count[incoming[0].source]) - count[p.name])
            else:
                total = sum(q.kernel.apply(spikes[q.source]) for q in incoming)
                v = potential[p.name]
                v += total.reshape(v.shape) + p.parameters["I"]
                if p.name == "readout":
                    continue
                fired = 1.0 * (v >= 1) - ((v < 0) & (count[p.name] > 0))
                v -= fired
            count[p.name] += fired
            spikes[p.name] = fired
    return count, potential["readout"]


class Residual(nn.Module):
    """A max pooling, an average pooling and a sum of two branches."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.pool, self.mean = nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2)
        self.fc = nn.Linear(4 * 2 * 2, 5)

    def forward(self, x):
        x = self.pool(self.relu1(self.conv1(x)))
        x = self.relu2(self.conv2(x) + x)
        return self.fc(self.mean(x).flatten(1))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).random((30, 2, 8, 7))


@pytest.mark.parametrize(
    "device",
    ["numpy", "cpp_standalone", pytest.param("cython", marks=pytest.mark.slow)],
)
def test_a_fast_network_equals_plain_numpy(device, images, randomised):
    net = randomised(Residual())
    snn = convert(net, "rate", images, preset="fast", steps=12)
    assert snn.simulation.duration == pytest.approx(12e-3)
    run = bionet.simulate(snn, images[:6], dtype="float64", device=device, lanes=4)
    count, potential = signed_sum_by_numpy(snn, images[:6], 12)
    for name in snn.names[1:-1]:
        np.testing.assert_array_equal(totals(run, name), count[name], err_msg=name)
        assert count[name].any()
    np.testing.assert_allclose(run.output_potential[:, -1], potential, atol=1e-9)


def test_a_pool_that_follows_the_count_has_the_largest_of_its_pool(images, randomised):
    net = randomised(nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)))
    for signed in (False, True):
        snn = convert(net, "rate", images, max_pooling="count", signed=signed)
        run = bionet.simulate(snn, images, 15 * ms, device="numpy", dtype="float64")
        kernel = snn.projections[1].kernel
        largest = kernel.apply(run.rates("conv0"))
        np.testing.assert_allclose(run.rates("maxpool2"), largest, atol=1e-12)


def test_least_squares_scales_lose_less_than_any_percentile(images, randomised):
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(120, 3))
    net = randomised(net)
    with torch.no_grad():
        net[0].bias.fill_(0.6)
    a = bionet.conversion.activations(net, images, convert(net, "rate", images))["conv0"]

    assert (np.percentile(a, 80, axis=(0, 2, 3)) > 0).all()

    def lost(scale, steps):
        scale = np.asarray(scale)[:, None, None]
        shown = np.clip(np.floor(a * steps / scale + 0.5), 0, steps) * scale / steps
        return ((a - shown) ** 2).mean(axis=(0, 2, 3))

    for steps in (2, 8, 32):
        options = {"normalisation": "least_squares", "channelwise": True, "steps": steps}
        snn = convert(net, "rate", images, initial_potential=0.5, **options)
        best = lost(snn.origin.scales["conv0"], steps)
        for percentile in np.linspace(80, 100, 21):
            levels = np.percentile(a, percentile, axis=(0, 2, 3))
            assert (best <= lost(levels, steps) * 1.001).all()


def test_what_is_given_goes_before_the_preset(images, randomised):
    net = randomised(nn.Sequential(nn.Flatten(), nn.Linear(112, 6), nn.ReLU(), nn.Linear(6, 3)))
    for name, value in {
        "channelwise": False,
        "initial_potential": 0.0,
        "bias_correction": False,
        "signed": False,
        "max_pooling": "gate",
        "fold_pooling": False,
        "normalisation": "max",
    }.items():
        options = {"preset": "fast", "steps": 8}
        plain = convert(net, "rate", images, **options).metadata["options"]
        given = convert(net, "rate", images, **options, **{name: value}).metadata["options"]
        assert given == plain | {name: value} != plain


def test_bias_correction_brings_the_mean_of_every_layer_back(images, randomised):
    net = randomised(Residual())
    shares, mean_errors = [], []
    for corrected in (False, True):
        snn = convert(net, "rate", images, steps=8, bias_correction=corrected)
        values, ideal = {"input": images}, bionet.conversion.activations(net, images, snn)
        for p in snn.populations:
            incoming = [q for q in snn.projections if q.target == p.name]
            drives = sum(q.kernel.apply(values[q.source]) for q in incoming)
            drives = drives.reshape(len(images), *p.shape) + p.parameters["I"]
            gate = isinstance(incoming[0].kernel, MaxPool2d) or p.name == "readout"
            values[p.name] = drives if gate else np.clip(np.floor(drives * 8), 0, 8) / 8
        last = snn.origin.scales["readout"] * values["readout"]
        shares.append(np.abs((last - ideal["readout"]).mean(axis=0)).max())
        scale = snn.origin.scales["conv1"]
        mean_errors.append(np.abs((scale * values["conv1"] - ideal["conv1"]).mean((0, 2, 3))))
    assert shares[1] < 1e-3 * max(shares[0], 1)
    assert mean_errors[1].mean() < 0.5 * mean_errors[0].mean()


def test_scales_are_fitted_to_all_positions_alike(monkeypatch):
    """Every 16th value of a map 8 pixels wide would be one of its border, which is dark here."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 2)).eval()
    images = np.random.default_rng(0).uniform(0.5, 1, (128, 1, 8, 8)).astype(np.float32)
    images[..., 0] = 0.1
    with torch.no_grad():
        net[0].weight.fill_(1)
        net[0].bias.zero_()
    monkeypatch.setattr("bionet.conversion.steps.in_steps.MAX_VALUES", 1024)
    options = {"normalisation": "least_squares", "channelwise": True, "steps": 64}
    scales = np.asarray(convert(net, "rate", images, **options).origin.scales["conv0"])
    assert (scales > 0.9).all()


def test_signed_layers_are_fitted_as_pairs_of_which_each_half_has_its_own_scale(images, randomised):
    """A linear bottleneck: its halves on and off; no image reaches the off half of the second."""
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.ReLU6(), nn.Conv2d(6, 4, 1), nn.Conv2d(4, 6, 3, groups=2), nn.ReLU(),
        nn.Conv2d(6, 3, 1), nn.ZeroPad2d(1), nn.Conv2d(3, 6, 2), nn.ReLU(), nn.Flatten(),
        nn.LazyLinear(5),
    ).double()  # fmt: skip
    net(torch.tensor(images).double())
    net = randomised(net).double()
    with torch.no_grad():
        net[5].weight.abs_()
        net[5].bias.abs_()
        expected = net(torch.tensor(images).double()).numpy()
    errors = []
    for steps in (16, 256):
        snn = convert(net, "rate", images, preset="fast", steps=steps)
        signed = [name for name, node in snn.origin.layers.items() if node.startswith("-")]
        assert signed
        assert all(np.all(np.asarray(scale) > 0) for scale in snn.origin.scales.values())
        ideal = bionet.conversion.activations(net, images, snn)
        run = bionet.simulate(snn, images, steps * ms, device="numpy", dtype="float64")
        assert all(np.any(run.rates(name) > 0) == np.any(ideal[name] > 0) for name in signed)
        errors.append(np.abs(run.values() - expected).max())
        # Corrected biases are no fault of the weights.
        rows = bionet.audit(net, snn, run, images).rows
        saturated = max(row.saturated for row in rows)
        assert all(row.mismatch < 1e-6 or saturated for row in rows)
        assert any(np.abs(shift).max() > 1e-4 for shift in snn.origin.shifts.values())
    assert errors[1] < errors[0] / 8
    assert errors[1] < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("padding", [0, 1])
def test_folded_poolings_leave_the_network_as_it_is(images, randomised, as_relu_network, padding):
    # Where the convolution pads, the pools must tile the image.
    net = nn.Sequential(
        nn.Conv2d(2, 4, (3, 3 - padding), padding=1), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(4, 6, 2, (1, 2), padding, (2, 1), groups=2), nn.ReLU(),
        nn.AvgPool2d(2, 1, 1, count_include_pad=False), nn.Flatten(), nn.LazyLinear(5),
    ).double()  # fmt: skip
    net(torch.tensor(images))
    net = randomised(net, seed=1)
    snn = convert(net, "rate", images, fold_pooling=True)
    assert not [n for n in snn.names if "pool" in n]
    scores = as_relu_network(snn, images)["readout"] * snn.origin.scales["readout"]
    np.testing.assert_allclose(scores, net(torch.tensor(images)).detach().numpy(), atol=1e-9)


def test_a_pooling_stays_where_no_layer_is_both(images, randomised):
    layers = {
        "over the edge": (nn.AvgPool2d(3, 2, ceil_mode=True), nn.Conv2d(4, 2, 2)),
        "overlapping, then padded": (nn.AvgPool2d(3, 1), nn.Conv2d(4, 2, 2, padding=1)),
    }
    for pool, after in layers.values():
        net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), pool, after, nn.Flatten()).double()
        assert "pool2" in convert(net, "rate", images, fold_pooling=True).names


def test_a_late_readout_counts_from_its_step_on(images, randomised):
    net = randomised(Residual())
    early, late = (
        bionet.simulate(
            convert(net, "rate", images, late_readout=since), images, 20 * ms, device="numpy"
        )
        for since in (0, 6)
    )
    potential = early.output_potential
    np.testing.assert_array_equal(
        late.predictions("MP"), (potential[:, -1] - potential[:, 5]).argmax(-1)
    )
    np.testing.assert_array_equal(
        late.predictions("MS"), early.output_spikes[:, 6:].sum(axis=1).argmax(-1)
    )
    np.testing.assert_array_equal(late.predictions(step=4), early.predictions(step=4))
    labels = early.predictions()
    assert late.accuracy_over_time(labels)[-1] == late.accuracy(labels)


def test_a_late_readout_is_saved(images, randomised, tmp_path):
    snn = convert(randomised(Residual()), "rate", images, late_readout=6)
    assert SpikingNetwork.load(snn.save(tmp_path / "x.snn")) == snn
    assert snn.readout.since == 6


def quantised(randomised, images, levels):
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(4, 6, 2), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 3 * 2, 5),
    )  # fmt: skip
    return quantised_network(randomised(net), levels, torch.tensor(images)).double()


def test_a_qcfs_network_converts_exactly_at_its_own_steps(images, randomised):
    net = quantised(randomised, images, levels=6)
    snn = convert(net, "rate", images, max_pooling="count", signed=True)
    assert snn.population("conv0").model.initial["v"] == "0.5*theta"
    assert snn.origin.scales["conv4"] == pytest.approx(net[5].scale.item())
    run = bionet.simulate(snn, images, 6 * ms, device="numpy", dtype="float64")
    # The first layer has a constant drive: its counts are the activation's levels.
    ideal = bionet.conversion.activations(net, images, snn)
    shown = run.rates("conv0") * snn.origin.scales["conv0"]
    np.testing.assert_allclose(shown, ideal["conv0"], atol=1e-6)
    with torch.no_grad():
        agree = run.predictions() == net(torch.tensor(images)).argmax(1).numpy()
    assert agree.mean() > 0.8


def test_qcfs_is_its_closed_form_and_trains_its_scale():
    activation = QCFS(levels=4, scale=2.0)
    z = torch.linspace(-1, 4, 51, requires_grad=True)
    h = activation(z)
    expected = 2 / 4 * np.clip(np.floor(z.detach().numpy() * 4 / 2 + 0.5), 0, 4)
    np.testing.assert_allclose(h.detach().numpy(), expected, rtol=1e-6)
    h.sum().backward()
    inside = (z.detach() > 0) & (z.detach() < 2)
    assert (z.grad[inside] == 1).all()
    assert (z.grad[z.detach() > 2.5] == 0).all()
    assert activation.scale.grad != 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "slow"}, "preset of .* must be 'fast' or None"),
        ({"preset": "fast"}, "add steps=32"),
        ({"normalisation": "least_squares"}, "for a number of steps"),
        ({"bias_correction": True}, "for a number of steps"),
        ({"steps": 0}, "steps is a whole number"),
        ({"steps": 8, "late_readout": 8}, "leaves nothing of 8 steps"),
        ({"late_readout": -1}, "late_readout is a whole number"),
        ({"initial_potential": 1.0}, r"share of the threshold in \[0, 1\)"),
        ({"signed": True, "reset": "zero"}, "closed forms of reset='subtract'"),
        ({"lower_bound": -1.0}, "belongs to signed=True"),
        ({"signed": True, "lower_bound": 0.5}, "lower_bound is where spikes are taken back"),
        ({"max_pooling": "mean"}, "max_pooling of .* must be 'gate', 'count' or None"),
        ({"max_pooling": "count", "pool_tau": 5 * ms}, "pool_tau belongs to max_pooling='gate'"),
    ],
)
def test_options_are_refused_by_name(options, message, images, randomised):
    with pytest.raises(InputError, match=message):
        convert(randomised(Residual()), "rate", images, **options)


def test_what_cannot_be_corrected_is_refused_by_name(images, randomised):
    net = randomised(Residual())
    with pytest.raises(InputError, match="bias_correction needs images"):
        convert(net, "rate", None, (2, 8, 7), normalisation=None, bias_correction=True, steps=4)
    leaky = one_layer(leaky_integrate_and_fire(20 * ms), [[1.0]])
    with pytest.raises(InputError, match="'cells'.*cannot take spikes back"):
        with_signed_correction(leaky)
    with pytest.raises(InputError, match="'cells'.*no threshold theta"):
        with_initial_potential(one_layer(ternary(), [[1.0]]))
    with pytest.raises(InputError, match="below which spikes are taken back, <= 0"):
        bionet.equations.signed_integrate_and_fire(low=0.1)
    with pytest.raises(InputError, match="rule is 'gate' or 'count'"):
        MaxPool2d(2, rule="mean")
    with pytest.raises(InputError, match="since is a step >= 0"):
        Readout("a", "b", since=-1)


def test_qcfs_is_refused_where_it_has_no_units(images, randomised):
    net = quantised(randomised, images, 4)
    simple = nn.Sequential(nn.Conv2d(2, 2, 3), QCFS(), nn.Flatten(), nn.Linear(60, 3)).double()
    for method in ("dsnn", "augmapping", "tdsnn"):
        with pytest.raises(InputError, match="QCFS activation at .* use method='rate'"):
            convert(simple, method, images)
    with pytest.raises(InputError, match="clips and rounds the images"):
        convert(nn.Sequential(QCFS(), nn.Flatten(), nn.Linear(112, 3)).double(), "rate", images)
    with pytest.raises(InputError, match="levels must be a whole number"):
        QCFS(0)
    with pytest.raises(InputError, match="scale of a QCFS activation must be positive"):
        QCFS(4, -1.0)
    with pytest.raises(InputError, match="no nn.ReLU modules"):
        quantised_network(nn.Linear(3, 2), 4, torch.zeros(1, 3))
    with torch.no_grad():
        net[5].scale.fill_(-1)
    with pytest.raises(InputError, match="its scale is -1"):
        convert(net, "rate", images)


def test_the_audit_follows_corrected_units(images, randomised):
    net = randomised(Residual())
    snn = convert(net, "rate", images, preset="fast", steps=12)
    run = bionet.simulate(snn, images, device="numpy", dtype="float64", final_potentials=True)
    found = bionet.audit(net, snn, run, images)
    for name in ("conv1", "add", "fc", "readout"):
        assert found.row(name).residual < 1e-9
    assert found.row("pool").residual is None
