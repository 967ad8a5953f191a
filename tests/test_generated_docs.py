"""The generated parts of docs/ are what the code says now, and say everything."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from bionet import cli, conversion, docs, zoo
from bionet.docs.methods import SECTIONS
from bionet.docs.operations import operations_page
from bionet.errors import InputError

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def made():
    return docs.pages(DOCS, operations=False)


def test_committed_pages_are_up_to_date(made):
    for path, text in made.items():
        assert path.read_text() == text, f"{path.name} is out of date: run python -m bionet.docs"


@pytest.mark.slow
def test_the_table_of_operations_is_up_to_date():
    text = (DOCS / "operations.md").read_text()
    assert text == f"{docs.BEGIN}\n\n{operations_page()}", "run python -m bionet.docs"


def test_every_command_with_all_it_takes_is_in_the_reference(made):
    text = made[DOCS / "commands.md"]
    for name, command in typer.main.get_command(cli.app).commands.items():
        section = text.partition(f"## `bionet {name}`\n")[2].partition("\n## ")[0]
        for parameter in command.params:
            for flag in [*parameter.opts, *parameter.secondary_opts]:
                shown = flag if flag.startswith("-") else parameter.metavar or flag
                assert re.search(rf"[`{{\[ ]{shown}[`}}.,\s]", section), (name, flag)
            assert parameter.help.partition("  [")[0] in section
        assert f"* `{name}`: {command.help.splitlines()[0]}\n" in text
    for method in conversion.METHODS:
        assert f"\n### Options of method `{method}`\n" in text
    for code in cli.EXIT_CODES:
        assert f"| {code} | " in text


def test_every_network_and_all_shipped_weights_are_listed(made):
    text = made[DOCS / "networks.md"]
    for name in zoo.names():
        assert f"| `{name}` | " in text
        for data in zoo.entry(name).data:
            assert f"| `{name}`, `{data}` | " in text
    assert "| `lenet5` | 1 x 28 x 28 | 20c5-p2-50c5-p2-500-10 |" in text
    assert "| `net2`, `mnist` | 99.38 % | 0.1 MB | `bionet train net2 --data mnist" in text


def test_every_method_shows_its_own_equations(made):
    assert sorted(sum(SECTIONS.values(), ())) == sorted(conversion.METHODS)
    shown = {
        "rate": "v -= theta",
        "dsnn": "dv/dt = -v/tau + I/dt : 1",
        "tdsnn": "v >= theta and inhibition == 0",
        "biophysical": "dv/dt = (g_L*(E_L - v) + (I + I_syn))/C : volt",
        "phase": "s = 2**(-1 - step % period)",
        "burst": "o = clip(floor(v/theta), 0, most)",
        "ttfs": "delta = clip(v - theta, 0, dt/tau)",
        "augmapping": "o = floor(clip(v/theta_p, 0, inf))",
        "termapping": "o = int(v >= theta_p) - int(v <= theta_n)",
        "threshold_search": "v = clip(v, v_min, inf)",
    }
    for page, methods in SECTIONS.items():
        for method in methods:
            part = made[DOCS / page].partition(f"## The equations of `{method}`")[2]
            assert shown[method] in part.partition("\n## The equations")[0], method


def test_every_variable_has_a_unit_and_a_meaning(made):
    rows = [
        line
        for page in SECTIONS
        for line in made[DOCS / page].partition(docs.BEGIN)[2].splitlines()
        if line.startswith("| `")
    ]
    assert len(rows) > 50
    for row in rows:
        _, name, unit, value, meaning, _ = (cell.strip() for cell in row.split("|"))
        assert name and unit and value and meaning, row


def test_what_is_written_by_hand_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# By hand\n\nText.\n")
    once = docs._with_generated(docs._around(page), "first text\n")
    page.write_text(once + "\nMore by hand.\n")
    again = docs._with_generated(docs._around(page), "second text\n")
    assert again == once.replace("first", "second") + "\nMore by hand.\n"
    page.write_text(again)
    assert docs._with_generated(docs._around(page), "second text\n") == again


def test_a_missing_or_broken_page_is_one_line(tmp_path):
    with pytest.raises(InputError, match="there is no page .*page.md; run python -m bionet.docs"):
        docs._around(tmp_path / "page.md")
    (tmp_path / "page.md").write_text(f"text\n{docs.BEGIN}\n")
    with pytest.raises(InputError, match="needs both its first and its last line"):
        docs._around(tmp_path / "page.md")
    command = [sys.executable, "-m", "bionet.docs", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr.startswith("bionet.docs: there is no page")
