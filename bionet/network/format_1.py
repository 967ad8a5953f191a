"""Networks saved in format 1, whose metadata held what steers a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["from_format_1"]

# Format 1 -> Simulation; times were in milliseconds there.
TIMES = {"duration_ms": "duration", "dt_ms": "dt"}
PLAIN = ("dtype", "gain", "stop", "pipelined")
STEERING = (
    "activations",
    "fold",
    "fragments",
    "largest",
    "perturbations",
    "relays",
    "scales",
    "signed_input",
    "simulation",
    "source",
    "temporal",
)


def from_format_1(description: Mapping[str, Any]) -> dict[str, Any]:
    """A description of format 2 from one of format 1."""
    metadata = dict(description["metadata"])
    options = metadata.get("options") or {}
    old = {name: metadata.pop(name) for name in STEERING if name in metadata}
    steering = old.get("simulation", {})
    simulation = {new: steering[name] * 0.001 for name, new in TIMES.items() if name in steering}
    simulation |= {name: steering[name] for name in PLAIN if name in steering}
    if "max_rate_hz" in steering:
        simulation["max_rate"] = steering["max_rate_hz"]
    if old.get("signed_input"):
        simulation["signed_input"] = True
    source = old.get("source")
    origin = {
        "layers": old.get("activations", {}),
        "scales": old.get("scales", {}),
        "leak_compensated": bool(options.get("compensate_leak", False)),
        "negative_spikes": bool(options.get("negative_spikes", True)),
        **(source if isinstance(source, dict) else {}),
    }
    return {
        **description,
        "format": 2,
        "metadata": metadata,
        "simulation": simulation,
        "code": _code(old, options),
        "origin": origin,
        "relays": old.get("relays", {}),
        "perturbations": old.get("perturbations", []),
    }


def _code(old: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any] | None:
    if "temporal" in old:
        fields_there = {
            n: options[n] for n in ("mode", "window", "rounding", "margin") if n in options
        }
        return {
            "kind": "temporal",
            **old["temporal"],
            **fields_there,
            "tau": old["simulation"]["leak_ms"] / 1000,
            "input_gain": old["simulation"].get("input_gain", 1.0),
            "largest": old.get("largest", {}),
        }
    if "fold" in old:
        return {"kind": "fold", **old["fold"], "fragments": old.get("fragments", {})}
    return None
