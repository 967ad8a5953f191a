r"""Perturbations of images; every result is clipped to [0, 1].

==================  =============================================================  =============
perturbation        equation                                                       level
==================  =============================================================  =============
Gaussian noise      :math:`x \to x + s z`                                          s
salt and pepper     :math:`x \to 0` or 1, with probability p / 2 each              p
occlusion           :math:`x \to 0` in a square somewhere in the image             side / height
contrast            :math:`x \to \bar x + (1 - c)(x - \bar x)`                     c
blur                convolution with a Gaussian                                    s, pixels
==================  =============================================================  =============

Level 0 leaves an image as it is.

References
----------
D. Hendrycks, T. Dietterich: Benchmarking neural network robustness to common corruptions and
perturbations. ICLR (2019). N. Mu, J. Gilmer: MNIST-C. arXiv:1906.02337 (2019). Occlusion: T.
DeVries, G. W. Taylor: Cutout. arXiv:1708.04552 (2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import ndimage

from bionet.kinds import typed
from bionet.perturbations.base import ImagePerturbation

__all__ = ["Blur", "Contrast", "GaussianNoise", "Occlusion", "SaltAndPepper"]

CORRUPTIONS = "Hendrycks, Dietterich 2019"


@typed
@dataclass(frozen=True)
class GaussianNoise(ImagePerturbation):
    """Independent normal noise of standard deviation ``level`` on every pixel."""

    name: ClassVar[str] = "gaussian_noise"
    measure: ClassVar[str] = "of the range of pixels"
    source: ClassVar[str] = CORRUPTIONS

    def change(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """See :meth:`ImagePerturbation.change`."""
        return image + self.number * random.standard_normal(image.shape)


@typed
@dataclass(frozen=True)
class SaltAndPepper(ImagePerturbation):
    """Pixels that become black or white with probability ``level``; all channels of it alike."""

    name: ClassVar[str] = "salt_and_pepper"
    measure: ClassVar[str] = "share of pixels"
    most: ClassVar[float] = 1.0
    source: ClassVar[str] = CORRUPTIONS

    def change(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """See :meth:`ImagePerturbation.change`."""
        hit = random.random(image.shape[1:]) < self.number
        return np.where(hit, (random.random(image.shape[1:]) < 0.5).astype(float), image)


@typed
@dataclass(frozen=True)
class Occlusion(ImagePerturbation):
    """A black square anywhere within the image; ``level`` is its side as a share of the height."""

    name: ClassVar[str] = "occlusion"
    measure: ClassVar[str] = "side / height"
    most: ClassVar[float] = 1.0
    source: ClassVar[str] = "DeVries, Taylor 2017 (Cutout)"

    def change(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """See :meth:`ImagePerturbation.change`."""
        _, height, width = image.shape
        rows = round(self.number * height)
        columns = min(rows, width)
        top = random.integers(height - rows + 1)
        left = random.integers(width - columns + 1)
        changed = image.copy()
        changed[:, top : top + rows, left : left + columns] = 0.0
        return changed


@typed
@dataclass(frozen=True)
class Contrast(ImagePerturbation):
    """Contrast reduced by the share ``level`` about the mean of the image."""

    name: ClassVar[str] = "contrast"
    measure: ClassVar[str] = "share taken away"
    most: ClassVar[float] = 1.0
    source: ClassVar[str] = CORRUPTIONS

    def change(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """See :meth:`ImagePerturbation.change`."""
        mean = image.mean()
        return mean + (1.0 - self.number) * (image - mean)


@typed
@dataclass(frozen=True)
class Blur(ImagePerturbation):
    """Gaussian blur of standard deviation ``level`` pixels; black continues beyond the edge."""

    name: ClassVar[str] = "blur"
    unit: ClassVar[str] = "pixels"
    source: ClassVar[str] = CORRUPTIONS

    def change(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """See :meth:`ImagePerturbation.change`."""
        return ndimage.gaussian_filter(image, (0.0, self.number, self.number), mode="constant")
