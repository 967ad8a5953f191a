"""From the description to Brian2 objects that a user can run and change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import brian2
import numpy as np
from brian2 import Hz, Quantity, check_units, second
from brian2.devices.device import RuntimeDevice, get_device

from bionet.brian.assemble import assemble
from bionet.brian.channel_last import to_channel_last
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.network import SpikingNetwork
from bionet.network.input_population import input_of
from bionet.running.arguments import check_images, check_pixels, make_plan

__all__ = ["build"]


@check_units(duration=second, dt=second, max_rate=Hz)
def build(
    snn: SpikingNetwork,
    images: np.ndarray,
    duration: Quantity | None = None,
    dt: Quantity | None = None,
    *,
    coding: str | NeuronModel | None = None,
    max_rate: Quantity | None = None,
    dtype: str | None = "float64",
    seed: int = 0,
    record: Mapping[str, Any] | None = None,
) -> tuple[brian2.Network, dict[str, Any]]:
    """The network as real Brian2 objects, one lane for each image, ready for ``network.run``.

    Parameters
    ----------
    snn : SpikingNetwork
    images : array (n_images, *input_shape)
        Presented side by side, and again from the start when ``duration`` is over.
    duration, dt : Quantity
        Length of a presentation and simulation step, in units of time.
    coding, max_rate, dtype, seed, record
        As for :func:`bionet.simulate`.

    Returns
    -------
    network : brian2.Network
    groups : dict of str to Brian2 object
        The groups by population name (``conv1``), their synapses (``conv1_synapses``), spike
        monitors (``conv1_spikes``), potentials (``conv1_potentials``) and the presentation.

    Raises
    ------
    InputError
        As :func:`bionet.simulate`.
    """
    if not isinstance(get_device(), RuntimeDevice):
        raise InputError(
            "bionet.build needs Brian2's runtime device, as its images are shown by this process,"
            " but another device is active; call brian2.set_device('runtime'), simulate with"
            " bionet.simulate(device='cpp_standalone'), or write the network as a script of plain"
            " Brian2 with bionet.eject"
        )
    pixels = check_images(snn, images)
    duration, dt = snn.times(duration, dt)
    plan = make_plan(
        snn,
        duration=duration,
        dt=dt,
        coding=coding,
        max_rate=max_rate,
        lanes=len(pixels),
        dtype=dtype,
        record=record,
    )
    check_pixels(snn, pixels, input_of(plan.input))
    built = assemble(snn, replace(plan, skip_idle=False, check_every=1), monitors=True)
    built.presentation.show(
        plan.presented(to_channel_last(pixels, snn.input_shape)),
        np.arange(len(pixels)),
        seed,
    )
    return built.network, built.groups
