"""VGG-16 and AlexNet for 224 x 224 pixels, layer by layer as torchvision has them.

Their parameters bear torchvision's names, so that a state_dict of its pretrained weights loads as
it is. Images hold pixels in [0, 1]; the mean and standard deviation that those weights expect are
part of the network here, and a conversion folds them into the first layer.

References
----------
.. [1] K. Simonyan, A. Zisserman: Very deep convolutional networks for large-scale image
   recognition. ICLR (2015), configuration D.
.. [2] A. Krizhevsky: One weird trick for parallelizing convolutional neural networks.
   arXiv:1404.5997 (2014).
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ImageNet", "alexnet", "vgg16"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)


class ImageNet(nn.Module):
    """Features, an average pooling to a fixed size, and a classifier of 1000 classes.

    Parameters
    ----------
    features, classifier : torch.nn.Sequential
    size : int
        Height and width of what the classifier takes.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, features: nn.Sequential, size: int, classifier: nn.Sequential) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(size)
        self.classifier = classifier
        # Not in the state_dict: torchvision's has none.
        self.register_buffer("mean", torch.tensor(MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).reshape(3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores (n, 1000) of images (n, 3, 224, 224) in [0, 1]."""
        x = self.avgpool(self.features((images - self.mean) / self.std))
        scores: torch.Tensor = self.classifier(torch.flatten(x, 1))
        return scores


def vgg16() -> ImageNet:
    """Thirteen convolutions of 3 x 3 with five max poolings, then 4096-4096-1000 [1]_."""
    layers: list[nn.Module] = []
    channels = 3
    for width in VGG16:
        if not width:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
        channels = width
    classifier = nn.Sequential(
        *(nn.Linear(512 * 7 * 7, 4096), nn.ReLU(inplace=True), nn.Dropout()),
        *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout()),
        nn.Linear(4096, 1000),
    )
    return ImageNet(nn.Sequential(*layers), 7, classifier)


def alexnet() -> ImageNet:
    """Five convolutions with three overlapping max poolings, then 4096-4096-1000 [2]_."""
    features = nn.Sequential(
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
    )
    classifier = nn.Sequential(
        *(nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(inplace=True)),
        *(nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(inplace=True)),
        nn.Linear(4096, 1000),
    )
    return ImageNet(features, 6, classifier)
