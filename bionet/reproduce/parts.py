"""Finished parts of a long item as small files, so that the same command goes on after an end.

A part is named by a hash of all that determines it. Its file is written whole or not at all: what
has a file is done, all else is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bionet.json_files import Content, read_json, write_json
from bionet.versions import VERSION

__all__ = ["Parts", "digest"]


@dataclass(frozen=True)
class Parts:
    """The finished parts of an item.

    Parameters
    ----------
    folder : path or None
        None: nothing is kept.
    common : mapping
        What determines all parts, as plain JSON; BioNet's version is added.
    """

    folder: Path | None
    common: Mapping[str, Any]

    def path(self, content: Mapping[str, Any]) -> Path | None:
        """The file of a part, whether it is there or not."""
        if self.folder is None:
            return None
        whole = {"bionet": VERSION, **self.common, **content}
        text = json.dumps(whole, sort_keys=True, default=str)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"

    def get(
        self, content: Mapping[str, Any], compute: Callable[[], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """A part from its file, or computed and kept.

        Parameters
        ----------
        content : mapping
            What determines it, besides what all parts have in common.
        compute : callable
            Gives it as plain JSON.

        Raises
        ------
        InputError
            If its file is damaged.
        """
        path = self.path(content)
        if path is not None and path.is_file():
            return read_json(path, Content, "remove it and run again")
        row = dict(compute())
        if path is not None:
            write_json(path, row, indent=None)
        return row


def digest(*arrays: np.ndarray) -> str:
    """A hash of arrays: types, shapes and values."""
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(f"{array.dtype} {array.shape}".encode())
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()[:24]
