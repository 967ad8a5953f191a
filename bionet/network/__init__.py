"""The description of a spiking network: populations, projections, input, readout."""

from bionet.network.spiking_network import (
    AveragePool2d,
    Conv2d,
    Dense,
    Kernel,
    Largest,
    MaxPool2d,
    OneToOne,
    Population,
    Projection,
    Readout,
    Sparse,
    SpikingNetwork,
)

__all__ = [
    "AveragePool2d",
    "Conv2d",
    "Dense",
    "Kernel",
    "Largest",
    "MaxPool2d",
    "OneToOne",
    "Population",
    "Projection",
    "Readout",
    "Sparse",
    "SpikingNetwork",
]
