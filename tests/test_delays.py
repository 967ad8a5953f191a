"""Axonal delays: a time, with a spread from unit to unit, against the obvious references."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms, mV
from scipy.stats import kstest, truncnorm

import bionet
from bionet.brian.assemble import JITTER_SITE
from bionet.brian.queue import split_mix
from bionet.equations import integrate_and_fire, integrator, signed_integrate_and_fire
from bionet.equations.randomness import normal_quantile, philox
from bionet.errors import InputError
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.delays import jitter_bounds, unit_delays
from bionet.network.kernels import Conv2d, Dense, OneToOne
from bionet.running.arguments import make_plan
from bionet.running.compiled_program import index_entry
from bionet.running.simulate import simulate

N, T = 40, 30
FAST = {"coding": "poisson", "max_rate": 300 * Hz, "dtype": "float64", "seed": 4}
RECORD = {"record": {"input": ["spikes"], "sum": ["v"]}}


def summed(**delay):
    """Poisson trains of N pixels that three units add up; ``delay`` is that of their axons."""
    weights = np.random.default_rng(1).normal(size=(3, N))
    return SpikingNetwork(
        (Population("sum", (3,), integrator()), Population("cells", (1,), integrate_and_fire())),
        (Projection("input", "sum", Dense(weights), **delay),),
        (N,),
        Readout("cells", "sum"),
    )


IMAGES = np.random.default_rng(2).uniform(size=(2, N))


def test_a_delay_shifts_what_arrives_bit_for_bit():
    now, later = (
        simulate(summed(delay=d), IMAGES, T * ms, device="numpy", **FAST, **RECORD)
        for d in (0, 3 * ms)
    )
    assert now.counts["input"].sum() > 200
    np.testing.assert_array_equal(later.output_potential[:, 3:], now.output_potential[:, :-3])
    np.testing.assert_array_equal(later.output_potential[:, :3], 0.0)
    steps = simulate(summed(delay=3), IMAGES, T * ms, device="numpy", **FAST)
    np.testing.assert_array_equal(steps.output_potential, later.output_potential)
    half = simulate(summed(delay=3 * ms), IMAGES, T * ms, 0.5 * ms, device="numpy", **FAST)
    assert not half.output_potential[:, :6].any() and half.output_potential[:, 6:12].any()


@pytest.mark.parametrize("lanes", [1, 2])
def test_delays_of_units_are_those_of_a_plain_sum(lanes):
    """Also: the second image finds nothing of the first on its way."""
    snn = summed(delay=4 * ms, delay_spread=3 * ms, delay_seed=5)
    delays = unit_delays(snn.projections[0], (N,), 1e-3)
    assert delays.min() >= 0 and len(set(delays.tolist())) > 5 and delays.max() < 16
    run = simulate(snn, IMAGES, T * ms, device="numpy", lanes=lanes, **FAST, **RECORD)
    weights = snn.projections[0].kernel.weights
    for image in range(2):
        steps, units = run.spikes("input", image=image)[:2]
        v = np.zeros(3)
        size = run.parameters["gain"]
        for now in range(T):
            for unit in sorted(units[steps + delays[units] == now]):
                v = v + weights[:, unit] * size
            np.testing.assert_array_equal(run.output_potential[image, now], v)


def test_delays_are_a_normal_number_cut_off_at_none():
    q = Projection("a", "b", OneToOne(), delay=2 * ms, delay_spread=2 * ms)
    fine = unit_delays(q, (100, 100), 1e-6).ravel() * 1e-3
    assert kstest(fine, truncnorm(-1, np.inf, 2, 2).cdf).pvalue > 1e-3
    # The numbers belong to the axon: another step or another target changes none.
    coarse = unit_delays(replace(q, target="c"), (100, 100), 1e-3).ravel()
    assert np.abs(coarse - fine).max() < 0.5 + 1e-3
    assert (unit_delays(replace(q, delay_seed=1), (100, 100), 1e-3).ravel() != coarse).any()
    assert (unit_delays(replace(q, source="d"), (100, 100), 1e-3).ravel() != coarse).any()
    assert unit_delays(q, (1000,), 1e-3, least=1).min() == 1


def mixed_word(state, number):
    """SplitMix64 as its paper has it, in whole numbers: the state's word after ``number`` steps."""
    z = (state + number * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_random_words_are_those_of_splitmix64():
    """The first words of the state 0 are those of the generator's first after a step."""
    assert split_mix(np.zeros(1, np.uint64), np.array([1])).tolist() == [0xE220A8397B1DCDAF]
    begin, numbers = np.uint64(2**63 + 12345), np.arange(1000)
    words = split_mix(begin, numbers)
    assert words.tolist() == [mixed_word(int(begin), int(n)) for n in numbers]
    assert kstest(words / 2.0**64, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("lanes", [1, 2])
def test_jitter_moves_each_spike_by_a_normal_number_of_its_own(lanes):
    """Against the quantile function itself; the sizes of spikes that meet are added."""
    snn = summed(delay=4 * ms, delay_spread=1 * ms, jitter=2 * ms)
    delays = unit_delays(snn.projections[0], (N,), 1e-3)
    run = simulate(snn, IMAGES, T * ms, device="numpy", lanes=lanes, **FAST, **RECORD)
    weights, met = snn.projections[0].kernel.weights, 0
    for image in range(2):
        steps, units = run.spikes("input", image=image)[:2]
        begin = [philox((0, step, image, JITTER_SITE), (FAST["seed"], 0)) for step in steps]
        words = [
            mixed_word(int(b[0]) + (int(b[1]) << 32), int(unit)) >> 32
            for b, unit in zip(begin, units, strict=True)
        ]
        z = normal_quantile(np.array(words))
        moved = np.clip(np.floor(2 * z + 0.5), -4, 4).astype(int)
        arrives = steps + np.maximum(delays[units] + moved, 0)
        v = np.zeros(3)
        for now in range(T):
            due, times = np.unique(units[arrives == now], return_counts=True)
            met += (times > 1).sum()
            for unit, n in zip(due, times, strict=True):
                v = v + weights[:, unit] * sum([run.parameters["gain"]] * n)
            np.testing.assert_array_equal(run.output_potential[image, now], v)
    assert met > 5


def test_bounds_of_jitter_are_where_the_steps_change():
    for jitter, reach in ((0.7, 2), (2.0, 4), (5.3, 11)):
        bounds = jitter_bounds(jitter, reach).astype(np.int64)
        wanted = np.arange(-reach + 1, reach + 1)
        below, above = (np.floor(jitter * normal_quantile(b) + 0.5) for b in (bounds, bounds + 1))
        assert (below < wanted).all() and (above >= wanted).all() and (np.diff(bounds) > 0).all()


def mixed():
    """Signed spikes of a convolution with spread delays, back to itself and on; jitter too."""
    rng = np.random.default_rng(0)
    spread = {"delay": 2 * ms, "delay_spread": 1.5 * ms}
    return SpikingNetwork(
        (
            Population("conv", (3, 4, 4), signed_integrate_and_fire()),
            Population("cells", (5,), integrate_and_fire()),
            Population("readout", (2,), integrator()),
        ),
        (
            Projection("input", "conv", Conv2d(rng.normal(0, 0.6, (3, 1, 2, 2))), **spread),
            Projection("conv", "conv", OneToOne(0.25), jitter=1 * ms, **spread),
            Projection("conv", "cells", Dense(rng.normal(0, 0.6, (5, 48))), **spread),
            Projection("cells", "readout", Dense(rng.normal(size=(2, 5))), jitter=3 * ms, **spread),
        ),
        (1, 5, 5),
        Readout("cells", "readout"),
    )


@pytest.mark.devices
@pytest.mark.parametrize("device", ["cython", "cpp_standalone"])
@pytest.mark.parametrize("coding", ["analog", "poisson"])
def test_spread_delays_on_every_device(device, coding, assert_same):
    images = np.random.default_rng(3).uniform(size=(3, 1, 5, 5))
    options = {"coding": coding, "seed": 2, "dtype": "float64"}
    slow = simulate(mixed(), images, T * ms, device="numpy", lanes=1, **options)
    assert slow.counts["cells"].sum() > 20
    assert_same(simulate(mixed(), images, T * ms, device=device, lanes=2, **options), slow)


def test_delays_survive_the_disk(tmp_path):
    snn = summed(delay=4 * ms, delay_spread=0.5 * ms, delay_seed=7, jitter=0.25 * ms)
    loaded = SpikingNetwork.load(snn.save(tmp_path / "a.snn"))
    assert loaded == snn and loaded.hash() == snn.hash()
    assert "delay 4. ms +- 0.5 ms, jitter 250. us" in str(loaded)
    for other in (
        {"delay": 5 * ms},
        {"delay": 4},
        {"delay_spread": 1 * ms},
        {"delay_seed": 8},
        {"jitter": 1 * ms},
    ):
        changed = replace(snn, projections=(replace(snn.projections[0], **other),))
        assert changed != snn and changed.hash() != snn.hash()


def test_one_program_serves_all_short_delays():
    def entry(delay):
        snn, dt = summed(**delay), 1 * ms
        arguments = dict.fromkeys(("coding", "max_rate", "lanes", "dtype", "record"))
        return index_entry(snn, make_plan(snn, duration=T * ms, dt=dt, **arguments))

    one, other = entry({"delay": 2}), entry({"delay": 9 * ms, "delay_spread": 1 * ms})
    assert one == other != entry({})
    assert entry({"delay": 40}) != one


def test_delays_that_cannot_be_are_refused(tmp_path):
    def make(**more):
        return Projection("a", "b", OneToOne(), **more)

    for delay in (-1 * ms, 2 * mV, np.inf * ms, "3", [1, 2]):
        with pytest.raises(InputError, match="a->b: the delay must be a whole number of steps"):
            make(delay=delay)
    for spread in (0.5, -1 * ms, 2 * mV):
        with pytest.raises(InputError, match="a->b: delay_spread must be a time >= 0"):
            make(delay=2 * ms, delay_spread=spread)
    with pytest.raises(InputError, match="a->b: jitter must be a time >= 0"):
        make(jitter=0.5)
    with pytest.raises(InputError, match="seed must be a whole number"):
        make(delay_seed=-1)
    with pytest.raises(InputError, match=r"multiple of dt \(1 ms\); give 1\*ms or 2\*ms"):
        simulate(summed(delay=1.5 * ms), IMAGES, T * ms, **FAST)
    with pytest.raises(InputError, match="must be at least one step"):
        unit_delays(make(delay=0.5 * ms, delay_spread=1 * ms), (3,), 1e-3, least=1)
    with pytest.raises(InputError, match="sets 'jitter', which a script cannot express"):
        bionet.eject(summed(delay=2 * ms, jitter=1 * ms), tmp_path / "a.py", coding="poisson")
