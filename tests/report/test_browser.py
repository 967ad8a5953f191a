"""The report in a real headless Chromium: it loads without errors, its slider works, it prints."""

import base64
import shutil
from pathlib import Path

import numpy as np
import pytest

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


def test_every_image_has_a_name(opened, plain):
    run, labels = plain
    buttons = opened.find_elements("css selector", "#thumbs button")
    for number, button in enumerate(buttons):
        answer = run.predictions()[number]
        verdict = "right" if answer == labels[number] else "wrong"
        name = f"image {number}, class {labels[number]}, answer {answer}, {verdict}"
        assert button.get_attribute("aria-label") == name


def test_the_explorer_plays_and_shows_a_unit(browser, runs, plain):
    from selenium.webdriver.support.ui import WebDriverWait

    from bionet import cli

    assert cli.main(["explore", "runs/plain"]) == 0
    browser.get((runs / "runs/plain/explorer.html").as_uri())
    run, _ = plain
    browser.execute_script("document.querySelectorAll('.layer canvas')[0].click()")
    script = """
        document.getElementById("layer").value = "conv0";
        document.getElementById("layer").dispatchEvent(new Event("change"));
        document.getElementById("unit").value = 7;
        document.getElementById("unit").dispatchEvent(new Event("input"));
    """
    browser.execute_script(script)
    n_spikes = int((run.spikes("conv0", 0).unit == 7).sum())
    assert shown(browser, "told").startswith(f"{n_spikes} spike")
    assert len(browser.find_elements("css selector", "#trace line.spike")) == n_spikes
    box = browser.find_element("id", "field")
    assert box.is_displayed()
    assert box.value_of_css_property("left") == f"{180 / 8:g}px"  # unit 7 is row 1, column 1
    browser.find_element("id", "play").click()
    ended = f"{run.n_steps} ms"
    WebDriverWait(browser, 20).until(lambda driver: shown(driver, "now") == ended)
    assert shown(browser, "play") == "play"
    assert browser.get_log("browser") == []


SITE = Path(__file__).parents[2] / "docs" / "_build" / "html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("page", ["report", "explorer", "site"])
def test_axe_finds_nothing_to_mend(browser, runs, page, width, scheme):
    """Contrast, names, roles, landmarks and keyboard access, as axe-core checks them (WCAG 2.1)."""
    axe = pytest.importorskip("axe_core_python.selenium", reason="needs the extra 'browser'")
    from bionet import cli

    path = runs / f"runs/plain/{page}.html"
    if page == "site":
        path = SITE / "tutorials" / "first_network.html"
        if not path.is_file():
            pytest.skip("needs the site: make docs")
    if page == "explorer" and not path.is_file():
        assert cli.main(["explore", str(path.parent)]) == 0
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        browser.get(path.as_uri())
        found = axe.Axe().run(browser)["violations"]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def test_every_control_is_reached_by_the_keyboard(opened):
    """Tab goes through all of them, in their order, and each shows where it is."""
    from selenium.webdriver.common.keys import Keys

    shown_controls = """
        const all = document.querySelectorAll("a[href], button, select, input");
        return [...all].filter((e) => e.getClientRects().length).length;
    """
    wanted, seen = opened.execute_script(shown_controls), []
    for _ in range(wanted):
        opened.switch_to.active_element.send_keys(Keys.TAB)
        now = opened.switch_to.active_element
        seen.append(now.id)
        assert now.value_of_css_property("outline-style") != "none", now.tag_name
    assert len(set(seen)) == wanted
