"""Studies in processes of this machine: results, resumption, refusals, the command."""

import dataclasses
import os
import random
import signal
import time

import numpy as np
import pandas as pd
import pytest
from brian2 import Hz, ms

import bionet
from bionet import cli, study
from bionet import perturbations as pb
from bionet.errors import BioNetError, InputError
from bionet.results.metrics import synaptic_events, wilson_interval
from bionet.study.estimate import estimate
from bionet.study.materials import gather, read_network
from bionet.study.results import TIMING
from bionet.study.worker import latencies, run_cell

N_CELLS = 3 * 4 * 2


def same(one, other):
    """Equal tables, but for the time that cells took."""
    pd.testing.assert_frame_equal(one.drop(columns=[*TIMING]), other.drop(columns=[*TIMING]))


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells").glob("*.json")}


def test_the_table_has_a_row_for_every_cell(whole, study_folder):
    assert len(whole) == whole.cell.nunique() == N_CELLS and whole.attrs["cells"] == N_CELLS
    axes = ["method", "coding", "perturbation", "level", "seed"]
    assert not whole.duplicated(axes).any()
    assert set(whole.unit[whole.perturbation == "blur"]) == {"pixels"}
    assert (whole.images == 6).all() and (whole.accuracy == whole.correct / 6).all()
    assert (whole.accuracy_low <= whole.accuracy).all()
    assert (whole.accuracy_high[0], whole.accuracy_low[0]) == tuple(
        float(x) for x in reversed(wilson_interval(whole.accuracy[0], 6))
    )
    for file, read in (("results.parquet", pd.read_parquet), ("results.csv", pd.read_csv)):
        again = read(study_folder / "whole" / file)
        assert list(again.columns) == list(whole.columns) and len(again) == N_CELLS
        np.testing.assert_allclose(again.spikes_per_image, whole.spikes_per_image)
    assert not (study_folder / "whole" / "workers").exists()
    pd.testing.assert_frame_equal(study.table(study_folder / "whole"), whole)


def test_a_cell_is_what_one_would_simulate_by_hand(whole, there):
    """Failure with leak, Poisson, seed 3."""
    chosen = study.load("tiny.toml")
    materials = gather(chosen)
    wanted = (whole.perturbation == "failure_with_leak") & (whole.coding == "poisson")
    row = whole[wanted & (whole.seed == 3)].iloc[0]
    cell = next(c for c in materials.cells if c.key == row.cell)
    snn = read_network(there / "whole", cell.network)
    snn = bionet.perturb(
        snn, [pb.MembraneLeak(20 * Hz), pb.SynapticFailure(0.2)], seed=3, coding="poisson"
    )
    pixels, labels = materials.evaluated.images, materials.evaluated.labels
    run = bionet.simulate(snn, pixels, 8 * ms, 1 * ms, device="numpy", seed=3)
    assert row.correct == (run.predictions() == labels).sum()
    assert row.input_spikes_per_image == run.counts["input"].sum() / 6
    own = [name for name in run.counts if name not in ("input", "input_relay")]
    assert row.spikes_per_image == pytest.approx(sum(run.counts[n].sum() for n in own) / 6)
    events = synaptic_events(snn, run)
    relayed = events.pop("input->input_relay")
    assert relayed.sum() == run.counts["input"].sum()
    assert row.synaptic_events_per_image == pytest.approx(sum(e.sum() for e in events.values()) / 6)


def test_perturbed_images_are_those_the_ann_sees(whole):
    """One accuracy for every level and seed of an image perturbation, one for all the others."""
    other = whole[whole.perturbation != "blur"]
    assert other.accuracy_ann.nunique() == 1
    blurred = whole[whole.perturbation == "blur"]
    assert blurred.groupby(["level", "seed"]).accuracy_ann.nunique().eq(1).all()


def test_latencies_against_a_slow_reference(tiny, tiny_images):
    run = bionet.simulate(tiny, tiny_images, 12 * ms, device="numpy")
    labels = np.array([0, 1, 2, 0, 1])
    answers = np.stack([run.predictions(step=k) for k in range(1, 13)], axis=1)
    accuracy = (answers == labels[:, None]).mean(axis=0)
    settled = next(k + 1 for k in range(12) if (accuracy[k:] >= accuracy[-1] - 0.01).all())
    decided = [
        next(k + 1 for k in range(12) if (row[k:] == row[-1]).all()) for row in answers
    ]  # fmt: skip
    assert latencies(run, labels) == (settled, np.mean(decided))
    assert max(decided) > 1


def test_a_study_in_two_parts_equals_one_run(whole, there):
    """Half of the cells, then the rest in two processes; what was there is not touched."""
    chosen = study.load("tiny.toml")
    folder = there / "parts"
    study.run(dataclasses.replace(chosen), folder, jobs=1)
    gone = sorted((folder / "cells").glob("*.json"))[::2]
    for path in gone:
        path.unlink()
    (folder / "cells" / f".{gone[0].name}.abc").write_text('{"half')
    assert len(study.table(folder)) == N_CELLS - len(gone)
    before = stamps(folder)
    same(study.run(chosen, folder, jobs=2), whole)
    after = stamps(folder)
    assert {name: after[name] for name in before} == before and len(after) == N_CELLS
    assert not list((folder / "cells").glob(".*"))


def kill_and_run_again(command, folder, jobs, moments):
    """End a study with SIGKILL at moments given in finished cells, then let it end; the stamps."""
    seen = {}
    for moment in moments:
        process = command("--out", str(folder), "--jobs", str(jobs))
        while process.poll() is None and len(stamps(folder)) < moment:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.3))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        now = stamps(folder)
        assert {name: now[name] for name in seen} == seen, "a finished cell was written again"
        seen = now
    process = command("--out", str(folder), "--jobs", str(jobs))
    output, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    now = stamps(folder)
    assert {name: now[name] for name in seen} == seen and len(now) == N_CELLS
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_study_goes_on(whole, study_folder, command, tmp_path, jobs):
    folder = tmp_path / "killed"
    moments = sorted(random.Random(jobs).sample(range(1, N_CELLS - 4), 3))
    seen = kill_and_run_again(command, folder, jobs, moments)
    assert len(seen) >= moments[-1]
    same(study.table(folder), whole)


@pytest.mark.slow
def test_an_interrupted_study_says_that_it_goes_on(study_folder, command, tmp_path):
    folder = tmp_path / "interrupted"
    process = command("--out", str(folder), "--jobs", "2")
    while process.poll() is None and len(stamps(folder)) < 2:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal sends Ctrl-C, to all processes
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "the same command goes on" in errors and "Traceback" not in errors
    assert 2 <= len(study.table(folder)) < N_CELLS


def test_a_dead_worker_is_one_line(there, monkeypatch):
    """As where the system ends a process for want of memory."""
    (there / "dying_cell.py").write_text(
        "import os\n\ndef run_cell(folder, task):\n    os.kill(os.getpid(), 9)\n"
    )
    monkeypatch.syspath_prepend(there)  # worker processes take over the path
    import dying_cell

    monkeypatch.setattr("bionet.study.running.run_cell", dying_cell.run_cell)
    with pytest.raises(BioNetError, match="a worker process was killed, .*run the study again"):
        study.run("tiny.toml", "dead", jobs=2)


def test_results_of_another_study_are_refused(whole, there):
    chosen = study.load("tiny.toml")
    other = dataclasses.replace(chosen, seeds=(0, 4))
    with pytest.raises(InputError, match="results of another study, which differs in 'seeds'"):
        study.run(other, "whole", jobs=1)
    (there / "full").mkdir(exist_ok=True)
    (there / "full" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="--out: .*holds files but no study"):
        study.run(chosen, "full", jobs=1)
    with pytest.raises(InputError, match="is a file"):
        study.run(chosen, "tiny.toml", jobs=1)


def test_other_weights_are_another_study(whole, there, monkeypatch):
    text = (there / "tiny_study_net.py").read_text().replace("seed(0)", "seed(1)")
    (there / "other_study_net.py").write_text(text)
    import other_study_net
    import tiny_study_net

    monkeypatch.setattr(tiny_study_net, "make", other_study_net.make)
    with pytest.raises(InputError, match="differs in the weights"):
        study.run("tiny.toml", "whole", jobs=1)


def test_two_runs_in_one_folder_are_refused(whole, there):
    from filelock import FileLock

    with (
        FileLock(there / "whole" / ".lock"),
        pytest.raises(InputError, match="another process runs the study"),
    ):
        study.run("tiny.toml", "whole", jobs=1)


def test_damaged_results_are_named(whole, there):
    import shutil

    shutil.copytree(there / "whole", there / "damaged", dirs_exist_ok=True)
    path = next((there / "damaged" / "cells").glob("*.json"))
    path.write_text("{")
    with pytest.raises(InputError, match=f"{path.name} is damaged"):
        study.table("damaged")
    (there / "damaged" / "study.json").write_text("[]")
    with pytest.raises(InputError, match="study.json is damaged"):
        study.table("damaged")
    with pytest.raises(InputError, match="study.json is damaged"):
        study.run("tiny.toml", "damaged", jobs=1)


def test_a_cell_that_fails_names_itself(there, whole):
    cell = gather(study.load("tiny.toml")).cells[0]
    content = {**cell.content, "coding": "uniform", "method": dict(cell.content["method"])}
    content["method"]["max_rate"] = "5kHz"
    task = {"key": "0" * 24, "network": cell.network, "content": content, "accuracy_ann": 1.0}
    with pytest.raises(InputError, match=r"cell \(tiny_study_net:make, rate, uniform, .*max_rate"):
        run_cell(there / "whole", task)
    with pytest.raises(BioNetError, match="does not see the study's folder"):
        run_cell(there / "nowhere", task)


NONE = {"label": "x", "options": {}, "with": []}
METHOD = {"name": "rate", "label": "rate", "codings": ["analog"], "options": {}}
TIMES = {"duration": "8ms", "dt": None, "max_rate": None}


@pytest.mark.parametrize(
    "method, perturbation, message",
    [
        ({"codings": ["reverse"]}, {"name": "none", "levels": [0]},
         "^method 'rate', coding 'reverse': the reverse coding needs tau, the leak of a network"),
        ({"name": "tdsnn", "options": {"dtype": "float32"}}, {"name": "none", "levels": [0]},
         "^method 'rate', coding 'analog': this network reads the time of one spike"),
        ({}, {"name": "transmission_delay", "levels": [1, -40]},
         "^perturbation 'x', level -40, with method 'rate', coding 'analog': .*delay"),
        ({"options": {"percentile": 200}}, {"name": "none", "levels": [0]},
         "^network 'tiny_study_net:make', method 'rate': percentile must be above 0"),
    ],
)  # fmt: skip
def test_what_a_method_cannot_have_is_refused_before_anything_runs(
    there, tmp_path, method, perturbation, message
):
    changed = dataclasses.replace(
        study.load("tiny.toml"),
        methods=({**METHOD, **TIMES, **method},),
        perturbations=({**NONE, **perturbation},),
    )
    with pytest.raises(InputError, match=message):
        study.run(changed, tmp_path / "refused", jobs=1)
    assert not list((tmp_path / "refused" / "cells").glob("*.json"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"images": (0, 20)}, "images: pictures.npz .* has the images 0 to 19, but 20"),
        ({"data": "nothing.npz"}, "data: --data: there is no file nothing.npz"),
        ({"networks": ({"name": "no_module:make", "weights": None, "input_shape": None},)},
         r"network\[0\]: no_module:make"),
    ],
)  # fmt: skip
def test_missing_materials_name_their_key(there, change, message):
    with pytest.raises(InputError, match=message):
        study.run(dataclasses.replace(study.load("tiny.toml"), **change), "never", jobs=1)
    assert not (there / "never").exists()


def test_the_command(whole, there, capsys):
    assert cli.main(["study", "tiny.toml", "--out", "whole", "--no-progress"]) == 0
    printed = capsys.readouterr().out
    assert f"{N_CELLS} cells" in printed and "membrane" in printed
    assert (there / "whole" / "run.json").is_file()
    assert cli.main(["study", "--list"]) == 0
    assert "coding-robustness" in capsys.readouterr().out


def test_a_dry_run_writes_nothing(whole, there, capsys):
    assert cli.main(["study", "tiny.toml", "--dry-run", "--out", "dry"]) == 0
    printed = capsys.readouterr().out
    assert f"cells: {N_CELLS}, of which 0 are finished" in printed
    assert "time: about" in printed and "memory: about" in printed
    assert not (there / "dry").exists()
    assert cli.main(["study", "tiny.toml", "--dry-run", "--out", "whole"]) == 0
    assert f"of which {N_CELLS} are finished" in capsys.readouterr().out


def test_an_estimate_knows_the_windows_of_a_conversion(there):
    own = (there / "tiny.toml").read_text().split("[[method]]")[0]
    method = '[[method]]\nname = "tdsnn"\ncodings = ["reverse"]\n'
    method += 'options = {{leak = "{}ms", dtype = "float32"}}\n'
    level = '[[perturbation]]\nname = "membrane_noise"\nlevels = [0]\n'
    found = []
    for leak in (5, 50):
        (there / "windows.toml").write_text(own + method.format(leak) + level)
        materials = gather(study.load("windows.toml"))
        (row,) = estimate(materials, there / "none", 1).rows
        snn = materials.converted(materials.cells[0])
        assert row["steps"] == round(snn.simulation.duration * 1000)
        found.append(row["steps"])
    assert found[0] < found[1]
    (there / "windows.toml").write_text(own + method.format("0.5") + level)
    with pytest.raises(InputError, match="network 'tiny_study_net:make', method 'tdsnn': the leak"):
        estimate(gather(study.load("windows.toml")), there / "none", 1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "STUDY is missing"),
        (["nowhere.toml"], "no file nowhere.toml"),
        (["tiny.toml", "--jobs", "0"], "--jobs"),
        (["tiny.toml", "--out", "tiny.toml"], "tiny.toml is a file"),
    ],
)
def test_bad_commands_end_with_one_line(there, capsys, arguments, message):
    assert cli.main(["study", *arguments]) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1


COMPILED = """
name = "compiled"
data = "pictures.npz"
images = 9
seeds = [0, 1]
[calibration]
images = 10
[[network]]
name = "tiny_study_net:make"
[[method]]
name = "rate"
codings = ["poisson"]
duration = "12ms"
[[perturbation]]
name = "membrane_noise"
levels = [0, 0.1, 0.3]
with = [{name = "synaptic_failure", level = 0.1}]
"""


@pytest.mark.devices
def test_one_program_serves_all_levels_and_seeds_and_gives_the_spikes_of_numpy(there, tmp_path):
    (there / "compiled.toml").write_text(COMPILED)
    (there / "plain.toml").write_text('device = "numpy"\n' + COMPILED)
    compiled = study.run("compiled.toml", tmp_path / "compiled", jobs=2)
    assert (compiled.compile_seconds == 0).all()  # it was compiled before the cells were shared
    plain = study.run("plain.toml", tmp_path / "plain", jobs=1)
    own = [*TIMING, "device", "lanes", "cell"]
    pd.testing.assert_frame_equal(compiled.drop(columns=own), plain.drop(columns=own))
    assert compiled.spikes_per_image.nunique() == len(compiled)
