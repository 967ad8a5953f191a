"""Several membrane traces of different populations, or of another variable, on one time axis.

Spikes are ticks above the traces, a row for each unit: the potential that is recorded after a step
has been reset already, and may stay above the threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from brian2 import Quantity, ms
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import color_of, styled, times, unit_name
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.panels import panels
from bionet.results.recording import Recording

__all__ = ["traces"]

PER_POPULATION = 3
ROW = 0.09  # of the height of the traces, for the spikes of a unit


@styled
def traces(
    run: Recording,
    units: Mapping[str, Sequence[int]] | None = None,
    image: int = 0,
    variable: str = "v",
    axes: Sequence[Axes] | np.ndarray | None = None,
    time_unit: Quantity = ms,
) -> np.ndarray:
    """Draw a recorded variable of some units of several populations, one panel each.

    Parameters
    ----------
    run : Recording
    units : mapping of str to sequence of int, optional
        Population -> units in PyTorch's order; the three most active recorded ones of every
        population by default.
    image : int
        One of ``run.recorded_images``.
    variable : str
        The recorded variable; ``v`` is the potential, whatever its model calls it.
    axes : sequence of Axes, optional
        One for each population; a new figure's where they are not given.
    time_unit : Quantity
        Unit of the time axis.

    Returns
    -------
    array of Axes (n_populations,)

    Raises
    ------
    InputError
        If the variable of a population or unit was not recorded.
    """
    name_of_unit = unit_name(time_unit)
    given = _recorded(run, image) if units is None else dict(units)
    if not given:
        raise InputError(
            'no potentials were recorded; simulate with record={"conv1": ["spikes", "v"]}'
        )
    drawn = panels(len(given), axes, 1, 0.95)
    for ax, (population, numbers) in zip(drawn, given.items(), strict=True):
        _panel(ax, run, population, list(numbers), image, variable, time_unit)
        if axes is None:
            ax.label_outer(remove_inner_ticks=False)
    drawn[-1].set_xlabel(f"time since image onset ({name_of_unit})")
    return drawn


def _recorded(run: Recording, image: int) -> dict[str, list[int]]:
    """The most active of the recorded units of every population."""
    variables = {}
    for population in run.recorded_potentials:
        if population not in run.shapes:
            continue
        held = np.asarray(run.recorded_units[population])
        counts = run.counts.get(population)
        active = held if counts is None else counts[image].ravel()[held].astype(np.int64)
        order = np.argsort(-active, kind="stable") if counts is not None else np.arange(held.size)
        variables[population] = sorted(int(held[i]) for i in order[:PER_POPULATION])
    return variables


def _panel(
    ax: Axes,
    run: Recording,
    population: str,
    units: list[int],
    image: int,
    variable: str,
    time_unit: Quantity,
) -> None:
    values = run.variable(population, variable, image)
    name_of_value = ""
    if isinstance(values, Quantity):
        best = values.get_best_unit()
        values, name_of_value = np.asarray(values / best), f" ({best})"
    held = list(
        np.asarray(
            run.recorded_units.get(f"{population}.{variable}", run.recorded_units[population])
        )
    )
    time = times(np.arange(1, run.n_steps + 1), run.dt, time_unit)
    for number, unit in enumerate(units):
        if unit not in held:
            raise InputError(
                f"{variable} of unit {unit} of {population!r} was not recorded; {len(held):,}"
                f" units were, such as {held[0]}"
            )
        trace = values[:, held.index(unit)]
        ax.plot(time, trace, color=color_of(number), lw=0.8, label=f"unit {unit}")
    if population in run.recorded_spikes and variable == "v":
        _spikes_above(ax, run.spikes(population, image), units, time)
    ax.set_xlim(0, time[-1])
    ax.locator_params(axis="y", nbins=4)
    ax.set_title(population, loc="left", pad=3)
    ax.set_ylabel(f"{'potential v' if variable == 'v' else variable}{name_of_value}")
    ax.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=len(units), borderaxespad=0.1,
        columnspacing=0.9, handlelength=1.2,
    )  # fmt: skip


def _spikes_above(ax: Axes, spikes: Any, units: list[int], time: np.ndarray) -> None:
    """A row of ticks for every unit above the traces, which may reach beyond the threshold."""
    bottom, top = ax.get_ylim()
    row = ROW * (top - bottom)
    for number, unit in enumerate(units):
        at = top + (len(units) - 1 - number) * row
        fired = time[spikes.step[spikes.unit == unit]]
        ax.vlines(fired, at, at + 0.8 * row, color=color_of(number), lw=0.8)
    ax.set_ylim(bottom, top + len(units) * row)


@KINDS.named("traces")
def _of_run(asked: Asked) -> np.ndarray:
    names = asked.populations
    units = _recorded(asked.run, asked.image)
    if names is not None:
        units = {name: asked.units or units.get(name, [0]) for name in names}
    return traces(asked.run, units, asked.image)
