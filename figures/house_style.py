"""The style of all figures, and axes to draw in.

The style sheet is a default: whatever the user has set in matplotlib's ``rcParams`` (by a
``matplotlibrc``, ``plt.style.use`` or by hand) keeps its value, and the sizes of the other texts
follow a ``font.size`` of the user's. Colours and markers of one figure are keyword arguments of its
function, taken by :func:`styled` for all of them.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from brian2 import Quantity, ms, second
from brian2.units.fundamentalunits import get_dimensions
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like, to_hex
from matplotlib.figure import Figure

from bionet.errors import InputError
from bionet.kinds import typed

__all__ = [
    "COLUMN",
    "PAGE",
    "color_of",
    "figure_width",
    "line_of",
    "marker_of",
    "new_axes",
    "new_figure",
    "style",
    "styled",
    "text_size",
    "times",
    "unit_name",
]

STYLE_SHEET = Path(__file__).with_name("bionet.mplstyle")

# Width of a figure in inches: one column and a full page of most journals.
COLUMN = 89 / 25.4
PAGE = 183 / 25.4


MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.2)),
    (0, (1.2, 0.8)),
    (0, (5, 1, 1, 1)),
    "-",
    (0, (3, 1.5)),
    (0, (1, 2)),
)
FONT_SIZE = 7.0
TEXT_SIZES = (
    "axes.titlesize",
    "axes.labelsize",
    "xtick.labelsize",
    "ytick.labelsize",
    "legend.fontsize",
)
OWN_MARKERS: ContextVar[tuple[str, ...] | None] = ContextVar("own_markers", default=None)

Parameters = ParamSpec("Parameters")
Drawn = TypeVar("Drawn")


@functools.cache
def _sheet() -> Mapping[str, Any]:
    sheet: Any = matplotlib.rc_params_from_file(STYLE_SHEET, use_default_template=False)
    return dict(sheet)


@typed
@contextlib.contextmanager
def style(
    changes: Mapping[str, Any] | None = None,
    colors: Sequence[Any] | None = None,
    markers: Sequence[str] | None = None,
) -> Iterator[None]:
    """The figures' style for a block of code; the settings of before are back afterwards.

    Settings that differ from matplotlib's defaults are the user's, and stay.

    Parameters
    ----------
    changes : mapping of str to value, optional
        Settings of matplotlib's ``rcParams`` on top, such as ``{"font.size": 9}``. The width of a
        ``figure.figsize`` becomes that of new figures; their height follows what they show.
    colors : sequence of colors, optional
        Colours of the first, second, ... curve or population.
    markers : sequence of str, optional
        Their markers.

    Raises
    ------
    InputError
        If a setting, a colour or a marker is unknown to matplotlib.
    """
    given = dict(changes or {})
    default: Any = matplotlib.rcParamsDefault
    current: Any = matplotlib.rcParams
    users = {k for k in _sheet() if current[k] != default[k]} | set(given)
    settings = {k: value for k, value in _sheet().items() if k not in users}
    font = given.get("font.size", matplotlib.rcParams["font.size"])
    if "font.size" in users:
        for name in set(TEXT_SIZES) - users:
            settings[name] = _sheet()[name] * float(font) / FONT_SIZE
    if colors is not None:
        settings["axes.prop_cycle"] = cycler("color", _colors(colors))
    token = OWN_MARKERS.set(OWN_MARKERS.get() if markers is None else _markers(markers))
    interactive = matplotlib.is_interactive()
    try:
        with matplotlib.rc_context():
            current.update(settings)
            try:
                current.update(given)
            except (KeyError, ValueError) as error:
                raise InputError(f"changes: matplotlib has no such setting ({error})") from error
            yield
            interactive = matplotlib.is_interactive()
    finally:
        # A notebook turns it on when the first figure loads its backend, and shows none without.
        matplotlib.interactive(interactive)
        OWN_MARKERS.reset(token)


def _colors(colors: Sequence[Any]) -> list[str]:
    given = [colors] if isinstance(colors, str) else list(colors)
    for one in given:
        if not is_color_like(one):
            raise InputError(f"colors: {one!r} is no colour; give names or codes such as '#0072B2'")
    if not given:
        raise InputError("colors is empty; give at least one colour")
    return [to_hex(one, keep_alpha=True) for one in given]


def _markers(markers: Sequence[str]) -> tuple[str, ...]:
    from matplotlib.lines import Line2D

    unknown = [m for m in markers if m not in Line2D.markers]
    if unknown or not len(markers):
        what = f"{unknown[0]!r} is no marker" if unknown else "there is none"
        raise InputError(f"markers: {what}; give matplotlib's, such as ['o', 's']")
    return tuple(markers)


def styled(draw: Callable[Parameters, Drawn]) -> Callable[..., Drawn]:
    """Let a figure function draw in the style, with ``colors`` and ``markers`` as its keywords."""
    checked = typed(draw)
    signature = inspect.signature(checked)

    @functools.wraps(draw)
    def in_style(*args: Any, **options: Any) -> Drawn:
        looks = {name: options.pop(name) for name in ("colors", "markers") if name in options}
        with style(**looks):
            return checked(*args, **options)

    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
        for name in ("colors", "markers")
    ]
    in_style.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *extra]
    )
    told = (
        "    colors : sequence of colors, optional\n"
        "        In place of the style's, in the order of what is drawn.\n"
        "    markers : sequence of str, optional\n"
        "        Likewise.\n"
    )
    before, heading, after = (draw.__doc__ or "").partition("\n    Returns\n")
    in_style.__doc__ = f"{before.rstrip()}\n{told}{heading}{after}" if heading else draw.__doc__
    return in_style


def color_of(number: int) -> str:
    """Colour of the curve of a number, from 0; fixed when it is drawn, whatever is set later."""
    return to_hex(f"C{number}", keep_alpha=True)


def line_of(number: int) -> Any:
    """Line style of the curve of a number."""
    return LINES[number % len(LINES)]


def marker_of(number: int) -> str:
    """Marker of the curve of a number."""
    markers = OWN_MARKERS.get() or MARKERS
    return markers[number % len(markers)]


def text_size(points: float) -> float:
    """A size in points where plain text has 7, in proportion where the user's has another."""
    return float(points * matplotlib.rcParams["font.size"] / FONT_SIZE)


def figure_width(width: float) -> float:
    """The width that the user has set (``figure.figsize``), else the given one, in inches."""
    size = list(matplotlib.rcParams["figure.figsize"])
    standard = (matplotlib.rcParamsDefault["figure.figsize"], _sheet()["figure.figsize"])
    return width if size in [list(one) for one in standard] else float(size[0])


def new_figure(width: float = COLUMN, height: float = 2.4) -> Figure:
    """An empty figure of the given size in inches, known to pyplot where pyplot can show it.

    A width that the user has set (``figure.figsize``) goes before the given one. On a machine
    without a display pyplot refuses an interactive backend that the user has set; the figure is
    then made without pyplot, and can be saved just the same.
    """
    import matplotlib.pyplot as plt

    width = figure_width(width)
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
