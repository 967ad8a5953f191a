"""Reproductions: what they compare, how they say it, what they refuse."""

import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import bionet
from bionet import cli
from bionet.errors import InputError
from bionet.reproduce import (
    ITEMS,
    Item,
    Result,
    Row,
    Settings,
    augmented,
    branched,
    close_decisions,
    items_of,
    markdown,
    rate,
    tdsnn,
    threshold,
)
from bionet.reproduce.item import accuracy
from bionet.results.curves import Curves
from bionet.results.metrics import wilson_interval
from bionet.zoo.topologies import layers


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
    assert [item.name for item in items_of("rate")] == [
        "fig2a",
        "fig2b",
        "fast",
        "fast-mnist",
        "mnist",
    ]
    assert items_of("dsnn", "fig8")[0].source == "Fig. 8"
    with pytest.raises(InputError, match="paper: expected one of dsnn, rate, .*got 'x'"):
        items_of("x")
    with pytest.raises(InputError, match="item of rate: expected one of fig2a, .*got 'fig9'"):
        items_of("rate", "fig9")


def test_settings_choose_the_number_of_images():
    assert Settings().number(100, 10) == 100
    assert Settings(quick=True).number(100, 10) == 10
    assert Settings(quick=True, images=7).number(100, 10) == 7


def test_missing_weights_are_named_with_the_command_that_trains_them():
    with pytest.raises(InputError, match="bionet train net5 --data cifar10"):
        Settings().network("net5", "cifar10")


def test_a_result_is_written_whole(tmp_path, monkeypatch):
    from bionet import reproduce

    rows = (accuracy("a", 47, 50, 95.0),)
    drawn = {"one": lambda: axes(1), "two": lambda: axes(2)}
    item = Item("rate", "fig2a", "t", "Fig. 2a", lambda settings: Result(rows, ("note",), drawn))
    monkeypatch.setattr(reproduce, "ITEMS", (item,))
    arguments = ["reproduce", "rate", "--quick", "--out", str(tmp_path)]
    found = CliRunner().invoke(cli.app, arguments)
    assert found.exit_code == 0, found.output
    told = json.loads((tmp_path / "rate-fig2a" / "result.json").read_text())
    assert told["command"] == "bionet reproduce rate fig2a --quick"
    assert told["rows"][0]["value"] == 94.0
    assert (tmp_path / "rate-fig2a" / "result.md").read_text() in found.output
    written = {path.name for path in (tmp_path / "rate-fig2a").iterdir()} - {"result.md"}
    kinds = ("png", "svg", "pdf")
    assert written == {"result.json", *(f"{n}.{k}" for n in ("one", "two") for k in kinds)}


def axes(n):
    ax = plt.figure().gca()
    ax.plot(range(n))
    return ax


def curves_of(n_images, n_steps=10):
    """Curves of a network that is right from step 4 on, with a spike a step."""
    steps = np.arange(1, n_steps + 1)
    predictions = np.tile(np.where(steps >= 4, 0, 1).astype(np.int16), (n_images, 1))
    zeros = np.zeros(n_images, int)
    similarity = np.tile(steps / n_steps, (n_images, 1)).astype(np.float32)
    return Curves(predictions, np.ones_like(predictions, np.int32), similarity, zeros, zeros)


def test_augmapping_gives_all_rows_and_six_figures(monkeypatch):
    asked = []

    def fake(snn, net, images, labels, steps, settings):
        asked.append((snn.method, snn.metadata["options"].get("bound"), steps))
        return curves_of(len(labels))

    data = np.zeros((5, 1, 28, 28), np.float32), np.zeros(5, int)
    monkeypatch.setattr(augmented, "_curves", fake)
    monkeypatch.setattr(Settings, "test", lambda self, name, n: data)
    monkeypatch.setattr(Settings, "calibration", lambda self, name, n: (data[0] + 0.5, data[1]))
    result = items_of("augmapping", "net1")[0].run(Settings())
    bounds = [("augmapping", bound, 10) for bound in augmented.BOUNDS]
    both = [("termapping", None, 800), ("augmapping", None, 100)]
    assert asked == [*both, ("augmapping", None, 100), *bounds]
    rows = {row.label: row for row in result.rows}
    assert rows["augmapping, steps at 0 % loss"].value == 4
    assert rows["augmapping, steps at 0 % loss"].paper == 46
    assert rows["augmapping, gain 4, steps at 0 % loss"].paper == 46
    assert rows["termapping, million events at 0 % loss"].value == pytest.approx(4e-6)
    assert rows["augmapping, steps at <1 % loss"].paper is None
    assert rows["augmapping, M = 8"].value == 100
    reduced = rows["steps of termapping over augmapping at <0.1 % loss"]
    assert (reduced.value, reduced.paper) == (1, 13.8)
    assert rows["events of termapping over augmapping at 0 % loss"].paper == 1.5
    assert list(result.figures) == [
        "error_over_steps", "error_over_events", "early_decision_steps", "early_decision_events",
        "similarity", "accuracy_against_bound",
    ]  # fmt: skip
    for draw in result.figures.values():
        assert draw().get_xlabel()
    plt.close("all")


def test_the_images_that_are_waited_for_have_small_margins(monkeypatch):
    answers = np.array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 0, 0]])
    assert np.array_equal(
        close_decisions.read_from(answers, np.zeros(4, int)), [3, 1, np.nan, 3], equal_nan=True
    )
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 4)).eval()
    images = torch.rand(60, 1, 4, 4).numpy()
    outputs = net(torch.from_numpy(images)).detach().numpy()
    labels = outputs.argmax(1)
    labels[::7] = (labels[::7] + 1) % 4
    monkeypatch.setitem(
        close_decisions.NETWORKS, "net4", ("mnist", 90.0, {"augmapping": (12, 0.1, 40)})
    )
    monkeypatch.setattr(Settings, "test", lambda self, name, n: (images[:n], labels[:n]))
    monkeypatch.setattr(Settings, "network", lambda self, *_: net)
    result = items_of("augmapping", "net4-waits")[0].run(Settings(device="numpy", images=40))
    table = result.tables["images"]
    ordered = np.sort(outputs, axis=1)
    margins = ordered[:, -1] - ordered[:, -2]
    assert table["margin"].tolist() == sorted(margins)[:40]
    assert table["right"].tolist() == (labels == outputs.argmax(1))[table["image"]].tolist()
    rows = {row.label: row.value for row in result.rows}
    other = table[table["differs_at_paper"]]
    assert len(other) > 0 and rows["largest margin among them, step 12"] == other["margin"].max()
    assert rows["answers other than the network's, step 40"] < len(other)
    waited = table[table["right"] & table["differs_at_paper"]]
    assert all(f"| {image} |" in result.text for image in waited["image"])


def test_augmapping_of_a_deep_network_needs_its_negative_spikes(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    net = layers("6c3-6c3-p2-12-3", 2, 4, slope=0.5).eval()
    images = torch.rand(30, 2, 4, 4, generator=generator).numpy()
    labels = net(torch.from_numpy(images)).argmax(1).numpy()
    methods = {"augmapping": (100, 93.9), augmented.NO_NEGATIVES: (100, 35.4)}
    short = augmented.Deep(94.13, methods | {"termapping": (600, 93.75)}, 35.55)
    monkeypatch.setitem(augmented.DEEP, "net5_small", short)
    monkeypatch.setattr(Settings, "test", lambda self, name, n: (images[:n], labels[:n]))
    monkeypatch.setattr(Settings, "calibration", lambda self, *_: (images, labels))
    monkeypatch.setattr(Settings, "network", lambda self, *_: net)
    result = items_of("augmapping", "net5_small")[0].run(Settings(device="numpy"))
    rows = {row.label: row for row in result.rows}
    assert rows["network"].value == 100
    assert rows["augmapping, 100 steps"].value > 90 and rows["termapping, 600 steps"].value > 90
    lost = rows["augmapping without negative spikes, 100 steps"]
    assert lost.value < 80 and lost.paper == 35.4
    assert rows["network without negative activations"].value == pytest.approx(lost.value, abs=10)
    assert net[1].negative_slope == 0.5
    own, child = (
        float(x) for x in re.findall(r"memory: ([\d.]+) .* process, ([\d.]+)", result.notes[-1])[0]
    )
    assert 0.05 < own < 50 and 0 <= child < 50
    for draw in result.figures.values():
        assert draw().get_xlabel()
    plt.close("all")


def test_threshold_search_puts_every_class_beside_the_paper():
    table = pd.DataFrame(
        {"images": [4, 6, 10], "reference": [0.5, 1.0, 0.8], "accuracy": [0.25, 1.0, 0.7],
         "ratio": [0.5, 1.0, 0.875]},
        index=["bird", "cat", "all"],
    )  # fmt: skip
    rows = {row.label: row for row in threshold.class_rows(table, threshold.PAPER)}
    assert (rows["bird, network"].value, rows["bird, network"].paper) == (50.0, 71.7)
    assert (rows["cat, SNN"].value, rows["cat, SNN"].paper, rows["cat, SNN"].n) == (100, 65.8, 6)
    assert rows["all, SNN / network"].value == 87.5
    assert rows["all, SNN / network"].paper == round(100 * 78.8 / 80.39, 2)
    bare = {row.label: row for row in threshold.class_rows(table, {})}
    assert bare["all, SNN"].paper is None and bare["all, SNN / network"].paper is None


@pytest.mark.slow
def test_threshold_search_of_lenet5_runs(monkeypatch):
    def digits(self, data, n):
        found = bionet.datasets.load("digits", "test")
        return found.images[:n], found.labels[:n]

    monkeypatch.setattr(Settings, "test", digits)
    monkeypatch.setattr(Settings, "network", lambda self, *_: bionet.zoo.lenet5(weights="digits"))
    monkeypatch.setitem(threshold.NETWORKS, "lenet5", ("digits", 20, 20))
    result = items_of("threshold_search", "lenet5")[0].run(Settings(quick=True))
    rows = {row.label: row for row in result.rows}
    assert rows["all, SNN"].value > rows["all, flat thresholds of 0.1, floor 0, 100 steps"].value
    counted = rows["energy of an image, counted events"].value
    assert 742e-3 * counted == pytest.approx(rows["power at 742 images/s, counted events"].value)
    assert result.figures["confusion"]().get_xlabel()
    plt.close("all")


def test_few_steps_end_with_one_spike_and_any_qcfs_weights_there_are(tmp_path, monkeypatch):
    """Rungs beyond the paper: ttfs without loss, and QCFS weights by the name of their file."""

    def tiny():
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(100, 4)
        )

    torch.manual_seed(3)
    net, images = tiny().eval(), torch.rand(30, 1, 5, 5).numpy()
    labels = net(torch.from_numpy(images)).argmax(1).numpy()
    monkeypatch.setattr(Settings, "test", lambda self, name, n: (images[:n], labels[:n]))
    monkeypatch.setattr(Settings, "calibration", lambda self, name: (images, labels))
    monkeypatch.setattr(Settings, "network", lambda self, *_: net)
    entries = {"tiny": bionet.zoo.ZooEntry("tiny", tiny, (1, 5, 5), ())}
    monkeypatch.setattr(bionet.zoo, "ENTRIES", entries)
    monkeypatch.setattr(bionet.zoo.entries, "ENTRIES", entries)
    monkeypatch.setenv("BIONET_WEIGHTS", str(tmp_path))
    settings = Settings(device="numpy")
    rungs, notes = rate.quantised(settings, "mnist", images, labels, images)
    assert not rungs and "bionet train lenet5 --data mnist --activation qcfs" in notes[0]
    trained = bionet.conversion.quantised_network(net, 4, torch.from_numpy(images))
    header = {"activation": {"kind": "qcfs", "levels": 4}}
    bionet.train.save_weights(trained, tmp_path / "tiny-mnist-qcfs.safetensors", header)
    result = items_of("rate", "fast-mnist")[0].run(settings)
    rows = {row.label: row for row in result.rows}
    assert [row.value for name, row in rows.items() if name.startswith("ttfs")] == [100]
    assert "own answer on 30 of 30 images" in result.notes[1]
    exact = {r.label: r.value for r in items_of("ttfs", "lenet5-mnist")[0].run(settings).rows}
    assert exact["images with the network's own answer"] == 30
    assert exact["largest difference of a score"] < 1e-12 and exact["most spikes of a unit"] == 1
    own = trained(torch.from_numpy(images)).argmax(1).numpy() == labels
    assert rows["qcfs network (tiny)"].value == pytest.approx(100 * own.mean())
    assert rows["qcfs (tiny), 4 steps"].value > 80
    given = {"tiny-qcfs": tmp_path / "tiny-mnist-qcfs.safetensors"}
    monkeypatch.delenv("BIONET_WEIGHTS")
    assert settings.other_network("tiny", "mnist", "qcfs") is None
    again = Settings(weights=given).other_network("tiny", "mnist", "qcfs")
    assert isinstance(again[1], bionet.conversion.QCFS)


WAYS = ("rounded up", "to the nearest", "finer input", "trained with rounding")


@pytest.mark.slow
def test_tdsnn_of_a_deep_network_has_a_curve_for_every_way(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(36, 3),
    ).eval()  # fmt: skip
    images = torch.rand(20, 2, 6, 6, generator=generator).numpy()
    labels = net(torch.from_numpy(images)).argmax(1).numpy()
    monkeypatch.setattr(Settings, "test", lambda self, name, n: (images[:n], labels[:n]))
    monkeypatch.setattr(Settings, "calibration", lambda self, name, n: (images[:n], labels[:n]))
    monkeypatch.setattr(Settings, "network", lambda self, *_: net)
    monkeypatch.setattr(bionet.zoo, "load", lambda name, weights: net)
    for name in ("UP", "NEAREST", "FINER", "ROUNDED"):
        monkeypatch.setattr(tdsnn, name, getattr(tdsnn, name)._replace(leaks=(2, 10)))
    result = items_of("tdsnn", "deep")[0].run(Settings(device="numpy"))
    rows = {row.label: row for row in result.rows}
    assert rows["network"].value == 100
    assert rows["L = 2 steps, finer input"].value >= rows["L = 2 steps, rounded up"].value
    for way in WAYS:
        assert rows[f"L = 10 steps, {way}"].value >= 80
        saved = [rows[f"operations saved, L = {leak}, {way}"].value for leak in (2, 10)]
        assert saved[1] < saved[0] < 50
    above, below = result.figures["figure"]()
    assert tuple(line.get_label() for line in above.get_lines()[: len(WAYS)]) == WAYS
    assert len(below.get_lines()[2].get_xdata()) == 2
    plt.close("all")


def test_a_network_with_branches_is_compared_by_both_methods(monkeypatch):
    images = np.random.default_rng(0).random((5, 1, 28, 28), dtype=np.float32)
    labels = np.array([1, 2, 3, 4, 5])
    monkeypatch.setattr(Settings, "test", lambda self, data, n: (images[:n], labels[:n]))
    monkeypatch.setattr(Settings, "calibration", lambda self, data: (images, labels))
    network = branched.Branched("rows", "mnist", rate=8, augmapping=6)
    result = branched.converted(network)(Settings(images=4, device="numpy"))
    assert [row.label for row in result.rows] == [
        "network",
        "rate, 8 steps",
        "rate, 8 steps: loss",
        "augmapping, 6 steps",
        "augmapping, 6 steps: loss",
    ]
    network_right, *both = (row.value for row in result.rows)
    assert both[1] == network_right - both[0] and both[3] == network_right - both[2]
    assert all("the audit of 4 images" in note for note in result.notes[1:])
