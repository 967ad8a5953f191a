"""From the description to Brian2 objects that a user can run and change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import brian2
import numpy as np
from brian2 import Hz, Quantity, check_units, second
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import RuntimeDevice, get_device

from bionet.brian.assemble import assemble
from bionet.brian.device_presentation import Shown
from bionet.brian.feed import make_feed
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.inputs import Stimulus
from bionet.kinds import typed
from bionet.network import SpikingNetwork
from bionet.running.shown import as_stimulus, shown

__all__ = ["build"]


@typed
@check_units(duration=second, dt=second, max_rate=Hz)
def build(
    snn: SpikingNetwork,
    images: np.ndarray | Stimulus,
    duration: Quantity | None = None,
    dt: Quantity | None = None,
    *,
    coding: str | NeuronModel | None = None,
    max_rate: Quantity | None = None,
    dtype: str | None = "float64",
    seed: int = 0,
    record: Mapping[str, Any] | str | None = None,
) -> tuple[brian2.Network, dict[str, Any]]:
    """The network as real Brian2 objects, one lane for each image, ready for ``network.run``.

    Parameters
    ----------
    snn : SpikingNetwork
    images : array (n_images, *input_shape) or Stimulus
        Presented side by side, and again from the start when ``duration`` is over; or what
        :mod:`bionet.inputs` makes, of one duration.
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
        As :func:`bionet.simulate`, and under a device other than Brian2's runtime and
        ``cpp_standalone``.

    Notes
    -----
    Under ``set_device("cpp_standalone", build_on_run=False)`` the objects become part of your own
    program, which holds the images. Brian2's default ``-ffast-math`` lets the compiler change the
    order of additions; for the spikes of :func:`bionet.simulate` to the last bit, set
    ``prefs.codegen.cpp.extra_compile_args_gcc = ["-O3", "-ffp-contract=off"]`` before you build.
    """
    here = isinstance(get_device(), RuntimeDevice)
    if not here and not isinstance(get_device(), CPPStandaloneDevice):
        raise InputError(
            "bionet.build makes objects for Brian2's runtime device and for cpp_standalone, but"
            " another device is active; call brian2.set_device('runtime'), or write the network"
            " as a script of plain Brian2 with bionet.eject"
        )
    stimulus = as_stimulus(images)
    plan, presented = shown(
        snn,
        stimulus,
        duration=duration,
        dt=dt,
        coding=coding,
        max_rate=max_rate,
        lanes=len(stimulus),
        dtype=dtype,
        record=record,
    )
    if np.ptp(presented.steps):
        raise InputError(
            "build: images side by side are presented for the same time, but their durations"
            " differ; build those of one duration, or use bionet.simulate"
        )
    feed, numbers = make_feed(plan, presented.signal), np.arange(len(presented))
    built = assemble(
        snn,
        replace(plan, skip_idle=False, check_every=1),
        monitors=True,
        shown=None if here else Shown.of(feed, plan, numbers),
    )
    built.presentation.show(feed, numbers, seed)
    return built.network, built.groups
