"""Every Python block and every command of the README and of docs/ runs as printed."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from bionet import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.S))
]
COMMANDS = {
    page.stem: [
        shlex.split(line, comments=True)[1:]
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S)
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("bionet ")
    ]
    for page in PAGES
}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs(block, tmp_path, monkeypatch):
    import brian2
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    target = brian2.prefs.codegen.target
    try:
        exec(compile(block, "documentation", "exec"), {"__name__": "documentation"})
    finally:
        brian2.prefs.codegen.target = target
        plt.close("all")


def test_local_links_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("arguments", sum(COMMANDS.values(), []), ids=" ".join)
def test_a_command_is_understood(arguments):
    name, *rest = arguments
    command = typer.main.get_command(cli.app).commands[name]
    command.make_context(name, rest)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in COMMANDS if COMMANDS[page]])
def test_the_commands_of_a_page_run_in_their_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in COMMANDS[page]:
        if "mnist" not in arguments:  # its files are not everywhere, and training takes minutes
            assert cli.main(arguments) == 0, arguments
