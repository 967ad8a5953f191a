"""The doctor: causes add up to the loss, and a planted fault is named."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from brian2 import Hz, ms
from torch import nn

import bionet
from bionet.audits.firing_diagnosis import diagnose_firing
from bionet.conversion.physical.calibration import drives_of, outputs_of
from bionet.errors import InputError
from bionet.firing.activation import FrequencyActivation
from bionet.firing.twin import activations_of, twin
from bionet.network import Dense

IMAGES = np.random.default_rng(0).random((40, 2, 6, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def net():
    """Non-square maps of several channels before a Linear; scores well apart."""
    torch.manual_seed(4)
    made = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(150, 20), nn.ReLU(), nn.Linear(20, 6),
    ).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(2.0)
        scores = made(torch.tensor(IMAGES))
        made[-1].bias.sub_(scores.mean(0))
    return made


def found(net, snn, steps=None, **options):
    run = bionet.simulate(
        snn, IMAGES, None if steps is None else steps * ms, device="numpy", **options
    )
    diagnosis = bionet.diagnose(net, snn, IMAGES, run=run)
    assert sum(diagnosis.costs.values()) == pytest.approx(diagnosis.loss, abs=1e-12)
    with torch.no_grad():
        truth = net(torch.tensor(IMAGES)).argmax(1).numpy()
    assert diagnosis.network == run.accuracy(truth)
    assert diagnosis.source == 1.0
    return diagnosis


def test_too_few_steps_are_rounding_and_a_right_network_loses_nothing(net):
    snn = bionet.convert(net, "rate", IMAGES, normalisation="max")
    few = found(net, snn, 4)
    assert few.loss > 0.2
    assert few.main_cause == "rounding"
    assert "initial_potential=0.5" in few.verdict()
    assert found(net, bionet.mended(net, snn, few, IMAGES), 4).network > few.network + 0.1
    good = bionet.convert(net, "rate", IMAGES, preset="fast", steps=60)
    assert abs(found(net, good).loss) < 0.1


def test_a_clipped_scale_is_clipping(net):
    snn = bionet.convert(net, "rate", IMAGES, percentile=75.0, initial_potential=0.5, signed=True)
    clipped = found(net, snn, 40)
    assert clipped.main_cause == "clipping"
    assert "least_squares" in clipped.option


def test_a_wrong_flatten_is_weights_at_its_layer(net):
    snn = bionet.convert(net, "rate", IMAGES, initial_potential=0.5, signed=True)
    number = next(i for i, q in enumerate(snn.projections) if q.target == "linear5")
    weights = snn.projections[number].kernel.weights
    wrong = weights.reshape(20, 6, 5, 5).transpose(0, 2, 3, 1).reshape(20, 150)
    projections = list(snn.projections)
    projections[number] = replace(projections[number], kernel=Dense(wrong))
    bad = found(net, replace(snn, projections=tuple(projections)), 30)
    assert (bad.main_cause, bad.main_layer) == ("weights", "linear5")
    assert "flatten" in bad.verdict()


def test_a_dead_channel_is_dead_at_its_layer(net):
    snn = bionet.convert(net, "rate", IMAGES, initial_potential=0.5, signed=True)
    theta = np.ones((5, 1, 1))
    theta[:4] = 1e6
    dead = found(net, snn.with_population("conv2", parameters={"theta": theta}), 30)
    assert (dead.main_cause, dead.main_layer) == ("dead", "conv2")


def test_noisy_input_is_charged_to_the_input(net):
    snn = bionet.convert(net, "rate", IMAGES, preset="fast", steps=30)
    noisy = found(net, snn, coding="poisson", seed=1)
    assert noisy.cost("noise") > 0.05
    assert noisy.costs["input", "noise"] == noisy.cost("noise")


def test_the_order_of_spikes_is_unevenness_and_is_mended(net):
    """Inhibition that arrives later than the excitation which it cancels."""
    snn = bionet.convert(net, "rate", IMAGES, initial_potential=0.5)
    projections = []
    for q in snn.projections:
        late = q.target in ("conv2", "linear5")
        projections += [replace(q, sign=1), replace(q, sign=-1, delay=4)] if late else [q]
    snn = replace(snn, projections=tuple(projections))
    before = found(net, snn, 30)
    assert before.main_cause == "unevenness"
    assert "signed=True" in before.option
    mended = bionet.mended(net, snn, before, IMAGES)
    assert mended.population("conv2").model.spike == "signed"


def test_what_cannot_be_diagnosed_is_refused(net):
    snn = bionet.convert(net, "rate", IMAGES)
    run = bionet.simulate(snn, IMAGES[:2], 4 * ms, device="numpy")
    with pytest.raises(InputError, match="give those that belong together"):
        bionet.diagnose(net, snn, IMAGES, run=run)
    bare = replace(snn, origin=replace(snn.origin, scales={}))
    with pytest.raises(InputError, match="a diagnosis is for rates, spike times"):
        bionet.diagnose(net, bare, IMAGES[:2], run=run)


def test_first_spikes_lose_to_short_windows_to_the_clock_and_to_wrong_weights(net):
    exact = bionet.convert(net, "ttfs", IMAGES)
    assert found(net, exact, final_potentials=True).loss == 0
    few = bionet.convert(net, "ttfs", IMAGES, margin=0.2)
    with pytest.warns(UserWarning, match="clipped"):
        clipped = found(net, few, final_potentials=True)
    assert clipped.main_cause == "clipping"
    assert "a larger margin" in clipped.verdict()
    again = bionet.mended(net, few, clipped, IMAGES)
    assert again.metadata["options"]["margin"] == 0.4
    coarse = bionet.convert(net, "ttfs", IMAGES, interpolate=False, tau=2 * ms)
    rounded = found(net, coarse)
    assert rounded.main_cause == "rounding"
    assert rounded.cost("noise") == 0
    assert bionet.mended(net, coarse, rounded, IMAGES).code.exact
    numbers = [i for i, q in enumerate(exact.projections) if q.target == "linear5"]
    projections = list(exact.projections)
    for number in numbers:
        weights = projections[number].kernel.weights
        wrong = weights.reshape(20, 6, 5, 5).transpose(0, 2, 3, 1).reshape(20, 150)
        projections[number] = replace(projections[number], kernel=Dense(wrong))
    bad = replace(exact, projections=tuple(projections))
    mixed = found(net, bad, final_potentials=True)
    assert (mixed.main_cause, mixed.main_layer) == ("weights", "linear5")
    with pytest.raises(InputError, match="simulate with final_potentials=True"):
        found(net, exact)


def test_spikes_with_sizes_and_folds_lose_to_what_their_closed_forms_say(net):
    phase = found(net, bionet.convert(net, "phase", IMAGES, period=4, periods=2))
    assert phase.loss > 0
    assert "more periods" in phase.verdict()
    burst = found(net, bionet.convert(net, "burst", IMAGES, steps=3))
    assert burst.cost("clipping") <= burst.cost("rounding")
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Flatten(), nn.Linear(60, 12, bias=False), nn.ReLU(), nn.Linear(12, 6, bias=False)
    )
    folded = bionet.convert(
        plain, "dsnn", input_shape=(2, 6, 5), sigma=0.3, fold=True, max_rate=200 * Hz,
        duration=30 * ms,
    )  # fmt: skip
    late = found(plain, folded)
    assert late.cost("unevenness") == 0  # a fold does not depend on the order of spikes
    assert late.cost("readout") == 0
    assert bionet.mended(plain, folded, late, IMAGES).code == folded.code


def test_late_spikes_lose_to_their_steps_to_wrong_weights_and_to_dead_units(net):
    coarse = bionet.convert(net, "tdsnn", IMAGES, leak=2 * ms, bias_correction=False)
    rounded = found(net, coarse)
    assert rounded.loss > 0.1
    assert rounded.main_cause == "rounding"
    assert rounded.cost("weights") == rounded.cost("noise") == rounded.cost("readout") == 0
    assert "a longer leak" in rounded.verdict()
    once = bionet.mended(net, coarse, rounded, IMAGES)
    assert once.code.shifts and once.code.leak == 2
    twice = bionet.mended(net, once, rounded, IMAGES)
    assert twice.code.leak == 4
    fine = bionet.convert(net, "tdsnn", IMAGES, leak=60 * ms)
    assert abs(found(net, fine).loss) < 0.1
    projections = [
        replace(q, kernel=Dense(wrong_flatten(q.kernel.weights)))
        if q.target == "linear5" and q.source == "conv2"
        else q
        for q in fine.projections
    ]
    mixed = found(net, replace(fine, projections=tuple(projections)))
    assert (mixed.main_cause, mixed.main_layer) == ("weights", "linear5")
    dead = bionet.perturbations.perturb(
        fine, [bionet.perturbations.DeadUnits(0.7, populations=("conv2",))]
    )
    lost = found(net, dead)
    assert (lost.main_cause, lost.main_layer) == ("noise", "conv2")


def wrong_flatten(weights):
    return weights.reshape(20, 6, 5, 5).transpose(0, 2, 3, 1).reshape(20, 150)


def test_physical_neurons_lose_to_the_cause_that_was_made():
    """A network of rates, and recordings in which one layer fires as its cause makes it."""
    z = np.linspace(-1, 4, 51)
    curve = FrequencyActivation(z, 100 * np.clip(z, 0, 2), 100 * Hz, sigma=0.0, noise=0.0)
    torch.manual_seed(2)
    relus = nn.Sequential(
        nn.Flatten(), nn.Linear(60, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 5)
    )
    graph = twin(relus, curve).eval()
    with torch.no_grad():
        graph.get_parameter("5.bias").sub_(graph(torch.tensor(IMAGES)).mean(0))
        truth = graph(torch.tensor(IMAGES)).argmax(1).numpy()
    nodes = list(activations_of(graph))
    drives = drives_of(graph, torch.tensor(IMAGES))
    rates = {node: curve(torch.tensor(drives[node])).numpy() for node in nodes}

    def diagnosed(second, spikes=10000):
        """The second layer's rates changed; a presentation in which 1 is so many spikes."""
        shown = {nodes[0]: rates[nodes[0]], nodes[1]: second(rates[nodes[1]])}
        answers = outputs_of(graph, torch.tensor(IMAGES), shown).argmax(1).numpy()
        run = SimpleNamespace(
            n_steps=spikes * 10, parameters={"dt_ms": 1.0}, n_images=len(IMAGES),
            counts={node: np.rint(r * spikes) for node, r in shown.items()},
            predictions=lambda: answers,
        )  # fmt: skip
        snn = SimpleNamespace(
            origin=SimpleNamespace(layers={node: node for node in nodes}),
            readout=SimpleNamespace(potential="out", spikes="out"),
        )
        told = diagnose_firing(graph, snn, run, IMAGES, truth)
        assert sum(told.costs.values()) == pytest.approx(told.loss, abs=1e-12)
        assert told.source == 1
        return told

    assert diagnosed(lambda r: r).loss == 0
    silenced = np.arange(16) % 4 > 0
    for change, cause, spikes in (
        (lambda r: np.where(silenced, 0, r), "dead", 10000),
        (lambda r: r[:, ::-1] + 0, "weights", 10000),
        (lambda r: r * np.where(silenced, 3, 1), "fluctuation", 10000),
        (lambda r: r * np.where(silenced, 0.1, 1), "adaptation", 10000),
        (lambda r: np.floor(r * 2) / 2, "too short", 2),
    ):
        told = diagnosed(change, spikes)
        assert told.loss > 0.05, cause
        assert (told.main_cause, told.main_layer) == (cause, nodes[1])


def test_what_is_mended_keeps_the_options_it_was_made_with(net):
    """They are read from the origin: metadata tells people, and no program."""
    made = bionet.convert(net, "rate", IMAGES, percentile=60.0, late_readout=2, readout="MS")
    assert made.origin.options == {"percentile": 60.0, "late_readout": 2, "readout": "MS"}
    silent = replace(made, metadata={})
    before = found(net, silent)
    assert before.cost("clipping") > 0
    again = bionet.mended(net, silent, before, IMAGES)
    assert again.origin.options["late_readout"] == again.readout.since == 2
    assert again.origin.options["normalisation"] == "least_squares"
    assert again.readout.default == "MS"
