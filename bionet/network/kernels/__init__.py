"""Connectivity kernels: who projects to whom, with which weights, stored once.

Arrays are in PyTorch's order throughout; the channel-last order that makes the simulation's
loops contiguous is made from them in :mod:`bionet.brian.channel_last` and nowhere else.
"""

# Messages list the kernels in this order.
# isort: off
from bionet.network.kernel_base import Kernel
from bionet.network.kernels.table import KERNELS
from bionet.network.kernels.fully_connected import Dense
from bionet.network.kernels.convolution import Conv2d
from bionet.network.kernels.average_pooling import AveragePool2d
from bionet.network.kernels.gates import GATES, Largest, MaxPool2d
from bionet.network.kernels.one_to_one import OneToOne
from bionet.network.kernels.sparse import Sparse
# isort: on

__all__ = [
    "AveragePool2d",
    "Conv2d",
    "Dense",
    "GATES",
    "KERNELS",
    "Kernel",
    "Largest",
    "MaxPool2d",
    "OneToOne",
    "Sparse",
]
