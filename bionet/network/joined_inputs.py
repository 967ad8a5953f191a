"""Several tensors that a network takes, as one image: side by side, or one behind the other.

A spiking network has one input. Tensors of one height and width (or of one length) become channels
of one image, first those of the first tensor; others become one row of numbers, each tensor in C
order. The conversion takes the image apart again, which is a map of units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.network.spiking_network import SpikingNetwork

__all__ = ["as_one", "joined", "joined_shape"]

Shape = tuple[int, ...]


def joined_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape of one image that holds tensors of these shapes.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Without the batch.
    """
    places = {tuple(shape[1:]) for shape in shapes}
    if len(places) == 1:
        return (sum(shape[0] for shape in shapes), *places.pop())
    return (sum(int(np.prod(shape)) for shape in shapes),)


def joined(*tensors: Any) -> np.ndarray:
    """Several inputs of one network as the images of its one input.

    Parameters
    ----------
    *tensors : array or tensor (n_images, ...)
        In the order in which the network's forward takes them.

    Returns
    -------
    array (n_images, channels, ...) or (n_images, features)

    Raises
    ------
    InputError
        If there are none, or they differ in the number of images.
    """
    arrays = [np.asarray(t.detach().cpu() if hasattr(t, "detach") else t) for t in tensors]
    counts = [len(array) if array.ndim > 1 else None for array in arrays]
    if not arrays or None in counts or len(set(counts)) > 1:
        raise InputError(
            "joined takes a batch (n_images, ...) for each input of a network, as many images in"
            f" each, but got {', '.join(str(array.shape) for array in arrays) or 'nothing'}"
        )
    shape = joined_shape([array.shape[1:] for array in arrays])
    if len(shape) > 1:
        return np.concatenate(arrays, axis=1)
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


def as_one(snn: SpikingNetwork, images: Any) -> Any:
    """Images as they are; a tuple or list of a network's several inputs, joined.

    Raises
    ------
    InputError
        If they are not those that the network was converted for.
    """
    shapes = snn.origin.inputs
    if not shapes or not isinstance(images, tuple | list):
        return images
    given = [tuple(np.shape(tensor)[1:]) for tensor in images]
    if given != list(shapes):
        raise InputError(
            f"the network takes {len(shapes)} inputs of the shapes"
            f" {', '.join(map(str, shapes))} in this order, but got batches of"
            f" {', '.join(map(str, given)) or 'nothing'}"
        )
    return joined(*images)
