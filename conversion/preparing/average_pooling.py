"""Replacing max pooling by average pooling in the source network.

A maximum over spike trains is not a sum, an average is: a unit with weights 1 / (pool size). The
network with its poolings replaced is another function, so it is fine-tuned before it is converted.

References
----------
Zhang et al. 2019 (DSNN), adjusted networks.
"""

from __future__ import annotations

import copy

from torch import nn

from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["to_average_pooling"]


@typed
def to_average_pooling(net: nn.Module) -> nn.Module:
    """A copy of the network with every MaxPool2d replaced by AvgPool2d of the same geometry.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed. A max pooling that is called as a function is not seen.

    Returns
    -------
    torch.nn.Module
        In the same mode, training or evaluation; sharing nothing with ``net``.

    Raises
    ------
    InputError
        For a max pooling with dilation or that returns indices.
    """
    copied = copy.deepcopy(net)
    if (replacement := average_of(copied, "the network")) is not None:
        return replacement
    for path, parent in copied.named_modules():
        # Not named_children(): it shows a module that is used twice only once.
        for name, child in parent._modules.items():
            place = f"layer {'.'.join(filter(None, (path, name)))!r}"
            if child is not None and (replacement := average_of(child, place)) is not None:
                setattr(parent, name, replacement)
    return copied


def average_of(module: nn.Module, place: str) -> nn.Module | None:
    """The average pooling that replaces a max pooling; None for any other module."""
    if isinstance(module, nn.AdaptiveMaxPool2d):
        average: nn.Module = nn.AdaptiveAvgPool2d(module.output_size)
    elif isinstance(module, nn.MaxPool2d):
        if module.dilation not in (1, (1, 1)):
            raise InputError(f"MaxPool2d at {place} has dilation, which an average pooling lacks")
        average = nn.AvgPool2d(
            module.kernel_size,
            module.stride,
            module.padding,
            ceil_mode=module.ceil_mode,
            # A maximum ignores what is padded, so the average does not count it.
            count_include_pad=False,
        )
    else:
        return None
    if module.return_indices:
        raise InputError(f"MaxPool2d at {place} returns indices, which an average pooling lacks")
    return average.train(module.training)
