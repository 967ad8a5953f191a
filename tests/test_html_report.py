"""The HTML report: one file that holds everything, says the truth, and works in a real browser."""

import base64
import json
import re
import shlex
import shutil

import numpy as np
import pandas as pd
import pytest
import typer.main

from bionet import cli
from bionet.browser_data import MAX_IMAGES, browser_data, chosen_classes, chosen_images
from bionet.commands.outputs import load_labels
from bionet.commands.report import material
from bionet.errors import InputError
from bionet.html_report import Material, command_line, html_report, page
from bionet.metrics import wilson_interval
from bionet.readout import READOUTS
from bionet.recording import Recording
from bionet.report import read_run
from bionet.study_report import study_report

NETWORKS = """
import torch
from torch import nn

def small():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a simulation, an audit and their reports, made by the command line."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "report_networks.py").write_text(NETWORKS)
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(8, 1, 8, 8)).astype(np.float32)
    np.savez(folder / "eight.npz", images=images, labels=np.arange(8) % 3)
    net = "report_networks:small"
    lines = [
        f"convert {net} --data eight.npz --out small.snn",
        "simulate small.snn --data eight.npz --duration 30ms --device numpy --no-progress"
        " --record all:spikes --record conv0:v --record-images 0,3 --seed 2 --out runs/plain",
        f"audit {net} small.snn --data eight.npz --images 8 --duration 30ms --device numpy"
        " --no-progress --out runs/audit",
        "report runs/plain",
        "report runs/audit --out runs/audit.html",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in lines:
            assert cli.main(shlex.split(line)) == 0, line
        yield folder


@pytest.fixture(scope="module")
def plain(runs):
    return Recording.load(runs / "runs/plain"), load_labels(runs / "runs/plain")


@pytest.fixture(scope="module")
def text(runs):
    return (runs / "runs/plain/report.html").read_text()


@pytest.fixture(scope="module")
def data(text):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(found[1])


def test_it_needs_nothing_from_outside(text):
    links = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', text)
    assert len(links) > 8
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "default-src 'none'" in text
    addresses = set(re.findall(r"https?://[\w./-]*", re.sub(r"base64,[\w+/=]*", "", text)))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)


def test_the_numbers_are_those_of_the_run(text, plain):
    run, labels = plain
    for name in READOUTS:
        share = run.accuracy(labels, name)
        low, high = (100 * float(end) for end in wilson_interval(share, 8))
        assert f"{100 * share:.2f} % (95 %: {low:.2f} to {high:.2f})" in text
    assert f"<b>{100 * run.accuracy(labels):.1f} %</b>" in text
    assert "30 steps of 1 ms" in text and run.parameters["network"] in text
    assert re.search(r'<th scope="row">seed</th><td>2</td>', text)


def test_every_answer_at_every_time(data, plain):
    run, labels = plain
    assert data["times"] == list(range(1, 31))
    assert [image["number"] for image in data["images"]] == list(range(8))
    for step in (1, 7, 30):
        for name in READOUTS:
            answers = [image["answers"][name][step - 1] for image in data["images"]]
            np.testing.assert_array_equal(answers, run.predictions(name, step))
    for image, label in zip(data["images"], labels, strict=True):
        assert image["label"] == label
        number = image["number"]
        np.testing.assert_allclose(
            np.array(image["potential"]).T, run.output_potential[number], rtol=1e-3, atol=1e-6
        )
        np.testing.assert_array_equal(
            np.array(image["spikes"]).T, np.cumsum(run.output_spikes[number], axis=0)
        )


def test_the_audit_names_the_layers(runs, text):
    audited = (runs / "runs/audit.html").read_text()
    verdict = read_run(runs / "runs/audit")["verdict"]
    assert verdict in audited and "conv0" in audited
    # A user's own module is not run again for a report that was not given it.
    assert "No audit: the network that was converted" in text


def test_rasters_and_potentials_of_the_recorded_images(text):
    shown = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    assert {"Spikes of image 0", "Spikes of image 3", "Potentials of conv0, image 3"} <= set(shown)
    pictures = re.findall(r'src="data:image/(png|svg\+xml);base64,([^"]*)"', text)
    for kind, coded in pictures:
        start = {"png": b"\x89PNG", "svg+xml": b"<?xml"}[kind]
        assert base64.b64decode(coded).startswith(start)


def test_the_command_is_the_one_that_was_typed(text, runs):
    (shown,) = re.findall(r"<pre>(.*?)</pre>", text)
    _, name, *arguments = shlex.split(shown)
    assert name == "simulate"
    command = typer.main.get_command(cli.app).commands[name]
    again = command.make_context(name, arguments).params
    noted = read_run(runs / "runs/plain")["arguments"]
    for key, value in noted.items():
        assert str(again[key] or None) == str(value or None), key


def test_switches_are_written_as_switches():
    command = typer.main.get_command(cli.app).commands["simulate"]
    arguments = {"network": "a b.snn", "progress": False, "seed": 0, "duration": "5ms"}
    line = command_line({"command": "simulate", "arguments": arguments}, command.params)
    assert line == "bionet simulate 'a b.snn' --duration 5ms --no-progress"
    assert command_line({}, command.params) is None


def test_what_is_missing_is_said(runs, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(runs / "runs/plain", folder)
    (folder / "labels.safetensors").unlink()
    monkeypatch.chdir(tmp_path)  # the .snn file is not here
    assert cli.main(["report", str(folder)]) == 0
    found = (folder / "report.html").read_text()
    assert "The folder holds no labels, so the report states no accuracy." in found
    assert "Without pictures of the images" in found and "small.snn" in found
    assert "SNN accuracy</th>" in found  # what run.json notes stays
    assert '"label": null' in found and 'id="accuracy"' not in found


def test_a_changed_network_is_noticed(runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs / "runs/plain", folder)
    path = folder / "recording.json"
    described = json.loads(path.read_text())
    described["parameters"]["network"] = "0" * 64
    path.write_text(json.dumps(described))
    (note,) = material(folder).notes
    assert "the network of this run has changed since" in note


def test_text_from_files_stays_text(plain):
    run, labels = plain
    bad = "</script><script>alert(1)</script>"
    found = page(Material(run, labels, title=bad, description={"network": bad}, notes=(bad,)))
    assert bad not in found
    assert found.count("<script") == 2


def test_a_recording_alone_is_enough(plain, tmp_path):
    run, _ = plain
    path = html_report(Material(run), tmp_path / "bare.html")
    assert "<title>BioNet run</title>" in path.read_text()


def test_refusals(plain, tmp_path):
    run, labels = plain
    with pytest.raises(InputError, match="ends in .html, such as report.html"):
        html_report(Material(run), tmp_path / "report.pdf")
    with pytest.raises(InputError, match="labels must be an array of 8 classes"):
        Material(run, labels[:3])
    with pytest.raises(InputError, match=r"images must have the shape \(8, 1, 8, 8\)"):
        Material(run, images=np.zeros((8, 8, 8)))
    assert cli.main(["report", str(tmp_path)]) == 2


def large(n_images, n_classes, wrong):
    """A recording of many images, of which the last ``wrong`` ones are answered wrongly."""
    potential = np.zeros((n_images, 500, n_classes))
    potential[:, :, 0] = 1.0
    labels = np.where(np.arange(n_images) < n_images - wrong, 0, 1)
    run = Recording(
        shapes={"input": (1,), "out": (n_classes,)},
        counts={},
        output_potential=potential,
        output_spikes=np.zeros(potential.shape, dtype=np.int8),
        parameters={"dt_ms": 0.5, "readout": "MP"},
    )
    return run, labels


@pytest.mark.parametrize(("wrong", "n_wrong"), [(0, 0), (10, 10), (70, 40), (90, 50), (100, 60)])
def test_wrong_answers_come_first_and_leave_room(wrong, n_wrong):
    run, labels = large(100, 3, wrong)
    chosen = chosen_images(run, labels)
    assert len(set(chosen)) == MAX_IMAGES
    assert (labels[chosen] == 1).sum() == n_wrong


def test_a_long_run_of_many_classes_stays_small():
    run, labels = large(3, 50, 0)
    labels = labels + 30
    found = browser_data(run, labels, None)
    assert len(found["times"]) == 200 and found["times"][-1] == 250.0
    assert all(len(image["classes"]) == 10 for image in found["images"])
    assert all(30 in image["classes"] for image in found["images"])
    assert 0 in chosen_classes(run, 0, 30)


def test_a_study_has_a_report(tmp_path):
    levels = {"jitter": (0.0, 2.0), "dead_units": (0.0, 0.5)}
    rows = [
        (coding, name, level, "ms" if name == "jitter" else "1", seed, 50, 40 - seed)
        for coding in ("analog", "<poisson>")
        for name, both in levels.items()
        for level in both
        for seed in range(2)
    ]
    columns = ["coding", "perturbation", "level", "unit", "seed", "images", "correct"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "results.csv", index=False)
    assert cli.main(["report", str(tmp_path), "--out", str(tmp_path / "study.html")]) == 0
    found = (tmp_path / "study.html").read_text()
    low, high = (100 * float(end) for end in wilson_interval(0.79, 100))
    cells = ["2 ms", "100", "79.0 %", f"{low:.1f} to {high:.1f} %"]
    assert "".join(f'<td class="number">{cell}</td>' for cell in cells) in found
    assert found.count("<tr><td>") == 8
    assert "&lt;poisson&gt;" in found and "<poisson>" not in found
    assert '<td class="number">0.5</td>' in found
    links = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', found)
    assert len(links) == 2 and all(link.startswith("data:") for link in links)
    with pytest.raises(InputError, match="ends in .html"):
        study_report(pd.read_csv(tmp_path / "results.csv"), tmp_path / "study.pdf")


# ------------------------------------------------------------------- a real browser

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1100,900",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    pytest.importorskip("selenium", reason="needs the extra 'browser'")
    programs = (
        shutil.which("chromium") or shutil.which("google-chrome"),
        shutil.which("chromedriver"),
    )
    if not all(programs):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(programs[1]))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, runs):
    browser.get((runs / "runs/plain/report.html").as_uri())
    return browser


def slide(browser, index):
    script = """
        const slider = document.getElementById("time");
        slider.value = arguments[0];
        slider.dispatchEvent(new Event("input"));
    """
    browser.execute_script(script, index)


def shown(browser, name):
    return browser.find_element("id", name).text


def test_it_loads_without_errors_and_without_requests(opened):
    assert opened.get_log("browser") == []
    script = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    assert all(name.startswith("data:") for name in opened.execute_script(script))
    broken = "return [...document.images].filter((i) => i.complete && !i.naturalWidth).length"
    assert opened.execute_script(broken) == 0
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert opened.execute_script(wide) <= 0


def test_the_slider_shows_the_answer_at_its_time(opened, plain):
    run, labels = plain
    positions = []
    for index in (0, 11, 29):
        slide(opened, index)
        answer = run.predictions("MP", index + 1)[0]
        verdict = "right" if answer == labels[0] else f"wrong: it is {labels[0]}"
        assert shown(opened, "answer") == f"MP answers {answer} ({verdict})"
        assert shown(opened, "now") == f"{index + 1} ms"
        positions.append(float(opened.find_element("id", "cursor").get_attribute("x1")))
        value = float(run.output_potential[0, index, 2])
        potential = opened.find_elements("css selector", "#bars .bar")[3].text.split()[1]
        assert float(potential.replace("\u2212", "-")) == pytest.approx(value, rel=6e-3, abs=1e-6)
    assert positions == sorted(positions) and positions[0] < positions[2]


def test_keys_move_the_slider(opened):
    from selenium.webdriver.common.keys import Keys

    slide(opened, 10)
    opened.find_element("id", "time").send_keys(Keys.ARROW_RIGHT)
    assert shown(opened, "now") == "12 ms"


def test_images_are_filtered_and_browsed(opened, plain):
    run, labels = plain
    right = run.predictions() == labels
    assert 0 < right.sum() < 8  # else the filter would not be tested
    for name, expected in (("wrong", ~right), ("right", right), ("all", right | True)):
        opened.find_element("css selector", f"[data-filter={name}]").click()
        thumbs = opened.find_elements("css selector", "#thumbs button")
        assert [int(t.text) for t in thumbs] == np.flatnonzero(expected).tolist()
    thumbs[0].click()
    opened.find_element("id", "next").click()
    assert shown(opened, "caption").startswith("image 1, class 1")
    opened.find_element("id", "previous").click()
    opened.find_element("id", "previous").click()
    assert shown(opened, "caption").startswith("image 7")
    assert shown(opened, "shown") == "8 of 8"


def test_another_readout_answers(opened, plain):
    run, _ = plain
    opened.find_element("css selector", "#readout option[value=MS]").click()
    slide(opened, 20)
    assert shown(opened, "answer").startswith(f"MS answers {run.predictions('MS', 21)[0]} ")


def test_it_prints_without_its_controls(opened):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not opened.find_element("id", "controls").is_displayed()
        assert opened.find_element("id", "plot").is_displayed()
        assert opened.find_element("css selector", "#run table").is_displayed()
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    printed = base64.b64decode(opened.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") >= 2


def test_a_narrow_window_needs_no_sideways_scrolling(opened):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        wide = """
            const outside = (e) => !e.closest(".scroll") && e.getBoundingClientRect().right > 391;
            return [...document.querySelectorAll("body *")].filter(outside).map((e) => e.id);
        """
        assert opened.execute_script(wide) == []
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
