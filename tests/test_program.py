"""Compiled programs: what compiles anew and what does not, and how they end."""

import json
import os
import signal
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz, ms

import bionet.running.compiled_program
import bionet.running.devices
from bionet.brian.channel_last import pack
from bionet.equations import integrate_and_fire, leaky_integrate_and_fire
from bionet.errors import BioNetError
from bionet.network import Dense, Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import AveragePool2d, Conv2d
from bionet.network.storage import read_outline, write_outline
from bionet.running.arguments import make_plan
from bionet.running.compile_program import program_key
from bionet.running.compiled_program import (
    Program,
    cache_folder,
    program_values,
    ready_program,
    structure,
)
from bionet.running.compiler import COMPILE_ARGUMENTS, compile_arguments
from bionet.running.program_frame import light_source, shared_body
from bionet.running.simulate import simulate


def plan_for(snn, **changes):
    arguments = {
        "duration": 20 * ms, "dt": 1 * ms, "coding": None, "max_rate": None, "lanes": 4,
        "dtype": "float32", "record": None, "final_potentials": (),
    }  # fmt: skip
    return make_plan(snn, **arguments | changes)


def key(snn, **changes):
    return json.dumps(structure(snn, plan_for(snn, **changes)), sort_keys=True)


def with_kernel(snn, **changes):
    first, *rest = snn.projections
    return replace(snn, projections=(replace(first, **changes), *rest))


def heavier(snn):
    kernel = snn.projections[0].kernel
    return with_kernel(snn, kernel=replace(kernel, weights=kernel.weights * 2))


POISSON = {"coding": "poisson", "max_rate": 500 * Hz}


@pytest.mark.parametrize(
    "change",
    [
        lambda snn: (heavier(snn), {}),
        lambda snn: (snn.with_population("output", parameters={"theta": 2.0}), {}),
        lambda snn: (snn.with_population("conv", parameters={"I": 0.7}), {}),
        lambda snn: (replace(snn, metadata={"note": [1]}, method="other"), {}),
        lambda snn: (snn, {"duration": 300 * ms}),
        lambda snn: (snn, {"duration": 300 * ms, **POISSON}),
        lambda snn: (snn, {**POISSON, "max_rate": 100 * Hz}),
        lambda snn: (snn, {"record": {"conv": "v"}}),
        lambda snn: (snn, {"record": {"conv": "spikes"}}),
        lambda snn: (snn, {"final_potentials": ("conv",)}),
    ],
)
def test_values_do_not_change_the_program(tiny, change):
    changed, options = change(tiny)
    assert key(changed, **options) == key(tiny, **(POISSON if "coding" in options else {}))


@pytest.mark.parametrize(
    "change",
    [
        lambda snn: (with_kernel(snn, delay=1), {}),
        lambda snn: (with_kernel(snn, sign=-1), {}),
        lambda snn: (with_kernel(snn, variable="v"), {}),
        lambda snn: (
            with_kernel(snn, kernel=Conv2d(np.ones((2, 1, 2, 2)), groups=2)),
            {},
        ),
        lambda snn: (
            snn.with_population("output", model=leaky_integrate_and_fire(9 * ms)),
            {},
        ),
        lambda snn: (snn.with_population("output", parameters={"theta": np.ones(3)}), {}),
        lambda snn: (snn.with_population("output", parameters={"I": 0.5}), {}),
        lambda snn: (snn.with_population("conv", parameters={"I": np.ones((2, 1, 1))}), {}),
        lambda snn: (snn, {"lanes": 3}),
        lambda snn: (snn, {"dtype": "float64"}),
        lambda snn: (snn, {"dt": 2 * ms}),
        lambda snn: (snn, {"coding": "uniform"}),
    ],
)
def test_structure_changes_the_program(tiny, change):
    changed, options = change(tiny)
    assert key(changed, **options) != key(tiny)


def test_every_drive_reaches_the_program(tiny):
    """A drive is no part of the key, so it must be among the values given at the start."""
    one, other = (
        program_values(snn, plan_for(snn), 1, 0)
        for snn in (tiny, tiny.with_population("conv", parameters={"I": 0.7}))
    )
    assert [name for name in one if not np.array_equal(one[name], other[name])]


@pytest.fixture
def fake_compiler(monkeypatch, tmp_path):
    """An empty cache, and a compiler that notes what it was given."""
    compiled = []

    def compile_nothing(snn, plan):
        folder = cache_folder() / f"program{len(compiled)}"
        compiled.append(folder.name)
        folder.mkdir()
        (folder / "main").touch(0o755)
        manifest = {"size": 0, "variables": {}, "watched": []}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder, True

    monkeypatch.setenv("BIONET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bionet.running.compiled_program, "_compile", compile_nothing)
    return compiled


def test_a_program_is_compiled_once(tiny, fake_compiler, tmp_path):
    said = []
    plan = plan_for(tiny)
    first = ready_program(tiny, plan, lambda: said.append("compiling"))
    assert first.compiled and said == ["compiling"]
    assert first.folder.parent == cache_folder() == tmp_path / "cache"
    for snn in (tiny, heavier(tiny)):
        again = ready_program(snn, plan, lambda: said.append("compiling"))
        assert not again.compiled and again.folder == first.folder
    assert len(fake_compiler) == len(said) == 1
    ready_program(tiny, replace(plan, lanes=2))
    assert len(set(fake_compiler)) == 2


def test_the_second_start_does_not_compile(tiny, tiny_images):
    options = {"lanes": 4, "final_potentials": True}
    simulate(tiny, tiny_images, 20 * ms, **options)
    again = simulate(tiny, tiny_images, 20 * ms, **options)
    assert again.parameters["compile_seconds"] == 0.0
    for snn in (heavier(tiny), tiny.with_population("output", parameters={"theta": 0.4})):
        run = simulate(snn, tiny_images[:3] / 2, 30 * ms, **options)
        assert run.parameters["compile_seconds"] == 0.0
        slow = simulate(snn, tiny_images[:3] / 2, 30 * ms, device="numpy", **options)
        for name, counts in slow.counts.items():
            np.testing.assert_array_equal(run.counts[name], counts, err_msg=name)


@pytest.mark.parametrize("drive", [0.25, 0.5])
def test_a_drive_of_the_first_layer_is_not_remembered(tiny, drive):
    """One number for all units, dark images: N(T) = floor(a T), whatever was compiled before."""
    snn = tiny.with_population("conv", parameters={"I": drive})
    run = simulate(snn, np.zeros((1, 2, 4, 3)), 20 * ms, lanes=4, final_potentials=True)
    assert (run.counts["conv"] == int(20 * drive)).all()


def test_a_compiler_error_is_reported_and_leaves_nothing(tiny, tmp_path, monkeypatch):
    compiler = tmp_path / "broken-g++"
    compiler.write_text("#!/bin/sh\necho 'common.h:1: error: no such luck' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("BIONET_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BioNetError, match="compiling the simulation failed: .*no such luck"):
        ready_program(tiny, plan_for(tiny))
    left = {p.name for p in (tmp_path / "cache").iterdir() if p.suffix != ".lock"}
    assert left == {"last_failure.txt", "index", "objects"}
    assert not list((tmp_path / "cache" / "objects").iterdir())
    assert [p.suffix for p in (tmp_path / "cache" / "index").iterdir()] == [".lock"]


def test_a_programs_key_is_that_of_its_code(tmp_path):
    """Where it was generated makes no difference; one character of the code does."""
    keys = []
    for name, code in (("one", "int a = 1;"), ("other", "int a = 1;"), ("third", "int a = 2;")):
        folder = tmp_path / name
        (folder / "code_objects").mkdir(parents=True)
        (folder / "structure.json").write_text("{}")
        (folder / "main.cpp").write_text(f'// "{folder}"')
        (folder / "code_objects" / "a.cpp").write_text(code)
        (folder / "weights.bin").write_bytes(name.encode())
        keys.append(program_key(folder, {"variables": {}}))
    assert keys[0] == keys[1] != keys[2]
    assert program_key(folder, {"variables": {"a.v": ["float32", 3]}}) != keys[2]


def test_code_is_generated_without_the_weights_of_dense_kernels(tmp_path):
    """Their sizes are the same, and a large layer takes no room where it is compiled."""
    weights = np.random.default_rng(0).normal(size=(40, 200))
    snn = SpikingNetwork(
        (Population("cells", (40,), integrate_and_fire()),),
        (Projection("input", "cells", Dense(weights)),),
        (2, 10, 10),
        Readout("cells", "cells"),
    )
    write_outline(snn, tmp_path / "network.outline")
    assert (tmp_path / "network.outline").stat().st_size < weights.nbytes / 4
    outline = read_outline(tmp_path / "network.outline")
    assert outline.populations == snn.populations
    for dtype in ("float32", "float64"):
        whole, empty = (
            pack(n.projections[0].kernel, (2, 10, 10), (40,), dtype, 2.0) for n in (snn, outline)
        )
        assert (empty.cpp, empty.weights.size) == (whole.cpp, whole.weights.size)
        assert empty.weights.strides == (0,)
    # One number for all weights is no such outline where a user means it.
    constant = Dense(np.broadcast_to(0.5, (40, 200)))
    assert (pack(constant, (200,), (40,), "float32").weights > 0).sum() == 40 * 200


COMPILER = """#!/bin/sh
echo "$@" >> "$0.log"
while [ $# -gt 1 ]; do [ "$1" = -o ] && : > "$2" && chmod +x "$2"; shift; done
"""
GENERATED_WITH = """
import sys
from pathlib import Path
import bionet.brian.synapses as synapses
from bionet.running.compile_program import main
header = synapses.header()
synapses.header = lambda: header + "// a change"
main(Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_rewording_recompiles_nothing_and_a_changed_template_does(tiny, tmp_path, monkeypatch):
    compiler = tmp_path / "any-g++"
    compiler.write_text(COMPILER)
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("BIONET_CACHE", str(tmp_path / "cache"))
    plan, programs = plan_for(tiny), bionet.running.compiled_program
    first = ready_program(tiny, plan)
    assert first.compiled
    calls = len((tmp_path / "any-g++.log").read_text().splitlines())
    monkeypatch.setattr(programs, "sources_digest", lambda: "an error says something else")
    assert not ready_program(tiny, plan).compiled
    assert len((tmp_path / "any-g++.log").read_text().splitlines()) == calls
    monkeypatch.setattr(programs, "sources_digest", lambda: "a template is another")
    monkeypatch.setattr(programs, "COMPILER", ("-c", GENERATED_WITH))
    changed = ready_program(tiny, plan)
    assert changed.compiled and changed.folder != first.folder
    # What does not propagate spikes is taken from the objects compiled before.
    assert calls < len((tmp_path / "any-g++.log").read_text().splitlines()) < 2 * calls


def test_what_generates_code_is_looked_at():
    """The templates, and every module that code is generated by."""
    names = {path.name for path in bionet.running.compiled_program.sources()}
    assert {"compile_program.py", "assemble.py", "shared_synapses.hpp", "randomness.py"} <= names


@pytest.fixture
def fake_program(tmp_path, monkeypatch):
    """A program whose ``main`` is a shell script; temporary folders go to ``tmp_path/temp``."""
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))

    def make(script):
        folder = tmp_path / "program"
        folder.mkdir()
        (folder / "main").write_text(f"#!/bin/sh\necho $$ >> pids\n{script}\n")
        (folder / "main").chmod(0o755)
        program = Program(folder, {"variables": {}, "monitors": {}}, False)
        monkeypatch.setattr(bionet.running.devices, "ready_program", lambda *_: program)
        monkeypatch.setattr(bionet.running.devices, "program_values", lambda *_: {})
        return folder

    return make


def still_running(folder: Path):
    alive = []
    for pid in (folder / "pids").read_text().split():
        try:
            os.kill(int(pid), 0)
            alive.append(pid)
        except ProcessLookupError:
            continue
    return alive


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo first >&2; echo boom >&2; exit 3", "ended with code 3: boom"),
        ("exit 4", "ended with code 4: no message"),
        ("kill -9 $$", "ended with code -9"),
    ],
)
def test_a_failing_program_says_why_and_leaves_nothing(
    tiny, tiny_images, fake_program, tmp_path, script, message
):
    fake_program(script)
    with pytest.raises(BioNetError, match=message):
        simulate(tiny, tiny_images, 10 * ms, processes=2)
    assert not list((tmp_path / "temp").iterdir())


def test_a_program_without_results_is_an_error(tiny, tiny_images, fake_program, tmp_path):
    fake_program("echo presented 5")
    with pytest.raises(BioNetError, match="result|program"):
        simulate(tiny, tiny_images, 10 * ms, processes=1)
    assert not list((tmp_path / "temp").iterdir())


def test_ctrl_c_stops_every_process_and_leaves_nothing(tiny, tiny_images, fake_program, tmp_path):
    folder = fake_program("echo presented 1; exec sleep 300")
    main = threading.main_thread().ident
    timer = threading.Timer(2, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        simulate(tiny, tiny_images, 10 * ms, processes=2)
    timer.join()
    assert len((folder / "pids").read_text().split()) == 2
    assert not still_running(folder)
    assert not list((tmp_path / "temp").iterdir())


def test_a_failing_callback_stops_the_program(fake_program, tmp_path):
    folder = fake_program("echo presented 1; exec sleep 300")
    program = bionet.running.devices.ready_program()

    def fail(count):
        raise RuntimeError(f"after {count}")

    with pytest.raises(RuntimeError, match="after 1"):
        program.run(tmp_path / "temp", {}, fail)
    assert not still_running(folder)


def test_values_of_the_wrong_size_are_refused(tmp_path):
    program = Program(tmp_path, {"variables": {"a.w": ["float32", 3]}, "monitors": {}}, False)
    with pytest.raises(BioNetError, match="a.w needs 3 values, but got 4"):
        program.run(tmp_path, {"a.w": np.ones(4)})


def test_the_cache_is_where_the_user_wants_it(monkeypatch, tmp_path):
    monkeypatch.setenv("BIONET_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("BIONET_CACHE")
    assert cache_folder().name == "programs"


def test_pooling_factors_are_values(tiny):
    """The scale of a pool and its divisor travel as weights."""
    populations = (tiny.population("conv"), tiny.population("output"))

    def pooled(scale):
        pool = AveragePool2d((2, 2), 1, scale=scale)
        return replace(
            tiny,
            populations=populations,
            projections=(Projection("input", "conv", pool),),
            readout=replace(tiny.readout, potential="output"),
        )

    assert key(pooled(1.0)) == key(pooled(0.5))
    one, half = (program_values(s, plan_for(s), 1, 0) for s in (pooled(1.0), pooled(0.5)))
    np.testing.assert_array_equal(one["conv_synapses.weights"], 2 * half["conv_synapses.weights"])


def test_recording_compiles_nothing_anew(tiny, tiny_images):
    """Spikes, single potentials and final potentials, from the program of a bare simulation."""
    simulate(tiny, tiny_images, 20 * ms, lanes=4)
    options = {"lanes": 4, "final_potentials": True, "record_images": [1, 4]}
    options["record"] = {"conv": {"v": [5, 0, 7]}, "output": ["spikes", "v"]}
    run = simulate(tiny, tiny_images, 20 * ms, **options)
    assert run.parameters["compile_seconds"] == 0.0
    slow = simulate(tiny, tiny_images, 20 * ms, device="numpy", **options)
    for name in ("recorded_spikes", "recorded_potentials", "recorded_units", "final_potentials"):
        mine, theirs = getattr(run, name), getattr(slow, name)
        assert mine and mine.keys() == theirs.keys()
        for key in mine:
            np.testing.assert_array_equal(mine[key], theirs[key], err_msg=f"{name} of {key}")


@pytest.mark.slow
def test_networks_with_a_layer_in_common_compile_it_once(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("BIONET_CACHE", str(tmp_path))
    ready_program(tiny, plan_for(tiny))
    first = set((tmp_path / "objects").iterdir())
    other = tiny.with_population("output", model=leaky_integrate_and_fire(9 * ms))
    assert (
        ready_program(other, plan_for(other)).folder != ready_program(tiny, plan_for(tiny)).folder
    )
    new = set((tmp_path / "objects").iterdir()) - first
    assert 0 < len(new) < len(first) / 2


@pytest.fixture
def choosy_compiler(tmp_path, monkeypatch):
    """A compiler that knows neither -march=native nor -fno-math-errno."""
    compiler = tmp_path / "choosy-g++"
    real = os.environ.get("CXX", "g++")
    compiler.write_text(
        f'#!/bin/sh\ncase "$*" in *=native*|*-fno-math-errno*) exit 1;; esac\nexec {real} "$@"\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("BIONET_CACHE", str(tmp_path / "cache"))


@pytest.mark.slow
def test_a_compiler_without_a_flag_builds_without_it_and_says_so(
    tiny, tiny_images, choosy_compiler
):
    assert set(COMPILE_ARGUMENTS) - set(compile_arguments()) == {
        "-march=native",
        "-fno-math-errno",
    }
    with pytest.warns(UserWarning, match="does not know -march=native -fno-math-errno"):
        run = simulate(tiny, tiny_images, 20 * ms, lanes=4)
    slow = simulate(tiny, tiny_images, 20 * ms, device="numpy")
    np.testing.assert_array_equal(run.counts["output"], slow.counts["output"])


def test_what_a_frame_does_not_have_is_refused():
    with pytest.raises(BioNetError, match="no _random_generators; use rand"):
        light_source("double x = _random_generators[0].rand();", {})


def test_code_that_differs_in_the_names_of_arrays_alone_is_one_function():
    def source(group, more=""):
        v = f"_array_{group}_v"
        return (
            f"{more}\nvoid _run_{group}_code()\n{{\n    float* _ptr{v} = {v};\n"
            f"    _ptr{v}[0] += _array_clock_dt[0] * _array_other[0];\n}}\n"
        )

    types = {"_array_a_v": "float", "_array_b_v": "float", "_array_clock_dt": "double"}
    one, two = (shared_body(source(name), f"{name}_code", types) for name in "ab")
    assert one.name == two.name and one.text == two.text
    assert one.arrays == ("_array_a_v", "_array_clock_dt")
    assert two.arrays == ("_array_b_v", "_array_clock_dt")
    assert "double* const _array_1 = (double*)_arrays[1];" in one.text
    assert "_ptr_array_0[0] += _array_1[0] * _array_other[0];" in one.text
    other = shared_body(source("a"), "a_code", types | {"_array_a_v": "double"})
    assert other.name != one.name
    for state in ("static FILE* file = 0;", "static int table[3];", "static long n;"):
        assert shared_body(source("a", state), "a_code", types) is None
    for stateless in ("static inline int f(int n = 1);", "static const int n = 1;"):
        assert shared_body(source("a", stateless), "a_code", types) is not None
