"""What a simulation shows: a stimulus, its presentations in steps, and the plan for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from brian2 import Quantity, second

from bionet.brian.plan import Plan
from bionet.errors import InputError
from bionet.inputs import StaticImages, Stimulus, frames, spike_trains, static
from bionet.inputs import events as camera_events
from bionet.inputs.stimulus import whole_steps
from bionet.inputs.timed import whole_numbers
from bionet.network import SpikingNetwork
from bionet.network.input_population import input_of
from bionet.network.joined_inputs import as_one
from bionet.network.signal import EventSignal, Signal
from bionet.running.arguments import check_pixels, make_plan

__all__ = ["RESETS", "Shown", "as_events", "as_stimulus", "shown"]

RESETS = ("presentation", "never")


@dataclass(frozen=True, eq=False)
class Shown:
    """A stimulus in simulation steps.

    Parameters
    ----------
    stimulus : Stimulus
    signal : Signal
    steps : int array (n_images,)
        Steps of every presentation.
    """

    stimulus: Stimulus
    signal: Signal
    steps: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)

    def groups(self, numbers: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Steps, and those of some images whose presentations have so many."""
        for steps in np.unique(self.steps[numbers]):
            yield int(steps), numbers[self.steps[numbers] == steps]


def as_stimulus(images: Any) -> Stimulus:
    """What was given instead of images; arrays are static images."""
    return images if isinstance(images, Stimulus) else static(images)


def as_events(events: Any, dt: Quantity) -> Stimulus:
    """Events of every image as a stimulus.

    Parameters
    ----------
    events : Stimulus, array or list of arrays
        Integer arrays (n_spikes, 2) of step and unit, or structured arrays of a camera's events
        (t, x, y, p); a list has one for each image.
    dt : Quantity
        Simulation step.

    Raises
    ------
    InputError
        If they are neither.
    """
    if isinstance(events, Stimulus):
        return events
    rows = [np.asarray(row) for row in (events if isinstance(events, (list, tuple)) else [events])]
    if rows and all(row.dtype.names for row in rows):
        return camera_events(rows)
    rows = [row if row.size else np.zeros((0, 2), dtype=np.int64) for row in rows]
    if odd := [row for row in rows if row.ndim != 2 or row.shape[1] != 2 or row.dtype.names]:
        raise InputError(
            "events: expected an array (n_spikes, 2) of step and unit for each image, or structured"
            f" arrays with the fields t, x, y and p, but got the shape {odd[0].shape}"
        )
    steps = [whole_numbers(row[:, 0], "the steps of events") for row in rows]
    return spike_trains([row[:, 1] for row in rows], [step * dt for step in steps])


def _as_movie(stimulus: Stimulus, shape: tuple[int, ...], length: float) -> Stimulus:
    """Frames that share the presentation, where images have one axis more than the input has."""
    if not isinstance(stimulus, StaticImages) or stimulus.each is not None:
        return stimulus
    n_axes = len(shape)
    if stimulus.images.ndim != 2 + n_axes or stimulus.images.shape[2:] != shape:
        return stimulus
    return frames(stimulus.images, length / stimulus.images.shape[1] * second)


def shown(
    snn: SpikingNetwork,
    images: Any,
    *,
    duration: Quantity | None,
    dt: Quantity | None,
    reset: str | bool = "presentation",
    **settings: Any,
) -> tuple[Plan, Shown]:
    """A stimulus and the plan of its simulation, checked.

    Parameters
    ----------
    snn : SpikingNetwork
    images : array or Stimulus
    duration, dt : Quantity, optional
    reset : {"presentation", "never"} or bool
        False is ``"never"``.
    **settings
        Of :func:`bionet.running.arguments.make_plan`.

    Raises
    ------
    InputError
        If an argument does not fit.
    """
    stimulus = as_stimulus(as_one(snn, images))
    if isinstance(reset, bool | np.bool_):
        reset = RESETS[0] if reset else RESETS[1]
    if reset not in RESETS:
        raise InputError(f"reset is 'presentation' or 'never' (a stream), but got {reset!r}")
    usual, dt = snn.times(duration, dt)
    given = None if duration is None else float(duration)
    stimulus = _as_movie(stimulus, snn.input_shape, float(usual))
    durations = stimulus.durations(given, float(usual))
    if settings["coding"] is None:
        settings["coding"] = stimulus.coding
    lanes = settings["lanes"]
    if reset == "never" and lanes not in (None, 1):
        raise InputError(
            f"reset='never': a stream has one image at a time, but lanes is {lanes}; leave it out"
        )
    if dt > 0 * second:
        stimulus.check_step(float(dt))
    plan = make_plan(snn, duration=float(durations.max()) * second, dt=dt, **settings)
    if durations.min() == durations.max():
        steps = np.full(len(stimulus), plan.steps)
    else:
        names = (f"the duration of image {number}" for number in range(len(stimulus)))
        pairs = zip(durations.tolist(), names, strict=True)
        steps = np.array([whole_steps(length, plan.dt, name) for length, name in pairs])
    signal = stimulus.signal(snn.input_shape, plan.dt, steps)
    _check(snn, plan, stimulus, steps, reset)
    check_pixels(snn, signal, input_of(plan.input))
    static_images = isinstance(stimulus, StaticImages)
    plan = replace(
        plan,
        frame_steps=0 if static_images else signal.frame_steps,
        sparse=isinstance(signal, EventSignal),
        carries_over=reset == "never",
        lanes=1 if reset == "never" else plan.lanes,
    )
    return plan, Shown(stimulus, signal, steps)


def _check(
    snn: SpikingNetwork, plan: Plan, stimulus: Stimulus, steps: np.ndarray, reset: str
) -> None:
    """Refuse what needs one static image, set back at its onset, for one length of time."""
    usual = isinstance(stimulus, StaticImages) and reset == "presentation"
    lengths = np.ptp(steps) > 0
    model = input_of(plan.input)
    if (snn.code is not None or model.spike == "once") and (not usual or lengths):
        who = f"method {snn.method!r}" if snn.code is not None else f"the {model.name} coding"
        raise InputError(
            f"{who} has a temporal code, which reads one static image a presentation, all of one"
            " duration; show static images, or convert with method='rate'"
        )
    if reset == "never" and lengths:
        raise InputError(
            "reset='never': the images of a stream have one duration; show frames (which may show"
            " an image again and again) instead"
        )
