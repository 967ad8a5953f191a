"""What the processor itself can add: the limit that synaptic additions are compared with.

Rows of weights that lie in the first cache are added to accumulators that stay in the registers,
with the compiler, flags and blocks of BioNet's own programs. No simulation that reads a weight for
each addition is faster.
"""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from bionet.running.compiler import compile_arguments, compiler

__all__ = ["additions_per_second"]

SOURCE = """
#include <cstdio>
#include <ctime>
%s
int main() {
    constexpr int width = 8 * bionet::block_width<float>(), rows = 24;
    static float weights[rows * width] __attribute__((aligned(64)));
    static float sums[width] __attribute__((aligned(64)));
    for (int k = 0; k < rows * width; k++) weights[k] = 1e-6f * k;
    int32_t spikes[240];
    for (int k = 0; k < 240; k++) spikes[k] = k %% rows;
    const long repeats = 200000;
    const clock_t before = clock();
    for (long r = 0; r < repeats; r++) {
        bionet::Tile<float, 8> tile;
        tile.read(sums, width);
        tile.add<false, 0>(spikes, spikes + 240, 0, weights, width, (const float*)NULL);
        tile.write(sums, width);
    }
    const double seconds = double(clock() - before) / CLOCKS_PER_SEC;
    std::printf("%%g %%g\\n", repeats * 240.0 * width / seconds, double(sums[0]));
}
"""


def additions_per_second() -> float:
    """Single-precision additions of one core in a second."""
    header = resources.files("bionet.brian").joinpath("templates/shared_synapses.hpp").read_text()
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "limit.cpp", Path(folder) / "limit"
        source.write_text(SOURCE % header)
        command = [*shlex.split(compiler()), *compile_arguments(), str(source), "-o", str(program)]
        subprocess.run(command, check=True, capture_output=True)
        done = subprocess.run([program], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])
