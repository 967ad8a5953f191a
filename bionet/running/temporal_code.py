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

import warnings
from collections.abc import Iterable, Mapping

import numpy as np

from bionet.errors import InputError
from bionet.network import (
    CodedLayer,
    FirstSpikeCode,
    Population,
    SpikingNetwork,
    TemporalCode,
)

__all__ = ["first_spike_results", "step_variables", "temporal_results", "warn_of_clipping"]


def step_variables(populations: Iterable[Population]) -> tuple[tuple[str, str], ...]:
    """Populations and their variables that a recording keeps of a temporal code."""
    return tuple(
        (population.name, variable)
        for population in populations
        for variable in ("spiked", "released")
        if variable in population.model.state
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
    if isinstance(snn.code, FirstSpikeCode):
        return first_spike_results(snn.code, final_steps)
    code = snn.code if isinstance(snn.code, TemporalCode) else None
    clocks = {} if code is None else code.clocks
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
    for layer in () if code is None else code.layers:
        _check_window(snn, layer, releases, spiked)
    return {
        "spike_steps": steps,
        "releases": {layers.get(clock, clock): values for clock, values in releases.items()},
    }


def first_spike_results(
    code: FirstSpikeCode, final_steps: Mapping[tuple[str, str], np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """The same of a code with constant windows, and how many units clipped their value.

    A unit that would have spiked before its window has noted the step before it.
    """
    steps: dict[str, np.ndarray] = {}
    releases: dict[str, np.ndarray] = {}
    clipped: dict[str, np.ndarray] = {}
    for (name, _), spiked in final_steps.items():
        window = code.window(name)
        relative = spiked - spiked.dtype.type(window.start)
        early = (spiked >= 0) & (relative < 0)
        steps[name] = np.where(spiked < 0, spiked.dtype.type(-1), np.maximum(relative, 0))
        if name == "input" or window.pool:
            continue
        releases[name] = np.full(len(spiked), window.start, dtype=spiked.dtype)
        if not window.clips and early.any():
            clipped[name] = early.reshape(len(early), -1).sum(axis=1, dtype=np.int32)
    return {"spike_steps": steps, "releases": releases, "clipped": clipped}


def warn_of_clipping(clipped: Mapping[str, np.ndarray]) -> None:
    """Say in one line which layers had values larger than their windows have room for."""
    if not clipped:
        return
    parts = [
        f"{name} ({int(units.sum())} values of {int((units > 0).sum())} images, the first image"
        f" {int((units > 0).argmax())})"
        for name, units in clipped.items()
    ]
    warnings.warn(
        f"values too large for their window were clipped: {', '.join(parts)}; convert with a larger"
        " margin, or with calibration images more like these",
        stacklevel=3,
    )


def _is_first(name: str, clock: str, clocks: Mapping[str, str]) -> bool:
    """Whether a population is the one that its clock releases: a pooling only shares it."""
    return next(n for n, c in clocks.items() if c == clock) == name


def _check_window(
    snn: SpikingNetwork,
    layer: CodedLayer,
    releases: Mapping[str, np.ndarray],
    spiked: Mapping[str, np.ndarray],
) -> None:
    """Refuse what a layer did not see: a spike that came after its window, or never.

    In a perturbed network a late spike is what the perturbation has done, and is no mistake.
    """
    end = releases[layer.clock]
    if (end < 0).any():
        raise InputError(
            f"image {int(np.argmax(end < 0))}: the presentation ends before the window of"
            f" {layer.name}; simulate longer, or convert with a larger margin"
        )
    if snn.perturbations:
        return
    when = spiked[layer.source].reshape(len(end), -1)
    # A unit that has not spiked when the layer's window ends would spike too late.
    late = (when > end[:, None]) | (when < 0)
    if late.any():
        image = int(late.any(axis=1).argmax())
        raise InputError(
            f"image {image}: {int(late[image].sum())} units of {layer.source} spike after"
            f" the window of {layer.name} has ended (T_il = {layer.window} steps);"
            " convert with a larger margin, with calibration images more like these, or with"
            " window='dynamic'"
        )
