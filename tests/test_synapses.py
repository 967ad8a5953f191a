"""Shared-weight synapses against torch, against their slow form, and against Brian2's own."""

import itertools
import os
import platform
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, SpikeMonitor, Synapses, ms
from hypothesis import given, settings
from hypothesis import strategies as st

from bionet.brian.channel_last import from_channel_last, to_channel_last
from bionet.brian.synapses import SharedSynapses, header
from bionet.errors import InputError
from bionet.network.kernels import (
    GATES,
    AveragePool2d,
    Conv2d,
    Dense,
    Kernel,
    Largest,
    MaxPool2d,
    OneToOne,
    Sparse,
)
from bionet.running.compiler import COMPILE_ARGUMENTS
from bionet.running.simulate import simulate

DTYPES = {"float32": np.float32, "float64": np.float64}


def random_conv(rng):
    groups = int(rng.integers(1, 4))
    n_out = groups * rng.choice([1, 2, 5, 8, 40, 70])  # up to several blocks of registers
    weights = rng.normal(size=(n_out, *rng.integers(1, 4, 3)))
    options = {
        "stride": tuple(rng.integers(1, 4, 2)),
        "padding": tuple(rng.integers(0, 4, 2)),
        "dilation": tuple(rng.integers(1, 4, 2)),
        "groups": groups,
    }
    return Conv2d(weights, **options), weights.shape[1] * groups


def random_pool(rng):
    kernel = rng.integers(1, 5, 2)
    options = {
        "stride": tuple(rng.integers(1, 4, 2)) if rng.random() < 0.7 else None,
        "padding": tuple(rng.integers(0, kernel // 2 + 1)),
        "ceil_mode": bool(rng.random() < 0.5),
        "count_include_pad": bool(rng.random() < 0.5),
        "divisor_override": int(rng.integers(1, 9)) if rng.random() < 0.3 else None,
        "scale": float(rng.uniform(0.5, 2)),
    }
    return AveragePool2d(tuple(kernel), **options), int(rng.integers(1, 9))


def random_geometry(seed, kind):
    """A kernel and a source shape that fit each other."""
    rng = np.random.default_rng([seed, len(kind)])
    while True:
        height, width = (int(n) for n in rng.integers(1, 11, 2))
        if kind == "conv2d":
            kernel, channels = random_conv(rng)
        elif kind == "average_pool2d":
            kernel, channels = random_pool(rng)
        elif kind == "dense":
            channels = int(rng.integers(1, 5))
            kernel = Dense(rng.normal(size=(rng.integers(1, 150), channels * height * width)))
        elif kind == "max_pool2d":
            pool, channels = random_pool(rng)
            kernel = MaxPool2d(pool.kernel, pool.stride, pool.padding, pool.ceil_mode, weight=0.7)
        elif kind == "sparse":
            channels = int(rng.integers(1, 5))
            shape = tuple(int(n) for n in rng.integers(1, 6, rng.integers(1, 5)))
            matrix = rng.normal(size=(np.prod(shape), channels * height * width))
            kernel = Sparse.of_matrix(matrix * (rng.random(matrix.shape) < 0.3), shape)
        elif kind == "largest":
            kernel, channels = Largest(weight=0.7), int(rng.integers(1, 5))
        else:
            channels = int(rng.integers(1, 5))
            kernel = OneToOne(rng.normal(size=(channels, height, width)))
        source = (channels, height, width)
        try:
            kernel.target_shape(source)
        except InputError:
            continue
        return kernel, source


def expected_from_torch(kernel, values, torch_kernel):
    """The same by torch in float64; ``values`` (lanes, *source)."""
    if isinstance(kernel, OneToOne):
        return values * kernel.weight
    if isinstance(kernel, Sparse):
        mapped = values.reshape(len(values), -1) @ kernel.matrix().toarray().T
        return mapped.reshape(len(values), *kernel.shape)
    return torch_kernel(kernel, values)


def make_synapses(kernel, source, lanes=1, dtype="float64", graded=True, **options):
    n_source, n_target = np.prod(source), np.prod(kernel.target_shape(source))
    spec = {"threshold": "False", "dtype": DTYPES[dtype]}
    pre = NeuronGroup(lanes * n_source, "x : 1\nr : 1", reset="", **spec)
    post = NeuronGroup(lanes * n_target, "v : 1", reset="", **spec)
    amplitude = "x" if graded else None
    return SharedSynapses(pre, post, kernel, source, lanes=lanes, amplitude=amplitude, **options)


@pytest.mark.usefixtures("numpy_target")
@pytest.mark.parametrize("kind", ["conv2d", "average_pool2d", "dense", "one_to_one", "sparse"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), lanes=st.integers(1, 3), share=st.sampled_from([0.3, 1.0]))
def test_a_graded_step_equals_torch(kind, seed, lanes, share, torch_kernel):
    kernel, source = random_geometry(seed, kind)
    synapses = make_synapses(kernel, source, lanes)
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(lanes, *source)) * (rng.random((lanes, *source)) < share)
    flat = to_channel_last(values, source).reshape(-1)
    target = np.zeros(len(synapses.target))
    synapses.propagate(np.flatnonzero(flat), flat, target)
    shape = kernel.target_shape(source)
    got = from_channel_last(target.reshape(lanes, -1), shape)
    want = expected_from_torch(kernel, values, torch_kernel).reshape(got.shape)
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


PROGRAM = """
#include <cstdio>
#include <cstdlib>
#include <vector>
#include "shared_synapses.hpp"

template <typename V> static std::vector<V> read(std::FILE* file) {
    int32_t n = 0;
    if (std::fread(&n, 4, 1, file) != 1) std::abort();
    std::vector<V> values(n);
    if (n && std::fread(values.data(), sizeof(V), n, file) != size_t(n)) std::abort();
    return values;
}

template <class Kernel, typename T, int EXTRA>
static void step(std::FILE* in, std::FILE* out, int lanes) {
    const auto spikes = read<int32_t>(in), table = read<int32_t>(in);
    const auto weights = read<T>(in), amplitude = read<T>(in);
    const auto estimates = read<T>(in);
    auto target = read<T>(in);
    const T* sizes = amplitude.empty() ? nullptr : amplitude.data();
    if constexpr (EXTRA == 2)
        bionet::propagate<Kernel>(spikes.data(), spikes.size(), lanes, weights.data(), sizes,
                                  target.data(), estimates.data());
    else if constexpr (EXTRA == 1)
        bionet::propagate<Kernel>(spikes.data(), spikes.size(), lanes, weights.data(), sizes,
                                  target.data(), table.data());
    else
        bionet::propagate<Kernel>(spikes.data(), spikes.size(), lanes, weights.data(), sizes,
                                  target.data());
    std::fwrite(target.data(), sizeof(T), target.size(), out);
}

int main() {
    std::FILE *in = std::fopen("in.bin", "rb"), *out = std::fopen("out.bin", "wb");
    %s
    std::fclose(out);
}
"""


class Case:
    """One random geometry with spikes of one step, its C++ type and what it must give."""

    def __init__(self, number):
        kinds = ["conv2d", "conv2d", "average_pool2d", "dense", "one_to_one"]
        kinds += ["max_pool2d", "max_pool2d", "max_pool2d", "largest", "sparse"]
        rng = np.random.default_rng([7, number])
        self.kernel, self.source = random_geometry(number, kinds[number % len(kinds)])
        self.dtype = ["float32", "float64"][number % 2]
        self.graded = bool(rng.random() < 0.5)
        self.sign = int(rng.integers(-1, 2))
        self.lanes = int(rng.integers(1, 4))
        self.synapses = make_synapses(
            self.kernel, self.source, self.lanes, self.dtype, self.graded, sign=self.sign
        )
        n = len(self.synapses.source)
        self.spikes = np.flatnonzero(rng.random(n) < rng.choice([0.0, 0.3, 1.0], p=[0.1, 0.6, 0.3]))
        self.amplitude = rng.normal(size=n).astype(self.dtype) if self.graded else None
        self.start = rng.normal(size=len(self.synapses.target)).astype(self.dtype)
        # Few different values, so that many are equal.
        self.estimate = rng.integers(0, 4, n).astype(self.dtype)
        self.synapses.source.r = self.estimate

    def call(self):
        scalar = {"float32": "float", "float64": "double"}[self.dtype]
        packed = self.synapses.packed
        options = {"T": scalar, "graded": str(self.graded).lower(), "sign": self.sign}
        table = 2 if isinstance(self.kernel, GATES) else int(packed.table is not None)
        kernel = packed.cpp.format(**options)
        return f"step<{kernel}, {scalar}, {table}>(in, out, {self.lanes});"

    def input(self):
        packed = self.synapses.packed
        arrays = [self.spikes.astype(np.int32), packed.table, packed.weights]
        arrays += [self.amplitude, self.estimate, self.start]
        arrays = [np.zeros(0) if a is None else a for a in arrays]
        return b"".join(np.int32(a.size).tobytes() + a.tobytes() for a in arrays)

    def slow(self):
        target = self.start.copy()
        self.synapses.propagate_slowly(self.spikes, self.amplitude, target)
        return target

    def gated(self, values):
        estimate = from_channel_last(self.estimate.reshape(self.lanes, -1), self.source)
        change = gated_by_definition(self.kernel, values, estimate)
        if self.sign:
            change = np.where(np.sign(change) == self.sign, change, 0)
        shape = self.kernel.target_shape(self.source)
        return self.start + to_channel_last(change, shape).reshape(-1)

    def from_torch(self, torch_kernel):
        """Raising and lowering parts of every synapse: (|w| * |a| +- w * a) / 2."""
        values = np.zeros(len(self.synapses.source))
        values[self.spikes] = 1 if self.amplitude is None else self.amplitude[self.spikes]
        values = from_channel_last(values.reshape(self.lanes, -1), self.source)
        if isinstance(self.kernel, GATES):
            return self.gated(values)
        change = expected_from_torch(self.kernel, values, torch_kernel)
        if self.sign:
            size = expected_from_torch(magnitude(self.kernel), abs(values), torch_kernel)
            change = (change + self.sign * size) / 2
        shape = self.kernel.target_shape(self.source)
        return self.start + to_channel_last(change.reshape(self.lanes, *shape), shape).reshape(-1)


def gated_by_definition(kernel, values, estimate):
    """What passes a gate: float64 array (lanes, *target), unit by unit."""
    lanes, channels, height, width = values.shape
    target = np.zeros((lanes, *kernel.target_shape(values.shape[1:])))
    if isinstance(kernel, Largest):
        for lane in range(lanes):
            order = np.moveaxis(estimate[lane], 0, -1)
            y, x, c = np.unravel_index(np.argmax(order), order.shape)
            target[lane, c, y, x] = kernel.weight * values[lane, c, y, x]
        return target
    (down, right), (top, left) = kernel.stride, kernel.padding
    for lane, c, ty, tx in np.ndindex(target.shape):
        best, passed = -np.inf, 0.0
        for y in range(ty * down - top, ty * down - top + kernel.kernel[0]):
            for x in range(tx * right - left, tx * right - left + kernel.kernel[1]):
                inside = 0 <= y < height and 0 <= x < width
                if inside and estimate[lane, c, y, x] > best:
                    best, passed = estimate[lane, c, y, x], values[lane, c, y, x]
        target[lane, c, ty, tx] = kernel.weight * passed
    return target


def magnitude(kernel: Kernel) -> Kernel:
    """The kernel with the absolute values of its weights."""
    # abs leaves the offsets and targets of a sparse kernel as they are.
    changed = {name: abs(array) for name, array in kernel.arrays().items()}
    return type(kernel)(**{**kernel.options(), **changed})


def compiled(folder, cases, *flags):
    """The cases in one C++ program: the resulting target of each."""
    (folder / "shared_synapses.hpp").write_text(header())
    (folder / "main.cpp").write_text(PROGRAM % "\n    ".join(case.call() for case in cases))
    (folder / "in.bin").write_bytes(b"".join(case.input() for case in cases))
    compiler = [os.environ.get("CXX", "g++"), *COMPILE_ARGUMENTS, "-std=c++17", *flags]
    subprocess.run([*compiler, "main.cpp", "-o", "main"], cwd=folder, check=True)
    subprocess.run(["./main"], cwd=folder, check=True)
    result, place = (folder / "out.bin").read_bytes(), 0
    results = []
    for case in cases:
        results.append(np.frombuffer(result, case.dtype, case.start.size, place))
        place += case.start.nbytes
    assert place == len(result)
    return results


@pytest.fixture(scope="module")
def compiled_cases(tmp_path_factory):
    """Sixty-three random geometries in one C++ program: (case, resulting target) of each."""
    cases = [Case(number) for number in range(63)]
    return list(zip(cases, compiled(tmp_path_factory.mktemp("kernels"), cases), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("block", [16, 32, 64])
def test_every_vector_width_gives_the_same_bits(tmp_path, block):
    """The compiler lowers blocks that are wider than the processor's registers."""
    cases = [Case(number) for number in range(30)]
    for case, result in zip(
        cases, compiled(tmp_path, cases, f"-DBIONET_BLOCK={block}"), strict=True
    ):
        np.testing.assert_array_equal(result, case.slow(), err_msg=case.call())


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="instruction sets of x86-64")
@pytest.mark.parametrize("level", ["x86-64", "x86-64-v3"])
def test_older_processors_give_the_same_bits(tmp_path, level):
    """SSE2 alone, and AVX2."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if level == "x86-64-v3" and " avx2 " not in flags:
        pytest.skip("this processor has no AVX2")
    cases = [Case(number) for number in range(30)]
    for case, result in zip(cases, compiled(tmp_path, cases, f"-march={level}"), strict=True):
        np.testing.assert_array_equal(result, case.slow(), err_msg=case.call())


def test_cpp_loops_equal_the_slow_form_bit_for_bit(compiled_cases):
    for case, result in compiled_cases:
        np.testing.assert_array_equal(result, case.slow(), err_msg=case.call())


def test_the_numpy_device_equals_the_slow_form_bit_for_bit():
    for case in (Case(number) for number in range(120)):
        target = case.start.copy()
        case.synapses.propagate(case.spikes, case.amplitude, target)
        np.testing.assert_array_equal(target, case.slow(), err_msg=case.call())


def test_cpp_loops_equal_torch(compiled_cases, torch_kernel):
    for case, result in compiled_cases:
        # Float32 sums of some 150 terms of size 1 lose about 150 * 6e-8 * 3.
        tolerance = {"float32": 3e-5, "float64": 1e-12}[case.dtype]
        np.testing.assert_allclose(
            result, case.from_torch(torch_kernel), tolerance, tolerance, err_msg=case.call()
        )


def test_the_cases_cover_all_kinds(compiled_cases):
    kinds = {
        (type(c.kernel).__name__, getattr(c.kernel, "groups", 1) > 1) for c, _ in compiled_cases
    }
    assert len(kinds) == 8
    assert {c.sign for c, _ in compiled_cases} == {-1, 0, 1}
    assert {(c.graded, c.dtype) for c, _ in compiled_cases} == set(
        itertools.product([True, False], DTYPES)
    )
    pooling = {name: set() for name in ("ceil_mode", "count_include_pad")}
    for case, _ in compiled_cases:
        for name in pooling:
            pooling[name] |= {getattr(case.kernel, name, None)}
    assert all(seen >= {True, False} for seen in pooling.values())


def definition(kernel, source):
    """Source, target and weight of every synapse in PyTorch's order, one after another."""
    if isinstance(kernel, Dense):
        j, i = np.indices(kernel.weights.shape).reshape(2, -1)
        return i, j, kernel.weights.reshape(-1)
    channels, height, width = source
    target = kernel.target_shape(source)
    pooling = isinstance(kernel, AveragePool2d)
    size = kernel.kernel if pooling else kernel.weights.shape[2:]
    groups = channels if pooling else kernel.groups
    n_in, n_out = channels // groups, target[0] // groups
    rows = []
    for out, y, x in np.ndindex(*target):
        taps = []
        for local, ky, kx in np.ndindex(n_in, *size):
            sy = y * kernel.stride[0] - kernel.padding[0] + ky
            sx = x * kernel.stride[1] - kernel.padding[1] + kx
            if 0 <= sy < height and 0 <= sx < width:
                unit = np.ravel_multi_index((out // n_out * n_in + local, sy, sx), source)
                taps.append((unit, 1.0 if pooling else kernel.weights[out, local, ky, kx]))
        divisor = len(taps) if pooling else 1  # count_include_pad=False
        unit = np.ravel_multi_index((out, y, x), target)
        rows += [(i, unit, weight / divisor) for i, weight in taps]
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def plain_brian_groups(snn, image):
    """The populations that fire, as Brian2 groups in PyTorch's order."""

    def fires_at(n, equations, threshold, reset):
        spec = {"method": "euler", "dt": 1 * ms, "dtype": np.float64}
        return NeuronGroup(n, equations, threshold=threshold, reset=reset, **spec)

    uniform = "dphase/dt = x*kHz : 1\nx : 1"
    groups = {"input": fires_at(image.size, uniform, "phase >= 1 - 1e-9", "phase -= 1")}
    groups["input"].x = image.reshape(-1)
    for population in snn.populations[:-1]:
        group = fires_at(population.size, "dv/dt = I/ms : 1\nI : 1", "v >= 1", "v -= 1")
        group.I = np.broadcast_to(population.parameters["I"], population.shape).reshape(-1)
        groups[population.name] = group
    return groups


def plain_brian_counts(snn, image, steps):
    """Spike counts by Brian2's own ``Synapses``, layer after layer in each step."""
    groups = plain_brian_groups(snn, image)
    synapses = []
    for projection in snn.projections[:-1]:
        ends = groups[projection.source], groups[projection.target]
        pathway = Synapses(*ends, "w : 1", on_pre="v_post += w", delay=projection.delay * ms)
        i, j, w = definition(projection.kernel, snn.shape(projection.source))
        pathway.connect(i=i, j=j)
        pathway.w = w
        pathway.pre.when = f"synapses_{projection.target}"
        synapses.append(pathway)
    for name, group in groups.items():
        group.state_updater.when = f"groups_{name}"
        group.thresholder["spike"].when = f"thresholds_{name}"
        group.resetter["spike"].when = f"resets_{name}"
    monitors = {name: SpikeMonitor(g, record=False) for name, g in groups.items()}
    network = Network(*groups.values(), *synapses, *monitors.values())
    slots = ("groups", "synapses", "thresholds", "resets")
    network.schedule = ["start", *(f"{slot}_{name}" for name in groups for slot in slots), "end"]
    network.run(steps * ms, namespace={})
    return {name: monitor.count[:].reshape(snn.shape(name)) for name, monitor in monitors.items()}


@pytest.mark.usefixtures("numpy_target")
def test_brian_synapses_give_the_same_spikes(four_layers, four_layer_images):
    delays = {"conv2": 2, "output": 1}
    projections = [replace(q, delay=delays.get(q.target, 0)) for q in four_layers.projections]
    snn = replace(four_layers, projections=projections, coding="uniform")
    images = four_layer_images[:2]
    run = simulate(snn, images, 30 * ms, device="numpy", dtype="float64")
    for number, image in enumerate(images):
        counts = plain_brian_counts(snn, image, 30)
        assert counts["output"].sum() > 10
        assert set(counts) == set(run.counts)
        for name, expected in counts.items():
            np.testing.assert_array_equal(run.counts[name][number], expected, err_msg=name)


def test_signed_parts_add_up():
    kernel, source = random_geometry(3, "conv2d")
    values = np.random.default_rng(3).normal(size=np.prod(source))
    parts = []
    for sign in (0, 1, -1):
        synapses = make_synapses(kernel, source, sign=sign)
        target = np.zeros(len(synapses.target))
        synapses.propagate(np.arange(values.size), values, target)
        parts.append(target)
    assert (parts[1] >= 0).all() and (parts[2] <= 0).all()
    assert (parts[1] > 0).any() and (parts[2] < 0).any()
    np.testing.assert_allclose(parts[0], parts[1] + parts[2], rtol=1e-12, atol=1e-14)


def test_weights_are_stored_once():
    kernel = Conv2d(np.ones((4, 2, 3, 3)))
    one, many = (make_synapses(kernel, (2, 8, 7), lanes) for lanes in (1, 5))
    assert one.packed.weights.size == many.packed.weights.size == 3 * 3 * 2 * 8  # 64-byte rows
    assert one.fan_out.sum() == kernel.n_synapses((2, 8, 7)) == 4 * 2 * 9 * 6 * 5


GROUP = {"threshold": "x > 1", "reset": "", "dtype": np.float64}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 0}, "lanes must be at least 1, but is 0"),
        ({"lanes": 2}, r"the source '.*' has 3 units, but 2 lanes of shape \(3,\) need 6"),
        ({"target_shape": (5,)}, r"the target '.*' has 2 units, but 1 lanes of shape \(5,\)"),
        ({"variable": "u"}, "has no variable 'u'"),
        ({"amplitude": "o"}, "has no variable 'o'"),
        ({"event": "onset"}, "has no variable '_onsetspace'"),
        ({"amplitude": "narrow"}, "must be both float32 or both float64, but are float32, float64"),
        ({"variable": "k"}, "must be both float32 or both float64, but are int32"),
    ],
)
def test_synapses_that_do_not_fit_are_refused(options, message):
    group = GROUP | {"dtype": {"x": np.float64, "narrow": np.float32}}
    source = NeuronGroup(3, "x : 1\nnarrow : 1", **group)
    target = NeuronGroup(2, "x : 1\nk : integer", **GROUP)
    with pytest.raises(InputError, match=message):
        SharedSynapses(source, target, Dense(np.ones((2, 3))), (3,), **{"variable": "x"} | options)


def test_an_unknown_kernel_is_refused(numpy_target):
    class Sparse(Kernel):
        def target_shape(self, source):
            return source

    with pytest.raises(InputError, match="Sparse does not list its connections"):
        make_synapses(Sparse(), (1, 1, 1)).propagate(np.array([0]), None, np.zeros(1))
