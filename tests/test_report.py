"""What commands write, apart from the commands."""

from pathlib import Path

import pytest

from bionet.commands.outputs import staged
from bionet.results.run_json import describe
from bionet.running import compiled_program as program
from bionet.running import program_cache as cache


def test_info_names_the_cache_that_simulations_use(monkeypatch, tmp_path):
    assert cache.cache_folder() == program.cache_folder()
    monkeypatch.setenv("BIONET_CACHE", str(tmp_path))
    assert cache.cache_folder() == program.cache_folder() == tmp_path
    (tmp_path / "a").mkdir()
    (tmp_path / "a/manifest.json").write_text("{}")
    assert cache.cache_size() == (1, 2)


def test_staged_files_appear_together(tmp_path):
    with pytest.raises(RuntimeError), staged(tmp_path / "run") as folder:
        (folder / "half").touch()
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with staged(tmp_path / "run") as folder:
        (folder / "whole").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "whole"]


def test_run_json_has_no_nan():
    found = describe("demo", {"out": Path("x"), "seed": 1}, accuracy_snn=float("nan"))
    assert found["accuracy_snn"] is None and found["arguments"]["out"] == "x"
    assert found["seed"] == 1 and found["steps"] is None
