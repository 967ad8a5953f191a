"""AugMapping, TerMapping and sums of branches, against plain simulations step by step."""

import itertools

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn
from torch.nn import functional as F

from bionet import audit
from bionet.conversion import activations, convert
from bionet.errors import InputError
from bionet.running.simulate import simulate

SHAPE = (2, 8, 6)
HERE = {"device": "numpy", "dtype": "float64", "final_potentials": True}
IMAGES = np.random.default_rng(0).uniform(size=(3, *SHAPE))


class Residual(nn.Module):
    """Two blocks, the second with a convolution on its shortcut."""

    def __init__(self, slope, bias=True):
        super().__init__()
        self.slope = slope
        self.stem = nn.Conv2d(2, 4, 3, padding=1, bias=bias)
        self.a1 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.a2 = nn.Conv2d(4, 4, 3, padding=1, bias=bias)
        self.b1 = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=bias)
        self.b2 = nn.Conv2d(6, 6, 3, padding=1, bias=bias)
        self.shortcut = nn.Conv2d(4, 6, 1, stride=2, bias=bias)
        self.pool = nn.AvgPool2d((2, 1))
        self.fc = nn.Linear(6 * 2 * 3, 5, bias=bias)

    def act(self, x):
        return F.leaky_relu(x, self.slope) if self.slope else torch.relu(x)

    def forward(self, x):
        x = self.act(self.stem(x))
        y = self.a2(self.act(self.norm(self.a1(x))))
        y += x
        x = self.act(y)
        x = self.act(torch.add(self.b2(self.act(self.b1(x))), self.shortcut(x)))
        return self.fc(self.pool(x).flatten(1))

    def sums(self, o):
        """Input of every population in one step, in order: a generator that takes its spikes."""
        scale = self.norm.weight / (self.norm.running_var + self.norm.eps).sqrt()
        folded = self.a1.weight * scale[:, None, None, None]
        shift = self.norm.bias - self.norm.running_mean * scale
        stem = yield "stem", self.stem(o)
        a1 = yield "a1", F.conv2d(stem, folded, shift, padding=1)
        add = yield "add", self.a2(a1) + stem
        b1 = yield "b1", self.b1(add)
        last = yield "add_1", self.b2(b1) + self.shortcut(add)
        pool = yield "pool", self.pool(last)
        yield "fc", self.fc(pool.flatten(1))


def plain_simulation(net, images, steps, fire):
    """Spikes {name: (steps, n, *shape)} of a network in which ``fire`` makes o and v of v."""
    potentials, spikes = {}, {}
    source = torch.as_tensor(images)
    for _ in range(steps):
        step = net.sums(source)
        name, received = next(step)
        while True:
            v = potentials.get(name, 0.0) + received.detach()
            o, potentials[name] = fire(name, v)
            spikes.setdefault(name, []).append(o.numpy().copy())
            try:
                name, received = step.send(o)
            except StopIteration:
                break
    return {name: np.stack(o) for name, o in spikes.items()}


def same_spikes(run, expected):
    """Every spike, with its size."""
    for name, sizes in expected.items():
        n_images, n_steps = sizes.shape[1], len(sizes)
        found = np.zeros((n_images, n_steps, sizes[0, 0].size))
        for image in range(n_images):
            spikes = run.spikes(name, image)
            found[image, spikes.step, spikes.unit] = spikes.amplitude
        np.testing.assert_array_equal(found, sizes.swapaxes(0, 1).reshape(found.shape))
        assert np.count_nonzero(found) > 20, name


def recorded(snn, images, steps):
    record = {p.name: ["spikes"] for p in snn.populations if p.model.threshold is not None}
    return simulate(snn, images, steps * ms, record=record, **HERE)


@pytest.mark.parametrize("bound", [None, 2])
def test_a_residual_network_equals_a_plain_simulation_spike_for_spike(randomised, bound):
    net = randomised(Residual(0.2), seed=3)
    snn = convert(net, method="augmapping", input_shape=SHAPE, bound=bound, gain=1.0)
    names = ["stem", "a1", "add", "b1", "add_1", "pool", "fc"]
    assert [p.name for p in snn.populations][:-1] == names

    def fire(name, v):
        negative = -1.0 if name in ("pool", "fc") else -5.0
        limit = np.inf if bound is None else bound
        up = torch.clamp(torch.floor(v), 0, limit)
        down = torch.clamp(torch.floor(v / negative), 0, limit)
        return up - down, v - up - down * negative

    same_spikes(recorded(snn, IMAGES, 25), plain_simulation(net, IMAGES, 25, fire))


def test_rate_sums_branches_spike_for_spike(randomised):
    net = randomised(Residual(0.0), seed=4)
    snn = convert(net, method="rate", calibration=IMAGES, percentile=97.3)
    scales = {**snn.scales, "input": 1.0}

    def fire(name, v):
        # Weights as they are, potentials in units of the layer: spikes stand for scales[name].
        fired = (v >= scales[name]).double() * scales[name]
        return fired, v - fired

    expected = plain_simulation(net, IMAGES, 40, fire)
    sizes = {name: (o > 0).astype(float) for name, o in expected.items()}
    same_spikes(recorded(snn, IMAGES, 40), {k: v for k, v in sizes.items() if k != "fc"})


@pytest.mark.parametrize("method", ["augmapping", "termapping"])
@pytest.mark.parametrize("bias", [True, False])
def test_the_closed_form_holds_in_every_layer(randomised, driven, method, bias):
    # Thresholds 1 and -1 (slope 1) everywhere: the charge that resets took is theta times the sum.
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, bias=bias), nn.LeakyReLU(1.0), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(18, 7, bias=bias), nn.LeakyReLU(1.0), nn.Linear(7, 4, bias=bias),
    )  # fmt: skip
    net = randomised(net, seed=2)
    snn = convert(net, method=method, calibration=IMAGES)
    steps = 50
    run = simulate(snn, IMAGES, steps * ms, **HERE)
    rates = {"input": IMAGES, **{name: run.rates(name) for name in run.counts}}
    for population in snn.populations[:-1]:
        theta = float(population.parameters["theta_p"])
        assert population.parameters["theta_n"] == -theta
        residual = run.final_potentials[population.name] / steps
        left = theta * rates[population.name]
        right = driven(snn, population.name, rates) - residual
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-12)
        if method == "augmapping":  # ternary spikes may leave more than a threshold waiting
            assert np.abs(residual).max() < theta / steps
        assert np.abs(left).max() > 0.05


@pytest.mark.parametrize(
    ("method", "slope"),
    [
        ("augmapping", 0.1),
        *(
            pytest.param(method, slope, marks=pytest.mark.slow)
            for method, slope in itertools.product(["augmapping", "termapping"], [0.0, 0.1, 0.5])
            if (method, slope) != ("augmapping", 0.1)
        ),
    ],
)
def test_rates_approach_activations(randomised, method, slope):
    net = randomised(Residual(slope), seed=6)
    snn = convert(net, method=method, calibration=IMAGES)
    scales = snn.scales
    wanted = activations(net, IMAGES, snn)
    errors = []
    for steps in (50, 400):
        run = simulate(snn, IMAGES, steps * ms, **HERE)
        differences = [
            np.abs(run.rates(name) * scales[name] - wanted[name]).max() / np.ptp(wanted[name])
            for name in run.counts
        ]
        errors.append(max(differences))
    # Eight times the steps; what a ReLU unit emitted too early it cannot take back.
    assert errors[1] < errors[0] / 2 and errors[1] < 0.2
    assert (run.predictions() == net(torch.as_tensor(IMAGES)).argmax(1).numpy()).all()
    final = run.output_potential[:, -1] / 400 * scales["readout"]
    np.testing.assert_allclose(final, wanted["fc"], atol=0.1 * np.ptp(wanted["fc"]))


def test_thresholds_are_those_of_the_slopes(randomised):
    net = randomised(
        nn.Sequential(
            nn.Flatten(), nn.Linear(96, 6), nn.LeakyReLU(0.01), nn.Linear(6, 5), nn.ReLU(),
            nn.Linear(5, 4),
        )
    )  # fmt: skip
    snn = convert(net, method="augmapping", input_shape=SHAPE, bound=7)
    first, second, third = (snn.population(name) for name in ("linear1", "linear3", "linear5"))
    assert (first.parameters["theta_p"], first.parameters["theta_n"]) == (1, -100)
    assert "theta_n" not in second.parameters
    assert (third.parameters["theta_p"], third.parameters["theta_n"]) == (1, -1)
    assert third.parameters["bound"] == 7
    snn = convert(net, method="termapping", calibration=IMAGES)
    z = activations(net, IMAGES, snn)
    largest = {
        name: max(np.abs(z[name]).max(), net[i].weight.abs().max().item())
        for name, i in (("linear1", 1), ("linear3", 3), ("linear5", 5))
    }
    assert snn.scales["linear3"] == pytest.approx(largest["linear3"], rel=1e-6)
    factor = largest["linear1"]
    assert snn.population("linear1").parameters["theta_p"] == pytest.approx(factor, rel=1e-6)
    assert snn.population("linear1").parameters["theta_n"] == pytest.approx(-100 * factor, rel=1e-6)
    factor = largest["linear5"] / largest["linear3"]
    assert snn.population("linear5").parameters["theta_p"] == pytest.approx(factor, rel=1e-6)
    bias = net[5].bias.detach().numpy() / snn.scales["linear3"]
    np.testing.assert_allclose(snn.population("linear5").parameters["I"], bias)


def test_a_gain_multiplies_every_rate(randomised):
    net = randomised(Residual(0.1), seed=6)
    few = convert(net, method="augmapping", input_shape=SHAPE)
    many = convert(net, method="augmapping", input_shape=SHAPE, gain=16)
    wanted = activations(net, IMAGES, few)
    errors = []
    for snn in (few, many):
        run = simulate(snn, IMAGES, 60 * ms, **HERE)
        scale = snn.scales
        errors.append(max(np.abs(run.rates(n) * scale[n] - wanted[n]).max() for n in run.counts))
    assert errors[1] < errors[0] / 8


def test_without_negative_thresholds_negative_activations_are_lost(randomised):
    net = randomised(Residual(0.5), seed=6)
    wanted = activations(net, IMAGES, convert(net, method="augmapping", input_shape=SHAPE))
    for method in ("augmapping", "termapping"):
        snn = convert(net, method=method, calibration=IMAGES, negative_spikes=False)
        run = simulate(snn, IMAGES, 100 * ms, **HERE)
        assert all((run.rates(name) >= 0).all() for name in run.counts)
        difference = run.rates("stem") * snn.scales["stem"] - wanted["stem"]
        assert np.abs(difference).max() > 0.5
        found = audit(net, snn, run, IMAGES)
        assert "negative spikes were left out" in found.verdict()


def test_a_value_that_is_also_used_unrectified_keeps_it(randomised):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(2, 3, 3), nn.Linear(72, 4)

        def forward(self, x):
            x = self.conv(x)
            return self.fc((F.leaky_relu(x, 0.3) + x + x).flatten(1))

    net = randomised(Two(), seed=1)
    snn = convert(net, method="augmapping", input_shape=SHAPE, gain=50)
    run = simulate(snn, IMAGES, 50 * ms, **HERE)
    wanted = activations(net, IMAGES, snn)
    for name in run.counts:
        np.testing.assert_allclose(run.rates(name) / 50, wanted[name], atol=0.02)


def test_the_audit_reads_signed_rates(randomised):
    net = randomised(Residual(0.2), seed=3)
    snn = convert(net, method="augmapping", input_shape=SHAPE, gain=20)
    run = simulate(snn, IMAGES, 100 * ms, **HERE)
    found = audit(net, snn, run, IMAGES)
    assert [row.population for row in found.rows][:3] == ["stem", "a1", "add"]
    assert all(row.correlation > 0.999 for row in found.rows)


def add(forward):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x):
            return forward(self, x)

    return Net().eval()


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        (nn.Sequential(nn.Conv2d(2, 1, 1), nn.LeakyReLU()), {"method": "dsnn", "sigma": 1.0},
         "LeakyReLU at layer '1'.*train with ReLU"),
        (add(lambda s, x: s.conv(x) + x), {"method": "dsnn", "sigma": 1.0},
         "sum at node 'add'.*without branches"),
        (nn.Conv2d(2, 1, 1), {"method": "termapping"}, "method 'termapping' needs images"),
        (nn.Conv2d(2, 1, 1), {"readout": "softmax"}, "readout of .* must be 'MS', 'MP' or 'FS'"),
        (nn.Conv2d(2, 1, 1), {"gain": 0}, "gain must be a number > 0, but is 0"),
        (add(lambda s, x: s.conv(x) + s.conv(x).flatten(1).sum()), {}, "add at node.* no affine"),
        (add(lambda s, x: x.relu_() + s.conv(x)), {}, "overwrites a value that is used elsewhere"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_refused(net, options, message):
    options = {"method": "augmapping", "input_shape": SHAPE, **options}
    with pytest.raises(InputError, match=message):
        convert(net, **options)
