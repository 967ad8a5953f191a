"""Membrane potentials of a handful of units: trace, threshold and spikes.

The recorded potential is that after a step, when a unit that fired has been reset already, so
the trace itself never reaches the threshold: each spike is drawn as a stroke from the trace to
the top of its row, at the step after which the trace shows the reset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from brian2 import Quantity, ms, mV
from matplotlib.axes import Axes

from bionet.errors import InputError
from bionet.figures.house_style import (
    COLUMN,
    color_of,
    new_axes,
    styled,
    text_size,
    times,
    unit_name,
)
from bionet.figures.kinds import KINDS, Asked
from bionet.results.recording import Recording

__all__ = ["potentials"]

N_UNITS = 4
TRACE = 0.74
"""Share of a row's height that the trace's range fills."""
TIP = 0.96
"""Height in its row that a spike's stroke reaches."""
PITCH = 1.18
"""Distance of two rows in row heights."""


class Row(NamedTuple):
    """One unit's trace and its row: heights 0 to 1 above ``base`` on the vertical axis."""

    unit: int
    trace: np.ndarray
    theta: float | None
    base: float
    in_volts: bool = False

    @property
    def level(self) -> float | None:
        """The threshold, in the units of the trace."""
        return self.theta if self.in_volts or self.theta is None else 1.0

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value of the row: the threshold is in it, and zero without units."""
        values = [float(self.trace.min()), float(self.trace.max())]
        values += [] if self.level is None else [self.level]
        values += [] if self.in_volts else [0.0]
        low, high = min(values), max(values)
        return low, high if high > low else low + 1.0

    def height(self, value: float | np.ndarray) -> np.ndarray:
        """Where a value of the potential stands on the vertical axis."""
        low, high = self.range
        return np.asarray(self.base + TRACE * (np.asarray(value) - low) / (high - low))


@styled
def potentials(
    run: Recording,
    population: str,
    image: int = 0,
    units: Sequence[int] | None = None,
    ax: Axes | None = None,
    time_unit: Quantity = ms,
) -> Axes:
    """Draw the membrane potentials of some units of a population, one above the other.

    Parameters
    ----------
    run : Recording
        With recorded potentials of the population; spikes are marked where they were recorded.
    population : str
    image : int
        One of ``run.recorded_images``.
    units : sequence of int, optional
        Units in PyTorch's order, from top to bottom. By default four of the recorded ones that
        fire, from the most to the least active.
    ax : Axes, optional
        A new figure's where it is not given.
    time_unit : Quantity
        Unit of the time axis.

    Returns
    -------
    Axes
        Each trace has a row and a scale of its own, told by its tick labels: in units of the
        threshold where ``run.parameters`` has ``thresholds``, else in those of the weights.

    Raises
    ------
    InputError
        If the potentials of the population, an image or a unit were not recorded.
    """
    name_of_unit = unit_name(time_unit)
    rows = _rows(run, population, image, units)
    ax = new_axes(ax, COLUMN, max(0.45 + 0.5 * len(rows), 1.7))
    time = times(np.arange(run.n_steps), run.dt, time_unit)
    for number, row in enumerate(rows):
        color = color_of(number)
        label = f"{population} unit {row.unit}"
        if not row.in_volts:
            ax.axhline(float(row.height(0)), color="0.85", linewidth=0.5, zorder=0)
        ax.plot(time, row.height(row.trace), color=color, label=label, zorder=3)
        if row.level is not None:
            ax.axhline(float(row.height(row.level)), color="0.45", lw=0.6, ls=(0, (4, 3)), zorder=1)
        _mark_spikes(ax, run, population, image, row, color, time_unit)
        _name_unit(ax, run, population, image, row)
    _finish(ax, rows)
    ax.set_xlim(0, float(times(run.n_steps, run.dt, time_unit)))
    ax.set_xlabel(f"time ({name_of_unit})")
    return ax


def _rows(run: Recording, population: str, image: int, units: Sequence[int] | None) -> list[Row]:
    """The traces, in units of the threshold where it is known, and their places."""
    values = run.potential(population, image)
    if isinstance(values, Quantity):  # mV as they are, each trace on a scale of its own
        values, in_units = np.asarray(values / mV), True
    else:
        in_units = False
    recorded = np.asarray(run.recorded_units[population])
    if units is None:
        units = _choose(_counts(run, population, image)[recorded], recorded, run.n_steps)
    if not len(units):
        raise InputError(f"units of {population!r} is empty; name at least one unit")
    if missing := [unit for unit in units if unit not in recorded]:
        raise InputError(
            f"the potential of unit {missing[0]} of {population!r} was not recorded;"
            f" {len(recorded):,} units were, such as {recorded[0]}"
        )
    rows: list[Row] = []
    for place, unit in enumerate(units):
        theta = _threshold(run, population, unit)
        trace = values[:, np.flatnonzero(recorded == unit)[0]]
        if in_units:
            theta = None if theta is None else 1000 * theta  # V to mV
        else:
            trace = trace / (theta or 1.0)
        rows.append(Row(int(unit), trace, theta, PITCH * (len(units) - 1 - place), in_units))
    return rows


def _counts(run: Recording, population: str, image: int) -> np.ndarray:
    """Spikes of every unit, int64 array (n_units,); none where the population never fires."""
    if population not in run.counts:
        return np.zeros(int(np.prod(run.shapes[population])), dtype=np.int64)
    # Recordings keep small unsigned integers, which wrap when they are negated.
    return run.counts[population][image].ravel().astype(np.int64)


def _choose(counts: np.ndarray, recorded: np.ndarray, n_steps: int) -> list[int]:
    """Units with different rates: the most active, the least active that fires, and between.

    Units that fire once, or in nearly every step, do not show how a potential rises and is
    reset; they are chosen only where there are no others.
    """
    order = np.argsort(-counts, kind="stable")
    pools = [
        order[(counts[order] > 1) & (counts[order] <= 0.8 * n_steps)],
        order[counts[order] > 0],
        order,
    ]
    pool = next(pool for pool in pools if pool.size)
    # Equal steps of rate, not of rank: most units fire at low and nearly equal rates.
    wanted = np.linspace(counts[pool[0]], counts[pool[-1]], min(N_UNITS, pool.size))
    units_there: list[int] = []
    for count in wanted:
        free = np.setdiff1d(pool, units_there)
        units_there.append(int(free[np.abs(counts[free] - count).argmin()]))
    return [int(recorded[i]) for i in units_there]


def _threshold(run: Recording, population: str, unit: int) -> float | None:
    """Threshold of a unit, or None where the recording does not know it."""
    value = run.parameters.get("thresholds", {}).get(population)
    if value is None:
        return None
    array = np.asarray(value, dtype=np.float64).ravel()
    return float(array[0] if array.size == 1 else array[unit])


def _mark_spikes(
    ax: Axes,
    run: Recording,
    population: str,
    image: int,
    row: Row,
    color: str,
    time_unit: Quantity,
) -> None:
    if population not in run.recorded_spikes:
        return
    spikes = run.spikes(population, image)
    steps = spikes.step[spikes.unit == row.unit]
    foot, tip = row.height(row.trace[steps]), row.base + TIP
    time = times(steps, run.dt, time_unit)
    marks = ax.vlines(time, foot, tip, colors=color, linewidth=0.7, zorder=2)
    marks.set_label(f"spikes of unit {row.unit}")


def _name_unit(ax: Axes, run: Recording, population: str, image: int, row: Row) -> None:
    """Name and count to the right of the trace; a feature map's unit by channel and place."""
    place = ", ".join(str(int(i)) for i in np.unravel_index(row.unit, run.shapes[population]))
    text = f"{population}[{place}]"
    if row.theta is not None:
        n_spikes = int(_counts(run, population, image)[row.unit])
        text += f"\n{n_spikes} spike{'' if n_spikes == 1 else 's'}"
    ax.annotate(
        text,
        (1, row.base + 0.5),
        xycoords=ax.get_yaxis_transform(),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=text_size(6),
        annotation_clip=False,
    )


def _finish(ax: Axes, rows: list[Row]) -> None:
    """Two ticks for every trace, zero and one more level, and a label that says the unit."""
    ticks: dict[float, str] = {}
    for row in rows:
        for level in _levels_in_volts(row) if row.in_volts else (0.0, _level(row)):
            ticks[float(row.height(level))] = f"{level:g}".replace("-", "\N{MINUS SIGN}")
    ax.set_yticks(list(ticks), list(ticks.values()))
    ax.set_ylim(-0.1, rows[0].base + 1.05)
    unit = "units of the weights" if rows[0].theta is None else "units of the threshold"
    ax.set_ylabel(f"membrane potential v\n({'mV' if rows[0].in_volts else unit})")


def _levels_in_volts(row: Row) -> tuple[float, float]:
    """The ticks of a trace in mV: its lowest round value, and the threshold or the highest one."""
    low, high = row.range
    step = _round_down((high - low) / 2)
    top = np.floor(high / step) * step if row.level is None else row.level
    bottom = np.ceil(low / step) * step
    return float(f"{bottom:.6g}"), float(f"{top:.6g}")


def _level(row: Row) -> float:
    """The level of a row's second tick: the threshold, where it stands clear of zero."""
    low, high = row.range
    if row.theta is not None and high - low <= 2.5:
        return 1.0
    return _round_down(high) if high >= -low else -_round_down(-low)


def _round_down(value: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above a positive value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step * power for step in (1, 2, 5) if step * power <= value * 1.001))


@KINDS.named("potentials")
def _of_run(asked: Asked) -> Axes:
    populations = asked.populations
    if populations is None:
        populations = list(asked.run.recorded_potentials)[:1]
    if len(populations) != 1:
        raise InputError(
            "--population: a figure of potentials shows one population whose v was recorded,"
            f" got {', '.join(populations) or 'none: simulate with --record conv1:spikes,v'}"
        )
    return potentials(asked.run, populations[0], asked.image, units=asked.units)
