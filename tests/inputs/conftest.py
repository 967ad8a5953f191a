"""Recordings compared to the last bit."""

import numpy as np
import pytest


@pytest.fixture
def equal():
    """Counts, readout, spikes and potentials the same; NaN where both have no step."""

    def check(one, other):
        np.testing.assert_array_equal(one.output_potential, other.output_potential)
        np.testing.assert_array_equal(one.output_spikes, other.output_spikes)
        for group in ("counts", "recorded_spikes", "recorded_amplitudes", "recorded_potentials"):
            mine, theirs = getattr(one, group), getattr(other, group)
            assert mine.keys() == theirs.keys(), group
            for name in mine:
                np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)
        assert any(counts.any() for counts in one.counts.values())

    return check
