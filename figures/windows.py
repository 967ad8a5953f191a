"""Integration windows of a temporal code, behind the bands of a raster."""

from __future__ import annotations

from collections.abc import Sequence

from brian2 import Quantity
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from bionet.figures.style import times
from bionet.results.recording import Recording

__all__ = ["draw_windows"]

SHADE, EDGE = "0.91", "0.35"


def draw_windows(
    run: Recording, image: int, ax: Axes, time_unit: Quantity, populations: Sequence[str]
) -> None:
    """Shade the integration window of every layer drawn, and draw a line at its release.

    A window begins with the release of the layer before, the first one with the presentation.
    Nothing is drawn for networks without a temporal code.

    Parameters
    ----------
    run : Recording
    image : int
    ax : Axes
        With one band of height 1 for each population, from 0 upwards.
    time_unit : Quantity
    populations : sequence of str
        From bottom to top.
    """
    start = 0
    for name, releases in run.releases.items():
        end = int(releases[image])
        if name in populations:
            band = list(populations).index(name)
            left, right = (float(times(step, run.dt, time_unit)) for step in (start, end))
            window = Rectangle((left, band), right - left, 1, color=SHADE, linewidth=0, zorder=-1)
            window.set_label(f"window of {name}")
            ax.add_patch(window)
            ax.vlines(right, band, band + 1, color=EDGE, linewidth=0.6, zorder=0)
        start = end
