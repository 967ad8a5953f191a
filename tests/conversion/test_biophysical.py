"""Networks of neurons with units: against plain Brian2, Dale's principle, what is refused."""

from dataclasses import replace

import brian2
import numpy as np
import pytest
import torch
from brian2 import Hz, ms, mV, pF, second
from torch import nn

import bionet
from bionet import InputError
from bionet.conversion.physical.calibration import correction_of
from bionet.conversion.physical.cells import lattice
from bionet.conversion.preparing.folded_pooling import fold_pooling
from bionet.conversion.steps.layers import population_records
from bionet.conversion.tracing.trace import trace
from bionet.firing.activation import FrequencyActivation
from bionet.firing.twin import twin

IMAGES = np.random.default_rng(0).random((6, 12)).astype(np.float32)
CONDUCTANCE = bionet.synapse.conductance(0 * mV, -80 * mV, 5 * ms, 5 * ms)


@pytest.fixture(scope="module")
def rates():
    """A small network of rates with weights of both signs."""
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 10), nn.ReLU(), nn.Linear(10, 3)
    )
    with torch.no_grad():
        for layer, factor in ((net[0], 3.0), (net[2], 6.0)):
            layer.weight *= factor
    return twin(net, bionet.f_i(bionet.equations.lif()).activation())


def converted(net, **options):
    return bionet.convert(net, method="biophysical", input_shape=(12,), passes=0, **options)


def counts_of(snn, **options):
    options = {"dtype": "float64", "device": "numpy", "progress": False, **options}
    return bionet.simulate(snn, IMAGES, **options).counts


def test_the_same_network_by_hand_in_plain_brian2_fires_the_same_spikes(rates):
    snn = converted(rates, duration=60 * ms)
    run = bionet.simulate(
        snn,
        IMAGES[:1],
        dtype="float64",
        device="numpy",
        record=dict.fromkeys(("linear0", "linear2", "linear4"), "spikes"),
        progress=False,
    )
    brian2.set_device("runtime")
    brian2.prefs.codegen.target = "numpy"
    weights = [
        layer.weight.detach().numpy().astype(float)
        for layer in (rates.get_submodule("0"), rates.get_submodule("2"), rates.get_submodule("4"))
    ]
    biases = [rates.get_submodule(name).bias.detach().numpy() for name in ("0", "2", "4")]
    rheobase = float(snn.projections[0].gain)
    drives = [IMAGES[0] @ weights[0].T, 0, 0]
    network, groups, monitors = brian2.Network(), [], []
    clock = brian2.Clock(dt=0.25 * ms)
    for name, bias, drive in zip(("linear0", "linear2", "linear4"), biases, drives, strict=True):
        group = brian2.NeuronGroup(
            len(bias),
            """dv/dt = (10*nS*(-60*mV - v) + I + J)/(200*pF) : volt (unless refractory)
            dJ/dt = -J/(5*ms) : amp
            I : amp (constant)""",
            threshold="v >= -50*mV",
            reset="v = -60*mV",
            refractory=5 * ms,
            method="exact",
            clock=clock,
        )
        group.I = (1 + bias + drive) * rheobase * brian2.amp
        group.v = snn.population(name).parameters["v_begin"] * brian2.volt
        groups.append(group)
        monitors.append(brian2.SpikeMonitor(group))
    for source, target, weight in zip(groups[:-1], groups[1:], weights[1:], strict=True):
        synapses = brian2.Synapses(source, target, "w : amp", on_pre="J_post += w", clock=clock)
        synapses.connect()
        gain = rheobase / (5e-3 * 100)
        synapses.w = weight[synapses.j, synapses.i] * gain * brian2.amp
        synapses.delay = 1.5 * ms
        network.add(synapses)
    network.add(*groups, *monitors)
    network.run(60 * ms)
    assert sum(m.num_spikes for m in monitors) > 30
    for name, monitor in zip(("linear0", "linear2", "linear4"), monitors, strict=True):
        expected = {
            (int(i), round(float(t / ms) / 0.25)) for i, t in zip(monitor.i, monitor.t, strict=True)
        }
        steps, units = run.spikes(name, image=0)[:2]
        assert set(zip(units.tolist(), steps.tolist(), strict=True)) == expected


def test_delays_and_their_spread_are_those_of_the_projections(rates):
    snn = converted(rates, delay=1.25 * ms, delay_spread=0.5 * ms)
    axons = [q for q in snn.projections if q.source != "input"]
    assert axons and all((q.delay, q.delay_spread) == (1.25 * ms, 0.5 * ms) for q in axons)


@pytest.mark.parametrize(
    "synapse",
    [bionet.synapse.exponential(5 * ms), pytest.param(CONDUCTANCE, marks=pytest.mark.slow)],
)
def test_relays_that_fire_at_once_change_no_count(rates, synapse, tmp_path):
    free, dale = (converted(rates, synapse=synapse, dale=kind) for kind in (None, "relay"))
    assert not free.is_dale()
    assert dale.is_dale()
    assert dale.names.index("linear0_inhibitory") == dale.names.index("linear0") + 1
    assert bionet.SpikingNetwork.load(dale.save(tmp_path / "x.snn")).is_dale()
    expected, counts = counts_of(free), counts_of(dale)
    assert expected["linear4"].any()
    for name, count in expected.items():
        assert np.array_equal(counts[name], count), name
    assert np.array_equal(counts["linear0_inhibitory"], counts["linear0"])


@pytest.mark.slow
def test_half_the_step_gives_the_same_rates(rates):
    means = []
    for dt in (0.25 * ms, 0.125 * ms):
        counts = counts_of(converted(rates, dt=dt, duration=400 * ms))
        means.append([counts[name].mean() for name in ("linear0", "linear2")])
    assert means[0] == pytest.approx(means[1], rel=0.02)


def test_an_inhibitory_weight_into_a_conductance_lowers_the_potential():
    net = nn.Sequential(nn.Linear(12, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        net[0].weight.fill_(0.3)
        net[2].weight.copy_(torch.tensor([[-3.0, -3.0], [0.0, 0.0]]))
        for layer in (net[0], net[2], net[4]):
            layer.bias.zero_()
    graph = twin(net, bionet.f_i(bionet.equations.lif()).activation())
    snn = converted(graph, synapse=CONDUCTANCE, begin="same", duration=80 * ms)
    run = bionet.simulate(
        snn, IMAGES[:1], device="numpy", record={"linear2": ["v"]}, progress=False
    )
    v = np.asarray(run.potential("linear2", image=0)).reshape(-1, 2)
    assert v[-1, 0] < v[-1, 1] - 1e-3


def test_pixels_of_zero_leave_a_unit_at_rheobase_silent(rates):
    snn = converted(rates, duration=25 * ms)
    run = bionet.simulate(snn, 0 * IMAGES[:1], device="numpy", progress=False)
    bias = rates.get_submodule("0").bias.detach().numpy()
    assert not run.counts["linear0"][0][bias < -0.05].any()


def test_poolings_fold_into_the_next_layer_exactly():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(3, 4, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(16, 5),
    ).double()
    records = fold_pooling(population_records(trace(net, (1, 18, 22)).records, branches=True))
    assert [r.name for r in records] == ["conv0", "conv3", "linear7"]
    images = np.random.default_rng(1).random((2, 1, 18, 22))
    values = {"input": images}
    for record in records:
        ((source, kernel),) = record.projections
        bias = record.bias.reshape(-1, *[1] * (len(record.shape) - 1))
        total = kernel.apply(values[source]) + bias
        values[record.name] = np.maximum(total, 0) if record.rectified else total
    expected = net(torch.from_numpy(images)).detach().numpy()
    assert values["linear7"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_a_pooling_that_reaches_over_the_edge_is_a_population_of_sums():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(2, 3, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(3 * 9, 2),
    )
    graph = twin(net, bionet.f_i(bionet.equations.lif()).activation())
    snn = bionet.convert(graph, method="biophysical", input_shape=(1, 8, 8), passes=0, dale="relay")
    assert {"pool2", "pool2_inhibitory"} <= set(snn.names)
    assert snn.is_dale()
    images = np.random.default_rng(1).random((1, 1, 8, 8)).astype(np.float32)
    run = bionet.simulate(snn, images, device="numpy", progress=False)
    assert run.counts["conv0"].any()


def test_a_correction_undoes_the_gain_and_the_offset_of_a_layer():
    curve = FrequencyActivation(np.array([-1.0, 0.0, 5.0]), np.array([0.0, 0.0, 250.0]), sigma=0.0)
    drives = np.random.default_rng(0).uniform(-1, 2, (100, 400))
    rates = np.maximum(0.8 * drives + 0.1, 0) / 2
    correction = correction_of(drives, rates, curve)
    assert correction.gain == pytest.approx(1 / 0.8, rel=0.02)
    assert correction.bias == pytest.approx(-0.1 / 0.8, abs=0.03)
    assert correction_of(drives, 0 * rates, curve) is None


def test_the_lattice_is_even_and_differs_between_neighbours():
    values = lattice((4, 10, 10))
    assert values.min() >= 0
    assert values.max() < 1
    assert np.histogram(values, 4, (0, 1))[0] == pytest.approx([100] * 4, abs=12)
    assert np.abs(np.diff(values, axis=2)).min() > 0.2


def test_neurons_and_synapses_are_written_as_text_too(rates):
    relay = "lif:C=150pF"
    written = converted(rates, neuron="lif", synapse="alpha:4ms", dale=True, interneuron=relay)
    synapse, partner = bionet.synapse.alpha(4 * ms), bionet.equations.lif(C=150 * pF)
    made = converted(rates, synapse=synapse, dale="relay", interneuron=partner)
    assert written == made and made.is_dale()


def test_what_cannot_be_converted_is_refused_in_one_line(rates):
    with pytest.raises(InputError, match="neuron of .* must be a NeuronModel"):
        converted(rates, neuron=3)
    with pytest.raises(InputError, match="neuron: expected one of lif, .*, or module:function"):
        converted(rates, neuron="life")
    with pytest.raises(InputError, match="synapse: expected one of exponential"):
        converted(rates, synapse="slow:5ms")
    with pytest.raises(InputError, match="synapse of .* must be a Synapse"):
        converted(rates, synapse=5 * ms)
    with pytest.raises(InputError, match="background is 'rheobase', None or a number"):
        converted(rates, background="high")
    with pytest.raises(
        InputError, match="dale of .* must be 'relay', 'train', True, False or None"
    ):
        converted(rates, dale="some")
    with pytest.raises(InputError, match="was trained with the reference 100 Hz"):
        converted(rates, reference=50 * Hz)
    with pytest.raises(InputError, match="the reference must be a rate"):
        converted(rates, reference=1 * second)
    with pytest.raises(InputError, match="delay of .* must be a quantity such as"):
        converted(rates, delay=6)
    with pytest.raises(InputError, match="delay_spread of .* must be a quantity such as"):
        converted(rates, delay_spread=6)
    with pytest.raises(InputError, match="pass calibration=images, or a network from"):
        converted(nn.Sequential(nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2)))
    with pytest.raises(InputError, match="has weights of both signs"):
        converted(rates, dale="train")
    # (An inhibition that excites is refused where charges are measured: tests/firing.)
    with pytest.raises(InputError, match="passes must be a whole number"):
        bionet.convert(rates, method="biophysical", input_shape=(12,), passes=-1)


@pytest.mark.slow
def test_the_audit_names_the_layer_whose_gain_is_wrong(rates):
    snn = converted(rates, duration=400 * ms)
    run = bionet.simulate(snn, IMAGES, device="numpy", progress=False)
    audit = bionet.audit(rates, snn, run, IMAGES)
    assert [row.population for row in audit.rows] == ["linear0", "linear2"]
    assert audit.first_bad is None
    projections = list(snn.projections)
    projections[1] = replace(projections[1], gain=0.3 * projections[1].gain)
    wrong = replace(snn, projections=tuple(projections))
    run = bionet.simulate(wrong, IMAGES, device="numpy", progress=False)
    audit = bionet.audit(rates, wrong, run, IMAGES)
    assert audit.first_bad == "linear2"
    assert audit.row("linear2").cause == "adaptation"
    assert "match rates" in audit.verdict()
    with pytest.raises(InputError, match="against the network of rates"):
        bionet.audit(nn.Linear(12, 3), wrong, run, IMAGES)
