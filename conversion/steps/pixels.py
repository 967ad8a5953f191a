"""Pixels beyond [0, 1], such as those of images with a mean and a standard deviation, as spikes.

A rate code divides by the largest pixel and sends negative spikes for negative pixels. A temporal
code codes a pixel's share of the range: what the least pixel adds is a bias of the first layer.
Where pixels are currents (``rate``, ``augmapping``, ``termapping``) neither is needed.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from bionet.errors import InputError

__all__ = ["coded_range", "spiking_pixels"]


def spiking_pixels(images: torch.Tensor | None, rate: str) -> tuple[float, bool, tuple[str, ...]]:
    """How a rate code sends the pixels of some images.

    Parameters
    ----------
    images : tensor (n, ...), optional
    rate : str
        What the method calls the rate of a pixel of value 1.

    Returns
    -------
    largest : float
        Size of the largest pixel, 1 at least.
    signed : bool
        Whether some are negative.
    notes : tuple of str
        What is to be said of it.
    """
    if images is None:
        return 1.0, False, ()
    largest, signed = max(1.0, float(images.abs().max())), bool((images < 0).any())
    notes = []
    if largest > 1:
        notes.append(f"{rate} is the rate of pixels of size {largest:.4g}, the largest ones")
    if signed:
        notes.append("negative pixels send negative spikes")
    return largest, signed, tuple(notes)


def coded_range(
    images: torch.Tensor, given: Any, margin: float = 1.0
) -> tuple[float, float, tuple[str, ...]]:
    """The range of pixels that a temporal code is for.

    Parameters
    ----------
    images : tensor (n, ...)
        Of the calibration.
    given : pair of float, optional
        What the user asks for; by default 0 to 1, or the images' own range where it is another.
    margin : float
        How many times as wide as the images' range it is then.

    Returns
    -------
    low, high : float
    notes : tuple of str
        What is to be said of it.

    Raises
    ------
    InputError
        If it is no range.
    """
    low, high = 0.0, 1.0
    if given is not None:
        try:
            low, high = (float(value) for value in given)
        except (TypeError, ValueError):
            low, high = math.nan, math.nan
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"input_range is (least, largest pixel), but got {given!r}")
    elif float(images.min()) < low or float(images.max()) > high:
        low, high = float(images.min()), float(images.max())
        room = (margin - 1) * (high - low) / 2 or (0.0 if high > low else 0.5)
        low, high = min(low - room, 0.0) if low >= 0 else low - room, high + room
    if (low, high) == (0.0, 1.0):
        return low, high, ()
    note = (
        f"pixels from {low:.4g} to {high:.4g} are coded by their share of this range (input_range)"
    )
    if low:
        note += "; biases of the first layer add what the least one stands for"
    return low, high, (note,)
