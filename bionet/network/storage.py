"""A spiking network as plain JSON and arrays, and back: the content of a ``.snn`` file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bionet.equations.model import NeuronModel
from bionet.equations.units import plain_quantity, read_quantity
from bionet.errors import InputError
from bionet.files import read_tensors, write_tensors
from bionet.network import Kernel, Population, Projection, Readout, SpikingNetwork
from bionet.network.code import Code
from bionet.network.delays import is_time
from bionet.network.format_1 import from_format_1
from bionet.network.kernel_base import StandIn
from bionet.network.kernels import KERNELS
from bionet.network.origin import Origin, Perturbed
from bionet.network.simulation import Simulation

__all__ = ["FORMAT", "pack_network", "read_outline", "unpack_network", "write_outline"]

FORMAT = 2

PLAIN = [1.0, [0.0] * 7, "1"]
"""The gain of weights without a unit."""
NO_SPREAD = [0.0, [0.0] * 7, "1"]
PROJECTION_FIELDS = ("source", "target", "sign", "variable")


def pack_network(
    snn: SpikingNetwork, saving: bool = False
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A network's description (plain JSON) and its arrays by name.

    ``saving`` refuses what a file cannot hold: a function in a model's namespace.
    """
    if saving:
        _check_coding(snn.coding)
    arrays: dict[str, np.ndarray] = {}
    populations = []
    for p in snn.populations:
        for name, value in p.parameters.items():
            arrays[f"population.{p.name}.{name}"] = np.asarray(value)
        populations.append({"name": p.name, "shape": p.shape, "model": p.model.to_dict(saving)})
    projections = []
    for number, q in enumerate(snn.projections):
        for name, value in q.kernel.arrays().items():
            arrays[f"projection.{number}.{name}"] = value
        plain = {name: getattr(q, name) for name in PROJECTION_FIELDS}
        # Only where it says something: other networks keep their hash.
        plain["delay"] = plain_quantity(q.delay) if is_time(q.delay) else q.delay
        plain |= {"delay_spread": plain_quantity(q.delay_spread)} if q.delay_spread else {}
        plain |= {"delay_seed": int(q.delay_seed)} if q.delay_seed else {}
        plain |= {"jitter": plain_quantity(q.jitter)} if q.jitter else {}
        plain |= {"event": q.event} if q.event != "spike" else {}
        plain |= {"gain": plain_quantity(q.gain)} if plain_quantity(q.gain) != PLAIN else {}
        projections.append({**plain, "kernel": q.kernel.kind, "options": q.kernel.options()})
    description = {
        "format": FORMAT,
        "populations": populations,
        "projections": projections,
        "input_shape": snn.input_shape,
        "readout": {k: v for k, v in vars(snn.readout).items() if (k, v) != ("since", 0)},
        "method": snn.method,
        "coding": snn.coding,
        "metadata": dict(snn.metadata),
        "simulation": snn.simulation.to_dict(),
        "code": None if snn.code is None else snn.code.to_dict(),
        "origin": snn.origin.to_dict(),
        "relays": dict(snn.relays),
        "perturbations": [asdict(perturbed) for perturbed in snn.perturbations],
    }
    return description, arrays


def write_outline(snn: SpikingNetwork, path: str | Path) -> None:
    """Write what the code of a simulation depends on: all but the weights of dense kernels.

    They are most of a large network, and nobody who generates code for it looks at them.
    """
    description, arrays = pack_network(snn)
    shapes = {
        name: arrays.pop(name).shape
        for number, q in enumerate(snn.projections)
        if q.kernel.kind == "dense"
        for name in (f"projection.{number}.{array}" for array in q.kernel.arrays())
    }
    text = {"network": json.dumps(description), "shapes": json.dumps(shapes)}
    write_tensors(path, arrays, text)


def read_outline(path: str | Path) -> SpikingNetwork:
    """The network of which :func:`write_outline` wrote the outline; zeros stand for its weights."""
    arrays, text = read_tensors(path)
    for name, shape in json.loads(text["shapes"]).items():
        arrays[name] = StandIn.of(tuple(shape))
    return unpack_network(json.loads(text["network"]), arrays)


def unpack_network(
    description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> SpikingNetwork:
    """The inverse of :func:`pack_network`; it reads what format 1 has written, too.

    Raises
    ------
    InputError
        If the file has a format that this version does not know.
    """
    if description["format"] not in (1, FORMAT):
        raise InputError(
            f"the network is in format {description['format']!r}, and this version of BioNet reads"
            f" formats 1 and {FORMAT}; load it with the version that wrote it"
        )
    if description["format"] == 1:
        description = from_format_1(description)
    _check_coding(description["coding"])
    populations = []
    for plain in description["populations"]:
        model = NeuronModel.from_dict(plain["model"])
        values = _under(f"population.{plain['name']}.", arrays)
        parameters = {name: model.quantity(name, value) for name, value in values.items()}
        populations.append(Population(plain["name"], tuple(plain["shape"]), model, parameters))
    projections = []
    for number, plain in enumerate(description["projections"]):
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in plain["options"].items()}
        kernel_arrays = _under(f"projection.{number}.", arrays)
        kernel = kernel_type(plain["kernel"])(**options, **kernel_arrays)
        fields = {name: plain[name] for name in PROJECTION_FIELDS}
        delay = plain["delay"]
        fields["delay"] = read_quantity(*delay) if isinstance(delay, list) else delay
        fields["delay_spread"] = read_quantity(*plain.get("delay_spread", NO_SPREAD))
        fields["delay_seed"] = plain.get("delay_seed", 0)
        fields["jitter"] = read_quantity(*plain.get("jitter", NO_SPREAD))
        fields["event"] = plain.get("event", "spike")
        fields["gain"] = read_quantity(*plain.get("gain", PLAIN))
        projections.append(Projection(kernel=kernel, **fields))
    return SpikingNetwork(
        tuple(populations),
        tuple(projections),
        tuple(description["input_shape"]),
        Readout(**description["readout"]),
        description["method"],
        description["coding"],
        description["metadata"],
        Simulation.from_dict(description["simulation"]),
        None if description["code"] is None else Code.from_dict(description["code"]),
        Origin.from_dict(description["origin"]),
        description["relays"],
        tuple(Perturbed(**plain) for plain in description["perturbations"]),
    )


def kernel_type(kind: str) -> type[Kernel]:
    """The kernel of a kind; a file never chooses what is imported, so not ``module:name``."""
    if kind not in KERNELS:
        raise InputError(
            f"unknown kernel {kind!r}; known are {', '.join(KERNELS)}: install the package that"
            " made the network"
        )
    return KERNELS[kind]


def _check_coding(coding: Any) -> None:
    """Refuse a coding that is to be imported: a file never chooses which code is run."""
    if not isinstance(coding, str) or ":" in coding:
        raise InputError(
            f"a network's file cannot name the input coding {coding!r}, which would be imported;"
            " keep a network of coding='analog' and pass your own coding to simulate"
        )


def _under(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with a prefix, under the rest of their names."""
    return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
