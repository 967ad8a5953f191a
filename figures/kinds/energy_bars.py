"""Energy of an image: where it is spent, by source population, for one or several runs.

Every spike that arrives at a synapse costs the same (:mod:`bionet.results.energy`), so the bars
are synaptic events times the energy of one. It is the cost of events alone: memory, leakage
currents and the clock of a chip come on top.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from brian2 import Quantity, check_units, joule, pjoule
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, color_of, new_axes, styled
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.panels import check_runs
from bionet.network import SpikingNetwork
from bionet.results.metrics import synaptic_events
from bionet.results.recording import Recording

__all__ = ["energy_bars"]


@styled
@check_units(per_event=joule)
def energy_bars(
    runs: Mapping[str, tuple[Recording, SpikingNetwork]],
    per_event: Quantity = 0.37 * pjoule,
    ax: Axes | None = None,
) -> Axes:
    """Draw the energy that an image costs as a bar for each run.

    Parameters
    ----------
    runs : mapping of str to (Recording, SpikingNetwork)
        Name of a bar -> recording and the network that was simulated.
    per_event : Quantity
        Energy of a synaptic event, in units of energy.
    ax : Axes, optional
        A new figure's where it is not given.

    Returns
    -------
    Axes
        A bar is divided by the population whose spikes cost the energy.

    Raises
    ------
    InputError
        If there are no runs, the energy is not positive, or network and recording do not fit.
    """
    check_runs(runs, "(recording, network)")
    if not per_event > 0 * joule:
        raise InputError(f"per_event must be positive, but is {per_event}")
    costs = {
        name: _by_source(snn, run, float(per_event / joule)) for name, (run, snn) in runs.items()
    }
    largest = max(sum(parts.values()) for parts in costs.values())
    scale, unit = _scale(largest)
    ax = new_axes(ax, COLUMN, 0.75 + 0.3 * len(runs))
    sources = list(dict.fromkeys(source for parts in costs.values() for source in parts))
    rows = np.arange(len(runs))[::-1]
    left = np.zeros(len(runs))
    for number, source in enumerate(sources):
        width = np.array([parts.get(source, 0.0) for parts in costs.values()]) / scale
        ax.barh(rows, width, left=left, height=0.62, color=color_of(number), label=source)
        left += width
    for row, total in zip(rows, left, strict=True):
        ax.annotate(f"{total:.3g}", (total, row), xytext=(3, 0), textcoords="offset points",
                    va="center")  # fmt: skip
    ax.set_yticks(rows, list(runs))
    ax.set_xlim(0, 1.12 * (largest / scale or 1))
    ax.set_ylim(-0.6, len(runs) - 0.4)
    ax.set_xlabel(f"energy of an image ({unit})")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(len(sources), 4),
              columnspacing=1.0, title="spikes of", alignment="left")  # fmt: skip
    return ax


def _by_source(snn: SpikingNetwork, run: Recording, per_event: float) -> dict[str, float]:
    """Joules of an image by the population whose spikes cost them, of those that cost any."""
    events = synaptic_events(snn, run)
    costs: dict[str, float] = {}
    for name, source in {p.name: p.source for p in snn.projections}.items():
        if cost := float(events[name].mean()) * per_event:
            costs[source] = costs.get(source, 0.0) + cost
    return costs


def _scale(largest: float) -> tuple[float, str]:
    """A power of a thousand, and the unit that it makes."""
    names = ("J", "mJ", "\N{MICRO SIGN}J", "nJ", "pJ", "fJ")
    power = 0 if largest <= 0 else int(np.clip(np.ceil(-np.log10(largest) / 3), 0, 5))
    return 1000.0**-power, names[power]


@KINDS.named("energy")
def _of_run(asked: Asked) -> Axes:
    return energy_bars({name: (one.run, one.network) for name, one in asked.each().items()})
