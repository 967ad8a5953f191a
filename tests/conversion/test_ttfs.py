"""Method ttfs: every unit's value is the activation of the network, whatever the clock."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from brian2 import ms
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

import bionet
from bionet.commands.outputs import load_audit, save_audit
from bionet.errors import InputError
from bionet.network import MaxPool2d, SpikingNetwork
from bionet.perturbations import DeadUnits, SpikeTimeJitter, SynapticFailure, WeightNoise, perturb
from bionet.results.costs import operations
from bionet.results.early_exit import early_exit
from bionet.results.temporal_values import decoded, spike_times


class Residual(nn.Module):
    """Shortcut, max pooling, ReLU6, concatenation and average pooling."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.third = nn.Conv2d(4, 4, 3, padding=1)
        self.bounded = nn.Conv2d(4, 4, 1)
        self.last = nn.Linear(16, 5)

    def forward(self, x):
        a = self.first(x).relu()
        c = (self.third(self.second(a).relu()) + a).relu()
        d = nn.functional.max_pool2d(c, 2)
        e = nn.functional.hardtanh(self.bounded(d), 0.0, 0.2)
        return self.last(nn.functional.avg_pool2d(torch.cat([d, e], 1), 2).flatten(1))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Residual().eval()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((6, 2, 4, 8), dtype=np.float32)


def values_by_numpy(snn, images):
    """Every unit's value from the network's own kernels and biases, layer by layer."""
    code = snn.code
    values = {"input": np.asarray(images, dtype=np.float64)}
    for population in snn.populations:
        name = population.name
        total = np.zeros((len(images), *population.shape))
        for q in snn.projections:
            if q.target != name or q.event == "arrival":
                continue
            before = values[q.source]
            if q.source != "input":
                before = before / code.window(q.source).scale
            total = total + q.kernel.apply(before).reshape(total.shape)
        if name == snn.readout.potential:
            return values | {name: total + population.parameters["b"]}
        window = code.window(name)
        if not window.pool:
            total = np.clip(total + population.parameters["b"], 0, window.bound)
        values[name] = total * window.scale


def check(net, snn, run, images, tolerance):
    """Values of every unit, silence and single spikes; the answers of the torch network."""
    expected = values_by_numpy(snn, images)
    for window in snn.code.windows:
        shown = decoded(run, snn, window.name)
        assert np.abs(shown - expected[window.name]).max() < tolerance
        assert run.counts[window.name].max() <= 1
        silent = (run.spike_steps[window.name] < 0).mean()
        least = snn.code.low if window.name == "input" else 0.0
        assert silent == (expected[window.name] <= least).mean()
    with torch.no_grad():
        outputs = net.double()(torch.tensor(images).double()).numpy()
    net.float()
    assert np.abs(run.values() - outputs).max() < max(tolerance, 1e-6 * (tolerance > 1e-9))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tau": 7 * ms, "dt": 2 * ms},
        {"tau": 1 * ms, "fold_pooling": False},
        {"tau": 7 * ms, "synapse": "falling"},
    ],
    ids=["default", "odd step", "one step", "falling"],
)
def test_every_value_is_the_activation_whatever_the_step(net, images, options):
    snn = bionet.convert(net, "ttfs", calibration=images, readout="FS", **options)
    run = bionet.simulate(snn, images, device="numpy", final_potentials=True)
    check(net, snn, run, images, 1e-10)
    assert not run.clipped
    # Exact times: t_max - tau x, those of a pool at its first input's.
    times = spike_times(run, snn, "first") / snn.code.tau
    window = snn.code.window("first")
    end = (window.start + window.ramp) * snn.code.step
    x = values_by_numpy(snn, images)["first"] / window.scale
    assert np.nanmax(np.abs(np.asarray(times) - (end - x))) < 1e-10
    assert (np.isnan(times) == (x == 0)).all()
    assert early_exit(run).classes.tolist() == run.predictions("MP").tolist()


@pytest.mark.parametrize(
    "way",
    [
        {"input": "analog"},
        {"input": "pairs", "synapse": "falling"},
        {"input_range": (-1, 1)},
        {"input_range": (-1, 1), "synapse": "falling"},
    ],
)
def test_negative_pixels_by_current_pairs_or_shift(net, images, way):
    signed = images - 0.5
    snn = bionet.convert(net, "ttfs", calibration=signed, **way)
    run = bionet.simulate(snn, signed, device="numpy")
    with torch.no_grad():
        outputs = net.double()(torch.tensor(signed).double()).numpy()
    net.float()
    assert np.abs(run.values() - outputs).max() < 1e-12


def test_in_float32_values_are_exact_to_its_rounding(net, images):
    snn = bionet.convert(net, "ttfs", calibration=images, dtype="float32")
    run = bionet.simulate(snn, images, device="numpy", final_potentials=True)
    expected = values_by_numpy(snn, images)
    assert (
        np.abs(
            decoded(run, snn, "third" if "third" in run.counts else "add") - expected["add"]
        ).max()
        < 1e-5
    )
    with pytest.raises(InputError, match="convert the network with dtype='float32'"):
        exact = bionet.convert(net, "ttfs", calibration=images)
        bionet.simulate(exact, images, device="numpy", dtype="float32")


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 3))
def test_random_networks(seed, steps, depth):
    torch.manual_seed(seed)
    widths = [5, *np.random.default_rng(seed).integers(1, 7, depth), 3]
    layers = [
        m
        for a, b in zip(widths, widths[1:], strict=False)
        for m in (nn.Linear(int(a), int(b)), nn.ReLU())
    ][:-1]
    net = nn.Sequential(*layers)
    for parameter in net.parameters():
        parameter.data = parameter.data.abs() if parameter.ndim == 1 else parameter.data
    images = np.random.default_rng(seed).random((4, 5), dtype=np.float32)
    with torch.no_grad():  # a layer that is silent on all images has no scale, and is refused
        activations = [net[: i + 1](torch.tensor(images)) for i in range(1, len(net), 2)]
    assume(all(x.max() > 0 for x in activations))
    snn = bionet.convert(net, "ttfs", calibration=images, tau=steps * ms, readout="FS", margin=8)
    run = bionet.simulate(snn, images, device="numpy", final_potentials=True)
    check(net, snn, run, images, 1e-10)


def test_without_amplitudes_values_round_to_the_nearest_step():
    """x = q floor(A/q + 1/2), the closed form, layer by layer."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    images = np.random.default_rng(1).random((20, 6), dtype=np.float32)
    snn = bionet.convert(net, "ttfs", calibration=images, interpolate=False, tau=10 * ms)
    run = bionet.simulate(snn, images, device="numpy", final_potentials=True)
    q = snn.code.step
    x = np.floor(images / q + 0.5) * q
    assert np.allclose(decoded(run, snn, "input"), x, atol=1e-12)
    for name in ("0", "2"):
        population = snn.population(next(p.name for p in snn.populations if name in p.name))
        kernel = next(p.kernel for p in snn.projections if p.target == population.name)
        scale = snn.code.window(population.name).scale
        total = np.maximum(kernel.apply(x) + population.parameters["b"], 0)
        x = np.floor(total / q + 0.5) * q
        assert np.allclose(decoded(run, snn, population.name), scale * x, atol=1e-12)


def test_a_value_too_large_is_clipped_and_said_with_layer_and_image(net, images):
    snn = bionet.convert(net, "ttfs", calibration=images[:1] * 0.1)
    with pytest.warns(UserWarning, match=r"clipped: first \(\d+ values of \d images, the first"):
        run = bionet.simulate(snn, images, device="numpy", final_potentials=True)
    window = snn.code.window("first")
    assert np.isclose(decoded(run, snn, "first").max(), window.bound * window.scale)
    assert run.clipped["first"].sum() > 0
    # The bound of a ReLU6 is meant.
    assert "bounded" not in run.clipped
    assert any(w.clips for w in snn.code.windows)


def test_it_is_saved_with_its_code_and_its_recording(net, images, tmp_path):
    snn = bionet.convert(net, "ttfs", calibration=images)
    again = SpikingNetwork.load(snn.save(tmp_path / "net.snn"))
    assert again == snn
    assert again.code == snn.code
    run = bionet.simulate(again, images[:2], device="numpy")
    assert bionet.Recording.load(run.save(tmp_path / "run")) == run
    assert run.readouts == ("MP",)


def test_weight_noise_leaves_poolings_alone(net, images):
    snn = bionet.convert(net, "ttfs", calibration=images)
    noisy = perturb(snn, [WeightNoise(0.1)], seed=1)
    for before, after in zip(snn.projections, noisy.projections, strict=True):
        if isinstance(before.kernel, MaxPool2d):
            assert before.kernel == after.kernel
    pairs = [(q.source, q.target) for q in noisy.projections]
    for source, target in set(pairs):  # both pathways have one set of weights
        kernels = [q.kernel for q in noisy.projections if (q.source, q.target) == (source, target)]
        assert all(k == kernels[0] for k in kernels)


def test_dead_units_neither_spike_nor_send_slopes(net, images):
    snn = bionet.convert(net, "ttfs", calibration=images)
    dead = perturb(snn, [DeadUnits(1.0, populations=("first",))])
    run = bionet.simulate(dead, images[:2], device="numpy", final_potentials=True)
    assert not run.counts["first"].any()
    expected = snn.population("second").parameters["b"]
    assert ((run.counts["second"] > 0) == (expected > 0)).all()


def test_spikes_that_fail_or_travel_must_be_alike(net, images):
    exact = bionet.convert(net, "ttfs", calibration=images)
    falling = bionet.convert(net, "ttfs", calibration=images, synapse="falling")
    rounded = bionet.convert(net, "ttfs", calibration=images, interpolate=False)
    moves = operations(rounded, bionet.simulate(rounded, images, device="numpy")).moves
    for perturbation in (SynapticFailure(0.1), SpikeTimeJitter(1 * ms)):
        for carrying in (exact, falling):
            if carrying is falling and isinstance(perturbation, SynapticFailure):
                continue
            with pytest.raises(InputError, match="convert it with interpolate=False"):
                perturb(carrying, [perturbation])
        changed = perturb(rounded, [perturbation])
        run = bionet.simulate(changed, images, device="numpy")
        assert max(c.max() for c in run.counts.values()) == 1
        # Relays of a perturbation move no potential; units that do not spike ramp to the end.
        assert operations(changed, run).moves == pytest.approx(moves, rel=0.2)


def test_falling_synapses_lose_a_spike_whole(net, images):
    """Where every transmission fails biases are left; with one in two, about half of the values."""
    falling = bionet.convert(net, "ttfs", calibration=images, synapse="falling")
    scores = falling.readout.potential
    none = perturb(falling, [SynapticFailure(1.0)])
    run = bionet.simulate(none, images[:2], device="numpy")
    bias = falling.population(scores).parameters["b"]
    assert np.allclose(run.output_potential[:, -1], bias, atol=1e-12)
    half = perturb(falling, [SynapticFailure(0.5, populations=("first",))])
    run = bionet.simulate(half, images, device="numpy", final_potentials=True)
    kept = run.final_values["first", "size"][run.counts["first"] > 0] > 0
    assert 0.4 < kept.mean() < 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau": 16.0}, "tau of .* must be a quantity such as"),
        ({"dt": 20 * ms}, "must not be longer than tau"),
        ({"margin": 0}, "margin must be a number > 0"),
        ({"input": "rate"}, "input of .* must be 'latency'"),
        ({"synapse": "falling", "interpolate": False}, "falling' delivers exact values"),
        ({"input_range": (1, 0)}, "input_range is"),
        ({"input_range": (0, 2), "input": "pairs"}, "belongs to input='latency'"),
        ({"calibration": None, "input_shape": (2, 4, 8)}, "pass calibration=images"),
    ],
)
def test_options_out_of_range(net, images, options, message):
    with pytest.raises(InputError, match=message):
        bionet.convert(net, "ttfs", **{"calibration": images, **options})


def test_pixels_outside_the_range_are_refused_by_image(net, images):
    wrong = images.copy()
    wrong[3, 0, 0, 0] = 1.5
    with pytest.raises(InputError, match="image 3 holds pixels from .* to 1.5"):
        bionet.convert(net, "ttfs", calibration=wrong, input_range=(0, 1))
    snn = bionet.convert(net, "ttfs", calibration=images)
    with pytest.raises(InputError, match="image 3"):
        bionet.simulate(snn, wrong, device="numpy")
    with pytest.raises(InputError, match="dt = 1 ms, but dt is 2 ms"):
        bionet.simulate(snn, images, dt=2 * ms, duration=200 * ms, device="numpy")
    with pytest.raises(InputError, match="windows of this network last"):
        bionet.simulate(snn, images, duration=20 * ms, device="numpy")
    with pytest.raises(InputError, match="its input coding is 'latency'"):
        bionet.simulate(snn, images, coding="analog", device="numpy")


@pytest.mark.devices
def test_the_same_on_all_devices(net, images):
    for options in ({"readout": "FS"}, {"interpolate": False}, {"synapse": "falling"}):
        snn = bionet.convert(net, "ttfs", calibration=images, **options)
        runs = [
            bionet.simulate(snn, images, device=device, final_potentials=True)
            for device in ("numpy", "cython", "cpp_standalone")
        ]
        for run in runs[1:]:
            for name, steps in runs[0].spike_steps.items():
                assert (run.spike_steps[name] == steps).all()
            for key, values in runs[0].final_values.items():
                assert (run.final_values[key] == values).all()
            assert (run.output_potential == runs[0].output_potential).all()


def test_no_warning_where_nothing_is_clipped(net, images):
    snn = bionet.convert(net, "ttfs", calibration=images)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="bionet")
        warnings.filterwarnings("error", message=".*clipped")
        bionet.simulate(snn, images[:1], device="numpy")


def test_the_audit_finds_no_bad_layer_and_names_changed_weights(net, images, tmp_path):
    snn = bionet.convert(net, "ttfs", calibration=images, readout="FS")
    run = bionet.simulate(snn, images, device="numpy", final_potentials=True)
    audit = bionet.audit(net, snn, run, images)
    save_audit(tmp_path, replace(audit, notes=("of the conversion",)))
    again = load_audit(tmp_path)
    assert again.notes == ("of the conversion",)
    assert replace(again, notes=()) == audit and str(replace(again, notes=())) == str(audit)
    assert audit.first_bad is None
    assert "no bad layer" in str(audit)
    for row in audit.rows[:-1]:
        assert row.silent == row.zero
        assert row.off == row.clipped == 0
    wrong = perturb(snn, [WeightNoise(0.5, populations=("second",))])
    run = bionet.simulate(wrong, images, device="numpy", final_potentials=True)
    audit = bionet.audit(net, wrong, run, images)
    assert audit.first_bad == "second"
    assert "weights are not those of the network given" in audit.verdict()
    with pytest.raises(InputError, match="simulate with final_potentials=True"):
        bionet.audit(net, snn, bionet.simulate(snn, images, device="numpy"), images)


def test_operations_are_counted_one_by_one():
    """Two inputs, two units, one output: slopes, amplitudes and steps by hand."""
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    net[0].weight.data = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    net[2].weight.data = torch.ones(1, 2)
    images = np.array([[0.5, 0.0]], dtype=np.float32)
    snn = bionet.convert(net, "ttfs", calibration=images, tau=4 * ms, margin=2)
    run = bionet.simulate(snn, images, device="numpy")
    counted = operations(snn, run)
    # One pixel and one hidden unit spike; they reach 2 units and the output's one.
    assert counted.additions == 2 * (2 + 1)
    assert counted.multiplications == 2 + 1
    # Input window of 4 steps for 2 units; theta is 1: 4 steps of ramp of the silent one, 3 of
    # the unit of 0.5 (after 2 it is at theta, not above it); the output moves 4 steps.
    assert (counted.moves, counted.leaks) == (2 * 4 + 4 + 3 + 4, 0)
    assert (counted.network, counted.network_macs) == (12, 6)
    assert counted.latency == 8
    # Synapses whose effect falls with time: one product and one sum for each spike, no slopes.
    snn = bionet.convert(
        net, "ttfs", calibration=images, tau=4 * ms, margin=2, synapse="falling", readout="FS"
    )
    run = bionet.simulate(snn, images, device="numpy")
    counted = operations(snn, run)
    assert (counted.additions, counted.multiplications) == (3, 3)
    # The output's only spike, of 0.5 of its window of 4 steps, is the answer: in the third step.
    assert counted.moves == 4 + 3 + 3
    assert counted.latency == 8 + 3
    assert counted.latency == early_exit(run).steps.mean()


def test_the_answer_of_potentials_comes_before_any_output_spike(net, images):
    snn = bionet.convert(net, "ttfs", calibration=images)
    run = bionet.simulate(snn, images[:2], device="numpy")
    with pytest.raises(InputError, match="convert with readout='FS'"):
        early_exit(run)


def test_pixels_that_meet_a_late_layer_by_current(images):
    """A shortcut from the image to the second layer: its current must not last longer."""

    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Conv2d(2, 2, 1), nn.Linear(64, 3)

        def forward(self, x):
            return self.last((self.first(x).relu() + x).relu().flatten(1))

    torch.manual_seed(0)
    net = Late().double()
    for way in ({"input": "analog"}, {}, {"synapse": "falling", "input_range": (0, 2)}):
        snn = bionet.convert(net, "ttfs", calibration=images, **way)
        run = bionet.simulate(snn, images, device="numpy")
        with torch.no_grad():
            outputs = net(torch.tensor(images).double()).numpy()
        assert np.abs(run.values() - outputs).max() < 1e-12, way
