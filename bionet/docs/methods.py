"""Each method's equations, from the neuron models of networks that it has really converted.

A small network (a convolution, a pooling, a linear layer) is converted in every way that gives
other models; the models come out of the populations as Brian2 gets them, and the meanings of the
symbols out of the tables at the top of the modules in :mod:`bionet.equations`.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from brian2 import Hz, ms, mV
from torch import nn

import bionet
from bionet import equations
from bionet.equations import NeuronModel
from bionet.equations.model import unit_name
from bionet.network import Population, SpikingNetwork
from bionet.running.arguments import make_plan

__all__ = ["SECTIONS", "equations_section"]

# Page of docs/ -> the methods whose equations stand on it.
SECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "rate.md": ("rate",),
        "dsnn.md": ("dsnn",),
        "tdsnn.md": ("tdsnn",),
        "ttfs.md": ("ttfs",),
        "weighted-spikes.md": ("phase", "burst"),
        "augmapping.md": ("augmapping", "termapping"),
        "threshold-search.md": ("threshold_search",),
        "biophysical.md": ("biophysical",),
    }
)
# What gives other models: (how it is written on the page, options, whether the pooling is a
# maximum, input coding).
Way = tuple[str, dict[str, Any], bool, str | None]
WAYS: Mapping[str, tuple[Way, ...]] = MappingProxyType(
    {
        "rate": (
            ("", {}, False, None),
            ('coding="poisson"', {}, False, "poisson"),
            ('coding="uniform"', {}, False, "uniform"),
            ('reset="zero"', {"reset": "zero"}, False, None),
            ("initial_potential=0.5", {"initial_potential": 0.5}, False, None),
            ("signed=True", {"signed": True}, False, None),
            ("a max pooling", {}, True, None),
            ('a max pooling, max_pooling="count"', {"max_pooling": "count"}, True, None),
            ("a max pooling, pool_tau=20*ms", {"pool_tau": 20 * ms}, True, None),
            ("softmax=200*Hz", {"softmax": 200 * Hz}, False, None),
        ),
        "dsnn": (
            ("", {"sigma": 0.3}, False, None),
            ('coding="poisson"', {"sigma": 0.3, "coding": "poisson"}, False, None),
            ("tau=20*ms", {"sigma": 0.3, "tau": 20 * ms}, False, None),
            ("fold=True, a max pooling", {"sigma": 0.3, "fold": True}, True, None),
        ),
        "tdsnn": (
            ("", {"leak": 10 * ms}, False, None),
            ('window="dynamic"', {"leak": 10 * ms, "window": "dynamic"}, False, None),
            ("a max pooling", {"leak": 10 * ms}, True, None),
        ),
        "ttfs": (
            ("", {}, False, None),
            ("a max pooling", {}, True, None),
            ('input="analog"', {"input": "analog"}, False, None),
            ("interpolate=False, a max pooling", {"interpolate": False}, True, None),
            ('synapse="falling", a max pooling', {"synapse": "falling"}, True, None),
        ),
        "phase": (
            ("", {}, False, None),
            ("a max pooling", {}, True, None),
        ),
        "burst": (
            ("", {}, False, None),
            ('kind="growing"', {"kind": "growing"}, False, None),
        ),
        "augmapping": (
            ("", {}, False, None),
            ("bound=4", {"bound": 4}, False, None),
        ),
        "termapping": (("", {}, False, None),),
        "threshold_search": (("", {"thresholds": 1.0}, False, None),),
        "biophysical": (
            ("", {"passes": 0}, False, None),
            (
                'synapse=conductance(...), dale="relay"',
                {
                    "passes": 0,
                    "dale": "relay",
                    "synapse": equations.synapses.conductance(0 * mV, -80 * mV, 5 * ms, 5 * ms),
                },
                False,
                None,
            ),
        ),
    }
)


def equations_section(method: str) -> str:
    """A method's neuron models as Markdown: equations, threshold, reset, parameters with units.

    Parameters
    ----------
    method : str
        One of :data:`bionet.conversion.METHODS`.
    """
    populations_of: dict[str, tuple[str, list[Population]]] = {}
    for said, options, maximum, coding in WAYS[method]:
        for population in _populations(method, options, maximum, coding):
            way, populations = populations_of.setdefault(_code(population.model), (said, []))
            if way == said:
                populations.append(population)
    lines = [
        f"## The equations of `{method}`",
        "",
        "Every neuron model that the method makes of a small network (`conv0`, `pool2`, `linear4`),"
        " as Brian2 gets it. `I` and the potential are in units of the weights; `dt` is the step.",
        "",
    ]
    for said, populations in populations_of.values():
        lines += [*_model(said, populations), ""]
    return "\n".join(lines).rstrip() + "\n"


def _model(said: str, populations: list[Population]) -> list[str]:
    """One model: where it occurs, code, mathematics, variables."""
    model = populations[0].model
    names = ", ".join(f"`{p.name}`" for p in populations)
    where = f"Populations {names}" if len(populations) > 1 else f"Population {names}"
    where += f", with {said if ' pooling' in said else f'`{said}`'}" if said else ""
    lines = [f"### {model.name}", "", f"{where}. {model.source}.", ""]
    lines += ["```text", _code(model), "```", ""]
    lines += ["```math", model.latex(), "```", ""]
    lines += ["| | unit | value | |", "|---|---|---|---|"]
    meanings = _meanings(model)
    for name, dimensions in model.dimensions.items():
        value = "varies"
        if name in model.constants:
            value = "of the image" if name == "x" else _value(name, populations)
        meaning = meanings.get(name, "")
        lines.append(f"| `{name}` | {unit_name(dimensions)} | {value} | {meaning} |")
    return lines


def _code(model: NeuronModel) -> str:
    """The equations and rules of a model; models that differ in values only are alike."""
    blocks = [model.equations, *(f"# {what}\n{text}" for what, text in _rules(model).items())]
    return "\n\n".join(blocks)


def _rules(model: NeuronModel) -> dict[str, str]:
    """What happens in a step besides the equations, in its order."""
    rules = {"in every step, after the input": model.update, "spike": model.threshold}
    rules |= {f"event {name}": condition for name, condition in model.events.items()}
    rules |= {"reset": model.reset, "refractory": model.refractory}
    begin = [
        f"{name} = {value if isinstance(value, str) else format(float(value), 'g')}"
        for name, value in model.initial.items()
        if isinstance(value, str) or float(value)
    ]
    rules["at the begin of a presentation"] = "\n".join(begin)
    plain = {name: text.strip() for name, text in rules.items() if text}
    return {name: "\n".join(line.strip() for line in t.splitlines()) for name, t in plain.items()}


def _value(name: str, populations: list[Population]) -> str:
    """The values of a parameter in the small network, in SI units: one, or their range."""
    values = np.concatenate([np.ravel(p.parameters[name]) for p in populations])
    low, high = (f"{value:.3g}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _populations(
    method: str, options: Mapping[str, Any], maximum: bool, coding: str | None
) -> tuple[Population, ...]:
    """The populations of the small network, its input first."""
    snn = _converted(method, options, maximum)
    duration, dt = snn.times()
    plan = make_plan(
        snn,
        duration=duration,
        dt=dt,
        coding=coding or snn.coding,
        max_rate=None,
        lanes=1,
        dtype="float64",
        record=None,
    )
    return (plan.input, *snn.populations)


def _converted(method: str, options: Mapping[str, Any], maximum: bool) -> SpikingNetwork:
    random = np.random.default_rng(0)
    pool = nn.MaxPool2d(2) if maximum else nn.AvgPool2d(2)
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, bias=False), nn.ReLU(), pool, nn.Flatten(), nn.Linear(8, 3, bias=False)
    )
    for parameter in net.parameters():
        values = random.normal(0, 0.5, parameter.shape).round(2)
        parameter.data = torch.tensor(values, dtype=torch.float32)
    images = random.random((20, 1, 6, 6), dtype=np.float32)
    taken = bionet.conversion.options(method)
    given: dict[str, Any] = (
        {} if "thresholds" in taken or "sigma" in taken else {"calibration": images}
    )
    return bionet.convert(net, method, input_shape=(1, 6, 6), **given, **options)


# A row of a module's table; some name two symbols: ``m``, ``h``.
ROW = r"^(``\w+``(?:, ``\w+``)*) +\S.*? {2,}(.+)$"


class _Module(NamedTuple):
    """A module of :mod:`bionet.equations`: its text, and the table at its top."""

    source: str
    table: Mapping[str, str]


# Of tables that know as many variables of a model, these come last: they share names with many.
LAST = ("first_spike", "latency", "weighted_spikes")


@functools.cache
def _tables() -> tuple[_Module, ...]:
    """The table of symbols of every module of :mod:`bionet.equations` and of conversion."""
    modules = []
    for package in (equations, bionet.conversion):
        infos = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        for info in sorted(infos, key=lambda info: info.name.endswith(LAST)):
            if info.name == "bionet.equations.nir_nodes":  # no method makes these
                continue
            module = importlib.import_module(info.name)
            rows = re.findall(ROW, module.__doc__ or "", re.M)
            table = {
                name: re.sub(r":math:`(.+)`", r"$\1$", told)
                for names, told in rows
                for name in re.findall(r"``(\w+)``", names)
            }
            modules.append(_Module(inspect.getsource(module), table))
    return tuple(modules)


@functools.cache
def _meanings(model: NeuronModel) -> Mapping[str, str]:
    """Meanings of a model's variables, each from the module that wrote what the variable does.

    Symbols mean other things in other modules: r is a rate here and a resistance there. Of several
    modules with as many lines about a variable, it is the one that knows most of the symbols.
    """
    rules = [text for text in _rules(model).values() if text]
    lines = {line.strip() for text in (model.equations, *rules) for line in text.splitlines()}
    telling = [line for line in lines if not re.fullmatch(r"\w+ : [^=]*", line)]
    names = set(model.dimensions)
    meanings: dict[str, str] = {}
    for name in names:

        def authorship(module: _Module, name: str = name) -> tuple[int, int, int]:
            about = [line for line in telling if re.search(rf"\b(d?{name})\b", line)]
            return (
                sum(line in module.source for line in about),
                len(names & set(module.table)),
                sum(line in module.source for line in lines),
            )

        if knowing := [module for module in _tables() if name in module.table]:
            meanings[name] = max(knowing, key=authorship).table[name]
    return meanings
