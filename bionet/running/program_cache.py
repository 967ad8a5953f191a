"""Where compiled programs are kept; without Brian2, so that asking is quick."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["cache_folder", "cache_size"]


def cache_folder() -> Path:
    """Folder of compiled programs: BIONET_CACHE, or the user's cache folder."""
    chosen = os.environ.get("BIONET_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("bionet")) / "programs"


def cache_size() -> tuple[int, int]:
    """Number of compiled programs in the cache, and bytes of all its files."""
    folder = cache_folder()
    programs = len(list(folder.glob("*/manifest.json")))
    size = 0
    for path in folder.rglob("*"):
        try:
            size += path.stat().st_size if path.is_file() else 0
        except OSError:  # another process compiles, and has just moved it
            continue
    return programs, size
