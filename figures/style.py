"""The style sheet of all figures, axes to draw in, and writing figures to files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from brian2 import Quantity, ms, second
from brian2.units.fundamentalunits import get_dimensions
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bionet.errors import InputError
from bionet.files import atomic

__all__ = [
    "COLUMN",
    "FORMATS",
    "PAGE",
    "new_axes",
    "new_figure",
    "save",
    "style",
    "times",
    "unit_name",
]

STYLE_SHEET = Path(__file__).with_name("bionet.mplstyle")

# Width of a figure in inches: one column and a full page of most journals.
COLUMN = 89 / 25.4
PAGE = 183 / 25.4

# Without dates, so that the same figure gives the same file.
FORMATS: dict[str, dict[str, Any]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The figures' style for a block of code; the user's settings are back afterwards."""
    with matplotlib.style.context(str(STYLE_SHEET)):
        yield


def new_figure(width: float = COLUMN, height: float = 2.4) -> Figure:
    """An empty figure of the given size in inches, known to pyplot where pyplot can show it.

    On a machine without a display pyplot refuses an interactive backend that the user has set;
    the figure is then made without pyplot, and can be saved just the same.
    """
    import matplotlib.pyplot as plt

    try:
        return plt.figure(figsize=(width, height))
    except ImportError:
        return Figure(figsize=(width, height))


def new_axes(ax: Axes | None, width: float = COLUMN, height: float = 2.4) -> Axes:
    """The given axes, or those of a new figure."""
    return new_figure(width, height).add_subplot() if ax is None else ax


def unit_name(time_unit: Quantity) -> str:
    """The name of a unit of time, such as ``ms``.

    Raises
    ------
    InputError
        If it is not a unit of time.
    """
    if get_dimensions(time_unit) != second.dim:
        raise InputError(f"time_unit must be a unit of time such as ms, but is {time_unit}")
    return str(time_unit)


def times(steps: Any, dt: Quantity, time_unit: Quantity = ms) -> np.ndarray:
    """Steps as times in a unit, float array."""
    return np.asarray(np.asarray(steps) * float(dt / time_unit), dtype=np.float64)


def save(figure: Figure | Axes | np.ndarray, path: str | Path) -> list[Path]:
    """Write a figure as PNG (300 dpi), SVG or PDF, by the suffix; as all three without one.

    A file appears complete or not at all.

    Parameters
    ----------
    figure : Figure, Axes or array of Axes
        What a figure function returned.
    path : str or Path

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If the suffix is unknown or the file cannot be written.
    """
    path = Path(path)
    if path.suffix and path.suffix.lower() not in FORMATS:
        raise InputError(
            f"cannot write {path}: the suffix of a figure is {', '.join(FORMATS)} or none for all"
            f" three, but is {path.suffix!r}"
        )
    suffixes = [path.suffix.lower()] if path.suffix else list(FORMATS)
    written = []
    for suffix in suffixes:
        file = path.with_suffix(path.suffix or suffix)
        # Fonts are looked up when the figure is drawn, so the style holds here again.
        with style(), atomic(file) as part:
            _figure(figure).savefig(part, format=suffix[1:], metadata=FORMATS[suffix])
        written.append(file)
    return written


def _figure(drawn: Figure | Axes | np.ndarray) -> Figure:
    part: Any = drawn.flat[0] if isinstance(drawn, np.ndarray) and drawn.size else drawn
    figure = part.get_figure(root=True) if isinstance(part, Axes) else part
    if not isinstance(figure, Figure):
        raise InputError(
            f"save needs a Figure, Axes or an array of Axes, but got {type(part).__name__}"
        )
    return figure
