"""The HTML report: one file that holds everything, says the truth, and works in a real browser."""

import base64
import json
import re
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import typer.main

from bionet import cli
from bionet.commands.report import material
from bionet.errors import InputError
from bionet.pages.answer import confusions
from bionet.pages.image_browser import MAX_IMAGES, browser_data, chosen_classes, chosen_images
from bionet.pages.run_page import Material, command_line, html_report, page
from bionet.pages.study_page import study_report
from bionet.results.metrics import wilson_interval
from bionet.results.recording import Recording
from bionet.results.run_json import read_run


@pytest.fixture(scope="module")
def text(runs):
    return (runs / "runs/plain/report.html").read_text()


@pytest.fixture(scope="module")
def data(text):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(found[1])


def test_it_needs_nothing_from_outside(text):
    links = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', text)
    assert len(links) > 8
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "default-src 'none'" in text
    addresses = set(re.findall(r"https?://[\w./-]*", re.sub(r"base64,[\w+/=]*", "", text)))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)


def test_the_numbers_are_those_of_the_run(text, plain):
    run, labels = plain
    for name in run.readouts:
        share = run.accuracy(labels, name)
        low, high = (100 * float(end) for end in wilson_interval(share, 8))
        assert f"{100 * share:.2f} % (95 %: {low:.2f} to {high:.2f})" in text
    assert run.readouts == ("MP", "MS", "FS") and "LS (" not in text  # that is for temporal codes
    assert f"<b>{100 * run.accuracy(labels):.1f} %</b>" in text
    assert "30 steps of 1 ms" in text and run.parameters["network"] in text
    assert re.search(r'<th scope="row">seed</th><td>2</td>', text)


def test_every_answer_at_every_time(data, plain):
    run, labels = plain
    assert data["times"] == list(range(1, 31))
    assert [image["number"] for image in data["images"]] == list(range(8))
    for step in (1, 7, 30):
        for name in run.readouts:
            answers = [image["answers"][name][step - 1] for image in data["images"]]
            np.testing.assert_array_equal(answers, run.predictions(name, step))
    for image, label in zip(data["images"], labels, strict=True):
        assert image["label"] == label
        number = image["number"]
        np.testing.assert_allclose(
            np.array(image["potential"]).T, run.output_potential[number], rtol=1e-3, atol=1e-6
        )
        np.testing.assert_array_equal(
            np.array(image["spikes"]).T, np.cumsum(run.output_spikes[number], axis=0)
        )


def test_the_audit_names_the_layers(runs, text):
    audited = (runs / "runs/audit.html").read_text()
    verdict = read_run(runs / "runs/audit")["verdict"]
    assert verdict in audited and "conv0" in audited
    # A user's own module is not run again for a report that was not given it.
    assert "No audit: the network that was converted" in text


def test_rasters_and_potentials_of_the_recorded_images(text):
    shown = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    told = {words.partition(":")[0] for words in shown}
    assert {"Spikes of image 0", "Spikes of image 3", "Potentials of conv0, image 3"} <= told
    pictures = re.findall(r'src="data:image/(png|svg\+xml);base64,([^"]*)"', text)
    for kind, coded in pictures:
        start = {"png": b"\x89PNG", "svg+xml": b"<?xml"}[kind]
        assert base64.b64decode(coded).startswith(start)


def test_the_command_is_the_one_that_was_typed(text, runs):
    (shown,) = re.findall(r"<pre>(.*?)</pre>", text)
    _, name, *arguments = shlex.split(shown)
    assert name == "simulate"
    command = typer.main.get_command(cli.app).commands[name]
    again = command.make_context(name, arguments).params
    noted = read_run(runs / "runs/plain")["arguments"]
    for key, value in noted.items():
        assert str(again[key] or None) == str(value or None), key


def test_switches_are_written_as_switches():
    command = typer.main.get_command(cli.app).commands["simulate"]
    arguments = {"network": "a b.snn", "progress": False, "seed": 0, "duration": "5ms"}
    line = command_line({"command": "simulate", "arguments": arguments}, command.params)
    assert line == "bionet simulate 'a b.snn' --duration 5ms --no-progress"
    assert command_line({}, command.params) is None


def test_what_is_missing_is_said(runs, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(runs / "runs/plain", folder)
    (folder / "labels.safetensors").unlink()
    monkeypatch.chdir(tmp_path)  # the .snn file is not here
    assert cli.main(["report", str(folder)]) == 0
    found = (folder / "report.html").read_text()
    assert "The folder holds no labels, so the report states no accuracy." in found
    assert "Without pictures of the images" in found and "small.snn" in found
    assert "SNN accuracy</th>" in found  # what run.json notes stays
    assert '"label": null' in found and 'id="accuracy"' not in found


def test_a_changed_network_is_noticed(runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs / "runs/plain", folder)
    run = Recording.load(folder)
    replace(run, parameters={**run.parameters, "network": "0" * 64}).save(folder)
    (note,) = material(folder).notes
    assert "the network of this run has changed since" in note


def test_text_from_files_stays_text(plain):
    run, labels = plain
    bad = "</script><script>alert(1)</script>"
    found = page(Material(run, labels, title=bad, description={"network": bad}, notes=(bad,)))
    assert bad not in found
    assert found.count("<script") == 2


def test_a_recording_alone_is_enough(plain, tmp_path):
    run, _ = plain
    path = html_report(Material(run), tmp_path / "bare.html")
    assert "<title>BioNet run</title>" in path.read_text()


def test_refusals(plain, tmp_path):
    run, labels = plain
    with pytest.raises(InputError, match="ends in .html, such as report.html"):
        html_report(Material(run), tmp_path / "report.pdf")
    with pytest.raises(InputError, match="labels must be an array of 8 classes"):
        Material(run, labels[:3])
    with pytest.raises(InputError, match=r"images must have the shape \(8, 1, 8, 8\)"):
        Material(run, images=np.zeros((8, 8, 8)))
    assert cli.main(["report", str(tmp_path)]) == 2


def large(n_images, n_classes, wrong):
    """A recording of many images, of which the last ``wrong`` ones are answered wrongly."""
    potential = np.zeros((n_images, 500, n_classes))
    potential[:, :, 0] = 1.0
    labels = np.where(np.arange(n_images) < n_images - wrong, 0, 1)
    run = Recording(
        shapes={"input": (1,), "out": (n_classes,)},
        counts={},
        output_potential=potential,
        output_spikes=np.zeros(potential.shape, dtype=np.int8),
        parameters={"dt_ms": 0.5, "readout": "MP"},
    )
    return run, labels


@pytest.mark.parametrize(("wrong", "n_wrong"), [(0, 0), (10, 10), (70, 40), (90, 50), (100, 60)])
def test_wrong_answers_come_first_and_leave_room(wrong, n_wrong):
    run, labels = large(100, 3, wrong)
    chosen = chosen_images(run, labels)
    assert len(set(chosen)) == MAX_IMAGES
    assert (labels[chosen] == 1).sum() == n_wrong
    assert (labels[chosen[:n_wrong]] == 1).all()


def test_a_long_run_of_many_classes_stays_small():
    run, labels = large(3, 50, 0)
    labels = labels + 30
    found = browser_data(run, labels, None)
    assert len(found["times"]) == 200 and found["times"][-1] == 250.0
    assert all(len(image["classes"]) == 10 for image in found["images"])
    assert all(30 in image["classes"] for image in found["images"])
    assert 0 in chosen_classes(run, 0, 30)


def test_a_study_has_a_report(tmp_path):
    levels = {"jitter": (0.0, 2.0), "dead_units": (0.0, 0.5)}
    rows = [
        (coding, name, level, "ms" if name == "jitter" else "1", seed, 50, 40 - seed)
        for coding in ("analog", "<poisson>")
        for name, both in levels.items()
        for level in both
        for seed in range(2)
    ]
    columns = ["coding", "perturbation", "level", "unit", "seed", "images", "correct"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "results.csv", index=False)
    assert cli.main(["report", str(tmp_path), "--out", str(tmp_path / "study.html")]) == 0
    found = (tmp_path / "study.html").read_text()
    low, high = (100 * float(end) for end in wilson_interval(0.79, 50))
    interval = f"{low:.1f} to {high:.1f} %"
    cells = ["2 ms", "50", "79.0 %", interval, "2", "1.4"]
    assert "".join(f'<td class="number">{cell}</td>' for cell in cells) in found
    assert found.count("<tr><td>") == 8
    assert "&lt;poisson&gt;" in found and "<poisson>" not in found
    assert '<td class="number">0.5</td>' in found
    links = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', found)
    assert len(links) == 2 and all(link.startswith("data:") for link in links)
    with pytest.raises(InputError, match="ends in .html"):
        study_report(pd.read_csv(tmp_path / "results.csv"), tmp_path / "study.pdf")


def test_the_report_of_an_unfinished_study_says_so(tmp_path, capsys):
    folder = tmp_path / "half"
    (folder / "cells").mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps({"study": {}, "cells": ["a", "b"]}))
    assert cli.main(["report", str(folder)]) == 2
    assert "has no finished cell yet; run it first" in capsys.readouterr().err
    row = {"coding": "analog", "perturbation": "jitter", "level": 1.0, "unit": "ms", "seed": 0}
    row |= {"images": 50, "correct": 40}
    (folder / "cells" / "a.json").write_text(json.dumps(row))
    assert cli.main(["report", str(folder)]) == 0
    assert "unfinished: 1 of 2 cells" in capsys.readouterr().out
    page = (folder / "report.html").read_text()
    assert "<h1>Study half (unfinished: 1 of 2 cells)</h1>" in page
    told = {"study": {"name": "noise"}, "cells": ["a"]}
    (folder / "study.json").write_text(json.dumps(told))
    assert cli.main(["report", str(folder)]) == 0
    assert "<h1>Study noise</h1>" in (folder / "report.html").read_text()


def test_it_leads_with_the_answer(text, plain):
    run, labels = plain
    right = int((run.predictions() == labels).sum())
    assert f"The spiking network answers {right} of 8 images rightly" in text
    label, answer, count = confusions(run, labels)[0]
    assert count == ((labels == label) & (run.predictions() == answer)).sum() and label != answer
    images = "1 image" if count == 1 else f"{count} images"
    assert f"class {label} taken for {answer} ({images})" in text
    assert text.count('<li><img src="data:image/png') == 8 - right
    assert text.index("answers") < text.index("What was run")


def test_the_doctor_is_heard(runs, plain):
    run, labels = plain
    told = {"verdict": "rounding costs 2.0 points, most of it at conv0; more steps"}
    assert f"The doctor says: {told['verdict']}." in page(Material(run, labels, diagnosis=told))
    folder = runs / "runs/plain/diagnose"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"diagnosis": told}))
    assert material(runs / "runs/plain", with_audit=False).diagnosis == told
