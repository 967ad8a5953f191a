"""The description of a spiking network: populations, projections, input, readout."""

from bionet.network.code import CODES, Code, CodedLayer, Fold, TemporalCode
from bionet.network.first_spike_code import FirstSpikeCode, SpikeWindow
from bionet.network.phase_code import PhaseCode
from bionet.network.spiking_network import (
    AveragePool2d,
    Conv2d,
    Dense,
    Kernel,
    Largest,
    MaxPool2d,
    OneToOne,
    Origin,
    Perturbed,
    Population,
    Projection,
    Readout,
    Simulation,
    Sparse,
    SpikingNetwork,
)

__all__ = [
    "CODES",
    "AveragePool2d",
    "Code",
    "CodedLayer",
    "Conv2d",
    "Dense",
    "FirstSpikeCode",
    "Fold",
    "Kernel",
    "Largest",
    "MaxPool2d",
    "OneToOne",
    "Origin",
    "Perturbed",
    "PhaseCode",
    "Population",
    "Projection",
    "Readout",
    "Simulation",
    "Sparse",
    "SpikeWindow",
    "SpikingNetwork",
    "TemporalCode",
]
