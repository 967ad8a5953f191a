"""Weights of eight bits, with one scale for each output channel.

A weight w of output channel c is stored as an integer q and read as q s_c:

    s_c = m_c / 127 rounded up to 17 binary digits,   q = round(w / s_c),   |w - q s_c| <= s_c / 2

========  ========================================================================  ==========
symbol    meaning                                                                   type
========  ========================================================================  ==========
m_c       largest abs(w) of the channel: of index c along the first dimension       float32
s_c       scale, stored as ``NAME:scale``                                           float32
q         -127 ... 127, stored as ``NAME``                                          int8
========  ========================================================================  ==========

Seven binary digits times 17 fit into a float32, so that q s_c is exact: weights that were read and
are stored again are the same bits. Vectors (biases, batch normalisation) are a hundredth of a
network and stay float32. Counters of batches, which a trained network doesn't read, are left out.

References
----------
.. [1] R. Krishnamoorthi: Quantizing deep convolutional networks for efficient inference.
   arXiv:1806.08342 (2018), section 3.1: symmetric, per channel.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from bionet.errors import InputError

__all__ = ["COUNTER", "SCALE", "pack", "rounded", "unpack"]

SCALE = ":scale"
LARGEST = 127
DIGITS = 17
COUNTER = "num_batches_tracked"


def pack(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state_dict with int8 for every tensor of two dimensions or more, and their scales."""
    packed: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(COUNTER):
            continue
        if not tensor.is_floating_point() or tensor.ndim < 2:
            packed[name] = tensor.detach()
            continue
        weights = tensor.detach().float()
        scales = _scales(weights)
        divisors = _along_first(scales.where(scales > 0, 1), weights)  # a dead channel has scale 0
        packed[name] = (weights / divisors).round().to(torch.int8)
        packed[name + SCALE] = scales
    return packed


def unpack(tensors: Mapping[str, torch.Tensor], origin: str) -> dict[str, torch.Tensor]:
    """The float32 weights that a packed state_dict stands for; other tensors as they are.

    Parameters
    ----------
    tensors : mapping of str to torch.Tensor
        From `pack`, or any other.
    origin : str
        Where they come from, for the message.

    Raises
    ------
    InputError
        If a scale has no weights, or not one number for each of their channels.
    """
    unpacked = {name: tensor for name, tensor in tensors.items() if not name.endswith(SCALE)}
    for name, scales in tensors.items():
        if not name.endswith(SCALE):
            continue
        steps = unpacked.get(name.removesuffix(SCALE))
        if steps is None or steps.dtype != torch.int8 or scales.shape != steps.shape[:1]:
            got = "nothing" if steps is None else f"{steps.dtype} {tuple(steps.shape)}"
            raise InputError(
                f"{origin}: the scales '{name}' {tuple(scales.shape)} must belong to int8 weights"
                f" with as many channels, got {got}; write the file again by"
                " bionet.train.save_weights(net, FILE, dtype='int8')"
            )
        unpacked[name.removesuffix(SCALE)] = steps * _along_first(scales.float(), steps)
    return unpacked


def rounded(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The values that a state_dict has once it was stored in eight bits."""
    return dict(tensors) | unpack(pack(tensors), "rounded")


def _scales(weights: torch.Tensor) -> torch.Tensor:
    """One scale a channel, rounded up so that its product with 127 is exact."""
    largest = weights.flatten(1).abs().amax(1) if weights.numel() else weights.new_zeros(0)
    mantissa, exponent = torch.frexp(largest / LARGEST)
    digits = float(2**DIGITS)
    return torch.ldexp(torch.ceil(mantissa * digits) / digits, exponent)


def _along_first(scales: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Scales in a shape that multiplies the first dimension of the weights."""
    return scales.reshape(-1, *[1] * (weights.ndim - 1))
