"""Accuracy over seeds: the interval over images covers its 95 %, that of pooled seeds does not."""

import numpy as np
import pytest

from bionet.errors import InputError
from bionet.results.metrics import wilson_interval
from bionet.results.over_seeds import over_seeds


def test_mean_spread_and_interval():
    found = over_seeds([0.8, 0.9, 1.0], 50)
    assert found.accuracy == pytest.approx(0.9)
    assert found.spread == pytest.approx(0.1)
    assert (found.low, found.high) == tuple(map(float, wilson_interval(found.accuracy, 50)))
    assert (found.seeds, found.n_images) == (3, 50)
    assert np.isnan(over_seeds([0.8], 50).spread)


@pytest.mark.parametrize("agreement", [0.2, 1.0, 20.0])
def test_the_interval_covers_the_accuracy_over_all_images(agreement):
    """Images are drawn anew, each with its own chance p of a right answer; seeds answer by p.

    The smaller the agreement, the more p is 0 or 1, and the more alike are the seeds.
    """
    draw = np.random.default_rng(5)
    repeats, n, seeds, mean = 3000, 200, 5, 0.8
    chances = draw.beta(mean * agreement, (1 - mean) * agreement, (repeats, n))
    shares = draw.binomial(1, np.broadcast_to(chances, (seeds, repeats, n))).mean(axis=2).T
    intervals = [over_seeds(row, n) for row in shares]
    covered = np.mean([i.low <= mean <= i.high for i in intervals])
    low, high = wilson_interval(shares.mean(axis=1), n * seeds)
    pooled = np.mean((low <= mean) & (mean <= high))
    assert covered > 0.945
    assert pooled < covered
    if agreement == 0.2:
        assert pooled < 0.75 and covered < 0.98


@pytest.mark.parametrize("shares", [[], 0.5, [[0.5]]])
def test_an_accuracy_for_each_seed_is_needed(shares):
    with pytest.raises(InputError, match="one accuracy for each seed"):
        over_seeds(shares, 10)
    with pytest.raises(InputError, match=r"share must lie in \[0, 1\]"):
        over_seeds([98.0], 10)
