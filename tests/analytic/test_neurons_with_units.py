"""Neurons and synapses in farad, siemens, volt and ampere against closed forms."""

import math

import numpy as np
import pytest
from brian2 import ms, mV, nA, nS, pA, pF

import bionet
from bionet import Dense, InputError, Population, Projection, Readout, SpikingNetwork
from bionet.equations import (
    adex,
    exponential_if,
    hodgkin_huxley,
    integrate_and_fire,
    integrator,
    izhikevich,
    lif,
    quadratic_if,
)
from bionet.firing.measurement import Protocol, run_group
from bionet.perturbations import ParameterSpread


def network(model, projections=(), n=1, **parameters):
    """One unit that fires once, in step 9, and n of the model."""
    source = Population("source", (1,), integrate_and_fire(), {"I": np.full(1, 0.1)})
    cells = Population("cells", (n,), model, parameters)
    silent = Projection("input", "source", Dense(np.zeros((1, 1))))
    read = Projection("source", "readout", Dense(np.ones((1, 1))))
    populations = (source, cells, Population("readout", (1,), integrator()))
    return SpikingNetwork(
        populations, (silent, *projections, read), (1,), Readout("cells", "readout")
    )


def simulated(snn, duration, dt, **options):
    options = {"device": "numpy", "dtype": "float64"} | options
    return bionet.simulate(snn, np.zeros((1, 1)), duration, dt, **options)


def spike_trains(model, currents, duration=500 * ms, dt=0.05 * ms):
    """Spike times of units at constant currents, in ms; the group of bionet.f_i."""
    protocol = Protocol(float(dt), 0.0, float(duration), "adapted", 1, 0.0, 0)
    _, _, monitor = run_group(model, protocol, np.asarray(currents, dtype=float))
    return [np.asarray(times / ms) for times in monitor.spike_trains().values()]


def spike_times(model, current, **options):
    """Spike times of a unit at a constant current, in ms."""
    return spike_trains(model, [float(current)], **options)[0]


def test_lif_fires_at_the_rate_of_its_closed_form():
    currents = np.array([90, 101, 150, 300, 1000]) * pA
    dt, steps = 0.1 * ms, 10000
    run = simulated(network(lif(), n=5, I=currents), steps * dt, dt)
    drive = currents / (10 * nS) / mV
    with np.errstate(invalid="ignore"):
        first = 20 * np.log(drive / (drive - 10))  # ms, from rest
    rise = np.ceil(np.nan_to_num(first) / 0.1 - 1e-9)  # steps
    expected = np.where(drive > 10, (steps - rise) // (rise + 49) + 1, 0)  # 5 ms refractory
    np.testing.assert_array_equal(run.counts["cells"][0], expected)


def test_quadratic_if_has_the_period_of_its_closed_form():
    times = spike_times(quadratic_if(), 200 * pA, dt=0.02 * ms)
    a, middle = 0.1 / 15, -57.5  # 1/(ms mV), mV
    b = math.sqrt(10 * 15 - 15**2 / 4)
    period = (math.atan((20 - middle) / b) - math.atan((-80 - middle) / b)) / (a * b)
    assert np.diff(times).mean() == pytest.approx(period, rel=0.01)
    assert len(spike_times(quadratic_if(), 74 * pA)) == 0  # rheobase: 75 pA


def test_adex_has_the_firing_patterns_of_naud_et_al():
    tonic, adapting = (np.diff(spike_times(adex(p), 500 * pA)) for p in ("tonic", "adapting"))
    assert np.ptp(tonic[10:]) < 0.2 and len(tonic) > 10
    assert adapting[-1] > 2 * adapting[0] and (np.diff(adapting) > -0.2).all()
    burst = np.diff(spike_times(adex("initial burst"), 400 * pA))
    assert burst[0] < 0.5 * burst[-1] and np.ptp(burst[-3:]) < 2
    bursting = np.diff(spike_times(adex("bursting"), 210 * pA, duration=1000 * ms))
    late = bursting[len(bursting) // 2 :]  # long pauses go on between short intervals
    assert late.max() > 4 * late.min()


def test_izhikevich_has_the_firing_patterns_of_his_book():
    regular = np.diff(spike_times(izhikevich(), 100 * pA, duration=1000 * ms))
    assert len(regular) > 3 and regular[-1] > regular[0]
    chattering = np.diff(spike_times(izhikevich("chattering"), 200 * pA))
    assert chattering.min() < 6 and chattering.max() > 3 * chattering.min()
    burst = np.diff(spike_times(izhikevich("intrinsically bursting"), 600 * pA))
    assert burst[0] < 0.5 * burst[-1]


def test_hodgkin_huxley_makes_a_spike_of_its_shape_and_rate():
    snn = network(hodgkin_huxley(), I=[300] * pA)
    run = simulated(snn, 50 * ms, 0.05 * ms, record={"cells": ["v"]})
    v = np.asarray(run.potential("cells") / mV)[:, 0]
    above = (v > -20).sum() * 0.05 / run.counts["cells"][0, 0]
    assert 25 < v.max() < 55 and -90 < v.min() < -60
    assert 0.3 < above < 2.0  # ms: the width of a spike
    # Its leak alone makes it fire: the rheobase lies below 0.
    silent, alone, driven = spike_trains(hodgkin_huxley(), [-200e-12, 0, 300e-12], 60 * ms)
    assert len(silent) == 0 and len(alone) == 1
    assert 30 < 1000 / np.diff(driven).mean() < 120  # Hz


CURRENTS = {
    lif: (200, 300, 500),
    exponential_if: (300, 400, 600),
    quadratic_if: (200, 300, 400),
    adex: (400, 500, 700),
    izhikevich: (200, 300, 400),
    hodgkin_huxley: (500, 700, 900),
}


@pytest.mark.parametrize("neuron", CURRENTS, ids=lambda neuron: neuron.__name__)
def test_half_the_step_keeps_the_rate(neuron):
    """Time of several intervals after the second spike: a count would round to whole spikes."""
    model = adex("tonic") if neuron is adex else neuron()
    # Of the channels' first-order method half the error of 0.05 ms would be 2.5 %.
    dt = {lif: 0.1, izhikevich: 0.1, hodgkin_huxley: 0.025}.get(neuron, 0.05)  # ms
    duration = 60 if neuron is hodgkin_huxley else 150
    currents = np.array(CURRENTS[neuron]) * 1e-12
    coarse, fine = (
        spike_trains(model, currents, duration=duration * ms, dt=step * ms) for step in (dt, dt / 2)
    )
    for one, other in zip(coarse, fine, strict=True):
        n = min(len(one), len(other))  # the same intervals of a cell that adapts
        assert n > 2
        assert one[n - 1] - one[1] == pytest.approx(other[n - 1] - other[1], rel=0.02)


@pytest.mark.parametrize("neuron", CURRENTS, ids=lambda neuron: neuron.__name__)
def test_the_error_falls_with_the_step_by_the_order_of_the_method(neuron):
    """Potential below threshold after 4 ms of current, against a step of 1/1024 ms."""
    model = adex("tonic") if neuron is adex else neuron()
    order = {"exact": None, "euler": 1, "exponential_euler": 1, "rk2": 2}[model.method]
    values = [below_threshold(model, dt) for dt in (1 / 8, 1 / 16, 1 / 1024)]
    coarse, fine = (abs(v - values[-1]) for v in values[:2])
    assert values[-1] > 1  # mV of depolarisation: there is something to be wrong about
    if order is None:
        assert coarse < 1e-9
    else:
        # The channels' gates are fast: at 1/8 ms Hodgkin-Huxley is not yet of first order.
        rel = 0.16 if neuron is hodgkin_huxley else 0.12
        assert coarse / fine == pytest.approx(2**order, rel=rel)


def below_threshold(model, dt):
    """Depolarisation after 4 ms of 150 pA, in mV."""
    protocol = Protocol(dt / 1000, 0.0, 4e-3, "adapted", 1, 0.0, 0)
    _, group, monitor = run_group(model, protocol, np.array([150e-12]))
    assert monitor.num_spikes == 0
    return float((group.v[0] - getattr(group, model.initial["v"])[0]) / mV)


@pytest.mark.parametrize(
    ("synapse", "area", "method"),
    [
        (bionet.synapse.exponential(5 * ms), 5 * ms, "exact"),
        (bionet.synapse.alpha(3 * ms), math.e * 3 * ms, "exact"),
    ],
    ids=["exponential", "alpha"],
)
def test_a_spike_brings_its_charge(synapse, area, method):
    """Integral of the potential over time: charge over leak conductance."""
    model = synapse.on(lif())
    assert model.method == method and synapse.area == area
    q = Projection("source", "cells", Dense(np.ones((1, 1))), gain=50 * pA)
    # The source fires in step 9 and every ten steps; the charge is that of the first 200.
    snn = network(model, (q,), theta=1000 * mV)
    run = simulated(snn, 400 * ms, 0.1 * ms, record={"cells": ["v"]})
    v = np.asarray(run.potential("cells"))[:, 0]
    # In the steady state mean(v) - E_L is the mean current over g_L.
    mean = v[2000:].mean() + 0.06
    expected = float(50 * pA * area / ms) / float(10 * nS)
    assert mean == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("kind", ["exponential", "alpha"])
def test_a_postsynaptic_potential_has_its_closed_form(kind):
    """One spike into a passive membrane, tau_m = 20 ms: a convolution of two decays."""
    tau, tau_m, weight, capacity = 3.0, 20.0, 50.0, 200.0  # ms, ms, pA, pF
    model = getattr(bionet.synapse, kind)(tau * ms).on(lif(theta=1000 * mV))
    q = Projection("source", "cells", Dense([[1.0]]), gain=weight * pA)
    # The source fires in step 9 or, by rounding, 10, and not again before the end.
    run = simulated(network(model, (q,)), 19 * ms, 1 * ms, record={"cells": ["v"]})
    v = run.potential("cells")[:, 0] / mV + 60
    start = np.flatnonzero(v > 1e-9)[0] - 1  # the step in which the source fires
    assert start in (9, 10)
    t, k = np.arange(len(v) - start, dtype=float), 1 / tau - 1 / tau_m
    if kind == "exponential":
        expected = weight / capacity / k * (np.exp(-t / tau_m) - np.exp(-t / tau))
    else:
        rise = 1 / k**2 - np.exp(-k * t) * (t / k + 1 / k**2)
        expected = weight * math.e / (capacity * tau) * np.exp(-t / tau_m) * rise
    np.testing.assert_allclose(v[:start], 0, atol=1e-9)
    np.testing.assert_allclose(v[start:], expected, rtol=1e-9, atol=1e-9)
    assert expected.max() > 0.3


EXACT = ("lif", "izhikevich")  # their functions are rounded in the same way everywhere


@pytest.mark.devices
@pytest.mark.timeout(1800)  # Cython compiles some thirty files
def test_neurons_fire_alike_on_devices():
    """The same spikes of compiled programs, and everywhere where functions are exactly rounded.

    NumPy's exp() differs from the compilers' in the last bit: counts within 1 %.
    """
    models = {neuron.__name__: neuron for neuron in CURRENTS}
    models["adex"] = lambda: adex("tonic")
    spread = np.linspace(1, 1.5, 5)
    populations = tuple(
        Population(name, (5,), model(), {"I": CURRENTS[neuron][1] * spread * pA})
        for (name, model), neuron in zip(models.items(), CURRENTS, strict=True)
    )
    base = network(lif())
    snn = SpikingNetwork(
        (*populations, *base.populations), base.projections, (1,), base.readout
    )  # fmt: skip
    here, cython, there = (
        simulated(snn, 100 * ms, 0.05 * ms, device=device, record="all:spikes")
        for device in ("numpy", "cython", "cpp_standalone")
    )
    for name in models:
        assert here.counts[name].sum() > 10
        np.testing.assert_array_equal(cython.recorded_spikes[name], there.recorded_spikes[name])
        if name in EXACT:
            np.testing.assert_array_equal(here.recorded_spikes[name], there.recorded_spikes[name])
        one, other = (run.counts[name].sum() for run in (here, there))
        assert one == pytest.approx(other, rel=0.01)


def test_conductances_pull_to_their_reversal_potentials():
    model = bionet.synapse.conductance(0 * mV, -80 * mV, 5 * ms, 10 * ms).on(lif())
    for sign, reversal in ((1, 0.0), (-1, -0.08)):
        q = Projection("source", "cells", Dense([[float(sign)]]), sign=sign, gain=10000 * nS)
        snn = network(model, (q,), theta=1000 * mV)
        run = simulated(snn, 100 * ms, 0.1 * ms, record={"cells": ["v"]})
        v = np.asarray(run.potential("cells"))[:, 0]
        assert v[-1] == pytest.approx(reversal, abs=1e-3)
        assert min(-0.06, reversal) - 1e-9 <= v.min() and v.max() <= max(-0.06, reversal) + 1e-9


def test_a_delta_synapse_jumps_but_not_in_the_refractory_period():
    model = bionet.synapse.delta().on(lif())
    q = Projection("source", "cells", Dense([[1.0]]), gain=11 * mV)
    run = simulated(network(model, (q,)), 10 * ms, 0.1 * ms, record={"cells": "spikes"})
    # Spikes of the source every ms; each makes one where the unit is not refractory (5 ms).
    assert np.diff(run.spikes("cells").step).tolist() == [60] or run.counts["cells"][0, 0] == 2


def test_depression_settles_at_its_closed_form():
    source = bionet.synapse.tsodyks_markram(0.5, 100 * ms, 1 * ms).on(integrate_and_fire())
    drive = Population("source", (1,), source, {"I": np.full(1, 0.1)})
    q = Projection("source", "cells", Dense([[1.0]]))
    snn = network(integrator_that_fires(), (q,))
    snn = bionet.SpikingNetwork((drive, *snn.populations[1:]), snn.projections, (1,), snn.readout)
    run = simulated(snn, 1000 * ms, 1 * ms, record={"cells": ["v"]})
    steps = np.diff(np.asarray(run.potential("cells"))[:, 0])
    decay = (1 - 1 / 100) ** 10  # ten steps of 1 ms between spikes; u is gone after one
    x = (1 - decay) / (1 - 0.5 * decay)
    assert steps[steps > 0][-1] == pytest.approx(0.5 * x, rel=0.01)


def integrator_that_fires():
    return integrate_and_fire(threshold=1e9)


def test_weights_of_another_unit_are_refused_in_one_line():
    model = bionet.synapse.exponential(5 * ms).on(lif())

    def run(**options):
        q = Projection("source", "cells", Dense([[1.0]]), **options)
        return simulated(network(model, (q,)), 1 * ms, 0.1 * ms)

    with pytest.raises(InputError, match="is in A, but they are plain; give gain=... in A"):
        run()
    with pytest.raises(InputError, match="is in A, but its gain is in S"):
        run(gain=1 * nS)
    with pytest.raises(InputError, match="'C' of model .* is a constant"):
        run(gain=1 * pF, variable="C")
    with pytest.raises(InputError, match="the gain is one number or quantity"):
        run(gain=[1, 2] * nA)
    with pytest.raises(InputError, match="the projection carries the unit"):
        Dense(np.ones((1, 1)) * nS)


def test_gains_survive_the_disk(tmp_path):
    model = bionet.synapse.exponential(5 * ms).on(lif())
    snn = network(model, (Projection("source", "cells", Dense([[1.0]]), gain=0.3 * nA),))
    again = SpikingNetwork.load(snn.save(tmp_path / "x.snn"))
    assert again == snn and again.projections[1].gain == 0.3 * nA


@pytest.mark.parametrize("distribution", ["normal", "lognormal", "truncated"])
def test_a_parameter_differs_from_unit_to_unit(distribution):
    snn = network(lif(), n=4000)
    spread = ParameterSpread("C", 0.1, distribution=distribution).apply(snn, seed=0)
    factor = spread.population("cells").parameters["C"] / 200e-12
    deviation = 0.1 * (0.88 if distribution == "truncated" else 1)
    assert factor.mean() == pytest.approx(1, abs=0.01)
    assert factor.std() == pytest.approx(deviation, rel=0.05)
    with pytest.raises(InputError, match="changes the sign"):
        ParameterSpread("C", 1.0).apply(snn, 0)
    with pytest.raises(InputError, match="has no parameter 'tau'"):
        ParameterSpread("tau", 0.1).apply(snn, 0)
    with pytest.raises(InputError, match="distribution is one of"):
        ParameterSpread("C", 0.1, distribution="uniform")
    with pytest.raises(InputError, match="name the parameter"):
        ParameterSpread.of(0.1)


def recorded(device, computed=False):
    synapse, options = bionet.synapse.exponential(5 * ms), {"gain": 0.3 * nA}
    if computed:
        synapse = bionet.synapse.conductance(0 * mV, -80 * mV, 5 * ms, 10 * ms)
        options = {"gain": 3 * nS, "sign": 1}
    snn = network(synapse.on(lif()), (Projection("source", "cells", Dense([[1.0]]), **options),))
    record = {"cells": ["spikes", "v", "I_syn", *["g_e"] * computed], "source": "v"}
    return simulated(snn, 20 * ms, 1 * ms, device=device, record=record)


def test_any_variable_is_recorded_with_its_unit(tmp_path):
    run = recorded("numpy")
    current = run.variable("cells", "I_syn")
    assert current[:12].max() / nA == pytest.approx(0.3) and current[8, 0] == 0 * nA
    assert run.potential("cells")[0, 0] / mV == pytest.approx(-60)
    assert not hasattr(run.potential("source"), "dim")
    again = bionet.Recording.load(run.save(tmp_path / "run"))
    np.testing.assert_array_equal(again.variable("cells", "I_syn"), current)
    assert again.variable("cells", "I_syn").dim is current.dim
    unit, time = again.spikes_it("cells")
    assert (unit == 0).all() and (time / ms == again.spikes("cells").step).all()
    assert "mV" in bionet.figures.potentials(run, "cells").get_ylabel()
    with pytest.raises(InputError, match="takes 'spikes', 'v', 'I_syn', but got 'w'"):
        simulated(network(bionet.synapse.exponential(5 * ms).on(lif())), 1 * ms, 1 * ms,
                  record={"cells": ["w"]})  # fmt: skip
    with pytest.raises(InputError, match="I_syn of 'source' were not recorded"):
        run.variable("source", "I_syn")
    with pytest.raises(InputError, match="or 'all:spikes', but got 'everything'"):
        simulated(network(lif()), 1 * ms, 1 * ms, record="everything")
    assert set(simulated(network(lif()), 2 * ms, 1 * ms, record="all:spikes").recorded_spikes) == {
        "source", "cells"}  # fmt: skip


def test_a_computed_variable_is_recorded():
    """I_syn of conductances follows from g_e and v."""
    run = recorded("numpy", computed=True)
    v, g = run.potential("cells"), run.variable("cells", "g_e")
    current = run.variable("cells", "I_syn")
    assert (current[10:] > 0 * nA).all() and (current[:8] == 0 * nA).all()
    np.testing.assert_allclose(current / nA, g * (0 * mV - v) / nA, rtol=1e-12, atol=1e-15)


@pytest.mark.devices
def test_devices_record_the_same_values():
    for computed in (False, True):
        here, there = (recorded(device, computed) for device in ("numpy", "cpp_standalone"))
        np.testing.assert_array_equal(here.counts["cells"], there.counts["cells"])
        for variable in ("v", "I_syn"):
            a, b = (np.asarray(run.variable("cells", variable)) for run in (here, there))
            np.testing.assert_allclose(a, b, rtol=1e-12)
