"""Training of networks, of the zoo's and of others."""

from bionet.train.training import (
    MODES,
    RECIPES,
    Epoch,
    Recipe,
    TrainResult,
    erase_randomly,
    evaluate,
    flip_randomly,
    one_cycle,
    save_weights,
    shift_randomly,
    train,
    train_zoo,
)

__all__ = [
    "MODES",
    "RECIPES",
    "Epoch",
    "Recipe",
    "TrainResult",
    "evaluate",
    "erase_randomly",
    "flip_randomly",
    "one_cycle",
    "save_weights",
    "shift_randomly",
    "train",
    "train_zoo",
]
