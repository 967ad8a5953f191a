"""A recipe: the settings that a network is trained with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["Recipe"]


@typed
@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        Images a step.
    learning_rate : float
        Largest rate of the cycle.
    weight_decay : float
        AdamW's decay of weights, a fraction per unit of learning rate.
    augment : int
        Largest random shift of a training image, pixels.
    flip : bool
        Mirror half of the images left to right.
    channels_last : bool
        Train in PyTorch's channels-last memory format, which is faster on some processors; the
        sums, and so the weights, then differ in their last bits.
    label_smoothing : float
        Share in [0, 1) of the target that is spread over all classes.
    precision : {"float32", "bfloat16"}
        Type of the products in the forward and backward pass. Weights, sums of the optimiser and
        the loss stay float32. bfloat16 is about twice as fast on processors that multiply it
        (AVX-512 BF16, AMX) and on GPUs, and slower on others.
    erase : int
        Side of the square, somewhere in each training image, whose pixels become the image's mean
        of each channel (Cutout); 0 for none. Pixels.

    Raises
    ------
    InputError
        If a setting is out of range.
    """

    epochs: int
    batch_size: int = 100
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    augment: int = 0
    flip: bool = False
    channels_last: bool = False
    label_smoothing: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    erase: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("augment", 0), ("erase", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name}: expected an integer >= {least}, got {value!r}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"learning_rate: expected a number > 0, got {self.learning_rate!r}")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise InputError(f"weight_decay: expected a number >= 0, got {self.weight_decay!r}")
        if not 0 <= self.label_smoothing < 1:
            raise InputError(
                f"label_smoothing: expected a number in [0, 1), got {self.label_smoothing!r}"
            )
        if self.precision not in ("float32", "bfloat16"):
            raise InputError(f"precision: expected float32 or bfloat16, got {self.precision!r}")
