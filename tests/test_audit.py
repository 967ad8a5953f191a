"""The audit against a small network that a few lines of NumPy simulate, right and corrupted."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn
from torch.nn import functional as F

import bionet
from bionet.audits.audit import audit
from bionet.audits.rate_comparison import Comparison, equal_weights
from bionet.conversion import convert
from bionet.equations import integrate_and_fire, integrator, leaky_integrate_and_fire
from bionet.errors import InputError
from bionet.network import (
    AveragePool2d,
    Conv2d,
    Dense,
    Origin,
    Population,
    Projection,
    Readout,
    SpikingNetwork,
)
from bionet.results.recording import Recording

INPUT = (2, 6, 5)
SHAPES = {"conv": (3, 4, 3), "pool": (3, 2, 3), "fc": (7,), "out": (4,)}
N_IMAGES = 12


class Source:
    """A random ANN with biases: convolution, average pooling, two dense layers."""

    def __init__(self, seed=3):
        random = np.random.default_rng(seed)
        self.weights = {
            "conv": random.normal(0.1, 0.4, (3, 2, 3, 3)),
            "fc": random.normal(0.05, 0.4, (7, 18)),
            "out": random.normal(0.0, 0.5, (4, 7)),
        }
        self.bias = {name: random.normal(0, 0.1, len(w)) for name, w in self.weights.items()}

    def activations(self, images):
        x = torch.from_numpy(np.asarray(images, dtype=np.float64))
        w = {name: torch.from_numpy(a) for name, a in self.weights.items()}
        b = {name: torch.from_numpy(a) for name, a in self.bias.items()}
        conv = F.relu(F.conv2d(x, w["conv"], b["conv"]))
        pool = F.avg_pool2d(conv, (2, 1))
        fc = F.relu(F.linear(pool.flatten(1), w["fc"], b["fc"]))
        out = F.linear(fc, w["out"], b["out"])
        values = {"conv": conv, "pool": pool, "fc": fc, "out": out, "readout": out}
        return {name: value.numpy() for name, value in values.items()}

    def convert(self, images, stretch=None, model=None, coding="analog"):
        """Normalised by the maxima; ``stretch`` multiplies the scale of some populations."""
        found = self.activations(images)
        scales = {name: float(found[name].max()) for name in SHAPES}
        scales = {name: s * (stretch or {}).get(name, 1.0) for name, s in scales.items()}
        before = {"conv": 1.0, "fc": scales["pool"], "out": scales["fc"]}
        weights = {n: w * before[n] / scales[n] for n, w in self.weights.items()}
        drive = {n: b / scales[n] for n, b in self.bias.items()} | {"pool": np.zeros(1)}
        drive["conv"] = drive["conv"].reshape(3, 1, 1)
        model = model or integrate_and_fire("subtract")
        last = Dense(weights["out"])
        return SpikingNetwork(
            (
                *(Population(n, shape, model, {"I": drive[n]}) for n, shape in SHAPES.items()),
                Population("readout", (4,), integrator(), {"I": drive["out"]}),
            ),
            (
                Projection("input", "conv", Conv2d(weights["conv"])),
                Projection(
                    "conv", "pool", AveragePool2d((2, 1), scale=scales["conv"] / scales["pool"])
                ),
                Projection("pool", "fc", Dense(weights["fc"])),
                Projection("fc", "out", last),
                Projection("fc", "readout", last),
            ),
            INPUT,
            Readout("out", "readout"),
            coding=coding,
            origin=Origin(scales=scales),
        )


def simulate(snn, images, n_steps, zero=False, seed=0):
    """Integrate and fire, synchronously, as plainly as can be."""
    random = np.random.default_rng(seed)
    n = len(images)
    v = {p.name: np.zeros((n, *p.shape)) for p in snn.populations}
    counts = {name: np.zeros((n, *snn.shape(name)), dtype=np.int32) for name in snn.names}
    # As simulate does: no counts of what never fires.
    del counts[snn.readout.potential]
    if snn.coding == "analog":
        del counts["input"]
    potential, spikes = [], []
    for _ in range(n_steps):
        sent = {"input": images}
        if snn.coding == "poisson":
            sent["input"] = (random.random(images.shape) < images).astype(float)
            counts["input"] += sent["input"].astype(np.int32)
        for p in snn.populations:
            for q in snn.projections:
                if q.target == p.name:
                    v[p.name] += propagate(q.kernel, sent[q.source]).reshape(n, *p.shape)
            v[p.name] += p.parameters["I"]
            if p.model.threshold:
                theta = p.parameters["theta"]
                fired = v[p.name] >= theta
                v[p.name] = np.where(fired, 0 if zero else v[p.name] - theta, v[p.name])
                sent[p.name] = fired.astype(float)
                counts[p.name] += fired
        potential.append(v[snn.readout.potential].copy())
        spikes.append(sent[snn.readout.spikes].astype(np.int8))
    return Recording(
        shapes={name: snn.shape(name) for name in snn.names},
        counts=counts,
        output_potential=np.stack(potential, axis=1),
        output_spikes=np.stack(spikes, axis=1),
        parameters={"dt_ms": 1.0, "readout": "MP", "dtype": "float64", "coding": snn.coding},
        final_potentials=v,
    )


def propagate(kernel, values):
    """Loops instead of the kernels' own arithmetic."""
    if isinstance(kernel, Dense):
        return np.einsum("ij,nj->ni", kernel.weights, values.reshape(len(values), -1))
    if isinstance(kernel, AveragePool2d):
        return kernel.scale * (values[:, :, 0::2] + values[:, :, 1::2]) / 2
    height, width = values.shape[2] - 2, values.shape[3] - 2
    total = np.zeros((len(values), len(kernel.weights), height, width))
    for y in range(3):
        for x in range(3):
            window = values[:, :, y : y + height, x : x + width]
            total += np.einsum("oc,nchw->nohw", kernel.weights[:, :, y, x], window)
    return total


@pytest.fixture(scope="module")
def source():
    return Source()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(5).random((N_IMAGES, *INPUT))


@pytest.fixture(scope="module")
def snn(source, images):
    return source.convert(images)


@pytest.fixture(scope="module")
def run(snn, images):
    return simulate(snn, images, 300)


@pytest.fixture
def check(source, images):
    """audit() of this module's ANN and images."""

    def check(snn, run, **options):
        options = {"activations": lambda net, images, snn: net.activations(images), **options}
        return audit(source, snn, run, options.pop("images", images), **options)

    return check


def test_a_right_network_has_no_bad_layer(check, snn, run):
    found = check(snn, run)
    assert found.first_bad is None
    assert found.verdict() == "no bad layer"
    assert [row.population for row in found.rows] == ["conv", "pool", "fc", "out", "readout"]
    for row in found.rows:
        assert row.residual < 1e-9
        assert row.mismatch < 1e-12
        assert row.correlation > 0.99
        assert row.saturated == 0
        assert row.n_units == np.prod(snn.shape(row.population))
    assert [row.decoded for row in found.rows] == ["rate"] * 4 + ["potential"]


def test_the_numbers_are_those_of_the_definition(check, source, snn, run, images):
    row = check(snn, run).row("fc")
    ideal = source.activations(images)["fc"] / snn.scales["fc"]
    rate = run.counts["fc"] / 300
    assert row.correlation == pytest.approx(np.corrcoef(ideal.ravel(), rate.ravel())[0, 1])
    assert row.mean_error == pytest.approx(np.abs(rate - ideal).mean())
    assert row.max_error == pytest.approx(np.abs(rate - ideal).max())
    assert row.silent == pytest.approx((rate[ideal > 1 / 300] == 0).mean())
    assert row.dead == pytest.approx(((ideal <= 0) & (rate == 0)).all(axis=0).mean())


def test_the_output_shows_the_positive_part_and_the_readout_the_sign(
    check, source, snn, run, images
):
    found = check(snn, run)
    logits = source.activations(images)["out"] / snn.scales["out"]
    assert (logits < 0).any()
    rate = run.counts["out"] / 300
    assert found.row("out").mean_error == pytest.approx(np.abs(rate - np.maximum(logits, 0)).mean())
    shown = run.output_potential[:, -1] / 300
    assert found.row("readout").mean_error == pytest.approx(np.abs(shown - logits).mean())
    assert (found.row("readout").saturated, found.row("readout").silent) == (0, 0)


def test_the_readout_needs_no_final_potentials(check, snn, run):
    found = check(snn, replace(run, final_potentials={}))
    assert [row.residual is None for row in found.rows] == [True] * 4 + [False]
    assert found.row("readout").residual < 1e-9


@pytest.mark.parametrize("batch", [1, 5, 1000])
def test_the_batch_size_changes_nothing(check, snn, run, batch):
    for one, other in zip(check(snn, run, batch=batch).rows, check(snn, run).rows, strict=True):
        one, other = vars(one), vars(other)
        # Which rounding a sum has may depend on the batch.
        assert not any(row["excess"] and row["excess"] > 1 for row in (one, other))
        for name, value in one.items():
            expected = value if name == "excess" else other[name]
            assert value == (expected if isinstance(expected, str) else pytest.approx(expected))


def test_permuted_spikes_are_the_simulation_s_fault(check, snn, run):
    wrong = run.counts["pool"].reshape(N_IMAGES, -1)[:, ::-1].reshape(run.counts["pool"].shape)
    found = check(snn, replace(run, counts={**run.counts, "pool": wrong}))
    assert found.first_bad == "pool"
    assert found.row("pool").cause == "simulation"
    assert found.row("conv").cause == "none"
    # The next layer's closed form is broken too, but by its source.
    assert found.row("fc").bad
    assert found.row("fc").cause == "propagated from pool"
    assert "first bad layer: pool (simulation); the spikes do not follow" in found.verdict()


def test_a_permuted_flatten_is_the_conversion_s_fault(check, source, images):
    right = source.convert(images)
    projections = [
        replace(q, kernel=Dense(channels_last(q.kernel.weights))) if q.target == "fc" else q
        for q in right.projections
    ]
    network = replace(right, projections=projections)
    found = check(network, simulate(network, images, 300))
    assert found.first_bad == "fc"
    assert found.row("fc").cause == "conversion"
    assert found.row("fc").residual < 1e-9
    assert found.row("fc").mismatch > 0.1
    assert not found.row("pool").bad
    assert "order of units at a flatten" in found.verdict()


def channels_last(weights):
    """The columns of a dense layer after ``pool`` in the order of the wrong flatten."""
    return weights.reshape(7, 3, 2, 3).transpose(0, 2, 3, 1).reshape(7, 18)


def test_a_scale_too_small_saturates(check, source, images):
    network = source.convert(images, stretch={"conv": 0.3})
    found = check(network, simulate(network, images, 300))
    assert found.first_bad == "conv"
    row = found.row("conv")
    assert row.cause == "saturation"
    assert row.saturated > 0.05
    assert row.residual < 1e-9
    assert max(row.errors, key=row.errors.get) == "saturation"
    assert "raise the percentile" in found.verdict()


def test_a_scale_too_large_silences(check, source, images):
    network = source.convert(images, stretch={"fc": 300.0})
    found = check(network, simulate(network, images, 100))
    assert found.first_bad == "fc"
    assert found.row("fc").cause == "silence"
    assert found.row("fc").residual < 1e-9
    assert found.row("out").cause == "propagated from fc"
    assert "simulate longer, or lower the scale" in found.verdict()


def test_a_silenced_layer_is_named(check, snn, run):
    counts = {**run.counts, "fc": np.zeros_like(run.counts["fc"])}
    found = check(snn, replace(run, counts=counts, final_potentials={}))
    assert found.first_bad == "fc"
    row = found.row("fc")
    assert (row.cause, row.silent, row.correlation) == ("silence", 1.0, 0.0)


def test_poisson_input_is_noise_that_more_steps_average_out(check, source, images):
    network = source.convert(images, coding="poisson")
    found = check(network, simulate(network, images, 100))
    assert found.rows[0].population == "input"
    assert found.row("input").cause == "input noise"
    assert found.row("input").residual is None
    assert found.row("conv").cause == "input noise"
    long = check(network, simulate(network, images, 2000))
    assert long.row("conv").mean_error < 0.4 * found.row("conv").mean_error
    assert long.first_bad is None


def test_poisson_spikes_are_decoded_with_amplitude_and_sign(check, source, images):
    signed = images - 0.5
    network = source.convert(images, coding="poisson")
    run = simulate(network, images, 10)
    counts = {**run.counts, "input": np.rint(np.abs(signed) * 100).astype(np.int32)}
    run = replace(run, counts=counts, parameters={**run.parameters, "max_rate_hz": 10_000})
    # 10 steps at 10 spikes per unit of value and step, each of amplitude 0.1.
    found = check(network, run, images=signed).row("input")
    assert found.max_error <= 0.005 + 1e-9


def test_reset_to_zero_is_named(check, source, images):
    network = source.convert(images, model=integrate_and_fire("zero"))
    found = check(network, simulate(network, images, 300, zero=True))
    assert found.row("conv").residual is None
    assert found.row("conv").cause == "reset"


def test_a_leak_is_named(check, source, images):
    network = source.convert(images, model=leaky_integrate_and_fire(20 * ms))
    found = check(network, simulate(network, images * 0.8, 300))
    assert found.row("conv").residual is None
    assert found.row("conv").cause == "leak"


def test_nan_potentials_are_a_broken_simulation(check, snn, run):
    potentials = {**run.final_potentials, "fc": run.final_potentials["fc"] * np.nan}
    found = check(snn, replace(run, final_potentials=potentials))
    assert found.first_bad == "fc"
    assert found.row("fc").cause == "simulation"


def test_float32_has_a_tolerance_of_its_own(check, snn, run):
    rounded = {name: v + 1e-4 for name, v in run.final_potentials.items()}
    noisy = replace(run, final_potentials=rounded)
    assert check(snn, noisy).first_bad == "conv"
    noisy = replace(noisy, parameters={**run.parameters, "dtype": "float32"})
    assert check(snn, noisy).first_bad is None


@pytest.mark.parametrize("change", [{"delay": 1}, {"sign": 1}, {"gain": 0.5}])
def test_the_closed_form_is_not_asked_where_it_does_not_hold(check, snn, run, change):
    projections = [replace(q, **change) if q.target == "fc" else q for q in snn.projections]
    row = check(replace(snn, projections=projections), run).row("fc")
    assert row.residual is None
    assert (row.mismatch is None) == ("delay" not in change)


def test_scales_of_channels(check, source, snn, run):
    scale = snn.scales["conv"]
    listed = replace(snn, origin=Origin(scales={**snn.scales, "conv": [scale] * 3}))
    assert check(listed, run).row("conv") == check(snn, run).row("conv")


def test_a_population_without_an_activation_is_left_out(check, source, snn, run):
    scales = {k: v for k, v in snn.scales.items() if k != "pool"}
    found = check(replace(snn, origin=Origin(scales=scales)), run)
    assert [row.population for row in found.rows] == ["conv", "fc", "out", "readout"]
    assert found.row("fc").mismatch is None


def test_samples_are_pairs_of_the_layer(check, source, snn, run, images):
    found = check(snn, run, max_samples=100, batch=5)
    assert set(found.samples) == {"conv", "pool", "fc", "out", "readout"}
    activation, rate = found.samples["conv"]
    assert 90 <= len(activation) <= 102
    ideal = source.activations(images)["conv"] / snn.scales["conv"]
    pairs = set(
        zip(
            ideal.ravel().astype(np.float32),
            (run.counts["conv"] / 300).ravel().astype(np.float32),
            strict=True,
        )
    )
    assert set(zip(activation, rate, strict=True)) <= pairs


def test_it_works_on_a_converted_network(images):
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3),
        torch.nn.ReLU(),
        torch.nn.AvgPool2d((2, 1)),
        torch.nn.Flatten(),
        torch.nn.Linear(18, 4),
    ).eval()
    images = images.astype(np.float32)
    network = convert(net, "rate", images, percentile=100.0)
    found = audit(net, network, simulate(network, images.astype(np.float64), 400), images)
    assert found.first_bad is None
    assert len(found.rows) == len(network.populations)
    assert all(row.residual < 1e-9 and row.mismatch < 1e-5 for row in found.rows)


def test_the_table_has_a_line_for_each_layer_and_a_verdict(check, source, images):
    network = source.convert(images, stretch={"conv": 0.3})
    found = check(network, simulate(network, images, 300))
    lines = str(found).splitlines()
    assert lines[0] == "Audit of 12 images, 300 steps"
    assert lines[1].split()[:2] == ["population", "units"]
    assert len(lines) == 3 + len(found.rows) + 1
    assert "conv" in lines[3] and lines[3].endswith("saturation <- first bad layer")
    assert lines[-1] == found.verdict()
    assert found.cells()[0][0] == "population"
    assert len({len(row) for row in found.cells()}) == 1


def test_to_dict_is_plain_json(check, snn, run):
    counts = {name: np.zeros_like(array) for name, array in run.counts.items()}
    silent = replace(run, counts=counts, final_potentials={})
    found = check(snn, silent, activations=lambda net, images, snn: zeros(images))
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["rows"][0]["correlation"] is None
    assert plain["rows"][0]["population"] == "conv"
    assert plain["rows"][0]["dead"] == 1.0
    assert plain["n_images"] == 12
    assert plain["first_bad"] == found.first_bad


def zeros(images):
    return {name: np.zeros((len(images), *shape)) for name, shape in SHAPES.items()}


def test_sources_and_losses_by_name(snn, run):
    sides = Comparison(snn, run)
    assert sides.sources("readout") == ["fc"]
    assert sides.loss("input") == "input noise"
    assert sides.loss("conv") == sides.loss("readout") == "transient"


def test_refusals(check, source, snn, run, images):
    with pytest.raises(InputError, match=r"images must have the shape \(12, 2, 6, 5\).* \(11, 2"):
        check(snn, run, images=images[:-1])
    with pytest.raises(InputError, match=r"but have \(12, 2, 5, 6\); give the images that were"):
        check(snn, run, images=images.transpose(0, 1, 3, 2))
    with pytest.raises(InputError, match="batch must be at least 1 image, but is 0"):
        check(snn, run, batch=0)
    with pytest.raises(InputError, match="counts of 'fc' have the shape .* network that was simu"):
        check(snn, replace(run, counts={**run.counts, "fc": run.counts["fc"][:, :5]}))
    with pytest.raises(InputError, match="the network's origin has no scales"):
        check(replace(snn, origin=Origin()), run)
    with pytest.raises(InputError, match=r"nothing to audit: .*\(conv, pool, fc, out, readout\)"):
        check(snn, run, activations=lambda net, images, snn: {})
    with pytest.raises(InputError, match=r"activations of 'fc' have the shape \(12, 3\), but"):
        check(snn, run, activations=lambda *a: {"fc": np.zeros((12, 3))})
    with pytest.raises(InputError, match="the audit has no population 'fc7'; it has conv, pool"):
        check(snn, run).row("fc7")
    with pytest.raises(InputError, match="the scale of 'conv' must be positive, but is 0"):
        check(replace(snn, origin=Origin(scales={"conv": 0.0})), run)
    with pytest.raises(InputError, match=r"scales of 'conv' must be one number .* 3 channels, bu"):
        check(replace(snn, origin=Origin(scales={"conv": [1.0, 1.0]})), run)


@pytest.mark.parametrize("factor", [1.0, 1e4])
def test_the_residual_s_bound_grows_with_the_values(factor):
    """A float32 run with logits of some hundreds is right; one spike too many is not."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 10)).eval()
    with torch.no_grad():
        net[2].weight *= factor
    images = np.random.default_rng(0).random((4, 30), dtype=np.float32)
    snn = bionet.convert(net, "augmapping", input_shape=(30,))
    run = bionet.simulate(snn, images, 100 * ms, device="numpy", final_potentials=True)
    found = bionet.audit(net, snn, run, images)
    assert all(row.excess <= 1 for row in found.rows[1:])
    assert found.first_bad is None
    more = {name: values.copy() for name, values in run.final_values.items()}
    more["linear0", "total"][2, 7] += 1
    found = bionet.audit(net, snn, replace(run, final_values=more), images)
    assert found.row("linear0").excess is None and found.row("linear2").excess > 10
    assert found.row("linear2").cause == "simulation"


def test_equal_weights_are_rounded_alike():
    """A folded pooling of 256 pixels repeats each weight; a right run is not called wrong."""
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(16), nn.Flatten()
    net = nn.Sequential(*layers, nn.Linear(8, 4)).eval()
    images = np.random.default_rng(0).random((4, 1, 16, 16), dtype=np.float32)
    snn = bionet.convert(net, "rate", images, fold_pooling=True)
    assert equal_weights(snn.projections[-1].kernel) == 256
    run = bionet.simulate(snn, images, 200 * ms, device="numpy", final_potentials=True)
    rows = bionet.audit(net, snn, run, images).rows
    assert all(row.excess <= 1 and row.cause != "simulation" for row in rows)
    wrong = {name: values.copy() for name, values in run.final_potentials.items()}
    wrong["linear4"][0] += 0.1  # a spike of 256 weights or so too many
    rows = bionet.audit(net, snn, replace(run, final_potentials=wrong), images).rows
    assert next(row for row in rows if row.population == "linear4").cause == "simulation"


def test_a_bounded_layer_at_its_bound_is_converted_right():
    """f is min(., bound): beyond it the layer below says more than the layer can."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 5, bias=False), nn.Hardtanh(0, 1), nn.Linear(5, 2)
    ).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(30)
    images = np.random.default_rng(0).random((5, 5), dtype=np.float32)
    snn = bionet.convert(net, calibration=images)
    assert snn.scales["linear2"] == 1  # reached: the network's bound, not its percentile
    run = bionet.simulate(snn, images, 400 * ms, device="numpy", final_potentials=True)
    audit = bionet.audit(net, snn, run, images)
    assert audit.row("linear2").cause != "conversion" and audit.row("linear2").correlation > 0.99


@pytest.mark.parametrize("method", ["phase", "burst"])
def test_outputs_below_zero_of_spikes_with_sizes_show_nothing(method):
    """Such spikes are positive: an output population that stays silent there is right."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    with torch.no_grad():
        net[2].bias -= 3
    images = np.random.default_rng(0).random((5, 3), dtype=np.float32)
    snn = bionet.convert(net, method, calibration=images)
    run = bionet.simulate(snn, images, device="numpy", final_potentials=True)
    rows = bionet.audit(net, snn, run, images).rows
    assert "conversion" not in {row.cause for row in rows}
