"""Every perturbation of a network against its closed form, on the NumPy device."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms
from scipy import stats

import bionet
from bionet import perturbations as pb
from bionet.equations import integrate_and_fire, integrator, leaky_integrate_and_fire
from bionet.errors import InputError
from bionet.network import Population, Projection, Readout, Simulation, SpikingNetwork
from bionet.network.delays import unit_delays
from bionet.network.kernels import Conv2d, Dense, OneToOne

N, T = 600, 20
FAST = {"device": "numpy", "dtype": "float64"}


def chain(coding="uniform", n=N, weight=1.0, theta=1.0, drive=0.0):
    """input -> cells -> readout, each unit to its own; cells fire for each input spike."""
    cells = integrate_and_fire(threshold=theta)
    return SpikingNetwork(
        (
            Population("cells", (n,), cells, {"I": drive}),
            Population("readout", (n,), integrator()),
        ),
        (
            Projection("input", "cells", OneToOne(weight)),
            Projection("cells", "readout", OneToOne()),
        ),
        (n,),
        Readout("cells", "readout"),
        coding=coding,
    )


def run(snn, steps=T, images=None, **more):
    images = np.ones((1, *snn.input_shape)) if images is None else images
    settings = FAST | {"record": {p.name: ["spikes"] for p in snn.populations if p.model.threshold}}
    return bionet.simulate(snn, images, steps * ms, 1 * ms, **settings | more)


def within(count, n, p, level=1e-6):
    """Whether a count fits to a binomial distribution."""
    return stats.binomtest(int(count), int(n), p).pvalue > level


# Neurons


@pytest.fixture(scope="module")
def noisy():
    """Free potentials after every step under noise of 0.1 theta in a millisecond, theta = 2."""
    snn = chain("analog", theta=2.0)
    snn = bionet.perturb(snn, [pb.MembraneNoise(0.1)])
    images = np.zeros((2, N))
    return {dt: bionet.simulate(snn, images, 16 * ms, dt * ms, **FAST) for dt in (1.0, 0.5)}


@pytest.mark.parametrize("dt", [1.0, 0.5])
def test_membrane_noise_is_a_wiener_process_whatever_the_step(noisy, dt):
    v = noisy[dt].output_potential[0]
    times = np.arange(1, v.shape[0] + 1) * dt
    for time, values in zip(times[[0, 3, -1]], v[[0, 3, -1]], strict=True):
        assert stats.kstest(values / (0.2 * np.sqrt(time)), "norm").pvalue > 1e-4
    steps = np.diff(v, axis=0)
    assert abs(np.corrcoef(steps[0], steps[1])[0, 1]) < 4 / np.sqrt(N)
    assert abs(np.corrcoef(v[-1], noisy[dt].output_potential[1, -1])[0, 1]) < 4 / np.sqrt(N)


def test_units_of_two_populations_draw_different_noise():
    snn = bionet.perturb(chain("analog", theta=9.0), [pb.MembraneNoise(0.01)])
    found = bionet.simulate(
        snn, np.zeros((1, N)), 1 * ms, 1 * ms, record={"cells": ["v"], "readout": ["v"]}, **FAST
    )
    one, other = found.potential("cells")[0], found.potential("readout")[0]
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(N)
    assert one.std() == pytest.approx(0.09, rel=0.1)


def test_noise_makes_a_unit_below_threshold_fire():
    quiet = chain("analog", n=200)
    images = np.full((1, 200), 0.04)  # 0.8 after 20 steps
    assert run(quiet, images=images).counts["cells"].sum() == 0
    loud = bionet.perturb(quiet, [pb.MembraneNoise(0.1)])
    assert run(loud, images=images).counts["cells"].mean() > 0.3


def test_a_leak_decays_exponentially():
    snn = bionet.perturb(chain("uniform", n=1, theta=99.0), [pb.MembraneLeak(50 * Hz)])
    found = run(snn, 5, record={"cells": ["v"]}).potential("cells")[:, 0]
    decay = np.exp(-0.05)
    expected = [0.0] * 6
    for step in range(1, 6):
        expected[step] = (expected[step - 1] + 1) * decay
    np.testing.assert_allclose(found, expected[1:], rtol=1e-12)
    with pytest.raises(InputError, match="membrane_leak: model .* leaks already"):
        bionet.perturb(
            snn.with_population("cells", model=leaky_integrate_and_fire(20 * ms)),
            [pb.MembraneLeak(50 * Hz, populations=("cells",))],
        )


def test_threshold_spread_has_its_standard_deviation():
    snn = bionet.perturb(chain(theta=2.0), [pb.ThresholdSpread(0.1)], seed=3)
    theta = snn.population("cells").parameters["theta"]
    assert theta.shape == (N,)
    assert stats.kstest((theta / 2 - 1) / 0.1, "norm").pvalue > 1e-4
    wide = bionet.perturb(chain(), [pb.ThresholdSpread(3.0)])
    assert wide.population("cells").parameters["theta"].min() == 0.05
    again = bionet.perturb(chain(theta=2.0), [pb.ThresholdSpread(0.1)], seed=3)
    np.testing.assert_array_equal(theta, again.population("cells").parameters["theta"])
    other = bionet.perturb(chain(theta=2.0), [pb.ThresholdSpread(0.1)], seed=4)
    assert not np.array_equal(theta, other.population("cells").parameters["theta"])


@pytest.mark.parametrize("period, expected", [(0, 20), (1, 20), (2, 10), (5, 4)])
def test_a_refractory_unit_fires_once_in_its_period(period, expected):
    """One input spike a step; what arrives within the period is lost."""
    snn = bionet.perturb(chain(n=1), [pb.RefractoryPeriod(period * ms)])
    assert run(snn).counts["cells"][0, 0] == expected


def test_refractory_period_changes_the_parameter_of_models_that_have_one():
    snn = chain(n=1).with_population("cells", model=integrate_and_fire(refractory=1 * ms))
    model = snn.population("cells").model
    changed = bionet.perturb(snn, [pb.RefractoryPeriod(5 * ms)]).population("cells")
    assert changed.model == model and changed.parameters["t_ref"] == 0.005


def test_dead_units_are_silent_and_a_share():
    snn = chain()
    with_output = pb.DeadUnits(0.2, populations=("cells",))
    counts = run(bionet.perturb(snn, [with_output])).counts["cells"][0]
    assert set(np.unique(counts)) == {0, T}
    assert within((counts == 0).sum(), N, 0.2)
    # Nested: those dead at a low level are dead at a high one.
    more = bionet.perturb(snn, [pb.DeadUnits(0.4, populations=("cells",))])
    assert ((more.population("cells").parameters["alive"] == 1) <= (counts > 0)).all()


def test_dead_units_spare_the_output():
    with pytest.raises(InputError, match="dead_units"):
        bionet.perturb(chain(), [pb.DeadUnits(0.1, populations=("readout",))])
    assert (
        "alive" not in bionet.perturb(chain(), [pb.DeadUnits(0.1)]).population("cells").parameters
    )


# Transmission


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_spikes_fail_with_their_probability(p):
    """At the input, at the cells, and at both one after the other."""
    snn = bionet.perturb(chain(), [pb.SynapticFailure(p)])
    found = run(snn)
    sent = found.counts["input_relay"].sum()
    arrived = found.counts["cells"].sum()
    read = found.output_potential[0, -1].sum()
    assert sent == N * T
    assert within(arrived, sent, 1 - p)
    assert within(read, arrived, 1 - p) if arrived else read == 0


def test_failures_are_independent_in_time():
    snn = bionet.perturb(chain(), [pb.SynapticFailure(0.5, populations=("input",))])
    table = run(snn).recorded_spikes["cells"]
    fired = np.zeros((T, N))
    fired[table[:, 1], table[:, 2]] = 1
    for one, other in ((fired[1:], fired[:-1]), (fired[:, 1:], fired[:, :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(one.size)


def test_failure_keeps_signed_amplitudes():
    snn = chain(n=4)
    relay = bionet.perturb(snn, [pb.SynapticFailure(0.0)])
    images = np.array([[0.5, 1.0, 0.25, 0.0]])
    want = run(snn, images=images, max_rate=500 * Hz)
    found = run(relay, images=images, max_rate=500 * Hz)
    np.testing.assert_array_equal(want.output_potential, found.output_potential)
    np.testing.assert_array_equal(want.counts["cells"], found.counts["cells"])


def test_background_spikes_have_their_rate_and_leave_the_potential_alone():
    snn = chain("analog", theta=2.0)
    snn = bionet.perturb(snn, [pb.BackgroundSpikes(100 * Hz)])
    images = np.full((1, N), 0.02)  # 0.4 after 20 steps: no spikes of its own
    found = run(snn, images=images, record={"cells": ["v"]})
    counts = found.counts["cells"][0]
    assert within(counts.sum(), N * T, 0.1)
    np.testing.assert_allclose(found.potential("cells")[-1], 0.4, rtol=1e-12)
    np.testing.assert_array_equal(found.output_potential[0, -1], counts)


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_background_spikes_come_on_top_of_own_ones(reset):
    """Drive 0.5 and threshold 1: an own spike in every second step."""
    snn = chain("analog").with_population("cells", model=integrate_and_fire(reset))
    snn = snn.with_population("cells", parameters={"I": 0.5})
    snn = bionet.perturb(snn, [pb.BackgroundSpikes(200 * Hz)])
    table = run(snn, images=np.zeros((1, N))).recorded_spikes["cells"]
    own = table[:, 1] % 2 == 1
    assert own.sum() == N * T / 2
    assert within((~own).sum(), N * T / 2, 0.2)


def test_background_spikes_of_the_input_have_an_amplitude():
    snn = bionet.perturb(chain(), [pb.BackgroundSpikes(100 * Hz, ("input",), amplitude=3.0)])
    found = run(snn, images=np.zeros((1, N)))
    sent = found.counts["input_relay"].sum()
    assert within(sent, N * T, 0.1)
    assert found.output_potential.shape[1] == T and found.counts["cells"].sum() > 2 * sent


def travel(snn, steps=T, start=0):
    """Steps from the one input spike of each unit, in step 0, to its arrival."""
    silent = np.ones((1, N))
    found = run(snn, steps, images=silent, max_rate=1000 * Hz)
    table = found.recorded_spikes["cells"]
    first = np.full(N, -1)
    for _, step, unit in table[::-1]:
        first[unit] = step
    return first - start


def test_a_delay_is_that_of_a_projection():
    """1 ms and 2 ms give the spikes of Projection.delay = 3, at the input and behind cells."""
    snn = chain(n=5, weight=0.7)
    native = SpikingNetwork(
        snn.populations,
        tuple(Projection(q.source, q.target, q.kernel, delay=3) for q in snn.projections),
        snn.input_shape,
        snn.readout,
        coding=snn.coding,
    )
    parts = [pb.TransmissionDelay(1 * ms), pb.TransmissionDelay(2 * ms)]
    images = np.linspace(0, 1, 5)[None]
    want, found = (run(net, images=images) for net in (native, bionet.perturb(snn, parts)))
    np.testing.assert_array_equal(want.recorded_spikes["cells"], found.recorded_spikes["cells"])
    np.testing.assert_array_equal(want.output_potential, found.output_potential)
    assert found.counts["cells"].sum() > 20


def test_delays_spread_from_unit_to_unit():
    snn = bionet.perturb(chain(), [pb.TransmissionDelay(8 * ms, ("input",), spread=0.25)])
    delays = travel(snn)
    assert abs(delays.mean() - 8) < 4 * 2 / np.sqrt(N)
    assert delays.std() == pytest.approx(np.sqrt(4 + 1 / 12), rel=0.1)  # 2 steps, and rounding
    np.testing.assert_array_equal(delays, unit_delays(snn.projections[0], (N,), 1e-3))


def test_jitter_has_its_spread_and_loses_no_spike():
    """One spike from each unit, whose input falls silent after it."""
    snn = replace(chain(), simulation=Simulation(stop=1.0, duration=0.04))
    snn = bionet.perturb(snn, [pb.SpikeTimeJitter(2 * ms, ("input",))])
    table = run(snn).recorded_spikes["cells"]
    assert len(table) == N
    times = table[:, 1]
    assert times.min() >= 0 and times.max() <= 8
    cut = stats.norm(4, 2)
    edges = np.concatenate([[-np.inf], np.arange(8) + 0.5, [np.inf]])
    expected = N * np.diff(cut.cdf(edges))
    assert stats.chisquare(np.bincount(times, minlength=9), expected).pvalue > 1e-5


def test_jitter_keeps_the_sum_of_what_is_sent():
    snn = bionet.perturb(chain(n=300), [pb.SpikeTimeJitter(1.5 * ms)])
    images = np.random.default_rng(0).uniform(size=(1, 300))
    found = run(snn, 40, images=images, max_rate=500 * Hz, record={"cells": ["v"]})
    sent = found.counts["input"] * 2.0  # gain: spikes of amplitude 2 keep the mean input
    # All but what is still on its way, at most 6 steps' worth, arrives.
    got = found.potential("cells")[-1] + found.counts["cells"][0]
    missing = sent[0] - got
    assert (missing >= -1e-9).all() and (missing <= 2.0 * 6).all() and missing.mean() < 6


def test_perturbations_compose(tmp_path):
    snn = bionet.perturb(
        chain(n=50),
        [
            pb.TransmissionDelay(2 * ms), pb.SpikeTimeJitter(1 * ms), pb.SynapticFailure(0.2),
            pb.SpikeTimeJitter(0.5 * ms), pb.BackgroundSpikes(20 * Hz),
            pb.MembraneNoise(0.05), pb.MembraneLeak(5 * Hz),
            pb.RefractoryPeriod(2 * ms), pb.ThresholdSpread(0.1),
            pb.DeadUnits(0.1, ("cells",)),
        ],
        seed=1,
    )  # fmt: skip
    assert pb.relays(snn) == {
        "input_relay": "input", "cells_relay": "cells", "input_relay2": "input",
    }  # fmt: skip
    assert [p.name for p in snn.perturbations][:2] == [
        "transmission_delay", "spike_time_jitter",
    ]  # fmt: skip
    assert run(snn).counts["cells"].sum() > 100
    assert SpikingNetwork.load(snn.save(tmp_path / "composed.snn")) == snn


# Weights and step


def test_weight_noise_is_relative_and_shared_by_output_and_readout(tiny):
    noisy = bionet.perturb(tiny, [pb.WeightNoise(0.1)], seed=2)
    kernels = [q.kernel for q in noisy.projections]
    np.testing.assert_array_equal(kernels[1].weights, kernels[2].weights)
    dense = SpikingNetwork(
        (Population("a", (200,), integrate_and_fire()), Population("b", (200,), integrator())),
        (Projection("input", "a", Dense(np.full((200, 100), 2.0))),),
        (100,),
        Readout("a", "b"),
    )
    weights = bionet.perturb(dense, [pb.WeightNoise(0.1)]).projections[0].kernel.weights
    assert stats.kstest((weights / 2 - 1).ravel() / 0.1, "norm").pvalue > 1e-4


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_quantised_weights_take_the_values_of_n_bits(tiny, bits):
    found = bionet.perturb(tiny, [pb.WeightQuantisation(bits)])
    for old, new in zip(tiny.projections, found.projections, strict=True):
        quantum = np.abs(old.kernel.weights).max() / (2 ** (bits - 1) - 1)
        steps = new.kernel.weights / quantum
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)
        assert np.abs(steps).max() <= 2 ** (bits - 1) - 1 + 1e-9
        assert np.abs(new.kernel.weights - old.kernel.weights).max() <= quantum / 2 + 1e-12
        assert isinstance(new.kernel, (Conv2d, Dense))


def test_a_coarser_step_keeps_the_presentation():
    snn = bionet.perturb(chain(n=3), [pb.CoarserTimeStep(2 * ms)])
    found = bionet.simulate(snn, np.ones((1, 3)), **FAST)
    assert (found.n_steps, float(found.dt / ms)) == (25, 2.0)


def test_a_coarser_step_scales_the_drive_of_rates_in_hertz():
    """Same drive per time: a unit that integrates 0.31 a millisecond fires as often."""
    own = Simulation(max_rate=100.0, gain=1.0, duration=0.04, dt=0.001)
    snn = replace(chain(n=1, drive=0.31), simulation=own)
    fine = bionet.simulate(snn, np.zeros((1, 1)), **FAST)
    coarse = bionet.simulate(
        bionet.perturb(snn, [pb.CoarserTimeStep(2 * ms)]), np.zeros((1, 1)), **FAST
    )
    assert fine.counts["cells"] == coarse.counts["cells"] == 12
    assert coarse.n_steps == 20


# What they have in common


ALL = [
    (pb.MembraneNoise(0.1), 1), (pb.MembraneLeak(5 * Hz), 1), (pb.ThresholdSpread(0.2), 1), 
    (pb.ParameterSpread("theta", 0.2, distribution="truncated"), 1),
   
    (pb.RefractoryPeriod(2 * ms), 1), (pb.DeadUnits(0.2), 1), (pb.SpikeTimeJitter(1 * ms), 1),
    (pb.SynapticFailure(0.2), 1), (pb.BackgroundSpikes(50 * Hz), 1),
    (pb.TransmissionDelay(2 * ms, spread=0.3), 1), (pb.WeightNoise(0.2), 1),
    (pb.WeightQuantisation(3), 0), (pb.CoarserTimeStep(2 * ms), 0),
]  # fmt: skip


# Of neurons with units: tests/perturbations/test_physical.py.
PHYSICAL = {
    pb.CurrentNoise, pb.StuckFiring, pb.Lesion, pb.SpikeDeletion, pb.SpikeInsertion,
    pb.LossyEvents, pb.ChannelBlock, pb.Temperature, pb.WeightDrift,
}  # fmt: skip


def test_every_network_perturbation_is_tested():
    # The filter has a file of its own, too: tests/perturbations/test_synaptic_filter.py.
    tested = {type(p) for p, _ in ALL} | PHYSICAL | {pb.SynapticFilter}
    known = {k for k in pb.PERTURBATIONS.values() if issubclass(k, pb.NetworkPerturbation)}
    assert tested == known


@pytest.mark.parametrize("coding", ["analog", "poisson"])
@pytest.mark.parametrize("perturbation", [p for p, _ in ALL], ids=lambda p: p.name)
def test_levels_and_seeds_are_values_of_one_program(four_layers, perturbation, coding):
    """Structures are what is compiled; see bionet.program."""
    from bionet.running.arguments import make_plan
    from bionet.running.compiled_program import structure

    plan = make_plan(
        four_layers, duration=20 * ms, dt=1 * ms, coding=coding, max_rate=None, lanes=2,
        dtype="float32", record=None, final_potentials=(),
    )  # fmt: skip
    found = []
    for level, seed in ((perturbation.number, 0), (perturbation.number * 2, 1)):
        options = {
            "transmission_delay": {"spread": 0.2},
            "parameter_spread": {"parameter": "theta", "distribution": "truncated"},
        }.get(perturbation.name, {})
        other = type(perturbation).of(level, **options)
        found.append(structure(bionet.perturb(four_layers, [other], seed, coding), plan))
    assert found[0] == found[1]


@pytest.mark.parametrize("perturbation", [p for p, _ in ALL], ids=lambda p: p.name)
def test_spikes_depend_neither_on_lanes_nor_on_the_original(
    four_layers, four_layer_images, perturbation, assert_same
):
    before = four_layers.hash()
    snn = bionet.perturb(four_layers, [perturbation], seed=1, coding="poisson")
    assert four_layers.hash() == before and snn.hash() != before
    one, other = (
        bionet.simulate(
            snn, four_layer_images[:3], 8 * ms, device="numpy", lanes=lanes,
            record={"conv2": ["spikes", "v"]},
        )
        for lanes in (1, 2)
    )  # fmt: skip
    assert_same(one, other)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: pb.MembraneNoise(-1), "membrane_noise: level -1 is not >= 0"),
        (lambda: pb.DeadUnits(1.5), "dead_units: level 1.5 is not >= 0 and <= 1"),
        (lambda: pb.RefractoryPeriod(2), "refractory_period: the level needs the unit ms"),
        (lambda: pb.MembraneNoise(2 * ms), "membrane_noise: the level needs the unit 1"),
        (lambda: pb.WeightQuantisation(2.5), "must be a whole number"),
        (lambda: pb.WeightQuantisation(1), "level 1 bits is not >= 2 and <= 32 bits"),
        (lambda: pb.MembraneNoise("much"), "must be one number"),
        (lambda: pb.MembraneNoise(float("nan")), "membrane_noise"),
        (lambda: pb.TransmissionDelay(2 * ms, spread=2), "spread must lie"),
        (lambda: pb.SynapticFailure(0.1, ("nobody",)), "no population is called 'nobody'"),
        (lambda: pb.SynapticFailure(0.1, ("readout",)), "'readout' sends no spikes"),
        (lambda: pb.ThresholdSpread(0.1, ("readout",)), "'readout' has no threshold"),
        (lambda: pb.CoarserTimeStep(2 * ms, ("cells",)), "leave populations out"),
        (lambda: pb.Blur(1.0), "blur acts on images"),
        (lambda: 3, "of which each is a Perturbation, but is"),
    ],
)
def test_bad_levels_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        bionet.perturb(chain(n=2), [make()])


def test_twice_the_same_is_refused_where_it_has_no_meaning():
    for twice in (pb.MembraneNoise(0.1), pb.SynapticFailure(0.1), pb.BackgroundSpikes(1 * Hz)):
        with pytest.raises(InputError, match="give (it|them) once"):
            bionet.perturb(chain(n=2), [twice, twice])


def test_the_input_of_an_analog_coding_sends_no_spikes():
    with pytest.raises(InputError, match="'input' sends no spikes .* with the coding 'analog'"):
        bionet.perturb(chain("analog", n=2), [pb.SynapticFailure(0.1, ("input",))])
