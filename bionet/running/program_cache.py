"""Where compiled programs are kept; without Brian2, so that asking is quick."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import platformdirs

from bionet.errors import InputError

__all__ = ["cache_folder", "cache_size", "writable_cache"]


def cache_folder() -> Path:
    """Folder of compiled programs: BIONET_CACHE, or the user's cache folder."""
    folder_name = os.environ.get("BIONET_CACHE")
    if not folder_name:
        return Path(platformdirs.user_cache_dir("bionet")) / "programs"
    # A program is started in a folder of its own, from where a relative path would lead elsewhere.
    return Path(folder_name).expanduser().absolute()


def writable_cache() -> Path:
    """The folder of compiled programs, made if need be.

    Raises
    ------
    InputError
        If it cannot be made or written.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"cannot keep compiled programs in {folder}: {error.strerror}; set BIONET_CACHE to a"
            " folder that can be written, or simulate with device='numpy'"
        ) from error
    return folder


def cache_size() -> tuple[int, int]:
    """Number of compiled programs in the cache, and bytes of all its files."""
    programs = size = 0
    # What another process has just moved or removed is not there any more: os.walk passes it over.
    for folder, _, files in os.walk(cache_folder()):
        programs += "manifest.json" in files and Path(folder).parent == cache_folder()
        for name in files:
            with contextlib.suppress(OSError):
                size += os.lstat(Path(folder, name)).st_size
    return programs, size
