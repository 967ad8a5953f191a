"""A file from outside executes nothing, and one that is damaged is refused in one line."""

import copy
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet import cli
from bionet.commands.outputs import load_audit, save_audit, save_labels
from bionet.errors import InputError
from bionet.files import read_tensors, write_tensors
from bionet.json_files import CHECKSUM, write_json
from bionet.results.description import read_description
from bionet.results.run_json import describe, measure, read_run, result_table, write_run
from bionet.study.cells import write_cell

HOSTILE = '"""\n__import__("pathlib").Path("ran").touch()\n"""<script>alert(1)</script>\\'
# What rich and matplotlib would take for markup and mathematics, and could not read.
HOSTILE += "[/red] $x_{$ %s {0}"


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A folder with a network's file and a recording."""
    folder = tmp_path_factory.mktemp("others")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    images = np.random.default_rng(0).random((4, 5), dtype=np.float32)
    snn = bionet.convert(net, "rate", images)
    snn.save(folder / "one.snn")
    run = bionet.simulate(snn, images, 5 * ms, device="numpy", record={"linear0": ["spikes"]})
    run.save(folder / "run")
    return folder


def damaged(raw, draw):
    """Bytes cut off, or with one bit that flipped."""
    if draw.random() < 0.3:
        return raw[: draw.randrange(len(raw))]
    changed = bytearray(raw)
    changed[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("file", ["one.snn", "run/recording.safetensors", "run/recording.json"])
def test_a_flipped_bit_or_a_cut_is_refused(there, tmp_path, file):
    for name in ("one.snn", "run/recording.safetensors", "run/recording.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((there / name).read_bytes())
    raw, draw = (there / file).read_bytes(), random.Random(3)
    for _ in range(60):
        (tmp_path / file).write_bytes(damaged(raw, draw))
        with pytest.raises(InputError):
            if file == "one.snn":
                bionet.SpikingNetwork.load(tmp_path / file)
            else:
                bionet.Recording.load(tmp_path / "run")


def test_hostile_texts_are_texts_in_prints_pages_and_scripts(there, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays, noted = read_tensors(there / "one.snn")
    plain = json.loads(noted["bionet"])
    plain |= {"method": HOSTILE, "metadata": {HOSTILE: HOSTILE}}
    for population in plain["populations"]:
        population["model"] |= {"name": HOSTILE, "source": HOSTILE}
    write_tensors("two.snn", arrays, {"bionet": json.dumps(plain)})
    snn = bionet.SpikingNetwork.load("two.snn")
    assert HOSTILE in str(snn) and "<script>" not in snn._repr_html_()
    images = np.zeros((1, 5), np.float32)
    script = bionet.eject(snn, "script.py", images, duration=5 * ms)
    compile(Path("script.py").read_text(), "script.py", "exec")
    assert "\n__import__" not in Path("script.py").read_text(), script
    run = bionet.simulate(snn, images, 5 * ms, device="numpy", record={"linear0": ["spikes"]})
    run.save("run")
    assert "<script>" not in run._repr_html_()
    assert cli.main(["report", "run"]) == 0
    assert "<script>alert(1)" not in Path("run/report.html").read_text()
    bionet.figures.save(bionet.figures.network_diagram(snn), "network.png")
    bionet.figures.save(bionet.figures.f_i_curve(snn.populations[0].model), "f_i.png")
    np.savez("x.npz", images=images, labels=np.zeros(1, int))
    for line in ("simulate two.snn --data x.npz --duration 5ms --device numpy --out again",
                 "info two.snn", "info again"):  # fmt: skip
        assert cli.main(line.split()) == 0, line
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("populations", 0, "name"), HOSTILE),
        (("populations", 0, "model", "name"), 3),
        (("populations", 0, "model", "equations"), 'v : __import__("os").system("touch ran")'),
        (("populations", 0, "model", "threshold"), '__import__("os").system("touch ran")'),
        (("populations", 0, "shape"), [10**9, 10**9]),
        (("projections", 0, "kernel"), "os:system"),
        (("readout", "default"), HOSTILE),
        (("coding",), "os:system"),
        (("input_shape",), [10**12]),
        (("readout",), None),
    ],
)
def test_what_is_no_network_is_refused(there, tmp_path, monkeypatch, where, value):
    monkeypatch.chdir(tmp_path)
    arrays, noted = read_tensors(there / "one.snn")
    plain = json.loads(noted["bionet"])
    part = plain
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    write_tensors("two.snn", arrays, {"bionet": json.dumps(plain)})
    with pytest.raises(InputError):
        bionet.SpikingNetwork.load("two.snn")
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("shapes", "linear0"), [-1], "the shape of 'linear0' must be a list of sizes"),
        (("shapes",), 3, "shapes must be a table"),
        (("parameters", "readout"), {}, "readout must be one of"),
        (("parameters", "dt_ms"), "1", "dt_ms must be a number > 0"),
        (("parameters", "thresholds"), {"linear0": "x"}, "threshold of 'linear0' must be a number"),
        (("parameters", "units"), {"linear0": [1]}, "unit of 'linear0' must be a variable"),
        (("order",), {"counts": 3}, "the order of counts must be a list"),
        (("final_values",), {}, "final_values must be a list"),
    ],
)
def test_every_part_of_a_recordings_description_is_checked(there, where, value, message):
    plain = json.loads((there / "run/recording.json").read_text())
    read_description(copy.deepcopy(plain))
    part = plain
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    with pytest.raises(InputError, match=message):
        read_description(plain)


def test_a_run_imports_the_code_it_names_with_trust_only(there, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("others_code.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    bionet.Recording.load(there / "run").save("run")
    arguments = {"network": "others_code:net", "weights": None, "data": "digits", "seed": 0}
    Path("run/run.json").write_text(json.dumps({"command": "simulate", "arguments": arguments}))
    assert cli.main(["report", "run"]) == 0
    assert "imported with --trust only" in capsys.readouterr().out
    assert not Path("ran").exists()
    cli.main(["report", "run", "--trust"])
    assert Path("ran").exists()


def test_a_network_with_a_coding_to_import_is_not_saved(there, tmp_path):
    from dataclasses import replace

    snn = replace(bionet.SpikingNetwork.load(there / "one.snn"), coding="mine:coding")
    with pytest.raises(InputError, match="cannot name the input coding 'mine:coding'"):
        snn.save(tmp_path / "two.snn")


@pytest.fixture
def full_disk():
    """Files end after a few bytes, as where a disk is full."""
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda n: resource.setrlimit(resource.RLIMIT_FSIZE, (n, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_is_one_line(tiny, tiny_images, tmp_path, full_disk):
    run = bionet.simulate(tiny, tiny_images, 5 * ms, device="numpy", record={"conv": ["spikes"]})
    (tmp_path / "a.snn").write_text("before")
    full_disk(100)
    for write in (
        lambda: tiny.save(tmp_path / "a.snn"),
        lambda: run.save(tmp_path / "run"),
        lambda: bionet.eject(tiny, tmp_path / "e.py", force=True),
    ):
        with pytest.raises(InputError, match="cannot write .*; nothing of it is kept: make room"):
            write()
    assert (tmp_path / "a.snn").read_text() == "before"
    assert {path.name for path in tmp_path.rglob("*")} == {"a.snn", "run"}


def test_a_study_is_read_without_the_code_that_it_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("code_of_a_study.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    Path("one.toml").write_text(
        'name = "one"\ndata = "digits"\nimages = 2\n'
        '[[network]]\nname = "code_of_a_study:net"\n'
        '[[method]]\nname = "code_of_a_study:method"\ncodings = ["analog"]\nduration = "5ms"\n'
        '[[perturbation]]\nname = "code_of_a_study:Noise"\nlevels = ["1ms"]\n'
        '[[perturbation]]\nname = "membrane_noise"\nlevels = [0]\n'
        'with = [{name = "code_of_a_study:Other", level = "2Hz"}]\n'
    )
    study = bionet.study.load("one.toml")
    assert "code_of_a_study:Noise" in json.dumps(study.plain()) and str(study)
    assert study._repr_html_()
    assert not Path("ran").exists()
    with pytest.raises(InputError, match=r"method\[0\].name: .*code_of_a_study:method"):
        bionet.study.run(study, "out", jobs=1)
    assert Path("ran").exists()


WRONG = ("remove", None, "text", HOSTILE, -1, 1e308, [], {}, [1, [2]], {"a": {}}, True)


def changed(plain):
    """The object with one part after another removed or replaced by something of another kind."""
    for key in plain:
        for value in WRONG:
            copied = copy.deepcopy(plain)
            del copied[key]
            yield copied if value == "remove" else copied | {key: value}
        first = plain[key][0] if isinstance(plain[key], list) and plain[key] else plain[key]
        for inner in changed(first) if isinstance(first, dict) else ():
            yield plain | {key: [inner] if isinstance(plain[key], list) else inner}


@pytest.fixture(scope="module")
def audited(there):
    """The recording's folder with an audit and a description, and a study's with one cell."""
    run, snn = bionet.Recording.load(there / "run"), bionet.SpikingNetwork.load(there / "one.snn")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    images = np.random.default_rng(0).random((4, 5), dtype=np.float32)
    folder = there / "audited"
    run.save(folder)
    save_audit(folder, bionet.audit(net, snn, run, images))
    labels = np.array([0, 1, 2, 0])
    save_labels(folder, labels)
    told = measure(snn, run, labels)
    write_run(folder / "run.json", describe("simulate", {"network": "x"}, network="x", **told))
    key = "0" * 24
    study = {"study": {"name": "one"}, "cells": [key]}
    write_json(there / "study" / "study.json", study)
    axes = {"network": "x", "method": "rate", "coding": "analog", "perturbation": "blur"}
    row = {"level": 0.5, "unit": "1", "seed": 0, "images": 4, "correct": 2, "accuracy": 0.5,
           "latency_ms": 1.0, "spikes_per_image": 2.0, "synaptic_events_per_image": 3.0,
           "steps": 5, "run_seconds": 1.0}  # fmt: skip
    write_cell(there / "study", key, axes | row)
    return there


def read_audit(folder):
    audit = load_audit(folder)
    str(audit), audit._repr_html_()


def read_table(folder):
    table = bionet.study.table(folder)
    str(bionet.study.summary(table)) if len(table) else str(bionet.study.status(folder))


FILES = {
    "audit": ("audited/audit.json", read_audit),
    "run": ("audited/run.json", lambda folder: result_table(read_run(folder), "run")),
    "study": ("study/study.json", read_table),
    "cell": (f"study/cells/{'0' * 24}.json", lambda folder: read_table(folder.parent)),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_of_another_kind_in_a_json_file_is_refused_or_harmless(audited, name):
    file, read = audited / FILES[name][0], FILES[name][1]
    text = file.read_text()
    read(file.parent)
    plain = json.loads(text)
    del plain[CHECKSUM]
    refused = 0
    try:
        for content in (*changed(plain), [], 3, None):
            file.write_text(json.dumps(content))
            try:
                read(file.parent)
            except InputError as error:
                assert "\n" not in str(error)
                refused += 1
        for raw in (b"[" * 100_000, b"\xff\xfe", b"", b"{"):
            file.write_bytes(raw)
            with pytest.raises(InputError, match="is damaged"):
                read(file.parent)
    finally:
        file.write_text(text)
    assert refused > 10


@pytest.mark.parametrize("name", FILES)
def test_one_digit_that_changed_is_seen(audited, name):
    file, read = audited / FILES[name][0], FILES[name][1]
    text = file.read_text()
    place = next(k for k, letter in enumerate(text) if letter.isdigit())
    try:
        file.write_text(f"{text[:place]}{(int(text[place]) + 1) % 10}{text[place + 1 :]}")
        with pytest.raises(InputError, match="its checksum is not that of its content"):
            read(file.parent)
    finally:
        file.write_text(text)


def test_a_bit_that_flips_in_a_torch_archive_is_seen(tmp_path):
    path = tmp_path / "w.pt"
    torch.save({"a": torch.arange(500.0)}, path)
    raw = bytearray(path.read_bytes())
    raw[raw.index(np.arange(500, dtype=np.float32).tobytes()) + 99] ^= 4
    path.write_bytes(raw)
    with pytest.raises(InputError, match="is damaged"):
        bionet.zoo.read_weights(path)
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.arange(500.0)}, path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert bionet.zoo.read_weights(path)[0]["a"][99] == 99
