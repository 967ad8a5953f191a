"""Every Python block and every command of the README and of docs/ runs as printed."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from bionet import cli

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "tutorials").glob("*.py")),
]
FENCED = re.compile(r"```(python|sh)\n(.*?)```", re.S)
CONTINUED = ("plasticity", "first_network", "biophysical_neurons", "robustness_study")
"""Pages whose blocks belong together: they run as a whole."""


def text_of(page):
    """A page in Markdown; the cells of a tutorial become its blocks."""
    if page.suffix == ".md":
        return page.read_text()
    _, *cells = re.split(r"^# %%(.*)\n", page.read_text(), flags=re.M)
    return "\n".join(
        re.sub(r"^# ?", "", cell, flags=re.M)
        if head.strip() == "[markdown]"
        else f"```python\n{cell.strip()}\n```\n"
        for head, cell in zip(cells[::2], cells[1::2], strict=True)
    )


BLOCKS = [
    pytest.param(
        block,
        id=f"{page.stem}-{number}",
        marks=[pytest.mark.slow] if "elephant" in block else [],  # seconds to import
    )
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text_of(page), re.S))
    if page.stem not in CONTINUED and not block.startswith("# continues")
]
FULL_DATA = "full data"  # in the comment of a command that needs files which are not everywhere


def commands(block):
    """Each command of a block of shell lines: its words, and whether it needs full data sets."""
    for line in block.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words, FULL_DATA in line.partition("#")[2]


COMMANDS = [
    pytest.param(words[1:], id=f"{page.stem}-{' '.join(words[1:])}")
    for page in PAGES
    for language, block in FENCED.findall(text_of(page))
    if language == "sh"
    for words, _ in commands(block)
    if words[0] == "bionet"
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder; Brian2's settings and the figures are put back afterwards."""
    import brian2
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    target = brian2.prefs.codegen.target
    yield tmp_path
    brian2.prefs.codegen.target = target
    plt.close("all")


def run_python(block, names):
    exec(compile(block, "documentation", "exec"), names)


def run_command(words):
    if words[0] == "bionet":
        assert cli.main(words[1:]) == 0, words
    elif words[0] == "python":
        subprocess.run([sys.executable, *words[1:]], check=True, timeout=300)
    else:
        assert words[0] == "make", f"{words} is run by no test"


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs(block, here):
    run_python(block, {"__name__": "__main__"})


def test_local_links_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\((?!http)([^)#]+)", text_of(page)):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_command_is_understood(arguments):
    name, *rest = arguments
    command = typer.main.get_command(cli.app).commands[name]
    command.make_context(name, rest)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [p for p in PAGES if "```sh" in text_of(p) or p.suffix == ".py"], ids=lambda p: p.stem
)
def test_a_page_runs_from_top_to_bottom(page, here):
    """All blocks in one namespace; a block that begins with ``# NAME.py`` is that file too."""
    names = {"__name__": "__main__"}
    for language, block in FENCED.findall(text_of(page)):
        if language == "python":
            if file := re.match(r"# (\w+\.py)\n", block):
                (here / file[1]).write_text(block)
            run_python(block, names)
        else:
            for words, needs_full_data in commands(block):
                if not needs_full_data:
                    run_command(words)
