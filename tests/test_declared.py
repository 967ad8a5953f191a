"""What steers a simulation is declared in types, checked when made, and saved."""

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from brian2 import ms
from torch import nn

import bionet
from bionet.errors import InputError
from bionet.files import read_tensors, write_tensors
from bionet.network import (
    Code,
    CodedLayer,
    Fold,
    Origin,
    Simulation,
    SpikingNetwork,
    TemporalCode,
)
from bionet.network.code import CODES, code_type
from bionet.results.temporal_values import decoded, output_values


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dt": 0.0}, r"Simulation\.dt must be a plain number > 0, but is 0"),
        ({"duration": 50 * ms}, r"duration must be a plain number > 0, .* float\(50\*ms\)"),
        ({"max_rate": float("nan")}, "max_rate must be a plain number > 0"),
        ({"stop": True}, "stop must be a plain number > 0, but is True"),
        ({"dtype": "float16"}, "dtype is one of .*float32.*, but is 'float16'"),
        ({"pipelined": 1}, "pipelined is True or False, but is 1"),
    ],
)
def test_a_simulation_is_checked_when_it_is_made(fields, words):
    with pytest.raises(InputError, match=words):
        Simulation(**fields)


def test_unknown_fields_are_refused():
    with pytest.raises(InputError, match="Simulation has no field 'duration_ms'"):
        Simulation.from_dict({"duration_ms": 50})
    with pytest.raises(InputError, match="Origin has no field 'scale'"):
        Origin.from_dict({"scale": {}})
    with pytest.raises(InputError, match="the code 'fold' has no field 'windows'"):
        Code.from_dict({"kind": "fold", "windows": 3})
    with pytest.raises(InputError, match="unknown code 'morse'; known are .*temporal"):
        code_type("morse")
    with pytest.raises(InputError, match="scale of 'conv' must be a number or one for each"):
        Origin(scales={"conv": "much"})


LAYER = CodedLayer("conv", "clock", "input", 5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TemporalCode(5.0, 0.005, (), {}), "layers is empty"),
        (lambda: TemporalCode(0.0, 0.005, (LAYER,), {}), "leak must be more than 0, but is 0"),
        (lambda: TemporalCode(5.0, 5.0, (LAYER,), {}, window="open"), "window is one of .*static"),
        (lambda: Fold(window=3, drain=3), "window must be longer than its drain"),
        (lambda: Fold(window=3, rounding="up"), "rounding is 'down' or 'nearest', but is 'up'"),
    ],
)
def test_a_code_is_checked_when_it_is_made(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_a_network_refuses_what_is_not_of_its_type(tiny):
    with pytest.raises(InputError, match=r"simulation must be a Simulation, but is a dict"):
        replace(tiny, simulation={"dt_ms": 1})
    with pytest.raises(InputError, match="no population is called 'clock'"):
        replace(tiny, code=TemporalCode(5.0, 0.005, (LAYER,), {}))


def test_a_rate_has_no_spike_steps(tiny, tiny_images):
    run = bionet.simulate(tiny, tiny_images, 5 * ms, device="numpy")
    with pytest.raises(InputError, match="output_values is for networks whose spike times are a"):
        output_values(run, tiny)
    steps = replace(run, spike_steps={"conv": run.counts["conv"]})
    with pytest.raises(InputError, match="the network has no code: its spikes are rates"):
        decoded(steps, tiny, "conv")
    with pytest.raises(InputError, match="the code 'fold' has no spike steps to decode"):
        decoded(steps, replace(tiny, code=Fold(5)), "conv")


def test_times_are_the_networks_own(tiny):
    own = replace(tiny, simulation=Simulation(duration=0.02, dt=0.0005))
    assert tiny.times() == (50 * ms, 1 * ms)
    assert own.times() == (20 * ms, 0.5 * ms)
    assert own.times(dt=2 * ms) == (20 * ms, 2 * ms)


def test_metadata_steers_nothing(tiny, tiny_images, assert_same):
    """Every key that steered a simulation in format 1 is a note now."""
    notes = {
        "simulation": {"duration_ms": 7, "dtype": "float64", "gain": 3.0},
        "temporal": {"leak": 5}, "fold": {"window": 3}, "signed_input": True, "relays": {"a": "b"},
    }  # fmt: skip
    plain = bionet.simulate(tiny, tiny_images, device="numpy")
    noted = bionet.simulate(replace(tiny, metadata=notes), tiny_images, device="numpy")
    assert_same(plain, noted)


def test_another_packages_code_is_saved_by_its_kind(tiny, tmp_path):
    @dataclass(frozen=True)
    class Rank(Code):
        """The order of the spikes."""

        first: int
        layers: tuple[CodedLayer, ...] = ()
        kind: ClassVar[str] = "rank"

    try:
        ranked = replace(tiny, code=Rank(2, (LAYER,)))
        assert SpikingNetwork.load(ranked.save(tmp_path / "rank.snn")) == ranked
    finally:
        del CODES["rank"]
    with pytest.raises(InputError, match="unknown code 'rank'.*install the package"):
        SpikingNetwork.load(tmp_path / "rank.snn")


def rewritten(path, change):
    arrays, header = read_tensors(path)
    description = json.loads(header["bionet"])
    change(description)
    write_tensors(path, arrays, {"bionet": json.dumps(description)})
    return path


def test_an_unknown_format_is_refused_in_one_line(tiny, tmp_path):
    path = rewritten(tiny.save(tmp_path / "net.snn"), lambda plain: plain.update(format=3))
    with pytest.raises(InputError, match="in format 3, and this version .* formats 1 and 2; load"):
        SpikingNetwork.load(path)


def to_format_1(plain):
    """As it was written before: what steers stood in the metadata, times in milliseconds."""
    code, own, origin = (plain.pop(name) for name in ("code", "simulation", "origin"))
    relays, perturbations = plain.pop("relays"), plain.pop("perturbations")
    old = {"dt_ms": own["dt"] * 1000, "duration_ms": own["duration"] * 1000}
    old |= {"max_rate_hz": own["max_rate"]} if "max_rate" in own else {}
    old |= {name: own[name] for name in ("dtype", "gain", "stop", "pipelined") if name in own}
    metadata = plain["metadata"] | {"simulation": old, "activations": origin["layers"]}
    metadata |= {"scales": origin["scales"]} if "scales" in origin else {}
    metadata |= {"signed_input": True} if "signed_input" in own else {}
    metadata |= {"relays": relays} if relays else {}
    metadata |= {"perturbations": perturbations} if perturbations else {}
    kind = code.pop("kind")
    if kind == "temporal":
        names = ("leak", "least_steps", "layers", "clocks", "tolerance", "shifts")
        metadata["temporal"] = {name: code[name] for name in names}
        metadata["largest"] = code["largest"]
        old |= {"leak_ms": code["tau"] * 1000, "input_gain": code["input_gain"]}
    if kind == "fold":
        metadata["fold"] = {name: code[name] for name in ("window", "drain", "rounding")}
    plain |= {"format": 1, "metadata": metadata}


def test_networks_in_format_1_are_read(temporal_source, tmp_path):
    images = np.random.default_rng(2).uniform(size=(4, 2, 6, 5))
    timed = bionet.convert(temporal_source, "tdsnn", images, leak=4 * ms, pipelined=True)
    net = nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
    folded = bionet.convert(net, "dsnn", input_shape=(4,), sigma=0.5, fold=True)
    for snn in (timed, folded):
        path = rewritten(snn.save(tmp_path / "old.snn"), to_format_1)
        old = SpikingNetwork.load(path)
        assert old == snn
        assert json.loads(read_tensors(old.save(path))[1]["bionet"])["format"] == 2
