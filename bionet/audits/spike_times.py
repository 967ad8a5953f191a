"""What audits of spike times share: their table, its verdict, and pairs of values to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bionet.audits.table import Audit, LayerAudit

__all__ = ["TimesAudit", "TimesRow", "random_pairs"]


@dataclass(frozen=True)
class TimesRow(LayerAudit):
    """One row: a population and what was compared.

    Attributes
    ----------
    checked : int
        Values compared, one for each unit and image; of a readout its class scores.
    """

    checked: int = 0

    def columns(self) -> tuple[str, ...]:
        """Its cells between the number of units and the correlation."""
        raise NotImplementedError

    def cells(self, first: bool) -> tuple[str, ...]:
        """Its cells; ``first`` where it is the first bad layer."""
        return (
            self.population,
            f"{self.n_units:,}",
            *self.columns(),
            f"{self.correlation:.4f}",
            f"{self.mean_error:.2g}",
            f"{self.max_error:.2g}",
            self.cause + (" <- first bad layer" if first else " (bad)" if self.bad else ""),
        )


@dataclass(frozen=True, eq=False)
class TimesAudit(Audit):
    """An audit of spike times.

    Attributes
    ----------
    columns : tuple of str
        Heads of the columns between the number of units and the correlation.
    causes : mapping of str to str
        What to do about each cause of an error.
    code : str
        What a file calls the audited code.
    """

    columns: ClassVar[tuple[str, ...]] = ()
    code: ClassVar[str] = ""
    causes: ClassVar[Mapping[str, str]] = {}

    def cells(self) -> list[tuple[str, ...]]:
        """The table as text, the header first."""
        error = ("correlation", "mean error", "max error", "cause of the error")
        rows = [row for row in self.rows if isinstance(row, TimesRow)]
        return [
            ("population", "units", *self.columns, *error),
            *(row.cells(row.population == self.first_bad) for row in rows),
        ]

    def verdict(self) -> str:
        """One line: the first bad layer and what to do, or how good all are."""
        if self.first_bad is None:
            return f"no bad layer; {self.praise()}"
        cause = self.row(self.first_bad).cause
        return f"first bad layer: {self.first_bad} ({cause}); {self.causes[cause]}"

    def praise(self) -> str:
        """How good all layers are."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """A plain description for JSON."""
        return super().to_dict() | {"code": self.code}


def random_pairs(pairs: np.ndarray, most: int) -> np.ndarray:
    """Some of the pairs, float32 array (2, at most ``most``), in their order."""
    order = np.random.default_rng(0).permutation(pairs.shape[1])[:most]
    return pairs[:, np.sort(order)]
