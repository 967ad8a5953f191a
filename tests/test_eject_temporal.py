"""The ejected scripts of temporal codes: ticking neurons, windows and first spikes in Brian2."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from brian2 import ms

import bionet

# The scripts in one process, in which importing bionet fails.
RUNNER = """
import runpy, sys
sys.modules["bionet"] = None
for script, image, spikes in zip(*[iter(sys.argv[1:])] * 3):
    sys.argv = [script, "--image", image, "--spikes", spikes]
    runpy.run_path(script, run_name="__main__")
"""
OPTIONS = {
    "static": {},
    "dynamic": {"window": "dynamic", "mode": "finetune"},
    "latest": {"readout": "LS", "rounding": "nearest"},
}
FIRST = {
    "first": {"readout": "FS", "input_range": (0, 2)},
    "first_rounded": {"readout": "FS", "interpolate": False},
}


@pytest.fixture(scope="module")
def net(temporal_source):
    return temporal_source


@pytest.fixture(scope="module")
def ejected(net, tmp_path_factory):
    """Networks, images, folder of scripts and spikes, and what the scripts printed."""
    folder = tmp_path_factory.mktemp("eject")
    images = np.random.default_rng(4).uniform(size=(2, 2, 6, 5))
    networks, arguments = {}, []
    ways = {n: ("tdsnn", {"leak": 6 * ms, **options}) for n, options in OPTIONS.items()}
    ways |= {name: ("ttfs", {"tau": 6 * ms, **options}) for name, options in FIRST.items()}
    for name, (method, options) in ways.items():
        snn = bionet.convert(net, method, images, **options)
        script, _ = bionet.eject(snn, folder / f"{name}.py", images)
        networks[name] = snn
        arguments += [str(script), "1", str(folder / f"{name}_spikes.npz")]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return networks, images, folder, done.stdout


@pytest.mark.parametrize("name", OPTIONS)
def test_every_spike_is_that_of_bionet(ejected, name):
    networks, images, folder, output = ejected
    snn = networks[name]
    fires = ["input", *(p.name for p in snn.populations if p.model.threshold is not None)]
    run = bionet.simulate(snn, images, device="numpy", record=dict.fromkeys(fires, "spikes"))
    with np.load(folder / f"{name}_spikes.npz", allow_pickle=False) as found:
        assert set(found) == set(fires)
        for population in fires:
            spikes = run.spikes(population, image=1)
            expected = np.stack([spikes.step, spikes.unit], axis=1)
            np.testing.assert_array_equal(found[population], expected, err_msg=population)
            hidden = population in ("conv0", "maxpool2", "linear4")
            assert not hidden or len(expected) == run.counts[population][1].size
        assert len(found["conv0_tick"]) > 5
    parts = re.split(r"(?m)^input: ", output)[1:]
    answer = parts[list(OPTIONS).index(name)]
    if name == "latest":
        assert f"latest spike (LS): class {run.predictions()[1]}" in answer
    else:
        assert f"largest potential (MP): class {run.predictions()[1]}" in answer


def test_the_script_shows_ticks_windows_and_the_release(ejected):
    text = (ejected[2] / "static.py").read_text()
    assert "events={" in text
    assert 'on_event="release"' in text
    assert "w*w_tick_pre" in text
    assert "inhibition_post += w" in text
    assert "each pixel spikes once, the later the larger" in text
    compile(text, "static.py", "exec")


@pytest.mark.parametrize("name", FIRST)
def test_first_spikes_and_how_late_the_clock_saw_them_are_those_of_bionet(ejected, name):
    """Two pathways, a max pooling and the order of the first output spikes."""
    networks, images, folder, output = ejected
    snn = networks[name]
    fires = ["input", *(p.name for p in snn.populations if p.model.threshold is not None)]
    run = bionet.simulate(
        snn, images, device="numpy", final_potentials=True, record=dict.fromkeys(fires, "spikes")
    )
    assert "maxpool2" in run.counts
    with np.load(folder / f"{name}_spikes.npz", allow_pickle=False) as found:
        for population in run.recorded_spikes:
            spikes = run.spikes(population, image=1)
            rows = np.stack([spikes.step, spikes.unit], axis=1)
            np.testing.assert_array_equal(found[population], rows, err_msg=population)
            if snn.code.exact:
                late = run.final_values[population, "delta"][1]
                np.testing.assert_array_equal(found[f"{population}.delta"], late)
                assert (late > 0).any()
    answer = re.split(r"(?m)^input: ", output)[1:][[*OPTIONS, *FIRST].index(name)]
    assert f"first spike (FS): class {run.predictions()[1]}" in answer
    assert "most spikes" not in answer
