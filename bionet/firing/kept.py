"""Measurements that are kept on disk by a hash of all that shapes them, never with pickle."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from bionet.errors import InputError
from bionet.files import atomic, read_npz

__all__ = ["kept_on_disk", "measurements_folder"]

KEY = "measured"


def measurements_folder() -> Path:
    """Folder of kept measurements: below BIONET_CACHE, or in the user's cache folder."""
    cache = os.environ.get("BIONET_CACHE")
    base = Path(cache or platformdirs.user_cache_dir("bionet"))
    return base.expanduser().absolute() / "measurements"


def kept_on_disk(
    key: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]], keep: bool = True
) -> dict[str, np.ndarray]:
    """What was measured before for this key, else what is measured now, and kept.

    Parameters
    ----------
    key : mapping
        All that shapes the measurement, as plain JSON.
    measure : callable
        Returns arrays and numbers by name.
    keep : bool
        Whether to look on disk and write there.
    """
    told = json.dumps({"brian2": metadata.version("brian2"), **key}, sort_keys=True, default=str)
    path = measurements_folder() / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.npz"
    if keep and path.is_file():
        with contextlib.suppress(InputError):  # damaged: measured again
            stored = read_npz(path)
            if str(stored.pop(KEY, "")) == told:  # else another file of this name
                return stored
    values = {name: np.asarray(value) for name, value in measure().items()}
    if keep:
        try:
            with atomic(path) as part, part.open("wb") as file:
                np.savez(file, allow_pickle=False, **values, **{KEY: np.array(told)})
        except InputError as error:  # minutes of measuring are not lost to it
            warnings.warn(
                f"what was measured is not kept ({error}); set BIONET_CACHE to a folder that can"
                " be written",
                stacklevel=2,
            )
    return values
