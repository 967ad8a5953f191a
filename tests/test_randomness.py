"""Counter-based random numbers: uniform, independent, and the same for an image wherever it is."""

import numpy as np
import pytest
from brian2 import ms
from scipy import stats

import bionet
from bionet.equations.randomness import (
    counter_uniform,
    first_sites,
    philox,
    replace_rand,
    seed_words,
    uses_rand,
)
from bionet.running.simulate import simulate

UNIT, STEP = np.meshgrid(np.arange(300), np.arange(300), indexing="ij")


def sample(stream=7, unit=UNIT, step=STEP, site=1, seed=0):
    return counter_uniform(*seed_words(seed), stream, unit, step, site)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000",
         "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
         "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
         "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)  # fmt: skip
def test_philox_gives_the_published_words(counter, key, words):
    """The known answers of Random123 for philox4x32, 10 rounds (its file kat_vectors)."""
    counter, key, words = ([int(w, 16) for w in text.split()] for text in (counter, key, words))
    assert [int(w) for w in philox(counter, key)] == words
    unit, step, stream, site = np.array(counter, dtype=np.uint32).view(np.int32)
    low, high = seed_words(key[0] + 2**32 * key[1])
    assert counter_uniform(low, high, stream, unit, step, site) == words[0] / 2**32


def test_numbers_are_uniform():
    """Kolmogorov-Smirnov, and chi-square on 100 cells, at a level of 1e-4."""
    for stream in range(5):
        values = sample(stream).reshape(-1)
        assert values.min() >= 0 and values.max() < 1
        assert stats.kstest(values, "uniform").pvalue > 1e-4
        cells = np.bincount((values * 100).astype(int), minlength=100)
        assert stats.chisquare(cells).pvalue > 1e-4


def neighbours():
    """Pairs of samples that differ by one in one argument, or by one seed."""
    base = sample()
    by_stream = sample(stream=np.arange(300)[:, None], unit=0, step=np.arange(300)[None])
    return {
        "unit": (base[:-1], base[1:]),
        "step": (base[:, :-1], base[:, 1:]),
        "two steps": (base[:, :-2], base[:, 2:]),
        "diagonal": (base[:-1, :-1], base[1:, 1:]),
        "site": (base, sample(site=2)),
        "next stream": (base, sample(8)),
        "image": (by_stream[:-1], by_stream[1:]),
        "seed": (base, sample(seed=1)),
        "far seed": (base, sample(seed=2**32)),
    }


@pytest.mark.parametrize("which", neighbours())
def test_neighbours_are_not_correlated(which):
    """|r| < 4 / sqrt(n), for the values and for their leading bit."""
    one, other = (a.reshape(-1) for a in neighbours()[which])
    for mine, theirs in ((one, other), (one < 0.5, other < 0.5)):
        assert abs(np.corrcoef(mine, theirs)[0, 1]) < 4 / np.sqrt(one.size)


def test_a_number_depends_on_its_arguments_alone():
    np.testing.assert_array_equal(sample(unit=UNIT[5:9, :7], step=STEP[5:9, :7]), sample()[5:9, :7])
    pair = counter_uniform(0, 0, [1, 9], [2, 9], [3, 9], 4)
    assert counter_uniform(0, 0, 1, 2, 3, 4)[0] == pair[0]


def test_no_two_trains_are_the_same():
    """A hash of image and unit to 32 bits gave some 70 of these trains another's."""
    image, unit = np.meshgrid(np.arange(1000), np.arange(784), indexing="ij", sparse=True)
    first = philox((unit, 0, image, 1), (0, 0))
    words = ((first[0] << np.uint64(32)) | first[1]).reshape(-1)
    words.sort()
    assert words.size == 784_000 and (words[1:] != words[:-1]).all()


def test_a_seed_has_64_bits():
    assert seed_words(2**64 - 1) == (-1, -1) and seed_words(np.int64(5)) == (5, 0)
    for seed in (-1, 2**64, 1.5, True, "0", None):
        with pytest.raises(
            bionet.InputError, match=r"a whole number from 0 to 2\*\*64 - 1, but is"
        ):
            seed_words(seed)


def test_populations_whose_names_hash_alike_draw_other_numbers():
    names = [f"unit{k}" for k in range(9000)]  # some of them share 24 bits of their checksum
    sites = first_sites(["input", *names])
    assert sites["input"] == 0 and len(set(sites.values())) == 9001
    assert max(sites.values()) + 63 < 2**31
    assert first_sites(["input", "unit7"])["unit7"] == sites["unit7"]


def test_rand_is_replaced_site_by_site():
    assert uses_rand(None, "v > rand()") and not uses_rand(None, "v > 1", "strand()")
    assert uses_rand("v += randn()")
    replaced = replace_rand("rand() < 0.5 and rand() > v", 10)
    assert replaced == (
        "counter_uniform(seed_low, seed_high, stream, unit, step, 11) < 0.5"
        " and counter_uniform(seed_low, seed_high, stream, unit, step, 12) > v"
    )
    assert uses_rand("v += randn_if(arriving)") and not uses_rand("randn_if()")
    assert replace_rand("randn_if(w)*s") == (
        "counter_normal_if(seed_low, seed_high, stream, unit, step, 1, w)*s"
    )
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
