"""Rates over two conductances against their closed form, and what is refused."""

import numpy as np
import pytest
from brian2 import Hz, ms, mV, nS, pA, siemens

import bionet
from bionet import InputError
from bionet.firing.surface import RateSurface, rate_surface

SYNAPSE = bionet.synapse.conductance(0 * mV, -80 * mV, 5 * ms, 5 * ms)
FAST = {"settle": 150 * ms, "duration": 450 * ms, "points": 8}


@pytest.fixture(scope="module")
def surface():
    return rate_surface(bionet.equations.lif(), SYNAPSE, 60 * pA, cache=False, **FAST)


def test_lif_fires_as_its_closed_form_says(surface):
    # nS, mV, pA, ms; 200 pF, a leak of 10 nS to -60 mV, from -60 to -50 mV, 5 ms refractory.
    g_e, g_i = (np.asarray(g / nS) for g in (surface.excitatory[:, None], surface.inhibitory))
    total = 10 + g_e + g_i
    steady = (10 * -60 + 60 + 0 * g_e - 80 * g_i) / total
    above = steady > -49.9
    with np.errstate(invalid="ignore", divide="ignore"):
        period = 5 + 200 / total * np.log((steady + 60) / (steady + 50))
    # The excitatory rheobase: 10*(-60) + 60 = -50*(10 + g_on).
    assert surface.rheobase / nS == pytest.approx(0.8, rel=1e-3)
    measured = np.asarray(surface.rates)
    assert above.sum() > 15 and (steady < -50.1).sum() > 15
    assert np.abs(1000 / measured[above] - period[above]).max() < 0.1  # a step
    assert measured[steady < -50.1].max() == 0


def test_a_rate_between_is_bilinear_and_beyond_is_that_of_the_edge(surface):
    e, i, table = surface.excitatory, surface.inhibitory, np.asarray(surface.rates)
    for row, column in ((0, 0), (3, 2), (7, 7)):
        assert surface.rate(e[row], i[column]) == table[row, column] * Hz
    middle = surface.rate((e[3] + e[4]) / 2, (i[1] + i[2]) / 2)
    assert middle / Hz == pytest.approx(table[3:5, 1:3].mean())
    assert surface.rate(2 * e[7], 0 * nS) == table[7, 0] * Hz
    assert surface.rate(e, i[0]).shape == (8,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (bionet.synapse.exponential(5 * ms),),
            "synapse must be a Conductance, but is an Exponential",
        ),
        ((SYNAPSE, 3 * mV), "background must be a current such as 100"),
        ((SYNAPSE, 500 * pA), "fires without excitation; lower its background"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        rate_surface(bionet.equations.lif(), *arguments, cache=False, **FAST)
    with pytest.raises(InputError, match="highest > 1 and points >= 4"):
        rate_surface(bionet.equations.lif(), SYNAPSE, points=2)


def test_a_neuron_that_never_fires_is_refused():
    silent = bionet.synapse.conductance(-70 * mV, -80 * mV, 5 * ms, 5 * ms)
    with pytest.raises(InputError, match="does not fire at any g_e up to"):
        rate_surface(bionet.equations.lif(), silent, cache=False, **FAST)


def test_a_surface_that_is_none_is_refused():
    two = [1, 2] * nS
    with pytest.raises(InputError, match=r"a rate for each of \(2, 2\) conductances"):
        RateSurface(two, two, np.zeros((2, 3)) * Hz, 1 * nS)
    with pytest.raises(InputError, match="inhibitory conductances of a surface must ascend"):
        RateSurface(two, two[::-1], np.zeros((2, 2)) * Hz, 1 * nS)
    with pytest.raises(InputError, match="rheobase of a surface of rates must be in siemens"):
        RateSurface(two, two, np.zeros((2, 2)) * Hz, 1 * mV)
    surface = RateSurface(two, two, np.zeros((2, 2)) * Hz, 1 * nS)
    with pytest.raises(InputError, match="g_i must be a conductance such as 5"):
        surface.rate(1 * siemens, 1 * mV)
