"""The papers' tables and figures from our own runs: ``bionet reproduce PAPER [ITEM]``.

An item is a function ``(settings) -> Result`` in the file of its paper, with one entry in its
``ITEMS``. It simulates, counts, and returns rows beside the paper's values; nothing is typed in but
the paper's numbers.
"""

from __future__ import annotations

from bionet.errors import InputError, did_you_mean
from bionet.reproduce import (
    augmented,
    branched,
    close_decisions,
    codes,
    dsnn,
    imagenet,
    rate,
    realism,
    tdsnn,
    threshold,
    ttfs,
)
from bionet.reproduce.item import Item, Result, Row, Settings, markdown

__all__ = ["ITEMS", "Item", "Result", "Row", "Settings", "items_of", "markdown"]

ITEMS: tuple[Item, ...] = (
    *dsnn.ITEMS,
    *imagenet.ITEMS,
    *rate.ITEMS,
    *tdsnn.ITEMS,
    *ttfs.ITEMS,
    *augmented.ITEMS,
    *close_decisions.ITEMS,
    *threshold.ITEMS,
    *codes.ITEMS,
    *realism.ITEMS,
    *branched.ITEMS,
)
"""All tables and figures of the papers that ``bionet reproduce`` makes."""


def items_of(paper: str, name: str | None = None) -> tuple[Item, ...]:
    """One item of a paper, or all but those that are run alone.

    Raises
    ------
    InputError
        If the paper or the item is unknown.
    """
    papers = tuple(dict.fromkeys(item.paper for item in ITEMS))
    if paper not in papers:
        raise InputError(
            f"paper: expected one of {', '.join(papers)}, got {paper!r}"
            + did_you_mean(paper, papers)
        )
    of_paper = [item for item in ITEMS if item.paper == paper]
    items = tuple(i for i in of_paper if (not i.alone if name is None else i.name == name))
    if not items:
        names = [item.name for item in of_paper]
        raise InputError(
            f"item of {paper}: expected one of {', '.join(names)}, got {name!r}"
            + did_you_mean(name, names)
        )
    return items
