"""The comparison of all codes and the ladder of realism: rows, resumption, tables, figures."""

import importlib
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bionet
from bionet import cli, figures
from bionet.errors import InputError
from bionet.reproduce import codes, realism
from bionet.reproduce.codes import ComparedCode
from bionet.reproduce.parts import Parts
from bionet.reproduce.realism import RUNGS, Rung, built
from bionet.results.metrics import synaptic_events, wilson_interval


def test_a_part_is_computed_once_and_belongs_to_all_that_determines_it(tmp_path):
    asked = []

    def compute():
        asked.append(1)
        return {"x": 1.5}

    parts = Parts(tmp_path, {"seed": 0})
    assert parts.get({"a": 1}, compute) == parts.get({"a": 1}, compute) == {"x": 1.5}
    assert len(asked) == 1
    Parts(tmp_path, {"seed": 1}).get({"a": 1}, compute)
    parts.get({"a": 2}, compute)
    assert len(asked) == 3
    Parts(None, {}).get({"a": 1}, compute)
    assert len(list(tmp_path.iterdir())) == 3
    parts.path({"a": 1}).write_text("{")
    with pytest.raises(InputError, match="is damaged .* remove it and run again"):
        parts.get({"a": 1}, compute)


def test_every_code_has_a_method_and_every_perturbation_a_name():
    assert len({code.name for code in codes.CODES}) == len(codes.CODES)
    for name, levels in codes.PERTURBATIONS.items():
        assert [bionet.perturbations.find(name).of(level).number for level in levels] == list(
            levels
        )


def test_the_comparison_counts_refuses_and_goes_on(tmp_path, monkeypatch):
    """Two codes and one that is not there; what a code cannot have is a gap with its cause."""
    chosen = (
        ComparedCode("rate, fast", "rate", {"preset": "fast", "steps": 3}),
        ComparedCode("ttfs", "ttfs", {"dtype": "float32"}),
        ComparedCode("none such", "no_such_method"),
        ComparedCode("of no biases", "dsnn", {"fold": True, "sigma": 1.0, "tau": 1.0}),
    )
    monkeypatch.setattr(codes, "CODES", chosen)
    monkeypatch.setattr(codes, "CALIBRATION", 20)
    monkeypatch.setattr(importlib.import_module("bionet.figures.saving"), "FORMATS", {".png": {}})
    monkeypatch.setattr(codes, "PERTURBATIONS", {"synaptic_failure": (0.3,)})
    line = ["reproduce", "codes", "lenet5-digits", "--images", "4", "--device", "numpy"]
    line += ["--no-progress", "--out", str(tmp_path)]
    found = CliRunner().invoke(cli.app, line)
    assert found.exit_code == 0, found.output
    home = tmp_path / "codes-lenet5-digits"
    table = pd.read_csv(home / "codes.csv")
    assert list(table["code"]) == ["rate, fast"] * 2 + ["ttfs"] * 2 + ["of no biases"] * 2
    text = (home / "result.md").read_text()
    assert "none such: no method of this name is installed" in text
    assert "ttfs, synaptic_failure: " in text
    assert text.count("\n- of no biases: ") == 1 and "| of no biases | - |" in text
    assert np.isnan(table["accuracy"].iloc[3])

    net, test = bionet.zoo.load("lenet5", "digits"), bionet.datasets.load("digits", "test")
    train = bionet.datasets.load("digits", "train").images
    calibration = train[np.random.default_rng(0).permutation(len(train))[:20]]
    snn = bionet.convert(net, "rate", calibration, preset="fast", steps=3)
    run = bionet.simulate(snn, test.images[:4], device="numpy", seed=0)
    plain = table.iloc[0]
    assert plain["correct"] == (run.predictions() == test.labels[:4]).sum()
    assert (plain["low"], plain["high"]) == pytest.approx(wilson_interval(plain["accuracy"], 4))
    events = sum(e.mean() for e in synaptic_events(snn, run).values())
    assert plain["operations"] == pytest.approx(events)

    monkeypatch.setattr(codes, "row", lambda *given: pytest.fail("nothing was left to simulate"))
    assert CliRunner().invoke(cli.app, line).exit_code == 0
    assert (home / "figure.png").stat().st_size > 1000


def test_a_rung_keeps_what_lies_below_it_until_another_neuron_begins():
    rungs = built()
    names = [rung.name for rung in RUNGS]
    physical = names.index("physical neuron")
    kinds = [type(p).__name__ for p in rungs[physical - 1].perturbations]
    assert kinds == ["MembraneLeak", "RefractoryPeriod", "SynapticFilter", "TransmissionDelay"]
    assert rungs[physical - 1].simulation["coding"] == "poisson"
    assert (rungs[physical].neuron, rungs[physical].perturbations) == ("lif", ())
    last = rungs[-1]
    assert last.neuron == "adex" and set(last.conversion) == {"dale", "synapse", "delay_spread"}
    assert len(last.perturbations) == 6


def test_the_ladder_is_climbed_once(tmp_path, monkeypatch):
    two = (Rung("integrate-and-fire", "rates", begins=True), RUNGS[1])
    monkeypatch.setattr(realism, "RUNGS", two)
    monkeypatch.setattr(realism, "CALIBRATION", 20)
    monkeypatch.setattr(realism, "DURATION", 10 * realism.ms)
    monkeypatch.setattr(importlib.import_module("bionet.figures.saving"), "FORMATS", {".png": {}})
    line = ["study", "realism", "--images", "3", "--no-progress", "--out", str(tmp_path / "x")]
    simulate = realism.Settings.simulate
    monkeypatch.setattr(
        realism.Settings,
        "simulate",
        lambda self, *given, **options: simulate(self, *given, device="numpy", **options),
    )
    found = CliRunner().invoke(cli.app, line)
    assert found.exit_code == 0, found.output
    table = pd.read_csv(tmp_path / "x" / "ladder.csv")
    assert list(table["rung"]) == ["integrate-and-fire", "leak"]
    assert table["rate_hz"].iloc[1] < table["rate_hz"].iloc[0]
    assert "| 2. leak | membranes decay at 10 Hz |" in found.output
    told = json.loads((tmp_path / "x" / "result.json").read_text())
    assert told["command"] == "bionet study realism --data digits --images 3"
    monkeypatch.setattr(realism, "row", lambda *given: pytest.fail("nothing was left to simulate"))
    assert CliRunner().invoke(cli.app, line).exit_code == 0
    dry = CliRunner().invoke(cli.app, ["study", "realism", "--dry-run"])
    assert "2. leak" in dry.output and dry.exit_code == 0


def test_images_belong_to_the_ladder(capsys):
    assert cli.main(["study", "precision", "--images", "3"]) == 2
    assert "--images belongs to the study realism" in capsys.readouterr().err


def test_the_figures_show_the_tables():
    table = pd.DataFrame(
        {
            "code": ["a", "b", "a", "b"],
            "perturbation": ["none", "none", "dead_units", "dead_units"],
            "level": [0, 0, 0.2, 0.2],
            "accuracy": [0.9, 0.8, 0.7, np.nan],
            "low": [0.8, 0.7, 0.6, np.nan],
            "high": [0.95, 0.9, 0.8, np.nan],
            "operations": [1e6, 2e6, 1e6, np.nan],
        }
    )
    cost, robustness = figures.compared_codes(table)
    assert [c.lines[0].get_xydata()[0].tolist() for c in cost.containers] == [[1, 90], [2, 80]]
    assert [c.lines[0].get_ydata()[0] for c in robustness.containers] == [70]
    with pytest.raises(InputError, match="no column 'operations'"):
        figures.compared_codes(table.drop(columns="operations"))
    with pytest.raises(InputError, match="no undisturbed row"):
        figures.compared_codes(table[table["perturbation"] != "none"])

    (ax,) = figures.realism_spikes({"x": [[3, 1.5], [4, 2.0]]}, 10)
    assert ax.lines[0].get_xydata().tolist() == [[1.5, 3], [2.0, 4]]
    with pytest.raises(InputError, match="no rungs whose spikes"):
        figures.realism_spikes({}, 10)
    plt.close("all")
