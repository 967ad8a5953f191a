"""Columns of a table from outside: those that hold numbers, and a checksum of all it says."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bionet.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_numbers", "table_checksum"]

COUNTS = ("images", "n_images")


def check_numbers(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a table of which a column holds anything but numbers; a column may be missing.

    Parameters
    ----------
    table : DataFrame
    columns : sequence of str

    Raises
    ------
    InputError
        Naming the column, the row (from 0) and what stands there.
    """
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    for name in columns:
        if name not in table:
            continue
        column = table[name]
        if is_numeric_dtype(column) and not is_bool_dtype(column):
            finite = np.isfinite(column.to_numpy(dtype=float))
            if name in COUNTS and not finite.all():
                row = int(finite.argmin())
                raise InputError(
                    f"the table's column {name!r} must hold whole numbers, but row {row} holds"
                    f" {column.iloc[row]}"
                )
            continue
        told = [str(value) for value in column]
        numbers = pd.to_numeric(pd.Series(told, dtype=object), errors="coerce")
        row = int(numbers.isna().to_numpy().argmax())
        raise InputError(
            f"the table's column {name!r} must hold numbers, but row {row} holds {told[row][:40]!r}"
        )


def table_checksum(table: pd.DataFrame) -> str:
    """CRC-32 of a table's names and values, as text: against accidents, not against forgery."""
    return f"{zlib.crc32(table.to_csv(index=False).encode()):08x}"
