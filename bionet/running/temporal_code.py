r"""Reading networks with a temporal code: spike steps, windows, decoded values.

A population of a ``tdsnn`` network emits one spike per unit, T steps after the release of its
layer, for the value x with :math:`T = \lceil L \ln(x + 1) \rceil`; decoded,
:math:`\hat x = e^{T/L} - 1`, which is at least x and less than :math:`(x + 1) e^{1/L} - 1`. The
next layer's window begins with that release and lasts T_il steps; a spike that comes later would
be lost, and :func:`temporal_results` refuses it.

========  =====  ==========================================================
symbol    unit   meaning
========  =====  ==========================================================
L         steps  leak, tau/dt
T         steps  spike step, counted from the release of the unit's layer
T_il      steps  length of a layer's integration window
========  =====  ==========================================================

References
----------
Zhang et al. 2019 (TDSNN), Eqs. 3-11.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bionet.errors import InputError
from bionet.network import SpikingNetwork

if TYPE_CHECKING:
    pass

__all__ = [
    "check_temporal",
    "step_variables",
    "temporal_results",
]


def step_variables(snn: SpikingNetwork, coding: str) -> tuple[tuple[str, str], ...]:
    """Populations and their variables that a recording keeps of a temporal code."""
    found = [("input", "spiked")] if coding == "reverse" else []
    for population in snn.populations:
        state = population.model.state
        found += [(population.name, v) for v in ("spiked", "released") if v in state]
    return tuple(found)


def check_temporal(
    snn: SpikingNetwork, steps: int, dt: float, coding: str, dtype: str | None
) -> None:
    """Refuse a simulation that a network's windows and thresholds were not made for.

    Raises
    ------
    InputError
        For another step, precision or coding than the conversion's, and too short a presentation.
    """
    found = snn.metadata.get("temporal")
    if found is None:
        return
    own = snn.metadata["simulation"]
    if coding != "reverse":
        raise InputError(
            f"this network reads the time of one spike, so its input coding is 'reverse', not"
            f" {coding!r}; leave coding out"
        )
    if not math.isclose(dt * 1000, own["dt_ms"], rel_tol=1e-9):
        raise InputError(
            f"the windows and weights of this network are for dt = {own['dt_ms']:g} ms, but dt is"
            f" {dt * 1000:g} ms; convert the network again with that dt"
        )
    if dtype == "float32" and own["dtype"] == "float64":
        raise InputError(
            "the thresholds of this network are for dtype 'float64': in float32 a unit whose input"
            " cancels would fire a step late; convert the network with dtype='float32'"
        )
    if steps < found["least_steps"]:
        raise InputError(
            f"the windows of this network last {found['least_steps']} steps in all, but the"
            f" presentation only {steps}; leave duration out, or make it"
            f" {found['least_steps'] * own['dt_ms']:g} ms or longer"
        )


def temporal_results(
    snn: SpikingNetwork, final_steps: Mapping[tuple[str, str], np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """Spike steps and releases of a simulation, from what its variables hold at the end.

    Parameters
    ----------
    snn : SpikingNetwork
    final_steps : mapping of (str, str) to int array (n_images, *shape)
        Population and variable -> values.

    Returns
    -------
    dict
        ``spike_steps`` and ``releases``, as in :class:`~bionet.results.recording.Recording`.

    Raises
    ------
    InputError
        If a spike came after the window that it was for.
    """
    clocks = snn.metadata.get("temporal", {}).get("clocks", {})
    spiked, releases = {}, {}
    for (population, variable), values in final_steps.items():
        if variable == "released":
            releases[population] = values.reshape(len(values))
        else:
            spiked[population] = values
    layers = {clock: name for name, clock in clocks.items() if _is_first(name, clock, clocks)}
    steps = {}
    for name, values in spiked.items():
        clock = clocks.get(name)
        start = releases[clock].reshape(-1, *[1] * (values.ndim - 1)) if clock else 0
        steps[name] = np.where(values < 0, values.dtype.type(-1), values - start)
    _check_windows(snn, releases, spiked)
    return {
        "spike_steps": steps,
        "releases": {layers.get(clock, clock): values for clock, values in releases.items()},
    }


def _is_first(name: str, clock: str, clocks: Mapping[str, str]) -> bool:
    """Whether a population is the one that its clock releases: a pooling only shares it."""
    return next(n for n, c in clocks.items() if c == clock) == name


def _check_windows(
    snn: SpikingNetwork, releases: Mapping[str, np.ndarray], spiked: Mapping[str, np.ndarray]
) -> None:
    """Refuse what a layer did not see: a spike that came after its window, or never.

    In a perturbed network a late spike is what the perturbation has done, and is no mistake.
    """
    for layer in snn.metadata.get("temporal", {}).get("layers", ()):
        end = releases[layer["clock"]]
        if (end < 0).any():
            raise InputError(
                f"image {int(np.argmax(end < 0))}: the presentation ends before the window of"
                f" {layer['name']}; simulate longer, or convert with a larger margin"
            )
        if snn.metadata.get("perturbations"):
            continue
        when = spiked[layer["source"]].reshape(len(end), -1)
        # A unit that has not spiked when the layer's window ends would spike too late.
        late = (when > end[:, None]) | (when < 0)
        if late.any():
            image = int(late.any(axis=1).argmax())
            raise InputError(
                f"image {image}: {int(late[image].sum())} units of {layer['source']} spike after"
                f" the window of {layer['name']} has ended (T_il = {layer['window']} steps);"
                " convert with a larger margin, with calibration images more like these, or with"
                " window='dynamic'"
            )
