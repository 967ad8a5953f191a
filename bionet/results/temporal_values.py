"""What the spike times of a temporal code say: decoded values and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bionet.errors import InputError
from bionet.network import FirstSpikeCode, SpikingNetwork, TemporalCode
from bionet.network.initial_values import initial_values

if TYPE_CHECKING:
    from brian2 import Quantity

    from bionet.results.recording import Recording

__all__ = ["decoded", "network_outputs", "output_values", "spike_times"]


def decoded(run: Recording, snn: SpikingNetwork, population: str) -> np.ndarray:
    """The values that a population's spikes stand for, such as exp(T/L) - 1.

    Where spikes carry amplitudes, the recording must have kept them for the values to be exact:
    simulate with ``final_potentials=True``.

    Parameters
    ----------
    run : Recording
    snn : SpikingNetwork
        That was simulated.
    population : str

    Returns
    -------
    float64 array (n_images, *shape)

    Raises
    ------
    InputError
        If the population has no temporal code.
    """
    if population not in run.spike_steps:
        names = ", ".join(run.spike_steps) or "none"
        raise InputError(f"{population!r} has no spike steps to decode; populations: {names}")
    if snn.code is None:
        raise InputError("the network has no code: its spikes are rates, see run.rates")
    steps, overshoot = run.spike_steps[population], np.zeros(())
    if isinstance(snn.code, FirstSpikeCode):
        carried = run.final_values.get((population, snn.code.carried))
        overshoot = snn.code.overshoot(steps, population, carried)
    return snn.code.decoded(steps, population, overshoot)


def spike_times(run: Recording, snn: SpikingNetwork, population: str) -> Quantity:
    """The exact time of every unit's spike of a ``ttfs`` network, from the onset of its image.

    Parameters
    ----------
    run : Recording
        With amplitudes: simulate with ``final_potentials=True``. Otherwise a time is that of the
        step in which the clock saw the spike.
    snn : SpikingNetwork
        That was simulated.
    population : str

    Returns
    -------
    Quantity array (n_images, *shape)
        NaN where a unit did not spike.

    Raises
    ------
    InputError
        If the network's spikes have no exact times.
    """
    from brian2 import second

    if not isinstance(snn.code, FirstSpikeCode) or population not in run.spike_steps:
        raise InputError(
            f"the spikes of {population!r} have no exact times; those of a network converted by"
            " method 'ttfs' have"
        )
    steps = run.spike_steps[population]
    carried = run.final_values.get((population, snn.code.carried))
    return (
        snn.code.times(steps, population, snn.code.overshoot(steps, population, carried)) * second
    )


def output_values(run: Recording, snn: SpikingNetwork) -> np.ndarray:
    """The class scores A, from the readout's potential v = A exp(-T_il/L) at the end of its window.

    Parameters
    ----------
    run : Recording
    snn : SpikingNetwork
        That was simulated.

    Returns
    -------
    float64 array (n_images, n_classes)
    """
    if not isinstance(snn.code, TemporalCode):
        raise InputError(
            "output_values is for networks whose spike times are a code, not for rates"
        )
    layers = snn.code.layers
    end = run.releases[layers[-1].name].astype(np.int64)
    start = run.releases[layers[-2].name].astype(np.int64) if len(layers) > 1 else 0
    potential = run.output_potential[np.arange(run.n_images), end].astype(np.float64)
    return np.asarray(potential * np.exp((end - start) / snn.code.leak)[:, None])


def network_outputs(run: Recording, snn: SpikingNetwork) -> np.ndarray | None:
    """What the readout's potential stands for on the source network's own scale.

    With a rate code the potential gains, in each step, the output over the scale of its layer:
    lambda v(T) / T.

    Parameters
    ----------
    run : Recording
    snn : SpikingNetwork
        That was simulated.

    Returns
    -------
    float64 array (n_images, *shape), or None
        None where there is no scale, or the potential is no plain sum of the input of its image.
    """
    shape = (run.n_images, *snn.shape(snn.readout.potential))
    if isinstance(snn.code, TemporalCode):
        return output_values(run, snn).reshape(shape)
    if isinstance(snn.code, FirstSpikeCode):
        scores = run.output_potential[:, snn.code.end - 1].astype(np.float64).reshape(shape)
        return np.asarray(scores * snn.code.window(snn.readout.spikes).scale)
    scales = [snn.scales.get(name) for name in (snn.readout.potential, snn.readout.spikes)]
    scale = next((s for s in scales if s is not None), None)
    population = snn.population(snn.readout.potential)
    model = population.model
    plain = model.integrates and model.threshold is None
    rates = snn.code is None or snn.code.rates
    if scale is None or not plain or not rates or run.parameters.get("reset") == "never":
        return None
    factor = np.asarray(scale, dtype=np.float64)
    factor = factor.reshape(-1, *[1] * (len(shape) - 2)) if factor.ndim else factor
    final = run.output_potential[:, -1].astype(np.float64).reshape(shape)
    before = initial_values(population)[str(model.potential)]
    steps = run.steps.reshape(-1, *[1] * (len(shape) - 1))
    return np.asarray((final - before) * factor / steps)
