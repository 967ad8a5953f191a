"""Reproductions: what they compare, how they say it, what they refuse."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bionet import cli
from bionet.errors import InputError
from bionet.metrics import wilson_interval
from bionet.reproduce import ITEMS, Item, Result, Row, Settings, chosen, markdown
from bionet.reproduce.item import accuracy


def test_a_row_of_answers_is_a_share_with_its_interval():
    right = np.array([True] * 47 + [False] * 3)
    row = accuracy("network", right, paper=95.0)
    low, high = wilson_interval(0.94, 50)
    assert (row.value, row.n, row.paper) == (94.0, 50, 95.0)
    assert (row.low, row.high) == (100 * low, 100 * high)
    assert accuracy("network", 47, 50) == accuracy("network", right)


def test_the_table_shows_the_papers_value_and_the_difference():
    item = Item("rate", "x", "a title", "Fig. 1", lambda settings: Result(()))
    rows = (accuracy("a", 47, 50, 95.0), Row("steps", 46.0, 37.0, unit="", n=50))
    text = markdown(item, Result(rows, ("one note",)), "bionet reproduce rate x")
    assert "| a | 94.00 % | 83.78 to 97.94 | 95 % | -1.00 | 50 |" in text
    assert "| steps | 46 |  | 37 | +9 | 50 |" in text
    assert "## rate x: a title" in text and "`bionet reproduce rate x`" in text
    assert "- one note" in text


def test_items_are_chosen_by_paper_and_name():
    assert len({(item.paper, item.name) for item in ITEMS}) == len(ITEMS)
    assert [item.name for item in chosen("rate")] == ["fig2a", "fig2b", "mnist"]
    assert chosen("dsnn", "fig8")[0].source == "Fig. 8"
    with pytest.raises(InputError, match="paper: expected one of dsnn, rate, .*got 'x'"):
        chosen("x")
    with pytest.raises(InputError, match="item of rate: expected one of fig2a, .*got 'fig9'"):
        chosen("rate", "fig9")


def test_settings_choose_the_number_of_images():
    assert Settings().number(100, 10) == 100
    assert Settings(quick=True).number(100, 10) == 10
    assert Settings(quick=True, images=7).number(100, 10) == 7


def test_missing_weights_are_named_with_the_command_that_trains_them():
    with pytest.raises(InputError, match="bionet train rueckauer --data cifar10"):
        Settings().network("rueckauer", "cifar10")


def test_a_result_is_written_whole(tmp_path, monkeypatch):
    from bionet import reproduce

    rows = (accuracy("a", 47, 50, 95.0),)
    item = Item("rate", "fig2a", "t", "Fig. 2a", lambda settings: Result(rows, ("note",)))
    monkeypatch.setattr(reproduce, "ITEMS", (item,))
    arguments = ["reproduce", "rate", "--quick", "--out", str(tmp_path)]
    found = CliRunner().invoke(cli.app, arguments)
    assert found.exit_code == 0, found.output
    told = json.loads((tmp_path / "rate-fig2a" / "result.json").read_text())
    assert told["command"] == "bionet reproduce rate fig2a --quick"
    assert told["rows"][0]["value"] == 94.0
    assert (tmp_path / "rate-fig2a" / "result.md").read_text() in found.output
