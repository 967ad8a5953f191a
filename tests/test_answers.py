"""What commands and objects say: silence, JSON, three lines, tables; and what they replace."""

import dataclasses
import json
import sys

import pytest
from brian2 import ms

import bionet
from bionet import cli
from bionet.commands.outputs import check_replaced, staged
from bionet.errors import InputError
from bionet.progress import Log


def test_json_is_what_run_json_holds(capsys):
    assert cli.main(["info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["command"] == "info" and "versions" in told["found"]
    assert not {"quiet", "as_json"} & set(told["arguments"])
    assert cli.main(["info", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
    assert cli.main(["info", "--quiet", "--json"]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_json_of_what_writes_no_run_json(capsys, tmp_path):
    line = ["simulate", "lenet5", "--weights", "digits", "--images", "2", "--device", "numpy"]
    assert cli.main([*line, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == 2 and told["seconds"] > 0 and told["memory"]
    (tmp_path / "study.json").write_text(json.dumps({"study": {"name": "x"}, "cells": ["a", "b"]}))
    assert cli.main(["study", "status", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["cells"], told["finished"]) == ("x", 2, 0)
    assert cli.main(["reproduce", "--list", "--json"]) == 0
    assert any("fig2a" in line for line in json.loads(capsys.readouterr().out))


def test_completion_is_offered(capsys):
    assert cli.main(["--help"]) == 0
    assert "--install-completion" in capsys.readouterr().out


def write(folder, text):
    with staged(folder) as part:
        (part / "run.json").write_text(json.dumps({"command": "simulate", "of": text}))
        (part / "recording.json").write_text(text)


def test_results_are_replaced_whole_and_on_request(tmp_path):
    folder = tmp_path / "run"
    check_replaced(folder, False)
    write(folder, "first")
    (folder / "report.html").write_text("about the first")
    (folder / "report.run.json").write_text(json.dumps({"files": [str(folder / "report.html")]}))
    (folder / "audit.json").write_text("of the first")
    (folder / "letter.txt").write_text("the user's own")
    with pytest.raises(InputError, match="run holds earlier results; give --force to replace"):
        check_replaced(folder, False)
    check_replaced(folder, True)
    write(folder, "second")
    assert {path.name for path in folder.iterdir()} == {"run.json", "recording.json", "letter.txt"}
    assert (folder / "recording.json").read_text() == "second"
    with pytest.raises(InputError, match=r"letter.txt is there already; give --force"):
        check_replaced(folder / "letter.txt", False)
    with pytest.raises(RuntimeError), staged(folder) as part:
        (part / "run.json").write_text("half")
        raise RuntimeError
    assert (folder / "recording.json").read_text() == "second"


def test_a_report_finds_an_audit_beside_its_run(tmp_path):
    from bionet.commands.report import _audited

    run = {"network_hash": "a", "coding": "analog", "arguments": {"data": "digits"}}
    for name, told in (("run", run), ("audit", run), ("other", {**run, "network_hash": "b"})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(told))
    (tmp_path / "other" / "audit.json").write_text("{}")
    assert _audited(tmp_path / "run", run) is None
    (tmp_path / "audit" / "audit.json").write_text("{}")
    assert _audited(tmp_path / "run", run).name == "audit"
    (tmp_path / "run" / "audit.json").write_text("{}")
    assert _audited(tmp_path / "run", run).name == "run"


def test_a_log_file_gets_a_line_every_half_minute(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("bionet.progress.time.monotonic", lambda: now[0])
    log = Log(True, "images")
    log.begin("simulating", 100)
    for second in range(61):
        now[0] = float(second)
        log.update(second)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "simulating: 30 of 100 images, 1.0 images/s, 70 s left",
        "simulating: 60 of 100 images, 1.0 images/s, 40 s left",
    ]
    silent = Log(False, "images")
    silent.say("nothing")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    Log(True, "images").say("a bar is drawn there")
    assert capsys.readouterr().err == ""


@pytest.fixture(scope="module")
def run(tiny, tiny_images):
    return bionet.simulate(
        tiny, tiny_images, 6 * ms, device="numpy", record={"conv": ["spikes"]}, seed=4
    )


def test_a_recording_prints_three_lines(run):
    lines = str(run).splitlines()
    assert len(lines) == 3 and repr(run) == str(run)
    assert "5 images, 6 steps of 1 ms" in lines[0] and "seed 4" in lines[0]
    assert f"conv {run.counts['conv'].sum() / 5:,.5g}" in lines[1]
    assert "recorded: spikes of conv for 5 images" in lines[2]


def test_notebooks_get_tables_with_escaped_texts(tiny, run, tmp_path):
    hostile = "<script>alert(1)</script>"
    evil = dataclasses.replace(tiny, method=hostile)
    of_it = dataclasses.replace(run, parameters={**run.parameters, "method": hostile})
    for shown in (evil, of_it):
        html = shown._repr_html_()
        assert "<table>" in html and "conv" in html
        assert "<script" not in html and "&lt;script&gt;" in html
    study = bionet.study.load("precision")
    assert "<table>" in study._repr_html_() and str(study).startswith("Study precision: ")
    named = dataclasses.replace(study, description=hostile)
    assert "<script" not in named._repr_html_()


def test_an_audit_is_a_table_too(run):
    audit = bionet.Audit((), 5, 6)
    assert "no bad layer" in audit._repr_html_() and "<table>" in audit._repr_html_()
