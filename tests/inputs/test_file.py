"""``bionet simulate --input``: a stimulus from a file of plain arrays, there and back."""

import json

import numpy as np
import pytest
from brian2 import ms

import bionet
from bionet import cli
from bionet.inputs import events, frames, spike_trains
from bionet.inputs.from_file import load_stimulus


def command(*words):
    return cli.main([*map(str, words), "--device", "numpy", "--no-progress"])


def test_a_file_is_shown_as_the_same_arrays_are(tiny, tiny_images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny.save("tiny.snn")
    rng = np.random.default_rng(2)
    time, image = rng.uniform(0, 20, 50), rng.integers(0, 3, 50)
    trains = {"i": rng.integers(0, 24, 50), "t_ms": time, "image": image, "n_images": 4}
    camera = {"x": rng.integers(0, 3, 50), "y": rng.integers(0, 4, 50), "p": image > 0}
    camera |= {"t_ms": time, "image": image}
    movie = {"frames": tiny_images[None, :4], "frame_ms": 5.0, "labels": np.array([2])}
    stimuli = {
        "trains": spike_trains(trains["i"], time * ms, image=image, n_images=4),
        "camera": events(time * ms, camera["x"], camera["y"], camera["p"], image=image),
        "movie": frames(movie["frames"], 5 * ms),
    }
    for name, arrays in {"trains": trains, "camera": camera, "movie": movie}.items():
        np.savez(f"{name}.npz", **arrays)
        duration = [] if name == "movie" else ["--duration", "20ms"]
        reset = ["--reset", "never"] if name == "camera" else []
        words = ["simulate", "tiny.snn", "--input", f"{name}.npz", "--out", name]
        assert command(*words, "--record", "all:spikes", *duration, *reset) == 0
        run = bionet.Recording.load(name)
        options = {"device": "numpy", "reset": "never"} if reset else {"device": "numpy"}
        wanted = bionet.simulate(tiny, stimuli[name], 20 * ms, **options)
        np.testing.assert_array_equal(run.output_potential, wanted.output_potential)
        assert run.parameters["stimulus"]["kind"] == stimuli[name].kind
        noted = json.loads((tmp_path / name / "run.json").read_text())
        assert (noted["accuracy_snn"] is None) == (name != "movie")
    assert "SNN accuracy" in capsys.readouterr().out
    assert command("simulate", "tiny.snn", "--input", "movie.npz", "--images", "1") == 2
    assert "the file of --input is shown whole" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"t": [1.0], "i": [0]}, r"it holds i, t \(times have their unit in the name: t_ms\)"),
        ({"images": [1.0]}, "expected the arrays frames and frame_ms; or t_ms, x, y and p"),
        ({"t_ms": [1.0], "i": [0], "labels": [0, 1]}, "labels must be 1 whole numbers"),
        ({"t_ms": np.array([None]), "i": [0]}, "damaged or no .npz file of plain arrays"),
        (None, "there is no file"),
    ],
)
def test_other_files_are_refused(arrays, message, tmp_path):
    if arrays is not None:
        np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(bionet.InputError, match=message):
        load_stimulus(tmp_path / "x.npz")
