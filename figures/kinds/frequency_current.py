r"""f-I curves: the firing rate of a unit under a constant drive, simulated and in closed form.

With drive I per step, threshold theta and n = t_ref/dt steps of refractory period (n = 1 without
one), a unit fires with the period, in steps,

.. math::

    \text{reset by subtraction:}\quad & \max(\theta/I, 1) + n - 1 \\
    \text{reset to zero:}\quad & \lceil \theta/I \rceil + n - 1 \\
    \text{leaky, reset to zero:}\quad &
        \Big\lceil -\frac{\tau}{dt} \ln(1 - \theta/v_\infty) \Big\rceil + n - 1,
        \qquad v_\infty = I \tau / dt

where the first is a mean over spikes. For other models only the simulation is drawn.

References
----------
Rueckauer et al. 2016, Eqs. 1-4; Zhang et al. 2019 (DSNN), Section 2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from brian2 import Quantity, check_units, ms, second
from matplotlib.axes import Axes

from bionet.equations import integrate_and_fire, integrator, leaky_integrate_and_fire
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, color_of, line_of, marker_of, new_axes, styled
from bionet.figures.kinds import KINDS, Asked
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import Dense
from bionet.running.simulate import simulate

__all__ = ["closed_form_rate", "f_i_curve", "simulated_rate"]

N_DRIVES = 61
Models = NeuronModel | Mapping[str, NeuronModel]


def simulated_rate(
    model: NeuronModel, drives: np.ndarray, duration: Quantity, dt: Quantity
) -> np.ndarray:
    """Firing rate of a unit under each drive, in Hz, as Brian2 simulates it.

    Parameters
    ----------
    model : NeuronModel
        With a constant current and a threshold.
    drives : float or Quantity array (n,)
        Values of its constant current: in ampere where the model's is, or what a drive adds to the
        potential in one step.
    duration, dt : Quantity
        In units of time.

    Returns
    -------
    float array (n,)
    """
    if model.threshold is None or model.current is None:
        missing = "threshold" if model.threshold is None else "constant current to drive it"
        raise InputError(f"model {model.name!r} has no {missing}, so there is no f-I curve")
    drives = np.atleast_1d(drives)
    populations = (
        Population("cells", (drives.size,), model, {model.current: drives}),
        Population("readout", (1,), integrator()),
    )
    silent = Projection("cells", "readout", Dense(np.zeros((1, drives.size))))
    snn = SpikingNetwork(populations, (silent,), (1,), Readout("cells", "readout"))
    run = simulate(snn, np.zeros((1, 1)), duration, dt, device="numpy", dtype="float64")
    return run.counts["cells"][0] / float(duration / second)


def closed_form_rate(model: NeuronModel, drives: np.ndarray, dt: Quantity) -> np.ndarray | None:
    """Firing rate of a unit under each drive, in Hz, or None where no closed form is known.

    Parameters
    ----------
    model : NeuronModel
    drives : float array (n,)
    dt : Quantity
        Simulation step, in units of time.
    """
    parameters = dict(model.parameters)
    theta, refractory = parameters.get("theta"), parameters.get("t_ref")
    if theta is None or model.resets not in ("subtract", "zero"):
        return None
    reset = model.resets
    floor = parameters.get("v_min")
    limits = {"threshold": theta, "floor": floor, "refractory": refractory}
    drives = np.asarray(drives, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if model == integrate_and_fire(reset, **limits):
            period = np.where(drives > 0, theta / drives, np.inf)
            period = np.maximum(period, 1) if reset == "subtract" else np.ceil(period - 1e-9)
        elif "tau" in parameters and model == leaky_integrate_and_fire(
            parameters["tau"], reset, **limits
        ):
            if reset == "subtract":
                return None
            steps = float(parameters["tau"] / dt)
            period = np.ceil(-steps * np.log(1 - theta / (drives * steps)) - 1e-9)
            period = np.where(drives * steps > theta, period, np.inf)
        else:
            return None
    waiting = 0 if refractory is None else max(round(float(refractory / dt)) - 1, 0)
    return np.asarray(1 / ((np.maximum(period, 1) + waiting) * float(dt / second)))


@styled
@check_units(duration=second, dt=second)
def f_i_curve(
    models: Models,
    max_drive: float = 1.5,
    duration: Quantity = 1000 * ms,
    dt: Quantity = 1 * ms,
    ax: Axes | None = None,
) -> Axes:
    """Draw firing rate against constant drive for one or several neuron models.

    Parameters
    ----------
    models : NeuronModel or mapping of str to NeuronModel
        By name in the legend; a single model has its own.
    max_drive : float
        Largest drive, in thresholds (``theta``) a step.
    duration, dt : Quantity
        Length and step of the simulation, in units of time.
    ax : Axes, optional
        A new figure's where it is not given.

    Returns
    -------
    Axes
        Markers are simulated by Brian2, lines are the closed form where one is known.

    Raises
    ------
    InputError
        If a model has no drive or never fires.
    """
    if isinstance(models, NeuronModel):
        models = {models.name.replace("$", r"\$"): models}
    if not models:
        raise InputError("there is no model to draw")
    if not max_drive > 0:
        raise InputError(f"max_drive must be positive, but is {max_drive}")
    share = np.linspace(0, max_drive, N_DRIVES)
    fine = np.linspace(0, max_drive, 40 * (N_DRIVES - 1) + 1)
    curves = {}
    for name, model in models.items():
        theta = float(model.parameters.get("theta", 1.0))
        rate = simulated_rate(model, share * theta, duration, dt)
        curves[name] = rate, closed_form_rate(model, fine * theta, dt)
    ax = new_axes(ax, COLUMN, 2.5)
    for number, (name, (rate, closed)) in enumerate(curves.items()):
        color = color_of(number)
        if closed is not None:
            ax.plot(fine, closed, color=color, ls=line_of(number), linewidth=0.8)
        marker = marker_of(number)
        label = name if closed is not None else f"{name} (simulated only)"
        ax.plot(share, rate, marker, color=color, label=label, markersize=2.2, mew=0)
    ax.set_xlim(0, max_drive)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("drive I (thresholds per step)")
    ax.set_ylabel("firing rate (Hz)")
    title = f"markers: simulated, {float(duration / ms):g} ms; lines: closed form"
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), title=title, alignment="left")
    return ax


@KINDS.named("f-i")
def _of_run(asked: Asked) -> Axes:
    models: dict[str, NeuronModel] = {}
    for population in asked.network.populations:
        wanted = asked.populations is None or population.name in asked.populations
        if wanted and population.model.threshold is not None:
            # A dollar sign in the name of a model from elsewhere is no mathematics.
            models[population.model.name.replace("$", r"\$")] = population.model
    return f_i_curve(models)
