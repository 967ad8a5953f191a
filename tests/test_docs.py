"""Every Python block of the README and of docs/ runs as printed."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.S))
]


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
