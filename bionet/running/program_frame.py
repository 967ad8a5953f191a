"""What stands around the code objects of a program: arrays, values for them, the loop over steps.

Brian2 writes this frame with ``<random>``, ``<map>`` and ``<iostream>``, which take longer to
compile than all loops of LeNet-5, and its end writes out every array, the weights too. A program
of BioNet has one clock and stops by itself, so a frame of one small file is enough. Each code
object then names the arrays that it uses in place of a header that names all of them: its text
alone decides what is compiled. Code objects that differ in these names only, such as the thresholds
of layers of one size, become one function that takes its arrays as arguments, and compile once.

Arrays begin at multiples of 64 bytes, so that no row of weights lies across two cache lines.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from brian2.codegen.generators.cpp_generator import c_data_type
from brian2.core.variables import ArrayVariable

from bionet.errors import BioNetError
from bionet.templates import rendered

__all__ = ["SharedBody", "frame", "light_source", "shared_body", "write_light_sources"]

PRELUDE = """\
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "brianlib/common_math.h"
#include "brianlib/stdint_compat.h"
namespace brian {
struct Folder {
    const char* path;
    const char* c_str() const { return path; }
};
extern Folder results_dir;
%s
}
class Network {
public:
    static bool _globally_stopped;
};
"""
# Functions of a user's own may need more of the standard library.
MORE = "#include <algorithm>\n#include <fstream>\n#include <iostream>\n#include <vector>\n"
INCLUDES = re.compile(
    r'^#include\s*[<"](?:objects\.h|brianlib/\w+\.h|code_objects/\w+\.h|cmath|ctime|iostream'
    r'|fstream|climits)[>"]\s*\n',
    re.MULTILINE,
)
OURS = re.compile(r"\bstd::(?!mem|f?printf|fflush|fread|fwrite|fopen|snprintf|exit)|\bcout\b")
# A variable that outlives a call belongs to one code object; a function's bracket comes first.
STATE = re.compile(r"\bstatic\s+(?!const\b|constexpr\b|inline\b)[^()=;\[{]*[=;\[]")
ARRAY = re.compile(r"(_ptr)?(_array_\w+)")
UNKNOWN = re.compile(r"\b_dynamic_array_\w+|\b_random_generators\b|\b_timedarray\w*")


def light_source(source: str, types: Mapping[str, str]) -> str:
    """The source of a code object with light headers and the arrays that it uses.

    Parameters
    ----------
    source : str
        As Brian2 writes it.
    types : mapping of str to str
        Name of an array -> C type of its elements.

    Raises
    ------
    BioNetError
        If the code uses what the frame does not have: Brian2's own random numbers or timed arrays.
    """
    body = INCLUDES.sub("", source)
    if unknown := UNKNOWN.search(body):
        raise BioNetError(
            f"a compiled program has no {unknown[0]}; use rand() or randn() in the threshold,"
            " reset or update of a model, or simulate with device='cython'"
        )
    used = sorted({name for name in re.findall(r"\b_array_\w+", body) if name in types})
    declared = "\n".join(f"extern {types[name]}* {name};" for name in used)
    return (MORE if OURS.search(body) else "") + PRELUDE % declared + body


@dataclass(frozen=True)
class SharedBody:
    """A function that serves all code objects with the same code.

    Attributes
    ----------
    name : str
        Made from its code.
    text : str
        Its source.
    arrays : tuple of str
        The arrays of this code object, in the order in which the function takes them.
    """

    name: str
    text: str
    arrays: tuple[str, ...]


def shared_body(source: str, name: str, types: Mapping[str, str]) -> SharedBody | None:
    """The light source of a code object without the names of its arrays; None if it keeps a state.

    Parameters
    ----------
    source, types
        As for :func:`light_source`.
    name : str
        Of the code object.
    """
    body = INCLUDES.sub("", source)
    head = f"void _run_{name}()\n{{"
    if STATE.search(body) or body.count(head) != 1:
        return None
    arrays = tuple(dict.fromkeys(m[2] for m in ARRAY.finditer(body) if m[2] in types))
    numbers = {array: number for number, array in enumerate(arrays)}
    lines = [
        f"    {types[array]}* const _array_{number} = ({types[array]}*)_arrays[{number}];"
        for number, array in enumerate(arrays)
    ]

    def numbered(use: re.Match[str]) -> str:
        is_argument = use[2] in numbers
        return f"{use[1] or ''}_array_{numbers[use[2]]}" if is_argument else use[0]

    body = ARRAY.sub(numbered, body)
    body = body.replace(head, "\n".join(['extern "C" void _body(void** _arrays)', "{", *lines]))
    text = (MORE if OURS.search(body) else "") + PRELUDE % "" + body
    key = "_body_" + hashlib.sha256(text.encode()).hexdigest()[:20]
    return SharedBody(key, text.replace("void _body(", f"void {key}("), arrays)


@dataclass(frozen=True)
class FrameArray:
    """An array of a program: where its values come from before anything is set from outside."""

    name: str
    label: str
    type: str
    size: int
    start: int | None
    file: str


def frame(device: Any, shared: Mapping[str, SharedBody] = MappingProxyType({})) -> str:
    """The C++ file with arrays, values and the loop over steps, for Brian2's standalone device.

    ``shared`` are the code objects, by name, that call a function in place of their own.

    Raises
    ------
    BioNetError
        If the network needs what only Brian2's own frame has.
    """
    if len(device.clocks) != 1 or device.dynamic_arrays or device.timed_arrays or device.synapses:
        raise BioNetError(
            "a compiled program has one clock, and neither dynamic arrays nor Brian2's Synapses;"
            " use bionet.build for such a network"
        )
    (clock,) = device.clocks
    starts = {name: start for _, name, start in device.arange_arrays}
    settings, order = _settings(device)
    arrays = [
        FrameArray(
            name,
            f"{getattr(variable.owner, 'name', '')}.{variable.name}",
            c_data_type(variable.dtype),
            int(variable.size),
            starts.get(name),
            settings[name] if settings.get(name, "").startswith("static_arrays/") else "",
        )
        for variable, name in device.arrays.items()
        if isinstance(variable, ArrayVariable)
    ]
    constants = [line for line in settings.values() if not line.startswith("static_arrays/")]
    return rendered(
        "bionet.running",
        "frame.cpp.jinja",
        arrays=sorted(arrays, key=lambda a: a.name),
        constants=constants,
        order=order,
        shared=shared,
        clock={key: device.arrays[clock.variables[key]] for key in ("timestep", "t", "dt")},
        kinds={"float": "f", "double": "d", "int32_t": "i", "int64_t": "l", "char": "c"},
    )


def _settings(device: Any) -> tuple[dict[str, str], list[str]]:
    """By array the last thing that sets it, a line or a file; and the code objects in order."""
    settings: dict[str, str] = {}
    order: list[str] = []
    for what, arguments in device.main_queue:
        if what == "set_by_constant":
            name, value, _ = arguments
            number = f'std::strtod("{value!r}", NULL)' if isinstance(value, float) else int(value)
            settings[name] = f"for (int64_t i = 0; i < n_{name}; i++) {name}[i] = {number};"
        elif what == "set_by_single_value":
            name, item, value = arguments
            settings[name] = f"{name}[{item}] = {value};"
        elif what == "set_by_array":
            name, static, _ = arguments
            settings[name] = f"static_arrays/{static}"
        elif what == "run_network":
            order = re.findall(r"\.add\(&\w+, _run_(\w+)\);", "\n".join(arguments[1]))
        else:
            raise BioNetError(f"a compiled program cannot {what.replace('_', ' ')} before it runs")
    return settings, order


def write_light_sources(device: Any, folder: Path) -> list[str]:
    """Replace the code objects in ``folder`` by light ones, and add the frame; their names."""
    types = {name: c_data_type(variable.dtype) for variable, name in device.arrays.items()}
    names, shared = set(), {}
    for code_object in device.code_objects.values():
        if code_object.before_after_blocks:
            raise BioNetError(
                f"a compiled program has no place for {code_object.name} before a run"
            )
        path = folder / "code_objects" / f"{code_object.name}.cpp"
        source = path.read_text()
        light = light_source(source, types)
        if (body := shared_body(source, code_object.name, types)) is not None:
            shared[code_object.name] = body
            path.unlink()
            path = path.with_name(f"{body.name}.cpp")
            light = body.text
        path.write_text(light)
        names.add(f"code_objects/{path.name}")
    _convert_static_arrays(device, folder)
    (folder / "frame.cpp").write_text(frame(device, shared))
    return sorted(names)


def _convert_static_arrays(device: Any, folder: Path) -> None:
    """Values of arrays in the type of their variable, which may be narrower than what was given."""
    stored = {name: np.dtype(values.dtype) for name, values in device.static_arrays.items()}
    variables = {name: variable for variable, name in device.arrays.items()}
    for name, source in _settings(device)[0].items():
        if source.startswith("static_arrays/"):
            dtype = stored[source.removeprefix("static_arrays/")]
            values = np.fromfile(folder / source, dtype=dtype)
            values.astype(variables[name].dtype).tofile(folder / source)
