r"""Networks whose branches meet: residual, inverted residual, dense, U-shaped; and one of rows.

Small ones of kinds that people use, for CIFAR-10 (``rows``: for MNIST), with everything in them
that a conversion has to take apart: shortcuts padded with zero channels, ReLU6 and linear
bottlenecks, concatenations, transposed convolutions, convolutions along one axis. Images hold
pixels in [0, 1]; each network subtracts a mean and divides by a standard deviation itself.

============  ==================================================================================
network       what it has
============  ==================================================================================
``resnet20``  19 convolutions of 3 x 3; shortcuts that take every other pixel and pad channels
``mobile``    depthwise convolutions between linear bottlenecks, ReLU6
``dense``     every layer sees the outputs of all layers before it, concatenated
``unet``      down to a quarter and up again by transposed convolutions, with concatenated skips
``rows``      an image as 28 channels of a sequence, convolutions along it
============  ==================================================================================

References
----------
.. [1] K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition. CVPR (2016),
   Section 4.2 (shortcuts of option A).
.. [2] M. Sandler et al.: MobileNetV2: inverted residuals and linear bottlenecks. CVPR (2018).
.. [3] G. Huang, Z. Liu, L. van der Maaten, K. Weinberger: Densely connected convolutional
   networks. CVPR (2017).
.. [4] O. Ronneberger, P. Fischer, T. Brox: U-Net. MICCAI (2015).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Normalise", "dense", "mobile", "resnet20", "rows", "unet"]

CIFAR10 = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
CLASSES = 10


class Normalise(nn.Module):
    """(x - mean) / std of each channel; constants, not parameters."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            tensor = torch.tensor(values).reshape(-1, 1, 1)
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised images."""
        return (x - self.mean) / self.std


def convolution(
    n_in: int, n_out: int, size: int = 3, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """A convolution without a bias that keeps the size, or divides it by the stride."""
    return nn.Conv2d(n_in, n_out, size, stride, size // 2, groups=groups, bias=False)


class Residual(nn.Module):
    """Two convolutions and a shortcut without parameters (option A) [1]_."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = convolution(n_in, n_out, 3, stride), nn.BatchNorm2d(n_out)
        self.conv2, self.norm2 = convolution(n_out, n_out), nn.BatchNorm2d(n_out)
        self.stride, self.more = stride, n_out - n_in

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block's output, rectified."""
        short = x
        if self.more:
            short = x[:, :, :: self.stride, :: self.stride]
            short = functional.pad(short, (0, 0, 0, 0, self.more // 2, self.more // 2))
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + short)


def resnet20() -> nn.Sequential:
    """Three blocks each of 16, 32 and 64 channels, then the mean over the image [1]_."""
    layers: list[nn.Module] = [Normalise(*CIFAR10), convolution(3, 16), nn.BatchNorm2d(16)]
    layers.append(nn.ReLU())
    channels = 16
    for width in (16, 32, 64):
        for block in range(3):
            stride = 2 if width > 16 and block == 0 else 1
            layers.append(Residual(channels, width, stride))
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES))


class Inverted(nn.Module):
    """Expansion, depthwise convolution, linear bottleneck; a shortcut where it fits [2]_."""

    def __init__(self, n_in: int, n_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        n = n_in * expansion
        self.body = nn.Sequential(
            *(convolution(n_in, n, 1), nn.BatchNorm2d(n), nn.ReLU6()),
            *(convolution(n, n, 3, stride, n), nn.BatchNorm2d(n), nn.ReLU6()),
            *(convolution(n, n_out, 1), nn.BatchNorm2d(n_out)),
        )
        self.added = stride == 1 and n_in == n_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block's output, not rectified."""
        y: torch.Tensor = self.body(x)
        return x + y if self.added else y


def mobile() -> nn.Sequential:
    """Bottlenecks of 16, 24, 32 and 64 channels, twice each, for images of any size [2]_."""
    layers: list[nn.Module] = [Normalise(*CIFAR10), convolution(3, 16), nn.BatchNorm2d(16)]
    layers.append(nn.ReLU6())
    channels = 16
    for width, stride in ((16, 1), (24, 2), (32, 2), (64, 1)):
        layers += [Inverted(channels, width, stride, 4), Inverted(width, width, 1, 4)]
        channels = width
    head = [convolution(channels, 256, 1), nn.BatchNorm2d(256), nn.ReLU6()]
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, CLASSES)]
    return nn.Sequential(*layers, *head, *pooled)


class Grown(nn.Module):
    """A layer whose output is put beside its input [3]_."""

    def __init__(self, n_in: int, growth: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(n_in), convolution(n_in, growth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Input and output, channel beside channel."""
        return torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1)


def dense() -> nn.Sequential:
    """Three blocks of four layers that grow by 12 channels, with poolings between [3]_."""
    layers: list[nn.Module] = [Normalise(*CIFAR10), convolution(3, 24)]
    channels = 24
    for block in range(3):
        for _ in range(4):
            layers.append(Grown(channels, 12))
            channels += 12
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
        if block < 2:
            layers += [convolution(channels, channels // 2, 1), nn.AvgPool2d(2)]
            channels //= 2
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    return nn.Sequential(*layers, *head)


class UNet(nn.Module):
    """Two steps down and two steps up, each level's two halves side by side [4]_."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.normalise = Normalise(*CIFAR10)
        self.down1, self.down2 = self._two(3, width), self._two(width, 2 * width)
        self.bottom = self._two(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.side2, self.side1 = self._two(4 * width, 2 * width), self._two(2 * width, width)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(width, CLASSES)

    @staticmethod
    def _two(n_in: int, n_out: int) -> nn.Sequential:
        return nn.Sequential(
            *(convolution(n_in, n_out), nn.BatchNorm2d(n_out), nn.ReLU()),
            *(convolution(n_out, n_out), nn.BatchNorm2d(n_out), nn.ReLU()),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores, from the mean over the image of what comes out on top."""
        one = self.down1(self.normalise(x))
        two = self.down2(self.pool(one))
        up = self.side2(torch.cat([two, self.up2(self.bottom(self.pool(two)))], 1))
        up = self.side1(torch.cat([one, self.up1(up)], 1))
        scores: torch.Tensor = self.head(up.mean((2, 3)))
        return scores


def unet() -> UNet:
    """A U-shaped network of 16, 32 and 64 channels that ends with class scores [4]_."""
    return UNet()


class Rows(nn.Module):
    """The rows of an image as the channels of a sequence, and convolutions along it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv1d(28, 64, 5, padding=2), nn.BatchNorm1d(64), nn.ReLU(), nn.MaxPool1d(2)),
            *(nn.Conv1d(64, 96, 3, padding=1), nn.BatchNorm1d(96), nn.ReLU(), nn.AvgPool1d(2)),
            *(nn.Conv1d(96, 128, 3, padding=1), nn.BatchNorm1d(128), nn.ReLU()),
        )
        self.head = nn.Linear(128 * 7, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores of images (n, 1, 28, 28)."""
        scores: torch.Tensor = self.head(self.layers(x.squeeze(1)).flatten(1))
        return scores


def rows() -> Rows:
    """28 rows along 28 columns: 64c5-p2-96c3-p2-128c3-10, all along one axis."""
    return Rows()
