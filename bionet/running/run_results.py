"""What a device hands back of the images that it has simulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from bionet.brian.kept import Kept
from bionet.brian.presentation import count_dtype, step_dtype
from bionet.errors import InputError

__all__ = ["check_sizes", "Monitored", "RunResults", "Timing", "joined"]


# Sizes are 32-bit integers; from 2**24 on float32 does not hold every whole number either.
BEYOND = 2**31 - 1
WHOLE_UNTIL = {"float32": 2**24, "float64": BEYOND}


@dataclass(frozen=True)
class Timing:
    """How long a run took.

    Parameters
    ----------
    run_seconds, compile_seconds : float
    n_images : int
    """

    run_seconds: float = 0.0
    compile_seconds: float = 0.0
    n_images: int = 0

    def __add__(self, other: Timing) -> Timing:
        return Timing(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_dict(self) -> dict[str, float]:
        """As a recording's parameters have it."""
        return {
            "run_seconds": self.run_seconds,
            "compile_seconds": self.compile_seconds,
            "images_per_second": self.n_images / self.run_seconds if self.run_seconds else 0.0,
        }


@dataclass(frozen=True, eq=False)
class Monitored:
    """Spikes and potentials of the recorded images, fields as in a ``Recording``."""

    recorded_images: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    recorded_spikes: Mapping[str, Any] = field(default_factory=dict)
    recorded_amplitudes: Mapping[str, Any] = field(default_factory=dict)
    recorded_potentials: Mapping[str, Any] = field(default_factory=dict)
    recorded_units: Mapping[str, np.ndarray] = field(default_factory=dict)

    def of(self, images: np.ndarray) -> Monitored:
        """What was recorded of some of the images."""
        rows = np.isin(self.recorded_images, images)
        shown = {name: np.isin(table[:, 0], images) for name, table in self.recorded_spikes.items()}
        return Monitored(
            self.recorded_images[rows],
            {name: table[shown[name]] for name, table in self.recorded_spikes.items()},
            {name: sizes[shown[name]] for name, sizes in self.recorded_amplitudes.items()},
            {name: values[rows] for name, values in self.recorded_potentials.items()},
            self.recorded_units,
        )

    def fields(self) -> dict[str, Any]:
        """The fields by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, eq=False)
class RunResults:
    """Results of some images, all arrays in PyTorch's order.

    Parameters
    ----------
    counts : mapping of str to array (n_images, *shape)
    kept : mapping of Kept to array (n_images, *shape)
        State variables at the end of each presentation.
    output_potential, output_spikes : array (n_images, n_steps, n_classes)
    events : int32 array (n_images, n_steps)
    monitored : Monitored
    timing : Timing
    """

    counts: Mapping[str, np.ndarray]
    kept: Mapping[Kept, np.ndarray]
    output_potential: np.ndarray
    output_spikes: np.ndarray
    events: np.ndarray
    monitored: Monitored = field(default_factory=Monitored)
    timing: Timing = field(default_factory=Timing)

    def lasting(self, steps: int) -> RunResults:
        """The same results in a recording of more steps: the last potential stands, nothing fires.

        Recorded potentials are NaN after the presentation's end.
        """
        more = steps - self.events.shape[1]
        if not more:
            return self
        later = [(0, 0), (0, more), (0, 0)]
        return replace(
            self,
            counts={name: a.astype(count_dtype(steps)) for name, a in self.counts.items()},
            kept={
                key: a.astype(step_dtype(steps)) if key.is_step else a
                for key, a in self.kept.items()
            },
            output_potential=np.pad(self.output_potential, later, mode="edge"),
            output_spikes=np.pad(self.output_spikes, later),
            events=np.pad(self.events, later[:2]),
            monitored=replace(
                self.monitored,
                recorded_potentials={
                    name: np.pad(a, later, constant_values=np.nan)
                    for name, a in self.monitored.recorded_potentials.items()
                },
            ),
        )


def joined(parts: Sequence[RunResults], images: Sequence[np.ndarray] | None = None) -> RunResults:
    """Results of several groups of images as one, in the order of the images.

    Parameters
    ----------
    parts : sequence of RunResults
        Of presentations of the same number of steps.
    images : sequence of int array, optional
        Numbers of each part's images, which together are 0, 1, 2 ...; without them the parts
        follow one another.
    """
    if len(parts) == 1:
        return parts[0]
    order = None if images is None else np.argsort(np.concatenate(list(images)))

    def along(arrays: Sequence[np.ndarray]) -> np.ndarray:
        together = np.concatenate(arrays)
        return together if order is None else together[order]

    first = parts[0]
    return RunResults(
        {name: along([p.counts[name] for p in parts]) for name in first.counts},
        {key: along([p.kept[key] for p in parts]) for key in first.kept},
        along([p.output_potential for p in parts]),
        along([p.output_spikes for p in parts]),
        along([p.events for p in parts]),
        _monitored([p.monitored for p in parts]),
        sum((p.timing for p in parts), Timing()),
    )


def _monitored(parts: Sequence[Monitored]) -> Monitored:
    """What was recorded of all parts, by the number of the image."""
    numbers = np.concatenate([p.recorded_images for p in parts])
    order = np.argsort(numbers, kind="stable")

    def sorted_rows(name: str, mapping: str) -> np.ndarray:
        tables = [p.recorded_spikes[name] for p in parts]
        by_image = np.argsort(np.concatenate(tables)[:, 0], kind="stable")
        return np.concatenate([getattr(p, mapping)[name] for p in parts])[by_image]

    first = parts[0]
    return Monitored(
        numbers[order],
        {name: sorted_rows(name, "recorded_spikes") for name in first.recorded_spikes},
        {name: sorted_rows(name, "recorded_amplitudes") for name in first.recorded_amplitudes},
        {
            name: np.concatenate([p.recorded_potentials[name] for p in parts])[order]
            for name in first.recorded_potentials
        },
        first.recorded_units,
    )


def check_sizes(results: RunResults) -> None:
    """Refuse signed spikes whose sizes, or sums of sizes, are no exact whole numbers any more.

    Raises
    ------
    InputError
        Naming the population and the remedy.
    """
    for key, totals in results.kept.items():
        limit = WHOLE_UNTIL.get(totals.dtype.name)
        if key[1] != "total" or limit is None or not totals.size:
            continue
        if (largest := float(np.abs(totals).max())) >= limit:
            remedy = "simulate with dtype='float64'" if limit == 2**24 else "lower the weights"
            raise InputError(
                f"population {key[0]!r}: the sizes of a unit's spikes add up to {largest:.4g}, and"
                f" from {limit:,} on whole numbers are not kept with dtype={totals.dtype.name!r};"
                f" {remedy}, or raise the thresholds"
            )
    sizes = results.output_spikes
    if sizes.dtype == np.int32 and sizes.size and np.abs(sizes.astype(np.int64)).max() >= BEYOND:
        raise InputError(
            f"an output's spike is larger than {BEYOND:,}, the largest size that is kept; raise the"
            " thresholds, or bound the spikes (bound=)"
        )
