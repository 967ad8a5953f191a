"""Phase plane of a neuron of two variables: flow, nullclines and the course of a simulation.

The flow is what Brian2 makes of the model's equations in a step that is a thousandth of the
simulation's, so any model of two differential equations is drawn as it stands. On a nullcline the
derivative of one variable is zero; where both cross is a fixed point.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from brian2 import (
    Network,
    NeuronGroup,
    Quantity,
    SpikeMonitor,
    StateMonitor,
    check_units,
    have_same_dimensions,
    ms,
    prefs,
    second,
)
from brian2.units.fundamentalunits import get_unit
from matplotlib.axes import Axes

from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, color_of, new_axes, styled
from bionet.figures.kinds import KINDS, Asked
from bionet.kinds import told

__all__ = ["phase_plane"]

GRID = 60
ARROWS = 4
"""One arrow of the flow stands for so many points of the grid, each way."""


@styled
@check_units(duration=second, dt=second)
def phase_plane(
    model: NeuronModel,
    drive: Quantity | float | None = None,
    duration: Quantity = 200 * ms,
    dt: Quantity = 0.1 * ms,
    x_range: tuple[Any, Any] | None = None,
    y_range: tuple[Any, Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the phase plane of a neuron model of two variables.

    Parameters
    ----------
    model : NeuronModel
    drive : Quantity or number, optional
        Constant current, in the unit of the model's ``current``; its default where it is not
        given.
    duration, dt : Quantity
        Of the simulation whose course is drawn, in units of time.
    x_range, y_range : pair of Quantity, optional
        Of the potential and the other variable; by default those of the course, with a margin.
    ax : Axes, optional
        A new figure's where it is not given.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the model has not two variables, or no potential.
    """
    names = tuple(model.brian().diff_eq_names)
    if len(names) != 2 or model.potential not in names:
        raise InputError(
            f"model {model.name!r} has {len(names)} variables with a differential equation"
            f" ({', '.join(sorted(names))}); a phase plane needs the potential and one more"
        )
    x = str(model.potential)
    y = next(name for name in names if name != x)
    units = [_unit(model, name) for name in (x, y)]
    course, spikes = _course(model, drive, duration, dt, (x, y))
    asked = {"x_range": x_range, "y_range": y_range}
    ranges = [
        _range(values, given, name, unit)
        for values, (name, given), unit in zip(course, asked.items(), units, strict=True)
    ]
    grid = list(np.meshgrid(*(np.linspace(*r, GRID) for r in ranges)))
    flow = _flow(model, drive, dt, (x, y), grid)
    ax = new_axes(ax, COLUMN, 2.6)
    scaled = [g / float(u) for g, u in zip(grid, units, strict=True)]
    speed = [f / (r[1] - r[0]) for f, r in zip(flow, ranges, strict=True)]
    length = np.maximum(np.hypot(*speed), 1e-300)
    some = (slice(ARROWS // 2, None, ARROWS),) * 2
    ax.quiver(*(s[some] for s in scaled), *((v / length)[some] for v in speed), color="0.75",
              angles="uv", width=0.003, scale=24, zorder=1)  # fmt: skip
    for number, (values, name) in enumerate(zip(flow, (x, y), strict=True)):
        if values.min() < 0 < values.max():
            ax.contour(*scaled, values, [0.0], colors=color_of(number), linewidths=1.0,
                       linestyles="solid" if number == 0 else "dashed", zorder=2)  # fmt: skip
        ax.plot([], [], color=color_of(number), ls="-" if number == 0 else "--",
                label=f"d{name}/dt = 0")  # fmt: skip
    steps = np.diff(np.concatenate([[0], spikes, [course.shape[1]]]).astype(int))
    for part in np.split(course, np.cumsum(steps)[:-1], axis=1):
        ax.plot(
            part[0] / float(units[0]), part[1] / float(units[1]), color="black", lw=0.6, zorder=3
        )
    ax.plot([], [], color="black", lw=0.6, label=f"{float(duration / ms):g} ms of a simulation")
    start = [float(c[0]) / float(u) for c, u in zip(course, units, strict=True)]
    ax.plot(*start, "o", color="black", ms=3, zorder=4, label="its start")
    ax.set_xlim(*(end / float(units[0]) for end in ranges[0]))
    ax.set_ylim(*(end / float(units[1]) for end in ranges[1]))
    ax.set_xlabel(_label(f"membrane potential {x}", units[0]))
    ax.set_ylabel(_label(y, units[1]))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, columnspacing=1.0)
    return ax


def _group(model: NeuronModel, n: int, drive: Any, dt: Quantity, **how: Any) -> NeuronGroup:
    group = NeuronGroup(
        n, model.brian(), method=model.method, dt=dt, namespace=dict(model.namespace), **how
    )
    values = dict(model.parameters)
    if drive is not None:
        values[str(model.current)] = drive
    for name, value in values.items():
        setattr(group, name, Quantity(model.value(name, value), dim=model.dimensions[name]))
    return group


def _course(
    model: NeuronModel, drive: Any, duration: Quantity, dt: Quantity, names: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """Both variables over time in SI units, array (2, n_steps), and the steps of the spikes."""
    target = prefs.codegen.target
    prefs.codegen.target = "numpy"
    try:
        group = _group(model, 1, drive, dt, threshold=model.threshold, reset=model.reset or "")
        for name, value in model.initial.items():
            if name in group.variables:
                if isinstance(value, str):
                    setattr(group, name, value)
                else:
                    setattr(
                        group, name, Quantity(np.asarray(value, float), dim=model.dimensions[name])
                    )
        states = StateMonitor(group, names, record=True, when="end")
        monitors: list[Any] = [states]
        fired = SpikeMonitor(group) if model.threshold else None
        if fired is not None:
            monitors.append(fired)
        Network(group, *monitors).run(duration)
        values = np.array([np.asarray(getattr(states, name))[0] for name in names])
        steps = np.zeros(0) if fired is None else np.round(np.asarray(fired.t / dt))
    finally:
        prefs.codegen.target = target
    return values, steps


def _flow(
    model: NeuronModel, drive: Any, dt: Quantity, names: tuple[str, str], grid: list[np.ndarray]
) -> list[np.ndarray]:
    """Derivatives of both variables on the grid, in SI units a second."""
    target = prefs.codegen.target
    prefs.codegen.target = "numpy"
    step = dt / 1000
    try:
        group = _group(model, grid[0].size, drive, step)
        for name, values in zip(names, grid, strict=True):
            setattr(group, name, Quantity(values.ravel(), dim=model.dimensions[name]))
        Network(group).run(step)
        return [
            (np.asarray(getattr(group, name)[:]).reshape(values.shape) - values) / float(step)
            for name, values in zip(names, grid, strict=True)
        ]
    finally:
        prefs.codegen.target = target


def _range(
    values: np.ndarray, given: Any, name: str, unit: Quantity | float
) -> tuple[float, float]:
    """What an axis shows: what was asked for, or the course with a margin."""
    if given is not None:
        if len(given) != 2 or not all(have_same_dimensions(end, unit) for end in given):
            raise InputError(
                f"phase_plane: {name} must be two values in the unit {unit}, but is {told(given)}"
            )
        return float(given[0]), float(given[1])
    low, high = np.percentile(values, [0, 99.5])
    margin = 0.15 * (high - low) or 0.5 * abs(high) or 1.0
    return float(low - margin), float(high + margin)


def _unit(model: NeuronModel, name: str) -> Quantity | float:
    """The unit of a variable as it is usually given: mV, pA, or its own."""
    from brian2 import mV, pA, volt
    from brian2.units.allunits import amp

    dimension = model.dimensions[name]
    for usual, base in ((mV, volt), (pA, amp)):
        if dimension == base.dim:
            return usual
    return get_unit(dimension)


def _label(name: str, unit: Any) -> str:
    text = str(unit)
    return (
        name
        if text in ("1", "1.", "1.0", "Unit(1)")
        or float(unit) == 1
        and not getattr(unit, "dim", None)
        else f"{name} ({text})"
    )


@KINDS.named("phase-plane")
def _of_run(asked: Asked) -> Axes:
    for population in asked.network.populations:
        wanted = asked.populations is None or population.name in asked.populations
        if wanted and len(population.model.brian().diff_eq_names) == 2:
            return phase_plane(population.model)
    raise InputError(
        f"{asked.path}: no population has a neuron model of two variables, such as"
        " bionet.equations.adex()"
    )
