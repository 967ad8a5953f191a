"""A network as a diagram: its populations in the order of a step, and the projections between them.

A box names the population, its shape, units and neuron model. An arrow is a projection: under its
kind stand its synapses, and a bar shows the share of excitatory (blue) and inhibitory (orange)
weights. Projections that skip populations bend around them.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from bionet.figures.house_style import COLUMN, color_of, new_axes, styled, text_size
from bionet.figures.kinds import KINDS, Asked
from bionet.network import Projection, SpikingNetwork

__all__ = ["network_diagram", "signs"]

HEIGHT, PITCH, WIDTH = 0.62, 1.25, 2.1


def signs(projection: Projection) -> tuple[int, int]:
    """Excitatory and inhibitory weights that a projection stores; a pooling excites."""
    weights = np.asarray(getattr(projection.kernel, "weights", 1.0))
    positive, negative = int((weights > 0).sum()), int((weights < 0).sum())
    if projection.sign:
        return (positive, 0) if projection.sign > 0 else (0, negative)
    return positive, negative


@styled
def network_diagram(snn: SpikingNetwork, ax: Axes | None = None) -> Axes:
    """Draw the populations and projections of a network, the input at the top.

    Parameters
    ----------
    snn : SpikingNetwork
    ax : Axes, optional
        A new figure's where it is not given.

    Returns
    -------
    Axes
    """
    names = ["input", *(population.name for population in snn.populations)]
    ax = new_axes(ax, COLUMN, 0.3 + 0.62 * len(names))
    for place, name in enumerate(names):
        _box(ax, snn, name, place)
    arrivals: dict[tuple[int, int], list[Projection]] = {}
    for projection in snn.projections:
        key = names.index(projection.source), names.index(projection.target)
        arrivals.setdefault(key, []).append(projection)
    lanes: list[list[tuple[int, int]]] = []
    for (above, below), group in sorted(arrivals.items(), key=lambda pair: pair[0][1] - pair[0][0]):
        if below - above == 1:
            _arrow(ax, snn, above, group)
        else:
            _bend(ax, above, below, _lane(lanes, above, below))
    reach = WIDTH / 2 + 0.35 + 0.25 * len(lanes)
    ax.set_xlim(-WIDTH / 2 - 0.1, max(reach, WIDTH / 2 + 0.1))
    ax.set_ylim(-PITCH * (len(names) - 1) - HEIGHT, HEIGHT * 0.75)
    ax.axis("off")
    return ax


def _box(ax: Axes, snn: SpikingNetwork, name: str, place: int) -> None:
    shape = snn.shape(name)
    y = -PITCH * place
    ax.add_patch(
        FancyBboxPatch(
            (-WIDTH / 2, y - HEIGHT / 2), WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=0.08",
            facecolor="0.95", edgecolor="0.4", linewidth=0.6,
        )
    )  # fmt: skip
    size = f"{' x '.join(map(str, shape))}" + (
        f" = {int(np.prod(shape)):,}" if len(shape) > 1 else ""
    )
    ax.text(0, y + 0.12, f"{name}: {size} units", ha="center", va="center", weight="bold",
            size=text_size(6.5))  # fmt: skip
    model = snn.coding + " input" if name == "input" else snn.population(name).model.name
    ax.text(0, y - 0.14, _short(model), ha="center", va="center", size=text_size(6), color="0.25",
            parse_math=False)  # fmt: skip


def _short(model: str) -> str:
    model = " ".join(model.split())
    return model if len(model) <= 46 else model[:45].rstrip(" ,") + "..."


def _arrow(ax: Axes, snn: SpikingNetwork, above: int, group: list[Projection]) -> None:
    top, bottom = -PITCH * above - HEIGHT / 2, -PITCH * (above + 1) + HEIGHT / 2
    ax.add_patch(
        FancyArrowPatch((-0.62, top), (-0.62, bottom), arrowstyle="-|>", mutation_scale=7,
                        color="0.25", linewidth=0.8, shrinkA=0, shrinkB=0)
    )  # fmt: skip
    middle = (top + bottom) / 2
    synapses = sum(p.kernel.n_synapses(snn.shape(p.source)) for p in group)
    kinds = " + ".join(dict.fromkeys(p.kernel.kind.replace("_", " ") for p in group))
    ax.text(-0.5, middle + 0.06, f"{kinds}, {synapses:,} synapses", va="center", size=text_size(6))
    positive, negative = np.sum([signs(p) for p in group], axis=0)
    total = max(positive + negative, 1)
    width = 1.1
    left = -0.5
    for share, color in ((positive / total, color_of(0)), (negative / total, color_of(1))):
        ax.add_patch(Rectangle((left, middle - 0.17), width * share, 0.07, color=color, lw=0))
        left += width * share
    ax.text(width - 0.45, middle - 0.14, f"{100 * positive / total:.0f} % excite", va="center",
            size=text_size(5.5))  # fmt: skip


def _lane(lanes: list[list[tuple[int, int]]], above: int, below: int) -> int:
    """The first lane in which a bend meets no other."""
    low, high = min(above, below), max(above, below)
    for number, lane in enumerate(lanes):
        if all(high <= a or low >= b for a, b in lane):
            lane.append((low, high))
            return number
    lanes.append([(low, high)])
    return len(lanes) - 1


def _bend(ax: Axes, above: int, below: int, lane: int) -> None:
    x = WIDTH / 2 + 0.25 + 0.25 * lane
    start, end = -PITCH * above - 0.12, -PITCH * below + 0.12
    ax.plot([WIDTH / 2, x, x], [start, start, end], color="0.45", lw=0.7, solid_capstyle="butt")
    ax.add_patch(
        FancyArrowPatch((x, end), (WIDTH / 2, end), arrowstyle="-|>", mutation_scale=6,
                        color="0.45", linewidth=0.7, shrinkA=0, shrinkB=0)
    )  # fmt: skip


@KINDS.named("network")
def _of_run(asked: Asked) -> Axes:
    return network_diagram(asked.network)
