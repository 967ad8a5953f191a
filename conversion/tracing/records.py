"""Layer records: what a traced network is made of, one frozen record for each operation.

A traced network is a tuple of records in the order of execution; the last one is the output. A
record names the records it takes its input from (``"input"`` is the network's input), so that a
tuple of records is a graph. Shared conversion steps are functions from records to records.

============  ====================================================================
record        y of x
============  ====================================================================
Conv          y = W * x + b, a cross-correlation with zero padding
Linear        y = W x + b
BatchNorm     y = scale x + shift, for each channel (evaluation statistics)
ReLU          y = min(bound, max(0, x)); without a bound where it is infinite
LeakyReLU     y = max(0, x) + slope min(0, x), with one slope or one for each channel
Quantised     y = x clipped to [0, ceiling] and rounded to levels: a QCFS activation
Add           y = x1 + x2, where branches meet
Affine        y = M1 x1 + M2 x2 + ... + c, any linear map of units
Sum           y = W1 * x1 + W2 * x2 + ... + b: an Add with the layers that lead to it
AveragePool   y = scale (sum of x over a pool) / divisor
MaxPool       y = largest x of a pool; what is padded counts as minus infinity
Flatten       y = x, numbered as (channels, height, width) in C order
============  ====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from bionet.errors import InputError
from bionet.network.kernels import (
    AveragePool2d,
    Conv2d,
    Dense,
    Kernel,
    MaxPool2d,
    OneToOne,
    Sparse,
)

__all__ = [
    "Add",
    "Affine",
    "AveragePool",
    "BatchNorm",
    "Conv",
    "Flatten",
    "Identity",
    "LeakyReLU",
    "Mapped",
    "Linear",
    "MaxPool",
    "Quantised",
    "ReLU",
    "Record",
    "Records",
    "Sum",
    "Weighted",
    "consumers",
    "find",
    "removed",
    "replaced",
]

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Record:
    """One operation of a network, and what all records share.

    Parameters
    ----------
    name : str
        A Python identifier, unique in the network.
    inputs : tuple of str
        Names of the records whose output it takes; ``"input"`` is the network's input.
    shape : tuple of int
        Shape of its output for one image, in PyTorch's order.
    node : str
        Node of the traced graph whose value is this record's output.
    place : str
        Where it stands in the source network, for messages.
    rectified : bool
        Whether a ReLU or LeakyReLU is applied to its output.
    slope : float or array (channels,)
        Of that one's negative branch: 0 for a ReLU.
    bound : float
        The most that its output can be, such as 6 of a ReLU6.
    ceiling : float, optional
        Where a QCFS activation clips its output: its scale.
    """

    name: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    node: str
    place: str
    rectified: bool = False
    slope: float | np.ndarray = 0.0
    bound: float = np.inf
    ceiling: float | None = None
    kind: ClassVar[str] = "layer"

    @property
    def source(self) -> str:
        """The one record that it takes its input from."""
        if len(self.inputs) != 1:
            raise InputError(f"{self.place} has {len(self.inputs)} inputs, expected one")
        return self.inputs[0]

    @property
    def kernel(self) -> Kernel:
        """The connectivity kernel of the record's weights."""
        raise InputError(f"{self.place} ({self.kind}) has no synapses of its own")

    @property
    def projections(self) -> tuple[tuple[str, Kernel], ...]:
        """Source and kernel of every projection to the record's population."""
        return tuple((source, self.kernel) for source in self.inputs)


Records = tuple[Record, ...]


def per_channel(values: np.ndarray, n_dimensions: int) -> np.ndarray:
    """Values of the channels in a shape that broadcasts with a layer's.

    Parameters
    ----------
    values : array (), (channels,), or one that broadcasts already
    n_dimensions : int
        Of the layer's shape: 1 or 3.

    Returns
    -------
    array (channels, 1, 1) or (features,), or ``values``
    """
    if values.ndim != 1:
        return values
    return values.reshape(-1, *[1] * (n_dimensions - 1))


@dataclass(frozen=True, eq=False, kw_only=True)
class Weighted(Record):
    """A record with weights: a convolution or a fully connected layer.

    Parameters
    ----------
    weights : array (n_out, ...)
    bias : array (n_out,) or (n_out, height, width)
        Zeros where the source network has none. One for each unit where a normalisation shifts
        an input that is padded: the shift does not reach the padding.
    """

    weights: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Weighted):
    """A convolution.

    Parameters
    ----------
    weights : array (n_out, n_in / groups, kernel_height, kernel_width)
    bias : array (n_out,) or (n_out, height, width)
    stride, padding, dilation : pair of int
    groups : int
    """

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    kind: ClassVar[str] = "conv"

    @property
    def kernel(self) -> Kernel:
        """A Conv2d kernel."""
        return Conv2d(self.weights, self.stride, self.padding, self.dilation, self.groups)


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Weighted):
    """A fully connected layer.

    Parameters
    ----------
    weights : array (n_out, n_in)
    bias : array (n_out,)
    """

    kind: ClassVar[str] = "linear"

    @property
    def kernel(self) -> Kernel:
        """A Dense kernel."""
        return Dense(self.weights)


@dataclass(frozen=True, eq=False, kw_only=True)
class Mapped(Weighted):
    """Any linear map of one source's units.

    Parameters
    ----------
    weights : csr_array (n_target, n_source)
        Units numbered as in PyTorch.
    bias : array (channels,) or of the shape
    """

    weights: Any
    kind: ClassVar[str] = "map"

    @property
    def kernel(self) -> Kernel:
        """A Sparse kernel."""
        return Sparse.of_matrix(self.weights, self.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Affine(Record):
    """A linear map of the units of several sources, and a constant.

    Parameters
    ----------
    maps : tuple of csr_array (n_target, n_source)
        One for each of the record's inputs.
    constant : array of the shape
    """

    maps: tuple[Any, ...]
    constant: np.ndarray
    kind: ClassVar[str] = "map"


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchNorm(Record):
    """A batch normalisation in evaluation: y = scale x + shift.

    Parameters
    ----------
    scale : array (channels,)
    shift : array (channels,) or (channels, height, width)
        One for each unit where a forward subtracts an image.
    """

    scale: np.ndarray
    shift: np.ndarray
    kind: ClassVar[str] = "norm"


@dataclass(frozen=True, eq=False, kw_only=True)
class ReLU(Record):
    """A rectification, up to its bound."""

    kind: ClassVar[str] = "relu"


@dataclass(frozen=True, eq=False, kw_only=True)
class LeakyReLU(Record):
    """A leaky rectification; ``slope`` is that of its negative branch."""

    kind: ClassVar[str] = "leaky relu"


@dataclass(frozen=True, eq=False, kw_only=True)
class Quantised(Record):
    """A QCFS activation: a rectification, clipped at ``ceiling`` and rounded."""

    kind: ClassVar[str] = "qcfs"


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Record):
    """The sum of its inputs, unit by unit."""

    kind: ClassVar[str] = "add"


@dataclass(frozen=True, eq=False, kw_only=True)
class Identity(Record):
    """A branch of a :class:`Sum` without a layer of its own.

    Parameters
    ----------
    weight : float or array of the shape
    """

    weight: float | np.ndarray = 1.0
    kind: ClassVar[str] = "identity"

    @property
    def kernel(self) -> Kernel:
        """A OneToOne kernel."""
        return OneToOne(self.weight)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sum(Record):
    """The sum of branches, each a record with one input: a population with several projections.

    Parameters
    ----------
    branches : tuple of Conv, Linear, Mapped, Identity or AveragePool
        Their sources are the record's inputs.
    """

    branches: tuple[Record, ...]
    kind: ClassVar[str] = "sum"

    @property
    def bias(self) -> np.ndarray:
        """Sum of the branches' biases, array (channels,) or one for each unit."""
        biases = [branch.bias for branch in self.branches if isinstance(branch, Weighted)]
        if all(bias.ndim == 1 for bias in biases):
            return np.asarray(sum(biases, np.zeros(self.shape[0])))
        return np.asarray(sum(per_channel(bias, len(self.shape)) for bias in biases))

    @property
    def projections(self) -> tuple[tuple[str, Kernel], ...]:
        """One for each branch."""
        return tuple((branch.source, branch.kernel) for branch in self.branches)


@dataclass(frozen=True, eq=False, kw_only=True)
class Flatten(Record):
    """All dimensions but the batch become one; the order of the units stays."""

    kind: ClassVar[str] = "flatten"


@dataclass(frozen=True, eq=False, kw_only=True)
class AveragePool(Record):
    """An average pooling; its fields are those of :class:`bionet.network.kernels.AveragePool2d`."""

    pool: Pair
    stride: Pair
    padding: Pair = (0, 0)
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None
    scale: float = 1.0
    kind: ClassVar[str] = "pool"

    @property
    def kernel(self) -> Kernel:
        """An AveragePool2d kernel."""
        return AveragePool2d(
            self.pool,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
            self.scale,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(Record):
    """A max pooling, as :class:`torch.nn.MaxPool2d`."""

    pool: Pair
    stride: Pair
    padding: Pair = (0, 0)
    ceil_mode: bool = False
    kind: ClassVar[str] = "maxpool"

    @property
    def kernel(self) -> Kernel:
        """A MaxPool2d kernel: a gate that compares the estimate ``r`` of its sources."""
        return MaxPool2d(self.pool, self.stride, self.padding, self.ceil_mode)


def find(records: Records, name: str) -> Record:
    """The record of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    for record in records:
        if record.name == name:
            return record
    names = ", ".join(record.name for record in records)
    raise InputError(f"no record is called {name!r}; there are {names}")


def consumers(records: Records, name: str) -> Records:
    """The records that take the output of the named one."""
    return tuple(record for record in records if name in record.inputs)


def replaced(records: Records, name: str, **changes: Any) -> Records:
    """The records with some fields of the named one changed."""
    return tuple(replace(r, **changes) if r.name == name else r for r in records)


def removed(records: Records, name: str) -> Records:
    """The records without the named one; what took its output takes its input instead."""
    source = find(records, name).source
    return tuple(
        replace(r, inputs=tuple(source if i == name else i for i in r.inputs))
        for r in records
        if r.name != name
    )
