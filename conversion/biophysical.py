r"""Neurons with units: an activation becomes the firing rate that a measured f-I curve gives.

A hidden unit's input z, in units of the rheobase and counted from it, is a current

.. math::

    I = I_{on} (1 + z), \qquad z_i = \sum_j W_{ij} y_j + b_i, \qquad y_j = r_j / r_{ref}

of which background and bias are constant, :math:`I_{on} (1 + b)`, and the rest comes in spikes. A
spike of weight 1 brings the charge q (for an exponential synapse its time constant), so that

.. math::

    w_{ij} = \frac{I_{on}}{q\, r_{ref}}\, W_{ij}

Pixels are constant currents :math:`I_{on} W x`. The output layer is read by an integrator of its
input, in units of the scores: :math:`\int s\, dt`. With conductances q is measured at a membrane
potential just below threshold, once for excitation and once for inhibition.

======================  ======  ==============================================
symbol                  unit    meaning
======================  ======  ==============================================
:math:`I_{on}`          A       rheobase of the neuron
:math:`r_{ref}`         Hz      rate that stands for an activation of 1
``W``, ``b``            1       weights and biases of the network of rates
``w``                   A, S, V  synaptic weight
``q``                   s, V s   charge of a spike for each unit of its weight
``v_begin``             V       membrane potential at which a unit begins
``readout_from``        s       time from which the readout integrates
======================  ======  ==============================================

The network should have been trained through the curve (:func:`bionet.train.fine_tune`): the
weights of a ReLU network, merely rescaled, lose much of its accuracy.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import numpy as np
import torch
from brian2 import Hz, Quantity, ms
from brian2.units.fundamentalunits import get_dimensions
from torch import fx, nn

from bionet.conversion.physical.calibration import calibrated
from bionet.conversion.physical.cells import Cell, make_cell
from bionet.conversion.physical.populations import Wiring, physical_network, relay
from bionet.conversion.preparing.folded_pooling import fold_pooling
from bionet.conversion.steps.assemble import READOUT
from bionet.conversion.steps.layers import population_records
from bionet.conversion.tracing.activations import as_images
from bionet.conversion.tracing.trace import trace
from bionet.equations import NeuronModel, lif
from bionet.equations.synapses import Synapse, exponential
from bionet.errors import InputError
from bionet.firing.activation import FrequencyActivation, check_reference
from bionet.firing.measurement import f_i
from bionet.firing.named import neuron_of, synapse_of
from bionet.firing.twin import is_twin, normalised, relu_network
from bionet.network import Simulation, SpikingNetwork
from bionet.running.simulate import simulate

__all__ = ["convert_biophysical"]

BACKGROUNDS = {"rheobase": 1.0, None: 0.0}
READOUTS = ("MP", "MS", "FS")


def convert_biophysical(
    net: nn.Module,
    input_shape: tuple[int, ...],
    calibration: Any = None,
    *,
    neuron: NeuronModel | str | None = None,
    synapse: Synapse | str | None = None,
    background: Any = "rheobase",
    reference: Quantity = 100 * Hz,
    dale: Literal["relay", "train"] | bool | None = None,
    delay: Quantity = 1.5 * ms,
    delay_spread: Quantity = 0 * ms,
    interneuron: NeuronModel | str | None = None,
    begin: Literal["spread", "same"] = "spread",
    passes: int = 2,
    readout: Literal["MP", "MS", "FS"] = "MP",
    readout_from: Quantity = 20 * ms,
    duration: Quantity = 100 * ms,
    dt: Quantity = 0.25 * ms,
) -> SpikingNetwork:
    """Convert a network of rates to neurons with units.

    Every convolution and fully connected layer becomes a population of its name; average poolings
    become part of the next layer. The last layer gets a second population, ``readout``.

    Parameters
    ----------
    net : torch.nn.Module
        From :func:`bionet.train.fine_tune`, or a ReLU network, which is brought to the scales of
        the neuron without training (and loses accuracy). Is not changed.
    input_shape : tuple of int
        (channels, height, width) or (features,) of an image.
    calibration : array or tensor (n, *input_shape), optional
        Images that rates are matched on (a hundred are enough); needed for a ReLU network. Without
        them nothing is matched.
    neuron : NeuronModel or str
        Any model that fires and declares a current, or text as on the command line
        (``"adex:v_peak=-40mV"``); :func:`bionet.equations.lif` by default.
    synapse : Synapse or str
        ``bionet.synapse.exponential(5*ms)`` by default; as text ``"exponential:5ms"``.
    background : {"rheobase", None} or float
        Constant current of every unit: the rheobase, none, or a number of rheobases.
    reference : Quantity
        Rate that stands for an activation of 1, in Hz; that of the fine-tuning.
    dale : {"relay", "train"}, optional
        Keep Dale's principle: with interneurons that repeat the spikes of a population whose
        weights have both signs (also: True), or in a network trained with
        ``fine_tune(..., dale=...)``.
    delay : Quantity
        Axonal delay from a neuron to its targets, in units of time; a multiple of ``dt``.
    delay_spread : Quantity
        Its standard deviation from neuron to neuron, in units of time.
    interneuron : NeuronModel or str, optional
        Of ``dale="relay"``; by default one that fires within the step of its input's spike.
    begin : {"spread", "same"}
        Potentials begin spread out below the threshold, or all where the model begins.
    passes : int
        Passes of the matching of rates; see :mod:`bionet.conversion.physical.calibration`.
    readout : {"MP", "MS", "FS"}
        Largest integral of the output's input, most spikes or first spike.
    readout_from : Quantity
        Time from which the readout integrates, in units of time.
    duration, dt : Quantity
        Length of a presentation and step, in units of time: the network's defaults.

    Raises
    ------
    InputError
        If an argument has the wrong unit or range, or the network a part that neurons cannot be.

    References
    ----------
    The neuron's and the synapse's own; the method is BioNet's.
    """
    neuron = neuron_of(neuron, "neuron") if isinstance(neuron, str) else neuron or lif()
    if isinstance(interneuron, str):
        interneuron = neuron_of(interneuron, "interneuron")
    if isinstance(synapse, str):
        synapse = synapse_of(synapse, "synapse")
    synapse = synapse or exponential(5 * ms)
    if isinstance(dale, bool):
        dale = "relay" if dale else None
    _check_options(neuron, synapse, background, dale, begin, passes, readout)
    for name, value in (
        ("delay", delay),
        ("delay_spread", delay_spread),
        ("readout_from", readout_from),
    ):
        _check_time(name, value, 0 * ms)
    _check_time("duration", duration, readout_from)
    check_reference(reference)
    share = BACKGROUNDS[background] if background in BACKGROUNDS else float(background)
    curve = f_i(neuron)
    images = None if calibration is None else as_images(calibration, tuple(input_shape)).float()
    graph = _rates_network(net, curve.activation(reference), images, reference)
    records = population_records(trace(relu_network(graph), input_shape).records, branches=True)
    records = fold_pooling(records)
    cell = make_cell(neuron, synapse, curve, reference, share, dt, begin == "spread")
    wiring = Wiring(dale, delay, delay_spread, interneuron or relay())
    options = {
        "neuron": neuron.name,
        "synapse": repr(synapse),
        "background": share,
        "reference_hz": float(reference),
        "dale": dale,
        "begin": begin,
    }
    snn = physical_network(
        records,
        cell,
        reference,
        tuple(input_shape),
        wiring,
        readout,
        readout_from,
        Simulation(duration=float(duration), dt=float(dt)),
        options,
    )
    if images is None or not passes:
        return snn
    return _matched(snn, graph, images, cell, passes, reference, duration, dt)


def _matched(
    snn: SpikingNetwork,
    graph: fx.GraphModule,
    images: torch.Tensor,
    cell: Cell,
    passes: int,
    reference: Quantity,
    duration: Quantity,
    dt: Quantity,
) -> SpikingNetwork:
    """The network after the passes that match its rates."""
    names = {name for name in snn.origin.layers if name != READOUT}
    spikes = float(reference * duration)

    def rates_of(network: SpikingNetwork) -> dict[str, np.ndarray]:
        run = simulate(network, images.numpy(), duration, dt, progress=False)
        return {name: run.counts[name] / spikes for name in names}

    current = str(cell.model.current)
    return calibrated(snn, graph, images, rates_of, cell.curve.rheobase, current, passes)[0]


def _rates_network(
    net: nn.Module,
    activation: FrequencyActivation,
    images: torch.Tensor | None,
    reference: Quantity,
) -> fx.GraphModule:
    """The network of rates that a network is, or becomes without training."""
    if not is_twin(net):
        if images is None:
            raise InputError(
                "method 'biophysical' brings a ReLU network to the scales of its neurons with"
                " images: pass calibration=images, or a network from bionet.fine_tune"
            )
        return normalised(net, activation, images)
    activation_there = next(m for m in net.modules() if isinstance(m, FrequencyActivation))
    if not np.isclose(activation_there.reference_hz, float(reference)):
        raise InputError(
            f"the network was trained with the reference {activation_there.reference_hz:g} Hz, but"
            f" reference is {reference}; pass reference={activation_there.reference_hz:g}*Hz"
        )
    return copy.deepcopy(net)  # type: ignore[return-value]


def _check_options(
    neuron: NeuronModel,
    synapse: Synapse,
    background: Any,
    dale: str | None,
    begin: str,
    passes: int,
    readout: str,
) -> None:
    if not isinstance(neuron, NeuronModel):
        raise InputError(
            f"neuron must be a NeuronModel such as bionet.equations.lif(), but is {neuron!r}"
        )
    if not isinstance(synapse, Synapse):
        raise InputError(
            "synapse must be a synapse model such as bionet.synapse.exponential(5*ms), but is"
            f" {synapse!r}"
        )
    number = isinstance(background, int | float) and not isinstance(background, bool)
    if background not in BACKGROUNDS and not (number and background >= 0):
        raise InputError(
            f"background is 'rheobase', None or a number of rheobases, but got {background!r}"
        )
    for name, value, kinds in (
        ("dale", dale, (None, "relay", "train")),
        ("begin", begin, ("spread", "same")),
        ("readout", readout, READOUTS),
    ):
        if value not in kinds:
            raise InputError(f"{name} is one of {', '.join(map(str, kinds))}, but got {value!r}")
    if isinstance(passes, bool) or int(passes) != passes or passes < 0:
        raise InputError(f"passes must be a whole number >= 0, but is {passes!r}")


def _check_time(name: str, value: Quantity, least: Quantity) -> None:
    if get_dimensions(value) is not get_dimensions(ms) or not value >= least:
        raise InputError(f"{name} must be a time of at least {least}, such as 5*ms, got {value!r}")
