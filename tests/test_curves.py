"""Curves and latencies on a hand-made recording whose answers are known."""

import numpy as np
import pytest

from bionet.errors import InputError
from bionet.results.curves import Curves, curves, join, spike_bits
from bionet.results.recording import Recording

N_IMAGES, N_STEPS = 4, 5
LABELS = np.array([0, 1, 2, 1])
ANN = np.array([[3.0, 1, 0], [0, 2, 1], [0, 1, 5], [4, 1, 0]])  # the last one is wrong
# Class that is ahead after every step.
AHEAD = np.array([[1, 0, 0, 0, 0], [0, 1, 1, 1, 1], [2, 2, 0, 2, 2], [0, 0, 1, 0, 0]])


def recording():
    sums = np.zeros((N_IMAGES, N_STEPS + 1, 3))
    for image, classes in enumerate(AHEAD):
        for step, c in enumerate(classes):
            sums[image, step + 1, c] = 2 * step + 2
            sums[image, step + 1, (c + 1) % 3] = -step
    return Recording(
        shapes={"input": (2,), "out": (3,)},
        counts={"out": np.zeros((N_IMAGES, 3), np.uint8)},
        output_potential=np.zeros((N_IMAGES, N_STEPS, 3)),
        output_spikes=np.diff(sums, axis=1).astype(np.int32),
        events=np.arange(N_IMAGES * N_STEPS, dtype=np.int32).reshape(N_IMAGES, N_STEPS),
        parameters={"dt_ms": 1.0, "readout": "MS"},
    )


@pytest.fixture(scope="module")
def found():
    return curves(recording(), LABELS, ANN)


def test_signed_sums_decide(found):
    np.testing.assert_array_equal(found.predictions, AHEAD)
    np.testing.assert_allclose(found.accuracy(), [0.25, 0.75, 0.75, 0.75, 0.75])
    assert found.ann_accuracy == 0.75


def test_events_add_up(found):
    np.testing.assert_allclose(found.events_so_far(), np.cumsum([7.5, 8.5, 9.5, 10.5, 11.5]))


def test_similarity_is_the_cosine(found):
    rates = np.array([2.0, 0.0, 0.0])  # image 1 after the first step
    expected = rates @ ANN[1] / np.linalg.norm(rates) / np.linalg.norm(ANN[1])
    assert found.similarity[1, 0] == pytest.approx(expected)
    assert found.similarity.max() <= 1 + 1e-6
    silent = recording()
    silent.output_spikes[:] = 0
    assert not curves(silent, LABELS, ANN).similarity.any()


def of_right(right, n_ann):
    """Curves of four images of which ``right`` are correct after each step."""
    predictions = np.array([[0 if image < r else 1 for r in right] for image in range(4)])
    ann = (np.arange(4) >= n_ann).astype(int)
    events = np.ones((4, len(right)), np.int32)
    return Curves(predictions, events, np.zeros(predictions.shape), np.zeros(4, int), ann)


@pytest.mark.parametrize(
    ("right", "loss", "strict", "stays", "reached"),
    [
        ([1, 3, 2, 3, 4], 0.0, False, 4, 2),
        ([1, 3, 2, 3, 4], 0.25, False, 2, 2),
        ([1, 3, 2, 3, 4], 0.25, True, 4, 2),
        ([3, 3, 3, 3, 3], 0.0, False, 1, 1),
        ([3, 3, 3, 3, 2], 0.0, False, None, 1),
        ([1, 1, 2, 2, 2], 0.0, False, None, None),
    ],
)
def test_latency(right, loss, strict, stays, reached):
    found = of_right(right, 3)
    assert found.latency(loss, strict=strict) == stays
    assert found.latency(loss, strict=strict, rule="reached") == reached


def test_early_decisions_name_steps_and_events():
    rows = of_right([1, 3, 2, 3, 4], 3).early_decisions()
    assert [row.loss for row in rows] == ["0 %", "<0.1 %", "<1 %"]
    assert rows[0][1:] == (4, 4.0, 0.75)
    assert of_right([0, 0], 3).early_decisions(["0 %"]) == [("0 %", None, None, None)]


def test_curves_join_and_survive_saving(found, tmp_path):
    halves = [
        Curves(*(getattr(found, name)[part] for name in Curves.__dataclass_fields__))
        for part in (slice(0, 1), slice(1, 4))
    ]
    both = Curves.load(join(halves).save(tmp_path / "curves.safetensors"))
    for name in Curves.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(both, name), getattr(found, name))
    with pytest.raises(InputError, match="need one number of steps, but have 5, 2"):
        join([found, of_right([1, 1], 1)])


def test_bits_of_spikes():
    run = recording()
    object.__setattr__(run, "recorded_amplitudes", {"out": np.array([1, -1, 1, 4])})
    bits = spike_bits(run)
    assert (bits.largest, bits.fixed) == (4, 4)  # -4 .. 4: nine values
    assert bits.entropy == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: curves(recording(), LABELS[:2], ANN), r"expected 4 labels .* got shapes \(2,\)"),
        (lambda f: curves(recording(), LABELS, ANN[:, :2]), r"ANN outputs of shape \(4, 3\)"),
        (lambda f: f.latency(rule="first"), "rule is 'stays' or 'reached', but got 'first'"),
        (lambda f: f.early_decisions(["2 %"]), "a loss is one of 0 %, <0.1 %, <1 %"),
        (lambda f: spike_bits(recording()), "no spikes with sizes were recorded"),
    ],
)
def test_what_does_not_fit_is_refused(found, call, message):
    with pytest.raises(InputError, match=message):
        call(found)


def test_a_recording_without_events_is_refused():
    old = recording()
    object.__setattr__(old, "events", np.zeros((0, 0), np.int32))
    with pytest.raises(InputError, match="holds no events of every step; simulate again"):
        curves(old, LABELS, ANN)
