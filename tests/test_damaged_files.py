"""Tables, stimuli and measurements that are cut, swapped or empty, or in which a bit has flipped.

Each is refused in one line, or gives what it gave before.
"""

import random

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bionet import figures, study
from bionet.audits.table import Audit, LayerAudit
from bionet.commands.drawings import read_table
from bionet.commands.outputs import load_audit, save_audit
from bionet.errors import InputError
from bionet.files import read_npz
from bionet.firing import kept
from bionet.inputs.from_file import load_stimulus
from bionet.sources import load_images
from bionet.study.cells import read_cell, write_cell
from bionet.study.results import write_tables


def damages(raw, n):
    """The file cut off, with a flipped bit, with its parts in another order; other files."""
    draw = random.Random(5)
    for _ in range(n):
        kind = draw.choice(("cut", "flip", "flip", "swap"))
        first, second = sorted(draw.randrange(len(raw)) for _ in range(2))
        if kind == "flip":
            changed = bytearray(raw)
            changed[first] ^= 1 << draw.randrange(8)
            yield bytes(changed)
        else:
            yield raw[:first] if kind == "cut" else raw[second:] + raw[first:second] + raw[:first]
    yield from (b"", b"\0" * 100, b"PK\x03\x04" + raw, b"\xff\xfe<html>")


def outcomes(path, read, n):
    """How often reading a damaged file was refused, and what came where it was not."""
    raw, refused, results = path.read_bytes(), 0, []
    for changed in damages(raw, n):
        path.write_bytes(changed)
        try:
            results.append(read(path))
        except InputError as error:
            assert "\n" not in str(error), error
            refused += 1
    path.write_bytes(raw)
    return refused, results


@pytest.fixture
def table():
    axes = [(network, level, seed) for network in "ab" for level in (0.0, 0.1) for seed in (0, 1)]
    frame = pd.DataFrame(axes, columns=["network", "level", "seed"])
    return frame.assign(
        method="rate", coding="analog", perturbation="blur", unit="1", images=100, correct=90,
        accuracy=np.linspace(0.8, 0.9, len(axes)), latency_ms=3.0, spikes_per_image=20.0,
        synaptic_events_per_image=200.0,
    )  # fmt: skip


def test_a_damaged_table_of_a_study_is_refused_or_the_same(table, tmp_path):
    write_tables(table, tmp_path)
    refused, results = outcomes(tmp_path / "results.parquet", read_table, 80)
    assert refused > 50
    for result in results:
        pd.testing.assert_frame_equal(result, table, check_dtype=False)


def test_a_damaged_text_table_is_drawn_or_refused(table, tmp_path):
    def drawn(path):
        study.summary(read_table(path))
        figures.threshold_sweep(read_table(path).rename(columns={"level": "sigma"}))
        plt.close("all")

    table["level"] += 1
    table.to_csv(tmp_path / "a.csv", index=False)
    assert outcomes(tmp_path / "a.csv", drawn, 60)[0] > 10


@pytest.mark.parametrize(
    ("draw", "column"),
    [
        (study.summary, "accuracy"),
        (study.summary, "latency_ms"),
        (figures.accuracy_against_perturbation, "level"),
        (figures.accuracy_against_perturbation, "correct"),
        (figures.threshold_sweep, "n_images"),
        (figures.realism_ladder, "accuracy"),
        (figures.compared_codes, "operations"),
    ],
)
@pytest.mark.parametrize("value", ["0x9", True])
def test_a_column_without_numbers_is_named(table, draw, column, value):
    table["code"], table["sigma"], table["rung"] = table["network"], 1.0, "a"
    table["low"] = table["high"] = table["accuracy"]
    table["n_images"], table["operations"] = table["images"], 5.0
    table[column] = value
    message = f"the table's column '{column}' must hold numbers, but row 0 holds '{value}'"
    with pytest.raises(InputError, match=message):
        draw(table)


def test_a_number_of_images_that_is_none_is_named(table):
    for name, draw in (
        ("images", study.summary),
        ("n_images", figures.threshold_sweep),
        ("n_images", figures.realism_ladder),
        ("n_images", figures.accuracy_against_perturbation),
    ):
        changed = table.assign(sigma=1.0, rung="a", **{name: [np.nan, *[100] * 7]})
        message = f"the table's column '{name}' must hold whole numbers, but row 0 holds nan"
        with pytest.raises(InputError, match=message):
            draw(changed)


STIMULI = {
    "frames": {"frames": np.ones((2, 3, 1, 4, 4)), "frame_ms": 5.0, "labels": np.array([0, 1])},
    "events": {
        "t_ms": np.arange(20) / 2, "x": np.arange(20) % 4, "y": np.arange(20) % 3,
        "p": np.arange(20) % 2, "image": np.repeat([0, 1], 10), "n_images": 3,
    },
    "spikes": {
        "t_ms": np.arange(20) / 2, "i": np.arange(20) % 4, "size": np.ones(20),
        "image": np.repeat([0, 1], 10), "n_images": 3,
    },
    "images": {"images": np.ones((6, 1, 4, 4), np.float32), "labels": np.arange(6) % 3},
}  # fmt: skip


def read_images(path):
    images = load_images(str(path), "test", None)
    return images.images, images.labels


def plain(value):
    """What compares equal where two results are the same, bit by bit."""
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return tuple((k, plain(v)) for k, v in vars(value).items()) if hasattr(value, "kind") else value


@pytest.mark.parametrize("name", STIMULI)
def test_damaged_images_and_stimuli_are_refused_or_the_same(name, tmp_path):
    read = read_images if name == "images" else load_stimulus
    np.savez(tmp_path / "a.npz", **STIMULI[name])
    wanted = plain(read(tmp_path / "a.npz"))
    refused, results = outcomes(tmp_path / "a.npz", read, 60)
    assert refused > 40 and all(plain(result) == wanted for result in results)


OTHERS = {
    "text": np.array("text"), "texts": np.array(["a", "b"]), "nothing": np.zeros(0),
    "cube": np.zeros((2, 2, 2)), "NaN": np.array(np.nan), "NaNs": np.full(20, np.nan),
    "huge": np.full(20, 1e300), "one": np.array(1e300), "complex": np.array(1 + 2j),
    "infinite": np.full(20, np.inf), "days": np.array("2001-01-01", dtype="M8[D]"),
    "records": np.zeros(20, dtype=[("a", "f4")]), "large": np.full(20, 2**62),
    "minus": np.array(-1),
}  # fmt: skip


@pytest.mark.parametrize("name", STIMULI)
def test_arrays_of_another_kind_are_refused_or_right(name, tmp_path):
    read = read_images if name == "images" else load_stimulus
    for key in STIMULI[name]:
        for kind, other in OTHERS.items():
            np.savez(tmp_path / "a.npz", **{**STIMULI[name], key: other})
            try:
                read(tmp_path / "a.npz")
            except InputError as error:
                assert "\n" not in str(error)
            else:  # finite numbers of a fitting shape; the network's own shape comes later
                fits = {"huge", "large"} if key in ("t_ms", "size") else set()
                fits |= {"one"} if key == "frame_ms" else {"nothing"} if key == "labels" else set()
                fits |= {"cube"} if key == "frames" else {"NaNs"} if key == "p" else set()
                assert kind in fits, (key, kind)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"lables": np.array([0, 1])}, "'lables' belongs to no stimulus; did you mean 'labels'"),
        ({"frame_ms": np.array("5")}, "frame_ms must hold numbers, but is <U1"),
        ({"frame_ms": np.ones(2)}, r"frame_ms must be one number, but is \[1.0, 1.0\]"),
        ({"n_images": np.array(1.5)}, "n_images must be one whole number, but is 1.5"),
        ({"frames": np.array(3.0)}, "movies must be an array"),
    ],
)
def test_what_is_wrong_with_a_stimulus_is_said(arrays, message, tmp_path):
    np.savez(tmp_path / "a.npz", **{**STIMULI["frames"], **arrays})
    with pytest.raises(InputError, match=message):
        load_stimulus(tmp_path / "a.npz")


def test_numbers_of_units_and_images_have_a_bound(tmp_path):
    for change, message in (
        ({"i": np.full(20, 2**40)}, "i must be at most 2147483647, but one is 1099511627776"),
        ({"n_images": 2**40}, "n_images must be at most 2147483647"),
    ):
        np.savez(tmp_path / "a.npz", **{**STIMULI["spikes"], **change})
        with pytest.raises(InputError, match=message):
            load_stimulus(tmp_path / "a.npz")


def test_an_archive_whose_directory_passes_over_a_file_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.ones(3), b=np.ones(3))
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    first = raw.index(b"PK\1\2")
    # A comment as long as the second entry takes it in.
    raw[first + 32] = len(raw) - 22 - raw.rindex(b"PK\1\2")
    (tmp_path / "a.npz").write_bytes(raw)
    with pytest.raises(InputError, match="its directory lists 1 of 2 files"):
        read_npz(tmp_path / "a.npz")


def test_a_damaged_measurement_is_measured_again(tmp_path, monkeypatch):
    monkeypatch.setenv("BIONET_CACHE", str(tmp_path))
    times = iter(range(1000))

    def measured(name):
        values = {"rates": np.arange(50.0) + len(name), "number": next(times)}
        return kept.kept_on_disk({"name": name}, lambda: values)

    first, _ = measured("one"), measured("other")
    assert measured("one")["number"] == first["number"]
    one, other = sorted(kept.measurements_folder().glob("*.npz"), key=lambda p: p.stat().st_mtime)

    def read(path):
        return measured("one")

    _, results = outcomes(one, read, 40)
    assert all((result["rates"] == first["rates"]).all() for result in results)
    one.write_bytes(other.read_bytes())
    assert (measured("one")["rates"] == first["rates"]).all()


def test_a_measurement_that_cannot_be_kept_is_given_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BIONET_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="what was measured is not kept .*set BIONET_CACHE"):
        assert kept.kept_on_disk({}, lambda: {"a": 3})["a"] == 3


def test_a_cell_of_another_name_is_seen(tmp_path):
    row = {"network": "x", "method": "rate", "coding": "analog", "perturbation": "blur",
           "level": 0.5, "unit": "1", "seed": 0, "images": 4, "correct": 2, "accuracy": 0.5,
           "latency_ms": 1.0, "spikes_per_image": 2.0, "synaptic_events_per_image": 3.0,
           "steps": 5, "run_seconds": 1.0}  # fmt: skip
    write_cell(tmp_path, "a", row)
    assert read_cell(tmp_path, "a") == row
    (tmp_path / "cells" / "a.json").rename(tmp_path / "cells" / "b.json")
    with pytest.raises(InputError, match="b.json is damaged: it is the file of another cell"):
        read_cell(tmp_path, "b")


def test_samples_of_another_audit_are_seen(tmp_path):
    values = dict.fromkeys(("saturated", "silent", "dead", "mean_error", "max_error"), 0.1)
    row = LayerAudit(
        population="a", n_units=2, decoded="rate", correlation=float("nan"), residual=None,
        mismatch=None, errors={"silence": 0.1}, cause="none", bad=False, **values,
    )  # fmt: skip
    pairs = {"a": np.ones((2, 5), np.float32)}
    for name, images in (("one", 4), ("two", 5)):
        save_audit(tmp_path / name, Audit((row,), images, 50, pairs, ()))
    assert load_audit(tmp_path / "one").n_images == 4
    (tmp_path / "one" / "audit.safetensors").replace(tmp_path / "two" / "audit.safetensors")
    with pytest.raises(InputError, match="is that of another audit; audit again"):
        load_audit(tmp_path / "two")
