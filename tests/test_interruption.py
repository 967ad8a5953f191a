"""Ctrl-C ends every simulation with KeyboardInterrupt, whenever it comes."""

import contextlib
import gc
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from brian2 import Network, ms
from brian2.utils.logger import catch_logs

import bionet
from bionet import cli
from bionet.__main__ import main as start
from bionet.files import atomic, temporary_folder
from bionet.interruption import check_interrupted, interruptible, postponed

MAIN = threading.main_thread().ident


@pytest.fixture(autouse=True)
def listening():
    """What a shell starts in the background ignores SIGINT; the tests are about the foreground."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def ctrl_c(seconds):
    timer = threading.Timer(seconds, signal.pthread_kill, (MAIN, signal.SIGINT))
    timer.start()
    try:
        yield
    except BaseException:
        timer.cancel()  # else the signal would hide what went wrong
        raise
    timer.join()


@pytest.mark.parametrize(
    "device", ["numpy", pytest.param("cython", marks=pytest.mark.slow),
               pytest.param("cpp_standalone", marks=pytest.mark.slow)],
)  # fmt: skip
def test_ten_random_moments(tiny, device, tmp_path, monkeypatch):
    """A run of a minute and more; once without an interruption for what it compiles."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    images = np.random.default_rng(1).uniform(size=(100, 2, 4, 3))
    settings = {"device": device, "lanes": 5, "record": {"conv": "spikes"}, "record_images": [0]}
    bionet.simulate(tiny, images[:5], 10 * ms, **settings)
    before = set(tmp_path.iterdir())  # files that Brian2 removes at the end of the process
    handler = signal.getsignal(signal.SIGINT)
    for moment in np.random.default_rng(2).uniform(0, 0.3, 10):
        with pytest.raises(KeyboardInterrupt), ctrl_c(moment):
            bionet.simulate(tiny, images, 100_000 * ms, **settings)
        assert signal.getsignal(signal.SIGINT) is handler
        assert not Network._globally_running
        assert set(tmp_path.iterdir()) == before


def test_a_run_in_another_thread_gives_no_part_of_its_results(tiny, tiny_images):
    ended = []

    def work():
        try:
            ended.append(bionet.simulate(tiny, tiny_images, 100_000 * ms, device="numpy"))
        except KeyboardInterrupt as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    with contextlib.suppress(KeyboardInterrupt):
        while thread.is_alive():
            Network._globally_stopped = Network._globally_running  # as Brian2's handler does
            thread.join(0.05)
    assert isinstance(ended[0], KeyboardInterrupt)


def test_a_destructor_that_swallows_it_does_not_keep_a_run_going(tiny, tiny_images, monkeypatch):
    """Python drops what is raised in a destructor: the run ends with its step all the same."""
    show = bionet.progress.Progress.brian_report

    def report(bar, *given):
        with contextlib.suppress(KeyboardInterrupt):
            interrupt()
        return show(bar, *given)

    monkeypatch.setattr(bionet.progress.Progress, "brian_report", report)
    with pytest.raises(KeyboardInterrupt):
        bionet.simulate(tiny, tiny_images, 10_000_000 * ms, device="numpy")


DIGITS = "--data digits --device"
COMMANDS = {
    "simulate": f"simulate lenet5 --weights digits {DIGITS} {{}} --duration 100s --out out",
    "audit": f"audit lenet5 lenet5.snn {DIGITS} {{}} --duration 100s --out out",
    "diagnose": f"diagnose lenet5 lenet5.snn {DIGITS} {{}} --duration 100s --out out",
    "search": "convert lenet5 --weights digits --method dsnn -O duration=20ms --out out.snn",
    "training": "train lenet5 --data digits --epochs 1000 --threads 1 --out out",
    "reproduction": "reproduce codes lenet5-digits --device {} --out out",
    "study": "study long.toml --jobs 1 --out out",
}
LONG = """
name = "long"
data = "digits"
images = 500
device = "{}"
[[network]]
name = "lenet5"
weights = "digits"
[[method]]
name = "rate"
codings = ["analog"]
duration = "100s"
"""


@pytest.mark.slow
@pytest.mark.parametrize("device", ["numpy", "cython", "cpp_standalone"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_long_command_ends_with_130_and_nothing_half_written(
    command, device, tmp_path, monkeypatch
):
    words = COMMANDS[command]
    if "{}" not in words + "{}" * (command == "study") and device != "numpy":
        pytest.skip("has no device")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "long.toml").write_text(LONG.format(device))
    if "lenet5.snn" in words:
        assert cli.main(["convert", "lenet5", "--weights", "digits", "--out", "lenet5.snn"]) == 0
    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for moment in np.random.default_rng(3).uniform(1, 9, 3):
        line = [sys.executable, "-m", "bionet", *words.format(device).split()]
        code, told = interrupted(line, moment)
        assert code == 130, told
        assert told.strip().splitlines()[-1].startswith("bionet: interrupted; "), told
        assert "Traceback" not in told and "WARNING" not in told, told
        written = {path.name for path in tmp_path.glob("out/*.json")}
        assert written <= {"study.json"}, written  # a study goes on from its cells
        left = {path.name for path in tmp_path.iterdir()} - before
        assert left <= {"out", "out.ckpt"}, left


def interrupted(command, moment):
    """Exit code and words on standard error of a process that gets SIGINT after some seconds."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    return process.returncode, told


def interrupt():
    signal.pthread_kill(MAIN, signal.SIGINT)


def test_what_swallows_an_interruption_does_not_lose_it(tmp_path):
    with pytest.raises(KeyboardInterrupt), interruptible():
        with contextlib.suppress(KeyboardInterrupt):
            interrupt()
        with pytest.raises(KeyboardInterrupt), atomic(tmp_path / "result") as part:
            part.write_text("whole")
        assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            with interruptible():
                interrupt()
        except KeyboardInterrupt:
            raise ValueError("of a library") from None
    check_interrupted()  # outside of a block nothing is kept in mind


def test_a_user_s_own_handler_stays_in_charge():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        with interruptible():
            interrupt()
            check_interrupted()
        assert seen == [1]
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_postponed_interruption_comes_afterwards():
    done = []
    with pytest.raises(KeyboardInterrupt), postponed():
        interrupt()
        done.append(1)
    assert done == [1]


def test_an_import_that_ctrl_c_breaks_is_an_interruption(monkeypatch, capsys):
    def run():
        try:
            interrupt()
        except KeyboardInterrupt:
            raise ImportError("half of a module") from None

    monkeypatch.setattr(cli, "main", run)
    assert start() == 130
    assert capsys.readouterr().err == "bionet: interrupted; no unfinished result was kept\n"
    monkeypatch.setattr(cli, "main", lambda: 2)
    assert start() == 2 and not capsys.readouterr().err


def test_a_temporary_folder_goes_whenever_an_interruption_comes(tmp_path):
    with pytest.raises(KeyboardInterrupt), temporary_folder(parent=tmp_path) as folder:
        (folder / "file").write_text("")
        interrupt()
    assert not list(tmp_path.iterdir())


def test_a_network_that_is_interrupted_while_it_is_built_goes_without_words(
    tiny, tiny_images, monkeypatch
):
    def stopped(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("bionet.running.devices.make_feed", stopped)
    with catch_logs() as logs:
        with contextlib.suppress(KeyboardInterrupt):
            bionet.simulate(tiny, tiny_images, 5 * ms, device="numpy")
        gc.collect()
    assert not [text for _, name, text in logs if "unused_brian_object" in name], logs
