"""Recordings: what they answer, on disk and back, and what they refuse."""

import json
from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

from bionet.errors import InputError
from bionet.results.recording import Recording
from bionet.running.simulate import simulate


@pytest.fixture(scope="module")
def run(tiny, tiny_images):
    return simulate(
        tiny, tiny_images, 20 * ms, 0.5 * ms, device="numpy", lanes=2, final_potentials=True,
        record={"conv": {"spikes": True, "v": [7, 0, 4]}, "readout": "v"}, record_images=[3, 1],
    )  # fmt: skip


@pytest.fixture
def saved(run, tmp_path):
    return run.save(tmp_path / "run")


@pytest.fixture
def hand_made():
    """Two images, three steps, two classes."""
    return Recording(
        shapes={"input": (1,), "output": (2,)},
        counts={"output": np.array([[2, 1], [0, 3]], dtype=np.uint8)},
        output_potential=np.array([[[1, 0], [1, 1], [1, 2]], [[0, 1], [0, 2], [3, 2]]], float),
        output_spikes=np.array([[[1, 0], [1, 0], [0, 1]], [[0, 1], [0, 1], [0, 1]]], np.int8),
        parameters={"readout": "MP", "dt_ms": 1.0},
    )


def test_answers_after_any_number_of_steps(hand_made):
    assert (hand_made.n_images, hand_made.n_steps) == (2, 3)
    np.testing.assert_array_equal(hand_made.predictions(), [1, 0])
    np.testing.assert_array_equal(hand_made.predictions(step=2), [0, 1])
    np.testing.assert_array_equal(hand_made.predictions("MS"), [0, 1])
    np.testing.assert_array_equal(hand_made.predictions("MS", step=1), [0, 1])
    np.testing.assert_array_equal(hand_made.predictions("FS"), [0, 1])
    np.testing.assert_array_equal(hand_made.ties(step=2), [True, False])
    assert not hand_made.ties().any()


def test_accuracy_over_time_ends_at_the_accuracy(hand_made):
    labels = np.array([1, 1])
    np.testing.assert_array_equal(hand_made.accuracy_over_time(labels), [0.5, 0.5, 0.5])
    np.testing.assert_array_equal(hand_made.accuracy_over_time([0, 1]), [1.0, 1.0, 0.0])
    for readout in ("MP", "MS", "FS"):
        over_time = hand_made.accuracy_over_time(labels, readout)
        assert over_time[-1] == hand_made.accuracy(labels, readout)
        for step in (1, 2, 3):
            assert over_time[step - 1] == (hand_made.predictions(readout, step) == labels).mean()


def test_mean_number_of_spikes(hand_made):
    assert hand_made.n_spikes == {"output": 3.0}


@pytest.mark.parametrize("labels", [[1], [[0, 1]], [0, 1, 1]])
def test_labels_must_be_one_for_each_image(hand_made, labels):
    for method in (hand_made.accuracy, hand_made.accuracy_over_time):
        with pytest.raises(InputError, match="labels must be an array of 2 classes"):
            method(labels)


@pytest.mark.parametrize("step", [0, 4, -1])
def test_a_step_outside_the_presentation_is_refused(hand_made, step):
    with pytest.raises(InputError, match=f"step must lie between 1 and 3, but is {step}"):
        hand_made.predictions(step=step)


def test_spikes_agree_with_counts(run):
    for image in (1, 3):
        spikes = run.spikes("conv", image)
        counted = np.bincount(spikes.unit, minlength=12).reshape(2, 3, 2)
        np.testing.assert_array_equal(counted, run.counts["conv"][image])
        np.testing.assert_allclose(spikes.time / ms, spikes.step * 0.5, rtol=1e-12)
        assert (np.diff(spikes.step) >= 0).all() and spikes.step.max() < run.n_steps == 40


def test_potentials_are_of_the_units_asked_for(run, tiny, tiny_images):
    """Against a second run that records all units of all images."""
    everything = simulate(
        tiny, tiny_images, 20 * ms, 0.5 * ms, device="numpy", record={"conv": "v"}
    )
    for image in (1, 3):
        expected = everything.potential("conv", image)[:, [7, 0, 4]]
        np.testing.assert_array_equal(run.potential("conv", image), expected)
        np.testing.assert_array_equal(run.potential("readout", image), run.output_potential[image])
    np.testing.assert_array_equal(run.recorded_units["conv"], [7, 0, 4])
    np.testing.assert_array_equal(run.recorded_images, [1, 3])
    final = everything.potential("conv", 3)[-1].reshape(2, 3, 2)
    np.testing.assert_array_equal(run.final_potentials["conv"][3], final)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda run: run.spikes("output"), r"spikes of 'output' were not recorded .*: conv\)"),
        (lambda run: run.spikes("conv9"), "spikes of 'conv9' were not recorded"),
        (lambda run: run.potential("output"), r"v of 'output' .*record=\{\"output\": \[\"v\"\]\}"),
        (lambda run: run.spikes("conv", 0), "image 0 was not recorded; recorded are 1, 3"),
        (lambda run: run.potential("conv", 99), "image 99 was not recorded"),
    ],
)
def test_what_was_not_recorded_is_refused(run, ask, message):
    with pytest.raises(InputError, match=message):
        ask(run)


def test_a_recording_survives_the_disk(run, saved, assert_same):
    again = Recording.load(saved)
    assert_same(again, run)
    assert again.parameters == json.loads(json.dumps(run.parameters))
    assert dict(again.shapes) == dict(run.shapes)
    assert again.dt == run.dt == 0.5 * ms
    for name, counts in run.counts.items():
        assert again.counts[name].dtype == counts.dtype


def test_saving_again_replaces(saved, hand_made, assert_same):
    hand_made.save(saved)
    assert_same(Recording.load(saved), hand_made)
    assert len(list(saved.iterdir())) == 2


def test_provenance_is_complete(run, tiny):
    known = {"network", "method", "coding", "device", "dt_ms", "steps", "lanes", "dtype"}
    known |= {"seed", "images", "readout", "seconds", "versions", "thresholds"}
    assert known <= run.parameters.keys()
    assert run.parameters["network"] == tiny.hash()
    assert run.parameters["dt_ms"] == 0.5 and run.parameters["steps"] == 40
    assert {"bionet", "brian2", "numpy"} <= run.parameters["versions"].keys()


def test_a_missing_recording_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a recording: there is no recording.json"):
        Recording.load(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"shapes": 3, "parameters": {}}', "null"])
def test_a_damaged_description_is_refused(saved, text):
    (saved / "recording.json").write_text(text)
    with pytest.raises(InputError, match="recording.json is damaged"):
        Recording.load(saved)


@pytest.mark.parametrize("keep", [0, 5, 8, 100, -1])
def test_truncated_arrays_are_refused(saved, keep):
    path = saved / "recording.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="recording.safetensors is damaged or not a safetensors"):
        Recording.load(saved)


def test_missing_arrays_are_refused(saved, tiny):
    tiny.save(saved / "recording.safetensors")
    with pytest.raises(InputError, match="recording.safetensors is damaged: it has no output_"):
        Recording.load(saved)
    (saved / "recording.safetensors").unlink()
    with pytest.raises(InputError, match="there is no file .*recording.safetensors"):
        Recording.load(saved)


def test_a_file_in_the_way_is_refused(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to the folder .*file"):
        run.save(tmp_path / "file")


def test_a_failure_while_saving_leaves_no_half_file(run, tmp_path):
    bad = replace(run, parameters={"readout": object()})
    with pytest.raises(TypeError):
        bad.save(tmp_path / "run")
    assert not (tmp_path / "run" / "recording.json").exists()
    assert not list((tmp_path / "run").glob(".*"))
