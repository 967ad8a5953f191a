"""Convolutions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network.kernel_base import (
    Kernel,
    Pair,
    as_image,
    count_taps,
    image_shape,
    like_source,
    on_images,
    pair,
    positive_shape,
    weight_array,
)
from bionet.network.kernels.sparse import Sparse
from bionet.network.kernels.table import entered
from bionet.network.windows import Window, fan_out_of_pixels

if TYPE_CHECKING:
    import torch

__all__ = ["Conv2d"]


@typed
@entered
@dataclass(frozen=True, eq=False)
class Conv2d(Kernel):
    """A convolution, as :class:`torch.nn.Conv2d` (a cross-correlation) with zero padding.

    Parameters
    ----------
    weights : array (n_out, n_in / groups, kernel_height, kernel_width)
    stride, padding, dilation : int or pair
    groups : int
    """

    weights: np.ndarray
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    kind: ClassVar[str] = "conv2d"
    native: ClassVar[bool] = True
    layered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", weight_array(self.weights, 4, "Conv2d.weights"))
        for name, least in (("stride", 1), ("padding", 0), ("dilation", 1)):
            object.__setattr__(self, name, pair(getattr(self, name), f"Conv2d.{name}", least))
        if self.groups < 1 or self.weights.shape[0] % self.groups:
            raise InputError(
                f"Conv2d.groups must divide the {self.weights.shape[0]} output channels,"
                f" but is {self.groups}"
            )

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the target population; see :meth:`Kernel.target_shape`."""
        channels, height, width = image_shape(source, "Conv2d")
        n_out, n_in, *kernel = self.weights.shape
        if channels != n_in * self.groups:
            raise InputError(
                f"Conv2d.weights of shape {self.weights.shape} with groups={self.groups} takes"
                f" {n_in * self.groups} channels, but the source has {channels} (shape {source})"
            )
        size = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(
                (height, width), self.padding, self.dilation, kernel, self.stride, strict=True
            )
        ]
        return positive_shape(like_source((n_out, *size), source), "Conv2d", source)

    def n_synapses(self, source: tuple[int, ...]) -> int:
        """Number of synapses; see :meth:`Kernel.n_synapses`."""
        n_out, n_in, *kernel = self.weights.shape
        source = as_image(source)
        _, height, width = self.target_shape(source)
        taps = [
            count_taps(n, size, k, s, p, d)
            for n, size, k, s, p, d in zip(
                source[1:],
                (height, width),
                kernel,
                self.stride,
                self.padding,
                self.dilation,
                strict=True,
            )
        ]
        return int(taps[0] * taps[1] * n_out * n_in)

    def window(self) -> Window:
        """The window of the taps; see :meth:`Kernel.window`."""
        height, width = self.weights.shape[2:]
        return Window((height, width), self.stride, self.padding, self.dilation)

    def fan_out(self, source: tuple[int, ...]) -> np.ndarray:
        """Synapses that leave each unit; see :meth:`Kernel.fan_out`."""
        each = self.weights.shape[0] // self.groups
        return fan_out_of_pixels(self, self.window(), source, each)

    def as_sparse(self, source: tuple[int, ...]) -> Sparse:
        """Every connection; see :meth:`Kernel.as_sparse`."""
        from scipy import sparse

        image, target = as_image(source), self.target_shape(source)
        table = self.window().connections(image, self.target_shape(image))
        size = (int(np.prod(self.target_shape(image)[1:])), image[1] * image[2])
        n_out, n_in = self.weights.shape[:2]
        taps = self.weights.reshape(self.groups, n_out // self.groups, n_in, -1)
        total: Any = sparse.csr_array((int(np.prod(target)), int(np.prod(source))))
        for tap in range(taps.shape[-1]):
            rows = table[table[:, 2] == tap]
            ones = np.ones(len(rows))
            places = sparse.csr_array((ones, (rows[:, 1], rows[:, 0])), shape=size)
            between = sparse.block_diag([group[..., tap] for group in taps])
            total = total + sparse.kron(between, places, format="csr")
        return Sparse.of_matrix(total, target)

    def mapped(self, values: torch.Tensor) -> torch.Tensor:
        """The map of values; see :meth:`Kernel.mapped`."""
        import torch
        from torch.nn import functional as F

        # A copy: torch warns of arrays that it could write to and must not.
        weights = torch.tensor(np.asarray(self.weights), dtype=values.dtype)
        geometry = (self.stride, self.padding, self.dilation, self.groups)
        return on_images(lambda images: F.conv2d(images, weights, None, *geometry), values)

    def signs(self) -> tuple[np.ndarray, np.ndarray]:
        """Signs that leave each channel; see :meth:`Kernel.signs`."""
        # (group, out, in, taps): the sources of a group are its own channels.
        by_group = self.weights.reshape(
            self.groups, -1, self.weights.shape[1], int(np.prod(self.weights.shape[2:]))
        )
        above, below = (by_group > 0).any(axis=(1, 3)), (by_group < 0).any(axis=(1, 3))
        return above.reshape(-1), below.reshape(-1)

    def cut(self, targets: slice, sources: slice, source: tuple[int, ...]) -> Conv2d:
        """Between some channels and others; see :meth:`Kernel.cut`."""
        if self.groups == 1:
            return replace(self, weights=self.weights[targets, sources])
        if (sources.start, sources.stop) != (0, source[0]):
            raise InputError("fragment: the source of a grouped convolution must stay whole")
        return self

    def in_words(self) -> str:
        """See :meth:`Kernel.in_words`."""
        height, width = self.weights.shape[2:]
        groups = f", {self.groups} groups" if self.groups > 1 else ""
        return (
            f"convolution {height} x {width}, stride {self.stride}, padding {self.padding}{groups}"
        )
