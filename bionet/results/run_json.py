"""What commands report: ``run.json``, and the same numbers as a table."""

from __future__ import annotations

import contextlib
import math
import platform
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from rich.table import Table

from bionet.json_files import Content, read_json, write_json
from bionet.versions import versions_of

if TYPE_CHECKING:
    from bionet.network import SpikingNetwork
    from bionet.results.recording import Recording

__all__ = [
    "KEYS",
    "describe",
    "measure",
    "plain",
    "read_run",
    "result_rows",
    "result_table",
    "tell",
    "versions",
    "write_run",
    "written",
]

KEYS = (
    "command",
    "network",
    "method",
    "coding",
    "device",
    "dt_ms",
    "steps",
    "images",
    "accuracy_ann",
    "accuracy_snn",
    "spikes_per_image",
    "synaptic_events_per_image",
    "images_per_second",
    "seconds",
    "seed",
    "versions",
    "arguments",
)
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=2**63)]
Amount = Annotated[float, Field(ge=0, le=1e300)]


class DiagnosisPart(Content):
    """What a report reads of a diagnosis."""

    verdict: str | None = None


class RunFile(Content):
    """The parts of a ``run.json`` that programs read."""

    command: str | None = None
    network: str | None = None
    network_hash: str | None = None
    method: str | None = None
    coding: str | None = None
    device: str | None = None
    readout: str | None = None
    verdict: str | None = None
    dt_ms: Annotated[float, Field(gt=0, le=1e300)] | None = None
    steps: Count | None = None
    images: Count | None = None
    ties: Count | None = None
    accuracy_ann: Share | None = None
    accuracy_snn: Share | None = None
    spikes_per_image: Amount | None = None
    spikes_per_neuron: Amount | None = None
    input_spikes_per_image: Amount | None = None
    synaptic_events_per_image: Amount | None = None
    images_per_second: Amount | None = None
    seconds: Amount | None = None
    compile_seconds: Amount | None = None
    versions: dict[str, str | None] | None = None
    arguments: dict[str, Any] | None = None
    files: list[str] | None = None
    diagnosis: DiagnosisPart | None = None


PACKAGES = ("bionet", "brian2", "torch", "numpy", "scipy", "matplotlib")


def versions() -> dict[str, str]:
    """Versions of Python and the packages that shape a result; missing ones are left out."""
    return {"python": platform.python_version()} | versions_of(*PACKAGES)


def describe(command: str, arguments: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """The content of a ``run.json``: every one of ``KEYS``, None where it does not apply."""
    given = {name: plain(value) for name, value in arguments.items()}
    fixed: dict[str, Any] = {
        "command": command,
        "seed": arguments.get("seed"),
        "versions": versions(),
        "arguments": given,
    }
    return {**dict.fromkeys(KEYS), **fixed, **{key: plain(v) for key, v in values.items()}}


def measure(snn: SpikingNetwork, run: Recording, labels: Any) -> dict[str, Any]:
    """What a simulation achieved and cost, by the keys of ``run.json``."""
    from bionet.results import metrics

    parameters = run.parameters
    events = metrics.synaptic_events(snn, run)
    same = ("method", "coding", "device", "dt_ms", "steps", "images", "seed")
    return {name: parameters.get(name) for name in same} | {
        "images_per_second": parameters.get("images_per_second"),
        "seconds": parameters.get("seconds"),
        "compile_seconds": parameters.get("compile_seconds"),
        "network_hash": snn.hash(),
        "readout": parameters["readout"],
        "accuracy_snn": run.accuracy(labels) if len(labels) else None,
        "ties": int(run.ties().sum()),
        "spikes_per_image": metrics.spikes_per_image(run),
        "spikes_per_neuron": metrics.spikes_per_neuron(run),
        "input_spikes_per_image": run.n_spikes.get("input", 0.0),
        "synaptic_events_per_image": float(sum(e.mean() for e in events.values())),
    }


def write_run(path: Path, description: Mapping[str, Any]) -> None:
    """Write a ``run.json``, whole or not at all."""
    write_json(path, plain(description))
    tell(description)


WRITTEN: ContextVar[list[Mapping[str, Any]] | None] = ContextVar("written", default=None)


@contextlib.contextmanager
def written() -> Iterator[list[Mapping[str, Any]]]:
    """The descriptions that are written, or told, within the block."""
    descriptions: list[Mapping[str, Any]] = []
    token = WRITTEN.set(descriptions)
    try:
        yield descriptions
    finally:
        WRITTEN.reset(token)


def tell(description: Mapping[str, Any]) -> None:
    """Give a description to whoever gathers them; see :func:`written`."""
    if (descriptions := WRITTEN.get()) is not None:
        descriptions.append(description)


def read_run(folder: Path) -> dict[str, Any]:
    """The ``run.json`` of a run's folder; empty where there is none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    path = folder / "run.json"
    return read_json(path, RunFile, "make the run again") if path.is_file() else {}


def result_table(description: Mapping[str, Any], title: str) -> Table:
    """The numbers of a ``run.json`` that apply, one a row."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for label, text in result_rows(description):
        table.add_row(label, text)
    return table


def result_rows(description: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and text of the numbers of a ``run.json`` that apply."""
    n = description.get("images")
    rows = [
        ("network", description.get("network")),
        ("method, input coding", _joined(description.get("method"), description.get("coding"))),
        ("device", description.get("device")),
        ("images", _number(n, ",d")),
        ("steps", _steps(description)),
        ("ANN accuracy", _accuracy(description.get("accuracy_ann"), n)),
        ("SNN accuracy", _accuracy(description.get("accuracy_snn"), n)),
        ("readout", description.get("readout")),
        ("images tied", _number(description.get("ties"), ",d")),
        ("spikes per neuron", _number(description.get("spikes_per_neuron"), ".2f")),
        ("spikes per image", _number(description.get("spikes_per_image"), ",.0f")),
        ("input spikes per image", _input_spikes(description)),
        (
            "synaptic events per image",
            _number(description.get("synaptic_events_per_image"), ",.0f"),
        ),
        ("images per second", _number(description.get("images_per_second"), ",.1f")),
        ("seconds", _seconds(description)),
    ]
    return [(label, text) for label, text in rows if text]


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _number(value: Any, form: str) -> str:
    return "" if value is None else format(value, form)


def _steps(description: Mapping[str, Any]) -> str:
    if description.get("steps") is None or description.get("dt_ms") is None:
        return ""
    return f"{description['steps']:,} of {description['dt_ms']:g} ms"


def _accuracy(share: float | None, n: int | None) -> str:
    """In percent, with the 95 % interval of Wilson."""
    if share is None:
        return ""
    if not n:
        return f"{100 * share:.2f} %"
    from bionet.results.metrics import wilson_interval

    low, high = wilson_interval(share, n)
    return f"{100 * share:.2f} % (95 %: {100 * float(low):.2f} to {100 * float(high):.2f})"


def _input_spikes(description: Mapping[str, Any]) -> str:
    if description.get("input_spikes_per_image") == 0:
        return "none: analog currents"
    return _number(description.get("input_spikes_per_image"), ",.0f")


def _seconds(description: Mapping[str, Any]) -> str:
    text = _number(description.get("seconds"), ",.1f")
    compiling = description.get("compile_seconds")
    return f"{text} ({compiling:,.1f} of them compiling)" if compiling else text


def plain(value: Any) -> Any:
    """The value as JSON can say it; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
