"""Perturbations of neurons with units against their statistics, on the NumPy device."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, kelvin, ms, mV, nA, nS, pA, second
from scipy import stats

import bionet
from bionet import Dense, InputError, Population, Projection, Readout, SpikingNetwork
from bionet import perturbations as pb
from bionet.equations import hodgkin_huxley, integrate_and_fire, integrator, izhikevich, lif
from bionet.network.kernels import OneToOne

N, T, DT = 400, 40, 0.5  # units; ms
CELL = bionet.synapse.exponential(5 * ms).on(lif())


def network(model=CELL, current=0 * pA, n=N, coding="uniform", gain=2000 * pA):
    """input -> cells -> output and readout; every unit to its own."""
    populations = (
        Population("cells", (n,), model, {"I": current}),
        Population("output", (n,), integrate_and_fire()),
        Population("readout", (n,), integrator()),
    )
    projections = (
        Projection("input", "cells", OneToOne(), gain=gain),
        Projection("cells", "output", OneToOne()),
        Projection("cells", "readout", OneToOne()),
    )
    readout = Readout("output", "readout")
    return SpikingNetwork(populations, projections, (n,), readout, coding=coding)


def run(snn, steps=T, pixel=0.0, **options):
    images = np.full((1, *snn.input_shape), pixel)
    options = {"device": "numpy", "dtype": "float64"} | options
    return bionet.simulate(snn, images, steps * DT * ms, DT * ms, **options)


def within(count, n, p, level=1e-6):
    """Whether a count fits to a binomial distribution."""
    return stats.binomtest(int(count), int(n), p).pvalue > level


@pytest.mark.parametrize("shared", [0.0, 0.4])
def test_current_noise_is_an_ornstein_uhlenbeck_process(shared):
    noise = pb.CurrentNoise(50 * pA, tau=4 * ms, shared=shared)
    found = run(bionet.perturb(network(), [noise]), 300, record={"cells": ["I_noise"]})
    current = found.variable("cells", "I_noise") / pA
    # Deviation of all, of a mean over the cells, and correlation after tau, exp(-1).
    assert current[0].std() == pytest.approx(50 * np.sqrt(1 - shared), rel=0.15)
    assert current.std() == pytest.approx(50, rel=0.2 if shared else 0.03)
    common = current.mean(axis=1).var() / 50**2
    assert common == pytest.approx(shared + (1 - shared) / N, rel=0.7)
    private = current - current.mean(axis=1, keepdims=True)
    after = (private[8:] * private[:-8]).mean() / private.var()
    assert after == pytest.approx(np.exp(-1), abs=0.02)


def test_current_noise_keeps_its_deviation_and_moves_the_potential():
    """Passive membrane, tau_m = 20 ms: var(v) = (sigma/g)^2 tau/(tau + tau_m)."""
    cells = lif(theta=1000 * mV)
    snn = bionet.perturb(network(cells, gain=0 * mV).with_population(
        "cells", model=bionet.synapse.delta().on(cells)), [pb.CurrentNoise(50 * pA, tau=5 * ms)]
    )  # fmt: skip
    found = run(snn, 220, record={"cells": ["v"]})
    late = found.potential("cells")[180:] / mV
    assert late.std() == pytest.approx(5 * np.sqrt(5 / 25), rel=0.1)


def test_stuck_units_fire_at_their_rate_and_the_others_as_before():
    snn = network(current=300 * pA)
    stuck = bionet.perturb(snn, [pb.StuckFiring(0.3, rate=50 * Hz)], seed=2)
    share = stuck.population("cells").parameters["stuck"]
    assert within(share.sum(), N, 0.3)
    assert "stuck" not in stuck.population("output").parameters
    before, after = run(snn).counts["cells"][0], run(stuck).counts["cells"][0]
    np.testing.assert_array_equal(after[share == 0], before[share == 0])
    free = bionet.perturb(
        network(lif(t_ref=0 * ms), gain=0 * mV), [pb.StuckFiring(1.0, rate=50 * Hz)]
    )
    assert within(run(free).counts["cells"].sum(), N * T, 50 * DT / 1000)
    always = bionet.perturb(
        network(lif(t_ref=0 * ms), n=2, gain=0 * mV), [pb.StuckFiring(1.0, rate=9e3 * Hz)]
    )
    assert (run(always).counts["cells"] == T).all()


def maps():
    """Two maps of 8 x 8; the first one excites, the second one inhibits."""
    weights = np.repeat([1.0, -1.0], 64)[None]
    populations = (
        Population("conv", (2, 8, 8), integrate_and_fire(), {"I": 0.5}),
        Population("output", (1,), integrate_and_fire()),
        Population("readout", (1,), integrator()),
    )
    projections = [Projection("conv", name, Dense(weights)) for name in ("output", "readout")]
    return SpikingNetwork(populations, projections, (1,), Readout("output", "readout"))


def test_a_lesion_cuts_a_square_from_every_map():
    alive = bionet.perturb(maps(), [pb.Lesion(0.25)]).population("conv").parameters["alive"]
    square = np.ones((8, 8))
    square[2:6, 2:6] = 0
    np.testing.assert_array_equal(alive, np.stack([square, square]))
    places = {
        bionet.perturb(maps(), [pb.Lesion(0.25, place="random")], seed)
        .population("conv").parameters["alive"].tobytes()
        for seed in range(5)
    }  # fmt: skip
    assert len(places) > 1
    assert bionet.perturb(maps(), [pb.Lesion(1.0)]).population("conv").parameters["alive"].max() < 1
    assert bionet.perturb(maps(), [pb.Lesion(0.0)]).population("conv").parameters["alive"].min() > 0


def test_a_lesion_takes_one_type_of_cells():
    snn = bionet.perturb(maps(), [pb.Lesion(1.0, cells="inhibitory")])
    counts = run(snn, 10).counts["conv"][0]
    assert (counts[0] == 5).all() and (counts[1] == 0).all()
    with pytest.raises(InputError, match="lesion: population 'any' has no inhibitory cells"):
        bionet.perturb(network(), [pb.Lesion(0.5, cells="inhibitory")])
    with pytest.raises(InputError, match="has no map to cut a square from"):
        bionet.perturb(network(), [pb.Lesion(0.5)])


def test_a_target_misses_spikes_that_the_other_one_receives():
    snn = network(current=600 * pA)
    snn = bionet.perturb(snn, [pb.SpikeDeletion(0.3, ("output",))])
    found = run(snn, 100)
    sent, arrived = found.counts["cells"].sum(), found.counts["output"].sum()
    assert sent == run(network(current=600 * pA), 100).counts["cells"].sum() > 400
    assert within(arrived, sent, 0.7)
    # The readout integrates what the output receives.
    assert found.output_potential[0, -1].sum() == arrived
    with pytest.raises(InputError, match="spike_deletion: population 'input' receives no spikes"):
        bionet.perturb(network(), [pb.SpikeDeletion(0.3, ("input",))])


def test_a_target_receives_spikes_that_nobody_sent():
    snn = bionet.perturb(network(), [pb.SpikeInsertion(100 * Hz, ("output",))])
    found = run(snn)
    assert found.counts["cells"].sum() == 0
    assert within(found.counts["output"].sum(), N * T, 0.1 * DT)


def test_delays_reach_all_pathways_behind_a_deletion():
    """What is put behind a unit later travels to every target, on whatever relays."""
    snn = network(current=600 * pA, n=3)
    snn = SpikingNetwork(
        (*snn.populations, Population("other", (3,), integrate_and_fire())),
        (*snn.projections, Projection("cells", "other", OneToOne())),
        snn.input_shape, snn.readout, coding="analog",
    )  # fmt: skip
    snn = snn.with_population("cells", model=lif(I=600 * pA))
    snn = SpikingNetwork(
        snn.populations, snn.projections[1:], (3,), snn.readout, coding="analog"
    )  # fmt: skip
    both = [pb.SpikeDeletion(0.0, ("output",)), pb.TransmissionDelay(2 * ms, ("cells",))]
    record = {name: ["spikes"] for name in ("cells", "output", "other")}
    found = run(bionet.perturb(snn, both), 60, record=record)
    first = {name: found.spikes(name).step.min() for name in record}
    assert first["output"] == first["other"] == first["cells"] + 4


@pytest.mark.parametrize("burst", [0.1, 10])
def test_a_link_loses_events_in_bursts(burst):
    """Down for a share of the time, with the correlation exp(-t/burst)."""
    snn = network(lif(t_ref=0 * ms, v_reset=-60 * mV, I=100000 * pA), 100000 * pA, n=2)
    snn = SpikingNetwork(
        snn.populations, snn.projections[1:], (2,), snn.readout, coding="analog"
    )  # fmt: skip
    snn = bionet.perturb(snn, [pb.LossyEvents(0.3, burst=burst * ms)])
    found = run(snn, 1500, record={"cells": ["link_down"]})
    down = np.asarray(found.variable("cells", "link_down"))
    assert (down[:, 0] == down[:, 1]).all()  # one link for all
    correlation = max(1 - DT / burst, 0)
    independent = 1500 * (1 - correlation) / (1 + correlation)
    assert down[:, 0].mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / independent))
    lag = np.corrcoef(down[1:, 0], down[:-1, 0])[0, 1]
    assert lag == pytest.approx(correlation, abs=0.1)
    assert found.counts["cells"][0, 0] == 1500
    assert found.output_potential[0, -1, 0] == (1 - down[:, 0]).sum()


def test_a_blocked_channel_conducts_less():
    snn = network(hodgkin_huxley(), 300 * pA, n=2, gain=0 * mV)
    blocked = bionet.perturb(snn, [pb.ChannelBlock("g_Na", 0.8)])
    assert blocked.population("cells").parameters["g_Na"] == pytest.approx(4e-6)
    model = bionet.synapse.conductance(0 * mV, -80 * mV, 5 * ms, 10 * ms).on(lif())
    snn = network(model, n=2, gain=10 * nS)
    snn = SpikingNetwork(
        snn.populations,
        tuple(
            Projection(q.source, q.target, q.kernel, sign=1, gain=q.gain) if q.target == "cells"
            else q for q in snn.projections
        ), (2,), snn.readout, coding="uniform",
    )  # fmt: skip
    assert bionet.perturb(snn, [pb.ChannelBlock("g_e", 0.25)]).projections[0].gain == 7.5 * nS
    assert bionet.perturb(snn, [pb.ChannelBlock("g_i", 0.25)]).projections[0].gain == 10 * nS
    driven = replace(snn, coding="analog", projections=tuple(
        replace(q, sign=0, gain=1 * nA) if q.source == "input" else q for q in snn.projections
    ))  # fmt: skip
    assert bionet.perturb(driven, [pb.ChannelBlock("g_e", 0.25)]).projections[0].gain == 1 * nA
    for name, message in (("g_K", "has no conductance 'g_K'"), ("C", "the unit F; a conductance")):
        with pytest.raises(InputError, match=message):
            bionet.perturb(snn, [pb.ChannelBlock(name, 0.5)])
    with pytest.raises(InputError, match="name the conductance"):
        pb.ChannelBlock.of(0.5)


def test_warmth_quickens_what_takes_time():
    warm = bionet.perturb(network(), [pb.Temperature(10 * kelvin)]).population("cells")
    cold = network().population("cells")
    for name in ("t_ref", "tau_syn"):
        assert warm.parameters[name] == pytest.approx(cold.parameters[name] / 3)
    assert warm.parameters["g_L"] == pytest.approx(1.5 * cold.parameters["g_L"])
    assert warm.parameters["C"] == cold.parameters["C"]
    cell = network(izhikevich(), gain=0 * mV)
    warm = bionet.perturb(cell, [pb.Temperature(10 * kelvin)]).population("cells")
    assert warm.parameters["a"] == pytest.approx(90)
    gates = bionet.perturb(network(hodgkin_huxley(), gain=0 * mV), [pb.Temperature(-10 * kelvin)])
    cell = gates.population("cells")
    assert cell.parameters["phi_gates"] == pytest.approx(1 / 3)
    assert "dm/dt = phi_gates*(alpha_m*(1 - m) - beta_m*m)" in cell.model.equations
    again = bionet.perturb(gates, [pb.Temperature(10 * kelvin)]).population("cells")
    assert again.parameters["phi_gates"] == pytest.approx(1)


def test_weights_drift_by_a_power_of_time():
    snn = maps()
    drifted = bionet.perturb(snn, [pb.WeightDrift(2500 * second, spread=0.0)])
    for old, new in zip(snn.projections, drifted.projections, strict=True):
        np.testing.assert_allclose(new.kernel.weights, old.kernel.weights * 100**-0.06)
    spread = bionet.perturb(snn, [pb.WeightDrift(2500 * second)]).projections[0].kernel.weights
    exponents = -np.log(np.abs(spread)) / np.log(100)
    assert exponents.std() == pytest.approx(0.02, rel=0.3)
    early = bionet.perturb(snn, [pb.WeightDrift(1 * second)])
    np.testing.assert_array_equal(
        early.projections[0].kernel.weights, snn.projections[0].kernel.weights
    )


NEW = [
    pb.CurrentNoise(100 * pA, shared=0.3), pb.StuckFiring(0.2, ("cells",)), pb.SpikeDeletion(0.2),
    pb.SpikeInsertion(20 * Hz), pb.LossyEvents(0.2), pb.ChannelBlock("g_L", 0.3),
    pb.Temperature(5 * kelvin), pb.WeightDrift(1000 * second),
    pb.Lesion(0.3, ("cells",), cells="excitatory"),
]  # fmt: skip
FORMER = [
    pb.TransmissionDelay(1 * ms, spread=0.3), pb.SpikeTimeJitter(0.5 * ms),
    pb.SynapticFailure(0.2), pb.BackgroundSpikes(20 * Hz, ("input",)),
    pb.MembraneNoise(0.1, ("cells",)),
    pb.MembraneLeak(5 * Hz, ("output",)), pb.RefractoryPeriod(2 * ms, ("cells",)),
    pb.ThresholdSpread(0.1), pb.DeadUnits(0.1, ("cells",)), pb.WeightNoise(0.1),
    pb.WeightQuantisation(4), pb.ParameterSpread("C", 0.1),
]  # fmt: skip


def own_step(snn):
    """The network with the step of these tests, which delays are counted in."""
    from dataclasses import replace

    return replace(snn, simulation=replace(snn.simulation, dt=DT / 1000))


@pytest.mark.parametrize("perturbation", NEW, ids=lambda p: p.name)
def test_levels_and_seeds_are_values_of_one_program(perturbation):
    from bionet.running.arguments import make_plan
    from bionet.running.compiled_program import structure

    snn = own_step(network(coding="poisson", n=4))
    plan = make_plan(
        snn, duration=20 * ms, dt=DT * ms, coding="poisson", max_rate=None, lanes=2,
        dtype="float32", record=None, final_potentials=(),
    )  # fmt: skip
    structures = []
    for level, seed in ((perturbation.number, 0), (perturbation.number * 2, 1)):
        options = {"conductance": "g_L"} if perturbation.name == "channel_block" else {}
        if perturbation.name == "lesion":
            options = {"cells": "excitatory", "populations": ("cells",)}
        other = type(perturbation).of(level, **options)
        structures.append(structure(bionet.perturb(snn, [other], seed, "poisson"), plan))
    assert structures[0] == structures[1]


def disturbed():
    """A network of neurons in volts with everything wrong that can be wrong."""
    snn = own_step(network(current=200 * pA, n=30, coding="poisson"))
    return bionet.perturb(snn, [*NEW[:2], *FORMER, *NEW[2:]], seed=1)


def test_all_perturbations_compose_on_neurons_in_volts(tmp_path):
    one, other = (run(disturbed(), pixel=0.3, seed=seed) for seed in (0, 1))
    assert one.counts["cells"].sum() > 10
    assert (one.counts["cells"] != other.counts["cells"]).any()
    assert SpikingNetwork.load(disturbed().save(tmp_path / "x.snn")) == disturbed()


@pytest.mark.devices
def test_disturbed_neurons_spike_alike_in_a_program():
    """Every spike; potentials up to what exp() of NumPy and of the C library differ in."""
    record = {"cells": ["spikes", "v", "I_noise"], "output": ["spikes"]}
    want, found = (
        run(disturbed(), pixel=0.3, device=device, record=record)
        for device in ("numpy", "cpp_standalone")
    )
    for name in want.counts:
        np.testing.assert_array_equal(want.counts[name], found.counts[name])
    for name in ("cells", "output"):
        np.testing.assert_array_equal(want.recorded_spikes[name], found.recorded_spikes[name])
    for variable in ("v", "I_noise"):
        one, other = (np.asarray(r.variable("cells", variable)) for r in (want, found))
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: pb.CurrentNoise(50), "current_noise: the level needs the unit pA"),
        (lambda: pb.CurrentNoise(50 * pA, tau=0 * ms), "tau must be a time above 0"),
        (lambda: pb.CurrentNoise(50 * pA, shared=2), "shared must lie in"),
        (lambda: pb.StuckFiring(0.1, rate=5 * ms), "rate must be a rate >= 0"),
        (lambda: pb.Lesion(0.1, place="left"), "place is 'centre' or 'random'"),
        (lambda: pb.Lesion(0.1, cells="glia"), "cells is one of excitatory, inhibitory"),
        (lambda: pb.LossyEvents(0.1, burst=3), "burst must be a time above 0"),
        (lambda: pb.Temperature(3), r"needs the unit K \(2\*kelvin\)"),
        (lambda: pb.Temperature(3 * kelvin, q10=0), "q10 must be above 0"),
        (lambda: pb.WeightDrift(3 * second, start=1), "start must be a time above 0"),
        (lambda: pb.WeightDrift(3 * second, spread=-1), "spread must be >= 0"),
        (lambda: pb.CurrentNoise(1 * pA, ("output",)), "'output' has no current in ampere"),
        (lambda: pb.StuckFiring(0.1, ("readout",)), "'readout' has no threshold"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        bionet.perturb(network(n=2), [make()])


@pytest.mark.parametrize("kind", ["current_noise", "stuck_firing", "lossy_events"])
def test_twice_the_same_is_refused(kind):
    level = 10.0 if kind == "current_noise" else 0.1
    twice = [pb.find(kind).of(level, populations=("cells",))] * 2
    with pytest.raises(InputError, match="give (it|them) once"):
        bionet.perturb(network(n=2), twice)


def test_a_study_writes_options_as_plain_numbers():
    noise = pb.find("current_noise").of(50.0, tau=7.0, shared=0.5)
    assert noise == pb.CurrentNoise(50 * pA, tau=7 * ms, shared=0.5)
    with pytest.raises(InputError, match="the threshold of model .* is random itself"):
        bionet.perturb(
            bionet.perturb(network(n=2), [pb.BackgroundSpikes(5 * Hz, ("cells",))]),
            [pb.StuckFiring(0.1, ("cells",))],
        )
