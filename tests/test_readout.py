"""Readouts on hand-made arrays (n_images, n_steps, n_classes), ties included."""

import numpy as np
import pytest

from bionet.errors import InputError
from bionet.results.readout import answers

# One image, four steps, three classes.
POTENTIAL = np.array([[[0, 0, 0], [1, 2, 0], [2, 2, -1], [5, 3, 7]]], dtype=float)
SPIKES = np.array([[[0, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]]], dtype=np.int8)


@pytest.mark.parametrize(
    ("readout", "classes", "tied"),
    [
        # The largest potential; step 0 is a tie of all, step 2 of the first two.
        ("MP", [0, 1, 0, 2], [True, False, True, False]),
        # Spikes so far: 000, 110, 111, 112.
        ("MS", [0, 0, 0, 2], [True, True, True, False]),
        # Units 0 and 1 spike first, together in step 1; unit 1 then has the higher potential.
        ("FS", [0, 1, 1, 1], [True, False, False, False]),
    ],
)
def test_answers_after_every_step(readout, classes, tied):
    got, ties = answers(readout, POTENTIAL, SPIKES)
    np.testing.assert_array_equal(got[0], classes)
    np.testing.assert_array_equal(ties[0], tied)


def test_first_spike_ties_on_equal_potentials():
    potential = np.zeros((1, 2, 3)) - 4.0
    spikes = np.array([[[0, 1, 1], [1, 0, 0]]])
    classes, tied = answers("FS", potential, spikes)
    np.testing.assert_array_equal(classes[0], [1, 1])
    np.testing.assert_array_equal(tied[0], [True, True])


def test_first_spike_prefers_the_earlier_whatever_the_potential():
    potential = np.array([[[9.0, -5.0], [9.0, -5.0]]])
    spikes = np.array([[[0, 1], [1, 0]]])
    classes, tied = answers("FS", potential, spikes)
    np.testing.assert_array_equal(classes[0], [1, 1])
    assert not tied.any()


def test_a_silent_output_is_a_tie_of_all():
    silent = np.zeros((2, 3, 4), dtype=np.int8)
    potential = np.random.default_rng(0).normal(size=silent.shape)
    for readout in ("MS", "FS"):
        classes, tied = answers(readout, potential, silent)
        assert tied.all() and not classes.any()
    classes, tied = answers("MP", potential, silent)
    assert not tied.any()
    np.testing.assert_array_equal(classes, potential.argmax(axis=-1))


def test_images_are_independent():
    classes, tied = answers("FS", np.tile(POTENTIAL, (3, 1, 1)), np.tile(SPIKES, (3, 1, 1)))
    assert (classes == classes[0]).all() and (tied == tied[0]).all()


def test_many_spikes_do_not_overflow():
    spikes = np.ones((1, 300, 2), dtype=np.int8)
    spikes[0, 0, 0] = 0
    assert answers("MS", np.zeros(spikes.shape), spikes)[0][0, -1] == 1


def test_an_unknown_readout_is_refused():
    with pytest.raises(InputError, match="unknown readout 'softmax'; known are MP, MS, FS"):
        answers("softmax", POTENTIAL, SPIKES)
