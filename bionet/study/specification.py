"""A study as a TOML file says it: axes, checked, every refusal naming its key.

The axes are network x method x coding x perturbation x level x seed; see ``docs/studies.md``.

A file may name code, as ``module:name``. Reading it imports none: what only the code can say, the
options that a method takes and the unit of a perturbation's level, stays as it is written until
the study is run (:func:`with_code`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.notebook import html_table
from bionet.quantities import FREQUENCIES, TIMES, frequency, numbers, time
from bionet.study.tables import EXAMPLES, MethodTable, NetworkTable, PerturbationTable, read

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["Study", "load", "ready_studies", "source_of", "with_code"]

UNDISTURBED: Mapping[str, Any] = {
    "name": "none", "label": "none", "levels": [0], "options": {}, "with": [],
}  # fmt: skip


@dataclass(frozen=True)
class Study:
    """A checked study.

    Attributes
    ----------
    name, description : str
    data, split : str
        A data set of :mod:`bionet.datasets` or an ``.npz`` file, and which part of it.
    images : tuple of int
        Their positions in the split.
    seeds : tuple of int
    settings : mapping
        ``device``, ``dtype``, ``readout``.
    calibration : mapping
        ``images`` and ``seed`` of the images drawn from the training split.
    networks, methods, perturbations : tuple of mapping
        The entries of the file, with every default filled in.
    """

    name: str
    description: str
    data: str
    split: str
    images: tuple[int, ...]
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]
    calibration: Mapping[str, Any]
    networks: tuple[Mapping[str, Any], ...]
    methods: tuple[Mapping[str, Any], ...]
    perturbations: tuple[Mapping[str, Any], ...] = field(default=(UNDISTURBED,))

    def plain(self) -> dict[str, Any]:
        """The study as JSON can say it; equal studies are equal here."""
        return dataclasses.asdict(self)

    def _axes(self) -> list[tuple[str, str]]:
        """The axes and what stands on each, for people."""
        return [
            ("networks", ", ".join(n["name"] for n in self.networks)),
            ("methods", ", ".join(f"{m['label']} ({_joined(m['codings'])})" for m in self.methods)),
            (
                "perturbations",
                ", ".join(f"{p['label']} ({_joined(p['levels'])})" for p in self.perturbations),
            ),
            ("seeds", _joined(self.seeds)),
            ("images", f"{len(self.images):,} of {self.data} ({self.split})"),
        ]

    def __str__(self) -> str:
        lines = [f"Study {self.name}: {self.description}"]
        return "\n".join([*lines, *(f"  {name}: {text}" for name, text in self._axes())])

    def _repr_html_(self) -> str:
        return html_table(f"Study {self.name}: {self.description}", (), self._axes())


def _joined(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def ready_studies() -> dict[str, Path]:
    """Names and files of the studies that come with BioNet."""
    folder = Path(str(resources.files("bionet.study")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


@typed
def load(path: str | Path) -> Study:
    """Read and check a study: a TOML file, or the name of one that comes with BioNet.

    Code that the file names, as ``module:name``, is imported when the study is run, not here.

    Raises
    ------
    InputError
        If there is none, or a key is unknown, missing, of the wrong type or out of range; the
        message names the key.
    """
    file = ready_studies().get(str(path), Path(path))
    if not file.is_file():
        names = ", ".join(ready_studies())
        raise InputError(f"study: there is no file {file}, and the ready studies are {names}")
    try:
        plain = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file}: is no TOML file ({error})") from error
    with _at(str(file)):
        return _study(plain)


def _study(plain: Mapping[str, Any]) -> Study:
    file = read(plain)
    if not re.fullmatch(r"[\w.-]+", file.name):
        raise InputError(f"name: expected letters, digits, '-', '_' or '.', got {file.name!r}")
    disturbances = [dict(UNDISTURBED)]
    if file.perturbation is not None:
        disturbances = [
            _perturbation(entry, f"perturbation[{number}]")
            for number, entry in enumerate(file.perturbation)
        ]
    study = Study(
        name=file.name,
        description=file.description,
        data=file.data,
        split=file.split,
        images=_images(file.images),
        seeds=_seeds(file.seeds),
        settings={"device": file.device, "dtype": file.dtype, "readout": file.readout},
        calibration=file.calibration.model_dump(),
        networks=tuple(
            _network(entry, f"network[{number}]") for number, entry in enumerate(file.network)
        ),
        methods=tuple(
            _method(entry, f"method[{number}]") for number, entry in enumerate(file.method)
        ),
        perturbations=tuple(disturbances),
    )
    for key, entries in (("method", study.methods), ("perturbation", study.perturbations)):
        labels = [entry["label"] for entry in entries]
        if repeated := [label for label in labels if labels.count(label) > 1]:
            raise InputError(f"{key}: two are called {repeated[0]!r}; give each a label of its own")
    _check_methods(study)
    return study


def _network(entry: NetworkTable, where: str) -> dict[str, Any]:
    from bionet import zoo

    with _at(f"{where}.name"):
        weights = None if ":" in entry.name else zoo.entry(entry.name).data
    if weights is not None and entry.weights is None:
        names = ", ".join(weights)
        raise InputError(f"{where}.weights: is missing; expected one of {names}, or a file")
    if entry.methods is not None:
        _each_once(entry.methods, f"{where}.methods")
        return entry.model_dump()
    return entry.model_dump(exclude={"methods"})


@functools.cache
def quantity_of(key: str, text: str) -> Quantity:
    """A time or rate of a method as the file writes it, such as ``"50ms"``, read once.

    Parameters
    ----------
    key : {"duration", "dt", "max_rate"}
    text : str

    Raises
    ------
    InputError
        If it is none, or not positive.
    """
    value = (frequency if key == "max_rate" else time)(text, key)
    _check(float(value) > 0, "", "more than 0", text)
    return value


def quantities(method: Mapping[str, Any]) -> dict[str, Quantity]:
    """Those of ``duration``, ``dt`` and ``max_rate`` that a cell's method gives."""
    return {key: quantity_of(key, method[key]) for key in EXAMPLES if method[key] is not None}


def source_of(network: Mapping[str, Any]) -> dict[str, Any]:
    """What of a network's entry determines it: all but the methods that it is converted with."""
    return {key: value for key, value in network.items() if key != "methods"}


def _check_methods(study: Study) -> None:
    """Refuse a network for a method that the study does not have."""
    labels = [method["label"] for method in study.methods]
    for number, network in enumerate(study.networks):
        for label in network.get("methods", ()):
            if label not in labels:
                raise InputError(
                    f"network[{number}].methods: expected some of {', '.join(labels)}, got"
                    f" {label!r}"
                )


def _method(entry: MethodTable, where: str) -> dict[str, Any]:
    from bionet.equations.inputs import CODINGS

    for coding in _each_once(entry.codings, f"{where}.codings"):
        if coding not in CODINGS:
            raise InputError(
                f"{where}.codings: expected some of {', '.join(CODINGS)}, got {coding!r}"
            )
    times = {key: getattr(entry, key) for key in EXAMPLES}
    for key, text in times.items():
        if text is not None:
            with _at(f"{where}.{key}"):
                quantity_of(key, text)
    plain = {
        "name": entry.name,
        "label": entry.label or entry.name,
        "codings": entry.codings,
        "options": dict(entry.options),
        **times,
    }
    return plain if _is_code(entry.name) else _with_options(plain, where)


def _with_options(plain: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A method of which every option is one that it takes; see :func:`with_code`."""
    from bionet.conversion.methods import options_of

    with _at(f"{where}.name"):
        takes = options_of(plain["name"])
    # A method that has such an option needs it for the conversion, and keeps it.
    kept = {key: plain[key] for key in EXAMPLES if key in takes and plain[key] is not None}
    options = {**plain["options"], **kept}
    if unknown := sorted(set(options) - set(takes)):
        raise InputError(
            f"{where}.options.{unknown[0]}: method {plain['name']!r} has no such option; its"
            f" options are {', '.join(takes)}"
        )
    for key, value in options.items():
        with _at(f"{where}.options.{key}"):
            takes[key].read(value, f"method {plain['name']!r}")
    return {**plain, "options": options, **dict.fromkeys(kept)}


def _perturbation(entry: PerturbationTable, where: str) -> dict[str, Any]:
    plain = {
        "name": entry.name,
        "label": entry.label or entry.name.rpartition(":")[2],
        "levels": _each_once(entry.levels, f"{where}.levels"),
        "options": entry.options,
        "with": [{"name": o.name, "level": o.level, "options": o.options} for o in entry.also],
    }
    return _with_levels(plain, where, of_code=False)


def _with_levels(plain: Mapping[str, Any], where: str, of_code: bool) -> dict[str, Any]:
    """Levels as numbers: those of perturbations that are code, or those of all others."""
    levels = plain["levels"]
    if _is_code(plain["name"]) is of_code:
        levels = [
            _level(plain["name"], level, plain["options"], f"{where}.levels", f"{where}.name")
            for level in levels
        ]
    others = []
    for number, other in enumerate(plain["with"]):
        level, at = other["level"], f"{where}.with[{number}].level"
        if _is_code(other["name"]) is of_code:
            level = _level(other["name"], level, other["options"], at, at)
        others.append({**other, "level": level})
    return {**plain, "levels": levels, "with": others}


def _is_code(name: str) -> bool:
    """Whether a name is ``module:name``, which is imported."""
    return ":" in name


def with_code(study: Study) -> Study:
    """The study that :func:`load` gave, with what the code that it names says.

    The code is imported: this is for who runs the study.

    Raises
    ------
    InputError
        If the code is not there, or takes no such options or levels.
    """
    methods = tuple(
        _with_options(plain, f"method[{number}]") if _is_code(plain["name"]) else plain
        for number, plain in enumerate(study.methods)
    )
    perturbations = tuple(
        _with_levels(plain, f"perturbation[{number}]", of_code=True)
        for number, plain in enumerate(study.perturbations)
    )
    return dataclasses.replace(study, methods=methods, perturbations=perturbations)


def _level(name: str, level: Any, options: Mapping[str, Any], where: str, where_name: str) -> float:
    """The level as a number in the perturbation's unit; the perturbation is made once to check."""
    if name == "none":
        return 0.0
    from bionet import perturbations
    from bionet.options import check_options, options_of

    with _at(where_name):
        kind = perturbations.find(name)
    with _at(where):
        value: Any = level
        if kind.unit in TIMES or kind.unit in FREQUENCIES:
            _check(isinstance(level, str), "", f"a text such as '2{kind.unit}'", level)
            table = TIMES if kind.unit in TIMES else FREQUENCIES
            quantity = (time if table is TIMES else frequency)(level, name)
            value = float(f"{float(quantity) / table[kind.unit]:.12g}")
        _check(isinstance(value, (int, float)) and value is not True, "", "a number", level)
        names = options.get("populations", [])
        texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
        _check(texts, "", "populations to be a list of names", names)
        plain = {key: given for key, given in options.items() if key not in kind.option_units}
        check_options(plain, options_of(kind), f"perturbation {name!r}")
        kind.of(value, **options)
    return float(value)


def _images(value: int | str) -> tuple[int, ...]:
    if isinstance(value, str):
        return tuple(_each_once(numbers(value, "images"), "images"))
    _check(value >= 1, "images", "a number >= 1 or a text such as '0-99'", value)
    return tuple(range(value))


def _seeds(seeds: list[int]) -> tuple[int, ...]:
    for seed in _each_once(seeds, "seeds"):
        _check(seed >= 0, "seeds", "whole numbers >= 0", seed)
    return tuple(seeds)


def _each_once(entries: list[Any], where: str) -> list[Any]:
    for number, entry in enumerate(entries):
        if entry in entries[:number]:
            raise InputError(f"{where}: {entry!r} is given twice")
    return entries


def _check(right: bool, where: str, expected: str, got: Any) -> None:
    if not right:
        raise InputError(f"{where}{': ' if where else ''}expected {expected}, got {got!r}")


@contextlib.contextmanager
def _at(where: str) -> Iterator[None]:
    """Put the key, or the file, in front of a refusal."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
