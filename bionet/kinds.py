"""Kinds of arguments: a function refuses what its own signature does not allow.

The annotations of a public function say what each argument is; :func:`typed` reads them when the
function is called, so that a string in place of a recording is one clear line at once, not an
AttributeError in the middle of the work. What an annotation allows: :mod:`bionet.annotations`.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from bionet.annotations import adapter, alternatives, evaluated, in_words
from bionet.errors import InputError

__all__ = ["told", "typed"]

Called = TypeVar("Called", bound=Callable[..., Any])

# NumPy's own. A user's np.seterr(all="raise") would end Brian2 where it lets a number overflow.
ERROR_STATE: dict[str, Any] = {
    "divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn",
}  # fmt: skip
SEVERAL = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
LOADER = "; of a DataLoader take its batches together: torch.cat([batch for batch, _ in loader])"


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
    taken: dict[str, Any] = {}  # filled by the first call: then all classes are there
    # What signature.bind would find, where it is simple: it takes longer than most of the checks.
    simple = not any(p.kind in SEVERAL for p in signature.parameters.values())
    in_order = [
        p.name
        for p in signature.parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]

    @functools.wraps(called)
    def checked(*values: Any, **keywords: Any) -> Any:
        with np.errstate(**ERROR_STATE):
            given = dict(zip(in_order, values, strict=False)) | keywords
            if not simple or len(values) > len(in_order):
                try:
                    given = signature.bind(*values, **keywords).arguments
                except TypeError:  # too many, or unknown names: Python's own message is clear
                    return called(*values, **keywords)
            if not taken:
                taken.update(_types(function, signature))
            for name, value in given.items():
                annotation = taken.get(name, Any)  # an unknown name: Python says so
                if annotation is Any:
                    continue
                try:
                    adapter(annotation, "argument").validate_python(value)
                except ValueError as error:
                    raise InputError(
                        f"{place}: {name} must be {in_words(annotation)}, but is {told(value)}"
                    ) from error
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


def _types(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    """The annotation of each argument as a type; Any where a part of it allows everything."""
    owner = getattr(function, "__qualname__", "").removesuffix(".__init__")
    names = dict(getattr(inspect.unwrap(function), "__globals__", {}))
    for base in getattr(names.get(owner), "__mro__", ()):  # whose fields a dataclass inherits
        names = {**vars(sys.modules[base.__module__]), **names}
    types = {
        p.name: Any
        if p.kind in SEVERAL or p.annotation is p.empty
        else evaluated(p.annotation, names)
        for p in signature.parameters.values()
    }
    return {n: Any if Any in alternatives(kind) else kind for n, kind in types.items()}
