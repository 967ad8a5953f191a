"""Figures 2 to 7 of the paper from the curves that benchmarks/augmapping.py has kept.

    python benchmarks/augmapping_figures.py augmapping=runs/augmapping/net1-...-100 \
        termapping=runs/augmapping/net1-...-1000 --bound 1=FOLDER --bound 8=FOLDER --out figures

Every argument names a folder of parts. The accuracy against the bound is that after the last step,
relative to the first run named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bionet import figures
from bionet.curves import Curves, join


def load(folder: str) -> Curves:
    """All parts of a run, in the order of the images."""
    parts = sorted(Path(folder).glob("*.safetensors"), key=lambda p: int(p.name.split("-")[0]))
    return join([Curves.load(part) for part in parts])


def main() -> None:
    """Read the command line, draw, and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--bound", action="append", default=[], metavar="M=FOLDER")
    parser.add_argument("--out", type=Path, default=Path("runs/augmapping"))
    options = parser.parse_args()
    runs = {name: load(folder) for name, _, folder in (r.partition("=") for r in options.runs)}
    drawn = {
        "error_over_steps": figures.error_over_steps(runs),
        "error_over_events": figures.error_over_events(runs),
        "early_decision_steps": figures.early_decision(runs, "steps"),
        "early_decision_events": figures.early_decision(runs, "events"),
        "similarity": figures.similarity(runs),
    }
    bounds = {int(m): load(folder) for m, _, folder in (b.partition("=") for b in options.bound)}
    if bounds:
        name, reference = next(iter(runs.items()))
        values = sorted(bounds)
        whole = float(reference.accuracy()[-1])
        relative = [float(bounds[m].accuracy()[-1]) / whole for m in values]
        drawn["accuracy_against_bound"] = figures.accuracy_against(values, {name: relative})
    for name, ax in drawn.items():
        for file in figures.save(ax, options.out / f"{name}.png"):
            print(file)


if __name__ == "__main__":
    main()
