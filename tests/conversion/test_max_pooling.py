"""Spiking max pooling and softmax: every spike against a plain simulation, and their statistics."""

import numpy as np
import pytest
import torch
from brian2 import Hz, ms
from torch import nn
from torch.nn import functional as F

import bionet
from bionet.conversion import convert, with_softmax
from bionet.errors import InputError
from bionet.running.simulate import simulate

STEPS = 40


def pooled_network():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.Conv2d(4, 5, 2),
        nn.ReLU(),
        nn.MaxPool2d((2, 1)),
        nn.Flatten(),
        nn.Linear(5 * 2 * 2, 3),
    ).double()  # fmt: skip


def largest_first(spikes, estimate, pool, stride, padding, ceil_mode):
    """Spikes of each pool's unit with the largest estimate, the first row by row."""
    options = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    # The earlier of two equal ones wins: max_pool2d returns the index of the first.
    _, index = F.max_pool2d(estimate, pool, return_indices=True, **options)
    return spikes.flatten(2).gather(2, index.flatten(2)).reshape(index.shape)


def plain_simulation(snn, images, forget=0.0):
    """Counts and last potentials by torch in float64, one step after another, no BioNet code."""
    kernels = {q.target: q.kernel for q in snn.projections}
    conv1, conv2 = (torch.tensor(kernels[name].weights) for name in ("conv0", "conv3"))
    dense = torch.tensor(kernels["readout"].weights)
    drive = {p.name: torch.tensor(p.parameters["I"]) for p in snn.populations}
    x = F.conv2d(torch.tensor(images), conv1, padding=1) + drive["conv0"]
    v1, v2, vp1, vp2 = torch.zeros_like(x), 0.0, 0.0, 0.0
    r1, r2, total = torch.zeros_like(x), 0.0, {}
    v3 = 0.0
    for _ in range(STEPS):

        def fire(v, name):
            o = (v >= 1).double()
            total[name] = total.get(name, 0) + o
            return o, v - o

        o, v1 = fire(v1 + x, "conv0")
        r1 = r1 * (1 - forget) + o
        o, vp1 = fire(vp1 + largest_first(o, r1, 3, 2, 1, True), "maxpool2")
        o, v2 = fire(v2 + F.conv2d(o, conv2) + drive["conv3"], "conv3")
        r2 = r2 * (1 - forget) + o
        o, vp2 = fire(vp2 + largest_first(o, r2, (2, 1), (2, 1), 0, False), "maxpool5")
        v3 = v3 + o.flatten(1) @ dense.T + drive["readout"].flatten()
    return {name: o.numpy().astype(int) for name, o in total.items()}, v3.numpy()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((5, 2, 9, 5))


@pytest.mark.parametrize(
    ("device", "tau"),
    [
        ("numpy", None),
        ("numpy", 10 * ms),
        ("cpp_standalone", 10 * ms),
        *(
            pytest.param(device, tau, marks=pytest.mark.devices)
            for device, tau in (("cpp_standalone", None), ("cython", None), ("cython", 10 * ms))
        ),
    ],
)
def test_every_spike_equals_a_plain_simulation(images, device, tau):
    snn = convert(pooled_network(), "rate", images, pool_tau=tau)
    run = simulate(snn, images, STEPS * ms, device=device, lanes=3, dtype="float64")
    forget = 0.0 if tau is None else float(1 * ms / tau)
    counts, potential = plain_simulation(snn, images, forget)
    for name, expected in counts.items():
        np.testing.assert_array_equal(run.counts[name], expected, err_msg=name)
        assert expected.any()
    np.testing.assert_allclose(run.output_potential[:, -1], potential, atol=1e-9)


def test_rates_behind_a_gate_approach_the_maximum(images):
    net = pooled_network()
    snn = convert(net, "rate", images)
    run = simulate(snn, images, 400 * ms, device="numpy", dtype="float64")
    with torch.no_grad():
        maxima = net[:3](torch.tensor(images)).numpy() / snn.scales["maxpool2"]
    # Until the largest is known, spikes of others pass: some few spikes in all.
    error = run.counts["maxpool2"] / 400 - np.minimum(maxima, 1)
    assert abs(error).max() < 0.1
    assert abs(error).mean() < 0.01


def test_softmax_spikes_are_drawn_from_the_softmax_of_the_potentials():
    """Units with constant potentials: their shares of many spikes against the definition."""
    net = nn.Sequential(nn.Linear(2, 4, bias=False))
    snn = with_softmax(convert(net, "rate", None, (2,), normalisation=None), 500 * Hz)
    v = np.array([0.3, -1.0, 1.2, 0.0])
    model = snn.population("readout").model
    frozen = snn.with_population(
        "readout",
        model=bionet.NeuronModel(
            "frozen", "v : 1 (constant)\ngo : 1\nr : 1", model.threshold, model.reset,
            update=model.update, parameters={"v": 0.0},
        ),
        parameters={"v": v},
    )  # fmt: skip
    frozen = bionet.SpikingNetwork(
        frozen.populations,
        [q for q in frozen.projections if q.source != "input"],
        (2,),
        frozen.readout,
    )
    n_images, steps = 40, 200
    run = simulate(frozen, np.zeros((n_images, 2)), steps * ms, device="numpy", dtype="float64")
    counts = run.counts["softmax"].sum(axis=0)
    triggers = run.counts["softmax_trigger"].sum()
    assert counts.sum() == triggers
    assert run.counts["readout"].sum() == 4 * triggers
    expected_triggers = n_images * steps * 0.5
    assert abs(triggers - expected_triggers) < 5 * np.sqrt(expected_triggers * 0.5)
    share = np.exp(v) / np.exp(v).sum()
    deviation = (counts - triggers * share) / np.sqrt(triggers * share * (1 - share))
    assert abs(deviation).max() < 4


@pytest.mark.devices
def test_one_unit_answers_each_question_and_devices_agree(images):
    snn = convert(pooled_network(), "rate", images, softmax=300 * Hz)
    assert "linear7" not in snn.names
    runs = [
        simulate(snn, images, STEPS * ms, device=device, lanes=lanes, dtype="float64",
                 record={"softmax": ["spikes"], "softmax_trigger": ["spikes"]})
        for device, lanes in (("numpy", 5), ("cpp_standalone", 2))
    ]  # fmt: skip
    for image in range(len(images)):
        asked = runs[0].spikes("softmax_trigger", image)
        answers = runs[0].spikes("softmax", image)
        np.testing.assert_array_equal(asked.step, answers.step)
    for name, counts in runs[0].counts.items():
        np.testing.assert_array_equal(counts, runs[1].counts[name])
    assert runs[0].counts["softmax"].sum() > 20


def test_what_has_no_gate_is_refused(images):
    net = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 2))
    with pytest.raises(InputError, match="takes the maximum of pixels"):
        convert(net, "dsnn", images, fold=True, sigma=1.0)
    kernels = {q.kernel.kind for q in convert(net, "rate", images).projections}
    assert "max_pool2d" not in kernels  # a tree of differences compares pixels
    snn = convert(pooled_network(), "rate", images)
    bare = bionet.equations.integrate_and_fire()
    with pytest.raises(InputError, match="its gate compares 'r' of the source"):
        snn.with_population("conv0", model=bare)
    with pytest.raises(InputError, match="never fires"):
        bionet.equations.with_rate_estimate(bionet.equations.integrator())
    with pytest.raises(InputError, match="has a variable 'r' already"):
        bionet.equations.with_rate_estimate(bionet.equations.with_rate_estimate(bare))
    with pytest.raises(InputError, match="tau of a rate estimate must be positive"):
        bionet.equations.with_rate_estimate(bare, -1 * ms)
    with pytest.raises(InputError, match="rate of the trigger must be positive"):
        with_softmax(snn, 0 * Hz)
    soft = with_softmax(snn)
    with pytest.raises(InputError, match="only integrates"):
        with_softmax(soft)
