"""Kinds of arguments: a function refuses what its own signature does not allow.

The annotations of a public function say what each argument is; :func:`typed` reads them when the
function is called, so that a string in place of a recording is one clear line at once, not an
AttributeError in the middle of the work. It checks kinds only: whether a number is in range, an
array has the right shape, or a quantity the right unit is the function's own to say.

============================ ==================================================================
annotation                   what it takes
============================ ==================================================================
``int``                      whole numbers, NumPy's too; no True, no 3.0
``float``                    real numbers but NaN
``str``, ``Path``            text; text or a path
``np.ndarray``               arrays, tensors, and lists of numbers
``Sequence[int]``, tuple     lists, tuples, arrays, and what is in them; no text
``Mapping[...]``             mappings
``Quantity``                 quantities, and numbers, whose missing unit is refused elsewhere
a class                      its instances, by name: nothing is imported for a check
anything else                everything
============================ ==================================================================
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import os
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, TypeVar

import numpy as np

from bionet.errors import InputError

__all__ = ["told", "typed"]

Called = TypeVar("Called", bound=Callable[..., Any])
Kind = tuple[str, Callable[[Any], bool]]

# NumPy's own. A user's np.seterr(all="raise") would end Brian2 where it lets a number overflow.
ERROR_STATE: dict[str, Any] = {
    "divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn",
}  # fmt: skip
SEVERAL = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
LOADER = "; of a DataLoader take its batches together: torch.cat([batch for batch, _ in loader])"


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)) or np.ndim(value) != 0:
        return False
    if not isinstance(value, numbers.Real) and not hasattr(value, "__array__"):
        return False
    array = np.asarray(value)
    return array.dtype.kind in "iuf" and not math.isnan(float(array))


def _is_array(value: Any) -> bool:
    if hasattr(value, "__array__"):
        return np.asarray(_plain(value)).dtype.kind not in "US"
    if not isinstance(value, (list, tuple)):
        return _is_number(value)
    try:
        several = any(hasattr(v, "__array__") for v in value)  # such as inputs of several shapes
        return several or np.asarray(value).dtype.kind in "biuf"
    except ValueError:  # lists of unequal lengths
        return False


def _dtype_kind(value: Any) -> str:
    return str(getattr(getattr(value, "dtype", None), "kind", ""))


def _plain(value: Any) -> Any:
    """A tensor without its gradient, which NumPy would refuse."""
    return value.detach().cpu() if hasattr(value, "detach") else value


def _is_sequence(value: Any) -> bool:
    if isinstance(value, (str, bytes)):
        return False
    several = hasattr(value, "__array__") and np.ndim(_plain(value)) > 0
    return several or isinstance(value, (Sequence, Set))


def _instance(*names: str) -> Callable[[Any], bool]:
    return lambda value: any(base.__name__ in names for base in type(value).__mro__)


def _is_quantity(value: Any) -> bool:
    return hasattr(value, "dimensions") or _is_number(value)


KINDS: dict[str, Kind] = {
    "None": ("None", lambda value: value is None),
    "bool": ("True or False", lambda value: isinstance(value, (bool, np.bool_))),
    "int": ("a whole number", _is_whole),
    "float": ("a number", _is_number),
    "str": ("text", lambda value: isinstance(value, str)),
    "Pair": ("one or two whole numbers", lambda value: _is_number(value) or _is_sequence(value)),
    "Path": ("a path", lambda value: isinstance(value, (str, os.PathLike))),
    "PathLike": ("a path", lambda value: isinstance(value, (str, os.PathLike))),
    "ndarray": ("an array of numbers", _is_array),
    "NDArray": ("an array of numbers", _is_array),
    "Sequence": ("a list", _is_sequence),
    "tuple": ("a tuple", _is_sequence),
    "Mapping": ("a mapping such as a dict", lambda value: isinstance(value, Mapping)),
    "Callable": ("a function", callable),
    "Quantity": ("a quantity with its unit, such as 50*ms", _is_quantity),
    "Module": ("a torch.nn.Module", _instance("Module")),
    "Tensor": ("a torch.Tensor", _instance("Tensor")),
    "DataFrame": ("a pandas.DataFrame", _instance("DataFrame")),
    "array of Axes": ("an array of Axes", lambda value: _dtype_kind(value) == "O"),
    "Axes": ("matplotlib's Axes", _instance("Axes")),
    "Figure": ("matplotlib's Figure", _instance("Figure")),
    "Animation": ("matplotlib's Animation", _instance("Animation")),
    "Generator": ("a torch.Generator", _instance("Generator")),
}
# BioNet's own, by their names.
KINDS |= {
    name: (f"a {name}", _instance(name))
    for name in (
        "Code",
        "Conductance",
        "Dataset",
        "Diagnosis",
        "EarlyExit",
        "FICurve",
        "FrequencyActivation",
        "Kernel",
        "NeuronModel",
        "Origin",
        "Perturbation",
        "Perturbed",
        "Population",
        "Projection",
        "Readout",
        "Record",
        "Recording",
        "Simulation",
        "SpikingNetwork",
        "Stimulus",
        "Study",
        "Trace",
    )
}
KINDS["Audit"] = ("an Audit", _instance("Audit"))


def typed(called: Called) -> Called:
    """Let a function, or the making of a class, refuse arguments of another kind.

    It runs under NumPy's usual error state, whatever the user has set.

    Raises
    ------
    InputError
        When it is called: names the argument, what is expected and what came.
    """
    if inspect.isclass(called):
        initial = typed(called.__init__)
        making = functools.update_wrapper(
            lambda self, *values, **keywords: initial(self, *values, **keywords), initial
        )
        setattr(called, "__init__", making)  # noqa: B010 -- a type checker refuses an assignment
        return called
    # Brian2's check of units hides the function that it wraps.
    function: Any = getattr(called, "_orig_func", called)
    signature = inspect.signature(function)
    place = function.__qualname__.removesuffix(".__init__")
    names = getattr(function, "__globals__", {})
    kinds = {
        p.name: () if p.kind in SEVERAL else _kinds(str(p.annotation), names)
        for p in signature.parameters.values()
    }

    @functools.wraps(called)
    def checked(*values: Any, **keywords: Any) -> Any:
        with np.errstate(**ERROR_STATE):
            try:
                given = signature.bind(*values, **keywords).arguments
            except TypeError:  # too many, or unknown names: Python's own message is clear
                return called(*values, **keywords)
            for name, value in given.items():
                if kinds[name] and not any(fits(value) for _, fits in kinds[name]):
                    expected = " or ".join(dict.fromkeys(said for said, _ in kinds[name]))
                    raise InputError(f"{place}: {name} must be {expected}, but is {told(value)}")
            return called(*values, **keywords)

    checked.__signature__ = signature  # type: ignore[attr-defined]
    return checked  # type: ignore[return-value]


def told(value: Any) -> str:
    """A value in a message: itself where it is short, else what it is."""
    if isinstance(value, (str, numbers.Number, type(None), list, tuple)):
        text = repr(value)
        if len(text) <= 60 and "\n" not in text:
            return text
    kind = type(value).__name__
    shape = ""
    if hasattr(value, "__array__") and hasattr(value, "dtype"):
        shape = f" of shape {tuple(value.shape)} and type {value.dtype}"
    article = "an" if kind[0] in "AEIOUaeiou" else "a"
    return f"{article} {kind}{shape}" + (LOADER if kind == "DataLoader" else "")


def _kinds(annotation: str, names: Mapping[str, Any]) -> tuple[Kind, ...]:
    """What an annotation allows; empty where it, or a part of it, allows everything.

    ``names`` are those of the function's module, which may stand for a longer annotation.
    """
    allowed: list[Kind] = []
    for part in _alternatives(annotation):
        name = part.partition("[")[0].rpartition(".")[2].strip()
        if name == "Literal" and "'" in part.replace('"', "'"):
            name = "str"  # which texts, the function says
        if name == "ndarray" and "Axes" in annotation:
            name = "array of Axes"
        if name not in KINDS:
            longer = names.get(name)
            if longer is None or isinstance(longer, type):
                return ()
            kinds = _kinds(str(longer), {})
            if not kinds:
                return ()
            allowed += kinds
            continue
        said, fits = KINDS[name]
        inner = part.partition("[")[2].removesuffix("]").partition(",")[0].rpartition(".")[2]
        if name in ("Sequence", "tuple") and inner in KINDS:
            said, fits = _of(said, fits, *KINDS[inner])
        allowed.append((said, fits))
    return tuple(allowed)


def _of(
    said: str, fits: Callable[[Any], bool], element: str, is_one: Callable[[Any], bool]
) -> Kind:
    """A sequence of one kind; of numbers also an array."""

    def of_one_kind(value: Any) -> bool:
        if not fits(value):
            return False
        if hasattr(value, "__array__") and is_one(0):
            # A mask is no list of numbers: where one is taken, the annotation names an array.
            return np.asarray(_plain(value)).dtype.kind in ("iu" if not is_one(0.5) else "iuf")
        return all(is_one(item) for item in value)

    return f"{said}, each of them {element}", of_one_kind


def _alternatives(annotation: str) -> list[str]:
    """The parts of ``A | B[C | D]``: A and B[C | D]."""
    parts, depth = [""], 0
    for letter in annotation:
        depth += (letter in "[(") - (letter in "])")
        if letter == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
