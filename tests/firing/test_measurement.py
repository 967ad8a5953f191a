"""Measured f-I curves against closed forms, and what is refused."""

import numpy as np
import pytest
from brian2 import Hz, ms, mV, nS, pA, pF

import bionet
from bionet import InputError
from bionet.firing.charge import spike_charge
from bionet.firing.curve import FICurve
from bionet.firing.kept import measurements_folder
from bionet.firing.measurement import f_i

FAST = {"settle": 150 * ms, "duration": 450 * ms, "points": 24}


@pytest.fixture(scope="module")
def curve():
    return f_i(bionet.equations.lif(), cache=False, **FAST)


def test_lif_fires_as_its_closed_form_says(curve):
    # C/g_L = 20 ms, 10 mV from reset to threshold, 5 ms refractory: I_on = 100 pA.
    assert curve.rheobase / pA == pytest.approx(100, rel=1e-3)
    above = curve.drive > 0.02
    potential = 10 * (1 + curve.drive[above])
    period = 5 + 20 * np.log(potential / (potential - 10))
    # A spike comes at the end of a step of 0.1 ms, and so does the refractory period.
    measured = 1000 / np.asarray(curve.rates)[above]
    assert np.abs(measured - period).max() < 0.1
    assert np.asarray(curve.rates)[curve.drive <= 0].max() == 0


def test_potentials_of_a_curve_are_rest_and_threshold(curve):
    assert curve.begin / mV == pytest.approx(-60)
    assert curve.resting["v"] / mV == pytest.approx(-50, abs=0.02)


@pytest.mark.slow
def test_presented_rate_is_that_of_many_phases_on_average():
    settings = {**FAST, "settle": 0 * ms, "duration": 200 * ms}
    curve = f_i(
        bionet.equations.lif(),
        cache=False,
        kind="presented",
        points=12,
        **{k: v for k, v in settings.items() if k != "points"},
    )
    adapted = f_i(bionet.equations.lif(), cache=False, **FAST)
    strong = curve.drive > 0.5
    expected = adapted.rate(curve.currents[strong])
    assert np.asarray(curve.rates)[strong] == pytest.approx(np.asarray(expected), rel=0.1)


@pytest.mark.slow
def test_a_kept_curve_is_taken_from_disk_and_a_damaged_one_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("BIONET_CACHE", str(tmp_path))
    settings = {"settle": 20 * ms, "duration": 60 * ms, "points": 8}
    said = []
    first = f_i(bionet.equations.lif(), progress=said.append, **settings)
    n_said = len(said)
    (path,) = measurements_folder().glob("*.npz")
    again = f_i(bionet.equations.lif(), progress=said.append, **settings)
    assert len(said) == n_said
    assert np.array_equal(np.asarray(first.rates), np.asarray(again.rates))
    path.write_bytes(b"damaged")
    f_i(bionet.equations.lif(), progress=said.append, **settings)
    assert len(said) > n_said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("synapse", "expected"),
    [
        (bionet.synapse.exponential(5 * ms), 5e-3),  # w tau
        (bionet.synapse.alpha(3 * ms), 3e-3 * np.e),  # e w tau
        (bionet.synapse.delta(), 200e-12),  # C w
    ],
)
def test_charge_of_a_spike_is_its_closed_form(synapse, expected):
    model = synapse.on(bionet.equations.lif())
    # The response is a sum over steps: half a step of 20 ms is 0.6 %.
    assert spike_charge(model, 1, 80 * pA, 0.25 * ms) == pytest.approx(expected, rel=8e-3)


@pytest.mark.slow
def test_charge_into_a_conductance_is_its_driving_force_times_its_time_constant():
    synapse = bionet.synapse.conductance(0 * mV, -80 * mV, 5 * ms, 10 * ms)
    model = synapse.on(bionet.equations.lif())
    # At 80 pA the potential rests at -52 mV.
    assert spike_charge(model, 1, 80 * pA, 0.1 * ms) == pytest.approx(52e-3 * 5e-3, rel=0.02)
    assert spike_charge(model, -1, 80 * pA, 0.1 * ms) == pytest.approx(28e-3 * 10e-3, rel=0.02)


def test_inhibition_that_excites_is_refused():
    wrong = bionet.synapse.conductance(0 * mV, -20 * mV, 5 * ms, 5 * ms)
    with pytest.raises(InputError, match="inhibitory spike into 'g_i' raises"):
        spike_charge(wrong.on(bionet.equations.lif()), -1, 80 * pA, 0.25 * ms)


def test_what_cannot_be_measured_is_refused():
    lif = bionet.equations.lif()
    with pytest.raises(InputError, match="has no threshold"):
        f_i(bionet.equations.integrator())
    with pytest.raises(InputError, match="settle of an f-I curve must be a time"):
        f_i(lif, settle=0.5)
    with pytest.raises(InputError, match="kind of an f-I curve is one of"):
        f_i(lif, kind="mean")
    with pytest.raises(InputError, match="shorter than its duration"):
        f_i(lif, settle=2000 * ms)
    with pytest.raises(InputError, match="needs highest > 1"):
        f_i(lif, points=2)
    with pytest.raises(InputError, match="fires without current"):
        f_i(bionet.equations.lif(E_L=-40 * mV), cache=False, **FAST)


def test_a_curve_that_is_none_is_refused():
    with pytest.raises(InputError, match="must ascend"):
        FICurve(np.array([2, 1]) * pA, [0, 1] * Hz, 1 * pA)
    with pytest.raises(InputError, match="a rate for each"):
        FICurve(np.array([1, 2]) * pA, [0] * Hz, 1 * pA)
    with pytest.raises(InputError, match="must be in Hz"):
        FICurve(np.array([1, 2]) * pA, np.array([0, 1]), 1 * pA)
    with pytest.raises(InputError, match="differ in their units"):
        FICurve(np.array([1, 2]) * pA, [0, 1] * Hz, 1 * nS)
    with pytest.raises(InputError, match="must be above 0"):
        FICurve(np.array([1, 2]) * pA, [0, 1] * Hz, 0 * pF / ms * mV)
