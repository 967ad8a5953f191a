"""Input codings side by side: the same image as a constant current and as spike trains.

Pixels stand in the order of their value, the brightest on top, so that a coding shows its rule: a
rate that rises, a period that shrinks, a time that moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from brian2 import Quantity, check_units, hertz, ms, second
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from bionet.equations import integrate_and_fire
from bionet.equations.inputs import sends_spikes
from bionet.errors import InputError
from bionet.figures.house_style import color_of, styled, times, unit_name
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.panels import panels
from bionet.kinds import typed
from bionet.network import Population, Readout, SpikingNetwork
from bionet.results.recording import Recording
from bionet.running.simulate import simulate

__all__ = ["coding_schemes", "input_recordings"]

MAX_PIXELS = 60
# The reverse coding shares the leak of the network that it drives, so it has none without one.
RATE_CODINGS = ("analog", "poisson", "uniform")


@typed
@check_units(duration=second, dt=second, max_rate=hertz)
def input_recordings(
    image: np.ndarray,
    codings: Sequence[str] = RATE_CODINGS,
    duration: Quantity = 100 * ms,
    dt: Quantity = 1 * ms,
    max_rate: Quantity | None = None,
    seed: int = 0,
) -> dict[str, Recording]:
    """The spikes that an image becomes under several codings, simulated by Brian2.

    Parameters
    ----------
    image : array (channels, height, width) or (features,)
        Pixels in [0, 1].
    codings : sequence of str
    duration, dt : Quantity
        In units of time.
    max_rate : Quantity, optional
        Firing rate of a pixel of value 1, in Hz; one spike a step by default.
    seed : int

    Returns
    -------
    dict of str to Recording
        Of the input alone; an analog input has no spikes.
    """
    image = np.asarray(image)
    witness = Population("witness", (1,), integrate_and_fire())
    snn = SpikingNetwork((witness,), (), image.shape, Readout("witness", "witness"))
    runs = {}
    for coding in codings:
        record = {"input" if sends_spikes(coding) else "witness": ["spikes"]}
        runs[coding] = simulate(
            snn,
            image[None],
            duration,
            dt,
            coding=coding,
            max_rate=max_rate,
            device="numpy",
            seed=seed,
            record=record,
        )
    return runs


@styled
def coding_schemes(
    runs: Mapping[str, Recording],
    pixels: np.ndarray,
    image: int = 0,
    max_pixels: int = MAX_PIXELS,
    axes: Sequence[Axes] | np.ndarray | None = None,
    time_unit: Quantity = ms,
) -> np.ndarray:
    """Draw the input spikes of one image under several codings, one panel each.

    Parameters
    ----------
    runs : mapping of str to Recording
        Coding -> recording, with the spikes of ``input`` where it has any (see
        :func:`input_recordings`).
    pixels : array (channels, height, width) or (features,)
        The image.
    image : int
        Its number in the recordings.
    max_pixels : int
        At most so many pixels are drawn, their values spread evenly over those of the image.
    axes : sequence of Axes, optional
        One for each coding; a new figure's where they are not given.
    time_unit : Quantity
        Unit of the time axis.

    Returns
    -------
    array of Axes (n_codings,)

    Raises
    ------
    InputError
        If there are no runs, or the image does not fit.
    """
    if not runs:
        raise InputError("there is no coding to draw")
    if max_pixels < 1:
        raise InputError(f"max_pixels must be at least 1, but is {max_pixels}")
    name_of_unit = unit_name(time_unit)
    values = np.asarray(pixels, dtype=np.float64)
    for coding, run in runs.items():
        if tuple(run.shapes["input"]) != values.shape:
            raise InputError(
                f"the run of coding {coding!r} has images of shape {run.shapes['input']}, but"
                f" pixels has {values.shape}"
            )
    flat = values.ravel()
    shown = _spread(flat, max_pixels)
    drawn = panels(len(runs), axes, len(runs) if len(runs) <= 4 else 3, 2.2)
    for number, (ax, (coding, run)) in enumerate(zip(drawn, runs.items(), strict=True)):
        duration = float(times(run.n_steps, run.dt, time_unit))
        if "input" in run.recorded_spikes:
            _spikes(ax, run, image, shown, color_of(number), time_unit)
        else:
            limits = {"vmin": min(0.0, flat.min()), "vmax": max(1.0, flat.max())}
            extent = (0, duration, -0.5, len(shown) - 0.5)
            picture = {"extent": extent, "aspect": "auto", "cmap": "Greys", "origin": "lower"}
            ax.imshow(flat[shown, None], **picture, **limits)
        ax.set(xlim=(0, duration), ylim=(-0.5, len(shown) - 0.5), title=coding)
        ax.set_xlabel(f"time ({name_of_unit})")
        ranks = np.unique(np.linspace(0, len(shown) - 1, 5).round().astype(int))
        ax.set_yticks(ranks, [f"{flat[shown[rank]]:.2f}" for rank in ranks])
        if number and axes is None:
            ax.tick_params(labelleft=False)
    drawn[0].set_ylabel(f"pixel value ({len(shown):,} of {flat.size:,} pixels)")
    return drawn


def _spread(flat: np.ndarray, n: int) -> np.ndarray:
    """At most n pixels, ascending, whose values are spread evenly: most images are mostly black."""
    order = np.argsort(flat, kind="stable")
    wanted = np.linspace(flat[order[0]], flat[order[-1]], n)
    rank = np.searchsorted(flat[order], wanted).clip(0, flat.size - 1)
    return order[np.unique(rank)]


def _spikes(
    ax: Axes, run: Recording, image: int, shown: np.ndarray, color: str, time_unit: Quantity
) -> None:
    """A tick for every spike of the shown pixels, from the step's begin."""
    spikes = run.spikes("input", image)
    row = np.full(int(np.prod(run.shapes["input"])), -1)
    row[shown] = np.arange(len(shown))
    drawn = row[spikes.unit] >= 0
    x = times(spikes.step[drawn], run.dt, time_unit)
    y = row[spikes.unit[drawn]]
    ends = [np.stack([x, y + side], axis=1) for side in (-0.4, 0.4)]
    ticks = LineCollection(
        list(np.stack(ends, axis=1)), colors=color, linewidths=0.6, rasterized=True
    )
    ticks.set_label("spikes")
    ax.add_collection(ticks, autolim=False)


@KINDS.named("codings")
def _of_run(asked: Asked) -> np.ndarray:
    run, images = asked.run, asked.images
    if not 0 <= asked.image < len(images):
        raise InputError(f"--image must lie between 0 and {len(images) - 1}, but is {asked.image}")
    pixels = images[asked.image]
    runs = input_recordings(pixels, duration=run.n_steps * run.dt, dt=run.dt)
    return coding_schemes(runs, pixels)
