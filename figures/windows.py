"""Integration windows of a temporal code, behind the bands of a raster."""

from __future__ import annotations

from collections.abc import Mapping

from brian2 import Quantity
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from bionet.figures.house_style import times
from bionet.figures.legends import legend_above
from bionet.results.recording import Recording

__all__ = ["draw_windows"]

SHADE, EDGE = "0.91", "0.35"


def draw_windows(
    run: Recording,
    image: int,
    ax: Axes,
    time_unit: Quantity,
    bands: Mapping[str, tuple[float, float]],
) -> None:
    """Shade the integration window of every layer drawn, and draw a line at its release.

    A window begins with the release of the layer before, the first one with the presentation.
    A legend says it in words. Nothing is drawn for networks without a temporal code.

    Parameters
    ----------
    run : Recording
    image : int
    ax : Axes
    time_unit : Quantity
    bands : mapping of str to (float, float)
        Population -> bottom and height of its band.
    """
    start = 0
    for name, releases in run.releases.items():
        end = int(releases[image])
        if name in bands:
            bottom, height = bands[name]
            left, right = (float(times(step, run.dt, time_unit)) for step in (start, end))
            window = Rectangle(
                (left, bottom), right - left, height, color=SHADE, linewidth=0, zorder=-1
            )
            window.set_label(f"window of {name}")
            ax.add_patch(window)
            ax.vlines(right, bottom, bottom + height, color=EDGE, linewidth=0.6, zorder=0)
        start = end
    if any(name in bands for name in run.releases):
        shade = Patch(color=SHADE, label="the layer adds up its input")
        line = Line2D([], [], color=EDGE, lw=0.6, label="release: its units fire from here on")
        legend_above(ax, handles=[shade, line])
