"""What events and spike trains share: times, images, and the steps that they fall into.

Events of one unit that fall into the same step add up: the unit emits one spike, of a size that is
the sum of theirs. Where the sum is 0 (an *on* and an *off* event), it emits none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.inputs.stimulus import Stimulus, seconds
from bionet.network.signal import EventSignal

__all__ = ["Timed", "in_steps", "numbered_images", "same_length", "whole_numbers"]

LARGEST = 2**31 - 1  # of units and images; larger ones come from damaged files


class Timed(Stimulus):
    """Events with a time each.

    Attributes
    ----------
    image : int array (n_events,)
    time : float array (n_events,)
        Since the onset of the presentation, in seconds.
    n_images : int
    """

    coding = "events"
    image: np.ndarray
    time: np.ndarray
    n_images: int

    def __len__(self) -> int:
        return self.n_images

    def durations(self, given: float | None, usual: float) -> np.ndarray:
        """One length for all presentations: the simulation's."""
        return np.full(len(self), usual if given is None else given)


def in_steps(
    stimulus: Timed, unit: np.ndarray, size: np.ndarray, dt: float, steps: np.ndarray
) -> EventSignal:
    """Events sorted by image, step and unit; those of one unit and step added up.

    Parameters
    ----------
    stimulus : Timed
    unit : int array (n_events,)
        In PyTorch's order.
    size : float array (n_events,)
    dt : float
        Simulation step in seconds.
    steps : int array (n_images,)
        Steps of every presentation.

    Raises
    ------
    InputError
        If a time lies outside its presentation.
    """
    exact = stimulus.time / dt
    step = np.floor(exact + 1e-6).astype(np.int64)  # 3*dt/dt may be 2.9999999999999996
    outside = (step < 0) | (step >= steps[stimulus.image])
    if outside.any():
        first = int(outside.argmax())
        image = int(stimulus.image[first])
        raise InputError(
            f"{stimulus.kind}: the time {stimulus.time[first] * 1000:g} ms (number {first}, image"
            f" {image}) lies outside the presentation, which lasts from 0 to"
            f" {steps[image] * dt * 1000:g} ms; give a longer duration, or leave such times out"
        )
    keys = np.stack([stimulus.image, step, unit])
    rows, position = np.unique(keys, axis=1, return_inverse=True)
    total = np.zeros(rows.shape[1])
    np.add.at(total, position.reshape(-1), size)
    kept = total != 0
    image, step, unit = rows[:, kept]
    return EventSignal(len(stimulus), image, step, unit, total[kept])


def numbered_images(
    parts: list[int], image: Any, n_images: int | None, n_events: int
) -> tuple[np.ndarray, int]:
    """Image of every event, and the number of images.

    Parameters
    ----------
    parts : list of int
        Events of every image where they came as a list, else of the only one.
    image : int array (n_events,) or None
        Given instead of a list.
    n_images : int or None
        By default the last image that has an event.
    n_events : int
    """
    if image is None:
        if n_images not in (None, len(parts)):
            raise InputError(
                f"n_images is {n_images}, but there are {len(parts)} images; leave it out, or give"
                " the image of every event (image=)"
            )
        return np.repeat(np.arange(len(parts)), parts), len(parts)
    if len(parts) != 1:
        raise InputError("give a list with one entry for each image, or image=, not both")
    images = whole_numbers(image, "image")
    same_length({"image": images}, n_events)
    least = int(images.max(initial=-1)) + 1
    number = least if n_images is None else int(n_images)
    if number > LARGEST:
        raise InputError(f"n_images must be at most {LARGEST}, but is {n_images}")
    if number < max(least, 1):
        raise InputError(f"n_images must be at least {max(least, 1)}, but is {n_images}")
    return images, number


def whole_numbers(values: Any, name: str) -> np.ndarray:
    """Whole numbers from 0 on, int64 array."""
    numbers = np.asarray(values)
    plain = numbers.dtype.kind in "iu" or (
        numbers.dtype.kind == "f" and np.isfinite(numbers).all() and (numbers % 1 == 0).all()
    )
    if not numbers.size and numbers.ndim == 1:
        return np.zeros(0, dtype=np.int64)
    if numbers.ndim != 1 or not plain or numbers.min(initial=0) < 0:
        raise InputError(f"{name} must be whole numbers from 0 on, one for each event")
    if numbers.max(initial=0) > LARGEST:
        raise InputError(f"{name} must be at most {LARGEST}, but one is {numbers.max()}")
    return numbers.astype(np.int64)


def same_length(arrays: dict[str, np.ndarray], n_events: int) -> None:
    """Refuse arrays of another length than that of the times."""
    for name, array in arrays.items():
        if array.shape != (n_events,):
            raise InputError(
                f"{name} must have one entry for each of the {n_events} times, but has the shape"
                f" {array.shape}"
            )


def times(value: Any, name: str = "t") -> np.ndarray:
    """Times of events in seconds, float array (n_events,)."""
    values = seconds(value, name, "[3, 17]*ms")
    if values.ndim != 1:
        raise InputError(f"{name} must be one row of times, but has the shape {values.shape}")
    return values
