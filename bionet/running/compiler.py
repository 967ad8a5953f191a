"""The C++ compiler: its flags, and the object files that programs share.

An object file is kept in the cache under a hash of its source, the compiler, its flags and the
processor. A source names all that it uses (:mod:`bionet.running.program_frame`), so two networks
that have a layer in common compile it once.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from bionet.errors import InputError
from bionet.files import temporary_folder
from bionet.running.program_cache import cache_folder

__all__ = ["COMPILE_ARGUMENTS", "build_program", "compile_arguments", "compiler", "missing_flags"]

# C++14: the <cmath> and <algorithm> of C++17 take three times as long to read.
COMPILE_ARGUMENTS = (
    "-O3",
    "-march=native",
    "-std=c++14",
    "-fno-math-errno",
    "-ffp-contract=off",
    "-w",
)
# Apple's clang knows the processor by this name.
OTHER_NAMES = {"-march=native": "-mcpu=native"}


def compiler() -> str:
    """The compiler, with its first arguments: CXX, or g++.

    Raises
    ------
    InputError
        If there is no such program.
    """
    command = os.environ.get("CXX", "").strip() or "g++"
    program = shlex.split(command)[0]
    if shutil.which(program) is None:
        raise InputError(
            f"device='cpp_standalone' needs a C++ compiler, but there is no {program!r}: install"
            " g++, set CXX to a compiler, or simulate with device='numpy'"
        )
    return command


@functools.cache
def _accepts(program: str, *flags: str) -> bool:
    """Whether a compiler takes these flags."""
    with temporary_folder() as folder:
        source = folder / "empty.cpp"
        source.write_text("int main() { return 0; }\n")
        command = [
            *shlex.split(program),
            *flags,
            "-c",
            str(source),
            "-o",
            str(folder / "empty.o"),
        ]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except OSError:  # there is no such program: compiling will say so
            return True
        return done.returncode == 0


@functools.cache
def _flags(program: str) -> tuple[str, ...]:
    if _accepts(program, *COMPILE_ARGUMENTS):
        return COMPILE_ARGUMENTS
    flags = []
    for flag in COMPILE_ARGUMENTS:
        names = (flag, OTHER_NAMES.get(flag, ""))
        flags += [name for name in names if name and _accepts(program, name)][:1]
    # A compiler that refuses everything has another fault, which compiling will show.
    return tuple(flags) or COMPILE_ARGUMENTS


def compile_arguments() -> tuple[str, ...]:
    """Flags for this compiler: those of COMPILE_ARGUMENTS that it knows."""
    return _flags(compiler())


def missing_flags() -> tuple[str, ...]:
    """Flags that this compiler does not know, nor by another name; programs are slower then."""
    flags = compile_arguments()
    return tuple(f for f in COMPILE_ARGUMENTS if f not in flags and OTHER_NAMES.get(f) not in flags)


@functools.cache
def machine() -> str:
    """The processor's kind and instruction sets, the compiler and Brian2, as one line."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    sets = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    version = ""
    with contextlib.suppress(OSError):
        done = subprocess.run(
            [*shlex.split(compiler()), "--version"], capture_output=True, text=True, check=False
        )
        version = " ".join((compiler(), done.stdout.partition("\n")[0]))
    digest = hashlib.sha256(sets.encode()).hexdigest()[:16]
    return f"{platform.machine()} {digest} {version} brian2 {metadata.version('brian2')}"


def _call(arguments: Iterable[str], folder: Path) -> None:
    done = subprocess.run(
        [*shlex.split(compiler()), *compile_arguments(), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)


def _object(folder: Path, source: str, level: str) -> str:
    """The object file of a source in ``folder``, from the cache if it is there."""
    flags = (*compile_arguments(), level)
    words = (machine(), *flags, (folder / source).read_text())
    key = hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]
    cached = cache_folder() / "objects" / f"{key}.o"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        new = cached.with_suffix(f".{os.getpid()}.part")
        try:
            _call([level, "-I.", "-c", source, "-o", str(new)], folder)
            new.replace(cached)
        finally:
            new.unlink(missing_ok=True)
    return str(cached)


def build_program(folder: Path, sources: dict[str, str]) -> None:
    """Compile and link ``folder/main``, as many sources at once as there are cores.

    Parameters
    ----------
    folder : Path
    sources : dict of str to str
        Source, relative to the folder -> level of optimisation (``-O3``).

    Raises
    ------
    RuntimeError
        With the compiler's message.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda s: _object(folder, *s), sources.items()))
    _call([*objects, "-o", "main"], folder)
