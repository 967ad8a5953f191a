"""The layers of the zoo's networks, untrained; :mod:`bionet.zoo` names them and loads weights.

Layers are written as in the papers: 32c5 is a convolution to 32 channels with a 5 x 5 kernel,
p2 a pooling of 2 x 2, p3s2 one of 3 x 3 with stride 2, a bare number a fully connected layer.
An *adjusted* network has a ReLU after every layer but the last, average pooling and no bias.

References
----------
.. [1] Y. Jia et al.: Caffe: Convolutional architecture for fast feature embedding. ACM Multimedia
   (2014) 675-678; its examples ``lenet`` and ``cifar10_quick``.
.. [2] L. Zhang et al.: DSNNs: learning transfer from deep neural networks to spiking neural
   networks. High Technology Letters 26 (2019) (adjusted networks).
.. [3] B. Rueckauer et al.: Theory and tools for the conversion of analog to spiking convolutional
   neural networks. arXiv:1612.04052 (2016), Section 4 (the network for CIFAR-10).
.. [4] Shang et al. (2020): three convolutions and two fully connected layers for CIFAR-10.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

__all__ = [
    "cifar10_quick",
    "cifar10_quick_original",
    "lenet5",
    "lenet5_original",
    "rueckauer",
    "shang",
]


def lenet5() -> nn.Sequential:
    """20c5-p2-50c5-p2-500-10 [1]_, adjusted [2]_; dropout acts in training only."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 20, 5, bias=False),
            relu1=nn.ReLU(),
            pool1=nn.AvgPool2d(2),
            conv2=nn.Conv2d(20, 50, 5, bias=False),
            relu2=nn.ReLU(),
            pool2=nn.AvgPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(50 * 4 * 4, 500, bias=False),
            relu3=nn.ReLU(),
            dropout=nn.Dropout(0.5),
            fc2=nn.Linear(500, 10, bias=False),
        )
    )


def lenet5_original() -> nn.Sequential:
    """20c5-p2-50c5-p2-500-10 as in Caffe [1]_: max pooling, biases, a single ReLU after 500."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 20, 5),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(20, 50, 5),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(50 * 4 * 4, 500),
            relu3=nn.ReLU(),
            fc2=nn.Linear(500, 10),
        )
    )


def cifar10_quick() -> nn.Sequential:
    """32c5-p3s2-32c5-p3s2-64c5-p3s2-64-10 [1]_, adjusted [2]_."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 32, 5, padding=2, bias=False),
            relu1=nn.ReLU(),
            pool1=nn.AvgPool2d(3, 2, ceil_mode=True),
            conv2=nn.Conv2d(32, 32, 5, padding=2, bias=False),
            relu2=nn.ReLU(),
            pool2=nn.AvgPool2d(3, 2, ceil_mode=True),
            conv3=nn.Conv2d(32, 64, 5, padding=2, bias=False),
            relu3=nn.ReLU(),
            pool3=nn.AvgPool2d(3, 2, ceil_mode=True),
            flatten=nn.Flatten(),
            fc1=nn.Linear(64 * 4 * 4, 64, bias=False),
            relu4=nn.ReLU(),
            fc2=nn.Linear(64, 10, bias=False),
        )
    )


def cifar10_quick_original() -> nn.Sequential:
    """32c5-p3s2-32c5-p3s2-64c5-p3s2-64-10 as in Caffe [1]_.

    The first pooling takes the maximum, before its ReLU, the others the average; all layers have
    biases, and there is no ReLU between the two fully connected ones.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 32, 5, padding=2),
            pool1=nn.MaxPool2d(3, 2, ceil_mode=True),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(32, 32, 5, padding=2),
            relu2=nn.ReLU(),
            pool2=nn.AvgPool2d(3, 2, ceil_mode=True),
            conv3=nn.Conv2d(32, 64, 5, padding=2),
            relu3=nn.ReLU(),
            pool3=nn.AvgPool2d(3, 2, ceil_mode=True),
            flatten=nn.Flatten(),
            fc1=nn.Linear(64 * 4 * 4, 64),
            fc2=nn.Linear(64, 10),
        )
    )


def rueckauer() -> nn.Sequential:
    """32c3-32c3-p2-64c3-64c3-p2-512-10 [3]_: batch normalisation, max pooling, softmax.

    The softmax belongs to the loss in training (PyTorch's cross-entropy takes scores), so the
    network ends with the scores. Dropout acts in training only.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for number, width in enumerate((32, 32, 64, 64), start=1):
        layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, padding=1)
        layers[f"norm{number}"] = nn.BatchNorm2d(width)
        layers[f"relu{number}"] = nn.ReLU()
        if number % 2 == 0:
            layers[f"pool{number // 2}"] = nn.MaxPool2d(2)
            layers[f"dropout{number // 2}"] = nn.Dropout(0.1)
        channels = width
    layers |= OrderedDict(
        flatten=nn.Flatten(),
        fc1=nn.Linear(64 * 8 * 8, 512),
        norm5=nn.BatchNorm1d(512),
        relu5=nn.ReLU(),
        dropout3=nn.Dropout(0.4),
        fc2=nn.Linear(512, 10),
    )
    return nn.Sequential(layers)


def shang() -> nn.Sequential:
    """64c5-p2-64c5-p2-64c5-512-10 [4]_, adjusted; see `bionet.zoo.shang` for the reading."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 64, 5, bias=False),
            relu1=nn.ReLU(),
            pool1=nn.AvgPool2d(2),
            conv2=nn.Conv2d(64, 64, 5, bias=False),
            relu2=nn.ReLU(),
            pool2=nn.AvgPool2d(2),
            conv3=nn.Conv2d(64, 64, 5, bias=False),
            relu3=nn.ReLU(),
            flatten=nn.Flatten(),
            ip1=nn.Linear(64, 512, bias=False),
            relu4=nn.ReLU(),
            ip2=nn.Linear(512, 10, bias=False),
        )
    )
