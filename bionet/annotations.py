"""What an annotation allows: checked by pydantic, said in words, written as source code.

Arguments of public functions (:mod:`bionet.kinds`) and options of methods and perturbations
(:mod:`bionet.options`) are checked here. Only kinds are: whether a number is in range, an array has
the right shape or a quantity the right unit is for the function to say.

============================ ==================================================================
annotation                   what it takes
============================ ==================================================================
``int``                      whole numbers, NumPy's too; no True, no 3.0
``float``                    real numbers but NaN
``str``, ``Path``            text; text or a path
``np.ndarray``               arrays, tensors, and lists of numbers
``Sequence[int]``, tuple     lists, tuples, arrays, and what is in them; no text
``Mapping[str, float]``      mappings, and what is in them
``Literal["a", "b"]``        these
``Quantity``                 quantities
a class                      its instances, by name: nothing is imported for a check
``Any``, ``Annotated[...]``  everything: what the latter takes, the function says
============================ ==================================================================
"""

from __future__ import annotations

import functools
import math
import numbers
import types
import typing
from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

import numpy as np

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "Asked",
    "adapter",
    "alternatives",
    "evaluated",
    "in_words",
    "is_plain",
    "is_quantity",
    "written",
]

Asked = Literal["value", "argument", "text"]
SCALARS = {bool: "", int: "a whole number", float: "a number", str: "a text"}
# Classes of other packages, whose short name says too little.
FROM_OTHERS = {
    "Animation": "matplotlib's Animation",
    "Axes": "matplotlib's Axes",
    "DataFrame": "a pandas.DataFrame",
    "Figure": "matplotlib's Figure",
    "Generator": "a torch.Generator",
    "Module": "a torch.nn.Module",
    "Path": "a path",
    "PathLike": "a path",
    "Tensor": "a torch.Tensor",
    "ndarray": "an array of numbers",
}


class _Named(type):
    """A class that is not imported: an object is its instance if a class of its has the name."""

    def __instancecheck__(cls, value: Any) -> bool:
        return any(base.__name__ == cls.__name__ for base in type(value).__mro__)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _named(name)

    def __getitem__(cls, _arguments: Any) -> Any:
        return cls


@functools.cache
def _named(name: str) -> Any:
    return _Named(name, (), {})


class _Names(dict[str, Any]):
    """The names of a module, builtins, and classes that it does not import by their names."""

    def __missing__(self, name: str) -> Any:
        builtins: dict[str, Any] = vars(__import__("builtins"))
        return builtins[name] if name in builtins else _named(name)


def evaluated(annotation: Any, names: Mapping[str, Any]) -> Any:
    """An annotation as a type, from its text.

    Parameters
    ----------
    annotation : str or type
    names : mapping of str to object
        Those of the module that it stands in. What they lack stands for a class of that name.
    """
    if isinstance(annotation, str):
        return evaluated(eval(annotation, {}, _Names(names)), names)
    arguments = typing.get_args(annotation)
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is Union:
        return Union[tuple(evaluated(a, names) for a in arguments)]  # noqa: UP007
    return Any if typing.get_origin(annotation) is Annotated else annotation


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The parts of ``A | B``."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


@functools.cache
def adapter(annotation: Any, asked: Asked) -> TypeAdapter[Any]:
    """Pydantic's check of an annotation.

    Parameters
    ----------
    annotation : type
    asked : {"value", "argument", "text"}
        Of an option's value; of an argument, of which the function itself refuses an unknown text
        and a missing unit, since it has more to say; or of a text that stands for a number.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(_schema(annotation, asked))


def _schema(annotation: Any, asked: Asked) -> Any:
    """An annotation as pydantic needs it."""
    from pydantic import AfterValidator, BeforeValidator, InstanceOf, Strict

    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        has_axes = any("Axes" in str(part) for part in arguments)
        parts = (
            _predicate(_is_array_of_objects) if has_axes and a is np.ndarray else _schema(a, asked)
            for a in arguments
        )
        return Union[tuple(parts)]  # noqa: UP007
    if origin is Literal:
        texts = all(isinstance(a, str) for a in arguments)
        return _schema(str, asked) if texts and asked == "argument" else annotation
    name = getattr(origin or annotation, "__name__", "")
    if name in PREDICATES:
        return _predicate(PREDICATES[name])
    if name == "Quantity":
        return _predicate(_is_quantity_or_number if asked == "argument" else is_quantity)
    if annotation in SCALARS:
        if asked == "text":
            return annotation
        exact = Annotated[annotation, Strict(), BeforeValidator(_plain)]
        return Annotated[exact, AfterValidator(_no_nan)] if annotation is float else exact
    if origin in (tuple, list, Sequence) or annotation in (tuple, list, Sequence):
        each = tuple(a if a is ... else _schema(a, asked) for a in arguments)
        if origin is not tuple or ... in each:
            each = (each[0] if each else Any, ...)
        return _read_first(types.GenericAlias(tuple, each))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return Mapping[tuple(_schema(a, asked) for a in arguments)]  # type: ignore[misc]
    if annotation in (None, type(None), Any):
        return annotation
    if origin is Callable or annotation is Callable:
        return _predicate(callable)
    kind = origin or annotation
    is_class = isinstance(kind, type) and kind is not object
    return InstanceOf[kind] if is_class else Any  # type: ignore[misc, valid-type]


def _read_first(several: Any) -> Any:
    """A tuple's annotation, for lists, sets and arrays too."""
    from pydantic import BeforeValidator

    return Annotated[several, BeforeValidator(_as_tuple)]


def _predicate(fits: Callable[[Any], bool]) -> Any:
    from pydantic import PlainValidator

    def checked(value: Any) -> Any:
        if not fits(value):
            raise ValueError("is of another kind")
        return value

    return Annotated[Any, PlainValidator(checked)]


def is_plain(value: Any) -> bool:
    """Whether something is a number that NumPy or torch holds, or an array."""
    return hasattr(value, "__array__") and not is_quantity(value)


def _plain(value: Any) -> Any:
    """A number of NumPy's or torch's as Python's; anything else as it is."""
    if isinstance(value, float) or not is_plain(value) or np.ndim(_detached(value)) != 0:
        return float(value) if type(value).__name__ in ("Fraction", "Decimal") else value
    return np.asarray(_detached(value)).item()


def _no_nan(value: float) -> float:
    if math.isnan(value):
        raise ValueError("is NaN")
    return value


def _as_tuple(value: Any) -> Any:
    """A list, a set or an array as a tuple; a text is none, nor is a mask a list of numbers."""
    if isinstance(value, (Sequence, Set)) and not isinstance(value, (str, bytes)):
        return tuple(value)
    if hasattr(value, "__array__") and np.ndim(_detached(value)) > 0:
        return tuple(value) if is_quantity(value) else tuple(_detached(value).tolist())
    raise ValueError("is no list")


def _detached(value: Any) -> Any:
    """A tensor without its gradient, which NumPy would refuse."""
    return value.detach().cpu() if hasattr(value, "detach") else value


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)) or np.ndim(value) != 0:
        return False
    if not isinstance(value, numbers.Real) and not hasattr(value, "__array__"):
        return False
    array = np.asarray(value)
    return array.dtype.kind in "iuf" and not math.isnan(float(array))


def _is_array(value: Any) -> bool:
    if hasattr(value, "__array__"):
        return np.asarray(_detached(value)).dtype.kind not in "US"
    if not isinstance(value, (list, tuple)):
        return _is_number(value)
    try:
        several = any(hasattr(v, "__array__") for v in value)  # such as inputs of several shapes
        return several or np.asarray(value).dtype.kind in "biuf"
    except ValueError:  # lists of unequal lengths
        return False


def _is_array_of_objects(value: Any) -> bool:
    return str(getattr(getattr(value, "dtype", None), "kind", "")) == "O"


def is_quantity(value: Any) -> bool:
    """Whether something is a Brian2 quantity, which is not imported for it."""
    return any(base.__name__ == "Quantity" for base in type(value).__mro__)


def _is_quantity_or_number(value: Any) -> bool:
    return is_quantity(value) or _is_number(value)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) or hasattr(value, "__fspath__")


PREDICATES: Mapping[str, Callable[[Any], bool]] = {
    "NDArray": _is_array,
    "Path": _is_path,
    "PathLike": _is_path,
    "ndarray": _is_array,
}


def in_words(annotation: Any, default: Any = None) -> str:
    """What an annotation asks for: ``"'percentile', 'max' or None"``.

    Parameters
    ----------
    annotation : type
    default : object
        A quantity whose unit the example of another has.
    """
    words = list(dict.fromkeys(_choices(annotation, default)))
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _choices(annotation: Any, default: Any = None) -> list[str]:
    """Each thing that an annotation allows."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        several = [words for kind in arguments for words in _choices(kind, default)]
        if FROM_OTHERS["Axes"] in several:
            several = ["an array of Axes" if w == FROM_OTHERS["ndarray"] else w for w in several]
        return several
    if origin is Literal:
        return list(map(repr, arguments))
    if annotation in (None, type(None)):
        return ["None"]
    if annotation is bool:
        return ["True", "False"]
    if annotation in SCALARS:
        return [SCALARS[annotation]]
    name = getattr(origin or annotation, "__name__", str(annotation))
    if name == "NDArray":
        name = "ndarray"
    if origin is Callable or annotation is Callable:
        return ["a function"]
    if isinstance(origin, type) and name not in FROM_OTHERS:
        each = [in_words(kind) for kind in arguments if kind is not ...]
        if issubclass(origin, Mapping):
            return [f"a mapping from {each[0]} to {each[1]}"]
        if Any in arguments:
            return ["a list"]
        return [f"a list, of which each is {' or '.join(dict.fromkeys(each))}"]
    if name == "Quantity":
        is_rate = str(getattr(default, "dim", "")) == "s^-1"
        return [f"a quantity such as {'100*Hz' if is_rate else '20*ms'}"]
    article = "an" if name[:1] in "AEIOUaeiou" else "a"
    return [FROM_OTHERS.get(name, f"{article} {name}")]


def written(annotation: Any) -> str:
    """An annotation as source code has it: ``"float | None"``."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return " | ".join(map(written, arguments))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if annotation is type(None):
        return "None"
    name = getattr(origin or annotation, "__name__", str(annotation))
    return f"{name}[{', '.join(map(written, arguments))}]" if arguments else name
