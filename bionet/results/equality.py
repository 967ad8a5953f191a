"""Equality of results: the same fields, arrays bit for bit, mappings in the same order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

__all__ = ["same_fields", "same_values"]


def same_fields(one: Any, other: Any) -> bool:
    """Whether two dataclass objects of one class have the same values in all fields."""
    return type(one) is type(other) and all(
        same_values(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)
    )


def same_values(one: Any, other: Any) -> bool:
    """Whether two values are the same: NaN equals NaN, a tuple the list that JSON makes of it."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        one, other = np.asarray(one), np.asarray(other)
        exact = one.dtype == other.dtype and one.shape == other.shape
        return exact and bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(same_values(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(same_values(a, b) for a, b in pairs)
    return bool(one == other) or (one != one and other != other)
