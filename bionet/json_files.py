"""JSON files that BioNet writes: with a checksum, and every part checked when they are read.

One bit that flips in a digit leaves valid JSON with another number. Under the key ``crc32`` stands
the CRC-32 of all other keys, as JSON with sorted keys, so that an accident is seen. A file without
the key was written by hand or by an older version and is read; what is of the wrong kind in it is
refused all the same.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bionet.errors import InputError
from bionet.files import atomic

__all__ = ["CHECKSUM", "Content", "check_content", "read_json", "write_json"]

CHECKSUM = "crc32"


class Content(BaseModel):
    """What a file holds: a field for every key that is read; there may be further ones."""

    model_config = ConfigDict(extra="allow", strict=True)


def write_json(
    path: str | Path, content: Mapping[str, Any], indent: int | None = 1, nan: bool = False
) -> None:
    """Write a JSON object with its checksum, whole or not at all; ``nan`` allows NaN in it."""
    plain = json.loads(json.dumps(dict(content), allow_nan=nan))
    text = json.dumps({**plain, CHECKSUM: _checksum(plain)}, indent=indent) + "\n"
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def read_json(path: str | Path, kind: type[Content], remedy: str) -> dict[str, Any]:
    """Read a JSON object that :func:`write_json` has written, or one without a checksum.

    Parameters
    ----------
    path : path
    kind : type of Content
        Keys, and what kind of value each has.
    remedy : str
        What to do where the file is damaged.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If the file cannot be read, is no JSON object, is not what was written, or a part of it
        is of another kind.
    """
    path = Path(path)
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # the last: thousands of brackets
        raise InputError(f"{path} is damaged ({error}); {remedy}") from error
    if not isinstance(plain, dict):
        raise InputError(f"{path} is damaged: it holds no object; {remedy}")
    noted = plain.pop(CHECKSUM, None)
    if noted is not None and noted != _checksum(plain):
        raise InputError(
            f"{path} is damaged: its checksum is not that of its content; {remedy} (or, if you"
            f" changed it yourself, remove its {CHECKSUM!r})"
        )
    check_content(plain, kind, str(path), remedy)
    return plain


def check_content(plain: Mapping[str, Any], kind: type[Content], what: str, remedy: str) -> None:
    """Refuse content in which a key is missing or holds something of another kind.

    Parameters
    ----------
    plain : mapping
    kind : type of Content
    what : str
        What the content is, for the message.
    remedy : str

    Raises
    ------
    InputError
    """
    try:
        kind.model_validate(dict(plain))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        said = "is missing" if first["type"] == "missing" else f"is {str(first['input'])[:40]!r}"
        raise InputError(f"{what} is damaged: {where} {said}; {remedy}") from error


def _checksum(plain: Mapping[str, Any]) -> str:
    """CRC-32: against accidents, not against forgery."""
    text = json.dumps(plain, sort_keys=True)
    return f"{zlib.crc32(text.encode()):08x}"
