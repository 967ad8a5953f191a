"""The tables of a study's file: their keys, what kind of value each takes, and the defaults.

pydantic compares a file with them; :func:`read` says in one line what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bionet.errors import InputError

__all__ = ["EXAMPLES", "StudyFile", "MethodTable", "NetworkTable", "PerturbationTable", "read"]

# Keys of a method that are quantities, and how they are written.
EXAMPLES = {"duration": "50ms", "dt": "1ms", "max_rate": "100Hz"}


class _Table(BaseModel):
    """A table of the file: no other keys, no value of another kind."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CalibrationTable(_Table):
    """Images that activations are measured on."""

    images: int = Field(default=500, ge=1)
    seed: int = Field(default=0, ge=0)


class NetworkTable(_Table):
    """A network to convert."""

    name: str
    weights: str | None = None
    input_shape: list[int] | None = Field(default=None, min_length=1)
    methods: list[str] | None = Field(default=None, min_length=1)


class MethodTable(_Table):
    """A method of conversion, and the codings it runs with."""

    name: str
    label: str | None = None
    codings: list[str] = Field(min_length=1)
    options: dict[str, Any] = {}
    duration: str | None = None
    dt: str | None = None
    max_rate: str | None = None


class WithTable(_Table):
    """A perturbation that is always there beside another."""

    name: str
    level: Any
    options: dict[str, Any] = {}


class PerturbationTable(_Table):
    """A perturbation and its levels."""

    name: str
    label: str | None = None
    levels: list[Any] = Field(min_length=1)
    options: dict[str, Any] = {}
    also: list[WithTable] = Field(default=[], alias="with")


class StudyFile(_Table):
    """A whole file."""

    name: str
    data: str
    images: int | str
    description: str = ""
    split: Literal["train", "test"] = "test"
    seeds: list[int] = Field(default=[0], min_length=1)
    device: Literal["cpp_standalone", "cython", "numpy"] = "cpp_standalone"
    dtype: Literal["float32", "float64"] = "float32"
    readout: Literal["MP", "MS", "FS"] | None = None
    calibration: CalibrationTable = CalibrationTable()
    network: list[NetworkTable] = Field(min_length=1)
    method: list[MethodTable] = Field(min_length=1)
    perturbation: list[PerturbationTable] | None = Field(default=None, min_length=1)


TABLES: Mapping[str, type[BaseModel]] = {
    "calibration": CalibrationTable,
    "network": NetworkTable,
    "method": MethodTable,
    "perturbation": PerturbationTable,
    "with": WithTable,
}


def read(plain: Mapping[str, Any]) -> StudyFile:
    """A file as plain Python has it, checked table by table.

    Raises
    ------
    InputError
        Naming the first key that is unknown, missing or of another kind.
    """
    try:
        return StudyFile.model_validate(plain)
    except ValidationError as error:
        raise InputError(_in_words(error)) from error


def _in_words(error: ValidationError) -> str:
    """The first thing that is wrong with a file, with its key: ``method[0].dt: expected ...``."""

    def rank(one: Any) -> tuple[bool, bool]:  # a misspelt key is told before the one that lacks
        return len(one["loc"]) > 1, one["type"] != "extra_forbidden"

    first = min(error.errors(), key=rank)
    loc, kind, bounds = first["loc"], first["type"], first.get("ctx", {})
    key = str(loc[-1])
    tables = key in ("network", "method", "perturbation", "with")
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)[1:]
    if kind == "missing" and "with" in loc:
        return f"{where.rpartition('.')[0]}: needs a name and a level"
    if kind == "missing" or (kind == "too_short" and tables):
        what = "is missing" if kind == "missing" else "is empty"
        return f"{where}: {what}" + (f"; give at least one [[{key}]]" if tables else "")
    if kind == "extra_forbidden":
        return f"{where}: unknown key; known are {', '.join(_keys(loc[:-1]))}"
    if loc[0] == "images":
        where = "images"
        expected = "a number >= 1 or a text such as '0-99'"
    elif kind == "string_type" and key in EXAMPLES:
        expected = f"a text such as {EXAMPLES[key]!r}"
    elif kind in ("list_type", "too_short"):
        expected = f"tables, each under [[{key}]]" if tables else "a list with at least one entry"
    elif kind == "literal_error":
        expected = f"one of {bounds['expected'].replace(' or ', ', ')}".replace("'", "")
    else:
        expected = {
            "string_type": "a text",
            "int_type": "a whole number",
            "greater_than_equal": f"a whole number >= {bounds.get('ge')}",
            "dict_type": "a table such as {a = 1}",
            "model_type": "a table",
        }.get(kind, "something else")
    return f"{where}: expected {expected}, got {first['input']!r}"


def _keys(loc: tuple[Any, ...]) -> list[str]:
    """The keys of the table at a place of the file."""
    table: type[BaseModel] = StudyFile
    for name in (part for part in loc if isinstance(part, str)):
        table = TABLES[name]
    return [field.alias or name for name, field in table.model_fields.items()]
