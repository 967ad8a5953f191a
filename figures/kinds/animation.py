"""The spikes of one image as an animation: every layer lights up where and when it fires.

A spike shines in its own frame and fades in the next ones, so that the eye can follow it.
Written as GIF, as a page with buttons (HTML), or as a film (MP4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.animation import FuncAnimation

from bionet.errors import InputError
from bionet.figures.house_style import COLUMN, PAGE, new_figure, styled
from bionet.figures.kinds import KINDS, Asked
from bionet.figures.kinds.feature_maps import mosaic
from bionet.figures.panels import choose_spiking
from bionet.results.recording import Recording

__all__ = ["animation"]

MAX_FRAMES = 60
FADING = 0.6
"""Share of its light that a spike keeps from one step to the next."""


@styled
def animation(
    run: Recording,
    image: int = 0,
    pixels: np.ndarray | None = None,
    populations: Sequence[str] | None = None,
    max_frames: int = MAX_FRAMES,
    interval: int = 120,
) -> FuncAnimation:
    """Make an animation of the spikes of one image.

    Parameters
    ----------
    run : Recording
        With recorded spikes.
    image : int
        One of ``run.recorded_images``.
    pixels : array (channels, height, width) or (features,), optional
        The image itself, shown at the left.
    populations : sequence of str, optional
        All whose spikes were recorded, in the network's order, by default.
    max_frames : int
        Steps of a longer presentation are drawn together.
    interval : int
        Milliseconds between two frames.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        :func:`bionet.figures.save` writes it as ``.gif``, ``.html`` or ``.mp4``.

    Raises
    ------
    InputError
        If the spikes were not recorded, or there would be no frame.
    """
    names = choose_spiking(run, populations)
    if max_frames < 1 or interval < 1:
        raise InputError(
            f"max_frames and interval must be at least 1, but are {max_frames} and {interval}"
        )
    per_frame = -(-run.n_steps // max_frames)
    n_frames = -(-run.n_steps // per_frame)
    light = {name: _light(run, name, image, per_frame, n_frames) for name in names}
    n = len(names) + (pixels is not None)
    columns = min(n, 4)
    rows = -(-n // columns)
    figure = new_figure(COLUMN if columns < 4 else PAGE, 0.45 + 1.25 * rows)
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for ax in axes:
        ax.axis("off")
    if pixels is not None:
        shown = np.asarray(pixels, dtype=float)
        ax = axes.pop(0)
        ax.imshow(mosaic(shown), cmap="gray")
        ax.set_title(f"image {image}", pad=3)
    pictures = []
    for ax, name in zip(axes, names, strict=False):
        ax.set_title(name, pad=3)
        first = mosaic(light[name][0].reshape(run.shapes[name]))
        pictures.append(ax.imshow(first, cmap="inferno", vmin=0, vmax=1, interpolation="nearest"))
    title = figure.suptitle("", size="medium")

    def draw(frame: int) -> list[object]:
        for name, picture in zip(names, pictures, strict=True):
            picture.set_data(mosaic(light[name][frame].reshape(run.shapes[name])))
        now = min((frame + 1) * per_frame, run.n_steps) * float(run.parameters["dt_ms"])
        title.set_text(f"{now:g} ms since image onset")
        return [*pictures, title]

    draw(0)
    return FuncAnimation(figure, draw, frames=n_frames, interval=interval)  # type: ignore[arg-type]


def _light(run: Recording, name: str, image: int, per_frame: int, n_frames: int) -> np.ndarray:
    """How bright each unit is in each frame, float array (n_frames, n_units) in [0, 1]."""
    n_units = int(np.prod(run.shapes[name]))
    spikes = run.spikes(name, image)
    light = np.zeros((n_frames, n_units))
    light[spikes.step // per_frame, spikes.unit] = 1.0
    for frame in range(1, n_frames):
        light[frame] = np.maximum(light[frame], FADING**per_frame * light[frame - 1])
    return light


@KINDS.named("animation")
def _of_run(asked: Asked) -> FuncAnimation:
    try:
        pixels: np.ndarray | None = asked.images[asked.image]
    except InputError:  # the images are not at hand any more
        pixels = None
    return animation(asked.run, asked.image, pixels, asked.populations)
