"""Counter-based random numbers: uniform, independent, and the same for an image wherever it is."""

import numpy as np
import pytest
from brian2 import ms
from scipy import stats

from bionet.equations.randomness import counter_uniform, image_streams, replace_rand, uses_rand
from bionet.running.simulate import simulate

UNIT, STEP = np.meshgrid(np.arange(300), np.arange(300), indexing="ij")


def sample(stream=123456789, unit=UNIT, step=STEP, site=1):
    return counter_uniform(stream, unit, step, site)


def test_numbers_are_uniform():
    """Kolmogorov-Smirnov, and chi-square on 100 cells, at a level of 1e-4."""
    for stream in image_streams(0, np.arange(5)):
        values = sample(stream).reshape(-1)
        assert values.min() >= 0 and values.max() < 1
        assert stats.kstest(values, "uniform").pvalue > 1e-4
        cells = np.bincount((values * 100).astype(int), minlength=100)
        assert stats.chisquare(cells).pvalue > 1e-4


def neighbours():
    """Pairs of samples that differ by one in one argument, or by one seed."""
    base, streams = sample(), image_streams(0, np.arange(300))
    by_stream = counter_uniform(streams[:, None], 0, np.arange(300)[None], 1)
    return {
        "unit": (base[:-1], base[1:]),
        "step": (base[:, :-1], base[:, 1:]),
        "two steps": (base[:, :-2], base[:, 2:]),
        "diagonal": (base[:-1, :-1], base[1:, 1:]),
        "site": (base, sample(site=2)),
        "next stream": (base, sample(123456790)),
        "image": (by_stream[:-1], by_stream[1:]),
        "seed": (sample(image_streams(0, [0])[0]), sample(image_streams(1, [0])[0])),
    }


@pytest.mark.parametrize("which", neighbours())
def test_neighbours_are_not_correlated(which):
    """|r| < 4 / sqrt(n), for the values and for their leading bit."""
    one, other = (a.reshape(-1) for a in neighbours()[which])
    for mine, theirs in ((one, other), (one < 0.5, other < 0.5)):
        assert abs(np.corrcoef(mine, theirs)[0, 1]) < 4 / np.sqrt(one.size)


def test_a_number_depends_on_its_arguments_alone():
    np.testing.assert_array_equal(sample(unit=UNIT[5:9, :7], step=STEP[5:9, :7]), sample()[5:9, :7])
    assert counter_uniform(1, 2, 3, 4)[0] == counter_uniform([1, 9], [2, 9], [3, 9], 4)[0]


def test_streams_differ_by_image_and_seed():
    streams = np.concatenate([image_streams(seed, np.arange(1000)) for seed in range(3)])
    assert streams.dtype == np.int32 and streams.min() >= 0
    assert len(np.unique(streams)) == streams.size
    np.testing.assert_array_equal(image_streams(0, np.array([7, 3])), streams[[7, 3]])


def test_rand_is_replaced_site_by_site():
    assert uses_rand(None, "v > rand()") and not uses_rand(None, "v > 1", "strand()")
    assert uses_rand("v += randn()")
    replaced = replace_rand("rand() < 0.5 and rand() > v", 10)
    assert replaced == (
        "counter_uniform(stream, unit, step, 11) < 0.5 and counter_uniform(stream, unit, step, 12)"
        " > v"
    )
    assert uses_rand("v += randn_if(arriving)") and not uses_rand("randn_if()")
    assert replace_rand("randn_if(w)*s") == "counter_normal_if(stream, unit, step, 1, w)*s"
    assert replace_rand(None) is None


POISSON = {"coding": "poisson", "device": "numpy", "record": {"input": "spikes"}}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(size=(6, 2, 4, 3))


def trains(run, image):
    spikes = run.spikes("input", image)
    return list(zip(spikes.step, spikes.unit, strict=True))


def test_the_same_seed_gives_the_same_run(tiny, images, assert_same):
    one, again, other = (
        simulate(tiny, images, 20 * ms, seed=seed, **POISSON) for seed in (3, 3, 4)
    )
    assert_same(one, again)
    assert (one.counts["input"] != other.counts["input"]).mean() > 0.5


def test_a_train_does_not_depend_on_lanes_or_neighbours(tiny, images):
    whole = simulate(tiny, images, 20 * ms, lanes=4, **POISSON)
    first = simulate(tiny, images[:3], 20 * ms, lanes=2, **POISSON)
    one = simulate(tiny, images, 20 * ms, lanes=6, record_images=[4], **POISSON)
    for image in range(3):
        assert trains(first, image) == trains(whole, image) != []
    assert trains(one, 4) == trains(whole, 4)
    np.testing.assert_array_equal(one.counts["input"], whole.counts["input"])


def test_the_same_image_twice_gives_two_trains(tiny, images):
    run = simulate(tiny, images[[0, 0]], 20 * ms, lanes=1, **POISSON)
    assert trains(run, 0) != trains(run, 1)


def test_a_longer_presentation_begins_the_same(tiny, images):
    short, long = (simulate(tiny, images[:1], t * ms, **POISSON) for t in (10, 30))
    assert trains(short, 0) == [pair for pair in trains(long, 0) if pair[0] < 10]
