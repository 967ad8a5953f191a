r"""All codes side by side: one network, one data set, one function for every row.

A code is an entry of ``CODES``: a method with its options and the length of its presentation. Its
row says accuracy, steps, latency, spikes, operations and energy of an image, undisturbed, and the
accuracy that remains under five perturbations. Presentations are as long as each code needs to lose
nothing when it is undisturbed.

Operations are additions and multiplications of synapses and updates of potentials, the energy an
estimate from them (:mod:`bionet.results.costs`): 0.9 pJ an addition, 3.7 pJ a multiplication.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from brian2 import Hz, ms
from torch import nn

import bionet
from bionet.conversion import METHODS
from bionet.errors import InputError
from bionet.network import SpikingNetwork
from bionet.perturbations import ImagePerturbation, find, noted, perturb
from bionet.progress import tracked
from bionet.reproduce.item import Item, Result, Settings, count
from bionet.reproduce.parts import Parts, digest
from bionet.results.costs import operations
from bionet.results.latency import latency
from bionet.results.metrics import wilson_interval

__all__ = ["CODES", "ITEMS", "PERTURBATIONS", "ComparedCode"]

FULL, QUICK = 500, 50
CALIBRATION = 200


@dataclass(frozen=True)
class ComparedCode:
    """A code of the comparison.

    Parameters
    ----------
    name : str
        In the table.
    method : str
        Of :func:`bionet.convert`; an entry whose method is not installed is left out, and said so.
    options : mapping
        Of the conversion.
    steps : int, optional
        Of a presentation, 1 ms each; the network's own by default.
    perturbed : mapping
        Options of the conversion where the network is perturbed, if it needs others.
    """

    name: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: int | None = None
    perturbed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def disturbed(self) -> Mapping[str, Any]:
        """Options of the conversion where the network is perturbed."""
        return {**self.options, **self.perturbed}


CODES: tuple[ComparedCode, ...] = (
    ComparedCode("rate", "rate", steps=50),
    ComparedCode("rate, fast", "rate", {"preset": "fast", "steps": 8}),
    ComparedCode("dsnn", "dsnn", {"duration": 192 * ms, "max_rate": 125 * Hz, "factors": ()}),
    ComparedCode("tdsnn", "tdsnn", {"leak": 4 * ms, "rounding": "nearest", "dtype": "float32"}),
    ComparedCode("ttfs", "ttfs", {"synapse": "falling", "fold_pooling": False}),
    ComparedCode("ttfs, rounded", "ttfs", {"interpolate": False, "fold_pooling": False}),
    ComparedCode("ternary", "termapping", steps=100),
    ComparedCode("augmented", "augmapping", steps=30),
    ComparedCode("burst", "burst"),
    ComparedCode("phase", "phase"),
)
PERTURBATIONS: Mapping[str, tuple[float, ...]] = {
    "membrane_noise": (0.1,),
    "synaptic_failure": (0.2,),
    "dead_units": (0.2,),
    "weight_noise": (0.8,),
    "gaussian_noise": (0.3,),
}
UNDISTURBED = "none"


def comparison(network: str, data: str) -> Any:
    """An item that compares all codes on a network and a data set."""

    def run(settings: Settings) -> Result:
        """Simulate every code, undisturbed and perturbed."""
        images, labels = settings.test(data, settings.number(FULL, QUICK))
        calibration, _ = settings.calibration(data, CALIBRATION)
        net = settings.network(network, data)
        weights = digest(*(value.detach().numpy() for value in net.state_dict().values()))
        common = {
            "network": weights, "images": digest(images, labels, calibration),
            "seed": settings.seed,
        }  # fmt: skip
        parts = Parts(settings.folder, common)
        installed = [code for code in CODES if code.method in METHODS]
        cells = [(code, name, level) for code in installed for name, level in _conditions()]
        shown = tracked(cells, "codes", settings.progress)
        rows = []
        # A conversion may search by simulation: once for each code, whatever disturbs it.
        convert = cache(partial(_converted, net, calibration))
        for code, name, level in shown:
            options = code.disturbed if name != UNDISTURBED else code.options
            made = partial(convert, code.method, _Options(options))
            compute = partial(row, code, name, level, made, images, labels, settings)
            cell = {"perturbation": name, "level": level}
            measured = parts.get({"code": _plain(code), **cell}, compute)
            rows.append({"code": code.name, **cell, **measured})
        table = pd.DataFrame(rows)
        right = count(net, images, labels)
        missing = [code.name for code in CODES if code not in installed]
        notes = [
            f"network ({network}): {100 * right / len(labels):.2f} %"
            f" of the first {len(labels):,} test images of {data}",
            f"{CALIBRATION} calibration images; every perturbation drawn with seed {settings.seed}",
            "operations: of synapses and potentials, for an image; energy: an estimate from them,"
            " 0.9 pJ an addition, 3.7 pJ a multiplication (45 nm)",
            *_source_operations(table),
            "latency: the step from which the accuracy stays within a point of its final value, or"
            " in which a code of times ends",
            *(
                f"{code.name}, perturbed: converted with {_text(code.perturbed)}"
                for code in installed
                if code.perturbed
            ),
            *(f"{name}: no method of this name is installed" for name in missing),
            *_refusals(table),
        ]
        return Result(
            (),
            tuple(notes),
            {"figure": lambda: _draw(table)},
            {"codes": table},
            f"{_costs(table)}\n\n{_robustness(table)}\n",
        )

    return run


class _Options(dict[str, Any]):
    """Options of a conversion, told apart by what they say."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(str(self))


def _converted(
    net: nn.Module, calibration: np.ndarray, method: str, options: _Options
) -> SpikingNetwork:
    return bionet.convert(net, method, calibration, **options)


def row(
    code: ComparedCode,
    perturbation: str,
    level: float,
    convert: Callable[[], SpikingNetwork],
    images: np.ndarray,
    labels: np.ndarray,
    settings: Settings,
) -> dict[str, Any]:
    """What one code achieves and costs under one perturbation, as plain JSON.

    Where the code cannot have the network or the perturbation, ``refused`` says why.
    """
    try:
        snn, images = _disturbed(convert(), images, perturbation, level, settings.seed)
        times = () if code.steps is None else (code.steps * ms, 1 * ms)
        run = settings.simulate(snn, images, *times, progress=False)
    except InputError as error:
        return {"refused": str(error)}
    right = run.predictions() == labels
    low, high = wilson_interval(right.mean(), len(labels))
    cost = operations(snn, run)
    # A code of times is read when its last window ends.
    once = snn.code is not None and snn.code.once
    settled = cost.latency if once else latency(run.accuracy_over_time(labels)) or run.n_steps
    return {
        "images": len(labels),
        "correct": int(right.sum()),
        "accuracy": float(right.mean()),
        "low": float(low),
        "high": float(high),
        "steps": run.n_steps,
        "latency": float(settled),
        "spikes": float(sum(run.n_spikes.values())),
        "operations": cost.total,
        "network_operations": cost.network,
        "energy_uJ": cost.energy,
    }


def _conditions() -> list[tuple[str, float]]:
    pairs = [(name, level) for name, levels in PERTURBATIONS.items() for level in levels]
    return [(UNDISTURBED, 0.0), *pairs]


def _plain(code: ComparedCode) -> dict[str, Any]:
    """A code as JSON can say it; quantities as text."""
    options = {name: str(value) for name, value in {**code.options, **code.perturbed}.items()}
    return {"name": code.name, "method": code.method, "steps": code.steps, **options}


def _text(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())


def _disturbed(
    snn: SpikingNetwork, images: np.ndarray, name: str, level: float, seed: int
) -> tuple[SpikingNetwork, np.ndarray]:
    if name == UNDISTURBED:
        return snn, images
    change = find(name).of(level)
    if isinstance(change, ImagePerturbation):
        return noted(snn, [change], seed), change.apply(images, seed)
    return perturb(snn, [change], seed), images


def _source_operations(table: pd.DataFrame) -> list[str]:
    """What the source network needs, two operations for each multiply-accumulate."""
    totals = table.get("network_operations", pd.Series(dtype=float)).dropna()
    return (
        [f"operations of the network itself: {totals.iloc[0] / 1e6:.2f} M"] if len(totals) else []
    )


def _refusals(table: pd.DataFrame) -> list[str]:
    """A line for each code and perturbation that do not go together, or a code and the network."""
    if "refused" not in table:
        return []
    refused = table[table["refused"].notna()].drop_duplicates(["code", "refused"])
    return [
        f"{r.code}{'' if r.perturbation == UNDISTURBED else ', ' + r.perturbation}: {r.refused}"
        for r in refused.itertuples()
    ]


def _costs(table: pd.DataFrame) -> str:
    """Accuracy and cost of the undisturbed codes, as Markdown."""
    lines = [
        "| code | accuracy | 95 % interval | steps | latency | spikes | operations | energy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    whole = table[(table["perturbation"] == UNDISTURBED) & table["accuracy"].notna()]
    for r in whole.itertuples():
        lines.append(
            f"| {r.code} | {100 * r.accuracy:.2f} % | {100 * r.low:.2f} to {100 * r.high:.2f} |"
            f" {r.steps:.0f} | {r.latency:.0f} | {r.spikes:,.0f} | {r.operations / 1e6:.2f} M |"
            f" {r.energy_uJ:.2f} uJ |"
        )
    return "\n".join(lines)


def _robustness(table: pd.DataFrame) -> str:
    """Accuracy of every code under every perturbation and level, as Markdown."""
    conditions = [(name, level) for name, level in _conditions() if name != UNDISTURBED]
    titles = " | ".join(f"{name.replace('_', ' ')} {level:g}" for name, level in conditions)
    lines = [f"| code | {titles} |", "|---" * (len(conditions) + 1) + "|"]
    for code, group in table.groupby("code", sort=False):
        accuracies = group.set_index(["perturbation", "level"])["accuracy"]
        shares = [accuracies.get(condition, np.nan) for condition in conditions]
        cells = " | ".join("-" if np.isnan(s) else f"{100 * s:.1f} %" for s in shares)
        lines.append(f"| {code} | {cells} |")
    return "\n".join(lines)


def _draw(table: pd.DataFrame) -> Any:
    from bionet.figures import compared_codes

    return compared_codes(table)


ITEMS = (
    Item("codes", "lenet5-digits", "all codes side by side", "ours",
         comparison("lenet5", "digits")),
    Item("codes", "lenet5-mnist", "all codes side by side", "ours", comparison("lenet5", "mnist")),
    Item("codes", "cifar10_quick-cifar10", "all codes side by side", "ours",
         comparison("cifar10_quick", "cifar10")),
    Item("codes", "rueckauer-cifar10", "all codes side by side", "ours",
         comparison("rueckauer", "cifar10")),
)  # fmt: skip
