"""Studies watched, ended and extended from outside."""

import dataclasses
import os
import shutil

import pytest
from filelock import FileLock

from bionet import cli, study
from bionet.errors import BioNetError, InputError
from bionet.study.cells import check_folder
from bionet.study.materials import gather
from bionet.study.watching import CANCEL, LOCK


@pytest.fixture
def copied(whole, there, tmp_path):
    """The tiny study's results, to change."""
    shutil.copytree(there / "whole", tmp_path / "study")
    return tmp_path / "study"


def cells(chosen):
    return chosen, gather(chosen).cells


def cell_files(folder):
    return sorted((folder / "cells").glob("*.json"))


def test_status_counts_cells_and_their_rate(copied, capsys):
    paths = cell_files(copied)
    for path in paths[20:]:
        path.unlink()
    for number, path in enumerate(paths[:20]):
        os.utime(path, (1000 + 6 * number,) * 2)  # one every 6 s
    state = study.status(copied)
    assert (state.name, state.cells, state.finished, state.running) == ("tiny", 24, 20, False)
    assert state.per_minute == pytest.approx(10) and state.minutes_left is None
    assert str(state) == "tiny: 20 of 24 cells, not running"
    with FileLock(copied / LOCK):
        state = study.status(copied)
    assert state.running and state.minutes_left == pytest.approx(0.4)
    assert "20 of 24 cells, running, 10.0 cells a minute" in str(state)
    assert cli.main(["study", "status", str(copied), "--watch"]) == 0
    assert "20 of 24" in capsys.readouterr().out


def test_a_cancelled_study_keeps_its_cells_and_goes_on(whole, there, copied, monkeypatch):
    for path in cell_files(copied)[:6]:
        path.unlink()
    from bionet.study import running, worker

    def last(folder, task):
        if len(cell_files(copied)) == 19:
            study.cancel(folder)
        return worker.run_cell(folder, task)

    monkeypatch.setattr(running, "run_cell", last)
    with pytest.raises(BioNetError, match="was cancelled; what is finished is kept"):
        study.run("tiny.toml", copied, jobs=1)
    assert 20 <= len(cell_files(copied)) < 24
    assert not (copied / CANCEL).exists()
    monkeypatch.setattr(running, "run_cell", worker.run_cell)
    assert (study.run("tiny.toml", copied, jobs=1).correct == whole.correct).all()


def test_an_extended_study_simulates_what_is_new(whole, there, copied):
    before = {path.name: path.stat().st_mtime_ns for path in cell_files(copied)}
    tiny = study.load("tiny.toml")
    noise = {**tiny.perturbations[0], "levels": [0.0, 0.1, 0.3]}
    more = dataclasses.replace(tiny, perturbations=(noise, *tiny.perturbations[1:]))
    with pytest.raises(InputError, match="differs in 'perturbations'; .*the new ones: --extend"):
        study.run(more, copied, jobs=1)
    table = study.run(more, copied, jobs=1, extend=True)
    assert len(table) == 3 * 5 * 2
    after = {path.name: path.stat().st_mtime_ns for path in cell_files(copied)}
    assert {name: after[name] for name in before} == before
    old = table[table.level != 0.1].reset_index(drop=True)
    assert (old.correct == whole.correct).all() and (old.cell == whole.cell).all()
    assert study.status(copied).cells == len(table)
    with pytest.raises(InputError, match="an extended study keeps every cell"):
        study.run(tiny, copied, jobs=1, extend=True)
    check_folder(copied, *cells(dataclasses.replace(more, seeds=(9, 3, 0))), extend=True)
    _, dsnn = more.methods
    for axis, entries in (
        ("methods", (*more.methods, {**more.methods[0], "label": "second"})),
        ("methods", ({**more.methods[0], "codings": ["uniform", "analog", "poisson"]}, dsnn)),
        ("networks", (*more.networks, {**more.networks[0], "input_shape": [1, 4, 4]})),
    ):
        grown = dataclasses.replace(more, **{axis: entries})
        check_folder(copied, *cells(grown), extend=True)
    images = dataclasses.replace(more, images=(*more.images, 9))
    with pytest.raises(InputError, match="differs in 'images'; .*only adds cells"):
        check_folder(copied, *cells(images), extend=True)


def test_refusals(copied, tmp_path, capsys):
    with pytest.raises(InputError, match="holds no study"):
        study.status(tmp_path)
    with pytest.raises(InputError, match="nothing to cancel"):
        study.cancel(copied)
    assert cli.main(["study", "status"]) == 2
    assert "status needs the folder of a study" in capsys.readouterr().err
    assert cli.main(["study", "tiny.toml", str(copied)]) == 2
    assert "only status and cancel take a folder" in capsys.readouterr().err
