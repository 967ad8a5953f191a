"""A stimulus from an ``.npz`` file of plain arrays.

==========================  ==========================================================
arrays                      stimulus
==========================  ==========================================================
``frames``, ``frame_ms``    movies (n_movies, n_frames, *shape)
``t_ms``, ``x``, ``y``      events of a camera; polarities in ``p``
``t_ms``, ``i``             spike trains, units in PyTorch's order; sizes in ``size``
==========================  ==========================================================

For several images events and spikes name theirs in ``image``, and ``n_images`` says how many there
are where the last ones are silent. ``labels`` may hold the classes. The unit is part of the name of
the times: a bare number would be a guess.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bionet.errors import InputError, did_you_mean
from bionet.files import read_npz
from bionet.inputs.camera import events
from bionet.inputs.movie import frames
from bionet.inputs.stimulus import Stimulus
from bionet.inputs.trains import spike_trains

__all__ = ["load_stimulus"]

NAMES = ("frames", "frame_ms", "t_ms", "x", "y", "p", "i", "size", "image", "n_images", "labels")


def load_stimulus(path: str | Path) -> tuple[Stimulus, np.ndarray]:
    """Read a stimulus and the labels of its images; nothing is unpickled.

    Parameters
    ----------
    path : path
        Of the ``.npz`` file.

    Returns
    -------
    stimulus : Stimulus
    labels : int64 array (n_images,)
        Empty where the file holds none.

    Raises
    ------
    InputError
        If the file is missing, damaged, or holds other arrays.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"--input: there is no file {path}")
    arrays = read_npz(path)
    _check_numbers(path, arrays)
    stimulus = _stimulus(path, arrays)
    _check_names(path, arrays)
    labels = arrays.get("labels", np.zeros(0, dtype=np.int64))
    if labels.size and (labels.dtype.kind not in "iu" or labels.shape != (len(stimulus),)):
        raise InputError(
            f"{path}: labels must be {len(stimulus)} whole numbers, one for each image, got"
            f" {labels.dtype} {labels.shape}"
        )
    return stimulus, labels.astype(np.int64)


def _check_numbers(path: Path, arrays: dict[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise InputError(f"{path}: {name} must hold numbers, but is {array.dtype}")
        if name not in ("frame_ms", "n_images"):
            continue
        kind = "whole number" if name == "n_images" else "number"
        if array.size != 1 or not np.isfinite(array).all() or (kind != "number" and array % 1):
            raise InputError(f"{path}: {name} must be one {kind}, but is {array.tolist()!r}")


def _check_names(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Refuse arrays that would be passed over: misspelt labels, say."""
    for name in arrays:
        if name not in NAMES:
            raise InputError(
                f"{path}: the array {name!r} belongs to no stimulus{did_you_mean(name, NAMES)};"
                f" those that do are {', '.join(NAMES)}"
            )


def _stimulus(path: Path, arrays: dict[str, np.ndarray]) -> Stimulus:
    from brian2 import ms

    names = set(arrays)
    number = arrays.get("n_images")
    of_events: dict[str, Any] = {
        "image": arrays.get("image"),
        "n_images": None if number is None else int(number.item()),
    }
    if {"frames", "frame_ms"} <= names:
        return frames(arrays["frames"], arrays["frame_ms"].item() * ms)
    if {"t_ms", "x", "y"} <= names:
        place = arrays["x"], arrays["y"], arrays.get("p")
        return events(arrays["t_ms"] * ms, *place, **of_events)
    if {"t_ms", "i"} <= names:
        return spike_trains(arrays["i"], arrays["t_ms"] * ms, size=arrays.get("size"), **of_events)
    hint = " (times have their unit in the name: t_ms)" if "t" in names else ""
    raise InputError(
        f"{path}: expected the arrays frames and frame_ms; or t_ms, x, y and p; or i and t_ms, but"
        f" it holds {', '.join(sorted(names)) or 'none'}{hint}"
    )
