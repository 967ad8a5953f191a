"""A study as a TOML file says it: axes, checked, every refusal naming its key.

The axes are network x method x coding x perturbation x level x seed; see ``docs/studies.md``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from bionet.errors import InputError
from bionet.quantities import FREQUENCIES, NUMBER_AND_UNIT, TIMES, frequency, numbers, time

__all__ = ["Study", "load", "ready_studies", "with_units"]

KEYS = {
    "": (
        "name", "description", "data", "split", "images", "seeds", "device", "dtype", "readout",
        "calibration", "network", "method", "perturbation",
    ),
    "calibration": ("images", "seed"),
    "network": ("name", "weights", "input_shape"),
    "method": ("name", "label", "codings", "options", "duration", "dt", "max_rate"),
    "perturbation": ("name", "label", "levels", "options", "with"),
    "with": ("name", "level", "options"),
}  # fmt: skip
DEFAULTS = {
    "description": "", "split": "test", "seeds": [0], "device": "cpp_standalone",
    "dtype": "float32", "readout": None,
}  # fmt: skip
CHOICES = {
    "split": ("train", "test"),
    "device": ("cpp_standalone", "cython", "numpy"),
    "dtype": ("float32", "float64"),
    "readout": ("MP", "MS", "FS", None),
}
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


def ready_studies() -> dict[str, Path]:
    """Names and files of the studies that come with BioNet."""
    folder = Path(str(resources.files("bionet.study")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load(path: str | Path) -> Study:
    """Read and check a study: a TOML file, or the name of one that comes with BioNet.

    Raises
    ------
    InputError
        If there is none, or a key is unknown, missing, of the wrong type or out of range; the
        message names the key.
    """
    file = ready_studies().get(str(path), Path(path))
    if not file.is_file():
        known = ", ".join(ready_studies())
        raise InputError(f"study: there is no file {file}, and the ready studies are {known}")
    try:
        plain = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file}: is no TOML file ({error})") from error
    with _at(str(file)):
        return _study(plain)


def _study(plain: Mapping[str, Any]) -> Study:
    _known(plain, "", "")
    found: dict[str, Any] = {**DEFAULTS, **plain}
    for key in ("name", "data", "images"):
        if key not in found:
            raise InputError(f"{key}: is missing")
    for key in ("name", "description", "data"):
        _check(isinstance(found[key], str), key, "a text", found[key])
    if not re.fullmatch(r"[\w.-]+", found["name"]):
        raise InputError(f"name: expected letters, digits, '-', '_' or '.', got {found['name']!r}")
    for key, allowed in CHOICES.items():
        if found[key] not in allowed:
            known = ", ".join(str(a) for a in allowed if a is not None)
            raise InputError(f"{key}: expected one of {known}, got {found[key]!r}")
    for key in ("network", "method"):
        if not found.get(key):
            raise InputError(f"{key}: is missing; give at least one [[{key}]]")
    disturbances = [dict(UNDISTURBED)]
    if "perturbation" in plain:
        disturbances = [
            _perturbation(entry, f"perturbation[{number}]")
            for number, entry in enumerate(_tables(plain["perturbation"], "perturbation"))
        ]
    study = Study(
        name=found["name"],
        description=found["description"],
        data=found["data"],
        split=found["split"],
        images=_images(found["images"]),
        seeds=_seeds(found["seeds"]),
        settings={key: found[key] for key in ("device", "dtype", "readout")},
        calibration=_calibration(plain.get("calibration", {})),
        networks=tuple(
            _network(entry, f"network[{number}]")
            for number, entry in enumerate(_tables(found["network"], "network"))
        ),
        methods=tuple(
            _method(entry, f"method[{number}]")
            for number, entry in enumerate(_tables(found["method"], "method"))
        ),
        perturbations=tuple(disturbances),
    )
    for key, entries in (("method", study.methods), ("perturbation", study.perturbations)):
        labels = [entry["label"] for entry in entries]
        if repeated := [label for label in labels if labels.count(label) > 1]:
            raise InputError(f"{key}: two are called {repeated[0]!r}; give each a label of its own")
    return study


def _network(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    _known(entry, "network", where)
    _named(entry, where, "; give a network of the zoo or module:function")
    from bionet import zoo

    chosen = entry.get("weights")
    _check(chosen is None or isinstance(chosen, str), f"{where}.weights", "a text", chosen)
    with _at(f"{where}.name"):
        weights = None if ":" in entry["name"] else zoo.entry(entry["name"]).data
    if weights is not None and entry.get("weights") is None:
        known = ", ".join(weights)
        raise InputError(f"{where}.weights: is missing; expected one of {known}, or a file")
    return {"name": entry["name"], "weights": entry.get("weights")} | {
        "input_shape": entry.get("input_shape")
    }


def _method(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    from bionet import conversion
    from bionet.equations.inputs import CODINGS

    _known(entry, "method", where)
    _named(entry, where, f"; methods are {', '.join(conversion.METHODS)}")
    with _at(f"{where}.name"):
        known = conversion.options(entry["name"])
    codings = _axis(entry.get("codings"), f"{where}.codings")
    for coding in codings:
        if coding not in CODINGS:
            raise InputError(
                f"{where}.codings: expected some of {', '.join(CODINGS)}, got {coding!r}"
            )
    options = _options(entry, where)
    times: dict[str, Any] = {}
    for key, example in (("duration", "50ms"), ("dt", "1ms"), ("max_rate", "100Hz")):
        if key not in entry:
            continue
        with _at(f"{where}.{key}"):
            _check(isinstance(entry[key], str), "", f"a text such as {example!r}", entry[key])
            value = (frequency if key == "max_rate" else time)(entry[key], key)
            _check(float(value) > 0, "", "more than 0", entry[key])
        # A method that has such an option needs it for the conversion, and keeps it.
        (options if key in known else times)[key] = entry[key]
    if unknown := sorted(set(options) - set(known)):
        raise InputError(
            f"{where}.options.{unknown[0]}: method {entry['name']!r} has no such option; its"
            f" options are {', '.join(known)}"
        )
    return {
        "name": entry["name"],
        "label": str(entry.get("label", entry["name"])),
        "codings": codings,
        "options": options,
        **{key: times.get(key) for key in ("duration", "dt", "max_rate")},
    }


def _perturbation(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    _known(entry, "perturbation", where)
    _named(entry, where)
    options = _options(entry, where)
    if entry["name"] != "none":
        from bionet import perturbations

        with _at(f"{where}.name"):
            perturbations.find(entry["name"])
    levels = _axis(entry.get("levels"), f"{where}.levels")
    plain = [_level(entry["name"], level, options, f"{where}.levels") for level in levels]
    more = []
    for number, other in enumerate(_tables(entry.get("with", []), f"{where}.with")):
        here = f"{where}.with[{number}]"
        _known(other, "with", here)
        if "name" not in other or "level" not in other:
            raise InputError(f"{here}: needs a name and a level")
        also = _options(other, here)
        level = _level(other["name"], other["level"], also, f"{here}.level")
        more.append({"name": other["name"], "level": level, "options": also})
    label = str(entry.get("label", entry["name"].rpartition(":")[2]))
    return {
        "name": entry["name"], "label": label, "levels": plain, "options": options, "with": more,
    }  # fmt: skip


def _level(name: str, level: Any, options: Mapping[str, Any], where: str) -> float:
    """The level as a number in the perturbation's unit; the perturbation is made once to check."""
    if name == "none":
        return 0.0
    from bionet import perturbations

    with _at(where):
        kind = perturbations.find(name)
        value: Any = level
        if kind.unit in TIMES or kind.unit in FREQUENCIES:
            _check(isinstance(level, str), "", f"a text such as '2{kind.unit}'", level)
            table = TIMES if kind.unit in TIMES else FREQUENCIES
            quantity = (time if table is TIMES else frequency)(level, name)
            value = float(f"{float(quantity) / table[kind.unit]:.12g}")
        _check(isinstance(value, (int, float)) and value is not True, "", "a number", level)
        allowed = {f.name for f in dataclasses.fields(kind)} - {"level"}
        if unknown := sorted(set(options) - allowed):
            raise InputError(
                f"perturbation {name!r} has no option {unknown[0]!r}; its options are"
                f" {', '.join(sorted(allowed)) or 'none'}"
            )
        names = options.get("populations", [])
        texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
        _check(texts, "", "populations to be a list of names", names)
        kind.of(value, **options)
    return float(value)


def _images(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        return tuple(_axis(numbers(value, "images"), "images"))
    whole = isinstance(value, int) and not isinstance(value, bool)
    _check(whole and value >= 1, "images", "a number >= 1 or a text such as '0-99'", value)
    return tuple(range(value))


def _seeds(value: Any) -> tuple[int, ...]:
    seeds = _axis(value, "seeds")
    for seed in seeds:
        whole = isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0
        _check(whole, "seeds", "whole numbers >= 0", seed)
    return tuple(seeds)


def _calibration(entry: Mapping[str, Any]) -> dict[str, Any]:
    _known(entry, "calibration", "calibration")
    found = {"images": 500, "seed": 0} | dict(entry)
    for key, least in (("images", 1), ("seed", 0)):
        whole = isinstance(found[key], int) and not isinstance(found[key], bool)
        wanted = f"a whole number >= {least}"
        _check(whole and found[key] >= least, f"calibration.{key}", wanted, found[key])
    return found


def with_units(value: Any) -> Any:
    """An option of a method as Python takes it: ``"20ms"`` becomes a quantity."""
    if not isinstance(value, str):
        return value
    found = NUMBER_AND_UNIT.fullmatch(value.strip())
    if found is None or not found[2]:
        return value
    if found[2] in TIMES:
        return time(value, "option")
    return frequency(value, "option") if found[2] in FREQUENCIES else value


def _axis(value: Any, where: str) -> list[Any]:
    if value is None:
        raise InputError(f"{where}: is missing")
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: expected a list with at least one entry, got {value!r}")
    for number, entry in enumerate(value):
        if entry in value[:number]:
            raise InputError(f"{where}: {entry!r} is given twice")
    return value


def _tables(value: Any, where: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise InputError(f"{where}: expected tables, each under [[{where}]]")
    if not value and not where.endswith("with"):
        raise InputError(f"{where}: is empty; give at least one [[{where}]]")
    return value


def _known(entry: Any, kind: str, where: str) -> None:
    if not isinstance(entry, Mapping):
        raise InputError(f"{where}: expected a table, got {entry!r}")
    if unknown := [key for key in entry if key not in KEYS[kind]]:
        key = f"{where}.{unknown[0]}" if where else unknown[0]
        raise InputError(f"{key}: unknown key; known are {', '.join(KEYS[kind])}")


def _named(entry: Mapping[str, Any], where: str, remedy: str = "") -> None:
    """Refuse a table without a name."""
    if "name" not in entry:
        raise InputError(f"{where}.name: is missing{remedy}")
    _check(isinstance(entry["name"], str), f"{where}.name", "a text", entry["name"])


def _options(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The options of a table, which are a table themselves."""
    options = entry.get("options", {})
    _check(isinstance(options, Mapping), f"{where}.options", "a table such as {a = 1}", options)
    return dict(options)


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
