"""Average pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network.kernel_base import as_image, on_images
from bionet.network.kernels.pooling import Pooling
from bionet.network.kernels.sparse import Sparse
from bionet.network.kernels.table import entered

if TYPE_CHECKING:
    import torch

__all__ = ["AveragePool2d"]


@typed
@entered
@dataclass(frozen=True, eq=False)
class AveragePool2d(Pooling):
    """Average pooling, as :class:`torch.nn.AvgPool2d`.

    Parameters
    ----------
    kernel : int or pair
    stride : int or pair, optional
        The kernel size where it is not given.
    padding : int or pair
    ceil_mode : bool
        Round the output size up instead of down.
    count_include_pad : bool
        Whether padding counts in the divisor.
    divisor_override : int, optional
        The divisor, where it is not the size of the pool.
    scale : float
        Factor on every weight (a conversion may balance two layers with it).
    """

    count_include_pad: bool = True
    divisor_override: int | None = None
    scale: float = 1.0
    kind: ClassVar[str] = "average_pool2d"
    multiplies: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.divisor_override == 0:
            raise InputError("AveragePool2d.divisor_override must not be 0")
        if not np.isfinite(self.scale):
            raise InputError(f"AveragePool2d.scale must be finite, but is {self.scale}")

    def divisors(self, source: tuple[int, ...]) -> np.ndarray:
        """Divisor of each pool, array (height, width) of the target."""
        source = as_image(source)
        _, height, width = self.target_shape(source)
        if self.divisor_override is not None:
            return np.full((height, width), float(self.divisor_override))
        spans = []
        stride = self.stride or self.kernel
        for n, size, k, s, p in zip(
            source[1:], (height, width), self.kernel, stride, self.padding, strict=True
        ):
            start = np.arange(size) * s - p
            stop = np.minimum(start + k, n + p)
            if not self.count_include_pad:
                start, stop = np.maximum(start, 0), np.minimum(stop, n)
            spans.append((stop - start).astype(np.float64))
        return np.outer(spans[0], spans[1])

    def as_sparse(self, source: tuple[int, ...]) -> Sparse:
        """Every connection; see :meth:`Kernel.as_sparse`."""
        from scipy import sparse

        image, target = as_image(source), self.target_shape(source)
        shape = self.target_shape(image)
        table = self.window().connections(image, shape)
        weights = (self.scale / self.divisors(source)).reshape(-1)[table[:, 1]]
        size = (shape[1] * shape[2], image[1] * image[2])
        channel = sparse.csr_array((weights, (table[:, 1], table[:, 0])), shape=size)
        whole = sparse.kron(sparse.eye_array(source[0]), channel, format="csr")
        return Sparse.of_matrix(whole, target)

    def mapped(self, values: torch.Tensor) -> torch.Tensor:
        """The map of values; see :meth:`Kernel.mapped`."""
        from torch.nn import functional as F

        def pooled(images: torch.Tensor) -> torch.Tensor:
            return F.avg_pool2d(
                images,
                self.kernel,
                self.stride,
                self.padding,
                self.ceil_mode,
                self.count_include_pad,
                self.divisor_override,
            )

        return on_images(pooled, values) * self.scale

    def in_words(self) -> str:
        """See :meth:`Kernel.in_words`."""
        return f"average pooling {self.kernel[0]} x {self.kernel[1]}, stride {self.stride}"
