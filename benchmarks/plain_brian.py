"""The plain side of the comparison: the same network with Brian2's own ``Synapses``.

``python -m benchmarks.plain_brian NETWORK FOLDER`` compiles it as a C++ standalone program in
FOLDER. Neuron groups, schedule and presentation are BioNet's; every synapse is stored.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import brian2
import numpy as np
from brian2 import prefs, second

from bionet.brian.assemble import assemble
from bionet.brian.plan import Plan
from bionet.brian.unit_targets import Targets
from bionet.network import Projection, SpikingNetwork
from bionet.network.input_population import input_population

__all__ = ["STEPS", "plain_synapses"]

STEPS = 50
ENDLESS = 2**40


def synapse_lists(
    projection: Projection, source: tuple[int, ...], target: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source, target and weight of every synapse of a projection."""
    targets = Targets(projection.kernel, source, target, np.dtype(np.float32))
    rows = [targets[unit] for unit in range(int(np.prod(source)))]
    i = np.repeat(np.arange(len(rows)), [len(where) for where, _ in rows])
    return i, np.concatenate([r[0] for r in rows]), np.concatenate([r[1] for r in rows])


def plain_synapses(
    projection: Projection, source: Any, target: Any, arguments: Mapping[str, Any]
) -> Any:
    """Brian2's ``Synapses`` for a projection, one lane, no delay."""
    variable, amplitude = arguments["variable"], arguments["amplitude"]
    effect = f"w*{amplitude}_pre" if amplitude else "w"
    synapses = brian2.Synapses(
        source,
        target,
        "w : 1",
        on_pre={"pre": f"{variable}_post += {effect}"},
        on_event={"pre": arguments["event"]},
        clock=source.clock,
        name=arguments["name"],
    )
    synapses.pre.when = arguments["when"]
    i, j, w = synapse_lists(projection, arguments["source_shape"], arguments["target_shape"])
    synapses.connect(i=i, j=j)
    synapses.w = w
    return synapses


def main(network: Path, folder: Path) -> None:
    """Compile the network in ``folder``."""
    prefs.core.default_float_dtype = np.float32
    brian2.set_device("cpp_standalone", build_on_run=False, directory=str(folder))
    snn = SpikingNetwork.load(network)
    plan = Plan(STEPS, 1e-3, 1, input_population(snn), dtype="float32")
    built = assemble(snn, plan, plain_synapses)
    built.network.run(ENDLESS * plan.dt * second, namespace={})
    brian2.device.build(directory=str(folder), compile=True, run=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
