"""Reading and writing files: atomic, never with pickle, every failure one clear line."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bionet.errors import InputError
from bionet.interruption import check_interrupted, postponed

__all__ = [
    "atomic",
    "output_folder",
    "read_npz",
    "read_tensors",
    "reason",
    "temporary_folder",
    "write_tensors",
]

CHECKSUM = "crc32"
ARCHIVE_END = 22  # bytes of the last record of a zip archive
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends without an error.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    output_folder(path.parent)
    with contextlib.ExitStack() as stack:
        with postponed():
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            os.close(descriptor)
            part = Path(name)
            stack.callback(_remove, part)
        try:
            yield part
            check_interrupted()
            part.chmod(0o644)
            part.replace(path)
        except (OSError, SafetensorError) as error:
            raise InputError(f"cannot write {path}: {reason(error)}") from error


@contextlib.contextmanager
def temporary_folder(prefix: str = "bionet-", parent: str | Path | None = None) -> Iterator[Path]:
    """A new folder that is removed when the block ends, whenever an interruption comes."""
    with contextlib.ExitStack() as stack:
        with postponed():
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            stack.callback(_remove, folder)
        yield folder


def _remove(path: Path) -> None:
    """Remove a file or a folder; an interruption waits for it."""
    with postponed():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def reason(error: Exception) -> str:
    """Why a file could not be written, on one line; of a full disk also what became of the file."""
    text = str(error)
    numbers = [getattr(error, "errno", None), *map(int, re.findall(r"os error (\d+)", text))]
    number = next((n for n in numbers if n), None)
    if number is None:
        return text.partition("\n")[0]
    full = "; nothing of it is kept: make room, or choose another disk" if number in FULL else ""
    return os.strerror(number) + full


def output_folder(path: str | Path) -> Path:
    """The folder, made if need be; an InputError where it cannot be made or written."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(
            f"cannot write to the folder {path}: {error.strerror}; choose another output folder"
        ) from error
    return path


def write_tensors(
    path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> Path:
    """Write arrays and text as one safetensors file, atomically, with a checksum of both."""
    with atomic(path) as part:
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        # ascontiguousarray turns a scalar into one element; the shape is put back here.
        shaped = {name: array.reshape(np.shape(arrays[name])) for name, array in contiguous.items()}
        text = dict(metadata)
        save_file(shaped, part, metadata=text | {CHECKSUM: _checksum(shaped, text)})
    return Path(path)


def read_tensors(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a safetensors file: arrays and the text of its header.

    Raises
    ------
    InputError
        If the file is missing, a pickle, or damaged: also where its checksum is another.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    with path.open("rb") as file:
        start = file.read(9)
    # A safetensors file begins with the length of its JSON header, which may look like a pickle.
    if start[8:] != b"{" and start.startswith((b"PK", b"\x80")):
        raise InputError(
            f"{path} is a pickle or a torch archive, which bionet never loads;"
            " write the tensors with safetensors.torch.save_file(state_dict, path)"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            text = dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{path} is damaged or not a safetensors file ({error}); write it again"
        ) from error
    noted = text.pop(CHECKSUM, None)  # other programs' files have none
    if noted is not None and noted != _checksum(arrays, text):
        raise InputError(f"{path} is damaged: its checksum is not that of its content")
    return arrays, text


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name; nothing is unpickled.

    Raises
    ------
    InputError
        If the file is damaged, or holds anything but plain arrays.
    """
    try:
        # Opened here: numpy would leave a damaged file open.
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            _check_directory(file, len(stored.files))
            return {name: np.asarray(stored[name]) for name in stored.files}
    except Exception as error:  # what a damaged file leads to cannot be told beforehand
        text = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path}: is damaged or no .npz file of plain arrays ({text})") from error


def _check_directory(file: BinaryIO, n_files: int) -> None:
    """Refuse an archive whose directory lists fewer files than it says it has."""
    file.seek(-ARCHIVE_END, os.SEEK_END)
    end = file.read(ARCHIVE_END)  # of an archive without a comment, as NumPy writes them
    noted = int.from_bytes(end[10:12], "little")
    if end.startswith(b"PK\5\6") and noted not in (n_files, 2**16 - 1):
        raise ValueError(f"its directory lists {n_files} of {noted} files")


def _checksum(arrays: Mapping[str, np.ndarray], text: Mapping[str, str]) -> str:
    """CRC-32 of names, kinds, shapes and bytes: against accidents, not against forgery."""
    total = zlib.crc32(repr(sorted(text.items())).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total = zlib.crc32(f"{name} {array.dtype.str} {np.shape(arrays[name])}".encode(), total)
        total = zlib.crc32(array.data, total)  # not tobytes(), which is a copy
    return f"{total:08x}"
